"""Decode once: picture files become one memory-mapped uint8 array, built in parallel, resumable, shared between processes.

Training reads pictures in random order, many times. Here every file is decoded once and written at its final size into
an ``.npy`` file, which is then mapped into memory: it opens at once, whatever its size, and the system keeps in memory what is
in use. A cache lies in a folder named after a hash of all file contents, the picture size, the crops and the version of
the decoding rule (:mod:`spbl_nb.data.decode`), so that a changed file can never give stale pixels, and is not changed
once it is whole. While it is built, a checksum per picture says what is done: after a kill, or a power cut, the next call
goes on from there. A file lock, which the system frees when its owner dies, lets one process build and others wait. Rows
of an earlier cache are copied, not decoded, where file, crop and size are the same, so that a mended file costs only itself.

Caches lie below ``$SPBL_NB_CACHE``, or else ``spbl_nb`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``;
``%LOCALAPPDATA%`` on Windows). Any of them may be deleted while nothing uses it.

Taught in: notebooks/01_data, section 4.
"""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from spbl_nb import checks, files
from spbl_nb.data import cache_building, decode, source_hashes
from spbl_nb.data.dataset import Broken, Cached

_NAMED = 8  # broken files in a message


def cached_pictures(
    paths: Sequence[str | os.PathLike],
    size: int,
    *,
    folder: str | os.PathLike | None = None,
    crops: np.ndarray | None = None,
    on_broken: str = "refuse",
    workers: int | None = None,
    progress: bool = False,
) -> Cached:
    """Return picture files, each decoded once and stretched to ``size`` x ``size`` pixels.

    Parameters
    ----------
    paths : N files; a path may stand there several times and is decoded once for all of its crops.
    size : side S in pixels, 1 to 4096.
    folder : where caches lie (default: see above); it needs 3 N S^2 bytes, twice that when broken pictures are skipped.
    crops : int[N,4], a box (left, top, right, bottom) for each path in pixels of the upright picture, right and bottom
        excluded; None takes whole pictures.
    on_broken : ``"refuse"`` raises when a picture cannot be read, after all others are done; ``"skip"`` leaves it out.
    workers : threads that decode (default: the processors this process may use; Pillow lets go of the interpreter's lock).
        Each holds one decoded picture and some 10 MB of finished ones, or the crops of one or two files.
    progress : show a bar.

    Raises ValueError for wrong arguments, for broken pictures (naming the first, their kinds and how to go on) and when
    no picture at all can be read; OSError when the folder cannot be written or the disk is full, naming it and what to do.
    """
    names = _names(paths)
    size = checks.integer("size", size, 1, 4096)
    checks.one_of("on_broken", on_broken, ("refuse", "skip"))
    workers = _processors() if workers is None else checks.integer("workers", workers, 1, 256)
    boxes = None if crops is None else _boxes(crops, len(names))
    root = cache_folder(folder)

    unique, file_of = _distinct(names)
    hashes = source_hashes.digests(unique, root / "hashes", workers=workers, progress=progress)
    suffixes = "\0".join(Path(name).suffix.lower() for name in unique)
    key = files.sha256_of(f"rule {decode.RULE}, {size} pixels", suffixes, hashes, file_of, boxes)[:32]
    place = root / key
    whole, broken = cache_building.opened(place), list[cache_building.Refused]()
    if whole is None:
        with _writing(root), _sole_builder(place, progress):
            whole = cache_building.opened(place)
            if whole is None:
                _check_space(root, place, len(names) * 3 * size**2)
                job = cache_building.Job(place, unique, hashes, file_of, boxes, size)
                broken = cache_building.build(job, workers, progress)
                if not broken or (on_broken == "skip" and len(broken) < len(names)):
                    whole = cache_building.finish(job, broken)
                    _remove_superseded(job)
    if whole is not None:
        broken = whole[1]["broken"]
    report = [Broken(names[index], kind, what, index) for index, kind, what in broken]
    if whole is None or (report and on_broken == "refuse"):
        raise ValueError(_refusal(report, len(names), on_broken))
    images, content = whole
    kept = np.setdiff1d(np.arange(len(names)), [one.index for one in report])
    converted = {note: np.array(rows, dtype=np.int64) for note, rows in content["converted"].items()}
    return Cached(images, kept, report, converted, hashes[file_of], place)


