"""Paired statistics against scipy, brute-force enumeration, published tables, simulations, and examples by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spbl_nb import significance

pytestmark = pytest.mark.filterwarnings("error")

SHORT = {"max_examples": 40, "deadline": None}


# Families of comparisons


def test_holm_by_hand():
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_allclose(significance.holm([0.5, 0.6, 0.3]), [1, 1, 0.9])
    assert significance.holm([]).shape == (0,)


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (5, 8), (15, 10)])
def test_smallest_attainable_p_is_that_of_the_clearest_data(comparisons, seeds):
    assert significance.seeds_needed(comparisons) == seeds
    assert significance.seeds_needed(alpha=0.25) == 3  # reached exactly is reached
    for count in (seeds - 1, seeds):
        values = {"ce": dict.fromkeys(range(count), 0.0)}
        values |= {f"better {index}": {seed: 1.0 + seed for seed in range(count)} for index in range(comparisons)}
        best = significance.smallest_attainable_p(count, comparisons)
        assert (best <= 0.05) == (count == seeds)
        for one in significance.paired_comparison(values, "ce"):
            assert one.adjusted_p == one.smallest_p == best == comparisons * 2 ** (1 - count)


def test_sentences():
    sentence = significance.attainable_sentence
    assert sentence(6) == "6 seeds can reach 0.05: the smallest attainable p is 0.0312."
    assert sentence(1).startswith("1 seed can never reach 0.05: the smallest attainable p is 1;")
    assert sentence(7, 5) == (
        "7 seeds can never reach 0.05 over 5 comparisons: the smallest attainable adjusted p is 0.0781; "
        "8 seeds are needed."
    )


# The paired comparison


def test_paired_comparison_by_hand():
    values = {"ce": {2: 0.50, 0: 0.60, 1: 0.70}, "spl": {0: 0.63, 1: 0.72, 2: 0.51}}
    (comparison,) = significance.paired_comparison(values, "ce")
    assert comparison.seeds == (0, 1, 2)
    np.testing.assert_allclose(comparison.differences, [0.03, 0.02, 0.01], atol=1e-12)
    assert comparison.mean == pytest.approx(0.02)
    assert comparison.deviation == pytest.approx(0.01)
    assert (comparison.method, comparison.baseline, comparison.family) == ("spl", "ce", "all")
    assert comparison.adjusted_p == comparison.test.p == comparison.smallest_p == 0.25
    assert str(comparison).startswith("spl - ce: +0.0200 [-0.0048, +0.0448] (Student t, 95 %), 3 seeds, p = 0.25")


def test_primary_is_tested_alone_and_the_rest_is_corrected():
    table = 0.8 + 0.02 * np.random.default_rng(3).normal(size=(4, 8)) + np.array([[0], [0.01], [0.04], [0.02]])
    values = {name: dict(enumerate(row.tolist())) for name, row in zip(("ce", "a", "b", "c"), table, strict=True)}
    family = significance.paired_comparison(values, "ce")
    raw = [one.test.p for one in family]
    assert [(one.method, one.family, one.comparisons) for one in family] == [(name, "all", 3) for name in "abc"]
    np.testing.assert_array_equal([one.adjusted_p for one in family], significance.holm(raw))
    a, b, c = significance.paired_comparison(values, "ce", primary="b")
    assert (b.family, b.comparisons, b.adjusted_p, b.smallest_p) == ("primary", 1, raw[1], 2**-7)
    assert family[1].adjusted_p > b.adjusted_p
    for one in (a, c):
        assert (one.family, one.comparisons, one.smallest_p) == ("secondary", 2, 2**-6)
        assert f"adjusted {one.adjusted_p:.3g} over 2 (secondary" in str(one)
    assert [a.adjusted_p, c.adjusted_p] == significance.holm([raw[0], raw[2]]).tolist()


GOOD = {"ce": {0: 0.5, 1: 0.6}, "spl": {0: 0.6, 1: 0.6}, "spbl_clean": {0: 0.7, 1: 0.9}}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"baseline": "cee"}, "baseline is 'cee'; allowed: ce, spl, spbl_clean; did you mean 'ce'?"),
        ({}, {"primary": "spbl_claen"}, "primary is .*; allowed: spl, spbl_clean; did you mean 'spbl_clean'?"),
        ({"spl": {0: math.nan, 1: 0.5}}, {}, r"values\['spl'\]\[0\] is nan"),
        ({"spl": {1: 0.5, 5: 0.5, 7: 0.1}}, {}, "'spl' lacks 0; 'ce' lacks 5, 7. Run what is missing"),
        ({"spl": [0.5, 0.6]}, {}, "values is .*allowed: {method: {seed: value}}, two methods"),
    ],
)
def test_a_wrong_comparison_is_named(change, options, message):
    with pytest.raises(ValueError, match=message):
        significance.paired_comparison(GOOD | change, **{"baseline": "ce"} | options)


def test_methods_level_up_to_rounding_are_level():
    values = {"ce": {0: 0.1 + 0.2, 1: 0.7, 2: 0.5}, "spl": {0: 0.3, 1: 0.7, 2: 0.6 - 0.1}}
    (comparison,) = significance.paired_comparison(values, "ce")
    assert comparison.differences.tolist() == [0, 0, 0]
    assert comparison.test.p == 1
    assert "zero variance" in str(comparison)


def test_collect_makes_pairs_from_rows_and_refuses_a_seed_twice():
    rows = [("ce", 0, 0.5), ("spl", np.int64(1), 0.7), ("spl", 0, 0.6), ("ce", 1, np.float64(0.5))]
    values = significance.collect(rows)
    assert values == {"ce": {0: 0.5, 1: 0.5}, "spl": {1: 0.7, 0: 0.6}}
    assert significance.paired_comparison(values, "ce")[0].seeds == (0, 1)
    with pytest.raises(ValueError, match="rows hold 'spl' with seed 0 twice"):
        significance.collect([*rows, ("spl", 0, 0.6)])


def test_mean_and_deviation():
    assert significance.mean_and_deviation([1, 2, 4]) == pytest.approx((7 / 3, math.sqrt(7 / 3)))
    rng = np.random.default_rng(0)
    sample = rng.normal(size=30)
    assert len({significance.mean_and_deviation(rng.permutation(sample)) for _ in range(50)}) == 1
    assert significance.mean_and_deviation(-sample)[0] == -significance.mean_and_deviation(sample)[0]
    mean, deviation = significance.mean_and_deviation([0.25])
    assert mean == 0.25
    assert math.isnan(deviation)


# Sign flips

differences = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=1, max_size=8).map(np.array)


def brute_force_p(sample):
    """Set the signs in every way, in whole thousandths, where no rounding can blur a tie."""
    whole = [round(1000 * value) for value in sample]
    sums = [
        sum(map(math.prod, zip(signs, whole, strict=True))) for signs in itertools.product((1, -1), repeat=len(whole))
    ]
    return np.mean([abs(value) >= abs(sum(whole)) for value in sums])


@given(differences)
@settings(**SHORT)
def test_sign_flip_p_is_brute_force(sample):
    test = significance.sign_flip_test(sample)
    assert test.p == brute_force_p(sample)
    assert test.exact
    assert test.flips == 2 ** len(sample)


@given(differences, st.randoms(), st.floats(-4, 4))
@settings(**SHORT)
def test_sign_flip_p_does_not_depend_on_sign_scale_or_order(sample, random, power):
    expected = significance.sign_flip_test(sample)
    shuffled = sample.tolist()
    random.shuffle(shuffled)
    for same in (-sample, sample * 10**power, shuffled):
        assert significance.sign_flip_test(same) == expected


def test_twenty_seeds_are_counted_and_more_are_drawn():
    sample = np.random.default_rng(1).normal(0.3, 1, 21)
    assert significance.sign_flip_test(sample[:20]).flips == 2**20
    drawn = significance.sign_flip_test(sample)
    assert (drawn.exact, drawn.flips) == (False, 99_999)
    all_sums = np.abs(np.array([1, -1]) * sample[0])
    for value in np.abs(sample[1:]):
        all_sums = np.abs(np.concatenate([all_sums + value, all_sums - value]))
    exact = np.mean(all_sums >= abs(sample.sum()) - 1e-9)
    assert drawn.p == pytest.approx(exact, abs=5 * math.sqrt(exact / drawn.flips))
    assert significance.sign_flip_test(-sample[::-1]) == drawn
    assert significance.sign_flip_test(sample, resampling_seed=1).p != drawn.p
    assert significance.sign_flip_test(np.ones(60)).p == 1 / 100_000, "a drawn p is never 0"


# Intervals


def all_resamples_bca(sample, level):
    """Efron's (1987) interval of the mean from all n^n resamples, with the acceleration of the jackknife."""
    means = np.zeros(1)
    for _ in sample:
        means = np.add.outer(means, sample / len(sample)).ravel()
    below, equal = np.mean(means < sample.mean() - 1e-9), np.mean(np.abs(means - sample.mean()) <= 1e-9)
    bias = stats.norm.ppf(below + equal / 2)
    left_out = np.array([np.delete(sample, index).mean() for index in range(len(sample))])
    deviations = left_out.mean() - left_out
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    return np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))


