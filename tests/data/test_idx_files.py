"""MNIST's own files: read as torchvision reads them, plain or gzipped, and everything a broken one can be."""

import gzip
import struct

import numpy as np
import pytest

from spbl_nb import data
from spbl_nb.data import idx_files

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return [
        *(rng.integers(0, 256, (40, 28, 28), dtype=np.uint8), np.arange(40, dtype=np.uint8) % 10),
        *(rng.integers(0, 256, (20, 28, 28), dtype=np.uint8), np.arange(20, dtype=np.uint8) % 10),
    ]


def _write(folder, arrays, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays, strict=True):
        path = folder / f"{name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(_idx(array)) if packed else _idx(array))


@pytest.mark.parametrize(("name", "folder"), idx_files.FOLDERS.items())
@pytest.mark.parametrize("packed", [False, True])
def test_torchvisions_files(tmp_path, arrays, name, folder, packed):
    from torchvision import datasets

    _write(tmp_path / folder / "raw", arrays, packed)
    loaded = data.load(name, tmp_path)
    assert loaded.split.tolist() == [0] * 40 + [2] * 20
    assert not loaded.mirror
    assert folder in loaded.source
    np.testing.assert_array_equal(loaded.images[:, 1], np.concatenate(arrays[::2]))
    assert (
        loaded.sha256 == data.load(name, tmp_path / folder).sha256 == data.load(name, tmp_path / folder / "raw").sha256
    )
    if not packed:
        theirs = getattr(datasets, folder)(tmp_path, train=True)
        np.testing.assert_array_equal(loaded.images[:40, 0], theirs.data.numpy())
        np.testing.assert_array_equal(loaded.labels[:40], theirs.targets.numpy())
        assert len(loaded.class_names) == len(theirs.classes)
    if name == "fashion_mnist":
        assert loaded.class_names == tuple(datasets.FashionMNIST.classes)


def test_odd_digits_keep_a_tenth(tmp_path, arrays):
    _write(tmp_path, arrays)
    loaded = data.load("mnist", tmp_path, profile="odd_classes", factor=4, size=14)
    assert loaded.counts(np.flatnonzero(loaded.split == 0)).tolist() == [4, 1] * 5
    assert loaded.counts(np.flatnonzero(loaded.split == 2)).tolist() == [2] * 10
    assert loaded.size == (14, 14)


def test_an_npz_goes_first(tmp_path, arrays):
    _write(tmp_path, arrays)
    x, y = arrays[:2]
    np.savez(tmp_path / "mnist.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:30], y_test=y[20:30])
    assert len(data.load("mnist", tmp_path)) == 30


def test_nothing_is_fetched_unless_asked(tmp_path, arrays, monkeypatch):
    from torchvision import datasets

    asked = []

    def fetch(root, download):
        asked.append((root, download))
        _write(tmp_path / "MNIST" / "raw", arrays)

    monkeypatch.setattr(datasets, "MNIST", fetch)
    with pytest.raises(FileNotFoundError, match=r"download=True in Python\) lets torchvision fetch it"):
        data.load("mnist", tmp_path)
    assert len(data.load("mnist", tmp_path, download=True)) == 60
    assert asked == [(str(tmp_path), True)]
    with pytest.raises(ValueError, match="download is 'yes'"):
        data.load("mnist", tmp_path, download="yes")


def test_broken_files_are_named(tmp_path, arrays):
    good = _idx(arrays[0])
    cases = {
        b"": "begins with ''",
        b"PNG" + good: "begins with '50 4e 47 00'",
        good[:3] + bytes([1]) + good[4:]: "begins with '00 00 08 01'",
        good[:8]: "says its shape is",
        good[:4] + struct.pack(">3I", 2**31, 28, 28) + good[16:]: "says its shape is",
        good[:4] + struct.pack(">3I", 0, 28, 28): "says its shape is",
        good[:-1]: "ends before its 31360 bytes",
        good + b"x": "is longer than its 31360 bytes",
    }
    for packed in (False, True):
        path = tmp_path / f"broken{'.gz' if packed else ''}"
        for content, message in cases.items():
            path.write_bytes(gzip.compress(content) if packed else content)
            with pytest.raises(ValueError, match=rf"broken(\.gz)? {message}"):
                idx_files.read_idx(path, 3)
    packed = gzip.compress(good)
    for content in (packed[: len(packed) // 2], b"\x1f\x8b\x08", b"hello", packed[:50] + b"\0" * 50 + packed[100:]):
        (tmp_path / "broken.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.gz"):
            idx_files.read_idx(tmp_path / "broken.gz", 3)


def test_files_that_do_not_fit_each_other(tmp_path, arrays):
    _write(tmp_path, [arrays[0], arrays[1][:-1], *arrays[2:]])
    with pytest.raises(ValueError, match="train has 40 pictures, but 39 labels"):
        data.load("mnist", tmp_path)
    _write(tmp_path, [arrays[0], arrays[1] + 5, *arrays[2:]])
    with pytest.raises(ValueError, match=r"labels.* is 1[0-4]; allowed: 0..9"):
        data.load("mnist", tmp_path)
    _write(tmp_path, arrays)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {NAMES[3]}"):
        data.load("mnist", tmp_path)
