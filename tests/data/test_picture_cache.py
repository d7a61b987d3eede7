"""Decode once: equal to decoding by hand, keyed by content, resumed after a kill, shared by processes."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from picture_makers import encoded, folder_of, smooth

from spbl_nb.data import cache as picture_cache
from spbl_nb.data import cache_building, decode, source_hashes
from spbl_nb.data.cache import cached_pictures

SIZE = 12


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def paths(tmp_path):
    return folder_of(tmp_path / "data", 9)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files decoded, in order."""
    seen = []
    plain = decode.decode

    def counting(content, name, *rest):
        seen.append(Path(name).name)
        return plain(content, name, *rest)

    monkeypatch.setattr(decode, "decode", counting)
    return seen


_decode = decode.decode


def _by_hand(paths, size=SIZE):
    return np.stack([_decode(Path(path).read_bytes(), str(path), size)[0][0] for path in paths])


def _rows_of(folder):
    """Marks of the single cache below a folder."""
    return np.load(next(Path(folder).glob("*/progress.npy")))


def test_pictures_equal_those_decoded_by_hand(paths, cache):
    result = cached_pictures(paths, SIZE, folder=cache, workers=3)
    np.testing.assert_array_equal(result.images, _by_hand(paths))
    assert isinstance(result.images, np.memmap)
    assert not result.images.flags.writeable
    np.testing.assert_array_equal(result.kept, np.arange(9))
    assert (result.report, result.converted) == ([], {})
    assert len({digest.tobytes() for digest in result.sha256}) == 9


def test_nothing_is_decoded_twice(paths, cache, decoded):
    first = cached_pictures(paths, SIZE, folder=cache)
    again = cached_pictures([str(path) for path in paths], SIZE, folder=cache)
    assert sorted(decoded) == sorted(path.name for path in paths)
    assert first.folder == again.folder
    np.testing.assert_array_equal(first.images, again.images)


def test_size_order_and_crops_have_caches_of_their_own(paths, cache):
    boxes = np.tile([2, 3, 20, 30], (9, 1))
    results = [
        cached_pictures(paths, SIZE, folder=cache),
        cached_pictures(paths, SIZE + 1, folder=cache),
        cached_pictures(paths[::-1], SIZE, folder=cache),
        cached_pictures(paths, SIZE, folder=cache, crops=boxes),
    ]
    assert len({result.folder for result in results}) == 4
    np.testing.assert_array_equal(results[2].images, results[0].images[::-1])


def test_crops_of_a_file_are_decoded_once(paths, cache, decoded):
    boxes = np.array([[0, 0, 10, 10], [4, 4, 30, 30], [5, 5, 25, 25], [-3, 0, 12, 12]])
    many = [paths[1], paths[0], paths[1], paths[0]]
    result = cached_pictures(many, SIZE, folder=cache, crops=boxes)
    assert sorted(decoded) == ["0000.png", "0001.png"]
    for row, (path, box) in enumerate(zip(many, boxes, strict=True)):
        wanted = decode.decode(path.read_bytes(), path.name, SIZE, box[None])[0][0]
        np.testing.assert_array_equal(result.images[row], wanted)
    assert result.converted["overhang"].tolist() == [3]


def test_the_same_file_twice_without_crops(paths, cache, decoded):
    result = cached_pictures([paths[0], paths[1], paths[0]], SIZE, folder=cache)
    assert len(decoded) == 2
    np.testing.assert_array_equal(result.images[0], result.images[2])


# --- a changed file ---------------------------------------------------------------------------------------------------


def test_a_changed_file_never_gives_stale_pixels(paths, cache, decoded):
    """Same name, same size, same time of change: only the content tells."""
    bmp = paths[0].with_suffix(".bmp")
    bmp.write_bytes(encoded(smooth(seed=1), "BMP"))
    os.utime(bmp, ns=(10**18, 10**18))
    files = [bmp, *paths[1:]]
    before = cached_pictures(files, SIZE, folder=cache)
    bmp.write_bytes(encoded(smooth(seed=99), "BMP"))
    os.utime(bmp, ns=(10**18, 10**18))
    decoded.clear()
    after = cached_pictures(files, SIZE, folder=cache)
    assert decoded == [bmp.name], "only what changed is decoded"
    np.testing.assert_array_equal(after.images, _by_hand(files))
    assert (after.images[0] != before.images[0]).any()


