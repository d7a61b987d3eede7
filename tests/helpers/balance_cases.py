"""What the tests of balance learning share: the release's arrays, and draws of complexities."""

import math
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

FOLDER = Path(__file__).parents[1] / "reference"
CASES = range(5)
WITH_TIES = (2, 3, 4)
NAN, INF = math.nan, math.inf

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
