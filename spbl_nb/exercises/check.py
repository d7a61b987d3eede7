"""How an exercise is checked: the reader's function runs on many cases, and the smallest one that goes wrong is shown.

A checker prints what it found and returns it as a :class:`Verdict`. It never raises, whatever the function does, so that
a notebook with untouched exercises runs to its end. A wrong answer meets a counterexample: the arguments, what came back,
and what is right. If all answers are those of a common mistake (a *trap*), a question follows that leads away from it.
"""

import contextlib
import copy
import io
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Case = dict[str, Any]  # arguments by name, in the order in which they are passed
Trap = tuple[Callable, str]  # (a wrong answer as a function of the arguments, the question it deserves)
Judge = Callable[[Any, Case, Callable[..., Any]], str]  # (answer, case, call) -> complaint, empty if right

_MOST = 150  # numbers of an array that are shown
_LONGEST = 700  # characters of anything else
_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float"}


@dataclass(frozen=True)
class Verdict:
    """What a checker found. ``passed`` is True or False, or None where nothing was attempted; ``message`` says it in words."""

    exercise: str
    passed: bool | None
    message: str

    def __bool__(self) -> bool:
        return self.passed is True

    def _ipython_display_(self) -> None:
        """Show nothing, because the checker has printed the message."""


@dataclass(frozen=True)
class Seeded:
    """Stands in a case for a fresh random generator with this seed."""

    seed: int

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"


def named(names: str, rows: Iterable[Iterable[Any]]) -> list[Case]:
    """Return one case per row: its values by name, lists turned into arrays."""
    return [
        {name: np.array(value) if isinstance(value, list) else value for name, value in zip(names.split(), row, strict=True)}
        for row in rows
    ]  # fmt: skip


def examine(
    exercise: str, mine: object, cases: Iterable[Case], judge: Judge, well_done: str, traps: Iterable[Trap] = ()
) -> Verdict:
    """Run ``mine`` on the cases, smallest first, up to the first that goes wrong; print and return the verdict.

    ``judge`` gets the answer, the case and a function ``call(**case)`` that runs ``mine`` once more and returns its answer.
    ``well_done`` is added where all is right. A function that returns None or ``...`` in the first case, or raises
    NotImplementedError there, counts as not attempted.
    """
    passed, text = _examined(mine, sorted(cases, key=_size), judge, list(traps))
    verdict = Verdict(exercise, passed, f"Exercise {exercise}: {text}" + (f"\n{well_done}" if passed else ""))
    print(verdict.message)
    return verdict


def matches(right: Callable) -> Judge:
    """Return a judge that wants what ``right(**case)`` gives, up to rounding."""

    def judge(answer: Any, case: Case, call: Callable[..., Any]) -> str:
        expected = right(**case)
        off = difference(answer, expected)
        return f"Right is\n{_indented(show(expected))}\n{off}" if off else ""

    return judge


def difference(answer: Any, expected: Any) -> str:
    """Return in words how an answer differs in shape, type or value from what is right; empty if it does not.

    Floats agree within a relative 1e-5. Any array-like is welcome; integers may stand for floats, not floats for integers.
    """
    if expected is None or answer is None or answer is ...:
        return "" if answer is None and expected is None else "Look again at when there is something to return."
    wanted = np.asarray(expected)
    off = misfit(answer, _KINDS[wanted.dtype.kind], wanted.shape)
    if off or not wanted.size:
        return off
    found = np.asarray(answer)
    tolerance = 1e-5 if wanted.dtype.kind == "f" else 0
    agree = np.isclose(found, wanted, rtol=tolerance, atol=tolerance / 1000, equal_nan=True)
    if agree.all():
        return ""
    where = tuple(np.argwhere(~agree)[0].tolist())
    place = f" at entry {where[0] if len(where) == 1 else where}" if where else ""
    if found.dtype.kind == "f" and np.isnan(found[where]):
        return f"There is a NaN{place}: what was divided by 0?"
    return f"They differ first{place}." if where else f"It is too {'large' if found > wanted else 'small'}."


