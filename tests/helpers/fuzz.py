"""Malformed arguments for valid calls, and what counts as a clear refusal; used by ``test_robustness.py`` and its tables.

A call may return, or refuse: ValueError, TypeError or OSError raised by a ``raise`` in ``spbl_nb``, whose messages are written
by hand, or an OSError of the system that names the file. What only falls over inside (an IndexError, a broadcasting error of
NumPy, a RuntimeError of torch, a warning) is a fault, and so is what takes longer than :data:`SECONDS` or more memory than
:data:`MEMORY`.
"""

import contextlib
import copy
import decimal
import dis
import fractions
import re
import resource
import signal
import threading
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

PACKAGE = Path(__file__).parents[2] / "spbl_nb"
SECONDS, MEMORY = 120, 2 * 10**9
RAISE = dis.opmap["RAISE_VARARGS"]
REFUSALS = (ValueError, TypeError, OSError)


class Hang(BaseException):
    """A case took longer than :data:`SECONDS`."""


# --- what a call did ---------------------------------------------------------------------------------------------------


def deliberate(error: BaseException) -> bool:
    """Tell whether the error was raised by a ``raise`` in spbl_nb, or by the system with the name of a file."""
    if isinstance(error, OSError) and error.filename is not None:
        return True
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    ours = PACKAGE in Path(code.co_filename).parents
    return ours and code.co_code[last.tb_lasti] == RAISE


