"""The result store: one folder a run, complete or absent, that says exactly what was run.

A run (:class:`RunId`) is one method on one data set with one configuration and seed. Its folder holds ``result.json``
(what was run, and the report), ``scores.npz`` (for any other metric) and ``history.jsonl`` (one line per evaluation). It
is written under ``.staging`` and renamed as a whole, so a reader finds all of it or nothing. What depends on the clock or
the machine is in the block ``timing``; the rest of ``result.json`` is the same whenever the same thing is run.
"""

import contextlib
import datetime
import errno
import itertools
import json
import os
import platform
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spbl_nb import checks, files
from spbl_nb.results import provenance

if TYPE_CHECKING:
    from spbl_nb.config import Config
    from spbl_nb.data.dataset import ImageData
    from spbl_nb.data.split import Split
    from spbl_nb.methods.registry import Result
    from spbl_nb.metrics import Report

SCHEMA = 1
RESULT, SCORES, HISTORY = "result.json", "scores.npz", "history.jsonl"
ARRAYS = ("scores", "labels", "predicted", "test_rows")
STAGING = ".staging"
_NEEDED = {"config_name", "report", "class_names", "class_counts", "steps", "timing"}
_RUN_AGAIN = "move the run's folder away and run it again"
_HOST = platform.node() or "host"


class RunConflict(ValueError):
    """The folder already holds a complete run of something else."""


class BrokenRun(ValueError):
    """A run folder lacks something, cannot be read, or was written by another version of the store."""


class OtherVersion(BrokenRun):
    """A run was written by another version of the store."""


class Saved(NamedTuple):
    """Where a run is, and whether this call wrote it (False: the same run was there already)."""

    folder: Path
    written: bool


@dataclass(frozen=True)
class RunId:
    """Which run; raises ValueError for a name that cannot name a folder and for a seed below 0."""

    dataset: str
    method: str
    seed: int
    config: "Config"

    def __post_init__(self) -> None:
        for name, part in (("dataset", self.dataset), ("method", self.method)):
            if not part or part[0] == "." or set(part) & set('/\\:*?"<>|\0\n'):
                raise ValueError(
                    f'{name} is {part!r}; it names a folder, so it may not be empty, start with a dot or hold /\\:*?"<>|'
                )
        checks.integer("seed", self.seed, 0)

    @property
    def folder(self) -> str:
        """The run's folder relative to the runs folder: ``<configuration>/<data set>/<method>/seed-<k>``."""
        return f"{self.config.name}/{self.dataset}/{self.method}/seed-{self.seed}"

    def fingerprint(self, data_sha256: str, split_sha256: str) -> dict[str, Any]:
        """Return what makes two runs runs of the same thing: names, seed, settings, hashes of data and split, schema."""
        settings = {key: value for key, value in self.config.to_dict().items() if key != "seeds"}
        return files.to_jsonable(
            {
                "schema": SCHEMA,
                "dataset": self.dataset,
                "method": self.method,
                "seed": self.seed,
                "config": settings,
                "data_sha256": data_sha256,
                "split_sha256": split_sha256,
            }
        )


@dataclass(frozen=True)
class Run:
    """A complete run: ``result`` is that of ``result.json``, ``scores`` float[N_test,C], the other arrays int64[N_test]."""

    folder: Path
    result: dict[str, Any]
    scores: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    test_rows: np.ndarray
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Scan:
    """What :func:`scan` found: complete runs, and broken folders with the reason."""

    complete: list[Run]
    broken: list[tuple[Path, str]]


