"""The paired comparison, Holm's correction and what few seeds can show, against examples by hand and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import significance

pytestmark = pytest.mark.filterwarnings("error")

SHORT = {"max_examples": 40, "deadline": None}
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


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


# Families of comparisons


def test_holm_by_hand():
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)
    np.testing.assert_allclose(significance.holm([0.5, 0.6, 0.7]), [1, 1, 1])
    np.testing.assert_allclose(significance.holm([0.2]), [0.2])
    assert significance.holm([]).shape == (0,)


def holm_rejects(raw, alpha):
    """Holm's procedure step by step: the smallest p against alpha / m, the next against alpha / (m - 1), until one fails."""
    left, rejected = sorted(range(len(raw)), key=lambda index: raw[index]), set()
    while left and raw[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    return rejected


@given(p_values, st.floats(0.001, 0.999))
@settings(**SHORT)
def test_adjusted_p_at_most_alpha_is_what_holms_procedure_rejects(raw, alpha):
    assert set(np.flatnonzero(significance.holm(raw) <= alpha)) == holm_rejects(raw, alpha)


@given(p_values, st.randoms())
@settings(**SHORT)
def test_holm_is_monotone_between_raw_and_bonferroni_and_forgets_order(raw, random):
    adjusted, raw = significance.holm(raw), np.array(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw))).all()
    assert (np.diff(adjusted[np.argsort(raw)]) >= 0).all()
    order = list(range(len(raw)))
    random.shuffle(order)
    np.testing.assert_array_equal(significance.holm(raw[order]), adjusted[order])


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (5, 8), (15, 10)])
def test_seeds_needed(comparisons, seeds):
    assert significance.seeds_needed(comparisons) == seeds
    assert significance.smallest_attainable_p(seeds, comparisons) <= 0.05
    assert significance.smallest_attainable_p(seeds - 1, comparisons) > 0.05
    assert significance.seeds_needed(alpha=0.25) == 3  # reached exactly is reached


@given(st.integers(1, 200), st.floats(1e-6, 0.999))
@settings(**SHORT)
def test_seeds_needed_is_the_least_that_can(comparisons, alpha):
    seeds = significance.seeds_needed(comparisons, alpha)
    assert significance.smallest_attainable_p(seeds, comparisons) <= alpha
    assert seeds == 1 or significance.smallest_attainable_p(seeds - 1, comparisons) > alpha


@pytest.mark.parametrize(("seeds", "methods"), [(1, 2), (3, 1), (6, 3), (9, 5)])
def test_smallest_attainable_p_is_that_of_the_clearest_data(seeds, methods):
    values = {"ce": dict.fromkeys(range(seeds), 0.0)}
    values |= {f"better {index}": {seed: 1.0 + seed for seed in range(seeds)} for index in range(methods)}
    for comparison in significance.paired_comparison(values, "ce"):
        assert comparison.adjusted_p == comparison.smallest_p == min(1, methods * 2 ** (1 - seeds))


def test_smallest_attainable_p_of_drawn_flips_is_that_of_the_clearest_data():
    """With 30 seeds the exact test would reach 2^-29, but of 99,999 drawn flips and the observed one p is a share."""
    values = {"ce": dict.fromkeys(range(30), 0.0)}
    values |= {name: {seed: 1.0 + seed for seed in range(30)} for name in ("spl", "spbl_clean")}
    for comparison in significance.paired_comparison(values, "ce"):
        assert not comparison.test.exact
        assert comparison.adjusted_p == comparison.smallest_p == 2 / 100_000
        assert "smallest attainable 2e-05" in str(comparison)


def test_sentences():
    say = significance.attainable_sentence
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
    (comparison,) = significance.paired_comparison(values, "ce")
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
    (comparison,) = significance.paired_comparison(values, "ce")
    np.testing.assert_allclose(comparison.differences, 0.1)
    assert "zero variance" in comparison.interval.reason
    assert comparison.test.p == 2 / 64