def place_of(error: BaseException) -> str:
    """Return the innermost line of spbl_nb that the error passed through."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(one.filename).parents]
    return (
        f"{Path(frames[-1].filename).name}:{frames[-1].lineno} `{(frames[-1].line or '')[:70]}`"
        if frames
        else "nowhere"
    )


def fault(call, huge: bool = False):
    """Call it and return (what it returned, the words of its fault or None).

    ``huge``: the case asks for something huge itself, so NumPy's refusal to allocate it is no fault.
    """
    try:
        with bounded(), warnings.catch_warnings():
            warnings.simplefilter("error")
            for harmless in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, FutureWarning):
                warnings.simplefilter("ignore", harmless)
            # matplotlib says what a reader's name does to the picture, which is drawn
            warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
            warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
            return call(), None
    except REFUSALS as error:
        if deliberate(error):
            return None, None
        caught: BaseException = error
    except MemoryError as error:
        if huge:
            return None, None
        caught = error
    except (Exception, Hang) as error:
        caught = error
    message = re.sub(r"0x[0-9a-f]+", "0x…", str(caught)).replace("\n", " ")[:90]
    return None, f"{type(caught).__name__} at {place_of(caught)}: {message}"


@contextlib.contextmanager
def bounded():
    """Bound the time of what runs inside, in the main thread, and the memory that the process may take beyond what it has."""

    def ring(*_):
        raise Hang(f"more than {SECONDS} s")

    used = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGALRM, ring) if threading.current_thread() is threading.main_thread() else None
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, hard))
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        if before is not None:
            signal.signal(signal.SIGALRM, before)


# --- values gone wrong -------------------------------------------------------------------------------------------------

JUNK = {
    "None": None,
    "text": "text",
    "empty text": "",
    "bytes": b"\x00\xff",
    "dict": {"a": 1},
    "empty dict": {},
    "set": {1, 2},
    "empty list": [],
    "list of texts": ["a", "b"],
    "ragged list": [[1.0], [2.0, 3.0]],
    "list of None": [None, None],
    "object": object(),
    "class": int,
    "function": len,
    "complex": 1 + 2j,
    "not a number": float("nan"),
    "0-d array": np.array(1.0),
    "empty array": np.empty(0),
    "array of objects": np.array([None, "x", 3], dtype=object),
    "4-d array": np.zeros((1, 2, 1, 2)),
    "series": pd.Series([1.0, 2.0]),
    "tensor": torch.zeros(2, 2),
    "path": Path("nowhere"),
    "number": 3,
    "yes": True,
}
NUMBERS = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": -float("inf"),
    "-1": -1,
    "0": 0,
    "0.0": 0.0,
    "1": 1,
    "0.5": 0.5,
    "huge float": 1e308,
    "huge": 10**12,
    "2^63": 2**63,
    "-2^63": -(2**63),
    "beyond int": 10**400,
    "tiny": 5e-324,
    "float32": np.float32(0.25),
    "int8": np.int8(-3),
    "decimal": decimal.Decimal("0.1"),
    "fraction": fractions.Fraction(1, 3),
    "number in text": "3",
    "list of a number": [1],
}
TEXTS = {
    "zero byte": "a\0b",
    "surrogate": "\ud800",
    "long": "x" * 5000,
    "spaces": "  ",
    "up": "../..",
    "braces": "{0!r:>9} %s $x^{2",
    "line ends": "a\nb\r\nc",
}
# these name the same values, so the answer must be the same
SAME = {
    "read-only": lambda value: _frozen(value.copy()),
    "not contiguous": lambda value: np.repeat(value, 2, axis=-1)[..., ::2],
    "reversed strides": lambda value: np.flip(np.flip(value, 0).copy(), 0),
    "Fortran order": np.asfortranarray,
    "big-endian": lambda value: value.astype(value.dtype.newbyteorder(">")),
}
WRONG = {
    "text": lambda value: value.astype(str),
    "texts that are no numbers": lambda value: np.full(value.shape, "x"),
    "objects": lambda value: value.astype(object),
    "object None": lambda value: _with(value.astype(object), None),
    "bool": lambda value: value.astype(bool),
    "complex": lambda value: value + 1j,
    "float": lambda value: value.astype(float) + 0.5,
    "float16": lambda value: value.astype(np.float16),
    "integers": lambda value: value.astype(np.int64),
    "uint64": lambda value: np.full(value.shape, 2**64 - 1, dtype=np.uint64),
    "dates": lambda value: np.zeros(value.shape, "datetime64[s]"),
    "records": lambda value: np.zeros(value.shape, dtype=[("a", float)]),
    "masked": lambda value: np.ma.masked_array(value, np.ones(value.shape, bool)),
    "an axis more": lambda value: value[None],
    "an axis more at the end": lambda value: value[..., None],
    "an axis less": lambda value: value[0] if value.ndim else value,
    "flat": np.ravel,
    "transposed": np.transpose,
    "empty": lambda value: value[:0],
    "empty rows": lambda value: value[..., :0],
    "no axis": lambda value: np.array(value.ravel()[0]),
    "shorter": lambda value: value[:-1],
    "one": lambda value: value[:1],
    "longer": lambda value: np.concatenate([value, value[:1]]),
    "wider": lambda value: np.concatenate([value, value[..., :1]], axis=-1),
    "narrower": lambda value: value[..., :-1],
    "NaN": lambda value: _with(value.astype(float), np.nan),
    "inf": lambda value: _with(value.astype(float), np.inf),
    "-inf": lambda value: _with(value.astype(float), -np.inf),
    "all NaN": lambda value: np.full(value.shape, np.nan),
    "negative": lambda value: _with(value.copy(), -1) if value.dtype.kind in "if" else value.astype(float) - 300,
    "all negative": lambda value: -np.abs(value.astype(float)) - 1,
    "huge": lambda value: _with(value.astype(float), 1e308),
    "all huge": lambda value: np.full(value.shape, 1.7e308),
    "huge integer": lambda value: _with(value.astype(np.int64), 10**12),
    "largest integer": lambda value: np.full(value.shape, 2**63 - 1),
    "beyond int": lambda value: _with(value.astype(object), 10**400),
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "tiny": lambda value: np.full(value.shape, 5e-324),
    "list": lambda value: value.tolist(),
    "list with a text": lambda value: [*value.tolist(), "x"],
    "dataframe": lambda value: pd.DataFrame(value.reshape(len(value), -1)),
    "tensor": lambda value: torch.from_numpy(value.copy()),
}
TENSORS = {
    "array": lambda value: value.numpy(),
    "list": lambda value: value.tolist(),
    "half": lambda value: value.half(),
    "bfloat16": lambda value: value.to(torch.bfloat16),
    "integers": lambda value: value.long(),
    "bytes": lambda value: value.to(torch.uint8),
    "bool": lambda value: value.bool(),
    "complex": lambda value: value + 1j,
    "an axis more": lambda value: value[None],
    "an axis less": lambda value: value[0] if value.ndim else value,
    "empty": lambda value: value[:0],
    "empty rows": lambda value: value[..., :0],
    "shorter": lambda value: value[:-1],
    "wider": lambda value: torch.cat([value, value[..., :1]], dim=-1),
    "NaN": lambda value: torch.full_like(value.double(), float("nan")),
    "inf": lambda value: torch.full_like(value.double(), float("inf")),
    "negative": lambda value: (
        -value.double().abs().to(value.dtype if value.dtype.is_floating_point else torch.int64) - 1
    ),
    "huge": lambda value: torch.full_like(value, 10**12 if value.dtype == torch.int64 else 1e30),
    "sparse": lambda value: value.to_sparse(),
    "elsewhere": lambda value: value.to("meta"),
}


def _with(array, value):
    """Return the array with ``value`` in its first place."""
    if array.size:
        array.flat[0] = value
    return array


def _frozen(array):
    array.flags.writeable = False
    return array


def _same_tensor(value):
    return torch.repeat_interleave(value, 2, dim=-1)[..., ::2] if value.ndim else value


@st.composite
def malformed(draw, value, depth: int = 0):
    """Draw (kind, a value like ``value`` gone wrong in one way); kinds that begin with ``same`` mean what it means."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return draw(_of_array(value))
    if isinstance(value, torch.Tensor):
        kind = draw(st.sampled_from([*TENSORS, "same, not contiguous", "junk"]))
        if kind == "junk":
            return draw(_junk())
        return kind, _same_tensor(value) if kind.startswith("same") else TENSORS[kind](value)
    if isinstance(value, (bool, int, float)) and draw(st.booleans()):
        kind = draw(st.sampled_from([*NUMBERS, "drawn"]))
        return kind, draw(st.floats() | st.integers()) if kind == "drawn" else NUMBERS[kind]
    if isinstance(value, str) and draw(st.booleans()):
        kind = draw(st.sampled_from([*TEXTS, "drawn"]))
        return kind, draw(st.text(max_size=20)) if kind == "drawn" else TEXTS[kind]
    if isinstance(value, (dict, list, tuple)) and value and depth < 4 and draw(st.integers(0, 3)):
        return draw(_of_container(value, depth))
    return draw(_junk())


