"""Self-paced selection against brute force: a grid of weights, all subsets, and every class sorted by itself."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spbl_nb import pace

REFERENCE = Path(__file__).parent / "reference" / "selection_small.npz"
CASES = range(5)
GRID = np.linspace(0, 1, 4001)

ages = st.floats(0.05, 5)
losses = st.lists(st.floats(0, 10), min_size=1, max_size=12).map(np.array)


@st.composite
def forms(draw):
    """A form of self-paced weight with its age and parameters."""
    form = draw(st.sampled_from(pace.FORMS))
    age = draw(st.floats(0.05, 0.95) if form == "logarithmic" else ages)
    options = {}
    if form == "polynomial":
        options["t"] = draw(st.floats(1.1, 6))
    if form == "mixture":
        options["lower_age"] = age * draw(st.floats(0.1, 0.95))
    return form, age, options


def objective(loss, weights, form, age, options):
    """What self-paced learning minimises for one sample of this loss, for each of the weights."""
    return weights * loss + pace.self_paced_regularizer(weights, age, form, **options)


@given(forms(), losses)
@settings(max_examples=200, deadline=None)
def test_weights_minimise_their_objective(setting, loss):
    form, age, options = setting
    weights = pace.self_paced_weights(loss, age, form, **options)
    for one, weight in zip(loss, weights, strict=True):
        values = objective(one, GRID, form, age, options)
        own = objective(one, np.array([weight]), form, age, options)[0]
        assert own <= values.min() + 1e-12
        assert 0 <= weight <= 1
        if abs(one - age) > 1e-9 or form != "hard":  # at the age itself every hard weight is as good
            assert values[np.abs(GRID - weight) > 0.1].min() > own


def test_weights_by_hand():
    loss = [0.0, 0.25, 0.5, 1.0]
    weigh = pace.self_paced_weights
    assert weigh(loss, 0.5).tolist() == [1, 1, 0, 0]
    assert weigh(loss, 0.5, "linear").tolist() == [1, 0.5, 0, 0]
    assert weigh(loss, 0.5, "polynomial", t=3).tolist() == pytest.approx([1, math.sqrt(0.5), 0, 0])
    assert weigh(loss, 0.5, "logarithmic").tolist() == pytest.approx([1, math.log(0.75) / math.log(0.5), 0, 0])
    assert weigh(loss, 1, "mixture", lower_age=0.25).tolist() == pytest.approx([1, 1, 1 / 3, 0])
    assert weigh([0, 2, 1e5], 2, "logistic").tolist() == pytest.approx([1, (1 + math.exp(-2)) / 2, 0])


@given(losses, st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_rescaling_brings_losses_below_1_and_keeps_their_ratios(loss, age):
    rescaled = pace.self_paced_weights(loss, age, "linear", rescale=True)
    share = loss / loss.max() if loss.max() else loss
    np.testing.assert_allclose(rescaled, np.maximum(0, 1 - share / age), atol=1e-12)
    assert pace.self_paced_weights(loss, 1, rescale=True).all(), "at age 1 all are below the age"


@given(st.lists(st.floats(0, 3), min_size=1, max_size=9).map(np.array), st.data(), st.floats(0, 3), st.floats(0, 2))
@settings(max_examples=60, deadline=None)
def test_diverse_selection_is_the_best_of_all_subsets(loss, data, age, diversity):
    groups = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(loss), max_size=len(loss))))
    subsets = np.array(list(itertools.product((0, 1), repeat=len(loss))))
    spread = sum(np.sqrt(subsets[:, groups == group].sum(axis=1)) for group in range(3))
    values = subsets @ loss - age * subsets.sum(axis=1) - diversity * spread
    selected = pace.diverse_selection(loss, groups, age, diversity)
    own = values[(subsets == selected).all(axis=1)][0]
    assert own <= values.min() + 1e-12


def test_diverse_selection_breaks_ties_by_index():
    assert pace.diverse_selection(np.full(4, 0.5), [9, 9, 7, 7], 0, 1).tolist() == [True, False, True, False]


def lowest_by_sorting(values, labels, quota):
    """The plain way: sort each class, stably, and take the first ones."""
    selected = np.zeros(len(values), dtype=bool)
    for index, places in enumerate(quota):
        members = np.flatnonzero(labels == index)
        selected[members[np.argsort(values[members], kind="stable")[: int(places)]]] = True
    return selected


@st.composite
def pools(draw):
    """Values with many ties, labels with gaps, and a share."""
    labels = np.array(draw(st.lists(st.integers(0, 5), min_size=1, max_size=40)))
    values = draw(st.lists(st.integers(0, 4), min_size=len(labels), max_size=len(labels)))
    return np.array(values, dtype=float), labels, draw(st.sampled_from([0, 0.1, 0.5, 0.7, 0.9, 1]) | st.floats(0, 1))


@given(pools())
@settings(max_examples=200, deadline=None)
def test_select_easiest_is_sorting_class_by_class(pool):
    loss, labels, fraction = pool
    quota = np.ceil(fraction * np.bincount(labels, minlength=6))
    selected = pace.select_easiest(loss, labels, fraction, 6)
    assert selected.dtype == bool
    np.testing.assert_array_equal(selected, lowest_by_sorting(loss, labels, quota))


@given(pools(), st.lists(st.integers(0, 30), min_size=6, max_size=6))
@settings(max_examples=200, deadline=None)
def test_co_select_is_sorting_predicted_class_by_predicted_class(pool, counts):
    values, predicted, fraction = pool
    probability = values / 3  # reaches above 1, as it does where the other view adds to it
    quota = np.ceil(np.array(counts) * fraction)
    selected = pace.co_select(probability, predicted, counts, fraction)
    np.testing.assert_array_equal(selected, lowest_by_sorting(-probability, predicted, quota))


@pytest.mark.parametrize("case", CASES)
def test_known_answers(case):
    """The reduced copy holds, of every case, the probability of the true and of the predicted class, exactly."""
    known = np.load(REFERENCE, allow_pickle=False)
    label, fraction, classes = known[f"{case}_label"], known[f"{case}_add_ratio"], int(known[f"{case}_num_classes"])
    probability = known[f"{case}_true_probability"]
    for loss in (-np.log(probability), 1 - probability):
        np.testing.assert_array_equal(pace.select_easiest(loss, label, fraction, classes), known[f"{case}_selected"])
    counts = np.bincount(label, minlength=classes)
    spaco = pace.co_select(known[f"{case}_predicted_probability"], known[f"{case}_predicted"], counts, fraction)
    np.testing.assert_array_equal(spaco, known[f"{case}_spaco_selected"])
    assert (spaco != known[f"{case}_selected"]).any(), "negative control: the two rules differ"


def test_quota_edges():
    loss, labels = np.array([3.0, 1, 2, 5]), np.array([0, 0, 0, 2])
    assert pace.select_easiest(loss, labels, 1e-9, 4).tolist() == [False, True, False, True], "a single sample stays"
    assert pace.select_easiest(np.ones(100), np.zeros(100, int), 0.07).sum() == 8, "0.07 * 100 in float64, rounded up"
    assert pace.co_select([0.9, 1.2, 0.4], [1, 1, 0], [9, 9, 9], 1).all(), "fewer predicted than the quota"


@given(losses, st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_quantile_age_admits_the_share_asked_for(loss, fraction):
    admitted = int(pace.self_paced_weights(loss, pace.quantile_age(loss, fraction)).sum())
    wanted = math.ceil(fraction * len(loss))
    assert admitted >= wanted
    if len(np.unique(loss)) == len(loss):
        assert admitted == wanted
    if wanted:
        assert pace.self_paced_weights(loss, np.nextafter(pace.quantile_age(loss, fraction), 0)).sum() < wanted


def test_pace_fractions_by_hand():
    np.testing.assert_allclose(pace.pace_fractions(3, "linear", start=0.5), [0.5, 0.75, 1])
    np.testing.assert_allclose(pace.pace_fractions(3, "geometric", start=0.25), [0.25, 0.5, 1])
    np.testing.assert_allclose(pace.pace_fractions(3, "root", start=0, power=2), [0, math.sqrt(0.5), 1])
    np.testing.assert_allclose(pace.pace_fractions(5, "root", power=1), pace.pace_fractions(5))
    released = [0.5, 0.75, 0.9, 1, 1]
    assert pace.pace_fractions(5, released).tolist() == released
    assert pace.pace_fractions(1).tolist() == [1]


@given(st.integers(1, 50), st.sampled_from(pace.SCHEDULES), st.floats(1e-3, 1), st.floats(0.2, 8))
@settings(max_examples=150, deadline=None)
def test_pace_fractions_never_fall_and_end_at_1(paces, schedule, start, power):
    fractions = pace.pace_fractions(paces, schedule, start=start, power=power)
    assert len(fractions) == paces
    assert fractions[-1] == 1
    assert (np.diff(fractions) >= 0).all()
    assert ((fractions >= 0) & (fractions <= 1)).all()
    if paces > 1:
        assert fractions[0] == pytest.approx(start, abs=1e-9)
        assume(0.01 < start < 0.99)
        assert fractions[1] > fractions[0]


@given(pools(), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_keep_at_least_raises_the_easiest_of_every_class(pool, least):
    loss, labels, fraction = pool
    weights = np.where(loss <= 1, fraction, 0.0)
    kept = pace.keep_at_least(weights, loss, labels, least)
    easiest = lowest_by_sorting(loss, labels, np.full(6, least))
    np.testing.assert_array_equal(kept, np.where(easiest & (weights == 0), 1, weights))


@given(st.integers(0, 10_000), st.floats(0, 3), st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_diverse_age_is_the_least_that_admits_the_fraction(seed, diversity, fraction):
    rng = np.random.default_rng(seed)
    loss, groups = rng.exponential(1, 40), rng.integers(0, 5, 40)
    age = pace.diverse_age(loss, groups, fraction, diversity)
    admitted = pace.diverse_selection(loss, groups, age, diversity).sum()
    assert admitted >= math.ceil(fraction * 40)
    if age > 1e-6:
        assert pace.diverse_selection(loss, groups, age - 1e-7, diversity).sum() < math.ceil(fraction * 40)
    assert pace.diverse_age(loss, groups, 0.0, diversity) == 0
