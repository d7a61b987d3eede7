"""Many methods over many blocks: mean ranks, Friedman's test, and Nemenyi's critical difference (Demšar 2006).

Within each block, a seed or a data set with a seed, the methods are ranked; the mean of a method's ranks places it
among the others. Friedman's test asks whether the places differ at all, and the critical difference says from which
distance on two of them do. Values come as in :mod:`spbl_nb.significance`, and count as equal where they do there.

Taught in: notebooks/07_evaluation, section 5.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spbl_nb import checks
from spbl_nb.significance import TOLERANCE, Values, paired_table


@dataclass(frozen=True, eq=False)
class Ranking:
    """Methods by mean rank, best (1) first, and which of them so many blocks cannot tell apart.

    ``mean_ranks`` float[K] belong to ``methods``. ``groups``: the largest runs of two or more neighbours whose mean
    ranks differ by less than ``critical_difference``. ``reason`` says why ``friedman_p`` is NaN or trivially 1.
    """

    methods: tuple[str, ...]
    mean_ranks: np.ndarray
    blocks: int
    alpha: float
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    friedman_statistic: float
    friedman_p: float
    reason: str = ""


MOST_METHODS = 100_000  # beyond about a million SciPy's integral of the studentized range fails


def nemenyi_critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Return the difference of mean ranks from which two of K ``methods`` differ, over N ``blocks``.

    q * sqrt(K (K + 1) / (6 N)), where q is the quantile of the studentized range for K groups and infinite degrees of
    freedom, divided by sqrt(2) (Demšar 2006, section 3.2.2 and table 5).

    Taught in: notebooks/07_evaluation, section 5.
    """
    methods, blocks = checks.integer("methods", methods, 2, MOST_METHODS), checks.integer("blocks", blocks, 1)
    alpha = checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    quantile = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * blocks)))


def rank_methods(values: Values, *, higher_is_better: bool = True, alpha: float = 0.05) -> Ranking:
    """Return the :class:`Ranking` of methods over blocks: within each block rank 1 is best, ties share their mean rank.

    ``values`` is ``{method: {block: value}}``, all methods on the same blocks; a block is a seed or (data set, seed).
    The test is Friedman's with its chi-square approximation, which is rough below about ten blocks. Where it is not
    significant, the groups tell nothing. Blocks count as independent, which seeds on the same pictures are not quite:
    over data sets and seeds, the critical difference is rather too small than too large.

    Raises ValueError for fewer than two methods, blocks that not all methods have (named), values that are not finite.

    Taught in: notebooks/07_evaluation, section 5.
    """
    methods, blocks, table = paired_table(values, None)
    sign = -1 if checks.boolean("higher_is_better", higher_is_better) else 1
    ranks = np.stack([_tied_ranks(sign * row) for row in np.column_stack([*table.values()])])
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    ranked, mean_ranks = tuple(methods[index] for index in order), ranks.mean(axis=0)[order]
    difference = nemenyi_critical_difference(len(methods), len(blocks), alpha)
    groups = tuple(ranked[first:end] for first, end in _close_runs(mean_ranks, difference))
    return Ranking(ranked, mean_ranks, len(blocks), alpha, difference, groups, *_friedman(ranks))


def _friedman(ranks: np.ndarray) -> tuple[float, float, str]:
    """Return statistic, p and, where the test cannot be made, the reason."""
    blocks, methods = ranks.shape
    if methods < 3 or blocks < 2:
        return math.nan, math.nan, f"Friedman's test needs 3 methods and 2 blocks; there are {methods} and {blocks}"
    if np.ptp(ranks) == 0:
        return 0.0, 1.0, "all methods are level in every block"
    result = stats.friedmanchisquare(*ranks.T)
    return float(result.statistic), float(result.pvalue), ""


def _tied_ranks(row: np.ndarray) -> np.ndarray:
    """Return the ranks of one block from 1, smallest first; values level up to rounding share their mean rank."""
    order = np.argsort(row)
    steps = np.diff(row[order], prepend=row[order[0]]) > TOLERANCE * np.abs(row).max()
    level = np.empty(len(row), dtype=np.int64)
    level[order] = np.cumsum(steps)
    return stats.rankdata(level)


def _close_runs(mean_ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Return (first, end) of the longest runs of sorted ranks that span less than ``difference``; none lies in another."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        end = int(np.searchsorted(mean_ranks, rank + difference, side="left"))
        if end - first > 1 and (not runs or end > runs[-1][1]):
            runs.append((first, end))
    return runs
