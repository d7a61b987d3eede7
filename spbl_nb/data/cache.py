"""Decode once: image files become one memory-mapped uint8 array, built in parallel, resumable, shared between processes.

Training reads images in random order, many times. Here every file is decoded once and written at its final size into an
``.npy`` file, which is then mapped into memory. A cache is a folder named after a key: path, size and time of change of all
files, the image size, the crops and the version of the decoding rule (:mod:`spbl_nb.data.decode`). The key says only whether
a cache is fresh; ``ImageData.sha256`` identifies the data, is computed once, and is stored beside the images.

While a cache is built, ``progress.npz`` says which rows are done. Pixels reach the disk before their row is marked, so that
after a kill or a power cut the next call goes on from there; ``images.npy`` appears by renaming, as the last step. A file
lock, which the system frees when its owner dies, lets one process build and others wait.

Caches are in ``$SPBL_NB_CACHE``, or else in ``spbl_nb`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``;
``%LOCALAPPDATA%`` on Windows). Any of them may be deleted while nothing uses it.
"""

import contextlib
import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from spbl_nb import files, places
from spbl_nb.data import decode
from spbl_nb.data.dataset import Broken, Cached, ImageData, ImageRows, mapped
from spbl_nb.data.decode import NOTES, ImageError

_IMAGES, _PARTIAL, _PROGRESS, _REPORT = "images.npy", "images.npy.partial", "progress.npz", "report.json"
_UNKNOWN, _DONE, _BROKEN, _NOTE_BIT = 0, 1, 2, 2  # state of a row; notes are bits from 2^2 on
_MARK_SECONDS = 2.0  # a kill costs at most so much work
_NAMED = 8  # broken files in a message

Outcome = tuple[int, ImageError | frozenset[str]]  # row, and why it is broken or what was converted


def cached_images(
    paths: Sequence[str | os.PathLike],
    size: int,
    *,
    folder: str | os.PathLike | None = None,
    crops: np.ndarray | None = None,
    on_broken: str = "refuse",
    workers: int | None = None,
    progress: bool = False,
) -> Cached:
    """Return image files, each decoded once and stretched to ``size`` x ``size`` pixels.

    Parameters
    ----------
    paths : N files; a path that is named several times is decoded once for all of its crops.
    size : side S in pixels.
    folder : where caches are (default: see above); it needs 3 N S^2 bytes.
    crops : int[N,4], a box (left, top, right, bottom) for each path in pixels of the upright image, right and bottom
        excluded; None takes whole images.
    on_broken : ``"refuse"`` raises when an image cannot be read, after all others are done; ``"skip"`` skips it.
    workers : threads that decode (default: the processors this process may use).
    progress : show a bar.

    Raises ValueError for broken images (naming the first, their kinds and how to go on) and when no image at all can be
    read; OSError when the folder cannot be written or the disk is full.
    """
    names = [os.path.abspath(path) for path in paths]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    file_of = np.array([numbers[name] for name in names], dtype=np.int64)
    unique = list(numbers)
    stamps = _stamps(unique)
    key = files.sha256_of(
        f"rule {decode.RULE}, {size} pixels", b"\0".join(map(os.fsencode, unique)), stamps, file_of, crops
    )
    root = cache_folder(folder)
    place = root / key[:32]
    whole = _opened(place)
    if whole is None:
        with _writing(root), FileLock(f"{place}.lock"):
            whole = _opened(place)  # another process may have built it meanwhile
            if whole is None:
                _build(place, unique, file_of, crops, size, workers or min(32, places.available_cores()), progress)
                if not np.array_equal(_stamps(unique), stamps):
                    (place / _PROGRESS).unlink()
                    raise ValueError("an image file changed while the images were read; give the same call again")
                whole = _finish(place, unique, file_of)
    images, content = whole
    report = [Broken(names[row], kind, what, row) for row, kind, what in content["broken"]]
    if report and (on_broken == "refuse" or len(report) == len(names)):
        raise ValueError(_refusal(report, len(names), on_broken))
    kept = np.setdiff1d(np.arange(len(names)), [one.index for one in report])
    return Cached(ImageRows(images, kept) if report else images, kept, report, content["converted"], place)


