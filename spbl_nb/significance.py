"""Paired statistics over seeds: does one method really beat another, by how much, and how sure can so few seeds make us?

Methods trained from the same seed share split, initial weights and order, so they are compared pair by pair: one
difference a seed. Its mean gets a BCa bootstrap interval, and an exact test that flips signs: if the two methods were
interchangeable, each difference could as well have had the other sign, and the p-value is the share of all 2^n ways
to set the signs whose mean is at least as far from 0. A family of tests is corrected by Holm's method; one comparison,
declared primary before the results are seen, may stand outside it. With n seeds no p can be below 2^(1-n), whatever
the data.

Values come as ``{method: {seed: value}}``, which :func:`collect` makes from rows. Values that differ by less than one
part in 10^9 count as equal everywhere, so that rounding noise never decides. Mean ranks over
many methods: :mod:`spbl_nb.ranking`.

Taught in: notebooks/07_evaluation, section 5.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from spbl_nb import checks

ENUMERATED_SEEDS = 20  # up to here all 2^n sign flips are counted, beyond that some are drawn
DRAWS = 99_999  # of signs, and of bootstrap resamples: other draws then move the ends of an interval by under 1 % of its width

TOLERANCE = 1e-9  # relative: closer values count as equal

Values = Mapping[str, Mapping[Hashable, float]]


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a mean. ``method`` is "BCa bootstrap", "Student t" or "none" (``low``, ``high`` NaN).

    ``reason`` says in words why it is not the BCa bootstrap, and is empty where it is.
    """

    low: float
    high: float
    level: float
    method: str
    reason: str = ""

    def __str__(self) -> str:
        if self.method == "none":
            return f"no interval ({self.reason})"
        return f"[{self.low:+.4f}, {self.high:+.4f}] ({self.method}, {100 * self.level:g} %)"


_LARGEST = 1e150


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
            return smallest_attainable_p(len(self.seeds), self.comparisons)
        return min(1.0, self.comparisons / (self.test.flips + 1))

    def __str__(self) -> str:
        adjusted = "" if self.comparisons == 1 else f", adjusted {self.adjusted_p:.3g} over {self.comparisons}"
        return (
            f"{self.method} - {self.baseline}: {self.mean:+.4f} {self.interval}, {_counted(len(self.seeds), 'seed')}, "
            f"p = {self.test.p:.3g}{adjusted} ({self.family}; smallest attainable {self.smallest_p:.3g})"
        )


def collect(rows: Iterable[tuple[str, Hashable, float]]) -> dict[str, dict[Hashable, float]]:
    """Return ``{method: {seed: value}}`` from rows (method, seed, value); a seed given twice is refused by name.

    For :func:`spbl_nb.ranking.rank_methods` the middle entry may be any block, such as (data set, seed).
    """
    values: dict[str, dict[Hashable, float]] = {}
    for row in checks.sequence("rows", rows):
        if not isinstance(row, tuple | list) or len(row) != 3 or not all(isinstance(one, Hashable) for one in row[:2]):
            raise ValueError(f"rows hold {row!r:.80}; allowed: (method, seed, value)")
        method, seed, value = row
        of_method = values.setdefault(method, {})
        if seed in of_method:
            raise ValueError(f"rows hold {method!r} with seed {seed} twice; allowed: one row per method and seed")
        of_method[seed] = value
    return values


def paired_table(values: Values, baseline: str | None) -> tuple[list[str], list[Hashable], dict[str, np.ndarray]]:
    """Return methods, the blocks of the baseline (None: of the first method), and float[blocks] in that order per method.

    Raises ValueError for fewer than two methods, an unknown baseline, blocks that not all methods have (named), and
    values that are not finite.
    """
    if not isinstance(values, Mapping) or len(values) < 2:
        raise ValueError(
            f"values is {values!r:.80}; allowed: {{method: {{seed: value}}}}, two methods or more (see collect)"
        )
    for method, of_method in values.items():
        if not isinstance(of_method, Mapping) or not of_method:
            raise ValueError(
                f"values[{method!r}] is {of_method!r:.80}; allowed: {{seed: value}}, one or more (see collect)"
            )
    reference = next(iter(values)) if baseline is None else checks.one_of("baseline", baseline, values)
    blocks = list(values[reference])
    for method, of_method in values.items():
        lacking = {method: [block for block in blocks if block not in of_method]}
        lacking[reference] = [block for block in of_method if block not in values[reference]]
        told = "; ".join(f"{name!r} lacks {', '.join(map(str, which))}" for name, which in lacking.items() if which)
        if told:
            raise ValueError(
                f"values of {method!r} and {reference!r} are not paired: {told}. "
                "Run what is missing, or leave it out for every method"
            )
    table = {
        method: np.array([checks.real(f"values[{method!r}][{block}]", of_method[block]) for block in blocks])
        for method, of_method in values.items()
    }
    return list(values), blocks, table


def mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of float[n], n >= 1; the deviation of one value is NaN.

    Neither depends on the order of the values, not even in the last digit.
    """
    values = np.sort(_sample("values", values))
    mean = math.fsum(values) / len(values)
    return mean, float(values.std(ddof=1)) if len(values) > 1 else math.nan


def paired_comparison(
    values: Values, baseline: str, *, primary: str | None = None, level: float = 0.95, resampling_seed: int = 0
) -> tuple[Comparison, ...]:
    """Return one :class:`Comparison` with the baseline for every other method, in the order of ``values``.

    Parameters
    ----------
    values : ``{method: {seed: value}}``, finite, the same seeds for all (:func:`collect` makes it from rows).
    baseline : the method all others are compared with.
    primary : the one comparison declared before results were seen. It is tested alone, and Holm's correction runs over
        the rest, the secondary family. None: one family of all.
    level : of the intervals, which are not corrected for the number of comparisons.
    resampling_seed : of the bootstrap, and of the flips where they are too many to count.

    Raises ValueError for unknown names (nearest suggested), unpaired seeds (named), and values that are not finite.

    Taught in: notebooks/07_evaluation, section 5.
    """
    methods, seeds, table = paired_table(values, checks.instance("baseline", baseline, str))
    numbers = [checks.integer(f"a seed of values[{baseline!r}]", seed, 0) for seed in seeds]
    rivals = [method for method in methods if method != baseline]
    if primary is not None:
        checks.one_of("primary", primary, rivals)
    by_seed = np.argsort(numbers)
    differences = {method: _differences(table[method], table[baseline])[by_seed] for method in rivals}
    tests = {method: sign_flip_test(differences[method], resampling_seed) for method in rivals}
    family = [method for method in rivals if method != primary]
    adjusted = dict(zip(family, holm([tests[method].p for method in family]).tolist(), strict=True))
    return tuple(
        Comparison(
            method,
            baseline,
            tuple(sorted(numbers)),
            differences[method],
            *mean_and_deviation(differences[method]),
            interval=mean_interval(differences[method], level, resampling_seed),
            test=tests[method],
            family="primary" if method == primary else "all" if primary is None else "secondary",
            comparisons=1 if method == primary else len(family),
            adjusted_p=adjusted.get(method, tests[method].p),
        )
        for method in rivals
    )


def mean_interval(differences: np.ndarray, level: float = 0.95, resampling_seed: int = 0) -> Interval:
    """Return a confidence interval of the mean of float[n]: BCa bootstrap (Efron 1987), where that can be honest.

    No bootstrap interval of a mean leaves the range of the differences, and that range itself misses the centre of a
    symmetric distribution in 2^(1-n) of all cases. So with fewer seeds than :func:`seeds_needed` (6 at 95 %) it is
    Student's t interval, which assumes normal differences. Equal differences or a single one give no interval.

    With few seeds the bootstrap is still too narrow: for normal differences its 95 % interval covers the mean 87 times
    in 100 at n = 6, 90 at n = 10 and 94 at n = 20; it is the exact test that keeps what it promises.

    Taught in: notebooks/07_evaluation, section 5.
    """
    sample = np.sort(_sample("differences", differences))
    level = checks.real("level", level, 0, 1, open_low=True, open_high=True)
    mean, deviation = mean_and_deviation(sample)
    count = len(sample)
    if count == 1:
        return Interval(math.nan, math.nan, level, "none", "one seed shows no spread; two are the least")
    if np.ptp(sample) <= TOLERANCE * np.abs(sample).max():
        return Interval(math.nan, math.nan, level, "none", f"all {count} differences are {mean:.4g}: zero variance")
    needed = seeds_needed(alpha=1 - level)
    if count < needed:
        half = stats.t.ppf((1 + level) / 2, count - 1) * deviation / math.sqrt(count)
        reason = f"{count} seeds are too few for a bootstrap interval of {100 * level:g} %; {needed} are needed"
        return Interval(float(mean - half), float(mean + half), level, "Student t", reason)
    scale = np.abs(sample - mean).max()
    result = stats.bootstrap(
        ((sample - mean) / scale,),
        _rounded_mean,
        n_resamples=DRAWS,
        batch=10_000,
        confidence_level=level,
        method="BCa",
        rng=np.random.default_rng(checks.integer("resampling_seed", resampling_seed, 0)),
    )
    ends = mean + scale * np.array(result.confidence_interval)
    low, high = np.where(np.abs(ends) <= 10 * TOLERANCE * scale, 0.0, ends).tolist()
    return Interval(low, high, level, "BCa bootstrap")


def sign_flip_test(differences: np.ndarray, resampling_seed: int = 0) -> SignFlipTest:
    """Return the two-sided sign-flip (paired permutation) test of float[n], n >= 1; the statistic is the mean.

    All 2^n ways to set the signs are counted up to n = 20. Beyond that 99,999 are drawn and the observed one is added
    to them, so that p is never 0 and the test stays valid (Phipson & Smyth 2010). Sums as far out as the observed one
    up to rounding count as tied with it. A difference of 0 tells nothing: the smallest p then is that of n - 1 seeds.

    Taught in: notebooks/07_evaluation, section 5.
    """
    sample = _sample("differences", differences)
    seed = checks.integer("resampling_seed", resampling_seed, 0)
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


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return float[m], Holm's (1979) adjusted p-values of one family, in the order given.

    The smallest is multiplied by m, the next by m - 1, and so on; none may be below the one before, nor above 1.
    Rejecting where the adjusted p is at most alpha keeps the chance of any false rejection at alpha.

    Taught in: notebooks/07_evaluation, section 5.
    """
    raw = checks.finite_array("p_values", p_values, ndim=1)
    for index, value in enumerate(raw):
        checks.real(f"p_values[{index}]", value, 0, 1)
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)), 1)
    return adjusted


