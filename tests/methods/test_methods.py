"""Methods: one call for all of them, equal budgets and starts, and no look at test labels."""

import dataclasses
import functools

import numpy as np
import pytest
from small_data import blobs

from spbl_nb import methods
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
    again = methods.run(method, data, split, QUICK)
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


def test_budgets_are_equal_where_classes_do_not_divide_the_epoch(blobs):
    order = baselines.balanced_order(np.repeat([0, 1, 2], [100, 20, 8]), np.random.default_rng(0))
    assert len(order) == 128
    data = blobs([110, 40, 33])
    split = make_split(data, 0.15, 0.3)
    config = QUICK.replace(max_steps=None, epochs=3, batch_size=len(split.train))
    assert {methods.run(method, data, split, config).steps for method in ("ce", "oversample")} == {3}


def test_checkpoint_of_another_method_is_refused(data, split, tmp_path):
    methods.run("ce", data, split, QUICK, checkpoint=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="run: 'ce' there, 'oversample' here"):
        methods.run("oversample", data, split, QUICK, checkpoint=tmp_path / "run.pt")


def test_errors(data, split, blobs):
    with pytest.raises(ValueError, match="did you mean 'oversample'"):
        methods.run("oversampel", data, split, QUICK)
    with pytest.raises(ValueError, match="other data"):
        methods.run("ce", blobs([60, 20, 10], seed=5), split, QUICK)
    with pytest.raises(ValueError, match="seed is -1"):
        methods.run("ce", data, split, QUICK, seed=-1)
    train = split.train[data.labels[split.train] != 2]
    with pytest.raises(ValueError, match=r"class 2 \(class 2\) has no training row"):
        methods.run("ce", data, dataclasses.replace(split, train=train), QUICK)
