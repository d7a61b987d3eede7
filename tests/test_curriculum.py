"""The rearranged curriculum and its samples against the release's arrays, plain loops, and by hand."""

import math

import numpy as np
import pytest
from balance_cases import CASES, KNOWN, NAN, WITH_TIES, case_of, complexities, ranked, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import balance

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


@pytest.mark.parametrize("case", WITH_TIES)
def test_inside_a_tie_the_same_counts_are_handed_out(case):
    *_, counts = case_of(case)
    order, ease = KNOWN[f"{case}_order"], KNOWN[f"{case}_ease_scaled"]
    uncapped = {"max_added": 10_000, "keep_factor": 0}
    theirs = balance.reconstruct_curriculum(counts, ranked(order), **uncapped)
    ours = balance.reconstruct_curriculum(counts, 1 / ease, **uncapped)
    for one in np.unique(ease):
        assert sorted(ours[ease == one]) == sorted(theirs[ease == one])
    assert (ours != theirs).any(), "negative control: the order inside the ties differs"


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


@given(curricula())
@settings(max_examples=200, deadline=None)
def test_caps_are_respected(curriculum):
    counts, complexity, max_added, keep_factor = curriculum
    shown = balance.reconstruct_curriculum(*curriculum)
    gaps = np.isnan(complexity)
    np.testing.assert_array_equal(shown[gaps], counts[gaps])
    assert (shown - counts).max() <= max_added
    if not gaps.all():
        kept = keep_factor * math.ceil(counts[~gaps].mean())
        assert (shown >= np.minimum(counts, kept)).all(), "who is below stays, and nobody falls below"
    free = balance.reconstruct_curriculum(counts, complexity, 60, 0)
    assert sorted(free) == sorted(counts), "without caps the counts only change hands"
    assert balance.reconstruct_curriculum(counts, complexity, max_added, 0).sum() <= counts.sum()
    assert balance.reconstruct_curriculum(counts, complexity, 60, keep_factor).sum() >= counts.sum()
    np.testing.assert_array_equal(balance.reconstruct_curriculum(counts, complexity, 0, 60), counts)


def test_reconstruction_by_hand():
    rearrange = balance.reconstruct_curriculum
    assert rearrange([50, 5], [1, 2], 100, 0).tolist() == [5, 50]
    assert rearrange([50, 5], [1, 2], 100, 1).tolist() == [28, 50], "the mean, 27.5, rounded up"
    assert rearrange([50, 5], [1, 2], 20, 1.5).tolist() == [42, 25], "1.5 x 28"
    assert rearrange([50, 5], [1, 2], 20, 2).tolist() == [50, 25], "50 is below 2 x 28"
    assert rearrange([300, 5, 6, 7], [1, 4, 2, 3]).tolist() == [240, 105, 6, 7], "3 x 80; at most 100 are added"
    assert rearrange([50, 5, 900], [1, 2, NAN], 100, 1).tolist() == [28, 50, 900], "NaN is no part of the mean"
    assert rearrange([9, 4, 6], [2, 2, 2], 100, 0).tolist() == [4, 6, 9], "ties count in the order of the classes"
    assert rearrange([9, 4], [NAN, NAN]).tolist() == [9, 4]
    assert rearrange([9, 4], [NAN, 1]).tolist() == [9, 4], "a single class has nobody to change with"
    assert rearrange([0, 3], [2, 1], 100, 0).tolist() == [3, 0], "nothing selected and yet a complexity is allowed"


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


def test_resampling_takes_every_kind_of_generator_and_integer():
    labels, change = np.repeat([0, 1], [60, 40]), np.array([-30, 25])
    for make in (np.random.default_rng, np.random.RandomState):
        first, again = (balance.resample(labels, change, make(7)) for _ in range(2))
        np.testing.assert_array_equal(first, again)
    other = balance.resample(labels, change, 8)
    assert (first != other).any(), "another seed draws others"
    assert len(balance.resample(labels, change)) == 95
    assert len(balance.resample(labels.astype(np.uint8), change.tolist(), 0)) == 95


def test_a_shrunken_class_misses_more_with_replacement_than_it_must():
    """Drawing 999 of 1000 with replacement misses a share of (1 - 1/1000)**999, about 1/e, of the samples."""
    labels, change = np.zeros(1000, dtype=int), np.array([-1])
    found = {
        again: [len(np.unique(balance.resample(labels, change, seed, replacement=again))) for seed in range(40)]
        for again in (False, True)
    }
    assert set(found[False]) == {999}
    assert 1 - np.mean(found[True]) / 1000 == pytest.approx(math.exp(-1), abs=0.01)


def test_duplicates_are_drawn_from_all_alike():
    labels = np.repeat([0, 1], [3, 5])
    rng = np.random.default_rng(0)
    for replacement in (False, True):
        copies = np.zeros(8)
        for _ in range(500):
            copies += np.bincount(balance.resample(labels, [2, -3], rng, replacement=replacement), minlength=8)
        np.testing.assert_allclose(copies[:3] / 500, 1 + 2 / 3, atol=0.1)
        np.testing.assert_allclose(copies[3:] / 500, 2 / 5, atol=0.1)
    drawn = [balance.resample(labels, [2, 0], rng, replacement=True) for _ in range(60)]
    assert any(np.bincount(positions).max() == 3 for positions in drawn), "with replacement a third copy may come early"
