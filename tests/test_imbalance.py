"""Imbalance profiles: exact counts, both notations of the factor, nested subsets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spbl_nb import imbalance


def test_counts_known_by_hand():
    assert imbalance.class_counts("natural", 4, 100).tolist() == [100, 100, 100, 100]
    assert imbalance.class_counts("exponential", 5, 100, 16).tolist() == [100, 50, 25, 13, 6]
    assert imbalance.class_counts("step", 5, 100, 10).tolist() == [100, 100, 100, 10, 10]
    assert imbalance.class_counts("odd_classes", 5, 100, 10).tolist() == [100, 10, 100, 10, 100]
    assert imbalance.class_counts("odd_classes", 3, np.array([10, 50, 7]), 10).tolist() == [10, 5, 7]
    assert imbalance.describe_factor(0.01) == "imbalance factor 100 (smallest / largest = 0.01)"


@given(st.sampled_from(imbalance.PROFILES), st.integers(2, 40), st.integers(50, 3000), st.floats(1, 50))
def test_both_notations_and_bounds(profile, classes, largest, factor):
    counts = imbalance.class_counts(profile, classes, largest, factor)
    assert counts.max() == largest
    np.testing.assert_array_equal(counts, imbalance.class_counts(profile, classes, largest, 1 / factor))
    if profile != "natural":
        assert counts.min() == np.floor(largest / factor + 0.5) or abs(largest / factor % 1 - 0.5) < 1e-6


def test_subsets_are_exact_and_nested():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(6), 80))
    few = imbalance.subsample(labels, "exponential", 20, seed=3)
    more = imbalance.subsample(labels, "exponential", 5, seed=3)
    np.testing.assert_array_equal(np.bincount(labels[few]), imbalance.class_counts("exponential", 6, 80, 20))
    assert set(few) < set(more)
    assert set(few) != set(imbalance.subsample(labels, "exponential", 20, seed=4))
    assert np.bincount(labels[imbalance.subsample(labels, "natural", largest=20)]).tolist() == [20] * 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: imbalance.class_counts("step", 3, np.array([3, 4]), 2), "one per class"),
        (lambda: imbalance.class_counts("step", 3, 4, 100), "leaves class 2 without a sample"),
        (lambda: imbalance.subsample(np.array([0, 2]), "natural"), "no sample of class 1"),
        (lambda: imbalance.subsample(np.zeros(9, int), "exponential"), "num_classes is 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
