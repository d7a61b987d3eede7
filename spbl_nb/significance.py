"""Paired statistics over seeds: does one method beat another, by how much, and how sure can so few seeds make us?

Methods trained from the same seed share split, initial weights and order, so they are compared pair by pair. The mean
difference gets a BCa bootstrap interval and an exact test that flips signs; with n seeds its p is at least 2^(1-n). A
family of tests is corrected by Holm's method. Many methods over many blocks are compared by mean ranks (Demšar 2006).
Values come as ``{method: {seed: value}}``; closer than one part in 10^9 counts as equal.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spbl_nb import checks

ENUMERATED_SEEDS = 20  # up to here all 2^n sign flips are counted, beyond that some are drawn
DRAWS = 99_999  # of signs, and of resamples: other draws move the ends of an interval by under 1 % of its width
TOLERANCE = 1e-9  # relative: closer values count as equal

Values = Mapping[str, Mapping[Hashable, float]]


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean; ``reason`` says why ``method`` is not "BCa bootstrap" but "Student t" or "none"."""

    low: float
    high: float
    level: float
    method: str
    reason: str = ""

    def __str__(self) -> str:
        if self.method == "none":
            return f"no interval ({self.reason})"
        return f"[{self.low:+.4f}, {self.high:+.4f}] ({self.method}, {100 * self.level:g} %)"


@dataclass(frozen=True)
class SignFlipTest:
    """Two-sided ``p`` over ``flips`` ways to set the signs: all of them (``exact``), or as many drawn at random."""

    p: float
    flips: int
    exact: bool


@dataclass(frozen=True, eq=False)
class Comparison:
    """One method against the baseline over the same seeds; a positive difference means a larger value than it has.

    ``differences`` float[n] belong to ``seeds``; ``mean`` and ``deviation`` (n - 1; NaN for one seed) are theirs.
    ``family`` is "primary" (tested alone), "secondary" (the others, where there is a primary) or "all";
    ``comparisons`` is the family's size and ``adjusted_p`` Holm's p within it.
    """

    method: str
    baseline: str
    seeds: tuple[int, ...]
    differences: np.ndarray
    mean: float
    deviation: float
    interval: Interval
    test: SignFlipTest
    family: str
    comparisons: int
    adjusted_p: float

    @property
    def smallest_p(self) -> float:
        """The smallest adjusted p that the test can reach with so many comparisons and seeds or, where drawn, flips."""
        if self.test.exact:
            return _smallest_p(len(self.seeds), self.comparisons)
        return min(1.0, self.comparisons / (self.test.flips + 1))

    def __str__(self) -> str:
        adjusted = "" if self.comparisons == 1 else f", adjusted {self.adjusted_p:.3g} over {self.comparisons}"
        return (
            f"{self.method} - {self.baseline}: {self.mean:+.4f} {self.interval}, {_counted_seeds(len(self.seeds))}, "
            f"p = {self.test.p:.3g}{adjusted} ({self.family}; smallest attainable {self.smallest_p:.3g})"
        )


@dataclass(frozen=True, eq=False)
class Ranking:
    """Methods by mean rank, best (1) first, and which of them so many blocks cannot tell apart.

    ``mean_ranks`` float[K] belong to ``methods``. ``groups``: the longest runs of two or more neighbours whose mean
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


def collect(rows: Iterable[tuple[str, Hashable, float]]) -> dict[str, dict[Hashable, float]]:
    """Return ``{method: {seed or other block: value}}`` from rows (method, seed, value); a seed given twice is refused."""
    values: dict[str, dict[Hashable, float]] = {}
    for method, seed, value in rows:
        of_method = values.setdefault(method, {})
        if seed in of_method:
            raise ValueError(f"rows hold {method!r} with seed {seed} twice; allowed: one row per method and seed")
        of_method[seed] = value
    return values


def mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1; NaN for one value) of float[n], whatever their order to the last digit."""
    return _mean_and_deviation(np.sort(_sample("values", values)))


