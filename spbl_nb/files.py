"""Writing files so that a reader sees either the old content or the new one, never half of it."""

import contextlib
import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside ``path``; on leaving without an error it takes the place of ``path``.

    Where the folder cannot be written or the disk is full, an :class:`OSError` names ``path``; the old file stays.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, mode, encoding=None if "b" in mode else "utf-8") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise OSError(
            error.errno, f"could not write {path} ({error.strerror or error}); nothing was changed there"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` in one step."""
    with replacing(path, "w") as handle:
        handle.write(text)


def to_jsonable(value: Any) -> Any:
    """Turn NumPy scalars and arrays, tuples and paths into what JSON holds; NaN and infinities become None."""
    if isinstance(value, dict):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, np.ndarray):
        return to_jsonable(value.tolist())
    if isinstance(value, np.generic):
        return to_jsonable(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def to_json(value: Any, indent: int | None = 1) -> str:
    """Return strict JSON (no NaN) with sorted keys, so that equal values give equal text."""
    return json.dumps(to_jsonable(value), indent=indent, sort_keys=True, allow_nan=False, ensure_ascii=False)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write ``value`` as JSON in one step."""
    write_text(path, to_json(value) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file; a :class:`ValueError` names the file when it is not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a JSON file: {error}") from None


def write_npz(path: str | os.PathLike, **arrays: Any) -> None:
    """Write named arrays as a compressed ``.npz`` in one step; object arrays (which would need pickle) are refused."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"array {name!r} has dtype object, which would need pickle; convert it to numbers or text")
    with replacing(path) as handle:
        np.savez_compressed(handle, **arrays)


def sha256_of(*values: Any) -> str:
    """Return the SHA-256 (hex) of texts, bytes, arrays and Nones; equal bytes of another dtype or shape differ.

    Arrays are read in blocks of 16 MiB, so that a memory-mapped one is never loaded whole.
    """
    digest = hashlib.sha256()
    for value in values:
        if value is None:
            digest.update(b"\0none\0")
        elif isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            digest.update(f"\0bytes {len(data)}\0".encode())
            digest.update(data)
        else:
            digest.update(f"\0array {value.dtype.str} {value.shape}\0".encode())
            array = value if value.ndim else value.reshape(1)
            rows = max(1, 2**24 * len(array) // max(1, array.nbytes))
            for start in range(0, len(array), rows):
                digest.update(np.ascontiguousarray(array[start : start + rows]).tobytes())
    return digest.hexdigest()


def progress_bar(total: int, doing: str, unit: str = "image", wanted: bool = True, done: int = 0) -> Any:
    """Return a tqdm bar (a context manager with ``update``) over ``total`` units; it shows nothing where it is not wanted."""
    from tqdm.auto import tqdm

    return tqdm(desc=doing, total=total, initial=done, unit=unit, leave=False, disable=not wanted)