def save(
    root: str | os.PathLike, run: RunId, *, data: "ImageData", split: "Split", result: "Result", report: "Report"
) -> Saved:
    """Write one finished run to its folder below ``root``, as a whole or not at all.

    The same run is left as it is if it is there already. Raises ValueError if ``data`` are not those of the run,
    :class:`RunConflict` if another run is there, :class:`BrokenRun` if the folder holds something incomplete, OSError
    (naming the folder) if the disk is full or the folder cannot be written.
    """
    if data.name != run.dataset:
        raise ValueError(f"data is {data.name!r}, but the run is one on {run.dataset!r}; give the data of the run")
    folder = Path(root) / run.folder
    record = _record(run, data, split, result, report)
    if find_complete_run(folder, record["fingerprint"]):
        return Saved(folder, False)
    try:
        with staging(root) as stage:
            arrays = (result.scores, data.labels[split.test], result.predicted, split.test)
            files.write_npz(stage / "run" / SCORES, **dict(zip(ARRAYS, map(np.asarray, arrays), strict=True)))
            lines = [files.to_json(row, indent=None) + "\n" for row in result.history]
            files.write_text(stage / "run" / HISTORY, "".join(lines))
            files.write_json(stage / "run" / RESULT, record)
            return Saved(folder, publish(stage / "run", folder))
    except OSError as error:
        advice = "nothing was left there: free some space or choose another runs folder, then run it again"
        raise OSError(error.errno, f"could not write the run {folder} ({error}); {advice}") from error


def _record(run: RunId, data: "ImageData", split: "Split", result: "Result", report: "Report") -> dict[str, Any]:
    return {
        "fingerprint": run.fingerprint(data.sha256, split.sha256),
        "config_name": run.config.name,
        "class_names": list(data.class_names),
        "class_counts": {name: data.counts(getattr(split, name)) for name in ("train", "validation", "test")},
        "difficulty": None if data.difficulty is None else np.asarray(data.difficulty),
        "synthetic": data.synthetic,
        "source": data.source,
        "split_origin": split.origin,
        "report": report.to_dict(),
        "score_kind": result.score_kind,
        "steps": result.steps,
        "details": result.details,
        "versions": provenance.versions(),
        "library_sha256": provenance.library_sha256(),
        "git_revision": provenance.git_revision(),
        "timing": {
            "seconds": result.seconds,
            "parts": result.timing,
            "finished": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            **provenance.machine(),
        },
    }


def find_complete_run(folder: Path, fingerprint: dict[str, Any]) -> Run | None:
    """Return the complete run with this fingerprint that ``folder`` holds, None if the folder does not exist.

    Raises :class:`RunConflict` naming every difference if it holds another run, :class:`BrokenRun` if it is broken.
    """
    if not folder.exists():
        return None
    run = load(folder)
    check_same_run(folder, fingerprint, run.result["fingerprint"])
    return run


