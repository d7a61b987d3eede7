"""Checkers of the exercises of notebook 05: a loss made of votes, balance done twice, and the leak of choosing an epoch.

Taught in: notebooks/05_spbl.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_softmax

from spbl_nb.exercises.check import Case, Verdict, examine, matches


def check_vote_loss(mine: Callable) -> Verdict:
    """Check exercise 5.1, ``mine(margins, label) -> float``: -ln of the softmax over the duels that each class wins.

    Taught in: notebooks/05_spbl, exercise 5.1.
    """

    def votes(margins):
        return (margins > 0).sum(axis=1)

    traps: list[Any] = [
        (
            lambda margins, label: -log_softmax(margins.sum(axis=1))[label],
            "Double all margins. Which class has more votes now?",
        ),
        (
            lambda margins, label: -np.log(votes(margins)[label] / votes(margins).sum()),
            "A share of the votes is no softmax. What would the loss of a class without votes be?",
        ),
        (
            lambda margins, label: float(votes(margins).max() - votes(margins)[label]),
            "Is the loss of the winner really 0? What do the other classes keep of the probability?",
        ),
        (
            lambda margins, label: -log_softmax(votes(margins.T))[label],
            "Who won where margins[i, j] is above 0?",
        ),
        (
            lambda margins, label: -log_softmax((margins > 0).mean(axis=1))[label],
            "Votes are counted, not averaged. What does the softmax make of numbers below 1?",
        ),
        (
            lambda margins, label: -log_softmax(votes(margins))[votes(margins).argmax()],
            "Whose loss is wanted: the winner's?",
        ),
    ]
    return examine(
        "5.1", mine, _duels(), matches(lambda margins, label: -log_softmax(votes(margins))[label]),
        "A class that wins all its duels still has a loss. How large is it with 3 classes, and with 198? Nothing can be easier.",
        traps,
    )  # fmt: skip


def check_balanced_share(mine: Callable) -> Verdict:
    """Check exercise 5.2, ``mine(before, after, weights) -> float[C]``: by how much the say of each class has grown.

    Taught in: notebooks/05_spbl, exercise 5.2.
    """

    def right(before, after, weights):
        return (after * weights / (after @ weights)) / (before / before.sum())

    traps = [
        (
            lambda before, after, weights: after * weights / before,
            "If every class counts twice as much, who has gained?",
        ),
        (lambda before, after, weights: weights / weights.sum() * len(weights), "What do the duplicates do?"),
        (
            lambda before, after, weights: right(before, before, weights),
            "What do the duplicates do?",
        ),
        (
            lambda before, after, weights: right(before, after, np.ones(len(weights))),
            "What do the penalty weights do?",
        ),
        (
            lambda before, after, weights: after * weights / (after @ weights),
            "That is the share now. What was it before?",
        ),
        (
            lambda before, after, weights: right(before, after - before + weights * before, np.ones(len(weights))),
            "Does a duplicate weigh less than the sample that it repeats?",
        ),
        (
            lambda before, after, weights: 1 / right(before, after, weights),
            "Has a class with a value above 1 gained or lost?",
        ),
    ]
    return examine(
        "5.2", mine, _balanced_counts(), matches(right),
        "Most classes lose when one of them gains much. Next: in section 2, which class has gained most, and did its recall?",
        traps,
    )  # fmt: skip


def check_leak(mine: Callable) -> Verdict:
    """Check exercise 5.3, ``mine(validation, test, first) -> float``: test accuracy chosen on test minus on validation.

    Taught in: notebooks/05_spbl, exercise 5.3.
    """

    def last_best(accuracy, first):
        return len(accuracy) - 1 - int(np.argmax(accuracy[first - 1 :][::-1]))

    def first_best(accuracy, first):
        return first - 1 + int(np.argmax(accuracy[first - 1 :]))

    def leak(validation, test, first, chosen=last_best):
        return test[chosen(test, first)] - test[chosen(validation, first)]

    traps: list[Any] = [
        (
            lambda **case: leak(**case, chosen=first_best),
            "Two epochs are equally good on validation. Which one is kept?",
        ),
        (lambda **case: leak(**case | {"first": 1}), "From which epoch on may one be chosen?"),
        (
            lambda validation, test, first: leak(validation, test, min(first + 1, len(test))),
            "Epochs count from 1, arrays from 0.",
        ),
        (
            lambda validation, test, first: test[first - 1 :].max() - validation[first - 1 :].max(),
            "The honest number is an accuracy on test pictures too. Of which epoch?",
        ),
        (lambda **case: -leak(**case), "Which of the two promises more?"),
        (
            lambda validation, test, first: test[last_best(test, first)] - test[-1],
            "The last epoch was not asked for. Which one would validation have kept?",
        ),
    ]
    return examine(
        "5.3", mine, _accuracies(), matches(leak),
        "It can be 0 and is never below: whoever chooses on the test cannot lose there. That is what makes it a leak.", traps,
    )  # fmt: skip


def _duels() -> list[Case]:
    """Return margins without ties and, in most cases, with circles: rock beats scissors, scissors paper, paper rock."""
    rng = np.random.default_rng(0)
    tables = [(np.array([[0, 0.5], [-0.5, 0]]), 0), (np.array([[0, 0.5], [-0.5, 0]]), 1)]
    for classes in np.repeat([2, 3, 4, 5, 8], 10).tolist():
        margins = np.triu(rng.integers(1, 200, (classes, classes)) / 100 * rng.choice([-1, 1], (classes, classes)), 1)
        tables.append((margins - margins.T, int(rng.integers(0, classes))))
    return [{"margins": margins, "label": label} for margins, label in tables]


def _balanced_counts() -> list[Case]:
    rng = np.random.default_rng(2)
    cases = [([2, 2], [2, 4], [1.0, 1.0]), ([2, 2], [2, 2], [1.0, 3.0]), ([5, 1], [5, 5], [1.0, 5.0])]
    for classes in np.repeat([2, 3, 4, 6], 10).tolist():
        before = rng.integers(1, 20, classes)
        cases.append((before, before + rng.integers(0, 20, classes), np.round(1 + 9 * rng.random(classes), 1)))
    return [dict(zip(("before", "after", "weights"), map(np.array, case), strict=True)) for case in cases]


def _accuracies() -> list[Case]:
    """Return short courses of accuracies in coarse steps, so that ties are frequent."""
    rng = np.random.default_rng(1)
    cases: list[Any] = [([0.5], [0.6], 1), ([0.7, 0.7], [0.6, 0.5], 1), ([0.9, 0.5, 0.6], [0.9, 0.6, 0.5], 2)]
    for epochs in np.repeat([2, 3, 4, 6, 10, 20], 10).tolist():
        validation, test = rng.integers(4, 10, (2, epochs)) / 10
        cases.append((validation, test, int(rng.integers(1, epochs + 1))))
    return [{"validation": np.array(v), "test": np.array(t), "first": first} for v, t, first in cases]
