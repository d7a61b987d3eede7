"""Building one picture cache: decode in threads, write what comes, go on where a killed process stopped.

A cache is a folder. While it is built it holds ``images.npy.partial`` at its final length and ``progress.npy``, which says of
each row whether it is done, with a checksum of its pixels. Pixels are written before their row is marked, and on resuming
every marked row is checked, so that neither a kill nor a power cut leaves a wrong picture. ``images.npy`` appears by
renaming, as the last step; from then on nothing in the folder changes. Pixels go through ordinary writes rather
than through a memory map, for on a full disk those raise an error where a memory map would end the process.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from spbl_nb import files
from spbl_nb.data import decode
from spbl_nb.data.decode import NOTES, PictureError
from spbl_nb.data.source_hashes import progress_bar

Refused = tuple[int, str, str]  # row, kind, what
Result = tuple[int, np.ndarray | PictureError, frozenset[str]]
Task = list[tuple[int, np.ndarray]]  # files, each with its rows

_IMAGES, _PARTIAL, _PROGRESS = "images.npy", "images.npy.partial", "progress.npy"
_SOURCES, _REFUSED, _REPORT = "sources.npz", "refused.jsonl", "report.json"
_DONE, _LEFT_OUT, _NOTE_BIT = 1, 2, 8
_TASK_BYTES, _TASK_FILES = 4 << 20, 32


@dataclass(frozen=True)
class Job:
    """What to build: in the folder ``place``, from F files with content ``hashes`` uint8[F,32], N rows of ``size`` pixels.

    ``file_of`` int64[N] is the file of each row, ``boxes`` int64[N,4] its crop, or None for whole pictures.
    """

    place: Path
    paths: list[str]
    hashes: np.ndarray
    file_of: np.ndarray
    boxes: np.ndarray | None
    size: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all rows together."""
        return len(self.file_of), 3, self.size, self.size

    def row_keys(self) -> np.ndarray:
        """Return uint8[N,72], equal where rows must have equal pixels: content hash, crop and extension."""
        boxes = np.zeros((len(self.file_of), 4), dtype=np.int64) if self.boxes is None else self.boxes
        suffixes = [zlib.crc32(Path(path).suffix.lower().encode()) for path in self.paths]
        suffix = np.array(suffixes, dtype=np.int64)[self.file_of]
        return np.concatenate([self.hashes[self.file_of], boxes.view(np.uint8), suffix[:, None].view(np.uint8)], axis=1)


