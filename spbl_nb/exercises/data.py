"""Checkers of the exercises of notebook 01: exact class sizes, the imbalance one gets, and groups kept whole."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spbl_nb import imbalance
from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named


def check_class_counts(mine: Callable) -> Verdict:
    """Check exercise 1.1, ``mine(num_classes, largest, factor) -> int[C]``: the class sizes of an exponential tail."""

    def right(num_classes, largest, factor):
        return imbalance.class_counts("exponential", num_classes, largest, factor)

    def sizes(num_classes, largest, factor):
        return largest * factor ** (-np.arange(num_classes) / (num_classes - 1))

    def falling(num_classes, largest, factor):
        return sizes(num_classes, largest, max(factor, 1 / factor))

    traps: list[Trap] = [
        (lambda **case: np.floor(sizes(**case) + 0.5).astype(int), "A tail falls. What does a factor below 1 mean?"),
        (lambda **case: np.round(falling(**case)).astype(int), "On which side does a half fall?"),
        (lambda **case: falling(**case).astype(int), "To which whole number are 2.7 samples nearest?"),
    ]
    praise = "Next: move the factor in the explorer above and see from where on the last class has a single image."
    return examine("1.1", mine, _tails(), matches(right), praise, traps)


def check_achieved_factor(mine: Callable) -> Verdict:
    """Check exercise 1.2, ``mine(sizes, factor) -> float``: the imbalance factor after thinning the odd classes."""

    def right(sizes, factor):
        counts = imbalance.class_counts("odd_classes", len(sizes), sizes, factor)
        return counts.max() / counts.min()

    def thinned(sizes, factor, first, rounding):
        kept = sizes.astype(float)
        kept[first::2] = rounding(kept[first::2] / factor)
        return kept.max() / kept.min()

    traps: list[Trap] = [
        (lambda sizes, factor: float(factor), "That is the factor asked for. Which one is in the data?"),
        (lambda **case: thinned(**case, first=0, rounding=np.round), "Classes count from 0. Which ones are odd?"),
        (lambda **case: thinned(**case, first=1, rounding=np.asarray), "Can a class hold a part of a sample?"),
    ]
    praise = "A factor in a paper's table may be the one asked for or the one achieved: look for the counts."
    return examine("1.2", mine, _collections(), matches(right), praise, traps)


def check_clean_training_rows(mine: Callable) -> Verdict:
    """Check exercise 1.3, ``mine(groups, train, test) -> int[M]``: the training rows whose group does not test."""

    def right(groups, train, test):
        return train[~np.isin(groups[train], groups[test])]

    def of_neither(groups, train, test):
        return np.flatnonzero(~np.isin(groups, groups[test]))

    def mixed_numbers(groups, train, test):
        return train[~np.isin(train, groups[test])]

    traps: list[Trap] = [
        (lambda groups, train, test: train, "No row is in both splits. But which *lesions* are?"),
        (mixed_numbers, "Do you compare row numbers with group numbers?"),
        (of_neither, "Some of these rows were never training rows."),
    ]
    praise = (
        "The rows that went would have asked the network about lesions it knows. Notebook 07 measures how much that is "
        "worth."
    )
    return examine("1.3", mine, _group_splits(), matches(right), praise, traps)


def _tails() -> list[Case]:
    """Return edge cases, halves among them, and drawn ones whose sizes are clear of a half."""
    cases = [(2, 8, 1.0), (2, 8, 3.0), (2, 5, 2.0), (2, 5, 0.5), (3, 10, 4.0), (3, 10, 0.25), (2, 100, 100.0)]
    rng = np.random.default_rng(0)
    for num_classes in np.repeat(np.arange(2, 12), 8).tolist():
        largest, factor = int(rng.integers(20, 400)), float(rng.choice([2, 3, 5, 8, 10, 0.5, 0.2, 0.1, 0.125]))
        exact = largest * max(factor, 1 / factor) ** (-np.arange(num_classes) / (num_classes - 1))
        if np.abs(exact % 1 - 0.5).min() > 1e-6:
            cases.append((num_classes, largest, factor))
    return named("num_classes largest factor", cases)


def _collections() -> list[Case]:
    cases: list[Any] = [([10, 10], 5), ([10, 40], 2), ([40, 10], 2), ([9, 14, 12], 2), ([30, 31, 800, 31], 10)]
    rng = np.random.default_rng(1)
    for num_classes in np.repeat([2, 3, 4, 5, 8], 12).tolist():
        sizes, factor = rng.integers(20, 200, num_classes), int(rng.choice([2, 3, 4, 5, 10]))
        if (np.abs(sizes / factor % 1 - 0.5) > 1e-6).all():
            cases.append((sizes, factor))
    return named("sizes factor", cases)


def _group_splits() -> list[Case]:
    """Return small splits, some of which leak; group numbers look like row numbers, and some rows are in neither split."""
    cases: list[Any] = [([7, 7], [0], [1]), ([1, 0], [0], [1]), ([4, 4, 5], [0, 2], [1]), ([2, 2, 2, 2], [0, 1], [3])]
    rng = np.random.default_rng(2)
    for rows in np.repeat([4, 5, 6, 8, 12, 20], 8).tolist():
        groups, part = rng.integers(0, rows, rows), rng.permutation(np.arange(rows) % 3)
        cases.append((groups, np.flatnonzero(part == 0), np.flatnonzero(part == 1)))
    return named("groups train test", cases)
