"""Imbalance profiles: how many training samples each class keeps, as exact counts.

A profile turns class sizes into smaller ones. *Exponential* is the long tail of Cui et al. (2019), *step* the two-level
imbalance of Buda et al. (2018), *odd_classes* the protocol of the SPBL release for MNIST, MIT-67 and Caltech-101 (every
second class keeps one tenth), *natural* leaves the sizes as they are. The imbalance factor is the largest class
over the smallest; both ways of writing it (100 or 0.01) are accepted everywhere.

Taught in: notebooks/01_data, section 1.
"""

import numpy as np

from spbl_nb import checks

PROFILES = ("natural", "exponential", "step", "odd_classes")


def imbalance_factor(factor: float) -> float:
    """Return the imbalance factor as largest over smallest class (at least 1); 0.01 and 100 mean the same.

    Raises ValueError when ``factor`` is not a number from 1e-300 to 1e300.
    """
    factor = checks.real("factor", factor, 1e-300, 1e300)
    return max(factor, 1.0 / factor)


def describe_factor(factor: float) -> str:
    """Return the factor in both customary notations, e.g. ``"imbalance factor 100 (smallest / largest = 0.01)"``."""
    factor = imbalance_factor(factor)
    return f"imbalance factor {factor:g} (smallest / largest = {1 / factor:g})"


def keep_fractions(profile: str, num_classes: int, factor: float = 1.0) -> np.ndarray:
    """Return float64[C], the share of its samples that each class keeps.

    Classes count from 0: *exponential* falls from 1 (class 0) to 1/factor (last class) in equal ratios; *step* gives
    the second half of the classes 1/factor (with an odd number the middle class stays whole); *odd_classes* gives
    classes 1, 3, 5, … 1/factor; *natural* gives everyone 1.
    """
    checks.one_of("profile", profile, PROFILES)
    num_classes = checks.class_number("num_classes", num_classes, 2)
    smallest = 1.0 / imbalance_factor(factor)
    index = np.arange(num_classes)
    if profile == "exponential":
        return smallest ** (index / (num_classes - 1))
    if profile == "step":
        return np.where(index >= (num_classes + 1) // 2, smallest, 1.0)
    if profile == "odd_classes":
        return np.where(index % 2 == 1, smallest, 1.0)
    return np.ones(num_classes)


def class_counts(profile: str, num_classes: int, largest: int | np.ndarray, factor: float = 1.0) -> np.ndarray:
    """Return int64[C], the exact number of samples each class keeps.

    ``largest`` is the size of an unreduced class, or int[C], the samples at hand in each class (then every class is
    reduced relative to its own size, as the release does). Counts are rounded half up. A class that would be left
    with no sample is a ValueError naming the class, because a class without training samples cannot be learnt.
    """
    fractions = keep_fractions(profile, num_classes, factor)
    sizes = checks.as_array("largest", largest)
    if sizes.ndim == 0:
        sizes = np.full(num_classes, checks.integer("largest", largest, 1))
    elif sizes.shape != (num_classes,) or sizes.dtype.kind not in "iu" or sizes.min() < 1:
        raise ValueError(
            f"largest has shape {sizes.shape} and dtype {sizes.dtype}; allowed: one integer, or {num_classes} integers "
            "of at least 1, one per class"
        )
    if sizes.max() > checks.MOST_SAMPLES:
        raise ValueError(f"largest is {sizes.max()}; allowed: up to {checks.MOST_SAMPLES:,} samples of a class")
    counts = np.floor(sizes * fractions + 0.5).astype(np.int64)
    if counts.min() < 1:
        empty = int(np.argmin(counts))
        raise ValueError(
            f"factor {imbalance_factor(factor):g} leaves class {empty} without a sample "
            f"({sizes[empty]} x {fractions[empty]:.3g} rounds to 0); take a smaller factor or larger classes"
        )
    return counts


def subsample(
    labels: np.ndarray,
    profile: str,
    factor: float = 1.0,
    *,
    largest: int | None = None,
    num_classes: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Return int64 indices (ascending) of the samples that a profile keeps.

    ``labels`` int[N]; ``largest`` caps every class before the profile is applied. Which samples of a class go is
    random but nested: with the same seed a larger class size contains every smaller one, so that moving the factor
    adds or removes samples and never swaps them.
    """
    labels = checks.label_array("labels", labels, num_classes)
    num_classes = int(labels.max()) + 1 if num_classes is None else num_classes
    seed = checks.integer("seed", seed, 0)
    sizes = np.bincount(labels, minlength=num_classes)
    if sizes.min() == 0:
        raise ValueError(f"labels hold no sample of class {int(np.argmin(sizes))}; every class needs at least one")
    if largest is not None:
        sizes = np.minimum(sizes, checks.integer("largest", largest, 1))
    counts = class_counts(profile, num_classes, sizes, factor)
    kept = []
    for index in range(num_classes):
        order = np.random.default_rng([seed, index]).permutation(np.flatnonzero(labels == index))
        kept.append(order[: counts[index]])
    return np.sort(np.concatenate(kept))
