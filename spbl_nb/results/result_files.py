"""Many runs in one JSON file, for what a repository keeps or a person sends: every record whole, without the arrays.

A record carries the SHA-256 that it had in its run's folder, and reading checks it: a number that was touched by hand
is found out.

Taught in: notebooks/05_spbl, section 6.
"""

import os
from pathlib import Path
from typing import Any

from spbl_nb import files
from spbl_nb.results import store

SCHEMA = 1


def export(root: str | os.PathLike, path: str | os.PathLike, remark: str = "") -> int:
    """Write the records of all complete runs below ``root`` to one file and return their number.

    ``remark`` says what a reader must know and no record tells. Raises ValueError when no complete run is there, or when
    one is broken, naming it.
    """
    found = store.scan(root)
    if found.broken:
        folder, reason = found.broken[0]
        raise ValueError(f"{len(found.broken)} runs below {root} are broken, first {folder}: {reason}")
    if not found.complete:
        raise ValueError(f"there is no complete run below {root}; give the folder that a grid was run into")
    content = {"schema": SCHEMA, "remark": remark, "runs": [run.result for run in found.complete]}
    files.write_json(Path(path), content)
    return len(found.complete)


def read(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Return the records of a file of :func:`export`.

    Raises :class:`spbl_nb.results.store.BrokenRun` when it is no such file, or when a record was altered.
    """
    content = files.read_json(Path(path))
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or not isinstance(content.get("runs"), list):
        raise store.BrokenRun(f"{path} is no file of exported runs, or of another version; export them anew")
    for number, record in enumerate(content["runs"]):
        if not isinstance(record, dict) or record.get("sha256") != store.record_sha256(record):
            raise store.BrokenRun(
                f"{path}: run {number} was altered after it was written (SHA-256 differs); export anew"
            )
    return content["runs"]
