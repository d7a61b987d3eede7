"""Paired statistics against scipy, brute-force enumeration, published tables, examples by hand, and simulations."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spbl_nb import statistics

pytestmark = pytest.mark.filterwarnings("error")

SHORT = {"max_examples": 40, "deadline": None}
differences = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=1, max_size=8).map(np.array)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def brute_force_p(sample):
    """Set the signs in every way, in whole thousandths, where no rounding can blur a tie."""
    whole = [round(1000 * value) for value in sample]
    sums = [
        sum(map(math.prod, zip(signs, whole, strict=True))) for signs in itertools.product((1, -1), repeat=len(whole))
    ]
    return np.mean([abs(value) >= abs(sum(whole)) for value in sums])


def experiment(seeds=8, spread=0.02, **shifts):
    """Return values of a baseline ``ce`` and of one method per shift, on the seeds 0..n-1."""
    rng = np.random.default_rng(3)
    common = 0.8 + 0.05 * rng.normal(size=seeds)
    shifts = {"ce": 0.0} | (shifts or {"spl": 0.01, "spbl_clean": 0.04, "spbl_released": 0.02})
    return {
        method: dict(enumerate((common + shift + spread * rng.normal(size=seeds)).tolist()))
        for method, shift in shifts.items()
    }


def summary(comparison):
    """Return every number of a comparison that must not depend on how its seeds are named or ordered."""
    return comparison.mean, comparison.deviation, comparison.interval, comparison.test, comparison.adjusted_p


# The sign-flip test


@given(differences)
@settings(**SHORT)
def test_sign_flip_p_is_brute_force(sample):
    test = statistics.sign_flip_test(sample)
    assert test.p == brute_force_p(sample)
    assert test.exact
    assert test.flips == 2 ** len(sample)


@pytest.mark.parametrize("seeds", [3, 6, 11])
def test_sign_flip_p_is_scipys(seeds):
    sample = np.random.default_rng(seeds).normal(0.4, 1, seeds)
    theirs = stats.permutation_test((sample,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert statistics.sign_flip_test(sample).p == pytest.approx(theirs.pvalue, abs=1e-15)


def test_sign_flip_p_by_hand():
    assert statistics.sign_flip_test([0.1, 0.2, 0.3]).p == 2 / 8
    assert statistics.sign_flip_test([-0.1, 0.2, 0.3]).p == 4 / 8  # |sum| is 0.4: + + + and - + +, and their mirrors
    assert statistics.sign_flip_test([0.1] * 6).p == 2 / 64
    assert statistics.sign_flip_test([0.0] * 6).p == 1
    assert statistics.sign_flip_test([0.4]).p == 1


def test_rounding_noise_decides_no_tie():
    """0.1 + 0.2 - 0.3 is not 0 in floating point; a comparison of bare sums gets another p than whole numbers do."""
    whole = np.array([1, 2, -3, 6, 7, -1, 4, -2])
    noisy = whole * 0.1 * (1 + 1e-13 * np.random.default_rng(0).normal(size=8))
    bare = np.array([np.dot(signs, noisy) for signs in itertools.product((1, -1), repeat=8)])
    expected = brute_force_p(whole)
    assert np.mean(np.abs(bare) >= abs(noisy.sum())) != expected
    assert statistics.sign_flip_test(noisy).p == expected


def test_a_difference_of_zero_is_worth_no_seed():
    assert statistics.sign_flip_test([0.1, 0.2, 0.3, 0.0]).p == statistics.smallest_attainable_p(3)


@given(differences, st.randoms(), st.floats(-4, 4))
@settings(**SHORT)
def test_sign_flip_p_does_not_depend_on_sign_scale_or_order(sample, random, power):
    expected = statistics.sign_flip_test(sample)
    shuffled = sample.tolist()
    random.shuffle(shuffled)
    for same in (-sample, sample * 10**power, shuffled):
        assert statistics.sign_flip_test(same) == expected


def test_twenty_seeds_are_counted_and_more_are_drawn():
    sample = np.random.default_rng(1).normal(0.3, 1, 21)
    assert statistics.sign_flip_test(sample[:20]).flips == 2**20
    drawn = statistics.sign_flip_test(sample)
    assert (drawn.exact, drawn.flips) == (False, 99_999)
    all_sums = np.abs(np.array([1, -1]) * sample[0])
    for value in np.abs(sample[1:]):
        all_sums = np.abs(np.concatenate([all_sums + value, all_sums - value]))
    exact = np.mean(all_sums >= abs(sample.sum()) - 1e-9)
    assert drawn.p == pytest.approx(exact, abs=5 * math.sqrt(exact / drawn.flips))
    assert statistics.sign_flip_test(-sample[::-1]) == drawn
    assert statistics.sign_flip_test(sample, resampling_seed=1).p != drawn.p


def test_a_drawn_p_is_never_zero():
    assert statistics.sign_flip_test(np.ones(60)).p == 1 / 100_000


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "three values"])
def test_false_alarms_are_no_more_than_alpha(draw):
    """For symmetric differences P(p <= alpha) <= alpha at every alpha; with continuous ones it is met at k / 2^(n-1)."""
    rng = np.random.default_rng(0)
    samples = rng.integers(-1, 2, (3000, 7)) / 100 if draw == "three values" else getattr(rng, draw)(size=(3000, 7))
    p = np.array([statistics.sign_flip_test(sample).p for sample in samples])
    for alpha in (1 / 64, 0.05, 0.1, 0.25, 0.5):
        slack = 3.5 * math.sqrt(alpha * (1 - alpha) / len(p))
        assert np.mean(p <= alpha) <= alpha + slack
        if draw != "three values":
            assert np.mean(p <= alpha) >= math.floor(alpha * 64) / 64 - slack


def test_the_test_finds_a_difference_that_is_there():
    """Negative control: shifted differences are found nearly always."""
    samples = np.random.default_rng(0).normal(1.5, 1, (300, 10))
    assert np.mean([statistics.sign_flip_test(sample).p <= 0.05 for sample in samples]) > 0.9


# The interval


def test_interval_is_scipys_bca():
    sample = np.sort(np.random.default_rng(5).exponential(size=12))
    theirs = stats.bootstrap((sample,), np.mean, method="BCa", n_resamples=99_999, rng=np.random.default_rng(7))
    interval = statistics.mean_interval(sample, resampling_seed=7)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs.confidence_interval), abs=2e-5)
    assert (interval.method, interval.reason, interval.level) == ("BCa bootstrap", "", 0.95)


def test_interval_leans_with_the_skew_as_a_percentile_interval_does_not():
    """Negative control: plain percentiles would pass for BCa on symmetric differences only."""
    sample = np.sort(np.random.default_rng(5).exponential(size=12))
    plain = stats.bootstrap((sample,), np.mean, method="percentile", n_resamples=9_999, rng=np.random.default_rng(0))
    interval = statistics.mean_interval(sample)
    assert interval.low > plain.confidence_interval.low + 0.01
    assert interval.high > plain.confidence_interval.high + 0.02


def test_rounding_noise_does_not_move_the_interval():
    """Half of the resamples have just the observed mean here; noise must not count them as below or above it."""
    whole = np.array([1, 1, 1, 2, 2, 2])
    clean = statistics.mean_interval(whole)
    for seed in range(5):
        noisy = statistics.mean_interval(whole * 0.1 + 1e-15 * np.random.default_rng(seed).normal(size=6))
        assert (noisy.low, noisy.high) == pytest.approx((0.1 * clean.low, 0.1 * clean.high), rel=1e-6)


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=9), st.randoms(), st.floats(-4, 4), st.floats(-1, 1))
@settings(max_examples=15, deadline=None)
def test_interval_follows_scale_and_shift_and_forgets_order(values, random, power, shift):
    sample, shuffled = np.array(values) / 1000, [value / 1000 for value in values]
    random.shuffle(shuffled)
    interval, scale = statistics.mean_interval(sample), 10**power
    assert statistics.mean_interval(shuffled) == interval or interval.method == "none"
    if interval.method == "none":
        return
    scaled, shifted = statistics.mean_interval(sample * scale), statistics.mean_interval(sample + shift)
    assert (scaled.low, scaled.high) == pytest.approx((interval.low * scale, interval.high * scale), abs=1e-6 * scale)
    assert (shifted.low, shifted.high) == pytest.approx((interval.low + shift, interval.high + shift), abs=1e-6)
    assert sample.min() - 1e-9 <= interval.low < sample.mean() < interval.high <= sample.max() + 1e-9


def test_an_end_at_zero_is_zero_in_spite_of_rounding():
    """Whether an interval holds 0 is what its reader looks at first."""
    assert statistics.mean_interval([0, 0, 0, 0, 0, 0, 0, 1]).low == 0
    assert statistics.mean_interval([0, 0, 0, 0, 0, 0, 0, -0.003]).high == 0


def test_interval_narrows_with_the_level():
    sample = np.random.default_rng(0).normal(size=12)
    wide, narrow = statistics.mean_interval(sample, 0.99), statistics.mean_interval(sample, 0.8)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.method, narrow.method) == ("BCa bootstrap", "BCa bootstrap")


def test_few_seeds_get_students_interval_and_the_reason():
    sample = [0.01, 0.03, 0.02]
    interval = statistics.mean_interval(sample)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert interval.method == "Student t"
    assert interval.reason == "3 seeds are too few for a bootstrap interval of 95 %; 6 are needed"
    assert statistics.mean_interval([1, 2, 3, 4, 6]).method == "Student t"
    assert statistics.mean_interval([1, 2, 3, 4, 6, 7]).method == "BCa bootstrap"
    assert statistics.mean_interval([1, 2, 3, 4, 6, 7], level=0.99).method == "Student t"
    assert statistics.mean_interval([1, 2, 3, 4], level=0.8).method == "BCa bootstrap"


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ([0.3], "one seed"),
        ([0.1, 0.1], "all 2 differences are 0.1: zero variance"),
        ([0.0] * 8, "all 8 differences are 0: zero variance"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3], "zero variance"),
    ],
)
def test_no_spread_no_interval_but_the_reason(sample, reason):
    interval = statistics.mean_interval(sample)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.method == "none"
    assert reason in interval.reason
    assert reason in str(interval)


@pytest.mark.parametrize(("seeds", "low", "high"), [(3, 0.92, 0.98), (6, 0.82, 0.90), (20, 0.90, 0.97)])
def test_coverage_is_what_the_docstring_says(seeds, low, high, monkeypatch):
    """Of 600 normal samples: Student's interval covers as it should, the bootstrap falls short where seeds are few."""
    monkeypatch.setattr(statistics, "DRAWS", 999)
    samples = np.random.default_rng(0).normal(size=(600, seeds))
    intervals = [statistics.mean_interval(sample, resampling_seed=index) for index, sample in enumerate(samples)]
    assert low < np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < high


