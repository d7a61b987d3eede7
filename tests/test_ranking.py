"""Mean ranks, Friedman's test and the critical difference against scipy, the published table, and examples by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from spbl_nb.significance import nemenyi_critical_difference, rank_methods

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_published_quantiles(methods, q):
    """Demšar (2006), table 5a, at 0.05."""
    difference = nemenyi_critical_difference(methods, 14)
    assert difference / math.sqrt(methods * (methods + 1) / (6 * 14)) == pytest.approx(q, abs=1.1e-3)


def test_critical_difference_at_another_level():
    """Demšar (2006), table 5a, q of 4 at 0.10, and his example: 4 classifiers, 14 data sets, 1.25 at 0.10."""
    assert nemenyi_critical_difference(4, 14, 0.10) == pytest.approx(2.291 * math.sqrt(20 / 84), abs=1e-3)
    assert nemenyi_critical_difference(2, 10) == pytest.approx(stats.norm.ppf(0.975) / math.sqrt(10), abs=1e-6)


def test_ranking_by_hand():
    values = {
        "a": {("digits", 0): 0.9, ("digits", 1): 0.9, ("lesions", 0): 0.5, ("lesions", 1): 0.8},
        "b": {("digits", 0): 0.7, ("digits", 1): 0.9, ("lesions", 0): 0.6, ("lesions", 1): 0.7},
        "c": {("digits", 0): 0.8, ("digits", 1): 0.1, ("lesions", 0): 0.6, ("lesions", 1): 0.6},
    }
    ranking = rank_methods(values)
    assert ranking.methods == ("a", "b", "c")
    assert ranking.mean_ranks.tolist() == [(1 + 1.5 + 3 + 1) / 4, (3 + 1.5 + 1.5 + 2) / 4, (2 + 3 + 1.5 + 3) / 4]
    assert (ranking.blocks, ranking.alpha, ranking.groups) == (4, 0.05, (("a", "b", "c"),))
    reverse = rank_methods(values, higher_is_better=False)
    assert reverse.methods == ("c", "b", "a")
    np.testing.assert_allclose(reverse.mean_ranks, 4 - ranking.mean_ranks[::-1])


def test_ranks_and_friedman_are_scipys():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 5, (12, 4)) / 10 + np.array([0, 0, 0.1, 0.3])
    ranking = rank_methods({f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)})
    ranks = stats.rankdata(-np.round(table, 6), axis=1).mean(axis=0)
    assert dict(zip(ranking.methods, ranking.mean_ranks, strict=True)) == pytest.approx(
        {f"m{index}": rank for index, rank in enumerate(ranks)}
    )
    theirs = stats.friedmanchisquare(*np.round(table, 6).T)
    assert (ranking.friedman_statistic, ranking.friedman_p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert ranking.reason == ""


def test_rounding_noise_breaks_no_tied_rank():
    values = {"a": {0: 0.1 + 0.2, 1: 0.5}, "b": {0: 0.3, 1: 0.5}, "c": {0: 0.2, 1: 0.6 - 0.1}}
    assert rank_methods(values).methods == ("a", "b", "c")
    assert rank_methods(values).mean_ranks.tolist() == [1.75, 1.75, 2.5]


def test_groups_are_the_longest_runs_closer_than_the_critical_difference():
    """Twelve blocks in which five methods stand in one order, but neighbours change places in some."""
    rng = np.random.default_rng(2)
    table = rng.normal(size=(12, 5)) + 1.2 * np.arange(5)
    ranking = rank_methods({f"m{index}": dict(enumerate(column)) for index, column in enumerate(table.T)})
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
    ranking = rank_methods(values)
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
    ranking = rank_methods(values)
    assert ranking.friedman_p == pytest.approx(p, nan_ok=True)
    assert reason in ranking.reason
    assert ranking.groups == (ranking.methods,)


GOOD = {"ce": {0: 0.5, 1: 0.6}, "spl": {0: 0.6, 1: 0.6}, "spbl_clean": {0: 0.7, 1: 0.9}}


@pytest.mark.parametrize("values", [{}, {"ce": {0: 1.0}}, [0.1, 0.2], None])
def test_nothing_to_compare(values):
    with pytest.raises(ValueError, match=r"values is .*two methods or more"):
        rank_methods(values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nemenyi_critical_difference(1, 3), "methods is 1"),
        (lambda: nemenyi_critical_difference(10**7, 3), "methods is 10000000; allowed: an integer from 2 to 100000"),
        (lambda: nemenyi_critical_difference(3, 0), "blocks is 0"),
        (lambda: rank_methods(GOOD, alpha=2), "alpha is 2"),
        (lambda: rank_methods(GOOD | {"spl": {0: 1.0}}), "'spl' lacks 1"),
        (lambda: rank_methods(GOOD | {"spl": {0: 1.0, 1: math.nan}}), r"values\['spl'\]\[1\] is nan"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
