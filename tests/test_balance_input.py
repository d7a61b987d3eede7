"""Balance learning: nothing given is changed, extremes work, and bad input is named."""

import numpy as np
import pytest
from balance_cases import INF, NAN

from spbl_nb import balance

# What comes in


def test_nothing_given_is_changed():
    """Read-only arrays: writing to one would raise."""
    arrays = {
        "labels": np.array([0, 0, 1, 1, 1]), "loss": np.array([1.0, 2, 3, 4, 5]), "selected": np.array([1, 1, 0, 1, 1]) > 0,
        "complexity": np.array([NAN, 2, 1]), "counts": np.array([1, 2, 3]), "costs": balance.consistent_costs(3)[0],
    }  # fmt: skip
    for array in arrays.values():
        array.flags.writeable = False
    balance.class_complexity(arrays["loss"], arrays["labels"], arrays["selected"], 2)
    balance.scaled_ease(arrays["complexity"], arrays["counts"])
    balance.mixed_complexity(arrays["complexity"], arrays["counts"], 0.3)
    balance.cost_vector(arrays["costs"])
    for assignment in balance.ASSIGNMENTS:
        balance.penalty_weights(arrays["complexity"], assignment)
    unchanged = balance.reconstruct_curriculum(arrays["counts"], [NAN, NAN, NAN])
    unchanged[0] = 9
    balance.reconstruct_curriculum(arrays["counts"], arrays["complexity"])
    balance.resample(arrays["labels"], np.array([1, -1]), 0)
    assert arrays["counts"].tolist() == [1, 2, 3]


def test_numbers_at_the_edge_of_their_range_still_work():
    """Unsigned changes, caps beyond any count, costs as large as they may be."""
    labels, gains = np.repeat([0, 1], [2, 9]), [1, 5]
    unsigned = balance.resample(labels, np.array(gains, dtype=np.uint8), 0)
    np.testing.assert_array_equal(unsigned, balance.resample(labels, gains, 0))
    kept = balance.reconstruct_curriculum([9, 4], [1, 2], keep_factor=1e300)
    assert kept.tolist() == [9, 9]
    assert balance.reconstruct_curriculum([9, 4], [1, 2], max_added=2**63 - 1, keep_factor=0).tolist() == [4, 9]
    costs, weights = balance.consistent_costs(5, 1e100, 0)
    assert np.isfinite(costs).all()
    np.testing.assert_allclose(balance.cost_vector(costs), weights)
    assert balance.class_ease([800.0], [0], np.array([True]), 1).tolist() == [0]


L, Y, S = [0.1, 0.2], [0, 1], np.array([True, False])
HUGE = np.array([1, 2**63], dtype=np.uint64)