def test_primary_is_tested_alone_and_the_rest_is_corrected():
    values = experiment()
    raw = {one.method: one.test.p for one in significance.paired_comparison(values, "ce")}
    family = significance.paired_comparison(values, "ce")
    assert [one.method for one in family] == ["spl", "spbl_clean", "spbl_released"]
    assert {(one.family, one.comparisons) for one in family} == {("all", 3)}
    np.testing.assert_array_equal([one.adjusted_p for one in family], significance.holm([*raw.values()]))
    spl, clean, released = significance.paired_comparison(values, "ce", primary="spbl_clean")
    assert (clean.family, clean.comparisons, clean.adjusted_p) == ("primary", 1, raw["spbl_clean"])
    assert clean.smallest_p == 2**-7
    for one in (spl, released):
        assert (one.family, one.comparisons, one.smallest_p) == ("secondary", 2, 2**-6)
        assert f"adjusted {one.adjusted_p:.3g} over 2 (secondary" in str(one)
    expected = significance.holm([raw["spl"], raw["spbl_released"]])
    assert [spl.adjusted_p, released.adjusted_p] == expected.tolist()
    assert family[1].adjusted_p > clean.adjusted_p


def test_a_primary_may_stand_alone():
    (comparison,) = significance.paired_comparison(experiment(spl=0.01), "ce", primary="spl")
    assert (comparison.family, comparison.adjusted_p) == ("primary", comparison.test.p)


@pytest.mark.parametrize("seeds", [4, 9, 24])
def test_names_and_order_of_seeds_change_nothing(seeds):
    values = experiment(seeds, spl=0.01)
    new_names = np.random.default_rng(0).permutation(100)[:seeds]
    renamed = {method: {int(new_names[seed]): x for seed, x in of.items()} for method, of in values.items()}
    renamed["ce"] = dict(reversed(renamed["ce"].items()))
    (one,), (other,) = significance.paired_comparison(values, "ce"), significance.paired_comparison(renamed, "ce")
    assert summary(one) == summary(other)
    assert other.seeds == tuple(sorted(new_names))


def test_exchanging_the_two_methods_turns_the_sign_only():
    values = experiment(spl=0.02)
    (one,), (other,) = significance.paired_comparison(values, "ce"), significance.paired_comparison(values, "spl")
    assert (other.mean, other.test) == (-one.mean, one.test)
    assert other.deviation == pytest.approx(one.deviation)
    assert (other.interval.low, other.interval.high) == pytest.approx((-one.interval.high, -one.interval.low), abs=1e-3)


def test_methods_level_up_to_rounding_are_level():
    values = {"ce": {0: 0.1 + 0.2, 1: 0.7, 2: 0.5}, "spl": {0: 0.3, 1: 0.7, 2: 0.6 - 0.1}}
    (comparison,) = significance.paired_comparison(values, "ce")
    assert comparison.differences.tolist() == [0, 0, 0]
    assert comparison.test.p == 1
    assert "zero variance" in str(comparison)


def test_one_seed_has_an_outcome_and_says_what_it_is_worth():
    (comparison,) = significance.paired_comparison({"ce": {0: 0.5}, "spl": {0: 0.6}}, "ce")
    assert comparison.mean == pytest.approx(0.1)
    assert math.isnan(comparison.deviation)
    assert comparison.adjusted_p == 1
    assert "no interval (one seed shows no spread; two are the least), 1 seed, p = 1" in str(comparison)


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
        significance.paired_comparison(GOOD | change, **{"baseline": "ce"} | options)


@pytest.mark.parametrize("values", [{}, {"ce": {0: 1.0}}, [0.1, 0.2], None])
def test_nothing_to_compare(values):
    with pytest.raises(ValueError, match=r"values is .*two methods or more"):
        significance.paired_comparison(values, "ce")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significance.mean_and_deviation([]), "values is empty"),
        (lambda: significance.holm([0.5, 1.5]), r"p_values\[1\] is 1.5"),
        (lambda: significance.holm([math.nan]), r"p_values\[0\] is nan"),
        (lambda: significance.smallest_attainable_p(0), "seeds is 0"),
        (lambda: significance.smallest_attainable_p(3, 0), "comparisons is 0"),
        (lambda: significance.seeds_needed(5, alpha=0), "alpha is 0"),
        (lambda: significance.seeds_needed(5, alpha=5), "alpha is 5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
