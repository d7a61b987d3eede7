"""Balance learning against the release's arrays, the null space of Zhou and Liu's equations, plain loops, and by hand."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import balance

FOLDER = Path(__file__).parent / "reference"
CASES = range(5)
WITH_TIES = (2, 3, 4)
NAN = math.nan

seeds = st.integers(0, 10_000)
complexities = st.lists(st.sampled_from([NAN, 0.5, 1, 2]) | st.floats(1e-3, 50), min_size=1, max_size=12).map(np.array)


def known_arrays():
    """The release's arrays: ``balance.npz``, and the samples of the same five cases from ``selection_small.npz``."""
    names = ("selection_small.npz", "balance.npz")
    return {key: value for name in names for key, value in np.load(FOLDER / name, allow_pickle=False).items()}


KNOWN = known_arrays()


def case_of(number):
    """Return loss, labels, selected, number of classes and selected counts of a known case."""
    labels, selected = KNOWN[f"{number}_label"], KNOWN[f"{number}_selected"]
    classes = int(KNOWN[f"{number}_num_classes"])
    loss = -np.log(KNOWN[f"{number}_true_probability"])
    return loss, labels, selected, classes, np.bincount(labels[selected], minlength=classes)


def ranked(order):
    """Complexities without ties, rising along ``order``."""
    complexity = np.empty(len(order))
    complexity[order] = np.arange(1, len(order) + 1)
    return complexity


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


# Consistent costs