def cache_folder(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder of all caches: ``folder``, ``$SPBL_NB_CACHE``, or ``spbl_nb`` in the user's cache folder."""
    chosen = folder or os.environ.get("SPBL_NB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    windows = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    return Path(windows or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "spbl_nb"


def _stamps(paths: Sequence[str]) -> np.ndarray:
    """Return int64[F,2], size and time of change of each file; -1 where there is none, or it may not be read."""
    stamps = np.full((len(paths), 2), -1, dtype=np.int64)
    for index, path in enumerate(paths):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if os.access(path, os.R_OK):
                stamps[index] = status.st_size, status.st_mtime_ns
    return stamps


def _refusal(report: list[Broken], number: int, on_broken: str) -> str:
    """Say which images are broken, and how to go on."""
    lines = [f"  {one.path}: {one.kind} ({one.what})" for one in report[:_NAMED]]
    if len(report) > _NAMED:
        lines.append(f"  … and {len(report) - _NAMED} more")
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in report).items())
    how = "Not one is left; check the paths."
    if on_broken == "refuse":
        how = f"Repair or remove them, or skip them with {decode.SKIPPING}. What is decoded stays decoded."
    return "\n".join([f"{len(report)} of {number} images cannot be used ({kinds}):", *lines, how])


@contextlib.contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Make the folder of the caches; an error of the disk says what to do."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write the image cache {root} ({error.strerror or error}); make room or correct its permissions, or choose "
            "another folder with the environment variable SPBL_NB_CACHE. What is done stays done",
        ) from error


# --- building one cache ----------------------------------------------------------------------------------------------


