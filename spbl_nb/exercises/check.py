"""How an exercise is checked: the reader's function runs on many cases, and the smallest one that goes wrong is shown.

A checker prints what it found and returns it as a :class:`Verdict`. It never raises, whatever the function does (only one
that never ends cannot be helped), so that a notebook with untouched exercises runs to its end. What is wrong is told by
a counterexample: the arguments, what came back, and what is right. If the answer is that of a common mistake (a *trap*),
a question follows that leads away from it.

Taught in: notebooks/00_start_here, section 2.
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

_MOST = 150  # numbers of an array that are shown
_LONGEST = 700  # characters of anything else
_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float"}


@dataclass(frozen=True)
class Verdict:
    """What a checker found. ``passed`` is True or False, or None where nothing was attempted; ``message`` says it in words.

    In a notebook it shows nothing by itself, because the checker has printed the message.
    """

    exercise: str
    passed: bool | None
    message: str

    def __bool__(self) -> bool:
        return self.passed is True

    def _ipython_display_(self) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Seeded:
    """Stands in a case for a fresh random generator with this seed."""

    seed: int

    def __repr__(self) -> str:
        return f"np.random.default_rng({self.seed})"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one call of the reader's function did: its ``answer`` or its ``error``, what it printed, what it changed."""

    answer: Any = None
    error: BaseException | None = None
    printed: str = ""
    changed: str = ""  # name of an argument that the function altered in place


Judge = Callable[[Any, Case, Callable[..., Outcome]], str]  # (answer, case, call) -> complaint, empty if right


def examine(
    exercise: str, mine: object, cases: Iterable[Case], judge: Judge, well_done: str, traps: Iterable[Trap] = ()
) -> Verdict:
    """Run ``mine`` on the cases, smallest first, up to the first that goes wrong; print and return the verdict.

    ``judge`` gets the answer, the case and a function ``call(**case)``, by which it may run ``mine`` once more.
    ``well_done`` is said where all is right. A trap's question is asked where ``mine`` answers all cases as the trap
    does, but for those in which the trap returns NotImplemented: there another mistake may show as well. A function that
    returns None or ``...`` in the first case, or raises NotImplementedError there, counts as not attempted.
    """
    verdict = _verdict(exercise, mine, sorted(cases, key=_size), judge, well_done, list(traps))
    print(verdict.message)
    return verdict


def matches(right: Callable) -> Judge:
    """Return a judge that wants what ``right(**case)`` gives, up to rounding."""

    def judge(answer: Any, case: Case, call: Callable[..., Outcome]) -> str:
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
    where = tuple(int(index) for index in np.argwhere(~agree)[0])
    place = f" at entry {where[0] if len(where) == 1 else where}" if where else ""
    if found.dtype.kind == "f" and np.isnan(found[where]):
        return f"There is a NaN{place}: what was divided by 0?"
    return f"They differ first{place}." if where else f"It is too {'large' if found > wanted else 'small'}."


def misfit(answer: Any, kind: str, shape: tuple[int | None, ...]) -> str:
    """Return in words why an answer is no array of this ``kind`` (bool, int or float) and shape; empty if it is.

    None in ``shape`` stands for any length.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
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


def _verdict(
    exercise: str, mine: object, cases: list[Case], judge: Judge, well_done: str, traps: list[Trap]
) -> Verdict:
    if mine is None or mine is ...:
        return Verdict(exercise, None, f"Exercise {exercise}: not attempted yet.")
    if not callable(mine):
        wrong = (
            f"not yet. The checker wants the function itself, without parentheses after its name; it got {show(mine)}."
        )
        return Verdict(exercise, False, f"Exercise {exercise}: {wrong}")
    printed = False
    for number, case in enumerate(cases):
        outcome = _call(mine, case)
        if number == 0 and _untouched(outcome):
            silent = outcome.error is None and outcome.answer is None
            hint = " (If you have written something: is a `return` missing?)" if silent else ""
            return Verdict(exercise, None, f"Exercise {exercise}: not attempted yet.{hint}")
        complaint = _complaint(outcome, case, judge, mine)
        if complaint:
            question = _question(mine, cases, traps) if outcome.error is None else ""
            return Verdict(exercise, False, _told(exercise, case, complaint, question, outcome.printed))
        printed |= bool(outcome.printed)
    aside = " (What your function printed was put aside.)" if printed else ""
    message = f"Exercise {exercise}: well done! Right in all {len(cases)} cases.{aside}\n{well_done}"
    return Verdict(exercise, True, message)


def _call(mine: Callable, case: Case) -> Outcome:
    """Call the reader's function with copies of the arguments, and note all it does."""
    given = {name: _handed_over(value) for name, value in case.items()}
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answer = mine(*given.values())
    except (Exception, SystemExit) as error:
        return Outcome(error=error, printed=printed.getvalue())
    changed = [name for name, value in case.items() if not _unchanged(value, given[name])]
    return Outcome(answer, None, printed.getvalue(), changed[0] if changed else "")


def _untouched(outcome: Outcome) -> bool:
    if outcome.error is not None:
        return isinstance(outcome.error, NotImplementedError)
    return outcome.answer is None or outcome.answer is ...


def _complaint(outcome: Outcome, case: Case, judge: Judge, mine: Callable) -> str:
    """Return what is wrong with an outcome in whole sentences, or an empty text."""
    if outcome.error is not None:
        error = outcome.error
        line = _line_of(error, mine)
        return f"your function raised {type(error).__name__}: {str(error).strip()}{f', in the line `{line}`' if line else ''}"
    if outcome.changed:
        return (
            f"your function changed its argument {outcome.changed}. Work on a copy: whoever calls it may need the "
            "argument as it was."
        )
    complaint = judge(outcome.answer, case, lambda **other: _call(mine, other))
    return f"your function returned\n{_indented(show(outcome.answer))}\n{complaint}" if complaint else ""


def _question(mine: Callable, cases: list[Case], traps: list[Trap]) -> str:
    """Return the question of the first trap that explains all answers, or an empty text."""
    answers = [_call(mine, case).answer for case in cases] if traps else []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for wrong, question in traps:
            pairs = [(answer, wrong(**case)) for answer, case in zip(answers, cases, strict=True)]
            told = [difference(*pair) for pair in pairs if pair[1] is not NotImplemented]
            if told and not any(told):
                return question
    return ""


def _told(exercise: str, case: Case, complaint: str, question: str, printed: str) -> str:
    arguments = [_indented(show(value, name)) for name, value in case.items()]
    lines = [f"Exercise {exercise}: not yet. With", *arguments, complaint]
    lines += [question] if question else []
    if printed:
        lines += ["It printed", _indented(printed.strip()[:_LONGEST])]
    return "\n".join(lines)


def _line_of(error: BaseException, mine: Callable) -> str:
    """Return the line of the reader's function in which it failed, or an empty text where that cannot be known."""
    file = getattr(getattr(mine, "__code__", None), "co_filename", None)
    own = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return (own[-1] or "") if own else ""


def _handed_over(value: Any) -> Any:
    return np.random.default_rng(value.seed) if isinstance(value, Seeded) else copy.deepcopy(value)


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, Seeded):
        return True
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    return before == after


def _size(case: Case) -> int:
    return sum(
        value.size if isinstance(value, np.ndarray) else len(value) if isinstance(value, (dict, list)) else 1
        for value in case.values()
    )


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")
