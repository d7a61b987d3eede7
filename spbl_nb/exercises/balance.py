"""Checkers of the exercises of notebook 04: complexity of the selected, weights from costs, a curriculum rearranged."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spbl_nb import balance
from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named


def check_complexity(mine: Callable) -> Verdict:
    """Check exercise 4.1, ``mine(loss, labels, selected, num_classes) -> float[C]``: complexity, NaN where none is selected."""

    def by_class(value):
        def complexity(loss, labels, selected, num_classes):
            rows = [(labels == c, (labels == c) & selected) for c in range(num_classes)]
            return np.array([value(loss, own, chosen) if chosen.any() else np.nan for own, chosen in rows])

        return complexity

    over_selected = by_class(lambda loss, own, chosen: np.exp(loss[chosen].mean()) / chosen.sum())
    loss_of_all = by_class(lambda loss, own, chosen: np.exp(loss[own].mean()) / own.sum())
    mean_of_exponentials = by_class(lambda loss, own, chosen: np.exp(loss[chosen]).mean() / own.sum())
    traps: list[Trap] = [
        (over_selected, "Does a class become rarer because fewer of its samples were admitted?"),
        (loss_of_all, "Which samples have a say in the loss of a class at this pace?"),
        (mean_of_exponentials, "Is the mean of exponentials the exponential of the mean?"),
    ]
    praise = "Next: in the pace player of notebook 05, watch the complexity of a class whose hard samples still wait."
    return examine("4.1", mine, _selections(), matches(balance.class_complexity), praise, traps)


def check_cost_weights(mine: Callable) -> Verdict:
    """Check exercise 4.2, ``mine(cm) -> float[C] or None``: the weights that replace costs, or None."""

    def right(cm):
        try:
            return balance.cost_vector(cm)
        except balance.InconsistentCostError:
            return None

    def from_first_row(cm):
        costs = cm + np.eye(len(cm))
        weights = costs[0] / costs[:, 0]
        return weights / weights.min()

    def of_first(cm):
        weights = right(cm)
        return None if weights is None else weights / weights[0]

    other_way = "Two classes: calling a 0 by the name 1 costs 5, the other way round 1. Which is worth more?"
    traps: list[Trap] = [
        (lambda cm: right(cm.T), other_way),
        (from_first_row, "Does this weight vector fit *every* pair of classes?"),
        (of_first, "Which of the weights should be 1?"),
    ]
    praise = (
        "With weights in hand the table is not needed any more. How many numbers does it have too many, at 198 classes?"
    )
    return examine("4.2", mine, _costs(), matches(right), praise, traps)


def check_reconstruction(mine: Callable) -> Verdict:
    """Check exercise 4.3, ``mine(counts, complexity, max_added, keep_factor) -> int[C]``: a curriculum rearranged."""

    def right(counts, complexity, max_added, keep_factor):
        return balance.reconstruct_curriculum(counts, complexity, max_added, keep_factor)

    def argsort_for_rank(counts, complexity, max_added, keep_factor):
        wanted = np.sort(counts)[np.argsort(complexity)]
        floor = np.ceil(keep_factor * np.ceil(counts.mean()))
        lost = np.minimum(0, np.maximum(wanted, floor) - counts)
        return (counts + np.where(wanted > counts, np.minimum(wanted - counts, max_added), lost)).astype(int)

    def small_ones_lose(counts, complexity, max_added, keep_factor):
        wanted = right(counts, complexity, int(counts.max()), 0)
        floor = int(np.ceil(keep_factor * np.ceil(counts.mean())))
        kept = np.where(counts < floor, wanted, np.minimum(counts, np.maximum(wanted, floor)))
        return np.where(wanted > counts, np.minimum(wanted, counts + max_added), kept)

    traps: list[Trap] = [
        (argsort_for_rank, "`argsort` says which class comes at each place. Which place does each class have?"),
        (lambda **case: right(**case | {"max_added": 10**6, "keep_factor": 0}), "Where are the two caps?"),
        (small_ones_lose, "What may a class lose that is smaller than m already?"),
    ]
    praise = "Next: set the caps of the player in section 5 so that the total number of samples shown does not change."
    return examine("4.3", mine, _curricula(), matches(right), praise, traps)


def _selections() -> list[Case]:
    cases: list[Any] = [([0.7], [0], [True], 1), ([0.7], [0], [False], 1), ([0.5, 0.5], [0, 1], [True, True], 2)]
    cases += [([0.2, 1.4], [0, 0], [True, False], 1), ([0.2, 1.4], [0, 0], [True, True], 1)]
    rng = np.random.default_rng(0)
    for size in np.repeat([3, 4, 6, 8, 12, 20], 8).tolist():
        classes = int(rng.integers(1, 4))
        loss, labels = np.round(rng.gamma(1.5, 0.6, size), 2), rng.integers(0, classes, size)
        cases.append((loss, labels, rng.random(size) < 0.6, classes))
    return named("loss labels selected num_classes", cases)


def _costs() -> list[Case]:
    """Return whole costs, exact in floats; from three classes on about every third matrix is not consistent."""
    rng = np.random.default_rng(1)
    tables = [np.array([[0, 1], [5, 0]])]
    for index, classes in enumerate(np.repeat([2, 3, 4, 5], 12).tolist()):
        weights = rng.integers(1, 7, classes)
        common = np.triu(rng.integers(1, 4, (classes, classes)), 1)
        costs = (common + common.T) * weights  # [i, j]: of calling a j by the name i
        if index % 3 == 2 and classes > 2:
            costs[tuple(rng.permutation(classes)[:2])] += 1
        tables.append(costs)
    return named("cm", [(table.astype(float),) for table in tables])


def _curricula() -> list[Case]:
    rng = np.random.default_rng(2)
    cases: list[Any] = [([6, 2], [0.5, 0.1], 100, 0.0), ([6, 2], [0.1, 0.5], 100, 0.0), ([6, 2], [0.1, 0.5], 1, 1.0)]
    cases += [([20, 3, 1], [0.1, 0.2, 0.6], 100, 1.0), ([20, 3, 1], [0.1, 0.2, 0.6], 5, 3.0)]
    for classes in np.repeat([2, 3, 4, 5, 8], 16).tolist():
        counts, complexity = rng.integers(1, 60, classes), rng.permutation(np.arange(1, 100))[:classes] / 100
        cases.append((counts, complexity, int(rng.choice([0, 5, 20, 100])), float(rng.choice([0, 0.5, 1, 1.5, 3]))))
    return named("counts complexity max_added keep_factor", cases)
