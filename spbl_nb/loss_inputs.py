"""What every loss does first: check shapes and types, and calculate in float32 at least.

Only what a tensor tells about itself is looked at (shape, type), never its values: reading a value makes the program
wait for a GPU. Labels outside 0..C-1 are therefore found by torch's own cross-entropy, which on a GPU reports them late.
"""

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor


def at_least_float32(values: Tensor) -> Tensor:
    """Return half and bfloat16 values as float32, float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def scores_and_labels(name: str, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return (scores float[B,C] in float32 at least, labels int64[B]); B and C at least 1.

    ``name`` is what the caller calls the scores. Raises ValueError for other shapes and types.
    """
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
    values = torch.as_tensor(values)
    if values.shape != scores.shape[1:] or not values.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(values.shape)} and type {values.dtype}; "
            f"allowed: floats [{scores.shape[1]}], one per class"
        )
    return (values.log() if log else values).to(scores)
