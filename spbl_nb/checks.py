"""Checks of arguments, for the doors of the package: a message names the argument, what was found and what is allowed.

All of them return the value and raise :class:`ValueError`; none changes its input.
"""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

MOST_CLASSES = 1_000_000  # more are a mistake, and would fill the memory
_MOST_NAMED = 5  # names with the same beginning that a message lists

T = TypeVar("T")


def nearest(value: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the allowed name closest to ``value``, or an empty string.

    Where ``value`` is the first word of several names, as ``spbl`` is, all of these are named.
    """
    allowed = list(allowed)
    longer = [name for name in allowed if name.startswith(f"{value}_")]
    close = longer if 1 < len(longer) <= _MOST_NAMED else difflib.get_close_matches(str(value), allowed, 1, 0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def one_of(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of the ``allowed`` names, else raise and suggest the nearest one."""
    allowed = list(map(str, allowed))
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed: {', '.join(allowed)}{nearest(value, allowed)}")
    return value


def real(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a finite float inside the interval; ``open_low``/``open_high`` exclude that end.

    An array without dimensions, which is how a number comes back from an ``.npz``, counts as a number.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    interval = f"{'(' if open_low or low == -math.inf else '['}{low:g}, {high:g}{')' if open_high or high == math.inf else ']'}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: a number in {interval}")
    number = float(value)
    inside = (number > low if open_low else number >= low) and (number < high if open_high else number <= high)
    if not inside or not math.isfinite(number):
        raise ValueError(f"{name} is {number:g}; allowed: a finite number in {interval}")
    return number


def integer(name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside ``[low, high]``; either end may be None: as far as 64 bits go."""
    low, high = -(2**63) if low is None else low, 2**63 - 1 if high is None else high
    bounds = f"{'-2^63' if low == -(2**63) else low} to {'2^63 - 1' if high == 2**63 - 1 else high}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: an integer from {bounds}")
    number = int(value)
    if not low <= number <= high:
        raise ValueError(f"{name} is {number}; allowed: an integer from {bounds}")
    return number


def instance(name: str, value: Any, kind: type[T] | tuple[type[T], ...]) -> T:
    """Return ``value`` if it is of the class, or one of the classes, that is needed."""
    if not isinstance(value, kind):
        wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{name} is {value!r:.80} ({type(value).__name__}); allowed: {wanted}")
    return value


def label_array(name: str, labels: object, num_classes: int | None = None, *, length: int | None = None) -> np.ndarray:
    """Return ``labels`` as int64[N], N >= 1, with values in 0..C-1; ``length`` fixes N.

    Floats are refused even when whole: a float label is nearly always a regression target or a score by mistake.
    """
    array = _array(name, labels)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; allowed: one dimension, one class index per sample")
    if array.size == 0:
        raise ValueError(f"{name} is empty; at least one sample is needed")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}; allowed: integers 0..C-1 (convert with .astype(int))")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per sample")
    classes = MOST_CLASSES if num_classes is None else integer("num_classes", num_classes, 1, MOST_CLASSES)
    if array.min() < 0 or array.max() >= classes:
        where = int(array.argmin() if array.min() < 0 else array.argmax())
        allowed = f"0..C-1, C up to {classes:,}" if num_classes is None else f"0..{classes - 1} for {classes} classes"
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: {allowed}")
    return array.astype(np.int64, copy=False)


def finite_array(
    name: str,
    values: object,
    *,
    ndim: int,
    length: int | None = None,
    low: float | None = None,
    open_low: bool = False,
    gaps: bool = False,
    per: str = "sample",
) -> np.ndarray:
    """Return ``values`` as float64 with ``ndim`` dimensions, all finite, or NaN where ``gaps`` are allowed.

    ``length`` fixes the first axis, which has one entry ``per`` what the message says. With ``low`` the array holds at
    least one value, and none below ``low`` (nor, with ``open_low``, equal to it).
    """
    array = _array(name, values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {array.dtype}; allowed: real numbers")
    if array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}; allowed: {ndim} dimension{'s' if ndim > 1 else ''}")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per {per}")
    array = array.astype(np.float64, copy=False)
    bad = np.isinf(array) if gaps else ~np.isfinite(array)
    if bad.any():
        raise ValueError(
            f"{name}{_first(bad, array)}; all values must be finite "
            f"({int(bad.sum())} of {array.size} are not: look for a diverged loss or a failed division)"
        )
    if low is None:
        return array
    if array.size == 0:
        raise ValueError(f"{name} is empty; at least one value is needed, one per {per}")
    below = array <= low if open_low else array < low
    if below.any():
        interval = f"{'(' if open_low else '['}{low:g}, inf){', or NaN' if gaps else ''}"
        raise ValueError(f"{name}{_first(below, array)}; allowed: {interval}, one per {per}")
    return array


def random_generator(rng: object) -> np.random.Generator | np.random.RandomState:
    """Return a NumPy generator from None (fresh entropy), an int seed, a ``Generator`` or a ``RandomState``."""
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    return np.random.default_rng(None if rng is None else integer("rng", rng, 0))


def _array(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths; a tensor with a gradient
        raise ValueError(f"{name} cannot be read as an array: {error}") from None


def _first(wrong: np.ndarray, array: np.ndarray) -> str:
    """Return "[row, column] is value" for the first wrong entry."""
    where = tuple(np.argwhere(wrong)[0].tolist())
    return f"[{', '.join(map(str, where))}] is {array[where]:g}"
