"""Methods: one call for all of them, equal budgets and starts, and no look at test labels."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from small_data import blobs

from spbl_nb import methods, training
from spbl_nb.config import preset
from spbl_nb.data.split import make_split
from spbl_nb.methods import baselines

QUICK = preset("smoke", size=16, epochs=30, max_steps=60, batch_size=16)


@functools.cache
def first_run(method):
    """The result of a method on what the fixtures ``data`` and ``split`` give, which several tests look at."""
    data = blobs([60, 20, 10])
    return methods.run(method, data, make_split(data, 0.15, 0.3), QUICK)


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_learns_and_is_reproducible(data, split, method):
    result = first_run(method)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.random.get_rng_state()
    again = methods.run(method, data, split, QUICK)
    assert torch.equal(before, torch.random.get_rng_state()), "the caller's random state"
    assert result.scores.shape == (len(split.test), 3)
    assert result.score_kind in ("probability", "logit", "decision")
    assert (result.predicted == data.labels[split.test]).mean() > 0.8
    np.testing.assert_array_equal(result.scores, again.scores)
    assert result.history == again.history


def test_budgets_are_equal():
    assert len({first_run(method).steps for method in methods.METHODS}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", methods.METHODS)
def test_test_labels_are_never_seen(data, split, method):
    """Scrambling the labels of the test rows must not move a single score, except where the leak is the point."""
    labels = data.labels.copy()
    labels[split.test] = np.roll(labels[split.test], 7)
    scrambled = dataclasses.replace(data, labels=labels)
    moved = dataclasses.replace(split, data_sha256=scrambled.sha256)
    honest = first_run(method).scores
    scores = methods.run(method, scrambled, moved, QUICK).scores
    assert np.array_equal(scores, honest) == (method != "spbl_released")


def test_balanced_order_shows_every_class_equally_often():
    labels = np.repeat([0, 1, 2], [70, 15, 5])
    order = baselines.balanced_order(labels, np.random.default_rng(0))
    assert np.bincount(labels[order]).tolist() == [30, 30, 30]
    times = np.bincount(order, minlength=90)
    assert times[labels == 0].max() == 1
    assert set(times[labels == 1]) == {2}
    assert set(times[labels == 2]) == {6}


@pytest.mark.parametrize(
    ("method", "place", "call"),
    [
        *[("ldam_drw", "fit", 2), ("crt", "fit", 2), ("spl", "fit", 3), ("spaco", "fit", 4), ("spbl_clean", "fit", 2)],
        *[("crt", "cache_features", 1), ("smote_svm", "cache_features", 1)],
        *[("tau_norm", "predict", 1), ("spbl_released", "predict", 2)],
    ],
)
def test_an_interrupted_run_ends_where_an_uninterrupted_one_ends(
    data, split, tmp_path, monkeypatch, method, place, call
):
    original, calls = getattr(training, place), []

    def interrupted(*arguments, **options):
        calls.append(place)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(training, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            methods.run(method, data, split, QUICK, checkpoint=tmp_path / "run.pt")
    assert any(tmp_path.iterdir())
    resumed, whole = methods.run(method, data, split, QUICK, checkpoint=tmp_path / "run.pt"), first_run(method)
    np.testing.assert_array_equal(resumed.scores, whole.scores)
    assert (resumed.history, resumed.details) == (whole.history, whole.details)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        *[(name, {"selection": "test"}, "selection is 'test'") for name in ("spbl_clean", "spbl_no_weights")],
        *[(name, {"max_steps": 1}, "budget is 1 optimiser steps for") for name in ("spl", "crt", "spbl_clean")],
        ("spaco", {"labelled_share": 0.999}, r"labelled_share is 0\.999"),
    ],
)
def test_settings_that_a_method_cannot_work_with(data, split, method, settings, message):
    with pytest.raises(ValueError, match=message):
        methods.run(method, data, split, QUICK.replace(**settings))


def test_classes_that_are_too_small(data, split, blobs):
    train = split.train[data.labels[split.train] != 2]
    with pytest.raises(ValueError, match=r"class 2 \(class 2\) has no training row"):
        methods.run("ce", data, dataclasses.replace(split, train=train), QUICK)
    small = blobs([30, 12, 3])
    with pytest.raises(ValueError, match=r"class 2 \(class 2\) has 1 training sample, all in the seed set"):
        methods.run("spbl_clean", small, make_split(small, 0.2, 0.3), QUICK)