# Families of comparisons


def test_holm_by_hand():
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_allclose(statistics.holm([0.5, 0.6, 0.7]), [1, 1, 1])
    np.testing.assert_allclose(statistics.holm([0.2]), [0.2])
    assert statistics.holm([]).shape == (0,)


def holm_rejects(raw, alpha):
    """Holm's procedure step by step: the smallest p against alpha / m, the next against alpha / (m - 1), until one fails."""
    left, rejected = sorted(range(len(raw)), key=lambda index: raw[index]), set()
    while left and raw[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    return rejected


@given(p_values, st.floats(0.001, 0.999))
@settings(**SHORT)
def test_adjusted_p_at_most_alpha_is_what_holms_procedure_rejects(raw, alpha):
    assert set(np.flatnonzero(statistics.holm(raw) <= alpha)) == holm_rejects(raw, alpha)


@given(p_values, st.randoms())
@settings(**SHORT)
def test_holm_is_monotone_between_raw_and_bonferroni_and_forgets_order(raw, random):
    adjusted, raw = statistics.holm(raw), np.array(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw))).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()
    order = list(range(len(raw)))
    random.shuffle(order)
    np.testing.assert_array_equal(statistics.holm(raw[order]), adjusted[order])


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (5, 8), (15, 10)])
def test_seeds_needed(comparisons, seeds):
    assert statistics.seeds_needed(comparisons) == seeds
    assert statistics.smallest_attainable_p(seeds, comparisons) <= 0.05
    assert statistics.smallest_attainable_p(seeds - 1, comparisons) > 0.05
    assert statistics.seeds_needed(alpha=0.25) == 3  # reached exactly is reached


