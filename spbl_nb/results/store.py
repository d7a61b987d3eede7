"""The result store: one folder a run, complete or absent, that says exactly what was run.

A run is one method on one data set with one configuration and one seed. Its folder holds ``result.json`` (what was run,
with which versions, and the report), ``scores.npz`` (the scores themselves, so that any other metric can be computed
later) and ``history.jsonl`` (one line per look at the validation part). It is written under ``.staging`` and renamed as
a whole: whoever finds the folder finds all of it. What depends on the clock or the machine stands in the one block
``timing``; the rest of ``result.json`` is the same whenever the same thing is run with the same seed.

Taught in: notebooks/08_experiment, section 5, and notebooks/09_reproduction_report.
"""

import datetime
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spbl_nb import checks, files
from spbl_nb.results import provenance
from spbl_nb.results.staging import move_into_place, staging

if TYPE_CHECKING:
    from spbl_nb.config import Config
    from spbl_nb.data.registry import ImageData, Split
    from spbl_nb.methods.registry import Result
    from spbl_nb.metrics import Report

SCHEMA = 1
RESULT, SCORES, HISTORY = "result.json", "scores.npz", "history.jsonl"
ARRAYS = ("scores", "labels", "predicted", "test_rows")
_SEED = re.compile(r"seed-\d+")


class RunConflict(ValueError):
    """A complete run stands in the folder already, and it is not a run of the same thing."""


class BrokenRun(ValueError):
    """A run folder lacks something, was altered, or was written by another version of the store."""


class OtherVersion(BrokenRun):
    """A run was written by another version of the store, which may well be able to read it."""


class Saved(NamedTuple):
    """Where a run stands, and whether this call wrote it (False: the same run stood there already)."""

    folder: Path
    written: bool


@dataclass(frozen=True)
class Run:
    """A complete run as read from its folder.

    Attributes: ``folder``; ``result`` the content of ``result.json``; ``scores`` float[N_test,C]; ``labels``,
    ``predicted``, ``test_rows`` int64[N_test]; ``history`` one dict per look at the validation part.
    """

    folder: Path
    result: dict[str, Any]
    scores: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    test_rows: np.ndarray
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Scan:
    """What :func:`scan` found: complete runs, and the folders that are none with the reason."""

    complete: list[Run]
    broken: list[tuple[Path, str]]


def run_folder(root: str | os.PathLike, config_name: str, dataset: str, method: str, seed: int) -> Path:
    """Return ``root/<configuration>/<data set>/<method>/seed-<k>``."""
    for name, part in (("configuration", config_name), ("dataset", dataset), ("method", method)):
        if (
            not isinstance(part, str)
            or not part.isprintable()
            or not part
            or part[0] == "."
            or set(part) & set('/\\:*?"<>|')
        ):
            raise ValueError(
                f"{name} is {part!r}; it names a folder, so it may not be empty, start with a dot or hold /\\: or what "
                "cannot be printed"
            )
    checks.instance("root", root, (str, os.PathLike))
    return Path(root) / config_name / dataset / method / f"seed-{checks.integer('seed', seed, 0)}"


def fingerprint(dataset: str, method: str, seed: int, config: "Config", data_sha256: str, split_sha256: str) -> dict:
    """Return what makes two runs runs of the same thing: names, seed, settings, data hash, split hash and schema."""
    settings = {key: value for key, value in config.to_dict().items() if key != "seeds"}
    return {
        "schema": SCHEMA,
        "dataset": dataset,
        "method": method,
        "seed": checks.integer("seed", seed, 0),
        "config": settings,
        "data_sha256": data_sha256,
        "split_sha256": split_sha256,
    }


def differences(wanted: dict[str, Any], found: dict[str, Any], prefix: str = "") -> list[str]:
    """Name every entry in which two fingerprints differ, e.g. ``config.lr: 0.05 there, 0.01 now``."""
    lines = []
    for key in sorted(wanted.keys() | found.keys()):
        now, there = wanted.get(key), found.get(key)
        if isinstance(now, dict) and isinstance(there, dict):
            lines += differences(now, there, f"{prefix}{key}.")
        elif now != there:
            lines.append(f"{prefix}{key}: {_short(there)} there, {_short(now)} now")
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:13] + "…'"


def save(
    root: str | os.PathLike,
    *,
    method: str,
    data: "ImageData",
    split: "Split",
    config: "Config",
    seed: int,
    result: "Result",
    report: "Report",
) -> Saved:
    """Write one finished run to its folder below ``root``, as a whole or not at all.

    If the same run (equal :func:`fingerprint`) stands there already it is left as it is, also when another process
    finishes it first. Raises :class:`RunConflict` if another run stands there, :class:`BrokenRun` if the folder holds
    something incomplete, OSError (naming the folder) if the disk is full or the folder cannot be written.
    """
    folder = run_folder(root, config.name, data.name, method, seed)
    record = _record(method, data, split, config, seed, result, report)
    if standing(folder, record["fingerprint"]):
        return Saved(folder, False)
    arrays = {
        "scores": np.asarray(result.scores),
        "labels": np.asarray(data.labels[split.test]),
        "predicted": np.asarray(result.predicted),
        "test_rows": np.asarray(split.test),
    }
    record["arrays"] = {name: files.sha256_of(array) for name, array in arrays.items()}
    record["history_rows"] = len(result.history)
    record["sha256"] = record_sha256(files.to_jsonable(record))
    try:
        with staging(root) as stage:
            files.write_npz(stage / "run" / SCORES, **arrays)
            lines = [files.to_json(row, indent=None) for row in result.history]
            files.write_text(stage / "run" / HISTORY, "".join(line + "\n" for line in lines))
            files.write_json(stage / "run" / RESULT, record)
            return Saved(folder, publish(stage / "run", folder))
    except OSError as error:
        raise OSError(
            error.errno,
            f"could not write the run {folder} ({os.strerror(error.errno) if error.errno else error}); nothing was left "
            "there: free some space or choose another runs folder, then run it again",
        ) from error


