"""Ease, complexity, costs and weights against the release's arrays, the null space of Zhou and Liu's equations, and by hand."""

import itertools
import math

import numpy as np
import pytest
from balance_cases import CASES, KNOWN, NAN, case_of, complexities, ranked, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from spbl_nb import balance

# Ease and complexity


@pytest.mark.parametrize("case", CASES)
def test_known_eases(case):
    loss, labels, selected, classes, _ = case_of(case)
    sizes = np.bincount(labels, minlength=classes)
    ease = balance.class_ease(loss, labels, selected, classes)
    np.testing.assert_array_equal(balance.scaled_ease(ease, sizes), KNOWN[f"{case}_ease_scaled"])
    of_all = balance.scaled_ease(balance.class_ease(loss, labels, np.ones_like(selected), classes), sizes)
    as_known = (of_all == KNOWN[f"{case}_ease_scaled"]).all()
    assert as_known == selected.all(), "negative control: the mean over all samples is another"


def test_ease_and_complexity_by_hand():
    loss, labels = [math.log(2), math.log(8), 3, 0, 0, 1], [0, 0, 0, 1, 1, 3]
    selected = np.array([True, True, False, True, True, False])
    np.testing.assert_allclose(balance.class_ease(loss, labels, selected, 4), [3 / 4, 2, NAN, NAN])
    np.testing.assert_allclose(balance.class_complexity(loss, labels, selected, 4), [4 / 3, 1 / 2, NAN, NAN])


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_ease_class_by_class(seed):
    rng = np.random.default_rng(seed)
    labels, loss, selected = rng.integers(0, 6, 40), rng.exponential(2, 40), rng.random(40) < 0.4
    ease = balance.class_ease(loss, labels, selected, 7)
    for index in range(7):
        own = [one for one, label, taken in zip(loss, labels, selected, strict=True) if taken and label == index]
        expected = (labels == index).sum() / math.exp(sum(own) / len(own)) if own else NAN
        assert ease[index] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    complexity = balance.class_complexity(loss, labels, selected, 7)
    np.testing.assert_allclose(complexity * ease, np.where(np.isnan(ease), NAN, 1))
    mean_loss = np.log(complexity * np.maximum(1, np.bincount(labels, minlength=7)))
    mixed = balance.mixed_complexity(mean_loss.clip(0), np.bincount(labels, minlength=7).clip(1), 0.5)
    np.testing.assert_allclose(mixed, complexity, rtol=1e-12)


def test_mixed_complexity_at_the_extremes_knows_rarity_or_difficulty_only():
    sizes, mean_loss = np.array([10, 40, 20, 5]), np.array([3.0, 2, NAN, 0])
    np.testing.assert_allclose(balance.mixed_complexity(mean_loss, sizes, 0), [1 / 100, 1 / 1600, NAN, 1 / 25])
    np.testing.assert_allclose(balance.mixed_complexity(mean_loss, sizes, 1), np.exp([6, 4, NAN, 0]))
    other = np.array([0.1, 9, NAN, 4])
    np.testing.assert_array_equal(
        balance.mixed_complexity(mean_loss, sizes, 0), balance.mixed_complexity(other, sizes, 0)
    )
    np.testing.assert_array_equal(
        balance.mixed_complexity(mean_loss, sizes, 1), balance.mixed_complexity(mean_loss, sizes[::-1], 1)
    )


@given(st.lists(st.just(NAN) | st.floats(0, 100), min_size=1, max_size=9).map(np.array), st.data())
@settings(max_examples=100, deadline=None)
def test_scaled_ease_keeps_the_order_and_lies_between_the_sizes(ease, data):
    sizes = np.array(data.draw(st.lists(st.integers(1, 90), min_size=len(ease), max_size=len(ease))))
    scaled = balance.scaled_ease(ease, sizes)
    known = ~np.isnan(ease)
    np.testing.assert_array_equal(np.isnan(scaled), ~known)
    assert ((scaled >= sizes.min()) & (scaled <= sizes.max()) & (scaled == np.ceil(scaled)))[known].all()
    assert (np.diff(scaled[known][np.argsort(ease[known])]) >= 0).all()
    if known.any() and np.nanmax(ease) > np.nanmin(ease):
        assert np.nanmin(scaled) == sizes.min()
        assert np.nanmax(scaled) == sizes.max()