def misfit(answer: Any, kind: str, shape: tuple[int | None, ...]) -> str:
    """Return in words why an answer is no array of this ``kind`` (bool, int or float) and shape; empty if it is.

    None in ``shape`` stands for any length.
    """
    try:
        found = np.asarray(answer)
    except Exception:  # whatever an object of the reader's may raise
        found = np.asarray(None)
    if found.dtype.kind not in _KINDS:
        return f"What came back ({type(answer).__name__}) cannot be read as numbers."
    if found.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        words = f"({', '.join('any' if n is None else str(n) for n in shape)}{',' if len(shape) == 1 else ''})"
        return f"It has the shape {found.shape}; {words} is wanted."
    own = _KINDS[found.dtype.kind]
    if found.size and own != kind and (own, kind) != ("int", "float"):
        return f"It is of type {found.dtype}; {kind} is wanted."
    return ""


def show(value: Any, name: str = "") -> str:
    """Return a value as a reader would write it, after ``name = `` where it has one; shortened where it is long."""
    name = f"{name} = " if name else ""
    try:
        if isinstance(value, np.generic):
            value = value.item()
        elif type(value) in (list, tuple):
            value = type(value)(each.item() if isinstance(each, np.generic) else each for each in value)
        if not isinstance(value, np.ndarray):
            text = f"{value:.8g}" if type(value) is float else repr(value)
        elif value.size > _MOST:
            text = f"{value.dtype} array of shape {value.shape} that begins {value.ravel()[:8].tolist()}"
        elif value.ndim > 2:
            text = repr(value.tolist())
        else:
            text = np.array2string(value, separator=", ", precision=8, max_line_width=100, prefix=name)
    except Exception:  # whatever an object of the reader's may raise
        text = f"an object of type {type(value).__name__}"
    return name + (text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …")


def _examined(mine: Any, cases: list[Case], judge: Judge, traps: list[Trap]) -> tuple[bool | None, str]:
    """Return (passed, message)."""
    if mine is None or mine is ...:
        return None, "not attempted yet."
    if not callable(mine):
        wanted = "The checker wants the function itself, without parentheses after its name"
        return False, f"not yet. {wanted}; it got {show(mine)}."
    silent = True
    for number, case in enumerate(cases):
        answer, complaint, printed = _call(mine, case)
        if number == 0 and not complaint and (answer is None or answer is ...):
            hint = " (If you have written something: is a `return` missing?)" if answer is None else ""
            return None, f"not attempted yet.{hint}"
        question = ""
        if not complaint:
            off = judge(answer, case, lambda **other: _call(mine, other)[0])
            complaint = f"your function returned\n{_indented(show(answer))}\n{off}" if off else ""
            question = _question(mine, cases, traps) if off else ""
        if complaint:
            aside = f"It printed\n{_indented(printed.strip()[:_LONGEST])}" if printed else ""
            arguments = [_indented(show(value, name)) for name, value in case.items()]
            return False, "\n".join(filter(None, ["not yet. With", *arguments, complaint, question, aside]))
        silent &= not printed
    aside = "" if silent else " (What your function printed was put aside.)"
    return True, f"well done! Right in all {len(cases)} cases.{aside}"


def _call(mine: Callable, case: Case) -> tuple[Any, str, str]:
    """Call ``mine`` with copies of the arguments; return (answer, complaint about an error or a changed argument, printed)."""
    given = {
        name: np.random.default_rng(value.seed) if isinstance(value, Seeded) else copy.deepcopy(value)
        for name, value in case.items()
    }
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = mine(*given.values())
    except NotImplementedError:
        return ..., "", printed.getvalue()
    except (Exception, SystemExit) as error:
        file = getattr(getattr(mine, "__code__", None), "co_filename", None)
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        where = f", in the line `{lines[-1]}`" if lines and lines[-1] else ""
        return None, f"your function raised {type(error).__name__}: {str(error).strip()}{where}", printed.getvalue()
    changed = [name for name, value in case.items() if not _unchanged(value, given[name])]
    complaint = (
        f"your function changed its argument {changed[0]}. Work on a copy: whoever calls it may need the argument as it "
        "was."
        if changed
        else ""
    )
    return answer, complaint, printed.getvalue()


def _question(mine: Callable, cases: list[Case], traps: list[Trap]) -> str:
    """Return the question of the first trap that gives all answers of ``mine``, or an empty text."""
    answers = [_call(mine, case)[0] for case in cases] if traps else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for wrong, question in traps:
            if not any(difference(answer, wrong(**case)) for answer, case in zip(answers, cases, strict=True)):
                return question
    return ""


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    return isinstance(before, Seeded) or before == after


def _size(case: Case) -> int:
    """Return how many numbers a case holds."""
    return sum(len(value) if isinstance(value, dict) else int(np.size(value)) for value in case.values())


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
