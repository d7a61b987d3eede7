"""The checkers of the exercises: the folded solutions pass, misconceptions meet a counterexample and their question."""

import inspect

import numpy as np
import pytest
import torch
from exercise_answers import WRONG
from exercise_cells import ALL

from spbl_nb import exercises, ghm, losses, pace
from spbl_nb.exercises.check import Seeded, difference, examine, matches, show

CHECKERS = [function for name, function in vars(exercises).items() if name.startswith("check_")]
each_checker = pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
each_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.number)


@pytest.fixture(scope="module")
def solutions():
    """The function of every folded solution, by the name of its checker."""
    return {exercise.checker: exercise.solved()[exercise.function] for exercise in ALL}


@pytest.mark.filterwarnings("error")  # they would stand in red under the reader's cell
@each_exercise
def test_every_folded_solution_passes_its_checker(exercise, solutions, capsys):
    verdict = getattr(exercises, exercise.checker)(solutions[exercise.checker])
    assert verdict, verdict.message
    assert verdict.passed is True
    assert verdict.exercise == exercise.number
    assert "well done" in verdict.message
    assert verdict.message.count("\n") == 1, "one line of praise and one of where to go next"
    assert capsys.readouterr().out == verdict.message + "\n"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("check", "words", "mine"), WRONG, ids=[f"{one[0].__name__}: {one[1]}" for one in WRONG])
def test_a_misconception_meets_a_counterexample(check, words, mine):
    verdict = check(mine)
    assert verdict.passed is False
    assert words.lower() in verdict.message.lower(), verdict.message
    assert "not yet. With\n    " in verdict.message
    assert "your function returned\n    " in verdict.message


@each_checker
def test_every_checker_has_wrong_answers_to_be_tested_on(check, solutions):
    assert sum(entry[0] is check for entry in WRONG) >= 2
    assert check.__name__ in solutions


@each_exercise
def test_an_untouched_stub_is_not_attempted_and_stops_nothing(exercise, capsys):
    names = {}
    exec(exercise.imports, names)
    exec(exercise.stub, names)
    assert capsys.readouterr().out == f"Exercise {exercise.number}: not attempted yet.\n"


def test_the_weights_of_exercise_3_1_minimise_their_objective(solutions):
    loss, grid = np.linspace(0.0, 4.0, 41), np.linspace(0.0, 1.0, 100_001)
    for age in (0.3, 1.0, 2.5):
        best = grid[np.argmin(loss[:, None] * grid - 2 * age * np.sqrt(grid), axis=1)]
        np.testing.assert_allclose(solutions["check_root_weights"](loss, age), best, atol=1e-4)


def test_the_release_admits_one_more_than_exercise_3_2_where_a_product_of_floats_is_too_large(solutions):
    loss, labels = np.arange(25.0), np.zeros(25, dtype=int)
    assert solutions["check_exact_quota"](loss, labels, 28).sum() == 7
    assert pace.select_easiest(loss, labels, 0.28).sum() == 8


def test_the_solutions_of_chapter_06_give_what_the_losses_do(solutions):
    rng = np.random.default_rng(0)
    logits, target = torch.from_numpy(rng.normal(0, 3, 200)), torch.from_numpy(rng.integers(0, 2, 200) * 1.0)
    valid = torch.from_numpy(rng.random(200) < 0.8)
    weights = solutions["check_harmonized_weights"](logits.numpy(), target.numpy(), valid.numpy(), 30)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none").numpy()
    assert (weights * plain).sum() / valid.sum().item() == pytest.approx(losses.ghm_c(logits, target, valid).item())

    memory = ghm.GradientDensity(6, 0.75, bias_correction=True)
    counts = rng.integers(0, 4, (9, 6)) * (rng.random((9, 6)) < 0.6)
    for step in counts:
        density = memory.density(torch.from_numpy(step).double()).nan_to_num()
    np.testing.assert_allclose(solutions["check_smoothed_counts"](counts, 0.75), density.numpy())


def _raises(error):
    def mine(*arguments):
        raise error

    return mine


@each_checker
@pytest.mark.parametrize("mine", [_raises(NotImplementedError()), ..., None, lambda *arguments: ...])
def test_other_stubs_are_not_attempted_either(check, mine):
    verdict = check(mine)
    assert verdict.passed is None
    assert not verdict
    assert verdict.message.endswith("not attempted yet.")


def test_a_function_that_returns_nothing_is_asked_for_its_return():
    verdict = exercises.check_leak(lambda *arguments: None)
    assert verdict.passed is None
    assert "is a `return` missing?" in verdict.message


@each_checker
@pytest.mark.parametrize("error", [ValueError("what I said"), SystemExit(3), RecursionError()], ids=repr)
def test_an_error_is_reported_with_the_input_that_raised_it(check, error, solutions):
    verdict = check(_raises(error))
    assert verdict.passed is False
    assert f"your function raised {type(error).__name__}: {error}" in verdict.message
    first = next(iter(inspect.signature(solutions[check.__name__]).parameters))
    assert f"\n    {first} = " in verdict.message


