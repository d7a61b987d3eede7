"""Settings: presets, overrides, validation and identity."""

import dataclasses
import json

import pytest

from spbl_nb import config
from spbl_nb.config import Config, preset


@pytest.mark.parametrize("name", ["smoke", "fast", "full", "release", "paper"])
def test_presets_are_named_and_serialisable(name):
    settings = preset(name)
    assert settings.name == name
    assert json.loads(json.dumps(settings.to_dict())) == settings.to_dict()
    assert Config(**settings.to_dict()) == settings


def test_overrides_change_the_identity_and_seeds_do_not():
    assert preset("fast", lr=0.01).digest != preset("fast").digest
    assert preset("fast", lr=0.01).name == f"fast+{preset('fast', lr=0.01).digest}"
    assert preset("fast", seeds=(7,)).digest == preset("fast").digest
    assert len({preset(name).digest for name in config.PRESETS}) == len(config.PRESETS)


def test_only_what_comes_from_smoke_has_a_watermark():
    names = ["smoke", preset("smoke", lr=0.01).name, *set(config.PRESETS) - {"smoke"}, preset("fast", lr=0.01).name]
    assert [bool(config.watermark(name)) for name in names] == [True, True] + [False] * (len(names) - 2)


def test_every_setting_is_described():
    described = preset("fast").describe()
    assert [name for name, _, _ in described] == [field.name for field in dataclasses.fields(Config)]
    assert all(meaning for _, _, meaning in described)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lr": "1e-3"}, r"lr is '1e-3' \(str\)"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"epochs": True}, "epochs is True"),
        ({"factor": -3.0}, "factor is -3"),
        ({"milestones": 0.5}, "allowed: a list"),
        ({"channels_last": 1}, "channels_last is 1"),
        ({"seeds": (-1,)}, r"seeds\[0\] is -1"),
        ({"add_ratios": (0.5, 0.4)}, "never fall"),
        ({"model": ""}, "model is ''; allowed: a non-empty text"),
        ({"enlarge": True, "crop": True}, "enlarge and crop are both set"),
    ],
)
def test_bad_settings(overrides, message):
    with pytest.raises(ValueError, match=message):
        preset("fast", **overrides)


def test_the_paper_preset_is_the_settings_of_the_release_for_photographs():
    settings = preset("paper")
    assert (settings.model, settings.weights) == ("resnet50", "IMAGENET1K_V1")
    assert settings.size - 2 * settings.padding == 224
    assert (settings.lr, settings.backbone_lr, settings.lr_gamma, settings.milestones) == (0.01, 0.001, 0.1, (0.8,))
    assert (settings.batch_size, settings.weight_decay, settings.momentum) == (64, 5e-4, 0.9)
    assert (settings.stage_epochs, settings.add_ratios) == (50, (0.5, 0.75, 0.9, 1.0, 1.0))
