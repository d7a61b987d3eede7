"""Argument checks whose messages name the argument, what was found, what is allowed and what to do.

Every public function of the package validates its input through these few helpers, so that a mistake is reported
in the same words everywhere. All of them raise :class:`ValueError`; none changes its input.
"""

import difflib
import math
import numbers
from collections.abc import Iterable

import numpy as np


def nearest(value: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the allowed name closest to ``value``, or an empty string."""
    close = difflib.get_close_matches(str(value), list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def one_of(name: str, value: object, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of the ``allowed`` names, else raise and suggest the nearest one."""
    allowed = list(allowed)
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
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, np.number)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: a number in {interval}")
    number = float(value)
    inside = (number > low if open_low else number >= low) and (number < high if open_high else number <= high)
    if not math.isfinite(number) or not inside:
        raise ValueError(f"{name} is {number:g}; allowed: a finite number in {interval}")
    return number


def integer(name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside ``[low, high]`` (either end may be None: unbounded)."""
    bounds = f"an integer from {low if low is not None else '-inf'} to {high if high is not None else 'inf'}"
    if isinstance(value, bool) or not isinstance(value, (numbers.Integral, np.integer)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: {bounds}")
    number = int(value)
    if (low is not None and number < low) or (high is not None and number > high):
        raise ValueError(f"{name} is {number}; allowed: {bounds}")
    return number


def boolean(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: True or False")
    return bool(value)


def integer_array(name: str, values: object, low: int | None = None, *, length: int | None = None) -> np.ndarray:
    """Return ``values``, one per class, as int64[C]; none may be below ``low``."""
    array = _as_array(name, values)
    allowed = "integers" if low is None else f"integers of {low} or more"
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}; allowed: {allowed}, one per class")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per class")
    if low is not None and array.min() < low:
        where = int(array.argmin())
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: {allowed}, one per class")
    if int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(
            f"{name}[{int(array.argmax())}] is {array.max()}; allowed: {allowed} below 2^63, one per class"
        )
    return array.astype(np.int64)


def label_array(name: str, labels: object, num_classes: int | None = None, *, length: int | None = None) -> np.ndarray:
    """Return ``labels`` as int64[N] with values in 0..C-1.

    Floats are refused even when whole (a float label is nearly always a regression target or a score by mistake).
    With ``length`` the array must have that many entries. An empty array is refused.
    """
    array = _as_array(name, labels)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}; allowed: one dimension, one class index per sample")
    if array.size == 0:
        raise ValueError(f"{name} is empty; at least one sample is needed")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}; allowed: integers 0..C-1 (convert with .astype(int))")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per sample")
    array = array.astype(np.int64, copy=False)
    if array.min() < 0:
        where = int(np.argmin(array))
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: 0..C-1, and class indices are never negative")
    if num_classes is not None and array.max() >= num_classes:
        where = int(np.argmax(array))
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: 0..{num_classes - 1} for {num_classes} classes")
    return array


def row_array(name: str, rows: object, length: int) -> np.ndarray:
    """Return ``rows`` as int64[n], indices into something of ``length`` rows; at least one."""
    array = _as_array(name, rows)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; a non-empty list of row indices is needed"
        )
    if array.min() < 0 or array.max() >= length:
        wrong = int(array.min() if array.min() < 0 else array.max())
        raise ValueError(f"{name} holds the row {wrong}; allowed: 0..{length - 1}, for there are {length} rows")
    return array.astype(np.int64, copy=False)


def float_array(name: str, values: object) -> np.ndarray:
    """Return ``values`` as float64 of any shape."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as numbers: {error}") from None


def finite_array(
    name: str, values: object, *, ndim: int, length: int | None = None, gaps: bool = False, per: str = "sample"
) -> np.ndarray:
    """Return ``values`` as float64 with ``ndim`` dimensions, all finite, or NaN where ``gaps`` may stand.

    ``length`` fixes the first axis, which has one entry ``per`` what the message says.
    """
    array = float_array(name, values)
    if array.ndim != ndim:
        raise ValueError(f"{name} has shape {array.shape}; allowed: {ndim} dimension{'s' if ndim > 1 else ''}")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per {per}")
    bad = np.isinf(array) if gaps else ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        found = array[where]
        raise ValueError(
            f"{name}[{', '.join(map(str, where))}] is {found}; all values must be finite "
            f"({int(bad.sum())} of {array.size} are not: look for a diverged loss or a failed division)"
        )
    return array


def random_generator(rng: object) -> np.random.Generator | np.random.RandomState:
    """Return a NumPy generator from None (fresh entropy), an int seed, a ``Generator`` or a ``RandomState``."""
    if isinstance(rng, (np.random.Generator, np.random.RandomState)):
        return rng
    if rng is None:
        return np.random.default_rng()
    return np.random.default_rng(integer("rng", rng, 0))


def _as_array(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} cannot be read as integers: {error}") from None