def paired_comparison(
    values: Values, baseline: str, *, primary: str | None = None, level: float = 0.95, resampling_seed: int = 0
) -> tuple[Comparison, ...]:
    """Return one :class:`Comparison` with the baseline for every other method, in the order of ``values``.

    ``primary``, declared before results were seen, is tested alone, and Holm's correction runs over the rest (None: over
    all). ``level`` is that of the intervals, which are not corrected for the number of comparisons;
    ``resampling_seed`` that of the bootstrap and of drawn flips. Unpaired seeds are a ValueError.
    """
    seeds, table = _paired_table(values, checks.instance("baseline", baseline, str))
    numbers = [checks.integer(f"a seed of values[{baseline!r}]", seed, 0) for seed in seeds]
    others = [method for method in table if method != baseline]
    if primary is not None:
        checks.one_of("primary", primary, others)
    level = checks.real("level", level, 0, 1, open_low=True, open_high=True)
    resampling_seed = checks.integer("resampling_seed", resampling_seed, 0)
    by_seed = np.argsort(numbers)
    differences = {method: _differences(table[method], table[baseline])[by_seed] for method in others}
    tests = {method: _sign_flip_test(differences[method], resampling_seed) for method in others}
    family = [method for method in others if method != primary]
    adjusted = dict(zip(family, _holm(np.array([tests[method].p for method in family])).tolist(), strict=True))
    return tuple(
        Comparison(
            method,
            baseline,
            tuple(sorted(numbers)),
            differences[method],
            *_mean_and_deviation(np.sort(differences[method])),
            interval=_mean_interval(np.sort(differences[method]), level, resampling_seed),
            test=tests[method],
            family="primary" if method == primary else "all" if primary is None else "secondary",
            comparisons=1 if method == primary else len(family),
            adjusted_p=adjusted.get(method, tests[method].p),
        )
        for method in others
    )


def mean_interval(differences: np.ndarray, level: float = 0.95, resampling_seed: int = 0) -> Interval:
    """Return a confidence interval of the mean of float[n]: BCa bootstrap (Efron 1987), where that can be honest.

    With fewer seeds than :func:`seeds_needed` (6 at 95 %) it is Student's t interval, because no bootstrap interval leaves
    the range of the differences. Equal differences or a single one give no interval. With few seeds the bootstrap is
    too narrow: for normal differences it covers the mean 87 times in 100 at n = 6, 90 at 10 and 94 at 20.
    """
    level = checks.real("level", level, 0, 1, open_low=True, open_high=True)
    seed = checks.integer("resampling_seed", resampling_seed, 0)
    return _mean_interval(np.sort(_sample("differences", differences)), level, seed)


def sign_flip_test(differences: np.ndarray, resampling_seed: int = 0) -> SignFlipTest:
    """Return the two-sided sign-flip (paired permutation) test of float[n], n >= 1; the statistic is the mean.

    p is the share of all 2^n ways to set the signs whose mean is at least as far from 0. Beyond n = 20, 99,999 are drawn
    and the observed one is added, so that p is never 0 (Phipson & Smyth 2010).
    """
    seed = checks.integer("resampling_seed", resampling_seed, 0)
    return _sign_flip_test(_sample("differences", differences), seed)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return float[m], Holm's (1979) adjusted p-values of one family, in the order given."""
    raw = checks.finite_array("p_values", p_values, ndim=1)
    for index, value in enumerate(raw):
        checks.real(f"p_values[{index}]", value, 0, 1)
    return _holm(raw)


def smallest_attainable_p(seeds: int, comparisons: int = 1) -> float:
    """Return the smallest (Holm-adjusted) p of the exact test, min(1, comparisons * 2^(1 - seeds)), whatever the data."""
    return _smallest_p(checks.integer("seeds", seeds, 1), checks.integer("comparisons", comparisons, 1))


