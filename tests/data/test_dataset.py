"""Images that are in a file: reduced without a copy, hashed and trained from within bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spbl_nb import files
from spbl_nb.data.dataset import FeatureData, ImageData, ImageRows, resize


@pytest.fixture
def images(tmp_path):
    """Twelve images of 6 x 5 pixels in a read-only memory map."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (12, 3, 6, 5), dtype=np.uint8))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "key",
    [
        -1,
        slice(2, 5),
        [4, 0, 0],
        np.array([True, False] * 3),
        (slice(1, 4), slice(None), 2, slice(1, 3)),
        (..., 0),
        ([0, 3], [1, 2]),
    ],
    ids=str,
)
def test_rows_read_like_the_array_that_they_stand_for(images, key):
    rows = ImageRows(images, np.array([7, 1, 1, 11, -12, 5]))
    whole = np.array(images)[[7, 1, 1, 11, 0, 5]]
    assert (rows.shape, rows.ndim, rows.dtype, rows.nbytes, len(rows)) == (whole.shape, 4, np.uint8, whole.nbytes, 6)
    np.testing.assert_array_equal(rows[key], whole[key])
    assert type(rows[key]) is np.ndarray
    np.testing.assert_array_equal(rows, whole)
    assert files.sha256_of(rows) == files.sha256_of(whole)


def test_rows_that_do_not_exist_are_refused(images):
    with pytest.raises(IndexError):
        ImageRows(images, np.array([12]))
    with pytest.raises(IndexError):
        ImageRows(images, np.array([0]))[1]


def test_taking_rows_of_a_file_twice_copies_nothing(images):
    data = ImageData("mapped", images, np.arange(12) % 2, ("a", "b"))
    part = data.take(np.array([9, 8, 3, 2])).take(np.array([3, 0]))
    assert isinstance(part.images, ImageRows)
    assert part.images.images is images
    np.testing.assert_array_equal(part.images, np.array(images)[[2, 9]])
    copied = ImageData("mapped", np.array(images)[[2, 9]], np.array([0, 1]), ("a", "b"))
    assert part.sha256 == copied.sha256


def test_resizing_does_not_depend_on_the_block(images):
    np.testing.assert_array_equal(resize(images, 4), resize(np.array(images), 4, block=1))


def test_features_become_float32_and_are_finite():
    values = np.arange(6.0).reshape(3, 2)
    features = FeatureData("f", values, np.array([0, 1, 1]), ("a", "b"), "").features
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, values)
    values[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"features\[2, 1\] is nan"):
        FeatureData("f", values, np.array([0, 1, 1]), ("a", "b"), "")


IMAGES, LABELS = np.zeros((6, 3, 8, 8), np.uint8), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"images": IMAGES[:, 0]}, r"uint8\[N,3,H,W\] is needed"),
        ({"labels": LABELS[:5]}, "5 entries; 6 are needed"),
        ({"labels": LABELS * 0, "class_names": ["a"]}, "single class 'a'"),
        ({"class_names": tuple("abcd")}, r"no sample of class 3 \(d\)"),
        ({"groups": np.zeros(5)}, "groups of x"),
        ({"split": np.full(6, 3)}, "split of x must hold 0"),
        ({"split": np.zeros(6, int)}, "empty test part"),
    ],
)
def test_what_does_not_fit_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        ImageData(**{"name": "x", "images": IMAGES, "labels": LABELS, "class_names": tuple("abc")} | fields)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc are Linux")
def test_a_cache_larger_than_memory_is_trained_from(tmp_path):
    """The child may not have as much private memory as the file is large, and says how much it took."""
    child = Path(__file__).parents[1] / "helpers/bounded_memory.py"
    done = subprocess.run([sys.executable, child, tmp_path], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    file, limit, grown, steps = map(float, done.stdout.split())
    assert limit < 0.6 * file
    assert grown < limit
    assert steps == 12


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc are Linux")
def test_the_limit_is_one(tmp_path):
    """The negative control: a copy of the file does not fit."""
    child = Path(__file__).parents[1] / "helpers/bounded_memory.py"
    done = subprocess.run([sys.executable, child, tmp_path, "copy"], capture_output=True, text=True, timeout=900)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