def standing(folder: Path, wanted: dict[str, Any]) -> Run | None:
    """Return the complete run with this fingerprint that stands in ``folder``, None if the folder does not exist.

    Raises :class:`RunConflict` naming every difference if another run stands there, :class:`BrokenRun` if it is broken.
    """
    if not folder.exists():
        return None
    run = load(folder)
    lines = differences(files.to_jsonable(wanted), run.result["fingerprint"])
    if lines:
        raise RunConflict(
            f"{folder} holds another run ({'; '.join(lines)}); it was left as it is: give another runs folder, or move "
            "that one away if it is not needed"
        )
    return run


def publish(stage: Path, folder: Path) -> bool:
    """Move a finished run folder to its final place; return False if the same run stood there first (ours is dropped).

    Raises as :func:`standing` does if something else stands there.
    """
    if move_into_place(stage, folder):
        return True
    standing(folder, files.read_json(stage / RESULT)["fingerprint"])
    shutil.rmtree(stage, ignore_errors=True)
    return False


def load(folder: str | os.PathLike) -> Run:
    """Read a run and verify it: the schema, that all files and arrays are there, and the arrays' SHA-256.

    Raises :class:`BrokenRun` naming the folder, what is missing or wrong, and what to do.
    """
    folder = Path(folder)
    result = _read_result(folder / RESULT)
    arrays = _read_arrays(folder / SCORES, result["arrays"])
    history = _read_history(folder / HISTORY, result["history_rows"])
    return Run(folder, result, history=history, **arrays)


def _broken(problem: str) -> BrokenRun:
    return BrokenRun(f"{problem}; move the run's folder away and run it again")


def _read_result(path: Path) -> dict[str, Any]:
    try:
        result = files.read_json(path)
    except OSError as error:
        raise _broken(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise _broken(str(error)) from None
    fingerprint = result.get("fingerprint") if isinstance(result, dict) else None
    schema = fingerprint.get("schema") if isinstance(fingerprint, dict) else None
    if schema is not None and schema != SCHEMA:
        raise OtherVersion(
            f"{path} was written by another version of spbl_nb (schema {schema!r}; this one reads schema {SCHEMA}); it was "
            "left as it is: give another runs folder, or move the run's folder away and run it again"
        )
    if schema is None:
        raise _broken(f"{path} names no schema")
    needed = {
        "config_name",
        "arrays",
        "history_rows",
        "report",
        "class_names",
        "class_counts",
        "steps",
        "timing",
        "sha256",
    }
    missing = needed - result.keys()
    if missing:
        raise _broken(f"{path} lacks {', '.join(sorted(missing))}")
    if not isinstance(result["timing"], dict) or result["sha256"] != record_sha256(result):
        raise _broken(f"{path} was altered after it was written (SHA-256 differs)")
    return result


def record_sha256(record: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) over everything in a result but the block that depends on the clock."""
    return files.sha256_of(
        files.to_json({key: value for key, value in record.items() if key not in ("timing", "sha256")})
    )


def _read_arrays(path: Path, hashes: dict[str, str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise _broken(f"{path} is missing") from None
    except Exception as error:  # zipfile, zlib and NumPy raise half a dozen types for a damaged archive
        raise _broken(f"{path} cannot be read ({error})") from None
    missing = [name for name in ARRAYS if name not in arrays or name not in hashes]
    if missing:
        raise _broken(f"{path} lacks the array {', '.join(missing)}")
    altered = [name for name in ARRAYS if files.sha256_of(arrays[name]) != hashes[name]]
    if altered:
        raise _broken(f"{path}: the array {', '.join(altered)} was altered after it was written (SHA-256 differs)")
    return {name: arrays[name] for name in ARRAYS}


def _read_history(path: Path, rows: int) -> list[dict[str, Any]]:
    try:
        history = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise _broken(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise _broken(f"{path} does not hold one JSON value a line ({error})") from None
    if len(history) != rows:
        raise _broken(f"{path} has {len(history)} lines, and {rows} were written")
    return history


def scan(root: str | os.PathLike, config_name: str | None = None) -> Scan:
    """Read every run below ``root`` (of one configuration, if named): the complete ones, and the broken with the reason."""
    found = Scan([], [])
    if config_name is not None and (
        not isinstance(config_name, str) or set(config_name) & set("/\\") or not config_name
    ):
        raise ValueError(f"config_name is {config_name!r:.80}; allowed: the name of one configuration, or None for all")
    folders = Path(root).glob(f"{config_name or '*'}/*/*/seed-*")
    for folder in sorted(path for path in folders if _SEED.fullmatch(path.name) and not path.parts[-4].startswith(".")):
        try:
            found.complete.append(load(folder))
        except BrokenRun as reason:
            found.broken.append((folder, str(reason)))
    return found


def _record(method: str, data: "ImageData", split: "Split", config: "Config", seed: int, result: "Result",
            report: "Report") -> dict[str, Any]:  # fmt: skip
    """Return the content of result.json apart from the arrays' hashes."""
    parts = {name: data.counts(getattr(split, name)) for name in ("train", "validation", "test")}
    return {
        "fingerprint": files.to_jsonable(fingerprint(data.name, method, seed, config, data.sha256, split.sha256)),
        "config_name": config.name,
        "class_names": list(data.class_names),
        "class_counts": parts,
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