def test_equal_eases_are_one_tie_and_no_division_by_zero():
    assert balance.scaled_ease([7, 7, 7], [3, 9, 5]).tolist() == [3, 3, 3]
    np.testing.assert_array_equal(balance.scaled_ease([NAN, 7], [3, 9]), [NAN, 3])
    np.testing.assert_array_equal(balance.scaled_ease([NAN, NAN], [3, 9]), [NAN, NAN])


# Consistent costs


def equations(costs):
    """Zhou and Liu's C(C-1)/2 x C coefficient matrix, each equation divided by its larger coefficient."""
    classes = len(costs)
    rows = []
    for i, j in itertools.combinations(range(classes), 2):
        row = np.zeros(classes)
        row[i], row[j] = costs[i, j], -costs[j, i]
        rows.append(row / np.abs(row).max())
    return np.array(rows)


def weights_from_null_space(costs):
    """Solve the equations by SVD; None where they have full rank, so that only zero solves them."""
    _, values, rows = np.linalg.svd(equations(costs))
    if len(values) == len(costs) and values[-1] > 1e-9 * values[0]:
        return None
    weights = rows[-1] / rows[-1].sum()
    return weights / weights.min()


@pytest.mark.parametrize("case", range(4))
def test_known_cost_vectors(case):
    costs, weights = KNOWN[f"{case}_cost_matrix"], KNOWN[f"{case}_cost_vector"]
    np.testing.assert_allclose(balance.cost_vector(costs), weights, rtol=1e-12)
    np.testing.assert_allclose(weights_from_null_space(costs), weights, rtol=1e-9)
    transposed = balance.cost_vector(costs.T)
    np.testing.assert_allclose(transposed, weights.max() / weights, rtol=1e-12, err_msg="the orientation matters")


@pytest.mark.parametrize("case", CASES)
def test_known_extremes(case):
    """The release gives the class with the largest ease the smallest weight, and the one with the smallest the largest."""
    size, weights = KNOWN[f"{case}_class_size"], KNOWN[f"{case}_cost_vector"]
    ours = balance.penalty_weights(1 / size, "released")
    for own in (weights, ours):
        assert own.argmin() == size.argmax()
        assert own.argmax() == size.argmin()
        assert own.min() == 1
        assert own.max() < 10
    assert spearmanr(-size, weights).statistic < 0.99 or len(size) == 3, "the classes between are not sorted"


@given(seeds, st.integers(2, 9), st.floats(1.5, 100), st.booleans())
@settings(max_examples=60, deadline=None)
def test_cost_vector_agrees_with_the_null_space(seed, classes, max_cost, disturbed):
    rng = np.random.default_rng(seed)
    costs, _ = balance.consistent_costs(classes, max_cost, rng)
    if disturbed:
        i, j = rng.choice(classes, 2, replace=False)
        costs[i, j] *= 1 + 10 ** rng.uniform(-3, 1)
    expected = weights_from_null_space(costs)
    assert (expected is None) == (disturbed and classes > 2), (
        "two classes have one equation, which always has a solution"
    )
    if expected is None:
        with pytest.raises(balance.InconsistentCostError, match="cm is not consistent"):
            balance.cost_vector(costs)
    else:
        np.testing.assert_allclose(balance.cost_vector(costs), expected, rtol=1e-8)


@given(seeds, st.integers(2, 30), st.floats(1, 1000))
@settings(max_examples=80, deadline=None)
def test_consistent_costs_keep_their_promises(seed, classes, max_cost):
    costs, weights = balance.consistent_costs(classes, max_cost, seed)
    assert costs.shape == (classes, classes)
    assert not costs.diagonal().any()
    off_diagonal = costs[~np.eye(classes, dtype=bool)]
    assert off_diagonal.min() == 1
    assert off_diagonal.max() <= max_cost**2 * (1 + 1e-12)
    assert weights[0] == 1
    assert weights[-1] <= max_cost
    assert (np.diff(weights) >= 0).all()
    np.testing.assert_allclose(balance.cost_vector(costs), weights, rtol=1e-10)
    np.testing.assert_allclose(costs * weights[:, None], (costs * weights[:, None]).T, rtol=1e-10)
    for again, first in zip(balance.consistent_costs(classes, max_cost, seed), (costs, weights), strict=True):
        np.testing.assert_array_equal(again, first)


