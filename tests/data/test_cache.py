"""Decode once: equal to decoding by hand, fresh, resumed after a kill, shared by processes, prepared for others."""

import errno
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from image_makers import encoded, folder_of, smooth

from spbl_nb import data, files
from spbl_nb.data import cache, decode, layouts
from spbl_nb.data.cache import cached_images

SIZE = 12
_decode = decode.decode


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def paths(tmp_path):
    return folder_of(tmp_path / "data", 9)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files decoded, in order."""
    seen = []
    monkeypatch.setattr(
        decode, "decode", lambda content, name, *rest: seen.append(Path(name).name) or _decode(content, name, *rest)
    )
    return seen


def _by_hand(paths, size=SIZE):
    return np.stack([_decode(Path(path).read_bytes(), str(path), size)[0][0] for path in paths])


def test_images_equal_those_decoded_by_hand_and_none_is_decoded_twice(paths, place, decoded):
    result = cached_images(paths, SIZE, folder=place, workers=3)
    again = cached_images([str(path) for path in paths], SIZE, folder=place)
    assert sorted(decoded) == sorted(path.name for path in paths)
    for one in (result, again):
        np.testing.assert_array_equal(one.images, _by_hand(paths))
        assert isinstance(one.images, np.memmap)
        assert not one.images.flags.writeable
        assert (one.kept.tolist(), one.report, one.converted) == (list(range(9)), [], {})


def test_size_order_and_crops_have_caches_of_their_own(paths, place):
    boxes = np.tile([2, 3, 20, 30], (9, 1))
    results = [
        cached_images(paths, SIZE, folder=place),
        cached_images(paths, SIZE + 1, folder=place),
        cached_images(paths[::-1], SIZE, folder=place),
        cached_images(paths, SIZE, folder=place, crops=boxes),
    ]
    assert len({result.folder for result in results}) == 4
    np.testing.assert_array_equal(results[2].images, results[0].images[::-1])


def test_crops_of_a_file_are_decoded_once(paths, place, decoded):
    boxes = np.array([[0, 0, 10, 10], [4, 4, 30, 30], [5, 5, 25, 25], [-3, 0, 12, 12]])
    many = [paths[1], paths[0], paths[1], paths[0]]
    result = cached_images(many, SIZE, folder=place, crops=boxes)
    assert sorted(decoded) == ["0000.png", "0001.png"]
    for row, (path, box) in enumerate(zip(many, boxes, strict=True)):
        np.testing.assert_array_equal(result.images[row], _decode(path.read_bytes(), path.name, SIZE, box[None])[0][0])
    assert result.converted == {"overhang": [3]}


def test_a_changed_file_gives_no_stale_pixels(paths, place):
    """Same name and size, another time of change."""
    bmp = paths[0].with_suffix(".bmp")
    bmp.write_bytes(encoded(smooth(seed=1), "BMP"))
    before = cached_images([bmp, *paths[1:]], SIZE, folder=place)
    bmp.write_bytes(encoded(smooth(seed=99), "BMP"))
    os.utime(bmp, ns=(10**18, 10**18))
    after = cached_images([bmp, *paths[1:]], SIZE, folder=place)
    np.testing.assert_array_equal(after.images, _by_hand([bmp, *paths[1:]]))
    assert (after.images[0] != before.images[0]).any()


def test_a_file_that_changes_meanwhile_is_noticed(paths, place, monkeypatch):
    def changing(path):
        content = Path(path).read_bytes()
        if path == str(paths[4]):
            paths[4].write_bytes(encoded(smooth(seed=77, width=60)))
        return content

    monkeypatch.setattr(decode, "read_bytes", changing)
    with pytest.raises(ValueError, match="changed while the images were read"):
        cached_images(paths, SIZE, folder=place)
    monkeypatch.undo()
    np.testing.assert_array_equal(cached_images(paths, SIZE, folder=place).images, _by_hand(paths))


# --- broken images ----------------------------------------------------------------------------------------------------


def test_broken_images_are_refused_by_name_or_skipped_and_reported(paths, place, decoded):
    paths[2].write_bytes(b"")
    paths[5].write_bytes(paths[5].read_bytes()[:150])
    paths[6].unlink()
    with pytest.raises(ValueError, match="3 of 9 images cannot be used") as caught:
        cached_images(paths, SIZE, folder=place)
    for word in ("0002.png: empty", "0005.png: truncated", "0006.png: missing", "on_broken='skip'", "--skip-broken"):
        assert word in str(caught.value)
    before = len(decoded)
    result = cached_images(paths, SIZE, folder=place, on_broken="skip")
    assert result.kept.tolist() == [0, 1, 3, 4, 7, 8]
    assert [(one.index, one.kind) for one in result.report] == [(2, "empty"), (5, "truncated"), (6, "missing")]
    assert result.report[0].path == str(paths[2])
    np.testing.assert_array_equal(result.images, _by_hand([paths[row] for row in result.kept]))
    assert len(decoded) == before, "what was decoded before the refusal is not decoded again"
    assert "0005.png" in (result.folder / "report.json").read_text(encoding="utf-8")
    for path in paths:
        path.write_bytes(encoded(smooth(seed=3)))
    assert len(cached_images(paths, SIZE, folder=place).images) == 9, "repaired files are read again"


# --- kills and other processes ----------------------------------------------------------------------------------------

_CHILD = """
    import sys, time
    from pathlib import Path
    from spbl_nb.data import cache, decode
    plain, most = decode.decode, int(sys.argv[4])
    cache._MARK_SECONDS = 0
    log = open(sys.argv[3], "a")
    def slow(content, name, *rest):
        time.sleep(0.005)
        while Path(sys.argv[3]).read_text().count("\\n") >= most:
            time.sleep(0.01)
        log.write(Path(name).name + "\\n"); log.flush()
        return plain(content, name, *rest)
    decode.decode = slow
    result = cache.cached_images(sorted(Path(sys.argv[1]).glob("*/*")), 12, folder=sys.argv[2], workers=2)
    print(len(result.images), int(result.images.sum(dtype="int64")))