def test_hashes_are_remembered_and_noticed(tmp_path, monkeypatch):
    paths = [str(path) for path in folder_of(tmp_path, 4)]
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))
    asked = []
    plain = source_hashes._hash
    monkeypatch.setattr(source_hashes, "_hash", lambda path: asked.append(path) or plain(path))
    monkeypatch.setattr(source_hashes, "_TICK", 0)  # otherwise files this new are hashed again each time
    first = source_hashes.digests(paths, tmp_path / "memory")
    np.testing.assert_array_equal(source_hashes.digests(paths, tmp_path / "memory"), first)
    assert asked == paths
    Path(paths[2]).write_bytes(Path(paths[1]).read_bytes())
    os.utime(paths[2], ns=(10**18, 10**18))
    changed = source_hashes.digests(paths, tmp_path / "memory")
    assert asked[4:] == [paths[2]]
    np.testing.assert_array_equal(changed[2], first[1])


def test_files_changed_just_now_are_hashed_again(tmp_path, monkeypatch):
    paths = [str(path) for path in folder_of(tmp_path, 3)]
    asked = []
    monkeypatch.setattr(source_hashes, "_hash", lambda path: asked.append(path) or bytes(32))
    for _ in range(2):
        source_hashes.digests(paths, tmp_path / "memory")
    assert len(asked) == 6


def test_a_file_that_changes_meanwhile_is_noticed(paths, cache, monkeypatch):
    plain = source_hashes.digests

    def changing(*arguments, **options):
        found = plain(*arguments, **options)
        paths[4].write_bytes(encoded(smooth(seed=77)))
        return found

    monkeypatch.setattr(source_hashes, "digests", changing)
    with pytest.raises(ValueError, match=r"0004\.png changed while the pictures were read"):
        cached_pictures(paths, SIZE, folder=cache)
    monkeypatch.undo()
    np.testing.assert_array_equal(cached_pictures(paths, SIZE, folder=cache).images, _by_hand(paths))


# --- broken pictures --------------------------------------------------------------------------------------------------


@pytest.fixture
def some_broken(paths):
    paths[2].write_bytes(b"")
    paths[5].write_bytes(paths[5].read_bytes()[:150])
    paths[6].unlink()
    return paths


def test_broken_pictures_are_refused_by_name(some_broken, cache):
    with pytest.raises(ValueError, match="3 of 9 pictures cannot be used") as caught:
        cached_pictures(some_broken, SIZE, folder=cache)
    message = str(caught.value)
    for word in ("0002.png: empty", "0005.png: truncated", "0006.png: missing", "on_broken='skip'", "--skip-broken"):
        assert word in message
    assert 'papermill: -p DATA_OPTIONS "on_broken: skip"' in message
    assert not list(cache.glob("*/images.npy"))


def test_broken_pictures_are_left_out_and_reported(some_broken, cache, decoded):
    with pytest.raises(ValueError, match="cannot be used"):
        cached_pictures(some_broken, SIZE, folder=cache)
    before = len(decoded)
    for _ in range(2):
        result = cached_pictures(some_broken, SIZE, folder=cache, on_broken="skip")
        assert result.kept.tolist() == [0, 1, 3, 4, 7, 8]
        assert [(one.index, one.kind) for one in result.report] == [(2, "empty"), (5, "truncated"), (6, "missing")]
        assert result.report[0].path == str(some_broken[2])
        np.testing.assert_array_equal(result.images, _by_hand([some_broken[row] for row in result.kept]))
    assert len(decoded) == before, "what was decoded before the refusal is not decoded again"
    assert "0005.png" in (result.folder / "report.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="3 of 9"):
        cached_pictures(some_broken, SIZE, folder=cache)


def test_a_mended_file_costs_only_itself(some_broken, cache, decoded):
    with pytest.raises(ValueError, match="cannot be used"):
        cached_pictures(some_broken, SIZE, folder=cache)
    decoded.clear()
    for index in (2, 5, 6):
        some_broken[index].write_bytes(encoded(smooth(seed=40 + index)))
    result = cached_pictures(some_broken, SIZE, folder=cache)
    assert sorted(decoded) == ["0002.png", "0005.png", "0006.png"]
    np.testing.assert_array_equal(result.images, _by_hand(some_broken))
    assert [path.parent for path in cache.glob("*/progress.npy")] == [result.folder], "the unfinished one is gone"


def test_rows_are_taken_from_a_cache_with_gaps(some_broken, cache, decoded):
    cached_pictures(some_broken, SIZE, folder=cache, on_broken="skip")
    decoded.clear()
    good = [path for index, path in enumerate(some_broken) if index not in (2, 5, 6)]
    np.testing.assert_array_equal(cached_pictures(good[::-1], SIZE, folder=cache).images, _by_hand(good[::-1]))
    assert decoded == []


def test_not_one_picture(tmp_path, cache):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="1 of 1 pictures cannot be used"):
        cached_pictures([tmp_path / "a.png"], SIZE, folder=cache, on_broken="skip")


