"""Networks: shapes, seeds, feature tap, torchvision factories and their weights."""

import re

import numpy as np
import pytest
import torch

from spbl_nb.training import models


@pytest.mark.parametrize(
    ("name", "size", "features"),
    [
        *[("small_cnn", 32, 64), ("small_resnet", 28, 64), ("mnist_net", 28, 512), ("mnist_net", 32, 512)],
        *[("resnet18", 64, 512), ("densenet121", 64, 1024)],
        *[pytest.param(*one, marks=pytest.mark.slow) for one in (("vgg11_bn", 64, 4096), ("inception_v3", 96, 2048))],
    ],
)
def test_logits_and_features_come_from_one_pass(name, size, features):
    model, images = models.build(name, 7, size), torch.randn(3, 3, size, size)
    assert model.train()(images).shape == (3, 7)
    logits, tapped = model.eval()(images, with_features=True)
    assert logits.shape == (3, 7)
    assert tapped.shape == (3, features)
    torch.testing.assert_close(model.head(tapped), logits)
    torch.testing.assert_close(model(images), logits)


def test_mnist_net_is_the_released_one():
    model = models.build("mnist_net", 10, 28)
    first_hidden = next(layer for layer in model.backbone if isinstance(layer, torch.nn.Linear))
    assert first_hidden.in_features == 3136
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in model.backbone) == 4
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in model.backbone) == 3
    assert model.head.in_features == 512


def test_seed_fixes_the_weights_and_leaves_the_callers_stream_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (models.build("small_cnn", 4, seed=seed) for seed in (1, 1, 2))
    torch.testing.assert_close(torch.rand(3), expected)
    weights = [model.backbone[0].weight for model in (one, same, other)]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert not torch.equal(weights[0], weights[2])


def test_weights_from_a_file(tmp_path):
    import torchvision

    source = torchvision.models.resnet18(weights=None)
    torch.save(source.state_dict(), tmp_path / "resnet18.pth")
    model = models.build("resnet18", 3, 32, weights=str(tmp_path / "resnet18.pth"))
    torch.testing.assert_close(model.backbone.conv1.weight, source.conv1.weight)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder in the place of torch's hub cache, and no network."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "resnet18-f37072fd.pth"),
        pytest.param("densenet121", "densenet121-a639ec97.pth", marks=pytest.mark.slow),
    ],
)
def test_published_weights_are_read_from_the_hub_cache(hub, name, file):
    import torchvision

    source = torchvision.models.get_model(name, weights=None)
    state = source.state_dict()
    if name == "densenet121":  # the published file has the names of an old torchvision
        state = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in state.items()}
        assert set(state) != set(source.state_dict())
    torch.save(state, hub / file)
    model = models.build(name, 3, 32, weights="IMAGENET1K_V1").backbone.state_dict()
    assert len(model) > 100
    for key, value in model.items():
        torch.testing.assert_close(value, source.state_dict()[key], rtol=0, atol=0)


def test_absent_weights_are_named(hub):
    with pytest.raises(FileNotFoundError, match=r"resnet50-0676ba61\.pth.*no network.*put the file\s+from https://"):
        models.build("resnet50", 3, 224, weights="IMAGENET1K_V1")
    with pytest.raises(ValueError, match="did you mean 'IMAGENET1K_V2'"):
        models.build("resnet50", 3, 224, weights="IMAGENET1K_V3")


def test_small_plain_sees_every_image_by_itself():
    model = models.build("small_plain", 3).train()
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(model(images)[:2], model(images[:2]))
    assert not torch.allclose(models.build("small_cnn", 3).train()(images)[:2], model(images[:2]))


def test_weights_that_do_not_fit_or_could_run_code_are_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="are not those of resnet18"):
        models.build("resnet18", 3, 32, weights=str(tmp_path / "other.pth"))
    torch.save(np.array([print], dtype=object), tmp_path / "pickle.pth")
    with pytest.raises(ValueError, match="are not those of"):
        models.build("resnet18", 3, 32, weights=str(tmp_path / "pickle.pth"))
    with pytest.raises(FileNotFoundError, match="path of a state dict"):
        models.build("resnet18", 3, 32, weights=str(tmp_path / "absent.pth"))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("small_cnn", 3, 4), {}, "at least 8 pixels"),
        (("mnist_net", 3, 30), {}, "multiples of 4"),
        (("inception_v3", 3, 32), {}, "at least 75 pixels"),
        (("small_cnn", 3), {"weights": "IMAGENET1K_V1"}, "no published weights"),
    ],
)
def test_errors(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(*arguments, **options)