def seeds_needed(comparisons: int = 1, alpha: float = 0.05) -> int:
    """Return the least number of seeds with which some data reach ``alpha``: 6, 8, 10 for 1, 5, 15 comparisons at 0.05."""
    comparisons = checks.integer("comparisons", comparisons, 1)
    return _seeds_needed(comparisons, checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True))


def attainable_sentence(seeds: int, comparisons: int = 1, alpha: float = 0.05) -> str:
    """Return one sentence on what so many seeds can show at best: "3 seeds can never reach 0.05: ..."."""
    seeds, comparisons = checks.integer("seeds", seeds, 1), checks.integer("comparisons", comparisons, 1)
    alpha = checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    needed = _seeds_needed(comparisons, alpha)
    over = "" if comparisons == 1 else f" over {comparisons} comparisons"
    what = "p" if comparisons == 1 else "adjusted p"
    found = f"the smallest attainable {what} is {_smallest_p(seeds, comparisons):.3g}"
    if seeds >= needed:
        return f"{_counted_seeds(seeds)} can reach {alpha:g}{over}: {found}."
    return f"{_counted_seeds(seeds)} can never reach {alpha:g}{over}: {found}; {needed} seeds are needed."


def nemenyi_critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Return the difference of mean ranks from which two of K ``methods`` differ, over N ``blocks``.

    q * sqrt(K (K + 1) / (6 N)), q the quantile of the studentized range over sqrt(2) (Demšar 2006, section 3.2.2).
    """
    methods, blocks = checks.integer("methods", methods, 2), checks.integer("blocks", blocks, 1)
    return _critical_difference(methods, blocks, checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True))


def rank_methods(values: Values, *, higher_is_better: bool = True, alpha: float = 0.05) -> Ranking:
    """Return the :class:`Ranking` of methods over blocks: within each block rank 1 is best, ties share their mean rank.

    ``values`` is ``{method: {block: value}}``, all methods on the same blocks; a block is a seed or (data set, seed).
    Friedman's test is rough below about ten blocks; where it is not significant, the groups tell nothing. Blocks count
    as independent, which seeds on the same images are not quite.
    """
    alpha = checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    blocks, table = _paired_table(values, None)
    sign = -1 if higher_is_better else 1
    ranks = np.stack([_tied_ranks(sign * row) for row in np.column_stack([*table.values()])])
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    methods, mean_ranks = list(table), ranks.mean(axis=0)[order]
    ranked = tuple(methods[index] for index in order)
    difference = _critical_difference(len(methods), len(blocks), alpha)
    groups = tuple(ranked[first:end] for first, end in _close_runs(mean_ranks, difference))
    return Ranking(ranked, mean_ranks, len(blocks), alpha, difference, groups, *_friedman(ranks))


def _paired_table(values: Values, baseline: str | None) -> tuple[list[Hashable], dict[str, np.ndarray]]:
    """Return the blocks of the baseline (None: of the first method), and per method float[blocks] in that order."""
    nested = isinstance(values, Mapping) and all(isinstance(one, Mapping) and one for one in values.values())
    if not nested or len(values) < 2:
        allowed = "{method: {seed: value}}, two methods or more and a seed or more (see collect)"
        raise ValueError(f"values is {values!r:.80}; allowed: {allowed}")
    reference = next(iter(values)) if baseline is None else checks.one_of("baseline", baseline, values)
    blocks = list(values[reference])
    for method, of_method in values.items():
        lacking = {method: [block for block in blocks if block not in of_method]}
        lacking[reference] = [block for block in of_method if block not in values[reference]]
        named = "; ".join(f"{name!r} lacks {', '.join(map(str, which))}" for name, which in lacking.items() if which)
        if named:
            what = f"values of {method!r} and {reference!r} are not paired: {named}"
            raise ValueError(f"{what}. Run what is missing, or leave it out for every method")
    return blocks, {
        method: np.array([checks.real(f"values[{method!r}][{block}]", of_method[block]) for block in blocks])
        for method, of_method in values.items()
    }


def _mean_and_deviation(ordered: np.ndarray) -> tuple[float, float]:
    return math.fsum(ordered) / len(ordered), float(ordered.std(ddof=1)) if len(ordered) > 1 else math.nan


def _mean_interval(ordered: np.ndarray, level: float, seed: int) -> Interval:
    mean, deviation = _mean_and_deviation(ordered)
    count, needed = len(ordered), _seeds_needed(1, 1 - level)
    if count == 1:
        return Interval(math.nan, math.nan, level, "none", "one seed shows no spread; two are the least")
    if np.ptp(ordered) <= TOLERANCE * np.abs(ordered).max():
        return Interval(math.nan, math.nan, level, "none", f"all {count} differences are {mean:.4g}: zero variance")
    if count < needed:
        half = stats.t.ppf((1 + level) / 2, count - 1) * deviation / math.sqrt(count)
        reason = f"{count} seeds are too few for a bootstrap interval of {100 * level:g} %; {needed} are needed"
        return Interval(float(mean - half), float(mean + half), level, "Student t", reason)
    scale = np.abs(ordered - mean).max()
    result = stats.bootstrap(
        ((ordered - mean) / scale,),
        _rounded_mean,
        n_resamples=DRAWS,
        batch=10_000,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    ends = mean + scale * np.array(result.confidence_interval)
    low, high = np.where(np.abs(ends) <= 10 * TOLERANCE * scale, 0.0, ends).tolist()
    return Interval(low, high, level, "BCa bootstrap")


def _rounded_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return means rounded, so that a resample with the observed mean has it exactly: BCa counts who is below it."""
    return np.round(values.mean(axis=axis), 9)


