"""The checks of arguments: what they return, and messages that name the argument, what was found and what is allowed."""

import math

import numpy as np
import pytest

from spbl_nb import checks


def test_right_values_come_back_as_plain_ones():
    assert checks.real("x", np.float32(0.5), 0, 1) == 0.5
    assert checks.real("x", np.array(2)) == 2
    assert type(checks.integer("x", np.int8(3), 0)) is int
    assert checks.one_of("x", "hard", ("hard", "linear")) == "hard"
    assert checks.label_array("x", np.uint8([0, 2]), 3, length=2).dtype == np.int64
    assert checks.finite_array("x", [1, 2], ndim=1).dtype == np.float64
    np.testing.assert_array_equal(checks.finite_array("x", [1, math.nan], ndim=1, low=0, gaps=True), [1, math.nan])
    assert checks.instance("x", True, (bool, str)) is True


def test_the_nearest_name_is_suggested_and_all_that_begin_alike():
    assert checks.nearest("liner", ["linear", "hard"]) == "; did you mean 'linear'?"
    assert checks.nearest("spbl", ["spbl_clean", "spl", "spbl_released"]) == (
        "; did you mean 'spbl_clean' or 'spbl_released'?"
    )
    assert checks.nearest("xyz", ["linear", "hard"]) == ""


def test_generators_from_a_seed_repeat_and_generators_go_on():
    assert checks.random_generator(3).random() == np.random.default_rng(3).random()
    state = np.random.RandomState(0)
    assert checks.random_generator(state) is state
    assert checks.random_generator(None).random() != checks.random_generator(None).random()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.real("age", True), r"age is True \(bool\); allowed: a number in \(-inf, inf\)"),
        (lambda: checks.real("age", 1, 0, 1, open_high=True), r"age is 1; allowed: a finite number in \[0, 1\)"),
        (lambda: checks.integer("bins", 2.5, 1), r"bins is 2.5 \(float\); allowed: an integer from 1 to 2\^63 - 1"),
        (lambda: checks.integer("bins", 10, 1, 9), "bins is 10; allowed: an integer from 1 to 9"),
        (lambda: checks.instance("data", 3, dict), r"data is 3 \(int\); allowed: dict"),
        (lambda: checks.finite_array("loss", [[1], [2, 3]], ndim=1), "loss cannot be read as an array"),
        (lambda: checks.finite_array("loss", [[1.0, math.inf]], ndim=2), r"loss\[0, 1\] is inf; .*1 of 2 are not"),
        (lambda: checks.label_array("labels", [0, 2], 2), r"labels\[1\] is 2; allowed: 0..1 for 2 classes"),
        (lambda: checks.finite_array("h", [math.nan, math.inf], ndim=1, gaps=True), r"h\[1\] is inf; all values must"),
        (lambda: checks.finite_array("w", [0], ndim=1, low=0, open_low=True), r"w\[0\] is 0; allowed: \(0, inf\)"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
