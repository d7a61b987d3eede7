"""Splits: stratified, whole groups, reproducible, and refused when a class is too small."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb.data.split import Split, group_leaks, held_out_rows, make_split


def _grouped(blobs, seed=0):
    """A data set of 3 classes whose groups hold 1 to 4 samples of one class each."""
    rng = np.random.default_rng(seed)
    data = blobs([60, 40, 30], size=8)
    groups = np.concatenate(
        [np.repeat(1000 * c + np.arange(60), rng.integers(1, 5, 60))[:n] for c, n in enumerate([60, 40, 30])]
    )
    return dataclasses.replace(data, groups=groups)


def test_splits_cover_everything_once(blobs):
    data = blobs([50, 20, 10], size=8)
    split = make_split(data, 0.1, 0.2, seed=1)
    joined = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(joined), np.arange(len(data)))
    assert data.counts(split.test).tolist() == [10, 4, 2]
    assert data.counts(split.validation).tolist() == [5, 2, 1]


def test_official_splits_are_kept(blobs):
    data = blobs([30, 30], size=8)
    official = np.tile([0, 0, 2], 20)
    split = make_split(dataclasses.replace(data, split=official), 0.2, 0.4, seed=0)
    np.testing.assert_array_equal(split.test, np.flatnonzero(official == 2))
    assert len(split.validation) == 8
    with_validation = np.tile([0, 1, 2], 20)
    split = make_split(dataclasses.replace(data, split=with_validation))
    np.testing.assert_array_equal(split.validation, np.flatnonzero(with_validation == 1))


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_groups_stay_whole(seed):
    from small_data import blobs

    data = _grouped(blobs, seed)
    split = make_split(data, 0.15, 0.25, seed=seed)
    assert set(group_leaks(data, split).values()) == {0}
    share = data.counts(split.test) / data.counts()
    assert (abs(share - 0.25) < 0.12).all()


def _mixed(blobs, seed=0, photographs=60, points=20):
    """A data set whose groups hold samples of several classes, the last of which is never the commonest of a group."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, size=(photographs, points), p=[0.55, 0.3, 0.11, 0.04])
    labels[:5, 0] = 3
    order = np.argsort(labels.ravel(), kind="stable")
    data = blobs(np.bincount(labels.ravel(), minlength=4), size=4)
    return dataclasses.replace(data, groups=np.repeat(np.arange(photographs), points)[order])


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_groups_of_several_classes_are_cut_in_proportion(seed):
    from small_data import blobs

    data = _mixed(blobs, seed)
    split = make_split(data, 0.15, 0.25, seed=seed)
    assert set(group_leaks(data, split).values()) == {0}
    for part, share in ((split.test, 0.25), (split.validation, 0.15)):
        assert data.counts(part).min() >= 1
        np.testing.assert_allclose(
            data.counts(part)[:2] / data.counts()[:2], share, atol=0.15
        )  # the worst of the 1001 seeds: 0.14
    assert data.counts(split.train).min() >= 1
    assert make_split(data, 0.15, 0.25, seed=seed).sha256 == split.sha256


def test_folds_of_groups_of_several_classes(blobs):
    data = _mixed(blobs)
    folds = [make_split(data, 0.1, 0.2, seed=5, fold=fold) for fold in range(5)]
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in folds])), np.arange(len(data)))
    for split in folds:
        assert set(group_leaks(data, split).values()) == {0}
        assert data.counts(split.test).min() >= 1
        assert abs(len(split.test) / len(data) - 0.2) < 0.06


def test_groups_of_several_classes_that_cannot_be_cut(blobs):
    data = blobs([20, 3], size=4)
    two_groups = dataclasses.replace(data, groups=np.r_[np.arange(20), 0, 0, 1])
    with pytest.raises(ValueError, match=r"class 1 \(class 1\) has 2 groups to split; at least 3"):
        make_split(two_groups)
    with pytest.raises(ValueError, match=r"class 1 \(class 1\) has 2 groups to split; at least 5"):
        make_split(two_groups, fold=0)
    # every group with class 2 holds the last of classes 0 or 1 that may go
    groups = np.array([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
    chained = dataclasses.replace(blobs([3, 3, 6], size=4), groups=groups)
    split = make_split(chained, 0.2, 0.2)
    assert all(chained.counts(part).min() >= 1 for part in (split.train, split.validation, split.test))


def test_held_out_rows_are_those_of_the_split(blobs):
    data = _grouped(blobs)
    np.testing.assert_array_equal(held_out_rows(data, 0.3, seed=4), make_split(data, 0.1, 0.3, seed=4).test)


def test_leak_is_seen_when_there_is_one(blobs):
    data = _grouped(blobs)
    ungrouped = make_split(dataclasses.replace(data, groups=None), seed=0)
    assert group_leaks(data, ungrouped)["train/test"] > 0


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_are_disjoint_and_complete(blobs, grouped):
    data = _grouped(blobs) if grouped else blobs([50, 23, 11], size=8)
    folds = [make_split(data, 0.1, 0.2, seed=5, fold=fold) for fold in range(5)]
    tests = np.concatenate([split.test for split in folds])
    np.testing.assert_array_equal(np.sort(tests), np.arange(len(data)))
    sizes = [len(split.test) for split in folds]
    assert max(sizes) - min(sizes) <= (12 if grouped else 3)
    if grouped:
        assert all(set(group_leaks(data, split).values()) == {0} for split in folds)


def test_a_manifest_is_read_back_and_refused_when_altered_or_foreign(blobs, tmp_path):
    data = blobs([20, 20], size=8)
    path = tmp_path / "split.json"
    split = make_split(data)
    split.save(path)
    assert Split.load(path, data).sha256 == split.sha256
    with pytest.raises(ValueError, match="other data"):
        Split.load(path, blobs([20, 20], size=8, seed=9))
    text = path.read_text()
    content = json.loads(text)
    content["train"], content["test"] = content["train"] + content["test"][:1], content["test"][1:]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="was altered"):
        Split.load(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="no split manifest"):
        Split.load(path)
    path.write_text(text[:40])
    with pytest.raises(ValueError, match="not a JSON file"):
        Split.load(path)


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({}, {"validation": float("nan")}, "validation is nan"),
        ({}, {"fold": 5}, "fold is 5; allowed: an integer from 0 to 4"),
        ({"labels": np.repeat([0, 1], [20, 2])}, {}, r"class 1 \(class 1\) has 2 samples to split; at least 3"),
        ({"groups": np.repeat(np.arange(12), [1] * 11 + [11])}, {}, r"class 1 .* has 1 group"),
    ],
)
def test_what_cannot_be_split_is_named(blobs, fields, options, message):
    with pytest.raises(ValueError, match=message):
        make_split(dataclasses.replace(blobs([11, 11], size=4), **fields), **options)


def test_empty_or_overlapping_splits_are_refused():
    rows = np.arange(3)
    with pytest.raises(ValueError, match=r"split\.test has shape"):
        Split(rows, rows + 3, np.array([], int), "x", "")
    with pytest.raises(ValueError, match="row 2 is twice"):
        Split(rows, np.array([2]), np.array([5]), "x", "")
