"""Checkers of the exercises of notebook 05: a loss made of votes, balance done twice, and the leak of choosing an epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_softmax

from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named


def check_vote_loss(mine: Callable) -> Verdict:
    """Check exercise 5.1, ``mine(margins, label) -> float``: -ln of the softmax over each class's one-vs-one wins."""

    def votes(margins):
        return (margins > 0).sum(axis=1)

    def right(margins, label):
        return -log_softmax(votes(margins))[label]

    def of_margins(margins, label):
        return -log_softmax(margins.sum(axis=1))[label]

    def of_shares(margins, label):
        return -np.log(votes(margins)[label] / votes(margins).sum())

    traps: list[Trap] = [
        (of_margins, "Double all margins. Which class has more votes now?"),
        (of_shares, "A share of the votes is no softmax. What would the loss of a class without votes be?"),
        (lambda margins, label: right(margins.T, label), "Who won where margins[i, j] is above 0?"),
    ]
    praise = (
        "A class that wins against all others still has a loss. How large is it with 3 classes, and with 198? Nothing can be "
        "easier."
    )
    return examine("5.1", mine, _margins(), matches(right), praise, traps)


def check_balanced_share(mine: Callable) -> Verdict:
    """Check exercise 5.2, ``mine(before, after, weights) -> float[C]``: by how much the say of each class has grown."""

    def right(before, after, weights):
        return (after * weights / (after @ weights)) / (before / before.sum())

    def no_shares(before, after, weights):
        return after * weights / before

    traps: list[Trap] = [
        (no_shares, "If every class counts twice as much, who has gained?"),
        (lambda before, after, weights: right(before, before, weights), "What do the duplicates do?"),
        (lambda before, after, weights: right(before, after, np.ones(len(weights))), "What do the penalty weights do?"),
    ]
    praise = "Most classes lose when one of them gains much. Next: in section 2, which class has gained most, and did its recall?"
    return examine("5.2", mine, _balanced_counts(), matches(right), praise, traps)


def check_leak(mine: Callable) -> Verdict:
    """Check exercise 5.3, ``mine(validation, test, first) -> float``: test accuracy chosen on test minus on validation."""

    def last_best(accuracy, first):
        return len(accuracy) - 1 - int(np.argmax(accuracy[first - 1 :][::-1]))

    def first_best(accuracy, first):
        return first - 1 + int(np.argmax(accuracy[first - 1 :]))

    def leak(validation, test, first, chosen=last_best):
        return test[chosen(test, first)] - test[chosen(validation, first)]

    def of_two_splits(validation, test, first):
        return test[first - 1 :].max() - validation[first - 1 :].max()

    traps: list[Trap] = [
        (
            lambda **case: leak(**case, chosen=first_best),
            "Two epochs are equally good on validation. Which one is kept?",
        ),
        (lambda **case: leak(**case | {"first": 1}), "From which epoch on may one be chosen?"),
        (of_two_splits, "The honest number is an accuracy on test images too. Of which epoch?"),
    ]
    praise = (
        "It can be 0 and is never below: whoever chooses on the test cannot lose there. That is what makes it a leak."
    )
    return examine("5.3", mine, _accuracies(), matches(leak), praise, traps)


def _margins() -> list[Case]:
    """Return margins without ties and, in most cases, with circles: rock beats scissors, scissors paper, paper rock."""
    rng = np.random.default_rng(0)
    cases: list[Any] = [([[0, 0.5], [-0.5, 0]], 0), ([[0, 0.5], [-0.5, 0]], 1)]
    for classes in np.repeat([2, 3, 4, 5, 8], 10).tolist():
        margins = np.triu(rng.integers(1, 200, (classes, classes)) / 100 * rng.choice([-1, 1], (classes, classes)), 1)
        cases.append((margins - margins.T, int(rng.integers(0, classes))))
    return named("margins label", cases)


def _balanced_counts() -> list[Case]:
    rng = np.random.default_rng(2)
    cases: list[Any] = [([2, 2], [2, 4], [1.0, 1.0]), ([2, 2], [2, 2], [1.0, 3.0]), ([5, 1], [5, 5], [1.0, 5.0])]
    for classes in np.repeat([2, 3, 4, 6], 10).tolist():
        before = rng.integers(1, 20, classes)
        cases.append((before, before + rng.integers(0, 20, classes), np.round(1 + 9 * rng.random(classes), 1)))
    return named("before after weights", cases)


def _accuracies() -> list[Case]:
    """Return short courses of accuracies in coarse steps, so that ties are frequent."""
    rng = np.random.default_rng(1)
    cases: list[Any] = [([0.5], [0.6], 1), ([0.7, 0.7], [0.6, 0.5], 1), ([0.9, 0.5, 0.6], [0.9, 0.6, 0.5], 2)]
    for epochs in np.repeat([2, 3, 4, 6, 10, 20], 10).tolist():
        validation, test = rng.integers(4, 10, (2, epochs)) / 10
        cases.append((validation, test, int(rng.integers(1, epochs + 1))))
    return named("validation test first", cases)