def _sign_flip_test(sample: np.ndarray, seed: int) -> SignFlipTest:
    """SciPy's permutation_test gives the same exact p, but splits ties that differ by rounding, and takes far longer."""
    sizes = np.sort(np.abs(sample))
    threshold = abs(math.fsum(sample)) - TOLERANCE * math.fsum(sizes)
    if len(sizes) <= ENUMERATED_SEEDS:
        sums = sizes[:1]  # the other sign of the first one mirrors every sum and leaves its distance from 0 as it is
        for size in sizes[1:]:
            sums = np.concatenate([sums + size, sums - size])
        return SignFlipTest(float(np.mean(np.abs(sums) >= threshold)), 2 ** len(sizes), exact=True)
    generator = np.random.default_rng(seed)
    sums = np.zeros(DRAWS)
    for size in sizes:
        sums += generator.choice((-size, size), DRAWS)
    far = int(np.count_nonzero(np.abs(sums) >= threshold))
    return SignFlipTest((far + 1) / (DRAWS + 1), DRAWS, exact=False)


def _holm(raw: np.ndarray) -> np.ndarray:
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)), 1)
    return adjusted


def _smallest_p(seeds: int, comparisons: int) -> float:
    return min(1.0, math.ldexp(comparisons, 1 - seeds))


def _seeds_needed(comparisons: int, alpha: float) -> int:
    seeds = 1
    while _smallest_p(seeds, comparisons) > alpha:
        seeds += 1
    return seeds


def _critical_difference(methods: int, blocks: int, alpha: float) -> float:
    quantile = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * blocks)))


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
    """Return (first, end) of the longest runs of sorted ranks that span less than ``difference``; none is in another."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        end = int(np.searchsorted(mean_ranks, rank + difference, side="left"))
        if end - first > 1 and (not runs or end > runs[-1][1]):
            runs.append((first, end))
    return runs


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first - second, exactly 0 where they are equal up to rounding."""
    equal = np.abs(first - second) <= TOLERANCE * np.maximum(np.abs(first), np.abs(second))
    return np.where(equal, 0.0, first - second)


def _sample(name: str, values: np.ndarray) -> np.ndarray:
    return checks.finite_array(name, values, ndim=1, low=-math.inf, per="seed")


def _counted_seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
