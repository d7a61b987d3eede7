"""Files that an interrupted run leaves, each with its *owner*: method, stage, seed, settings, hashes of data and rows.

A run goes on from a file whose owner is its own; another run's file is refused, and the message names what differs.
"""

import os
from pathlib import Path
from typing import Any

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
        raise ResumeError(f"checkpoint {path} cannot be read ({error}); remove it to start again") from None
    if lines := differences(owner | {"schema": _SCHEMA}, found):
        raise ResumeError(
            f"{path} belongs to another run ({'; '.join(lines)}); remove it to start again, or resume as it was begun"
        )
    return content
