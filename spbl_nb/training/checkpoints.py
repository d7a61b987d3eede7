"""Files that an interrupted run leaves, each with its *owner*: method, stage, seed, settings, hashes of data and rows.

A run goes on from a file whose owner is its own; another run's file is refused, and the message names what differs.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spbl_nb import files
from spbl_nb.config import Config

_SCHEMA = 1
_DIFFERENCE = {
    "data": "the data differ",
    "split": "the split differs",
    "rows": "the rows that are learnt or evaluated differ",
    "start": "the weights at the start differ",
}


class ResumeError(ValueError):
    """A checkpoint belongs to another run, or cannot be read."""


def settings_of(config: Config) -> dict[str, Any]:
    """Return the settings that must agree: all but the seeds of a grid and the preset's name."""
    return {key: value for key, value in config.to_dict().items() if key not in ("seeds", "preset")}


def weights_sha256(model: nn.Module) -> str:
    """Return the hash of all parameters and buffers."""
    return files.sha256_of(*(value.cpu().numpy() for value in model.state_dict().values()))


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Name what differs between two owners, e.g. ``lr: 0.05 there, 0.01 here``; hashes in words."""
    lines = []
    for key in wanted:
        here, there = wanted[key], found.get(key)
        if key == "settings" and isinstance(there, dict):
            lines += differences(here, there)
        elif here != there:
            lines.append(_DIFFERENCE.get(key, f"{key}: {there!r} there, {here!r} here"))
    return lines


def save(path: str | os.PathLike, content: dict[str, Any], owner: dict[str, Any]) -> None:
    """Write tensors and plain values with their owner, as a whole or not at all."""
    with files.replacing(path) as handle:
        torch.save({"schema": _SCHEMA, "owner": owner, **content}, handle)


def load(path: str | os.PathLike, owner: dict[str, Any]) -> dict[str, Any] | None:
    """Return what :func:`save` wrote, or None when there is no such file.

    Raises :class:`ResumeError` when the file is broken, or when it belongs to another owner, naming the differences.
    """
    if not Path(path).exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content["owner"] | {"schema": content["schema"]}
    except Exception as error:
        raise _unreadable(path, error) from None
    _check_owner(path, owner | {"schema": _SCHEMA}, found)
    return content


def save_arrays(path: str | os.PathLike, arrays: dict[str, np.ndarray], owner: dict[str, Any]) -> None:
    """Write arrays with their owner, as a whole or not at all."""
    with files.replacing(path) as handle:
        content: dict[str, Any] = {"owner": np.array(files.to_json(owner)), **arrays}
        np.savez(handle, **content)


def load_arrays(path: str | os.PathLike, owner: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """Return what :func:`save_arrays` wrote, or None when there is no such file; raises as :func:`load` does."""
    if not Path(path).exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        found = dict(json.loads(str(arrays.pop("owner"))))
    except Exception as error:  # zipfile, zlib and NumPy raise half a dozen types
        raise _unreadable(path, error) from None
    _check_owner(path, json.loads(files.to_json(owner)), found)
    return arrays


def _check_owner(path: str | os.PathLike, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    if lines := differences(wanted, found):
        raise ResumeError(
            f"{path} belongs to another run ({'; '.join(lines)}); remove it to start again, or resume as it was begun"
        )


def _unreadable(path: str | os.PathLike, error: Exception) -> ResumeError:
    return ResumeError(f"checkpoint {path} cannot be read ({error}); remove it to start again")