def costs_with(value):
    """Return 3 x 3 costs of 1, of which cm[0, 2] is ``value``."""
    costs = np.ones((3, 3))
    costs[0, 2] = value
    return costs


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("function", "args", "options", "message"),
    [
        (balance.class_ease, ([0.1, -0.2], Y, S, 2), {}, r"loss\[1\] is -0.2; allowed: \[0, inf\)"),
        (balance.class_ease, ([0.1, NAN], Y, S, 2), {}, r"loss\[1\] is nan"),
        (balance.class_ease, ([INF, 0.1], Y, S, 2), {}, r"loss\[0\] is inf"),
        (balance.class_ease, ([0.1], Y, S, 2), {}, "loss has 1 entries; 2 are needed"),
        (balance.class_ease, ([L, L], Y, S, 2), {}, "loss has shape"),
        (balance.class_ease, (["a", "b"], Y, S, 2), {}, "loss has dtype .*; allowed: real numbers"),
        (balance.class_ease, (L, [0, 2], S, 2), {}, r"labels\[1\] is 2; allowed: 0..1"),
        (balance.class_ease, (L, [0, -1], S, 2), {}, r"labels\[1\] is -1"),
        (balance.class_ease, (L, [0.0, 1.0], S, 2), {}, "labels has dtype float64"),
        (balance.class_ease, ([], [], [], 2), {}, "labels is empty"),
        (balance.class_ease, (L, Y, [0, 1], 2), {}, r"selected has shape \(2,\) and dtype int64; allowed: bool\[2\]"),
        (balance.class_ease, (L, Y, S[:1], 2), {}, r"selected has shape \(1,\)"),
        (balance.class_ease, (L, Y, S, 0), {}, "num_classes is 0"),
        (balance.class_ease, (L, Y, S, 2.0), {}, "num_classes is 2.0"),
        (balance.class_complexity, (L, [0, 2], S, 2), {}, r"labels\[1\] is 2"),
        (balance.mixed_complexity, (L, [1, 1], 1.1), {}, r"difficulty_share is 1.1; .* in \[0, 1\]"),
        (balance.mixed_complexity, (L, [1, 1], -0.1), {}, "difficulty_share is -0.1"),
        (balance.mixed_complexity, (L, [1, 1], NAN), {}, "difficulty_share is nan"),
        (balance.class_complexity, ([0.1, 800], Y, S | True, 2), {}, "mean loss of class 1 is 800, and its complexity beyond"),
        (balance.mixed_complexity, (L, [1, 0], 0.5), {}, r"sizes\[1\] is 0; allowed: one number above 0 per class"),
        (balance.mixed_complexity, ([], [], 0.5), {}, "sizes is empty"),
        (balance.mixed_complexity, ([NAN], [0], 0.5), {}, r"sizes\[0\] is 0"),
        (balance.mixed_complexity, ([NAN, 1000], [1, 1], 1), {}, "mean loss of class 1 is 1000, and its complexity beyond"),
        (balance.mixed_complexity, ([1e308, 1], [1, 1], 1), {}, r"mean loss of class 0 is 1e\+308, and its complexity beyond"),
        (balance.mixed_complexity, ([1, 1], [1, 1e-300], 0), {}, "complexity beyond .*, and class sizes of 1 or more"),
        (balance.mixed_complexity, ([0.1, "b"], [1, 1], 0.5), {}, "mean_loss has dtype .*; allowed: real numbers"),
        (balance.mixed_complexity, (L, [1, NAN], 0.5), {}, r"sizes\[1\] is nan"),
        (balance.mixed_complexity, (L, [1, INF], 0.5), {}, r"sizes\[1\] is inf"),
        (balance.mixed_complexity, ([0.1, -3], [1, 1], 0.5), {}, r"mean_loss\[1\] is -3; allowed: 0 or more"),
        (balance.mixed_complexity, ([INF, 1], [1, 1], 0.5), {}, r"mean_loss\[0\] is inf"),
        (balance.mixed_complexity, ([1], [1, 1], 0.5), {}, "mean_loss has 1 entries; 2 are needed, one per class"),
        (balance.scaled_ease, ([1, INF], [1, 1]), {}, r"ease\[1\] is inf"),
        (balance.scaled_ease, ([1], [1, 1]), {}, "ease has 1 entries; 2 are needed"),
        (balance.scaled_ease, ([[1, 2]], [1]), {}, "ease has shape"),
        (balance.scaled_ease, ([1, 2], [1, NAN]), {}, r"sizes\[1\] is nan"),
        (balance.scaled_ease, ([1, -2], [1, 1]), {}, r"ease\[1\] is -2; allowed: 0 or more"),
        (balance.scaled_ease, ([1, 2], [1, 0]), {}, r"sizes\[1\] is 0"),
        (balance.scaled_ease, ([], []), {}, "sizes is empty"),
        (balance.scaled_ease, ([[1], [1, 2]], [1, 2]), {}, "ease cannot be read as numbers"),
        (balance.consistent_costs, (1,), {}, "num_classes is 1; allowed: an integer from 2"),
        (balance.consistent_costs, (3.0,), {}, "num_classes is 3.0"),
        (balance.consistent_costs, (3, 0.9), {}, r"max_cost is 0.9; allowed: a finite number in \[1, 1e\+100\]"),
        (balance.consistent_costs, (3, 1e308), {}, r"max_cost is 1e\+308; .* in \[1, 1e\+100\]"),
        (balance.consistent_costs, (3, INF), {}, "max_cost is inf"),
        (balance.consistent_costs, (3, NAN), {}, "max_cost is nan"),
        (balance.consistent_costs, (3,), {"rng": "5489"}, "rng is '5489'"),
        (balance.consistent_costs, (3,), {"rng": -1}, "rng is -1"),
        (balance.cost_vector, (np.ones((2, 3)),), {}, r"cm has shape \(2, 3\); allowed: \[C, C\]"),
        (balance.cost_vector, (np.ones(4),), {}, r"cm has shape \(4,\)"),
        (balance.cost_vector, ([[1]],), {}, r"cm has shape \(1, 1\)"),
        (balance.cost_vector, (costs_with(0),), {}, r"cm\[0, 2\] is 0; allowed: a finite cost above 0"),
        (balance.cost_vector, (costs_with(-1),), {}, r"cm\[0, 2\] is -1"),
        (balance.cost_vector, (costs_with(NAN),), {}, r"cm\[0, 2\] is nan"),
        (balance.cost_vector, (costs_with(INF),), {}, r"cm\[0, 2\] is inf"),
        (balance.cost_vector, ([[0, "x"], [1, 0]],), {}, "cm has dtype .*; allowed: real numbers"),
        (balance.cost_vector, ([[0, 1e-308], [1e308, 0]],), {}, r"cm wants a weight of e\^1418 for class 0"),
        (balance.cost_vector, (costs_with(2),), {}, "cm is not consistent: classes 0 and"),
        (balance.penalty_weights, ([1, 2], "sortd"), {}, "assignment is 'sortd'; .*; did you mean 'sorted'"),
        (balance.penalty_weights, ([1, 2], None), {}, "assignment is None; allowed: sorted, released, proportional"),
        (balance.penalty_weights, ([1, 2], "sorted", 0.5), {}, r"max_cost is 0.5; .* \[1, 1e\+100\]"),
        (balance.penalty_weights, ([1, 2], "proportional", NAN), {}, "max_cost is nan"),
        (balance.penalty_weights, ([1, INF],), {}, r"complexity\[1\] is inf"),
        (balance.penalty_weights, ([NAN, -INF],), {}, r"complexity\[1\] is -inf"),
        (balance.penalty_weights, ([NAN, 1, 0],), {}, r"complexity\[2\] is 0; allowed: above 0, or NaN"),
        (balance.penalty_weights, ([1, -2], "proportional"), {}, r"complexity\[1\] is -2"),
        (balance.penalty_weights, ([],), {}, "complexity is empty"),
        (balance.penalty_weights, (["a", "b"],), {}, "complexity has dtype .*; allowed: real numbers"),
        (balance.penalty_weights, ([1, 2], "proportional"), {"rng": 0.5}, "rng is 0.5"),
        (balance.penalty_weights, ([NAN, 2],), {"rng": 0.5}, "rng is 0.5"),
        (balance.penalty_weights, ([[1, 2]],), {}, "complexity has shape"),
        (balance.penalty_weights, ([1, 2],), {"rng": 0.5}, "rng is 0.5"),
        (balance.reconstruct_curriculum, ([1, 2], [1, INF]), {}, r"complexity\[1\] is inf"),
        (balance.reconstruct_curriculum, ([1, 2], [0, NAN]), {}, r"complexity\[0\] is 0"),
        (balance.reconstruct_curriculum, ([1], [1, 2]), {}, "selected_counts has 1 entries; 2 are needed, one per class"),
        (balance.reconstruct_curriculum, ([1, -2], [1, 2]), {}, r"selected_counts\[1\] is -2; allowed: integers of 0 or more"),
        (balance.reconstruct_curriculum, (HUGE, [1, 2]), {}, r"selected_counts\[1\] is 9223372036854775808; .* below 2\^63"),
        (balance.reconstruct_curriculum, ([1.0, 2], [1, 2]), {}, "selected_counts has .* dtype float64; allowed: integers of 0"),
        (balance.reconstruct_curriculum, ([1, 2], [1, 2], -1), {}, "max_added is -1"),
        (balance.reconstruct_curriculum, ([1, 2], [1, 2], 1.5), {}, "max_added is 1.5"),
        (balance.reconstruct_curriculum, ([1, 2], [1, 2], 1, -1), {}, r"keep_factor is -1; .* \[0, inf\)"),
        (balance.reconstruct_curriculum, ([1, 2], [1, 2], 1, NAN), {}, "keep_factor is nan"),
        (balance.resample, ([0, 1, 1], [-1, 0]), {}, r"change\[0\] is -1, and class 0 has 1 sample; allowed"),
        (balance.resample, ([0, 1, 1], [0, -3]), {}, r"change\[1\] is -3, and class 1 has 2 samples"),
        (balance.resample, ([0, 1, 1], [0, 0, 2]), {}, r"change\[2\] is 2, and class 2 has 0 samples"),
        (balance.resample, ([0, 1, 1], [0, 0, -1]), {}, r"change\[2\] is -1, and class 2 has 0 samples"),
        (balance.resample, ([0, 1, 2], [1, 1]), {}, r"labels\[2\] is 2; allowed: 0..1"),
        (balance.resample, ([0, -1], [1, 1]), {}, r"labels\[1\] is -1"),
        (balance.resample, ([], [1, 1]), {}, "labels is empty"),
        (balance.resample, ([[0], [1, 1]], [1, 1]), {}, "labels cannot be read as an array"),
        (balance.resample, ([0, 1], [1.0, 1]), {}, "change has shape .* dtype float64; allowed: integers, one per class"),
        (balance.resample, ([0, 1], [[1], [1, 2]]), {}, "change cannot be read as an array"),
        (balance.resample, ([0, 1], HUGE), {}, r"change\[1\] is 9223372036854775808; allowed: integers below 2\^63"),
        (balance.resample, ([0, 1], ["a", "b"]), {}, "change has shape .* dtype <U1"),
        (balance.resample, ([0, 1], [1, 1]), {"replacement": "no"}, "replacement is 'no' .*; allowed: True or False"),
        (balance.resample, ([0, 1], [True, False]), {}, "change has shape .* dtype bool"),
        (balance.resample, ([0, 1], [[1, 1]]), {}, r"change has shape \(1, 2\)"),
        (balance.resample, ([0, 1], [1, 1], "x"), {}, "rng is 'x'"),
    ],
)  # fmt: skip
def test_bad_input(function, args, options, message):
    with pytest.raises(ValueError, match=message):
        function(*args, **options)
