"""What every loss does first: check shapes and types, and calculate in float32 at least.

Only what a tensor tells about itself is looked at (shape, type), never its values: reading a value makes the program
wait for a GPU. Labels outside 0..C-1 are therefore found by torch's own cross-entropy, which on a GPU reports them late.
"""

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor

from spbl_nb import checks


def plain_tensor(name: str, values: object, like: Tensor | None = None) -> Tensor:
    """Return ``values`` if they are a tensor that is not sparse and lies where ``like`` lies; else raise ValueError."""
    if not isinstance(values, Tensor):
        raise ValueError(f"{name} is a {type(values).__name__}; allowed: a torch tensor (see torch.from_numpy)")
    if values.layout != torch.strided:
        raise ValueError(f"{name} is a sparse tensor; allowed: a dense one (convert with .to_dense())")
    if like is not None and values.device != like.device:
        raise ValueError(f"{name} lies on {values.device}; allowed: {like.device}, where the other tensors lie")
    return values


def at_least_float32(values: Tensor) -> Tensor:
    """Return half and bfloat16 values as float32, float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def scores_and_labels(name: str, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return (scores float[B,C] in float32 at least, labels int64[B]); B and C at least 1.

    ``name`` is what the caller calls the scores. Raises ValueError for other shapes and types.
    """
    plain_tensor("labels", labels, plain_tensor(name, scores))
    if scores.ndim != 2 or 0 in scores.shape or not scores.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(scores.shape)} and type {scores.dtype}; "
            "allowed: floats [B,C], one row per sample and one column per class"
        )
    if labels.shape != scores.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} and type {labels.dtype}; "
            f"allowed: int64 [{len(scores)}], one class index per row of {name}"
        )
    return at_least_float32(scores), labels


def as_tensor(name: str, values: Tensor | np.ndarray | Sequence[float]) -> Tensor:
    """Return a tensor as it is, and an array or a list as a tensor of its type; ValueError for what is not numbers."""
    if isinstance(values, Tensor):
        return plain_tensor(name, values)
    array = checks.as_array(name, values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; allowed: numbers")
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))


@overload
def per_class(name: str, values: None, scores: Tensor, *, log: bool = False) -> None: ...


@overload
def per_class(
    name: str, values: Tensor | np.ndarray | Sequence[float], scores: Tensor, *, log: bool = False
) -> Tensor: ...


@overload
def per_class(
    name: str, values: Tensor | np.ndarray | Sequence[float] | None, scores: Tensor, *, log: bool = False
) -> Tensor | None: ...


def per_class(
    name: str, values: Tensor | np.ndarray | Sequence[float] | None, scores: Tensor, *, log: bool = False
) -> Tensor | None:
    """Return the C values of the columns of ``scores`` (or their logarithms) where the scores are, in their type.

    None stays None. Values that lie elsewhere are copied in every call; put them where the scores are to save that.
    """
    if values is None:
        return None
    values = as_tensor(name, values)
    if values.shape != scores.shape[1:] or not values.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(values.shape)} and type {values.dtype}; "
            f"allowed: floats [{scores.shape[1]}], one per class"
        )
    return (values.log() if log else values).to(scores)