def cache_folder(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder of all caches: ``folder``, ``$SPBL_NB_CACHE``, or ``spbl_nb`` in the user's cache folder."""
    chosen = folder or os.environ.get("SPBL_NB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    windows = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    return Path(windows or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "spbl_nb"


def _names(paths: Sequence[str | os.PathLike]) -> list[str]:
    if isinstance(paths, (str, bytes, os.PathLike)):
        raise ValueError(f"paths is {paths!r}; a list of picture files is needed")
    names = [os.path.abspath(os.fspath(path)) for path in paths]
    if not names:
        raise ValueError("paths is empty; at least one picture file is needed")
    return names


def _boxes(crops: np.ndarray, length: int) -> np.ndarray:
    boxes = np.asarray(crops)
    if boxes.shape != (length, 4) or boxes.dtype.kind not in "iu":
        raise ValueError(
            f"crops has shape {boxes.shape} and dtype {boxes.dtype}; allowed: integers [{length}, 4], a box (left, top, "
            "right, bottom) for each path"
        )
    boxes = boxes.astype(np.int64)
    flat = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
    if flat.any():
        where = int(flat.argmax())
        raise ValueError(
            f"crops[{where}] is {tuple(boxes[where].tolist())}; right must lie beyond left and bottom below top"
        )
    return boxes


def _distinct(names: list[str]) -> tuple[list[str], np.ndarray]:
    """Return each path once, in order of appearance, and int64[N], which of them every name is."""
    numbers: dict[str, int] = {}
    file_of = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    return list(numbers), file_of


def _processors() -> int:
    """Return how many processors this process may use, at most 32."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(32, allowed)


def _refusal(report: list[Broken], number: int, on_broken: str) -> str:
    """Say which pictures are broken, and how to go on."""
    lines = [f"  {one.path}: {one.kind} ({one.what})" for one in report[:_NAMED]]
    if len(report) > _NAMED:
        lines.append(f"  … and {len(report) - _NAMED} more")
    kinds: dict[str, int] = {}
    for one in report:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    summary = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    how = (
        f"Mend or remove them, or leave them out with {decode.SKIPPING}. What is decoded stays decoded."
        if on_broken == "refuse"
        else "Not one is left; check the paths."
    )
    return "\n".join([f"{len(report)} of {number} pictures cannot be used ({summary}):", *lines, how])


_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_CLOSED = (errno.EACCES, errno.EROFS, errno.EPERM, errno.EEXIST, errno.ENOTDIR)
_ELSEWHERE = "choose another folder with the environment variable SPBL_NB_CACHE"


@contextlib.contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Make the folder of the caches; say of an error in it what to do."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in _FULL:
            problem = (
                f"there is no room in the picture cache {root} ({error.strerror}); make room there, or {_ELSEWHERE}"
            )
        elif error.errno in _CLOSED:
            problem = (
                f"cannot write to the picture cache {root} ({error.strerror}); mend its permissions, or {_ELSEWHERE}"
            )
        else:
            raise
        raise OSError(error.errno, f"{problem}. What is done stays; the same call goes on from there") from error


def _check_space(root: Path, place: Path, needed: int) -> None:
    """Raise OSError before any decoding where the disk has too little room."""
    needed -= cache_building.allocated(place)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free")


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


@contextlib.contextmanager
def _sole_builder(place: Path, progress: bool) -> Iterator[None]:
    """Hold the lock of a cache; the system frees it when its owner ends, however it ends."""
    lock = FileLock(_lock_of(place))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f"another process is building this cache ({place}); waiting for it", file=sys.stderr)
        lock.acquire(poll_interval=0.2)
    try:
        yield
    finally:
        lock.release()


def _remove_superseded(job: cache_building.Job) -> None:
    """Delete unfinished caches of which all rows stand in this one now, unless another process is at work on them."""
    for place in cache_building.superseded(job):
        with contextlib.suppress(Timeout), FileLock(_lock_of(place), timeout=0):
            shutil.rmtree(place, ignore_errors=True)