def weights_from_null_space(costs):
    """Solve Zhou and Liu's C(C-1)/2 equations by SVD; None where they have full rank, so that only zero solves them."""
    classes = len(costs)
    matrix = np.zeros((classes * (classes - 1) // 2, classes))
    for row, (i, j) in zip(matrix, itertools.combinations(range(classes), 2), strict=True):
        row[i], row[j] = costs[i, j], -costs[j, i]
        row /= np.abs(row).max()
    _, values, rows = np.linalg.svd(matrix)
    if len(values) == classes and values[-1] > 1e-9 * values[0]:
        return None
    weights = rows[-1] / rows[-1].sum()
    return weights / weights.min()


@pytest.mark.parametrize("case", range(4))
def test_known_cost_vectors(case):
    costs, weights = KNOWN[f"{case}_cost_matrix"], KNOWN[f"{case}_cost_vector"]
    np.testing.assert_allclose(balance.cost_vector(costs), weights, rtol=1e-12)
    transposed = balance.cost_vector(costs.T)
    np.testing.assert_allclose(transposed, weights.max() / weights, rtol=1e-12, err_msg="the orientation matters")


@given(seeds, st.integers(3, 12), st.floats(1.5, 100))
@settings(max_examples=80, deadline=None)
def test_consistent_costs_keep_their_promises_and_disturbed_ones_are_refused(seed, classes, max_cost):
    rng = np.random.default_rng(seed)
    costs, weights = balance.consistent_costs(classes, max_cost, rng)
    assert not costs.diagonal().any()
    off_diagonal = costs[~np.eye(classes, dtype=bool)]
    assert off_diagonal.min() == 1
    assert off_diagonal.max() <= max_cost**2 * (1 + 1e-12)
    assert weights[0] == 1
    assert weights[-1] <= max_cost
    assert (np.diff(weights) >= 0).all()
    np.testing.assert_allclose(balance.cost_vector(costs), weights, rtol=1e-10)
    np.testing.assert_allclose(weights_from_null_space(costs), weights, rtol=1e-8)
    i, j = rng.choice(classes, 2, replace=False)
    costs[i, j] *= 1 + 10 ** rng.uniform(-3, 1)
    assert weights_from_null_space(costs) is None
    with pytest.raises(balance.InconsistentCostError, match="cm is not consistent"):
        balance.cost_vector(costs)


def test_costs_by_hand_and_costs_that_go_in_a_circle():
    assert balance.cost_vector([[NAN, 1], [3, -7]]).tolist() == pytest.approx([3, 1]), "the diagonal is not read"
    circle = [[0, 1, 2], [2, 0, 1], [1, 2, 0]]  # each class is worth twice the next one, the last twice the first
    message = r"w_0/w_1 = cm\[1, 0\]/cm\[0, 1\] = 2, all pairs together 1;"
    with pytest.raises(balance.InconsistentCostError, match=message):
        balance.cost_vector(circle)


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
        assert (released[by_rank[0]], released[by_rank[-1]]) == (draw[0], draw[-1])


@given(complexities, st.floats(1, 50))
@settings(max_examples=80, deadline=None)
def test_proportional_weights_are_the_capped_ratio(complexity, max_cost):
    weights = balance.penalty_weights(complexity, "proportional", max_cost)
    smallest = min((one for one in complexity if one == one), default=NAN)
    expected = [1 if one != one else min(one / smallest, max_cost) for one in complexity]
    np.testing.assert_allclose(weights, expected, rtol=1e-15)


@pytest.mark.parametrize("assignment", balance.ASSIGNMENTS)
def test_weights_of_few_and_of_equal_classes(assignment):
    weigh = balance.penalty_weights
    assert weigh([NAN, 4.0, NAN], assignment).tolist() == [1, 1, 1]
    tied = weigh(np.full(6, 0.3), assignment, rng=0)
    ties = [1] * 6 if assignment == "proportional" else weigh(np.arange(1, 7), assignment, rng=0)
    np.testing.assert_array_equal(tied, ties, err_msg="ties count in the order of the classes")


# Rearranging the curriculum


@pytest.mark.parametrize("case", CASES)
def test_known_changes(case):
    """Exact in the order in which the release went through its ties; without ties no order need be known."""
    *_, counts = case_of(case)
    order, ease, change = (KNOWN[f"{case}_{name}"] for name in ("order", "ease_scaled", "curriculum_change"))
    assert (np.diff(ease[order]) <= 0).all(), "the stored order is one by falling ease"
    np.testing.assert_array_equal(balance.reconstruct_curriculum(counts, ranked(order)) - counts, change)
    assert (balance.reconstruct_curriculum(counts, ranked(order[::-1])) - counts != change).any(), "negative control"
    ours = balance.reconstruct_curriculum(counts, 1 / ease) - counts
    alone = np.array([(ease == one).sum() == 1 for one in ease])
    np.testing.assert_array_equal(ours[alone], change[alone])
    assert alone.all() == (case not in WITH_TIES)


def rearranged(counts, complexity, max_added, keep_factor):
    """The plain way: move every class one sample at a time towards its target, as far as both caps let it."""
    shown = [int(count) for count in counts]
    known = [c for c in range(len(shown)) if not math.isnan(complexity[c])]
    handed_out = sorted(shown[c] for c in known)
    kept = keep_factor * math.ceil(sum(handed_out) / len(handed_out)) if known else 0
    for target, c in zip(handed_out, sorted(known, key=lambda c: complexity[c]), strict=True):
        while shown[c] < target and shown[c] < counts[c] + max_added:
            shown[c] += 1
        while shown[c] > target and shown[c] - 1 >= kept:
            shown[c] -= 1
    return shown


@st.composite
def curricula(draw):
    """Selected counts, complexities with ties and gaps, and the two caps."""
    complexity = draw(complexities)
    counts = draw(st.lists(st.integers(0, 60), min_size=len(complexity), max_size=len(complexity)))
    keep_factor = draw(st.sampled_from([0, 0.3, 0.5, 1, 3]) | st.floats(0, 3))
    return np.array(counts), complexity, draw(st.sampled_from([0, 1, 5, 100])), keep_factor


@given(curricula())
@settings(max_examples=300, deadline=None)
def test_reconstruction_is_handing_out_one_by_one(curriculum):
    shown = balance.reconstruct_curriculum(*curriculum)
    assert shown.dtype == np.int64
    np.testing.assert_array_equal(shown, rearranged(*curriculum))


# Drawing samples again


@st.composite
def changes(draw):
    """Labels with empty classes, and a change that empties none."""
    labels = np.array(draw(st.lists(st.integers(0, 4), min_size=1, max_size=40)))
    counts = np.bincount(labels, minlength=6)
    return labels, np.array([draw(st.integers(1 - count, 3 * count)) if count else 0 for count in counts])


@given(changes(), seeds, st.booleans())
@settings(max_examples=200, deadline=None)
def test_resampling_gives_the_counts_asked_for(problem, seed, replacement):
    labels, change = problem
    counts = np.bincount(labels, minlength=6)
    positions = balance.resample(labels, change, seed, replacement=replacement)
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(labels[positions], minlength=6), counts + change)
    copies = np.bincount(positions, minlength=len(labels))
    assert (copies[change[labels] >= 0] > 0).all(), "who gains keeps all it has"
    for index in np.flatnonzero(counts):
        own = copies[labels == index]
        if change[index] == 0:
            assert (own == 1).all()
        elif not replacement:
            assert own.max() - own.min() <= 1, "no third copy before all have two, none twice in a shrunken class"
    np.testing.assert_array_equal(positions, balance.resample(labels, change, seed, replacement=replacement))
