"""The interval of a mean against scipy, an enumeration of every resample, properties, and its coverage."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spbl_nb import significance

pytestmark = pytest.mark.filterwarnings("error")


def test_interval_is_scipys_bca():
    sample = np.sort(np.random.default_rng(5).exponential(size=12))
    theirs = stats.bootstrap((sample,), np.mean, method="BCa", n_resamples=99_999, rng=np.random.default_rng(7))
    interval = significance.mean_interval(sample, resampling_seed=7)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs.confidence_interval), abs=2e-5)
    assert (interval.method, interval.reason, interval.level) == ("BCa bootstrap", "", 0.95)


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


def test_interval_leans_with_the_skew_as_a_percentile_interval_does_not():
    """Negative control: plain percentiles would pass for BCa on symmetric differences only."""
    sample = np.sort(np.random.default_rng(5).exponential(size=12))
    plain = stats.bootstrap((sample,), np.mean, method="percentile", n_resamples=9_999, rng=np.random.default_rng(0))
    interval = significance.mean_interval(sample)
    assert interval.low > plain.confidence_interval.low + 0.01
    assert interval.high > plain.confidence_interval.high + 0.02


def test_rounding_noise_does_not_move_the_interval():
    """Half of the resamples have just the observed mean here; noise must not count them as below or above it."""
    whole = np.array([1, 1, 1, 2, 2, 2])
    clean = significance.mean_interval(whole)
    for seed in range(5):
        noisy = significance.mean_interval(whole * 0.1 + 1e-15 * np.random.default_rng(seed).normal(size=6))
        assert (noisy.low, noisy.high) == pytest.approx((0.1 * clean.low, 0.1 * clean.high), rel=1e-6)


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


def test_interval_narrows_with_the_level():
    sample = np.random.default_rng(0).normal(size=12)
    wide, narrow = significance.mean_interval(sample, 0.99), significance.mean_interval(sample, 0.8)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (wide.method, narrow.method) == ("BCa bootstrap", "BCa bootstrap")


def test_few_seeds_get_students_interval_and_the_reason():
    sample = [0.01, 0.03, 0.02]
    interval = significance.mean_interval(sample)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert interval.method == "Student t"
    assert interval.reason == "3 seeds are too few for a bootstrap interval of 95 %; 6 are needed"
    assert significance.mean_interval([1, 2, 3, 4, 6]).method == "Student t"
    assert significance.mean_interval([1, 2, 3, 4, 6, 7]).method == "BCa bootstrap"
    assert significance.mean_interval([1, 2, 3, 4, 6, 7], level=0.99).method == "Student t"
    assert significance.mean_interval([1, 2, 3, 4], level=0.8).method == "BCa bootstrap"


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
    interval = significance.mean_interval(sample)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.method == "none"
    assert reason in interval.reason
    assert reason in str(interval)


@pytest.mark.parametrize(("seeds", "low", "high"), [(3, 0.92, 0.98), (6, 0.82, 0.90), (20, 0.90, 0.97)])
def test_coverage_is_what_the_docstring_says(seeds, low, high, monkeypatch):
    """Of 600 normal samples: Student's interval covers as it should, the bootstrap falls short where seeds are few."""
    monkeypatch.setattr(significance, "DRAWS", 999)
    samples = np.random.default_rng(0).normal(size=(600, seeds))
    intervals = [significance.mean_interval(sample, resampling_seed=index) for index, sample in enumerate(samples)]
    assert low < np.mean([interval.low <= 0 <= interval.high for interval in intervals]) < high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significance.mean_interval([]), "differences is empty"),
        (lambda: significance.mean_interval([0.1, math.inf]), r"differences\[1\] is inf"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_extreme_sizes_are_no_trouble():
    for scale in (1e-100, 1e100):
        sample = scale * np.array([1.0, 2, 3, 4, 5, 7])
        assert significance.sign_flip_test(sample).p == 2 / 64
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            interval = significance.mean_interval(sample)
        assert scale < interval.low < interval.high < 7 * scale
