"""Checkers of the exercises of notebook 03: a form of weights derived, an exact quota, and any reward for diversity."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spbl_nb.exercises.check import Case, Trap, Verdict, examine, matches, named

_SHAPES: dict[str, Callable] = {
    "np.sqrt(n)": np.sqrt,
    "np.log1p(n)": np.log1p,
    "np.minimum(n, 1)": lambda n: np.minimum(n, 1),
}


@dataclass(frozen=True)
class Reward:
    """A concave reward for taking n samples of a group, 0 for none: ``strength`` times a function named by its formula."""

    strength: float
    formula: str

    def __call__(self, n: np.ndarray) -> np.ndarray:
        """Return the reward of n samples, a number or an array."""
        return self.strength * _SHAPES[self.formula](np.asarray(n, dtype=float))

    def __repr__(self) -> str:
        return f"lambda n: {self.strength:g} * {self.formula}"


def check_root_weights(mine: Callable) -> Verdict:
    """Check exercise 3.1, ``mine(loss, age) -> float[N]``: the weights that belong to f(v) = -2 age sqrt(v)."""

    def right(loss, age):
        return (age / np.maximum(loss, age)) ** 2

    def hard(loss, age):
        return (loss < age).astype(float)

    traps: list[Trap] = [
        (lambda loss, age: (age / loss) ** 2, "May a weight be larger than 1? Where is the best v then?"),
        (hard, "Is v = 0 the best that a sample above the age can do? Try a small v."),
        (lambda loss, age: age / np.maximum(loss, age), "Put your v into the derivative of v*loss + f(v). Is it 0?"),
    ]
    praise = (
        "No sample is ever quite out under this f. What does that do to a wrong label, compared with the linear form?"
    )
    return examine("3.1", mine, _losses_and_ages(), matches(right), praise, traps)


def check_exact_quota(mine: Callable) -> Verdict:
    """Check exercise 3.2, ``mine(loss, labels, percent) -> bool[N]``: the easiest per cent of every class, rounded up."""

    def quota(loss, labels, of_count):
        selected = np.zeros(len(loss), dtype=bool)
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            selected[own[np.argsort(loss[own], kind="stable")[: int(of_count(len(own)))]]] = True
        return selected

    def right(loss, labels, percent):
        return quota(loss, labels, lambda n: -(-n * percent // 100))

    def for_all(loss, labels, percent):
        return right(loss, np.zeros_like(labels), percent)

    def rounded_down(loss, labels, percent):
        return quota(loss, labels, lambda n: n * percent // 100)

    def in_floats(loss, labels, percent):
        return quota(loss, labels, lambda n: np.ceil(percent / 100 * n))

    traps: list[Trap] = [
        (for_all, "Who got the places: the easiest of all, or the easiest of each class?"),
        (rounded_down, "Rounded down, what does a class of one sample get at 50 per cent?"),
        (in_floats, "How many samples are 28 per cent of 25? And what does Python say of 0.28 * 25?"),
    ]
    praise = "The release takes the product in floats, and so does `pace.select_easiest`: it admits 8 of 25 at a share of 0.28."
    return examine("3.2", mine, _classes_of_losses(), matches(right), praise, traps)


def check_diverse_selection(mine: Callable) -> Verdict:
    """Check exercise 3.3, ``mine(loss, groups, age, reward) -> bool[N]``: SPLD with any concave reward."""

    def rank_in_group(loss, groups):
        return np.array([np.sum((groups == own) & (loss < at)) + 1 for at, own in zip(loss, groups, strict=True)])

    def right(loss, groups, age, reward):
        rank = rank_in_group(loss, groups)
        return loss < age + reward(rank) - reward(rank - 1)

    def of_root(loss, groups, age, reward):
        rank = rank_in_group(loss, groups)
        return loss < age + reward(1) / (np.sqrt(rank) + np.sqrt(rank - 1))

    def whole_reward(loss, groups, age, reward):
        return loss < age + reward(rank_in_group(loss, groups))

    traps: list[Trap] = [
        (lambda loss, groups, age, reward: loss < age, "What does the first sample of a group earn?"),
        (of_root, "That threshold belongs to the square root. Where does it come from?"),
        (whole_reward, "What does taking the third sample of a group *add* to the reward of two?"),
    ]
    praise = "Why must the reward be concave? Try n squared on two samples, all selections by hand, and see what the rule misses."
    return examine("3.3", mine, _groups_and_rewards(), matches(right), praise, traps)


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
    return named("loss age", cases)


def _classes_of_losses() -> list[Case]:
    """Return small classes with many ties; in some of them a product of floats is just above a whole number."""
    cases: list[Any] = [([0.5], [0], 50), ([0.5], [0], 0), ([0.4, 0.4], [0, 0], 50), ([0.4, 0.4], [0, 0], 51)]
    cases += [([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 50), ([0.3, 0.3, 0.3], [0, 0, 0], 40)]
    rng = np.random.default_rng(1)
    for size in np.repeat([3, 4, 5, 6, 8, 10, 14], 8).tolist():
        labels = rng.integers(0, 3, size)
        cases.append((rng.integers(0, 6, size) / 4, labels, int(rng.choice([0, 10, 25, 30, 50, 75, 90, 100]))))
    for size, percent in ((25, 28), (25, 56), (50, 14)):
        cases.append((rng.permutation(size) / 10, np.zeros(size, dtype=int), percent))
    return named("loss labels percent", cases)


def _groups_and_rewards() -> list[Case]:
    """Return losses that are clear of every threshold, so that the best selection is one and only."""
    rng = np.random.default_rng(2)
    cases = []
    for size in np.repeat([1, 2, 3, 4, 5, 6, 7, 8], 12).tolist():
        reward = Reward(float(rng.choice([0.3, 1, 1.5])), str(rng.choice(list(_SHAPES))))
        loss, groups = rng.choice(np.arange(5, 250), size, replace=False) / 100, rng.integers(0, 3, size)
        age = float(rng.choice([0.212, 0.503, 0.998]))
        added = reward(np.arange(1, 9)) - reward(np.arange(8))
        if np.abs(loss[:, None] - age - added).min() > 1e-4:
            cases.append((loss, groups, age, reward))
    return named("loss groups age reward", cases)