@pytest.mark.parametrize(("seeds", "level"), [(6, 0.95), (7, 0.95), (7, 0.8)])
def test_interval_is_bca_over_every_resample(seeds, level):
    """Drawing moves the ends by under 1 % of the width; percentile and basic bootstrap intervals are off by 4 % and more."""
    sample = np.random.default_rng(seeds).exponential(size=seeds)
    low, high = all_resamples_bca(sample, level)
    interval = significance.mean_interval(sample, level)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02 * (high - low))


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=9), st.randoms(), st.floats(-4, 4), st.floats(-1, 1))
@settings(max_examples=15, deadline=None)
def test_interval_follows_scale_and_shift_and_forgets_order(values, random, power, shift):
    sample, shuffled = np.array(values) / 1000, [value / 1000 for value in values]
    random.shuffle(shuffled)
    interval, scale = significance.mean_interval(sample), 10**power
    assert significance.mean_interval(shuffled) == interval or interval.method == "none"
    if interval.method == "none":
        return
    scaled, shifted = significance.mean_interval(sample * scale), significance.mean_interval(sample + shift)
    assert (scaled.low, scaled.high) == pytest.approx((interval.low * scale, interval.high * scale), abs=1e-6 * scale)
    assert (shifted.low, shifted.high) == pytest.approx((interval.low + shift, interval.high + shift), abs=1e-6)
    assert sample.min() - 1e-9 <= interval.low < sample.mean() < interval.high <= sample.max() + 1e-9


