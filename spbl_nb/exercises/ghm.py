"""Checkers of the exercises of notebook 06: harmonized weights of a batch, and counts that move over steps.

Taught in: notebooks/06_gradient_harmonizing.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches


def check_harmonized_weights(mine: Callable) -> Verdict:
    """Check exercise 6.1, ``mine(logits, target, valid, bins) -> float[N]``: the weights of GHM-C in one batch.

    Taught in: notebooks/06_gradient_harmonizing, exercise 6.1.
    """

    def weights(norms, valid, bins, counted=None, filled=None):
        counted = valid if counted is None else counted
        index = np.minimum((norms * bins).astype(int), bins - 1)
        counts = np.bincount(index[counted], minlength=bins)
        return np.where(valid, counted.sum() / np.maximum(counts[index] * (filled or (counts > 0).sum()), 1), 0.0)

    def norm(logits, target):
        return np.abs(expit(logits) - target)

    def right(logits, target, valid, bins):
        return weights(norm(logits, target), valid, bins)

    def all_crowd(logits, target, valid, bins):
        return weights(norm(logits, target), valid, bins, counted=np.ones_like(valid))

    def all_in_n(logits, target, valid, bins):
        return right(logits, target, valid, bins) * (len(valid) / max(valid.sum(), 1))

    def over_all_bins(logits, target, valid, bins):
        return weights(norm(logits, target), valid, bins, filled=bins)

    def over_no_bins(logits, target, valid, bins):
        return weights(norm(logits, target), valid, bins, filled=1)

    def losing_the_edge(logits, target, valid, bins):
        return np.where(norm(logits, target) < 1, right(logits, target, valid, bins), 0.0)

    def of_probabilities(logits, target, valid, bins):
        return weights(expit(logits), valid, bins)

    traps: list[Trap] = [
        (over_all_bins, "Should a batch weigh less because some bins are empty?"),
        (over_no_bins, "What is the mean of your weights over the valid elements? It should be 1."),
        (losing_the_edge, "Which bin holds a norm of exactly 1? Those are the hardest elements."),
        (of_probabilities, "What is the gradient norm of a yes answered with 0.9, and of a no?"),
        (all_crowd, "Does an element that does not count make its bin more crowded?"),
        (all_in_n, "How many elements count in this batch?"),
        (
            lambda **case: right(**case | {"valid": np.ones_like(case["valid"])}),
            "What is an element worth that is not valid?",
        ),
    ]
    return examine(
        "6.1", mine, _questions(), matches(right),
        "Next: add outliers in the explorer, and watch their share of the weight as the number of bins grows.", traps,
    )  # fmt: skip


def check_smoothed_counts(mine: Callable) -> Verdict:
    """Check exercise 6.2, ``mine(counts, momentum) -> float[M]``: moving counts after the last step, corrected.

    Taught in: notebooks/06_gradient_harmonizing, exercise 6.2.
    """

    def moved(counts, momentum, decays=False):
        moving, updates = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for step in counts:
            filled = (step > 0) | decays
            moving = np.where(filled, momentum * moving + (1 - momentum) * step, moving)
            updates += filled
        return moving, updates

    def right(counts, momentum, decays=False, every_step=False):
        moving, updates = moved(counts, momentum, decays)
        updates = np.full_like(updates, len(counts)) if every_step else updates
        return np.divide(moving, 1 - momentum**updates, out=np.zeros_like(moving), where=updates > 0)

    traps: list[Trap] = [
        (lambda **case: moved(**case)[0], "After one update, is the count that of the first step? It should be."),
        (lambda **case: right(**case, every_step=True), "How often was a bin updated that was empty at some steps?"),
        (
            lambda **case: right(**case, decays=True),
            "What becomes of the moving count of a bin that is empty at this step?",
        ),
        (
            lambda counts, momentum: counts.mean(axis=0),
            "That is the mean over all steps. Which steps should count most?",
        ),
        (
            lambda counts, momentum: right(counts, 1 - momentum),
            "Is the momentum the weight of the past, or of the new step?",
        ),
    ]
    return examine(
        "6.2", mine, _steps(), matches(right),
        "The released code does without the correction. By how much is its loss too large at the first step?", traps,
    )  # fmt: skip


def _questions() -> list[Case]:
    """Return logits whose norms lie clear of the edges of the bins, some of them wrong beyond the last digit."""
    cases: list[tuple] = [
        ([0.3], [1.0], [True], 10),
        ([0.3, 0.3], [1.0, 1.0], [True, True], 10),
        ([0.3], [1.0], [False], 10),
    ]
    cases += [([-2.0, 3.0], [0.0, 0.0], [True, True], 4), ([800.0], [0.0], [True], 5)]
    cases += [
        ([-800.0, 0.2], [1.0, 1.0], [True, True], 10),
        ([0.3, 0.3, 2.0], [1.0, 1.0, 0.0], [True, False, True], 10),
    ]
    rng = np.random.default_rng(0)
    for size in np.repeat([2, 3, 4, 6, 10, 20], 10).tolist():
        logits, target = np.round(rng.normal(0, 2.5, size), 1), rng.integers(0, 2, size).astype(float)
        bins = int(rng.choice([1, 2, 5, 10, 30]))
        place = np.abs(expit(logits) - target) * bins
        if np.abs(place - np.round(place)).min() > 1e-6:
            cases.append((logits, target, rng.random(size) < rng.choice([0.6, 1.0]), bins))
    names = ("logits", "target", "valid", "bins")
    return [dict(zip(names, (*map(np.array, case[:3]), case[3]), strict=True)) for case in cases]


def _steps() -> list[Case]:
    cases: list[tuple] = [
        ([[4]], 0.75),
        ([[0]], 0.75),
        ([[4], [0]], 0.75),
        ([[4], [8]], 0.75),
        ([[4, 0], [0, 2]], 0.5),
        ([[6]], 0.0),
    ]
    rng = np.random.default_rng(1)
    for steps, bins in rng.integers(1, 6, (50, 2)):
        counts = rng.integers(0, 9, (steps, bins)) * (rng.random((steps, bins)) < 0.7)
        cases.append((counts, float(rng.choice([0.0, 0.5, 0.75, 0.9]))))
    return [{"counts": np.array(counts), "momentum": momentum} for counts, momentum in cases]