def test_consistent_costs_of_max_cost_1_are_all_1():
    costs, weights = balance.consistent_costs(4, 1, 0)
    np.testing.assert_array_equal(costs, 1 - np.eye(4))
    np.testing.assert_array_equal(weights, np.ones(4))


def test_cost_vector_by_hand():
    assert balance.cost_vector([[0, 1], [3, 0]]).tolist() == pytest.approx([3, 1])
    assert balance.cost_vector([[0, 2, 4], [1, 0, 2], [1, 1, 0]]).tolist() == pytest.approx([1, 2, 4])
    costs = np.array([[NAN, 1], [3, -7]])
    assert balance.cost_vector(costs).tolist() == pytest.approx([3, 1]), "the diagonal is not read"
    assert np.isnan(costs[0, 0]), "and not written"


def test_costs_that_go_in_a_circle_are_refused():
    """Each class is worth twice the next one, and the last twice the first."""
    circle = [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    with pytest.raises(
        balance.InconsistentCostError, match=r"w_0/w_1 = cm\[1, 0\]/cm\[0, 1\] = 2, all pairs together 1;"
    ):
        balance.cost_vector(circle)
    assert issubclass(balance.InconsistentCostError, ValueError)
    assert weights_from_null_space(np.array(circle, dtype=float)) is None


@pytest.mark.parametrize("pair", [(0, 1), (4, 2), (3, 5)])
def test_the_worst_equation_is_named(pair):
    costs, _ = balance.consistent_costs(6, rng=1)
    costs[pair] *= 1.5
    i, j = sorted(pair)
    with pytest.raises(balance.InconsistentCostError, match=rf"classes {i} and {j} want w_{i}/w_{j} = cm\[{j}, {i}\]"):
        balance.cost_vector(costs)


@pytest.mark.parametrize("classes", [3, 10, 198])
def test_tolerance_of_cost_vector(classes):
    costs, weights = balance.consistent_costs(classes, rng=2)
    costs[1, 2] *= 1 + 1e-8
    np.testing.assert_allclose(balance.cost_vector(costs), weights, rtol=1e-7)
    costs[1, 2] *= 1 + 1e-5
    with pytest.raises(balance.InconsistentCostError):
        balance.cost_vector(costs)


# Penalty weights


@pytest.mark.parametrize("classes", [9, 10, 198])
@pytest.mark.parametrize("assignment", ["released", "sorted"])
def test_known_weights_by_rank(classes, assignment):
    """The weights of the release's constant stream; rank 0 is the least complex class. They are stored to 6 places."""
    known = KNOWN[f"weights_{classes}_{assignment}"]
    order = np.random.default_rng(classes).permutation(classes)
    weights = balance.penalty_weights(ranked(order), assignment)
    np.testing.assert_allclose(weights[order], known, rtol=0, atol=1e-6)


def test_the_release_starts_the_same_stream_every_time():
    complexity = np.random.default_rng(0).random(40) + 0.1
    for assignment in ("sorted", "released"):
        first = balance.penalty_weights(complexity, assignment)
        np.testing.assert_array_equal(first, balance.penalty_weights(complexity, assignment))
        stream = np.random.RandomState(5489)
        np.testing.assert_array_equal(first, balance.penalty_weights(complexity, assignment, rng=stream))
        assert (first != balance.penalty_weights(complexity, assignment, rng=stream)).any(), "the stream went on"
        assert (first != balance.penalty_weights(complexity, assignment, rng=5489)).any()
    np.testing.assert_allclose(np.random.RandomState(5489).random(3), [0.8147, 0.9058, 0.1270], atol=5e-5)
    for own, other in zip(
        balance.consistent_costs(5), balance.consistent_costs(5, rng=np.random.RandomState(5489)), strict=True
    ):
        np.testing.assert_array_equal(own, other)


@given(complexities, seeds, st.floats(1, 50))
@settings(max_examples=150, deadline=None)
def test_sorted_and_released_hand_out_the_same_draw(complexity, seed, max_cost):
    known = np.flatnonzero(~np.isnan(complexity))
    by_rank = known[np.argsort(complexity[known], kind="stable")]
    in_order = balance.penalty_weights(complexity, "sorted", max_cost, seed)
    released = balance.penalty_weights(complexity, "released", max_cost, seed)
    for weights in (in_order, released):
        assert weights.dtype == np.float64
        assert (weights[np.isnan(complexity)] == 1).all()
        assert weights.min() == 1
        assert weights.max() <= max_cost
        assert sorted(weights) == sorted(in_order)
    assert (np.diff(in_order[by_rank]) >= 0).all()
    if len(known) > 1:
        _, draw = balance.consistent_costs(len(known), max_cost, seed)
        np.testing.assert_array_equal(in_order[by_rank], draw)
        assert released[by_rank[0]] == draw[0]
        assert released[by_rank[-1]] == draw[-1]
    np.testing.assert_array_equal(released, balance.penalty_weights(complexity, "released", max_cost, seed))


def test_at_198_classes_released_weights_do_not_follow_complexity():
    complexity = np.random.default_rng(0).lognormal(size=198)
    by_stream = [balance.penalty_weights(complexity, "released", rng=rng) for rng in (None, *range(30))]
    correlation = [spearmanr(complexity, weights).statistic for weights in by_stream]
    assert abs(correlation[0]) < 0.15
    assert abs(np.mean(correlation)) < 0.06, "0.02 is what the two extremes alone amount to"
    assert spearmanr(complexity, balance.penalty_weights(complexity, "sorted")).statistic == pytest.approx(1)


def test_released_permutations_are_all_equally_likely():
    complexity = np.arange(1.0, 6)
    rng = np.random.default_rng(0)
    seen = dict.fromkeys(itertools.permutations(range(3)), 0)
    for _ in range(600):
        seen[tuple(np.argsort(balance.penalty_weights(complexity, "released", rng=rng)[1:-1]))] += 1
    assert all(60 < times < 140 for times in seen.values()), seen


@given(complexities, st.floats(1, 50))
@settings(max_examples=80, deadline=None)
def test_proportional_weights_are_the_capped_ratio(complexity, max_cost):
    weights = balance.penalty_weights(complexity, "proportional", max_cost)
    smallest = min((one for one in complexity if one == one), default=NAN)
    expected = [1 if one != one else min(one / smallest, max_cost) for one in complexity]
    np.testing.assert_allclose(weights, expected, rtol=1e-15)
    np.testing.assert_array_equal(weights, balance.penalty_weights(complexity, "proportional", max_cost, rng=3))


@pytest.mark.parametrize("assignment", balance.ASSIGNMENTS)
def test_weights_of_few_and_of_equal_classes(assignment):
    weigh = balance.penalty_weights
    assert weigh([NAN, NAN], assignment).tolist() == [1, 1]
    assert weigh([NAN, 4.0, NAN], assignment).tolist() == [1, 1, 1]
    assert weigh([3.0], assignment).tolist() == [1]
    rarer, commoner = weigh([2.0, 1.0], assignment, rng=0)
    assert commoner == 1 < rarer <= 10
    assert weigh([2.0, 1.0, 3.0, 9.0], assignment, 1, 0).tolist() == [1, 1, 1, 1]
    tied = weigh(np.full(6, 0.3), assignment, rng=0)
    ties = [1] * 6 if assignment == "proportional" else weigh(np.arange(1, 7), assignment, rng=0)
    np.testing.assert_array_equal(tied, ties, err_msg="ties count in the order of the classes")
    assert weigh([5e-324, 1e308], "proportional").tolist() == [1, 10]


# The full arrays


def test_known_answers_from_the_full_arrays(real_data):
    folder = real_data.parent / "reference"
    table, costs = folder / "released_weights_by_rank.csv", folder / "consistent_cost.npz"
    for path in (table, costs):
        if not path.is_file():
            pytest.skip(
                f"{path.name} is not in the folder reference beside SPBL_NB_DATA: only the small copy is tested"
            )
    rows = np.genfromtxt(table, delimiter=",", skip_header=1)
    for classes in np.unique(rows[:, 0]).astype(int):
        own = rows[rows[:, 0] == classes]
        for column, assignment in ((2, "released"), (3, "sorted")):
            weights = balance.penalty_weights(own[:, 1] + 1, assignment)
            np.testing.assert_allclose(weights, own[:, column], rtol=0, atol=1e-6)
    known = np.load(costs, allow_pickle=False)
    for case in CASES:
        np.testing.assert_allclose(balance.cost_vector(known[f"{case}_cost_matrix"]), known[f"{case}_cost_vector"])