@given(st.integers(1, 200), st.floats(1e-6, 0.999))
@settings(**SHORT)
def test_seeds_needed_is_the_least_that_can(comparisons, alpha):
    seeds = statistics.seeds_needed(comparisons, alpha)
    assert statistics.smallest_attainable_p(seeds, comparisons) <= alpha
    assert seeds == 1 or statistics.smallest_attainable_p(seeds - 1, comparisons) > alpha


@pytest.mark.parametrize(("seeds", "methods"), [(1, 2), (3, 1), (6, 3), (9, 5)])
def test_smallest_attainable_p_is_that_of_the_clearest_data(seeds, methods):
    values = {"ce": dict.fromkeys(range(seeds), 0.0)}
    values |= {f"better {index}": {seed: 1.0 + seed for seed in range(seeds)} for index in range(methods)}
    for comparison in statistics.paired_comparison(values, "ce"):
        assert comparison.adjusted_p == comparison.smallest_p == min(1, methods * 2 ** (1 - seeds))


def test_sentences():
    say = statistics.attainable_sentence
    assert say(3) == "3 seeds can never reach 0.05: the smallest attainable p is 0.25; 6 seeds are needed."
    assert say(1).startswith("1 seed can never reach 0.05: the smallest attainable p is 1;")
    assert say(6) == "6 seeds can reach 0.05: the smallest attainable p is 0.0312."
    assert say(7, 5) == (
        "7 seeds can never reach 0.05 over 5 comparisons: the smallest attainable adjusted p is 0.0781; "
        "8 seeds are needed."
    )