def test_conversions_are_said(paths, cache):
    wrong = paths[3].rename(paths[3].with_suffix(".jpg"))
    files = [*paths[:3], wrong, *paths[4:]]
    for _ in range(2):
        result = cached_pictures(files, SIZE, folder=cache)
        assert {note: rows.tolist() for note, rows in result.converted.items()} == {"extension": [3]}


# --- kills and other processes ----------------------------------------------------------------------------------------

_CHILD = """
    import sys, time
    from pathlib import Path
    from spbl_nb.data import cache_building
    from spbl_nb.data import decode
    from spbl_nb.data.cache import cached_pictures
    plain = decode.decode
    log = open(sys.argv[3], "a")
    most = int(sys.argv[5])
    cache_building._TASK_FILES = int(sys.argv[6])
    def slow(content, name, *rest):
        time.sleep(float(sys.argv[4]))
        while Path(sys.argv[3]).read_text().count("\\n") >= most:
            time.sleep(0.01)
        log.write(Path(name).name + "\\n"); log.flush()
        return plain(content, name, *rest)
    decode.decode = slow
    result = cached_pictures(sorted(Path(sys.argv[1]).glob("*/*")), 12, folder=sys.argv[2], workers=2)
    print(len(result.images), int(result.images.sum(dtype="int64")))
"""


def _start(data, cache, log, delay, most=10**9, task_files=cache_building._TASK_FILES):
    """A process that builds the cache, ``delay`` seconds a file; it stands still for good after ``most`` files."""
    line = [sys.executable, "-c", textwrap.dedent(_CHILD), *map(str, (data, cache, log, delay, most, task_files))]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_a_killed_build_goes_on_where_it_was(tmp_path, cache):
    folder_of(tmp_path / "data", 120)
    files = sorted((tmp_path / "data").glob("*/*"))
    done = np.zeros(120, dtype=bool)
    for kill in range(3):
        child = _start(tmp_path / "data", cache, tmp_path / f"log{kill}", 0.01, most=32, task_files=2)
        deadline = time.monotonic() + 600
        target = done.sum() + 20
        while time.monotonic() < deadline and child.poll() is None:
            with_marks = list(cache.glob("*/progress.npy"))
            if with_marks and with_marks[0].stat().st_size and (_rows_of(cache)[:, 1] & 1).sum() >= target:
                break
            time.sleep(0.005)
        assert child.poll() is None, "it still has work to do"
        child.kill()
        child.wait()
        child.stdout.close()
        now = (_rows_of(cache)[:, 1] & 1).astype(bool)
        assert now[done].all()
        assert now.sum() >= target
        log = (tmp_path / f"log{kill}").read_text().split()
        again = {files[row].name for row in np.flatnonzero(done)} & set(log)
        assert not again, "what was done is not decoded again"
        done = now
        assert not list(cache.glob("*/images.npy"))
    result = cached_pictures(files, SIZE, folder=cache)
    np.testing.assert_array_equal(result.images, _by_hand(files))


def test_a_row_whose_checksum_does_not_fit_is_decoded_again(some_broken, cache, decoded):
    """As after a power cut, when a mark reached the disk and its pixels did not."""
    with pytest.raises(ValueError, match="cannot be used"):
        cached_pictures(some_broken, SIZE, folder=cache)
    decoded.clear()
    partial = next(cache.glob("*/images.npy.partial"))
    with open(partial, "r+b") as handle:
        handle.seek(-3 * SIZE**2, os.SEEK_END)
        handle.write(bytes(5))
    result = cached_pictures(some_broken, SIZE, folder=cache, on_broken="skip")
    assert decoded == ["0008.png"]
    np.testing.assert_array_equal(result.images[-1], _by_hand(some_broken[8:])[0])


@pytest.mark.parametrize("harm", ["images.npy", "report.json", "cut"])
def test_a_damaged_cache_is_made_anew(paths, cache, harm):
    place = cached_pictures(paths, SIZE, folder=cache).folder
    if harm == "cut":
        os.truncate(place / "images.npy", 500)
    else:
        (place / harm).unlink()
    np.testing.assert_array_equal(cached_pictures(paths, SIZE, folder=cache).images, _by_hand(paths))