def opened(place: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return (pictures as a read-only memory map, the content of the report) of a cache that is whole, else None."""
    try:
        content = files.read_json(place / _REPORT)
        images = np.load(place / _IMAGES, mmap_mode="r", allow_pickle=False)
        shape = content["pictures"] - len(content["broken"]), 3, content["size"], content["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (images, content) if images.dtype == np.uint8 and images.shape == shape else None


def allocated(place: Path) -> int:
    """Return how many bytes an unfinished cache has on the disk already (0 where the system does not say)."""
    with contextlib.suppress(OSError, AttributeError):
        return (place / _PARTIAL).stat().st_blocks * 512
    return 0


def build(job: Job, workers: int, progress: bool = False) -> list[Refused]:
    """Decode what is not done yet; return the rows that are refused, in order. The caller holds the lock.

    Raises ValueError when a file changes meanwhile, OSError when the disk is full.
    """
    job.place.mkdir(parents=True, exist_ok=True)
    files.write_npz(job.place / _SOURCES, keys=job.row_keys(), size=job.size, rule=decode.RULE)
    with _Rows(job) as rows, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's of large pictures and odd metadata; the rule has limits of its own
        rows.resume()
        for neighbour in _neighbours(job):
            rows.copy_from(neighbour)
        todo = np.flatnonzero(rows.state == 0)
        with progress_bar(progress, "decoding", len(rows.state), len(rows.state) - len(todo)) as bar:
            for results in _in_threads(job, _tasks(job, todo), workers):
                rows.write(results)
                bar.update(len(results))
        return sorted(rows.refused.values())


def finish(job: Job, refused: list[Refused]) -> tuple[np.ndarray, dict[str, Any]]:
    """Make a built cache whole, without the refused rows, and return it opened."""
    place = job.place
    state = np.load(place / _PROGRESS, allow_pickle=False)[:, 1]
    said = {note: np.flatnonzero(state >> (_NOTE_BIT + bit) & 1) for bit, note in enumerate(NOTES)}
    content = {
        "pictures": len(state),
        "size": job.size,
        "rule": decode.RULE,
        "broken": refused,
        "broken_paths": [job.paths[job.file_of[row]] for row, _, _ in refused],
        "converted": {note: rows for note, rows in said.items() if len(rows)},
    }
    files.write_json(place / _REPORT, content)
    if refused:
        _copy_kept(job, np.flatnonzero(state & _DONE))
        os.replace(place / f"{_PARTIAL}.kept", place / _IMAGES)
        (place / _PARTIAL).unlink()
    else:
        os.replace(place / _PARTIAL, place / _IMAGES)
    whole = opened(place)
    if whole is None:
        raise OSError(f"the picture cache {place} cannot be read back; delete that folder and give the same call again")
    return whole


def superseded(job: Job) -> list[Path]:
    """Return unfinished neighbours of which every row stands in this cache, now that it is whole."""
    mine = {key.tobytes() for key in job.row_keys()}
    return [
        neighbour.place
        for neighbour in _neighbours(job)
        if not neighbour.whole and all(neighbour.keys[row].tobytes() in mine for row in neighbour.rows.tolist())
    ]


def _copy_kept(job: Job, kept: np.ndarray) -> None:
    """Write the kept rows alone to a file of their own."""
    with open(job.place / f"{_PARTIAL}.kept", "wb") as target:
        target.write(_header("|u1", (len(kept), *job.shape[1:])))
        with open(job.place / _PARTIAL, "rb") as source:
            start, length = len(_header("|u1", job.shape)), 3 * job.size**2
            for row in kept.tolist():
                source.seek(start + row * length)
                target.write(source.read(length))
        target.flush()
        os.fsync(target.fileno())


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _open_array(path: Path, descr: str, shape: tuple[int, ...]) -> tuple[IO[bytes], int]:
    """Open an ``.npy`` file for writing, made of zeros where it is not there as it should be; return where data start."""
    header = _header(descr, shape)
    length = len(header) + int(np.prod(shape, dtype=np.int64)) * np.dtype(descr).itemsize
    fits = path.is_file() and path.stat().st_size == length
    if fits:
        with open(path, "rb") as handle:
            fits = handle.read(len(header)) == header
    if not fits:
        with open(path, "wb") as handle:
            handle.write(header)
            handle.truncate(length)
    return open(path, "r+b"), len(header)


class _Rows:
    """The files of an unfinished cache: pixels, marks of what is done, and what was refused."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.length = 3 * job.size**2
        self.refused: dict[int, Refused] = {}
        self.unmarked: list[tuple[int, int, int]] = []  # row, checksum, state
        self.state = np.zeros(job.shape[0], dtype=np.uint32)

    def __enter__(self) -> "_Rows":
        place = self.job.place
        with contextlib.ExitStack() as stack:
            self.pixels, self.pixels_start = _open_array(place / _PARTIAL, "|u1", self.job.shape)
            stack.enter_context(self.pixels)
            self.marks, self.marks_start = _open_array(place / _PROGRESS, "<u4", (self.job.shape[0], 2))
            stack.enter_context(self.marks)
            self.said = stack.enter_context(open(place / _REFUSED, "a+", encoding="utf-8"))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        with self.stack:
            if kind is None:
                for handle in (self.pixels, self.marks, self.said):
                    handle.flush()
                    os.fsync(handle.fileno())

    def resume(self) -> None:
        """Take over the rows that an earlier process marked, where their checksums fit."""
        said = _read_refused(self.said)
        self.marks.seek(self.marks_start)
        marks = np.frombuffer(self.marks.read(), dtype="<u4").reshape(-1, 2)
        for row in np.flatnonzero(marks[:, 1]).tolist():
            checksum, state = marks[row].tolist()
            if state & _LEFT_OUT and row in said:
                self.refused[row] = said[row]
                self.state[row] = state
            elif state & _DONE:
                self.pixels.seek(self.pixels_start + row * self.length)
                if zlib.crc32(self.pixels.read(self.length)) == checksum:
                    self.state[row] = state

    def copy_from(self, neighbour: "_Neighbour") -> None:
        """Copy rows that another cache has already."""
        rows_of = {neighbour.keys[row].tobytes(): row for row in neighbour.rows.tolist()}
        keys = self.job.row_keys()
        for row in np.flatnonzero(self.state == 0).tolist():
            source = rows_of.get(keys[row].tobytes())
            pixels, state = (None, 0) if source is None else neighbour.read(source)
            if pixels is not None:
                self._write_pixels(row, pixels, state)
        self._mark()

    def write(self, results: list[Result]) -> None:
        """Write decoded pictures, note what was refused, then mark all of them."""
        for row, found, notes in results:
            if isinstance(found, PictureError):
                self.refused[row] = row, found.kind, found.what
                self.said.write(files.to_json(self.refused[row], indent=None) + "\n")
                self.unmarked.append((row, 0, _LEFT_OUT))
            else:
                bits = sum(1 << (_NOTE_BIT + NOTES.index(note)) for note in notes)
                self._write_pixels(row, found.tobytes(), _DONE | bits)
        self._mark()

    def _write_pixels(self, row: int, pixels: bytes, state: int) -> None:
        self.pixels.seek(self.pixels_start + row * self.length)
        self.pixels.write(pixels)
        self.unmarked.append((row, zlib.crc32(pixels), state))

    def _mark(self) -> None:
        """Mark rows as done, after their pixels have left this process."""
        self.pixels.flush()
        self.said.flush()
        for row, checksum, state in self.unmarked:
            self.marks.seek(self.marks_start + row * 8)
            self.marks.write(np.array([checksum, state], dtype="<u4").tobytes())
            self.state[row] = state
        self.marks.flush()
        self.unmarked.clear()


def _read_refused(handle: IO[str]) -> dict[int, Refused]:
    """Return what was refused before, by row; a last line that a kill cut short is passed over, and ended."""
    handle.seek(0)
    text = handle.read()
    if text and not text.endswith("\n"):
        handle.write("\n")
    said = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            row, kind, what = json.loads(line)
            said[row] = row, kind, what
    return said


class _Neighbour:
    """Another cache of the same size and rule: ``keys`` uint8[N,72] of all its rows, ``rows`` those it has pixels of."""

    def __init__(self, place: Path) -> None:
        self.place = place
        with np.load(place / _SOURCES, allow_pickle=False) as stored:
            self.keys, self.size, self.rule = stored["keys"], int(stored["size"]), int(stored["rule"])
        self.marks = np.load(place / _PROGRESS, allow_pickle=False)
        self.whole = (place / _IMAGES).exists()
        self.images = np.load(place / (_IMAGES if self.whole else _PARTIAL), mmap_mode="r", allow_pickle=False)
        done = (self.marks[:, 1] & _DONE).astype(bool)
        self.rows = np.flatnonzero(done)
        self.position = np.cumsum(done) - 1 if self.whole else np.arange(len(done))

    def read(self, row: int) -> tuple[bytes | None, int]:
        """Return (the pixels of a row, its state); None where its checksum does not fit."""
        checksum, state = self.marks[row].tolist()
        pixels = self.images[self.position[row]].tobytes()
        return (pixels if zlib.crc32(pixels) == checksum else None), state


def _neighbours(job: Job) -> list[_Neighbour]:
    """Return the other caches of the same picture size and decoding rule beside this one."""
    found = []
    for sources in sorted(job.place.parent.glob(f"*/{_SOURCES}")):
        if sources.parent != job.place:
            with contextlib.suppress(
                OSError, ValueError, KeyError, EOFError
            ):  # one that is just being begun or deleted
                found.append(_Neighbour(sources.parent))
    return [one for one in found if (one.size, one.rule) == (job.size, decode.RULE)]


def _tasks(job: Job, rows: np.ndarray) -> Iterator[Task]:
    """Yield the rows to do by file, several files at a time as long as their pixels are few."""
    rows = rows[np.argsort(job.file_of[rows], kind="stable")]
    most = max(1, min(_TASK_FILES, _TASK_BYTES // (3 * job.size**2)))
    task: Task = []
    for file, mine in itertools.groupby(rows.tolist(), key=lambda row: int(job.file_of[row])):
        task.append((file, np.array(list(mine))))
        if sum(len(own) for _, own in task) >= most:
            yield task
            task = []
    if task:
        yield task


def _in_threads(job: Job, tasks: Iterator[Task], workers: int) -> Iterator[list[Result]]:
    """Run the tasks in threads and yield their results as they come; few are under way at a time."""
    pool = ThreadPoolExecutor(workers, "decode")
    try:
        running = {pool.submit(_decode, job, task) for task in itertools.islice(tasks, 2 * workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_decode, job, task) for task in itertools.islice(tasks, len(done))}
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(job: Job, task: Task) -> list[Result]:
    """Read and decode the files of a task."""
    results: list[Result] = []
    for file, rows in task:
        try:
            content = _content(job, file)
            crops = None if job.boxes is None else job.boxes[rows]
            found = decode.decode(content, job.paths[file], job.size, crops)
            found = found * len(rows) if crops is None else found
        except PictureError as error:
            found = [error] * len(rows)
        for row, one in zip(rows.tolist(), found, strict=True):
            results.append((row, one, frozenset()) if isinstance(one, PictureError) else (row, *one))
    return results


def _content(job: Job, file: int) -> bytes:
    """Return a file's bytes, which must be those that were hashed. Raises PictureError, ValueError where they are not."""
    path, expected = job.paths[file], job.hashes[file].tobytes()
    content = None
    try:
        content = decode.read_bytes(path)
    except PictureError as error:
        if error.kind == "empty" or not any(expected):
            raise
    if content is None or hashlib.sha256(content).digest() != expected:
        raise ValueError(f"{path} changed while the pictures were read; give the same call again")
    return content
