"""Splits: stratified, whole groups, reproducible, and refused when a class is too small."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import splits
from spbl_nb.splits import Split, make_split


def _grouped(blobs, seed=0):
    """A data set of 3 classes whose groups hold 1 to 4 samples of one class each."""
    rng = np.random.default_rng(seed)
    data = blobs([60, 40, 30], size=8)
    groups = np.concatenate(
        [np.repeat(1000 * c + np.arange(60), rng.integers(1, 5, 60))[:n] for c, n in enumerate([60, 40, 30])]
    )
    return dataclasses.replace(data, groups=groups)


def test_parts_cover_everything_once(blobs):
    data = blobs([50, 20, 10], size=8)
    split = make_split(data, 0.1, 0.2, seed=1)
    joined = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(joined), np.arange(len(data)))
    assert data.counts(split.test).tolist() == [10, 4, 2]
    assert data.counts(split.validation).tolist() == [5, 2, 1]


def test_same_seed_same_split(blobs):
    data = blobs([50, 20, 10], size=8)
    assert make_split(data, seed=1).sha256 == make_split(data, seed=1).sha256
    assert make_split(data, seed=1).sha256 != make_split(data, seed=2).sha256


def test_official_parts_are_kept(blobs):
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
    assert set(splits.group_leaks(data, split).values()) == {0}
    share = data.counts(split.test) / data.counts()
    assert (abs(share - 0.25) < 0.12).all()


def test_leak_is_seen_when_there_is_one(blobs):
    data = _grouped(blobs)
    ungrouped = make_split(dataclasses.replace(data, groups=None), seed=0)
    assert splits.group_leaks(data, ungrouped)["train/test"] > 0


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_are_disjoint_and_complete(blobs, grouped):
    data = _grouped(blobs) if grouped else blobs([50, 23, 11], size=8)
    folds = [make_split(data, 0.1, 0.2, seed=5, fold=fold) for fold in range(5)]
    tests = np.concatenate([split.test for split in folds])
    np.testing.assert_array_equal(np.sort(tests), np.arange(len(data)))
    sizes = [len(split.test) for split in folds]
    assert max(sizes) - min(sizes) <= (12 if grouped else 3)
    if grouped:
        assert all(set(splits.group_leaks(data, split).values()) == {0} for split in folds)


def test_manifest_round_trip(blobs, tmp_path):
    data = blobs([20, 20], size=8)
    split = make_split(data)
    split.save(tmp_path / "split.json")
    loaded = Split.load(tmp_path / "split.json", data)
    assert loaded.sha256 == split.sha256
    np.testing.assert_array_equal(loaded.train, split.train)


def test_manifest_altered_or_foreign_is_refused(blobs, tmp_path):
    data = blobs([20, 20], size=8)
    path = tmp_path / "split.json"
    make_split(data).save(path)
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


def test_class_too_small_is_named(blobs):
    with pytest.raises(ValueError, match=r"class 1 \(class 1\) has 1 sample to split; at least 3"):
        make_split(blobs([20, 1], size=8))
    with pytest.raises(ValueError, match=r"class 1 .* has 2 samples"):
        make_split(blobs([20, 2], size=8))
    assert make_split(blobs([20, 3], size=8)).train.size > 0


def test_one_group_is_too_few(blobs):
    data = dataclasses.replace(blobs([20, 20], size=8), groups=np.repeat(np.arange(21), [1] * 20 + [20]))
    with pytest.raises(ValueError, match=r"class 1 .* has 1 group"):
        make_split(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 0}, "test is 0"),
        ({"test": 1.5}, "test is 1.5"),
        ({"validation": float("nan")}, "validation is nan"),
        ({"validation": 0.5, "test": 0.5}, r"validation \+ test is 1"),
        ({"validation": 0.9, "test": 0.2, "fold": 0}, r"validation \+ test is 1.1"),
        ({"fold": 5}, "fold is 5; allowed: an integer from 0 to 4"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0.5}, "seed is 0.5"),
    ],
)
def test_bad_arguments(blobs, options, message):
    with pytest.raises(ValueError, match=message):
        make_split(blobs([20, 20], size=8), **options)


def test_fold_contradicts_official_split(blobs):
    data = dataclasses.replace(blobs([9, 9], size=8), split=np.tile([0, 0, 2], 6))
    with pytest.raises(ValueError, match="official split"):
        make_split(data, fold=0)


def test_empty_or_overlapping_parts_are_refused():
    rows = np.arange(3)
    with pytest.raises(ValueError, match=r"split\.test has shape"):
        Split(rows, rows + 3, np.array([], int), "x", "")
    with pytest.raises(ValueError, match="row 2 stands twice"):
        Split(rows, np.array([2]), np.array([5]), "x", "")
