"""Pictures that lie in a file: reduced without a copy, hashed and trained from within bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spbl_nb import files
from spbl_nb.data.dataset import FeatureData, ImageData, PictureRows, resize


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of 6 x 5 pixels in a read-only memory map."""
    np.save(tmp_path / "pictures.npy", np.random.default_rng(0).integers(0, 256, (12, 3, 6, 5), dtype=np.uint8))
    return np.load(tmp_path / "pictures.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        slice(2, 5),
        [4, 0, 0],
        np.array([True, False] * 3),
        np.array([], dtype=int),
        (1, 2),
        (slice(None), 1),
        (slice(1, 4), slice(None), 2, slice(1, 3)),
        (..., 0),
        ([0, 3], [1, 2]),
        None,
    ],
    ids=str,
)
def test_rows_read_like_the_array_that_they_stand_for(pictures, key):
    rows = PictureRows(pictures, np.array([7, 1, 1, 11, -12, 5]))
    whole = np.array(pictures)[[7, 1, 1, 11, 0, 5]]
    assert (rows.shape, rows.ndim, rows.dtype, rows.nbytes, len(rows)) == (whole.shape, 4, np.uint8, whole.nbytes, 6)
    np.testing.assert_array_equal(rows[key], whole[key])
    assert type(rows[key]) is np.ndarray
    np.testing.assert_array_equal(rows, whole)
    assert files.sha256_of(rows) == files.sha256_of(whole)


def test_rows_that_do_not_exist_are_refused(pictures):
    with pytest.raises(IndexError):
        PictureRows(pictures, np.array([12]))
    with pytest.raises(IndexError):
        PictureRows(pictures, np.array([0]))[1]


def test_taking_rows_of_a_file_twice_copies_nothing(pictures):
    data = ImageData("mapped", pictures, np.arange(12) % 2, ("a", "b"))
    part = data.take(np.array([9, 8, 3, 2])).take(np.array([3, 0]))
    assert isinstance(part.images, PictureRows)
    assert part.images.pictures is pictures
    np.testing.assert_array_equal(part.images, np.array(pictures)[[2, 9]])
    copied = ImageData("mapped", np.array(pictures)[[2, 9]], np.array([0, 1]), ("a", "b"))
    assert part.sha256 == copied.sha256


@pytest.mark.filterwarnings("error")
def test_resizing_does_not_depend_on_the_block(pictures):
    np.testing.assert_array_equal(resize(pictures, 4), resize(np.array(pictures), 4, block=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_features_become_float32(dtype):
    values = np.arange(6, dtype=dtype).reshape(3, 2)
    features = FeatureData("f", values, np.array([0, 1, 1]), ("a", "b"), "").features
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, values)
    assert (features is values) == (dtype is np.float32)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_feature_that_is_no_number_is_named(row, column, dtype):
    values = np.zeros((3, 2), dtype=dtype)
    values[row, column] = np.nan
    with pytest.raises(ValueError, match=rf"features\[{row}, {column}\] is nan"):
        FeatureData("f", values, np.array([0, 1, 1]), ("a", "b"), "")


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


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc are Linux")
def test_the_limit_is_one(tmp_path):
    """The negative control: a copy of the file does not fit."""
    child = Path(__file__).parents[1] / "helpers/bounded_memory.py"
    done = subprocess.run([sys.executable, child, tmp_path, "copy"], capture_output=True, text=True, timeout=900)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr
