"""The sign-flip test against brute-force enumeration, scipy, examples by hand, and simulations."""

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


@pytest.mark.parametrize("seeds", [3, 6, 11])
def test_sign_flip_p_is_scipys(seeds):
    sample = np.random.default_rng(seeds).normal(0.4, 1, seeds)
    theirs = stats.permutation_test((sample,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert significance.sign_flip_test(sample).p == pytest.approx(theirs.pvalue, abs=1e-15)


def test_sign_flip_p_by_hand():
    assert significance.sign_flip_test([0.1, 0.2, 0.3]).p == 2 / 8
    assert significance.sign_flip_test([-0.1, 0.2, 0.3]).p == 4 / 8  # |sum| is 0.4: + + + and - + +, and their mirrors
    assert significance.sign_flip_test([0.1] * 6).p == 2 / 64
    assert significance.sign_flip_test([0.0] * 6).p == 1
    assert significance.sign_flip_test([0.4]).p == 1


def test_rounding_noise_decides_no_tie():
    """0.1 + 0.2 - 0.3 is not 0 in floating point; a comparison of bare sums gets another p than whole numbers do."""
    whole = np.array([1, 2, -3, 6, 7, -1, 4, -2])
    noisy = whole * 0.1 * (1 + 1e-13 * np.random.default_rng(0).normal(size=8))
    bare = np.array([np.dot(signs, noisy) for signs in itertools.product((1, -1), repeat=8)])
    expected = brute_force_p(whole)
    assert np.mean(np.abs(bare) >= abs(noisy.sum())) != expected
    assert significance.sign_flip_test(noisy).p == expected


def test_a_difference_of_zero_is_worth_no_seed():
    assert significance.sign_flip_test([0.1, 0.2, 0.3, 0.0]).p == significance.smallest_attainable_p(3)


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


def test_a_drawn_p_is_never_zero():
    assert significance.sign_flip_test(np.ones(60)).p == 1 / 100_000


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "three values"])
def test_false_alarms_are_no_more_than_alpha(draw):
    """For symmetric differences P(p <= alpha) <= alpha at every alpha; with continuous ones it is met at k / 2^(n-1)."""
    rng = np.random.default_rng(0)
    samples = rng.integers(-1, 2, (3000, 7)) / 100 if draw == "three values" else getattr(rng, draw)(size=(3000, 7))
    p = np.array([significance.sign_flip_test(sample).p for sample in samples])
    for alpha in (1 / 64, 0.05, 0.1, 0.25, 0.5):
        slack = 3.5 * math.sqrt(alpha * (1 - alpha) / len(p))
        assert np.mean(p <= alpha) <= alpha + slack
        if draw != "three values":
            assert np.mean(p <= alpha) >= math.floor(alpha * 64) / 64 - slack


def test_the_test_finds_a_difference_that_is_there():
    """Negative control: shifted differences are found nearly always."""
    samples = np.random.default_rng(0).normal(1.5, 1, (300, 10))
    assert np.mean([significance.sign_flip_test(sample).p <= 0.05 for sample in samples]) > 0.9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significance.sign_flip_test([]), "differences is empty"),
        (lambda: significance.sign_flip_test([0.1, math.nan]), r"differences\[1\] is nan"),
        (lambda: significance.sign_flip_test([[0.1]]), "differences has shape"),
        (lambda: significance.sign_flip_test(["a"]), "differences has dtype .*; allowed: real numbers"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