@st.composite
def _junk(draw):
    kind = draw(st.sampled_from(list(JUNK)))
    return f"junk: {kind}", copy.copy(JUNK[kind])


@st.composite
def _of_array(draw, value):
    kind = draw(st.sampled_from([*WRONG, *(f"same, {one}" for one in SAME), "junk", "shape and values", "places"]))
    if kind == "junk":
        return draw(_junk())
    if kind == "shape and values":
        shape = draw(st.lists(st.integers(0, 4), max_size=4))
        dtype = draw(st.sampled_from([np.float64, np.int64, np.uint8, bool]))
        return kind, np.ones(shape, dtype)
    if kind == "places":  # a few values anywhere
        array = value.astype(float)
        for _ in range(draw(st.integers(1, 3))):
            if array.size:
                array.flat[draw(st.integers(0, array.size - 1))] = draw(st.floats() | st.integers(-3, 300))
        return kind, array if draw(st.booleans()) else _cast(array, value.dtype)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return kind, (SAME[kind[6:]] if kind.startswith("same") else WRONG[kind])(value)
        except (ValueError, IndexError, OverflowError, TypeError):  # a change that this array cannot have
            return "junk: None", None


def _cast(array, dtype):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return array.astype(dtype)


@st.composite
def _of_container(draw, value, depth):
    change = draw(st.sampled_from(["inside", "inside", "inside", "less", "more", "key"]))
    if isinstance(value, dict):
        key = draw(st.sampled_from(list(value)))
        changed = dict(value)
        if change == "less":
            del changed[key]
            return f"without {key!r}", changed
        if change in ("more", "key"):
            other = draw(st.sampled_from([None, 3, "nonsense", ("a", 1), b"b"]))
            if change == "key":
                changed.pop(key)
            changed[other] = value[key]
            return f"key {other!r}", changed
        kind, changed[key] = draw(malformed(value[key], depth + 1))
        return f"[{key!r}] {kind}", changed
    items, at = list(value), draw(st.integers(0, len(value) - 1))
    if change == "less":
        del items[at]
    elif change in ("more", "key"):
        items.append(items[at])
    else:
        kind, items[at] = draw(malformed(items[at], depth + 1))
        return f"[{at}] {kind}", type(value)(items) if type(value) in (list, tuple) else items
    return change, type(value)(items) if type(value) in (list, tuple) else items


def alike(first, second) -> bool:
    """Tell whether two answers are the same as far as they are arrays, numbers, texts or containers of them."""
    if isinstance(first, torch.Tensor):
        first, second = first.detach().numpy(), second.detach().numpy()
    if isinstance(first, np.ndarray):
        return first.dtype.kind not in "biufU" or np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(alike, first, second))
    if isinstance(first, float):
        return first == second or (first != first and second != second)
    return not isinstance(first, (int, str)) or first == second
