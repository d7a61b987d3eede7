"""Content hashes of many files, read again only when a file may have changed.

A SHA-256 over the bytes is the only proof that a file is what it was. Reading everything at each start would cost as much
as decoding small pictures, so the hashes are remembered beside the file's size, times of change and number in the
file system, as version control systems do it: where all of them agree, the hash is taken as known. A file that was changed
less than two seconds before it was hashed is hashed again next time, for a second change in the same tick of the clock
could not be told apart.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from spbl_nb import files

_TICK = 2_000_000_000  # nanoseconds
_BLOCK = 1 << 20
_CHUNK = 64


def digests(
    paths: Sequence[str], memory: str | os.PathLike | None = None, *, workers: int = 1, progress: bool = False
) -> np.ndarray:
    """Return uint8[N,32], the SHA-256 of every file; zeros where it cannot be read.

    ``memory`` is a folder in which the hashes are remembered from call to call; where it cannot be written they are
    computed each time.
    """
    known = None if memory is None else Path(memory) / f"{files.sha256_of(chr(0).join(paths))[:32]}.npz"
    stamps = np.array([_stamp(path) for path in paths], dtype=np.int64).reshape(len(paths), 4)
    found = np.zeros((len(paths), 32), dtype=np.uint8)
    trusted = np.zeros(len(paths), dtype=bool)
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError):
        if known is not None and known.is_file():
            with np.load(known, allow_pickle=False) as stored:
                trusted = (stored["stamps"] == stamps).all(axis=1) & (stamps[:, 0] >= 0)
                found[trusted] = stored["digests"][trusted]
    asked = np.flatnonzero(~trusted).tolist()
    if asked:
        started = time.time_ns()
        found[asked] = _hash_all([paths[index] for index in asked], workers, progress)
        recent = (stamps[:, 1:3] > started - _TICK).any(axis=1)
        moved = np.array([_stamp(paths[index]) for index in asked], dtype=np.int64).reshape(-1, 4) != stamps[asked]
        stamps[recent] = -1
        stamps[np.array(asked)[moved.any(axis=1)]] = -1
        if known is not None:
            with contextlib.suppress(OSError):
                files.write_npz(known, stamps=stamps, digests=found)
    return found


def _stamp(path: str) -> tuple[int, int, int, int]:
    """Return size, time of change of the content and of the entry, and number of a file; -1 where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1, -1, -1
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & 0x7FFFFFFFFFFFFFFF


def _hash_all(paths: Sequence[str], workers: int, progress: bool) -> np.ndarray:
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(workers, "hash") as pool, progress_bar(progress, "hashing", len(paths)) as bar:
        results = []
        for result in pool.map(lambda chunk: [_hash(path) for path in chunk], chunks):
            results += result
            bar.update(len(result))
    return np.frombuffer(b"".join(results), dtype=np.uint8).reshape(-1, 32)


def _hash(path: str) -> bytes:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    except OSError:
        return bytes(32)
    return digest.digest()


def progress_bar(wanted: bool, doing: str, total: int, done: int = 0) -> Any:
    """Return a tqdm bar over pictures, shown where it is wanted."""
    from tqdm.auto import tqdm

    return tqdm(desc=doing, total=total, initial=done, unit="picture", leave=False, disable=not wanted)