def check_same_run(folder: Path, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise :class:`RunConflict` naming every entry in which two fingerprints differ, with both values."""
    if lines := _differences(wanted, found):
        raise RunConflict(
            f"{folder} holds another run ({'; '.join(lines)}); it was left as it is: give another runs folder, or move "
            "that one away if it is not needed"
        )


def _differences(wanted: dict[str, Any], found: dict[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for key in sorted(wanted.keys() | found.keys()):
        now, there = wanted.get(key), found.get(key)
        if isinstance(now, dict) and isinstance(there, dict):
            lines += _differences(now, there, f"{prefix}{key}.")
        elif now != there:
            old, new = (text if len(text) <= 40 else f"{text[:13]}…'" for text in (repr(there), repr(now)))
            lines.append(f"{prefix}{key}: {old} there, {new} now")
    return lines


def publish(stage: Path, folder: Path) -> bool:
    """Move a finished run folder to its final place; return False if the same run was there first.

    Raises as :func:`find_complete_run` does if something else is there.
    """
    if move_into_place(stage, folder):
        return True
    find_complete_run(folder, files.read_json(stage / RESULT)["fingerprint"])
    return False


def load(folder: str | os.PathLike) -> Run:
    """Read a run: it is complete if all of its files can be read and hold what a run needs.

    Raises :class:`BrokenRun` naming the file, what is missing or wrong, and what to do.
    """
    folder = Path(folder)
    with _broken(folder / RESULT):
        result = files.read_json(folder / RESULT)
    _check_record(folder / RESULT, result)
    with _broken(folder / SCORES), np.load(folder / SCORES, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in ARRAYS}
    with _broken(folder / HISTORY):
        history = [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]
    return Run(folder, result, history=history, **arrays)


@contextlib.contextmanager
def _broken(path: Path) -> Iterator[None]:
    """Turn any error of reading a file into :class:`BrokenRun`."""
    try:
        yield
    except FileNotFoundError:
        raise BrokenRun(f"{path} is missing; {_RUN_AGAIN}") from None
    except Exception as error:  # zipfile, zlib and NumPy raise half a dozen types for a damaged archive
        raise BrokenRun(f"{path} cannot be read ({error}); {_RUN_AGAIN}") from error


def _check_record(path: Path, record: Any) -> None:
    """Raise :class:`BrokenRun` if a record is not one of this version, or lacks what every reader needs."""
    schema = record.get("fingerprint", {}).get("schema") if isinstance(record, dict) else None
    if schema is None:
        raise BrokenRun(f"{path} names no schema; {_RUN_AGAIN}")
    if schema != SCHEMA:
        raise OtherVersion(
            f"{path} was written by another version of spbl_nb (schema {schema!r}; this one reads schema {SCHEMA}); it was "
            f"left as it is: give another runs folder, or {_RUN_AGAIN}"
        )
    if missing := _NEEDED - record.keys():
        raise BrokenRun(f"{path} lacks {', '.join(sorted(missing))}; {_RUN_AGAIN}")


def scan(root: str | os.PathLike, config_name: str | None = None) -> Scan:
    """Read every run below ``root`` (of one configuration, if named): the complete ones, and the broken with the reason."""
    found = Scan([], [])
    for folder in sorted(Path(root).glob(f"{config_name or '*'}/*/*/seed-*")):
        if folder.parts[-4].startswith(".") or not folder.name[5:].isdigit():
            continue  # staging, and what was set aside
        try:
            found.complete.append(load(folder))
        except BrokenRun as reason:
            found.broken.append((folder, str(reason)))
    return found


def write_records(root: str | os.PathLike, path: str | os.PathLike, remark: str = "") -> int:
    """Write the records of all runs below ``root``, without arrays, to one JSON file; return their number.

    ``remark`` is for the reader of the file. Raises ValueError when no complete run is there, or when one is broken.
    """
    found = scan(root)
    if found.broken:
        folder, reason = found.broken[0]
        raise ValueError(f"{len(found.broken)} runs below {root} are broken, first {folder}: {reason}")
    if not found.complete:
        raise ValueError(f"there is no complete run below {root}; give the folder that a grid was run into")
    files.write_json(path, {"schema": SCHEMA, "remark": remark, "runs": [run.result for run in found.complete]})
    return len(found.complete)


def read_records(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Return the records of a file of :func:`write_records`; raises :class:`BrokenRun` when it is no such file."""
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or not isinstance(content.get("runs"), list):
        raise BrokenRun(f"{path} is no file of exported runs, or of another version; export them again")
    for record in content["runs"]:
        _check_record(Path(path), record)
    return content["runs"]


def check_writable(root: str | os.PathLike) -> Path:
    """Create the folder and write a file in it, so that a wrong path is reported before the training, not after it."""
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(b"spbl")
    except OSError as error:
        advice = (
            "choose another one (RUNS_DIR in a notebook, --runs-dir on the command line) or correct its permissions"
        )
        message = f"cannot write to the runs folder {root} ({error.strerror}); {advice}"
        raise OSError(error.errno, message) from None
    return root


@contextlib.contextmanager
def staging(root: str | os.PathLike) -> Iterator[Path]:
    """Yield a fresh folder below ``root/.staging``, named after this machine and process; it is removed at the end."""
    stage = Path(root) / STAGING / f"{_HOST}--{os.getpid()}--{uuid.uuid4().hex[:8]}"
    stage.mkdir(parents=True)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def clean_staging(root: str | os.PathLike) -> int:
    """Remove staging folders of this machine's dead processes (others may be in use on a shared disk); return how many."""
    import psutil

    removed = 0
    for stage in sorted((Path(root) / STAGING).glob("*--*--*")):
        host, pid, _ = stage.name.rsplit("--", 2)
        if host == _HOST and pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(stage, ignore_errors=True)
            removed += 1
    return removed


def move_into_place(stage: Path, folder: Path) -> bool:
    """Rename a folder to its final place on the same file system; return False, leaving both, if something is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(stage, folder)
    except OSError as error:
        if folder.exists() and error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES):
            return False
        raise
    return True


def set_aside(folder: Path) -> Path:
    """Rename a folder to the first free ``<name>.broken-<k>`` and return the new path; nothing is deleted."""
    names = (folder.with_name(f"{folder.name}.broken-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    return folder.rename(aside)