def _opened(place: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return (images as a read-only memory map, the content of the report) of a cache that is whole, else None."""
    try:
        content = files.read_json(place / _REPORT)
        images = np.load(place / _IMAGES, mmap_mode="r", allow_pickle=False)
        return (images, content) if images.shape[0] == content["images"] else None
    except (OSError, ValueError, KeyError):
        return None


def _build(
    place: Path,
    paths: list[str],
    file_of: np.ndarray,
    crops: np.ndarray | None,
    size: int,
    workers: int,
    progress: bool,
) -> None:
    """Decode all rows that are not done yet. The caller holds the lock."""
    place.mkdir(parents=True, exist_ok=True)
    images, state, broken = _resume(place, (len(file_of), 3, size, size))
    order = np.argsort(file_of, kind="stable")
    rows_of = np.split(order, np.cumsum(np.bincount(file_of, minlength=len(paths)))[:-1])
    todo = [file for file, rows in enumerate(rows_of) if (state[rows] == _UNKNOWN).any()]

    def decode_file(file: int) -> list[Outcome]:
        rows = rows_of[file]
        try:
            boxes = None if crops is None else crops[rows]
            found = decode.decode(decode.read_bytes(paths[file]), paths[file], size, boxes)
        except ImageError as error:
            return [(row, error) for row in rows.tolist()]
        results: list[Outcome] = []
        for row, one in zip(rows.tolist(), found if crops is not None else found * len(rows), strict=True):
            if not isinstance(one, ImageError):
                images[row] = one[0]
            results.append((row, one if isinstance(one, ImageError) else one[1]))
        return results

    pool = ThreadPoolExecutor(workers, "decode")
    try:
        with (
            warnings.catch_warnings(),
            files.progress_bar(len(state), "decoding", wanted=progress, done=int((state != _UNKNOWN).sum())) as bar,
        ):
            warnings.simplefilter("ignore")  # Pillow's of large images and odd metadata; the rule has limits of its own
            marked = time.monotonic()
            for results in pool.map(decode_file, todo):
                for row, outcome in results:
                    if isinstance(outcome, ImageError):
                        state[row], broken[row] = _BROKEN, (outcome.kind, outcome.what)
                    else:
                        state[row] = _DONE | sum(1 << (_NOTE_BIT + NOTES.index(note)) for note in outcome)
                bar.update(len(results))
                if time.monotonic() - marked > _MARK_SECONDS:
                    _mark(place, images, state, broken)
                    marked = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
    _mark(place, images, state, broken)


def _resume(place: Path, shape: tuple[int, ...]) -> tuple[np.memmap, np.ndarray, dict[int, tuple[str, str]]]:
    """Open what an earlier process left of this cache, or begin it, with room on the disk for all of it.

    Returns (images, uint16[N] state of each row, (kind, what) of each broken row).
    """
    partial = place / _PARTIAL
    with contextlib.suppress(OSError, ValueError, KeyError):
        with np.load(place / _PROGRESS, allow_pickle=False) as stored:
            state, broken = stored["state"], json.loads(str(stored["broken"]))
        images = np.lib.format.open_memmap(partial, "r+")
        if images.shape == shape:
            return images, state, {int(row): tuple(why) for row, why in broken.items()}
    (place / _PROGRESS).unlink(missing_ok=True)
    try:
        images = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):  # else a full disk would end the process in the middle of a write
            with open(partial, "r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, partial.stat().st_size)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return images, np.zeros(shape[0], dtype=np.uint16), {}


def _mark(place: Path, images: np.memmap, state: np.ndarray, broken: dict[int, tuple[str, str]]) -> None:
    """Write which rows are done, after their pixels have reached the disk."""
    images.flush()
    files.write_npz(place / _PROGRESS, state=state, broken=json.dumps(broken))


def _finish(place: Path, paths: list[str], file_of: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Make a built cache whole and return it opened."""
    with np.load(place / _PROGRESS, allow_pickle=False) as stored:
        state, broken = stored["state"], json.loads(str(stored["broken"]))
    noted = {note: np.flatnonzero(state >> (_NOTE_BIT + bit) & 1).tolist() for bit, note in enumerate(NOTES)}
    content = {
        "images": len(state),
        "rule": decode.RULE,
        "broken": sorted((int(row), kind, what) for row, (kind, what) in broken.items()),
        "broken_paths": [paths[file_of[int(row)]] for row in sorted(broken, key=int)],
        "converted": {note: rows for note, rows in noted.items() if rows},
    }
    files.write_json(place / _REPORT, content)
    os.replace(place / _PARTIAL, place / _IMAGES)
    (place / _PROGRESS).unlink()
    whole = _opened(place)
    if whole is None:
        raise OSError(f"the image cache {place} cannot be read back; delete that folder and give the same call again")
    return whole


# --- data that are prepared once, for many processes -----------------------------------------------------------------


def prepare(data: ImageData, folder: str | os.PathLike | None = None) -> str:
    """Store a loaded data set so that other processes open it without walking, drawing, decoding or hashing.

    Returns a key for the option ``prepared`` of :func:`spbl_nb.data.load`. Images of the image cache are pointed to, others
    written. ``folder`` is that of all caches.
    """
    arrays = {"labels": data.labels, "groups": data.groups, "split": data.split, "difficulty": data.difficulty}
    content = {
        "name": data.name,
        "class_names": data.class_names,
        "source": data.source,
        "synthetic": data.synthetic,
        "mirror": data.mirror,
        "paths": None if data.paths is None else data.paths.tolist(),
        "sha256": data.sha256,
        "images": None,
    }
    if data.cached is not None and mapped(data.images) is mapped(data.cached.images):
        content["images"] = str(data.cached.folder / _IMAGES)
        arrays["rows"] = data.images.rows if isinstance(data.images, ImageRows) else np.arange(len(data))
    key = f"{data.name}-{files.sha256_of(files.to_json(content))[:16]}"
    place = cache_folder(folder) / "prepared" / key
    if not (place / "data.json").is_file():
        with _writing(place):
            if content["images"] is None:
                with files.replacing(place / _IMAGES) as handle:
                    np.save(handle, np.asarray(data.images))
            files.write_npz(place / "arrays.npz", **{name: one for name, one in arrays.items() if one is not None})
            files.write_json(place / "data.json", content)
    return key


def open_prepared(key: str, folder: str | os.PathLike | None = None) -> ImageData | None:
    """Return the data set that :func:`prepare` stored under ``key``; None where it is not, or no longer, there."""
    place = cache_folder(folder) / "prepared" / key
    try:
        content = files.read_json(place / "data.json")
        in_cache = content.pop("images")
        with np.load(place / "arrays.npz", allow_pickle=False) as stored:
            arrays = dict(stored)
        images = np.load(in_cache or place / _IMAGES, mmap_mode="r" if in_cache else None, allow_pickle=False)
    except (OSError, ValueError, KeyError):
        return None
    rows = arrays.pop("rows", None)
    whole = rows is None or np.array_equal(rows, np.arange(len(images)))
    paths = None if content["paths"] is None else np.array(content["paths"], dtype=object)
    digest = content.pop("sha256")
    data = ImageData(**content | arrays | {"images": images if whole else ImageRows(images, rows), "paths": paths})
    vars(data)["sha256"] = digest
    return data