def smallest_attainable_p(seeds: int, comparisons: int = 1) -> float:
    """Return the smallest (Holm-adjusted) p of the exact test, min(1, comparisons * 2^(1 - seeds)), whatever the data.

    Taught in: notebooks/07_evaluation, section 5.
    """
    seeds, comparisons = checks.integer("seeds", seeds, 1), checks.integer("comparisons", comparisons, 1)
    return min(1.0, math.ldexp(comparisons, 1 - seeds))


def seeds_needed(comparisons: int = 1, alpha: float = 0.05) -> int:
    """Return the least number of seeds with which some data reach ``alpha``: 6, 8, 10 for 1, 5, 15 comparisons at 0.05."""
    alpha = checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    seeds = 1
    while smallest_attainable_p(seeds, comparisons) > alpha:
        seeds += 1
    return seeds


def attainable_sentence(seeds: int, comparisons: int = 1, alpha: float = 0.05) -> str:
    """Return one sentence on what so many seeds can show at best: "3 seeds can never reach 0.05: ..."."""
    alpha = checks.real("alpha", alpha, 0, 1, open_low=True, open_high=True)
    smallest, needed = smallest_attainable_p(seeds, comparisons), seeds_needed(comparisons, alpha)
    one = comparisons == 1
    over = "" if one else f" over {comparisons} comparisons"
    found = f"the smallest attainable {'p' if one else 'adjusted p'} is {smallest:.3g}"
    if seeds >= needed:
        return f"{_counted(seeds, 'seed')} can reach {alpha:g}{over}: {found}."
    return f"{_counted(seeds, 'seed')} can never reach {alpha:g}{over}: {found}; {needed} seeds are needed."


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first - second, exactly 0 where they are equal up to rounding."""
    equal = np.abs(first - second) <= TOLERANCE * np.maximum(np.abs(first), np.abs(second))
    return np.where(equal, 0.0, first - second)


def _rounded_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return means rounded, so that a resample with the observed mean has it exactly: BCa counts who lies below it."""
    return np.round(values.mean(axis=axis), 9)


def _sample(name: str, values: np.ndarray) -> np.ndarray:
    values = checks.finite_array(name, values, ndim=1)
    if len(values) == 0:
        raise ValueError(f"{name} is empty; at least one value is needed, one per seed")
    if np.abs(values).max() > _LARGEST:
        raise ValueError(
            f"{name} reach {np.abs(values).max():g}; allowed: up to {_LARGEST:g}, so that squares are numbers"
        )
    return values


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