# The paired comparison


def test_paired_comparison_by_hand():
    values = {"ce": {2: 0.50, 0: 0.60, 1: 0.70}, "spl": {0: 0.63, 1: 0.72, 2: 0.51}}
    (comparison,) = statistics.paired_comparison(values, "ce")
    assert comparison.seeds == (0, 1, 2)
    np.testing.assert_allclose(comparison.differences, [0.03, 0.02, 0.01], atol=1e-12)
    assert comparison.mean == pytest.approx(0.02)
    assert comparison.deviation == pytest.approx(0.01)
    assert (comparison.method, comparison.baseline, comparison.family) == ("spl", "ce", "all")
    assert comparison.adjusted_p == comparison.test.p == comparison.smallest_p == 0.25
    assert str(comparison).startswith("spl - ce: +0.0200 [-0.0048, +0.0448] (Student t, 95 %), 3 seeds, p = 0.25")


def test_pairing_is_by_seed_and_not_by_position():
    """The spread of the seeds dwarfs the difference; only true pairs show that it is the same on every seed."""
    values = {"ce": {seed: float(seed) for seed in range(6)}, "spl": {seed: seed + 0.1 for seed in reversed(range(6))}}
    (comparison,) = statistics.paired_comparison(values, "ce")
    np.testing.assert_allclose(comparison.differences, 0.1)
    assert "zero variance" in comparison.interval.reason
    assert comparison.test.p == 2 / 64


def test_primary_is_tested_alone_and_the_rest_is_corrected():
    values = experiment()
    raw = {one.method: one.test.p for one in statistics.paired_comparison(values, "ce")}
    family = statistics.paired_comparison(values, "ce")
    assert [one.method for one in family] == ["spl", "spbl_clean", "spbl_released"]
    assert {(one.family, one.comparisons) for one in family} == {("all", 3)}
    np.testing.assert_array_equal([one.adjusted_p for one in family], statistics.holm([*raw.values()]))
    spl, clean, released = statistics.paired_comparison(values, "ce", primary="spbl_clean")
    assert (clean.family, clean.comparisons, clean.adjusted_p) == ("primary", 1, raw["spbl_clean"])
    assert clean.smallest_p == 2**-7
    for one in (spl, released):
        assert (one.family, one.comparisons, one.smallest_p) == ("secondary", 2, 2**-6)
        assert f"adjusted {one.adjusted_p:.3g} over 2 (secondary" in str(one)
    expected = statistics.holm([raw["spl"], raw["spbl_released"]])
    assert [spl.adjusted_p, released.adjusted_p] == expected.tolist()
    assert family[1].adjusted_p > clean.adjusted_p


def test_a_primary_may_stand_alone():
    (comparison,) = statistics.paired_comparison(experiment(spl=0.01), "ce", primary="spl")
    assert (comparison.family, comparison.adjusted_p) == ("primary", comparison.test.p)


