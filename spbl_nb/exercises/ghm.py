"""Checkers of the exercises of notebook 06: harmonized weights of a batch, and counts that move over steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named


def check_harmonized_weights(mine: Callable) -> Verdict:
    """Check exercise 6.1, ``mine(logits, target, valid, bins) -> float[N]``: the weights of GHM-C in one batch."""

    def weights(logits, target, valid, bins, counted, filled=None):
        index = np.minimum((np.abs(expit(logits) - target) * bins).astype(int), bins - 1)
        counts = np.bincount(index[counted], minlength=bins)
        return np.where(valid, counted.sum() / np.maximum(counts[index] * (filled or (counts > 0).sum()), 1), 0.0)

    def right(logits, target, valid, bins):
        return weights(logits, target, valid, bins, counted=valid)

    def all_crowd(logits, target, valid, bins):
        return weights(logits, target, valid, bins, counted=np.ones_like(valid))

    def over_all_bins(logits, target, valid, bins):
        return weights(logits, target, valid, bins, counted=valid, filled=bins)

    def losing_the_edge(logits, target, valid, bins):
        return np.where(np.abs(expit(logits) - target) < 1, right(logits, target, valid, bins), 0.0)

    traps: list[Trap] = [
        (over_all_bins, "Should a batch weigh less because some bins are empty?"),
        (losing_the_edge, "Which bin holds a norm of exactly 1? Those are the hardest elements."),
        (all_crowd, "Does an element that does not count make its bin more crowded?"),
    ]
    praise = "Next: add outliers in the explorer, and watch their share of the weight as the number of bins grows."
    return examine("6.1", mine, _questions(), matches(right), praise, traps)


def check_smoothed_counts(mine: Callable) -> Verdict:
    """Check exercise 6.2, ``mine(counts, momentum) -> float[M]``: moving counts after the last step, corrected."""

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

    fading = "What becomes of the moving count of a bin that is empty at this step?"
    traps: list[Trap] = [
        (lambda **case: moved(**case)[0], "After one update, is the count that of the first step? It should be."),
        (lambda **case: right(**case, every_step=True), "How often was a bin updated that was empty at some steps?"),
        (lambda **case: right(**case, decays=True), fading),
    ]
    praise = "The released code does without the correction. By how much is its loss too large at the first step?"
    return examine("6.2", mine, _steps(), matches(right), praise, traps)


def _questions() -> list[Case]:
    """Return logits whose norms are clear of the edges of the bins, some of them wrong beyond the last digit."""
    cases: list[Any] = [
        ([0.3], [1.0], [True], 10),
        ([0.3, 0.3], [1.0, 1.0], [True, True], 10),
        ([0.3], [1.0], [False], 10),
    ]
    cases += [([-2.0, 3.0], [0.0, 0.0], [True, True], 4), ([800.0], [0.0], [True], 5)]
    cases += [([-800.0, 0.2], [1.0, 1.0], [True, True], 10)]
    cases += [([0.3, 0.3, 2.0], [1.0, 1.0, 0.0], [True, False, True], 10)]
    rng = np.random.default_rng(0)
    for size in np.repeat([2, 3, 4, 6, 10, 20], 10).tolist():
        logits, target = np.round(rng.normal(0, 2.5, size), 1), rng.integers(0, 2, size).astype(float)
        bins = int(rng.choice([1, 2, 5, 10, 30]))
        place = np.abs(expit(logits) - target) * bins
        if np.abs(place - np.round(place)).min() > 1e-6:
            cases.append((logits, target, rng.random(size) < rng.choice([0.6, 1.0]), bins))
    return named("logits target valid bins", cases)


def _steps() -> list[Case]:
    cases: list[Any] = [([[4]], 0.75), ([[0]], 0.75), ([[4], [0]], 0.75), ([[4], [8]], 0.75)]
    cases += [([[4, 0], [0, 2]], 0.5), ([[6]], 0.0)]
    rng = np.random.default_rng(1)
    for steps, bins in rng.integers(1, 6, (50, 2)):
        counts = rng.integers(0, 9, (steps, bins)) * (rng.random((steps, bins)) < 0.7)
        cases.append((counts, float(rng.choice([0.0, 0.5, 0.75, 0.9]))))
    return named("counts momentum", cases)