def test_an_end_at_zero_is_zero_in_spite_of_rounding():
    """Whether an interval holds 0 is what its reader looks at first."""
    assert significance.mean_interval([0, 0, 0, 0, 0, 0, 0, 1]).low == 0
    assert significance.mean_interval([0, 0, 0, 0, 0, 0, 0, -0.003]).high == 0


def test_few_seeds_get_students_interval_and_the_reason():
    sample = [0.01, 0.03, 0.02]
    interval = significance.mean_interval(sample)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert interval.reason == "3 seeds are too few for a bootstrap interval of 95 %; 6 are needed"
    for level, needed in ((0.8, 4), (0.95, 6)):
        few, enough = (significance.mean_interval([1, 2, 4, 7, 11, 16][:n], level) for n in (needed - 1, needed))
        assert (few.method, enough.method) == ("Student t", "BCa bootstrap")


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ([0.3], "one seed"),
        ([0.1, 0.1], "all 2 differences are 0.1: zero variance"),
        ([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3], "zero variance"),
    ],
)
def test_no_spread_no_interval_but_the_reason(sample, reason):
    interval = significance.mean_interval(sample)
    np.testing.assert_array_equal([interval.low, interval.high], math.nan)
    assert interval.method == "none"
    assert reason in str(interval)


# Ranks


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(methods, q):
    """Demšar (2006), table 5a, at 0.05."""
    ranking = significance.rank_methods({str(name): dict.fromkeys(range(14), 0.5) for name in range(methods)})
    scale = math.sqrt(methods * (methods + 1) / (6 * 14))
    assert ranking.critical_difference / scale == pytest.approx(q, abs=1.1e-3)
    if methods == 2:
        assert math.isnan(ranking.friedman_p)
        assert "there are 2 and 14" in ranking.reason
    else:
        assert (ranking.friedman_p, ranking.reason) == (1, "all methods are level in every block")


def test_ranks_and_friedman_are_scipys():
    """Of whole tenths with rounding noise: 0.1 + 0.2 and 0.3 are level."""
    rng = np.random.default_rng(0)
    table = rng.integers(0, 5, (12, 4)) / 10 + np.array([0, 0, 0.1, 0.3])
    values = {f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)}
    ranking = significance.rank_methods(values)
    ranks = stats.rankdata(-np.round(table, 6), axis=1).mean(axis=0)
    assert dict(zip(ranking.methods, ranking.mean_ranks, strict=True)) == pytest.approx(
        {f"m{index}": rank for index, rank in enumerate(ranks)}
    )
    theirs = stats.friedmanchisquare(*np.round(table, 6).T)
    assert (ranking.friedman_statistic, ranking.friedman_p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (ranking.blocks, ranking.alpha, ranking.reason) == (12, 0.05, "")
    reverse = significance.rank_methods(values, higher_is_better=False)
    assert reverse.methods == ranking.methods[::-1]
    np.testing.assert_allclose(reverse.mean_ranks, 5 - ranking.mean_ranks[::-1])


def test_groups_are_the_longest_runs_closer_than_the_critical_difference():
    """Twelve blocks in which five methods stand in one order, but neighbours change places in some."""
    rng = np.random.default_rng(2)
    table = rng.normal(size=(12, 5)) + 1.2 * np.arange(5)
    ranking = significance.rank_methods({f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)})
    rank = dict(zip(ranking.methods, ranking.mean_ranks, strict=True))
    close = {
        pair
        for pair in itertools.combinations(ranking.methods, 2)
        if rank[pair[1]] - rank[pair[0]] < ranking.critical_difference
    }
    assert 0 < len(close) < 10
    assert len(ranking.groups) > 1
    assert {pair for group in ranking.groups for pair in itertools.combinations(group, 2)} == close
    assert not any(set(one) < set(other) for one in ranking.groups for other in ranking.groups)
