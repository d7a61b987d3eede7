"""Files appear whole or not at all; JSON is strict; hashes see shape and type."""

import errno
import hashlib
import os

import numpy as np
import pytest

from spbl_nb import files


def test_failure_keeps_the_old_file_and_leaves_no_litter(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})

    def fail_midway():
        with files.replacing(path, "w") as handle:
            handle.write("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail_midway()
    assert files.read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]
    with pytest.raises(OSError, match="could not write"):
        files.write_text(path / "x", "below a file")


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    files.write_text(tmp_path / "x.txt", "old")
    with open(tmp_path / "x.txt", encoding="utf-8") as reader:
        files.write_text(tmp_path / "x.txt", "new")
        assert reader.read() == "old"
    assert (tmp_path / "x.txt").read_text() == "new"


def test_full_disk_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    files.write_npz(path, a=np.arange(3))

    def no_space(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match=r"could not write .*x\.npz \(No space left"):
        files.write_npz(path, a=np.arange(300))
    assert os.listdir(tmp_path) == ["x.npz"]
    assert len(np.load(path)["a"]) == 3


def test_json_is_strict_and_plain(tmp_path):
    value = {"b": np.float64("nan"), "a": np.arange(2), "c": (np.bool_(True), np.int8(3)), "d": tmp_path}
    files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == {"a": [0, 1], "b": None, "c": [True, 3], "d": str(tmp_path)}
    (tmp_path / "x.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="not a JSON file"):
        files.read_json(tmp_path / "x.json")


def test_object_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="would need pickle"):
        files.write_npz(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    assert not os.listdir(tmp_path)


def test_hash_sees_shape_type_and_borders():
    array = np.arange(6, dtype=np.int64)
    hashes = {
        files.sha256_of(array),
        files.sha256_of(array.reshape(2, 3)),
        files.sha256_of(array.astype(np.int32)),
        files.sha256_of("ab", "c"),
        files.sha256_of("a", "bc"),
        files.sha256_of(None, "abc"),
        files.sha256_of("abc", None),
    }
    assert len(hashes) == 7
    assert files.sha256_of(array) == files.sha256_of(np.arange(12, dtype=np.int64)[::2] // 2)


def test_hash_of_many_rows_equals_hash_of_one_block():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 255, (10_000, 3), dtype=np.uint8)
    whole = hashlib.sha256(b"\0array |u1 (10000, 3)\0" + array.tobytes()).hexdigest()
    assert files.sha256_of(array) == whole