@pytest.mark.parametrize("seeds", [4, 9, 24])
def test_names_and_order_of_seeds_change_nothing(seeds):
    values = experiment(seeds, spl=0.01)
    new_names = np.random.default_rng(0).permutation(100)[:seeds]
    renamed = {method: {int(new_names[seed]): x for seed, x in of.items()} for method, of in values.items()}
    renamed["ce"] = dict(reversed(renamed["ce"].items()))
    (one,), (other,) = statistics.paired_comparison(values, "ce"), statistics.paired_comparison(renamed, "ce")
    assert summary(one) == summary(other)
    assert other.seeds == tuple(sorted(new_names))


def test_exchanging_the_two_methods_turns_the_sign_only():
    values = experiment(spl=0.02)
    (one,), (other,) = statistics.paired_comparison(values, "ce"), statistics.paired_comparison(values, "spl")
    assert (other.mean, other.test) == (-one.mean, one.test)
    assert other.deviation == pytest.approx(one.deviation)
    assert (other.interval.low, other.interval.high) == pytest.approx((-one.interval.high, -one.interval.low), abs=1e-3)


def test_methods_level_up_to_rounding_are_level():
    values = {"ce": {0: 0.1 + 0.2, 1: 0.7, 2: 0.5}, "spl": {0: 0.3, 1: 0.7, 2: 0.6 - 0.1}}
    (comparison,) = statistics.paired_comparison(values, "ce")
    assert comparison.differences.tolist() == [0, 0, 0]
    assert comparison.test.p == 1
    assert "zero variance" in str(comparison)


def test_one_seed_has_an_outcome_and_says_what_it_is_worth():
    (comparison,) = statistics.paired_comparison({"ce": {0: 0.5}, "spl": {0: 0.6}}, "ce")
    assert comparison.mean == pytest.approx(0.1)
    assert math.isnan(comparison.deviation)
    assert comparison.adjusted_p == 1
    assert "no interval (one seed shows no spread; two are the least), 1 seed, p = 1" in str(comparison)


def test_collect_makes_pairs_from_rows_and_refuses_a_seed_twice():
    rows = [("ce", 0, 0.5), ("spl", np.int64(1), 0.7), ("spl", 0, 0.6), ("ce", 1, np.float64(0.5))]
    values = statistics.collect(rows)
    assert values == {"ce": {0: 0.5, 1: 0.5}, "spl": {1: 0.7, 0: 0.6}}
    assert statistics.paired_comparison(values, "ce")[0].seeds == (0, 1)
    with pytest.raises(ValueError, match="rows hold 'spl' with seed 0 twice"):
        statistics.collect([*rows, ("spl", 0, 0.6)])


def test_mean_and_deviation():
    assert statistics.mean_and_deviation([1, 2, 4]) == pytest.approx((7 / 3, math.sqrt(7 / 3)))
    rng = np.random.default_rng(0)
    sample = rng.normal(size=30)
    assert len({statistics.mean_and_deviation(rng.permutation(sample)) for _ in range(50)}) == 1
    assert statistics.mean_and_deviation(-sample)[0] == -statistics.mean_and_deviation(sample)[0]
    mean, deviation = statistics.mean_and_deviation([0.25])
    assert mean == 0.25
    assert math.isnan(deviation)


# Ranks


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(methods, q):
    """Demšar (2006), table 5a, at 0.05."""
    difference = statistics.nemenyi_critical_difference(methods, 14)
    assert difference / math.sqrt(methods * (methods + 1) / (6 * 14)) == pytest.approx(q, abs=1.1e-3)


def test_critical_difference_at_another_level():
    """Demšar (2006), table 5a, q of 4 at 0.10, and his example: 4 classifiers, 14 data sets, 1.25 at 0.10."""
    assert statistics.nemenyi_critical_difference(4, 14, 0.10) == pytest.approx(2.291 * math.sqrt(20 / 84), abs=1e-3)
    assert statistics.nemenyi_critical_difference(2, 10) == pytest.approx(
        stats.norm.ppf(0.975) / math.sqrt(10), abs=1e-6
    )