"""


def _start(folder, place, log, most=10**9):
    """A process that builds the cache; it stands still for good after ``most`` files."""
    line = [sys.executable, "-c", textwrap.dedent(_CHILD), *map(str, (folder, place, log, most))]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def _done(place):
    """Which rows of the single, unfinished cache are marked as done."""
    try:
        with np.load(next(place.glob("*/progress.npz"))) as stored:
            return stored["state"] & 1 > 0
    except (StopIteration, OSError):
        return np.zeros(120, dtype=bool)


@pytest.mark.slow
def test_a_killed_build_goes_on_where_it_was(tmp_path, place):
    folder_of(tmp_path / "data", 120)
    names = sorted((tmp_path / "data").glob("*/*"))
    done = np.zeros(120, dtype=bool)
    for kill in range(3):
        child = _start(tmp_path / "data", place, tmp_path / f"log{kill}", most=32)
        target, deadline = done.sum() + 20, time.monotonic() + 60
        while _done(place).sum() < target and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.005)
        assert child.poll() is None, "it still has work to do"
        child.kill()
        child.wait()
        child.stdout.close()
        again = {names[row].name for row in np.flatnonzero(done)} & set((tmp_path / f"log{kill}").read_text().split())
        assert not again, "what was done is not decoded again"
        assert _done(place)[done].all()
        done = _done(place)
        assert done.sum() >= target
        assert not list(place.glob("*/images.npy"))
    np.testing.assert_array_equal(cached_images(names, SIZE, folder=place).images, _by_hand(names))


@pytest.mark.slow
def test_two_processes_build_one_cache_together(tmp_path, place):
    folder_of(tmp_path / "data", 60)
    children = [_start(tmp_path / "data", place, tmp_path / f"log{one}") for one in range(2)]
    answers = [child.communicate(timeout=600)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0].startswith("60 ")
    logs = [(tmp_path / f"log{one}").read_text().split() for one in range(2)]
    assert sorted(map(len, logs)) == [0, 60], "one builds, the other waits"


@pytest.mark.parametrize("harm", ["images.npy", "report.json", "cut"])
def test_a_damaged_cache_is_made_again(paths, place, harm):
    folder = cached_images(paths, SIZE, folder=place).folder
    if harm == "cut":
        os.truncate(folder / "images.npy", 500)
    else:
        (folder / harm).unlink()
    np.testing.assert_array_equal(cached_images(paths, SIZE, folder=place).images, _by_hand(paths))


# --- disk -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are of POSIX systems")
def test_a_full_disk_stops_cleanly_and_the_next_call_goes_on(paths, place):
    """A limit on the size of files acts as a full disk."""
    code = f"""
        import resource
        from spbl_nb.data.cache import cached_images
        resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
        try:
            cached_images({[str(path) for path in paths]!r}, {SIZE}, folder={str(place)!r})
        except OSError as error:
            print(error)
    """
    answer = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "cannot write the image cache" in answer.stdout
    np.testing.assert_array_equal(cached_images(paths, SIZE, folder=place).images, _by_hand(paths))


def test_a_folder_that_cannot_be_written(paths, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write the image cache .*SPBL_NB_CACHE"):
        cached_images(paths, SIZE, folder=tmp_path / "file" / "cache")


def test_a_whole_cache_is_read_from_a_folder_that_cannot_be_written(paths, place, monkeypatch):
    cached_images(paths, SIZE, folder=place)

    def closed(*arguments, **options):
        raise PermissionError(errno.EACCES, "closed")

    monkeypatch.setattr(cache, "FileLock", closed)
    monkeypatch.setattr(Path, "mkdir", closed)
    np.testing.assert_array_equal(cached_images(paths, SIZE, folder=place).images, _by_hand(paths))


def test_where_caches_are(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SPBL_NB_CACHE", raising=False)
    if sys.platform != "win32":
        assert cache.cache_folder() == tmp_path / "spbl_nb"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPBL_NB_CACHE", "below/here")
    assert cache.cache_folder() == tmp_path / "below" / "here"
    assert cache.cache_folder("given") == tmp_path / "given"


# --- once and for all -------------------------------------------------------------------------------------------------


@pytest.fixture
def hashed(monkeypatch):
    """Numbers of rows of all images that were hashed, in order."""
    rows, plain = [], files.sha256_of

    def counting(*parts):
        rows.extend(len(part) for part in parts if getattr(part, "ndim", 0) == 4)
        return plain(*parts)

    monkeypatch.setattr(files, "sha256_of", counting)
    return rows


@pytest.mark.usefixtures("own_cache")
def test_cached_images_are_hashed_once_ever(tmp_path, paths, hashed):
    first = data.load("folder", tmp_path / "data", SIZE)
    digest = first.sha256
    part = first.take(np.array([1, 4, 5, 0])).sha256
    again = data.load("folder", tmp_path / "data", SIZE)
    assert (again.sha256, again.take(np.array([1, 4, 5, 0])).sha256, hashed) == (digest, part, [9, 4])
    assert files.sha256_of(np.array(first.images), first.labels, "class_0\nclass_1", None, None) == digest
    other = cached_images(paths, SIZE + 1).images
    assert data.ImageData("x", other, first.labels, first.class_names, cached=first.cached).sha256 != digest


@pytest.mark.parametrize("name", ["folder", "lesions"])
@pytest.mark.usefixtures("own_cache")
def test_prepared_data_are_opened_without_walking_decoding_drawing_or_hashing(
    tmp_path, paths, monkeypatch, decoded, hashed, name
):
    paths[2].write_bytes(b"")
    options = {"on_broken": "skip", "test": 0.3} if name == "folder" else {"largest": 5, "test_per_class": 2}
    root = tmp_path / "data" if name == "folder" else None
    whole = data.load(name, root, 16, **options)
    key = data.prepare(whole)
    assert data.prepare(whole) == key
    assert data.options_from(f"prepared: {key}", name) == {"prepared": key}

    def closed(*arguments, **options):
        raise AssertionError("this was done before")

    for owner, what in ((layouts, "images_below"), (cache, "cached_images"), (data.registry.embedded.draw, "draw")):
        monkeypatch.setattr(owner, what, closed)
    monkeypatch.setattr(data.registry, "cached_images", closed)
    hashed.clear()
    opened = data.load(name, root, 16, prepared=key, **options)
    assert (opened.sha256, opened.source, opened.mirror, opened.name) == (
        whole.sha256,
        whole.source,
        whole.mirror,
        name,
    )
    assert hashed == []
    for field in ("images", "labels", "groups", "split", "difficulty", "paths"):
        np.testing.assert_array_equal(getattr(opened, field), getattr(whole, field))
    assert isinstance(opened.images, np.ndarray) == (name == "lesions"), "images of the cache stay in their file"


@pytest.mark.usefixtures("own_cache")
def test_an_unknown_key_loads_as_usual(tmp_path, paths):
    assert (
        data.load("folder", tmp_path / "data", SIZE, prepared="folder-0").sha256
        == data.load("folder", tmp_path / "data", SIZE).sha256
    )
