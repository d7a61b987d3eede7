"""Checkers of the exercises of notebook 07: a geometric mean, an AUC from ranks, and an exact paired test.

Taught in: notebooks/07_evaluation.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from spbl_nb import significance
from spbl_nb.exercises.check import Case, Verdict, examine, matches


def check_g_mean(mine: Callable) -> Verdict:
    """Check exercise 7.1, ``mine(confusion, dead) -> float``: the geometric mean of the recalls, 0 counting as ``dead``.

    Taught in: notebooks/07_evaluation, exercise 7.1.
    """

    def recalls(confusion):
        true = confusion.sum(axis=1)
        return np.diag(confusion)[true > 0] / true[true > 0]

    def geometric(values):
        return 0.0 if (values == 0).any() else float(np.exp(np.log(values).mean()))

    def right(confusion, dead):
        found = recalls(confusion)
        return geometric(np.where(found == 0, dead, found))

    def over_all_classes(confusion, dead):
        return right(confusion, dead) ** (len(recalls(confusion)) / len(confusion))

    def absent_is_dead(confusion, dead):
        found = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
        return geometric(np.where(found == 0, dead, found))

    def absent_is_nan(confusion, dead):
        return right(confusion, dead) if present(confusion) else math.nan

    def without_dead(confusion, dead):
        found = recalls(confusion)
        return geometric(found[found > 0])

    def underflowing(confusion, dead):
        found = recalls(confusion)
        return np.prod(np.where(found == 0, dead, found)) ** (1 / len(found))

    def small(confusion):
        return len(confusion) < _MANY

    def present(confusion):
        return small(confusion) and confusion.sum(axis=1).all()

    def ordinary(confusion):
        return present(confusion) and np.diag(confusion).all()

    def present_or_alive(confusion):
        return present(confusion) or (small(confusion) and recalls(confusion).all())

    def where(told, wrong):
        """Let other mistakes show in the other cases."""
        return lambda confusion, dead: wrong(confusion, dead) if told(confusion) else NotImplemented

    traps: list[Any] = [
        (
            where(ordinary, lambda confusion, dead: recalls(confusion).mean()),
            "That is a sum. What does one dead class do to a product?",
        ),
        (
            where(ordinary, lambda confusion, dead: geometric(recalls(confusion.T))),
            "Rows are true classes. Is that the recall?",
        ),
        (
            where(present, lambda confusion, dead: geometric(recalls(confusion))),
            "What does a dead class count as?",
        ),
        (where(present, without_dead), "What does a dead class count as?"),
        (
            where(present, lambda confusion, dead: geometric(np.maximum(recalls(confusion), dead))),
            "Is a class of low recall dead?",
        ),
        (where(small, over_all_classes), "Of how many factors is this product? A class without samples gives none."),
        (where(small, absent_is_dead), "Is a class without samples dead, or is it not in the test at all?"),
        (
            where(present_or_alive, absent_is_nan),
            "Can a class without samples be recognised? Of how many factors is this product?",
        ),
        (underflowing, "How large is a product of 300 numbers of 0.05, to a float?"),
    ]
    return examine(
        "7.1", mine, _confusions(), matches(right),
        "Next: for 198 classes of recall 0.7, how many may die before the corrected G-mean falls below half of that?", traps,
    )  # fmt: skip


def check_rank_auc(mine: Callable) -> Verdict:
    """Check exercise 7.2, ``mine(own, other) -> float``: Hand & Till's A from mid-ranks.

    Taught in: notebooks/07_evaluation, exercise 7.2.
    """

    def from_ranks(own, other):
        ranks = rankdata(np.concatenate([own, other]))[: len(own)]
        return (ranks.sum() - len(own) * (len(own) + 1) / 2) / (len(own) * len(other))

    traps: list[Any] = [
        (lambda own, other: (own[:, None] > other).mean(), "What is a tie worth to each side?"),
        (lambda own, other: (own[:, None] >= other).mean(), "What is a tie worth to each side?"),
        (lambda own, other: from_ranks(other, own), "Whose higher scores count as wins?"),
        (lambda own, other: float(own.mean() > other.mean()), "Do you compare classes, or pairs of samples?"),
    ]
    return examine(
        "7.2", mine, _scores(), matches(from_ranks),
        "One sort instead of a look at every pair: this is how `metrics.mauc` judges 198 classes in a blink. The release's own "
        "code for it, commented out, breaks ties by order.", traps,
    )  # fmt: skip


def check_paired_p(mine: Callable) -> Verdict:
    """Check exercise 7.3, ``mine(ours, theirs) -> float``: the exact two-sided p of paired results.

    Taught in: notebooks/07_evaluation, exercise 7.3.
    """

    def differences(ours, theirs):
        return np.array([ours[seed] - theirs[seed] for seed in ours])

    def flips(found):
        return np.array([*itertools.product((1, -1), repeat=len(found))]) @ found

    def right(ours, theirs):
        return significance.sign_flip_test(differences(ours, theirs)).p

    def by_place(ours, theirs):
        return significance.sign_flip_test(np.subtract([*ours.values()], [*theirs.values()])).p

    def one_sided(ours, theirs):
        found = differences(ours, theirs)
        return (flips(found) >= found.sum() - 1e-9).mean()

    def strictly(ours, theirs):
        found = differences(ours, theirs)
        return (np.abs(flips(found)) > np.abs(found.sum()) + 1e-9).mean()

    def without_tolerance(ours, theirs):
        found = differences(ours, theirs)
        return (np.abs(flips(found)) >= np.abs(found.sum())).mean()

    def one_more(ours, theirs):
        ways = 2 ** len(ours)
        return (right(ours, theirs) * ways + 1) / (ways + 1)

    traps: list[Any] = [
        (by_place, "Do the two results that you subtract come from the same seed?"),
        (one_sided, "Would you have been as surprised by the opposite?"),
        (strictly, "The signs as measured are one of all the ways. Are they counted?"),
        (without_tolerance, "In floats, is 0.1 + 0.2 as far from 0 as 0.3?"),
        (one_more, "One is added where ways are drawn at random. Are yours?"),
    ]
    return examine(
        "7.3", mine, _paired_results(), matches(right),
        "Next: which p do you get if all differences have one sign, with 3 seeds and with 6? It is the smallest there can be.",
        traps,
    )  # fmt: skip


_MANY = 300  # classes of the matrix in which a product of recalls is 0


def _confusions() -> list[Case]:
    """Return small matrices with dead and absent classes, and one so large that a plain product of recalls is 0."""
    cases: list[Any] = [
        ([[3, 1], [1, 3]], 0.0),
        ([[4, 0], [2, 0]], 0.0),
        ([[4, 0], [2, 0]], 0.001),
        ([[3, 1], [0, 0]], 0.001),
    ]
    cases += [([[1, 19], [0, 4]], 0.1), ([[2, 2, 0], [0, 0, 0], [0, 0, 9]], 0.0)]
    rng = np.random.default_rng(0)
    for index in range(40):
        classes = 2 + index % 3
        matrix = rng.integers(0, 5, (classes, classes)) + np.eye(classes, dtype=int)
        if index % 4 == 1:
            matrix[1, 1] = 0
        if index % 4 == 2:
            matrix[-1] = 0
        cases.append((matrix, float(rng.choice([0.0, 0.001, 0.1]))))
    large = np.eye(_MANY, dtype=int) + 19 * np.roll(np.eye(_MANY, dtype=int), 1, axis=1)
    return [{"confusion": np.array(matrix), "dead": dead} for matrix, dead in [*cases, (large, 0.001)]]


def _scores() -> list[Case]:
    cases: list[Any] = [([2.0], [1.0]), ([1.0], [2.0]), ([1.0], [1.0]), ([1.0, 3.0], [2.0]), ([1.0, 2.0], [2.0, 0.0])]
    rng = np.random.default_rng(1)
    cases += [(rng.integers(0, 6, n) / 5, rng.integers(0, 5, m) / 5) for n, m in rng.integers(1, 9, (40, 2))]
    cases.append((np.round(rng.normal(0.5, 1, 200), 2), np.round(rng.normal(0, 1, 150), 2)))
    return [{"own": np.array(own), "other": np.array(other)} for own, other in cases]


def _paired_results() -> list[Case]:
    """Return results in hundredths, so that sums tie up to rounding; the two dicts name the seeds in different orders."""
    cases: list[Any] = [([0.71], [0.68]), ([0.71, 0.73], [0.68, 0.75]), ([0.5, 0.6, 0.7], [0.4, 0.4, 0.4])]
    rng = np.random.default_rng(2)
    cases += [rng.integers(60, 72, (2, n)) / 100 for n in np.repeat([2, 3, 4, 5, 6, 8], 8)]
    found = []
    for ours, theirs in cases:
        order = rng.permutation(len(ours)).tolist()
        values = dict(enumerate(map(float, theirs)))
        found.append({"ours": dict(enumerate(map(float, ours))), "theirs": {seed: values[seed] for seed in order}})
    return found