def test_ranking_by_hand():
    values = {
        "a": {("digits", 0): 0.9, ("digits", 1): 0.9, ("lesions", 0): 0.5, ("lesions", 1): 0.8},
        "b": {("digits", 0): 0.7, ("digits", 1): 0.9, ("lesions", 0): 0.6, ("lesions", 1): 0.7},
        "c": {("digits", 0): 0.8, ("digits", 1): 0.1, ("lesions", 0): 0.6, ("lesions", 1): 0.6},
    }
    ranking = statistics.rank_methods(values)
    assert ranking.methods == ("a", "b", "c")
    assert ranking.mean_ranks.tolist() == [(1 + 1.5 + 3 + 1) / 4, (3 + 1.5 + 1.5 + 2) / 4, (2 + 3 + 1.5 + 3) / 4]
    assert (ranking.blocks, ranking.alpha, ranking.groups) == (4, 0.05, (("a", "b", "c"),))
    reverse = statistics.rank_methods(values, higher_is_better=False)
    assert reverse.methods == ("c", "b", "a")
    np.testing.assert_allclose(reverse.mean_ranks, 4 - ranking.mean_ranks[::-1])


def test_ranks_and_friedman_are_scipys():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 5, (12, 4)) / 10 + np.array([0, 0, 0.1, 0.3])
    ranking = statistics.rank_methods({f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)})
    ranks = stats.rankdata(-np.round(table, 6), axis=1).mean(axis=0)
    assert dict(zip(ranking.methods, ranking.mean_ranks, strict=True)) == pytest.approx(
        {f"m{index}": rank for index, rank in enumerate(ranks)}
    )
    theirs = stats.friedmanchisquare(*np.round(table, 6).T)
    assert (ranking.friedman_statistic, ranking.friedman_p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert ranking.reason == ""


def test_rounding_noise_breaks_no_tied_rank():
    values = {"a": {0: 0.1 + 0.2, 1: 0.5}, "b": {0: 0.3, 1: 0.5}, "c": {0: 0.2, 1: 0.6 - 0.1}}
    assert statistics.rank_methods(values).methods == ("a", "b", "c")
    assert statistics.rank_methods(values).mean_ranks.tolist() == [1.75, 1.75, 2.5]


def test_groups_are_the_longest_runs_closer_than_the_critical_difference():
    """Twelve blocks in which five methods stand in one order, but neighbours change places in some."""
    rng = np.random.default_rng(2)
    table = rng.normal(size=(12, 5)) + 1.2 * np.arange(5)
    ranking = statistics.rank_methods({f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)})
    rank = dict(zip(ranking.methods, ranking.mean_ranks, strict=True))
    close = {
        pair
        for pair in itertools.combinations(ranking.methods, 2)
        if rank[pair[1]] - rank[pair[0]] < ranking.critical_difference
    }
    assert 0 < len(close) < 10
    assert {pair for group in ranking.groups for pair in itertools.combinations(group, 2)} == close
    assert not any(set(one) < set(other) for one in ranking.groups for other in ranking.groups)
    assert len(ranking.groups) > 1


def test_methods_far_apart_form_no_group():
    values = {f"m{index}": dict.fromkeys(range(40), float(index)) for index in range(3)}
    ranking = statistics.rank_methods(values)
    assert ranking.methods == ("m2", "m1", "m0")
    assert ranking.groups == ()
    assert ranking.friedman_p < 1e-10