def test_two_processes_build_one_cache_together(tmp_path, cache):
    folder_of(tmp_path / "data", 60)
    children = [_start(tmp_path / "data", cache, tmp_path / f"log{one}", 0.01) for one in range(2)]
    answers = [child.communicate(timeout=6000)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert answers[0] == answers[1]
    logs = [(tmp_path / f"log{one}").read_text().split() for one in range(2)]
    assert sorted(map(len, logs)) == [0, 60], "one builds, the other waits"


def test_the_one_that_waits_takes_over_from_one_that_is_killed(tmp_path, cache):
    folder_of(tmp_path / "data", 60)
    first = _start(tmp_path / "data", cache, tmp_path / "log0", 0.03, most=40)
    while not (tmp_path / "log0").exists() or len((tmp_path / "log0").read_text().split()) < 35:
        assert first.poll() is None
        time.sleep(0.01)
    second = _start(tmp_path / "data", cache, tmp_path / "log1", 0)
    first.kill()
    assert second.communicate(timeout=600)[0].startswith("60 ")
    first.communicate()
    done_by_second = (tmp_path / "log1").read_text().split()
    assert 0 < len(done_by_second) <= 60


# --- disk and arguments -----------------------------------------------------------------------------------------------


def test_too_little_room_is_said_before_decoding(paths, cache, monkeypatch, decoded):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 5, 100))
    with pytest.raises(OSError, match=r"no room in the picture cache .*are needed.*SPBL_NB_CACHE") as caught:
        cached_pictures(paths, SIZE, folder=cache)
    assert caught.value.errno == errno.ENOSPC
    assert decoded == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are of POSIX systems")
def test_a_full_disk_stops_cleanly_and_the_next_call_goes_on(paths, cache):
    """A limit on the size of files acts as a full disk: writing fails in the middle."""
    code = f"""
        import resource, sys
        from spbl_nb.data.cache import cached_pictures
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
        try:
            cached_pictures({[str(path) for path in paths]!r}, {SIZE}, folder={str(cache)!r})
        except OSError as error:
            print(error)
    """
    answer = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "there is no room in the picture cache" in answer.stdout
    np.testing.assert_array_equal(cached_pictures(paths, SIZE, folder=cache).images, _by_hand(paths))


def test_a_folder_that_cannot_be_written(paths, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write to the picture cache .*SPBL_NB_CACHE"):
        cached_pictures(paths, SIZE, folder=tmp_path / "file" / "cache")


def test_a_whole_cache_is_read_from_a_folder_that_cannot_be_written(paths, cache, monkeypatch):
    cached_pictures(paths, SIZE, folder=cache)

    def closed(*arguments, **options):
        raise PermissionError(errno.EACCES, "closed")

    monkeypatch.setattr(picture_cache, "_sole_builder", closed)
    monkeypatch.setattr("spbl_nb.files.write_npz", closed)
    np.testing.assert_array_equal(cached_pictures(paths, SIZE, folder=cache).images, _by_hand(paths))


def test_where_caches_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SPBL_NB_CACHE", raising=False)
    if sys.platform != "win32":
        assert picture_cache.cache_folder() == tmp_path / "spbl_nb"
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "mine"))
    assert picture_cache.cache_folder() == tmp_path / "mine"
    assert picture_cache.cache_folder("given") == Path.cwd() / "given"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPBL_NB_CACHE", "below/here")
    assert picture_cache.cache_folder() == tmp_path / "below" / "here"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": "a.png"}, "a list of picture files is needed"),
        ({"paths": []}, "paths is empty"),
        ({"size": 0}, "size is 0"),
        ({"on_broken": "skp"}, "did you mean 'skip'"),
        ({"workers": 0}, "workers is 0"),
        ({"crops": np.zeros((9, 3), int)}, r"crops has shape \(9, 3\)"),
        ({"crops": np.zeros((9, 4))}, "dtype float64"),
        ({"crops": np.tile([5, 5, 5, 9], (9, 1))}, r"crops\[0\] is \(5, 5, 5, 9\); right must lie beyond left"),
    ],
)
def test_wrong_arguments_are_named(paths, cache, change, message):
    arguments = {"paths": paths, "size": SIZE, "folder": cache} | change
    with pytest.raises(ValueError, match=message):
        cached_pictures(arguments.pop("paths"), arguments.pop("size"), **arguments)
