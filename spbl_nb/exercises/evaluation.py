"""Checkers of the exercises of notebook 07: a geometric mean, an AUC from ranks, and an exact paired test."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata

from spbl_nb import significance
from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named

_MANY = 300  # classes of the matrix in which a product of recalls is 0


def check_g_mean(mine: Callable) -> Verdict:
    """Check exercise 7.1, ``mine(confusion, dead) -> float``: the geometric mean of the recalls, 0 counting as ``dead``."""

    def recalls(confusion):
        true = confusion.sum(axis=1)
        return np.diag(confusion)[true > 0] / true[true > 0]

    def factors(confusion, dead):
        found = recalls(confusion)
        return np.where(found == 0, dead, found)

    def right(confusion, dead):
        found = factors(confusion, dead)
        return 0.0 if (found == 0).any() else float(np.exp(np.log(found).mean()))

    def over_all_classes(confusion, dead):
        return right(confusion, dead) ** (len(recalls(confusion)) / len(confusion))

    def underflowing(confusion, dead):
        found = factors(confusion, dead)
        return np.prod(found) ** (1 / len(found))

    absent = "Of how many factors is this product? A class without samples gives none."
    traps: list[Trap] = [
        (lambda confusion, dead: recalls(confusion).mean(), "That is a sum. What does one dead class do to a product?"),
        (over_all_classes, absent),
        (underflowing, "How large is a product of 300 numbers of 0.05, to a float?"),
    ]
    praise = (
        "Next: for 198 classes of recall 0.7, how many may die before the corrected G-mean falls below half of that?"
    )
    return examine("7.1", mine, _confusions(), matches(right), praise, traps)


def check_rank_auc(mine: Callable) -> Verdict:
    """Check exercise 7.2, ``mine(own, other) -> float``: Hand & Till's A from mid-ranks."""

    def from_ranks(own, other):
        ranks = rankdata(np.concatenate([own, other]))[: len(own)]
        return (ranks.sum() - len(own) * (len(own) + 1) / 2) / (len(own) * len(other))

    traps: list[Trap] = [
        (lambda own, other: (own[:, None] > other).mean(), "What is a tie worth to each side?"),
        (lambda own, other: (own[:, None] >= other).mean(), "What is a tie worth to each side?"),
        (lambda own, other: from_ranks(other, own), "Whose higher scores count as wins?"),
    ]
    praise = (
        "One sort instead of a comparison of every pair: this is how `metrics.mauc` judges 198 classes in a blink. The "
        "release's own code for it, commented out, breaks ties by order."
    )
    return examine("7.2", mine, _scores(), matches(from_ranks), praise, traps)


def check_paired_p(mine: Callable) -> Verdict:
    """Check exercise 7.3, ``mine(ours, theirs) -> float``: the exact two-sided p of paired results."""

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

    traps: list[Trap] = [
        (by_place, "Do the two results that you subtract come from the same seed?"),
        (one_sided, "Would you have been as surprised by the opposite?"),
        (strictly, "The signs as measured are one of all the ways. Are they counted?"),
    ]
    praise = (
        "Next: which p do you get if all differences have one sign, with 3 seeds and with 6? It is the smallest there can "
        "be."
    )
    return examine("7.3", mine, _paired_results(), matches(right), praise, traps)


def _confusions() -> list[Case]:
    """Return small matrices with dead and absent classes, and one so large that a plain product of recalls is 0."""
    cases: list[Any] = [([[3, 1], [1, 3]], 0.0), ([[4, 0], [2, 0]], 0.0), ([[4, 0], [2, 0]], 0.001)]
    cases += [([[3, 1], [0, 0]], 0.001), ([[1, 19], [0, 4]], 0.1), ([[2, 2, 0], [0, 0, 0], [0, 0, 9]], 0.0)]
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
    return named("confusion dead", [*cases, (large, 0.001)])


def _scores() -> list[Case]:
    cases: list[Any] = [([2.0], [1.0]), ([1.0], [2.0]), ([1.0], [1.0]), ([1.0, 3.0], [2.0]), ([1.0, 2.0], [2.0, 0.0])]
    rng = np.random.default_rng(1)
    cases += [(rng.integers(0, 6, n) / 5, rng.integers(0, 5, m) / 5) for n, m in rng.integers(1, 9, (40, 2))]
    cases.append((np.round(rng.normal(0.5, 1, 200), 2), np.round(rng.normal(0, 1, 150), 2)))
    return named("own other", cases)


def _paired_results() -> list[Case]:
    """Return results in hundredths, so that sums tie up to rounding; the two dicts name the seeds in different orders."""
    cases: list[Any] = [([0.71], [0.68]), ([0.71, 0.73], [0.68, 0.75]), ([0.5, 0.6, 0.7], [0.4, 0.4, 0.4])]
    rng = np.random.default_rng(2)
    cases += [rng.integers(60, 72, (2, n)) / 100 for n in np.repeat([2, 3, 4, 5, 6, 8], 8)]
    found = []
    for ours, theirs in cases:
        order = rng.permutation(len(ours)).tolist()
        values = dict(enumerate(map(float, theirs)))
        found.append((dict(enumerate(map(float, ours))), {seed: values[seed] for seed in order}))
    return named("ours theirs", found)