@pytest.mark.parametrize(
    ("values", "p", "reason"),
    [
        ({"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0, 1: 1.0}}, math.nan, "there are 2 and 2"),
        ({"a": {0: 1.0}, "b": {0: 2.0}, "c": {0: 3.0}}, math.nan, "there are 3 and 1"),
        ({name: {0: 1.0, 1: 2.0} for name in "abc"}, 1.0, "all methods are level in every block"),
    ],
)
def test_friedman_that_cannot_be_made_says_why(values, p, reason):
    ranking = statistics.rank_methods(values)
    assert ranking.friedman_p == pytest.approx(p, nan_ok=True)
    assert reason in ranking.reason
    assert ranking.groups == (ranking.methods,)


# Bad input

GOOD = {"ce": {0: 0.5, 1: 0.6}, "spl": {0: 0.6, 1: 0.6}, "spbl_clean": {0: 0.7, 1: 0.9}}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"baseline": "cee"}, "baseline is 'cee'; allowed: ce, spl, spbl_clean; did you mean 'ce'?"),
        (
            {},
            {"primary": "spbl_claen"},
            "primary is 'spbl_claen'; allowed: spl, spbl_clean; did you mean 'spbl_clean'?",
        ),
        ({}, {"primary": "ce"}, "primary is 'ce'; allowed: spl, spbl_clean"),
        ({}, {"level": 95}, "level is 95"),
        ({}, {"level": 1}, "level is 1"),
        ({}, {"resampling_seed": -1}, "resampling_seed is -1"),
        ({}, {"resampling_seed": 0.5}, "resampling_seed is 0.5"),
        ({"spl": {0: math.nan, 1: 0.5}}, {}, r"values\['spl'\]\[0\] is nan"),
        ({"ce": {0: math.inf, 1: 0.5}}, {}, r"values\['ce'\]\[0\] is inf"),
        ({"spl": {0: "0.5", 1: 0.5}}, {}, r"values\['spl'\]\[0\] is '0.5'"),
        ({"spl": {0: 0.5}}, {}, "values of 'spl' and 'ce' are not paired: 'spl' lacks 1. Run what is missing"),
        ({"spl": {1: 0.5, 5: 0.5, 7: 0.1}}, {}, "'spl' lacks 0; 'ce' lacks 5, 7"),
        ({"spl": {}}, {}, r"values\['spl'\] is {}"),
        ({"spl": [0.5, 0.6]}, {}, r"values\['spl'\] is \[0.5, 0.6\]; allowed: {seed: value}"),
        ({name: {"0": 0.5} for name in GOOD}, {}, r"a seed of values\['ce'\] is '0'"),
    ],
)
def test_bad_comparison(change, options, message):
    with pytest.raises(ValueError, match=message):
        statistics.paired_comparison(GOOD | change, **{"baseline": "ce"} | options)


@pytest.mark.parametrize("values", [{}, {"ce": {0: 1.0}}, [0.1, 0.2], None])
def test_nothing_to_compare(values):
    for call in (lambda: statistics.paired_comparison(values, "ce"), lambda: statistics.rank_methods(values)):
        with pytest.raises(ValueError, match=r"values is .*two methods or more"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.sign_flip_test([]), "differences is empty"),
        (lambda: statistics.sign_flip_test([0.1, math.nan]), r"differences\[1\] is nan"),
        (lambda: statistics.sign_flip_test([[0.1]]), "differences has shape"),
        (lambda: statistics.sign_flip_test(["a"]), "differences cannot be read as numbers"),
        (lambda: statistics.mean_interval([]), "differences is empty"),
        (lambda: statistics.mean_interval([0.1, math.inf]), r"differences\[1\] is inf"),
        (lambda: statistics.mean_and_deviation([]), "values is empty"),
        (lambda: statistics.holm([0.5, 1.5]), r"p_values\[1\] is 1.5"),
        (lambda: statistics.holm([math.nan]), r"p_values\[0\] is nan"),
        (lambda: statistics.smallest_attainable_p(0), "seeds is 0"),
        (lambda: statistics.smallest_attainable_p(3, 0), "comparisons is 0"),
        (lambda: statistics.seeds_needed(5, alpha=0), "alpha is 0"),
        (lambda: statistics.seeds_needed(5, alpha=5), "alpha is 5"),
        (lambda: statistics.nemenyi_critical_difference(1, 3), "methods is 1"),
        (lambda: statistics.nemenyi_critical_difference(3, 0), "blocks is 0"),
        (lambda: statistics.rank_methods(GOOD, alpha=2), "alpha is 2"),
        (lambda: statistics.rank_methods(GOOD | {"spl": {0: 1.0}}), "'spl' lacks 1"),
        (lambda: statistics.rank_methods(GOOD | {"spl": {0: 1.0, 1: math.nan}}), r"values\['spl'\]\[1\] is nan"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_extreme_sizes_are_no_trouble():
    for scale in (1e-100, 1e100):
        sample = scale * np.array([1.0, 2, 3, 4, 5, 7])
        assert statistics.sign_flip_test(sample).p == 2 / 64
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            interval = statistics.mean_interval(sample)
        assert scale < interval.low < interval.high < 7 * scale