def test_the_line_that_failed_is_named():
    def mine(sizes, factor):
        return sizes[factor * 1000]

    assert "in the line `return sizes[factor * 1000]`" in exercises.check_achieved_factor(mine).message


@each_checker
@pytest.mark.parametrize(
    "answer",
    ["text", {}, [[1], [1, 2]], np.zeros((7, 7, 7)), np.nan, np.full(3, np.nan), 1j, [None], 0, []],
    ids=["text", "dict", "ragged", "zeros", "NaN", "NaNs", "complex", "list of None", "zero", "empty"],
)
def test_no_constant_passes_and_none_breaks_a_checker(check, answer):
    verdict = check(lambda *arguments: answer)
    assert verdict.passed is False
    assert "Traceback" not in verdict.message


def test_an_argument_that_was_changed_is_reported(solutions):
    def mine(loss, age):
        answer = np.copy(solutions["check_root_weights"](loss, age))
        loss[0] = -1
        return answer

    assert "changed its argument loss" in exercises.check_root_weights(mine).message


def test_what_a_function_prints_is_put_aside_or_shown_with_the_counterexample(solutions, capsys):
    def right(confusion):
        print("a trace of mine")
        return solutions["check_macro_f1"](confusion)

    def wrong(confusion):
        print("sum", confusion.sum())
        return -1.0

    verdict = exercises.check_macro_f1(right)
    assert verdict, verdict.message
    assert "What your function printed was put aside." in verdict.message
    assert "a trace of mine" not in capsys.readouterr().out
    assert "It printed\n    sum 5" in exercises.check_macro_f1(wrong).message


def test_a_result_instead_of_a_function_is_explained():
    verdict = exercises.check_macro_f1(0.5)
    assert verdict.passed is False
    assert "the function itself, without parentheses" in verdict.message


def test_the_smallest_case_that_goes_wrong_is_shown(capsys):
    cases = [{"values": np.arange(n)} for n in (9, 3, 5, 1)]
    judge = matches(lambda values: values.sum())
    verdict = examine("0.1", lambda v: v.sum() if len(v) < 3 else 0, cases, judge, "Next.")
    assert "values = [0, 1, 2]" in verdict.message
    assert "Right is\n    3\nIt is too small." in verdict.message
    assert capsys.readouterr().out == verdict.message + "\n"


def test_a_question_is_asked_only_of_who_fell_into_that_trap():
    cases = [{"values": np.arange(n, dtype=float)} for n in (1, 2, 3, 4)]
    traps = [(lambda values: values.mean(), "Mean or sum?"), (lambda values: values.max(), "Largest or sum?")]

    def message(mine):
        return examine("0.1", mine, cases, matches(lambda values: values.sum()), "Next.", traps).message

    assert message(lambda v: v.mean()).endswith("Mean or sum?")
    assert message(lambda v: v.max()).endswith("Largest or sum?")
    assert message(lambda v: 7.0).endswith("It is too large.")


def test_the_arguments_are_copies_and_a_generator_is_fresh():
    case = {"values": np.zeros(3), "by_seed": {1: 2.0}, "rng": Seeded(5)}
    seen = []

    def mine(values, by_seed, rng):
        seen.append(rng.random())
        by_seed[1] = 0.0
        return 1.0

    verdict = examine("0.1", mine, [case], matches(lambda **_: 1.0), "Next.")
    assert "changed its argument by_seed" in verdict.message
    assert case["by_seed"] == {1: 2.0}
    assert seen == [np.random.default_rng(5).random()]


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (np.float32(0.1), 0.1, ""),
        (2, 2.0, ""),
        ([], np.zeros(0, dtype=int), ""),
        ((True, False), np.array([True, False]), ""),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), ""),
        (1.0, 1.001, "too small"),
        (2.0, 2, "int is wanted"),
        ([1, 0], np.array([True, False]), "bool is wanted"),
        (True, 1.0, "float is wanted"),
        ([1.0], 1.0, "shape (1,)"),
        ([1.0, 2.0], np.array([1.0, 3.0]), "at entry 1"),
        (np.eye(2), np.ones((2, 2)), "at entry (0, 1)"),
        ([np.nan, 1.0], np.ones(2), "NaN at entry 0"),
        ("x", 1.0, "cannot be read as numbers"),
        (None, 1.0, "when there is something to return"),
    ],
)
def test_differences_are_described_in_words(answer, expected, words):
    found = difference(answer, expected)
    assert words in found
    assert bool(found) == bool(words)


def test_values_are_shown_as_a_reader_would_write_them():
    assert show(np.array([0.1, 2.0]), "loss") == "loss = [0.1, 2. ]"
    assert show(np.arange(2)[:, None], "m") == "m = [[0],\n     [1]]"
    assert show(0.1 + 0.2) == "0.3"
    assert show([np.float64(0.5), np.int64(2)]) == "[0.5, 2]"
    assert len(show("x" * 5000)) < 800
    assert "shape (1000,)" in show(np.zeros(1000))
    assert show(type("Odd", (), {"__repr__": lambda self: 1 / 0})()) == "an object of type Odd"
