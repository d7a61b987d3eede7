"""Argument checks whose messages name the argument, what was found, what is allowed and what to do.

Every public function of the package validates its input through these few helpers, so that a mistake is reported
in the same words everywhere. All of them raise :class:`ValueError`; none changes its input.
"""

import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeVar

import numpy as np

MOST_CLASSES = 1_000_000  # beyond these numbers a count is a mistake, and what it asks for would fill the memory
MOST_SAMPLES = 1_000_000_000
_MOST_BEGUN = 5  # names with the same beginning that a message lists
_MOST = int(np.iinfo(np.int64).max)

T = TypeVar("T")


def nearest(value: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the allowed name closest to ``value``, or an empty string.

    Where ``value`` is the first word of several names, as ``spbl`` is, all of these are named.
    """
    allowed = list(allowed)
    begun = [name for name in allowed if name.startswith(f"{value}_")]
    close = begun if 1 < len(begun) <= _MOST_BEGUN else difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
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
    if isinstance(value, (bool, np.complexfloating)) or not isinstance(value, (numbers.Real, np.number)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: a number in {interval}")
    try:
        number = float(value)
    except OverflowError:  # an int or a fraction beyond all floats
        number = math.inf if operator.gt(value, 0) else -math.inf
    inside = (number > low if open_low else number >= low) and (number < high if open_high else number <= high)
    if not math.isfinite(number) or not inside:
        raise ValueError(f"{name} is {number:g}; allowed: a finite number in {interval}")
    return number


def integer(name: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside ``[low, high]`` (either end may be None: as far as 64 bits go)."""
    bounds = f"an integer from {low if low is not None else '-2^63'} to {high if high is not None else '2^63 - 1'}"
    if isinstance(value, bool) or not isinstance(value, (numbers.Integral, np.integer)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: {bounds}")
    number = int(value)
    if not (-_MOST - 1 if low is None else low) <= number <= (_MOST if high is None else high):
        raise ValueError(f"{name} is {_short(number)}; allowed: {bounds}")
    return number


def class_number(name: str, value: object, low: int = 1) -> int:
    """Return ``value`` as a number of classes, from ``low`` to :data:`MOST_CLASSES`."""
    return integer(name, value, low, MOST_CLASSES)


def boolean(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} is {value!r} ({type(value).__name__}); allowed: True or False")
    return bool(value)


def as_array(name: str, values: object, what: str = "an array") -> np.ndarray:
    """Return ``values`` as an array of any type and shape; masked entries and rows of different lengths are refused."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; fill them in or leave them out")
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths; a tensor with a gradient
        raise ValueError(f"{name} cannot be read as {what}: {error}") from None


def integer_array(name: str, values: object, low: int | None = None, *, length: int | None = None) -> np.ndarray:
    """Return ``values``, one per class, as int64[C]; none may be below ``low``."""
    array = as_array(name, values)
    allowed = "integers" if low is None else f"integers of {low} or more"
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}; allowed: {allowed}, one per class")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} entries; {length} are needed, one per class")
    if low is not None and array.min() < low:
        where = int(array.argmin())
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: {allowed}, one per class")
    if int(array.max()) > _MOST:
        raise ValueError(
            f"{name}[{int(array.argmax())}] is {array.max()}; allowed: {allowed} below 2^63, one per class"
        )
    return array.astype(np.int64)


def label_array(name: str, labels: object, num_classes: int | None = None, *, length: int | None = None) -> np.ndarray:
    """Return ``labels`` as int64[N] with values in 0..C-1.

    Floats are refused even when whole (a float label is nearly always a regression target or a score by mistake).
    With ``length`` the array must have that many entries. An empty array is refused.
    """
    array = as_array(name, labels)
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
    classes = MOST_CLASSES if num_classes is None else class_number("num_classes", num_classes)
    if array.max() >= classes:
        where = int(np.argmax(array))
        raise ValueError(f"{name}[{where}] is {array[where]}; allowed: 0..{classes - 1} for {classes} classes")
    return array


def row_array(name: str, rows: object, length: int) -> np.ndarray:
    """Return ``rows`` as int64[n], indices into something of ``length`` rows; at least one."""
    array = as_array(name, rows)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}; a non-empty list of row indices is needed"
        )
    if array.min() < 0 or array.max() >= length:
        wrong = int(array.min() if array.min() < 0 else array.max())
        raise ValueError(f"{name} holds the row {wrong}; allowed: 0..{length - 1}, for there are {length} rows")
    return array.astype(np.int64, copy=False)


def float_array(name: str, values: object) -> np.ndarray:
    """Return ``values`` as float64 of any shape; texts, dates and complex numbers are refused."""
    array = as_array(name, values, "numbers")
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{name} has dtype {array.dtype}; allowed: real numbers")
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
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


def instance(name: str, value: Any, kind: type[T] | tuple[type[T], ...]) -> T:
    """Return ``value`` if it is of the class, or one of the classes, that is needed."""
    if not isinstance(value, kind):
        wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{name} is {value!r:.80} ({type(value).__name__}); allowed: {wanted}")
    return value


def sequence(name: str, values: Any, what: str = "a list") -> list:
    """Return ``values`` as a list; a text, bytes, a mapping, a set and what cannot be walked through are refused."""
    try:
        if isinstance(values, (str, bytes, Mapping, Set)):
            raise TypeError
        return list(values)
    except TypeError:
        raise ValueError(f"{name} is {values!r:.80} ({type(values).__name__}); allowed: {what}") from None


def texts(name: str, values: object, length: int | None = None, *, per: str = "class") -> list[str]:
    """Return ``values``, one ``per`` what the message says, as a list of texts."""
    found = list(map(str, sequence(name, values, f"a list of texts, one per {per}")))
    for text in found:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError(
                f"{name} holds {text!r:.80}, which has half a character; allowed: texts that can be written"
            )
    if length is not None and len(found) != length:
        raise ValueError(f"{name} has {len(found)} entries; {length} are needed, one per {per}")
    return found


def _short(number: int) -> str:
    """Return a number in digits, or its size where it has too many."""
    return str(number) if abs(number) < 10**30 else f"beyond {'-' * (number < 0)}10^30"
