"""Checkers of the exercises of notebook 03: a form of weights derived, an exact quota, and any reward for diversity.

Taught in: notebooks/03_self_paced_selection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spbl_nb.exercises.check import Case, Verdict, examine, matches


@dataclass(frozen=True)
class Reward:
    """A concave reward for taking n samples of a group, 0 for none: ``strength`` times a function named by its formula."""

    strength: float
    formula: str

    def __call__(self, n: np.ndarray) -> np.ndarray:
        """Return the reward of n samples, a number or an array."""
        n = np.asarray(n, dtype=float)
        shapes: dict[str, Any] = {
            "np.sqrt(n)": np.sqrt,
            "np.log1p(n)": np.log1p,
            "np.minimum(n, 1)": lambda n: np.minimum(n, 1),
        }
        return self.strength * shapes[self.formula](n)

    def __repr__(self) -> str:
        return f"lambda n: {self.strength:g} * {self.formula}"


def check_root_weights(mine: Callable) -> Verdict:
    """Check exercise 3.1, ``mine(loss, age) -> float[N]``: the weights that belong to f(v) = -2 age sqrt(v).

    Taught in: notebooks/03_self_paced_selection, exercise 3.1.
    """

    def right(loss, age):
        return (age / np.maximum(loss, age)) ** 2

    traps: list[Any] = [
        (lambda loss, age: (age / loss) ** 2, "May a weight be larger than 1? Where is the best v then?"),
        (
            lambda loss, age: (loss < age).astype(float),
            "Is v = 0 the best that a sample above the age can do? Try a small v.",
        ),
        (lambda loss, age: age / np.maximum(loss, age), "Put your v into the derivative of v*loss + f(v). Is it 0?"),
        (lambda loss, age: np.maximum(0, 1 - loss / age), "That is the linear form. Which f belongs to it?"),
    ]
    return examine(
        "3.1", mine, _losses_and_ages(), matches(right),
        "No sample is ever quite out under this f. What does that do to a wrong label, compared with the linear form?", traps,
    )  # fmt: skip


def check_exact_quota(mine: Callable) -> Verdict:
    """Check exercise 3.2, ``mine(loss, labels, percent) -> bool[N]``: the easiest per cent of every class, rounded up.

    Taught in: notebooks/03_self_paced_selection, exercise 3.2.
    """

    def quota(loss, labels, of_count, at_most=False):
        selected = np.zeros(len(loss), dtype=bool)
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            easiest = own[np.argsort(loss[own], kind="stable")[: int(of_count(len(own)))]]
            selected[own[loss[own] <= loss[easiest].max(initial=-1)] if at_most else easiest] = True
        return selected

    def right(loss, labels, percent):
        return quota(loss, labels, lambda n: -(-n * percent // 100))

    def for_all(loss, labels, percent):
        return right(loss, np.zeros_like(labels), percent)

    traps: list[Any] = [
        (for_all, "Who got the places: the easiest of all, or the easiest of each class?"),
        (
            lambda loss, labels, percent: quota(loss, labels, lambda n: n * percent // 100),
            "Rounded down, what does a class of one sample get at 50 per cent?",
        ),
        (
            lambda loss, labels, percent: quota(loss, labels, lambda n: round(n * percent / 100)),
            "Up is not to the nearest. What does a class of one sample get at 40 per cent?",
        ),
        (
            lambda loss, labels, percent: quota(loss, labels, lambda n: np.ceil(percent / 100 * n)),
            "How many samples are 28 per cent of 25? And what does Python say of 0.28 * 25?",
        ),
        (
            lambda loss, labels, percent: quota(loss, labels, lambda n: -(-n * percent // 100), at_most=True),
            "Several samples stand at the limit, and not all have a place. Which come first?",
        ),
        (lambda **case: ~right(**case), "Easy samples have low losses. Which end did you take?"),
    ]
    return examine(
        "3.2", mine, _classes_of_losses(), matches(right),
        "The release takes the product in floats, and so does `pace.select_easiest`: it admits 8 of 25 at a share of 0.28.",
        traps,
    )  # fmt: skip


def check_diverse_selection(mine: Callable) -> Verdict:
    """Check exercise 3.3, ``mine(loss, groups, age, reward) -> bool[N]``: SPLD with any concave reward.

    Taught in: notebooks/03_self_paced_selection, exercise 3.3.
    """

    def rank_in_group(order, groups):
        return np.array([np.sum((groups == own) & (order < at)) + 1 for at, own in zip(order, groups, strict=True)])

    def taken(rank, loss, age, reward, before=1):
        return loss < age + reward(rank + 1 - before) - reward(rank - before)

    def right(loss, groups, age, reward):
        return taken(rank_in_group(loss, groups), loss, age, reward)

    def of_root(loss, groups, age, reward):
        rank = rank_in_group(loss, groups)
        return loss < age + reward(1) / (np.sqrt(rank) + np.sqrt(rank - 1))

    def whole_reward(loss, groups, age, reward):
        return loss < age + reward(rank_in_group(loss, groups))

    def shifted(loss, groups, age, reward):
        return taken(rank_in_group(loss, groups), loss, age, reward, before=0)

    def as_they_come(loss, groups, age, reward):
        return taken(rank_in_group(np.arange(len(loss)), groups), loss, age, reward)

    traps: list[Any] = [
        (lambda loss, groups, age, reward: loss < age, "What does the first sample of a group earn?"),
        (of_root, "That threshold belongs to the square root. Where does it come from?"),
        (whole_reward, "What does taking the third sample of a group *add* to the reward of two?"),
        (shifted, "What is the reward of no sample, and what does the first one add to it?"),
        (
            lambda loss, groups, age, reward: right(loss, groups * 0, age, reward),
            "Does a sample compete with other groups?",
        ),
        (as_they_come, "In which order should a group give its samples?"),
    ]
    return examine(
        "3.3", mine, _groups_and_rewards(), matches(right),
        "Why must the reward be concave? Try n squared on two samples, all selections by hand, and see what the rule misses.",
        traps,
    )  # fmt: skip


def _losses_and_ages() -> list[Case]:
    cases: list[Any] = [
        ([0.0], 1.0),
        ([0.5], 1.0),
        ([1.0], 1.0),
        ([2.0], 1.0),
        ([0.2, 0.8], 0.4),
        ([3.0, 0.1, 1.0], 2.0),
    ]
    rng = np.random.default_rng(0)
    cases += [(np.round(rng.gamma(1.0, 1.0, n) + 0.01, 2), float(rng.choice([0.2, 0.5, 1, 2]))) for n in range(2, 30)]
    return [{"loss": np.array(loss), "age": age} for loss, age in cases]


def _classes_of_losses() -> list[Case]:
    """Return small classes with many ties; in some of them a product of floats lies just above a whole number."""
    cases: list[Any] = [([0.5], [0], 50), ([0.5], [0], 0), ([0.4, 0.4], [0, 0], 50), ([0.4, 0.4], [0, 0], 51)]
    cases += [([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 50), ([0.3, 0.3, 0.3], [0, 0, 0], 40)]
    rng = np.random.default_rng(1)
    for size in np.repeat([3, 4, 5, 6, 8, 10, 14], 8).tolist():
        labels = rng.integers(0, 3, size)
        cases.append((rng.integers(0, 6, size) / 4, labels, int(rng.choice([0, 10, 25, 30, 50, 75, 90, 100]))))
    for size, percent in ((25, 28), (25, 56), (50, 14)):
        cases.append((rng.permutation(size) / 10, np.zeros(size, dtype=int), percent))
    return [{"loss": np.array(loss), "labels": np.array(labels), "percent": p} for loss, labels, p in cases]


def _groups_and_rewards() -> list[Case]:
    """Return losses that lie clear of every threshold, so that the best selection is one and only."""
    rng = np.random.default_rng(2)
    cases: list[Any] = []
    for size in np.repeat([1, 2, 3, 4, 5, 6, 7, 8], 12).tolist():
        reward = Reward(
            float(rng.choice([0.3, 1, 1.5])), str(rng.choice(["np.sqrt(n)", "np.log1p(n)", "np.minimum(n, 1)"]))
        )
        loss, groups = rng.choice(np.arange(5, 250), size, replace=False) / 100, rng.integers(0, 3, size)
        age = float(rng.choice([0.212, 0.503, 0.998]))
        added = reward(np.arange(1, 9)) - reward(np.arange(8))
        if np.abs(loss[:, None] - age - added).min() > 1e-4:
            cases.append({"loss": loss, "groups": groups, "age": age, "reward": reward})
    return cases
