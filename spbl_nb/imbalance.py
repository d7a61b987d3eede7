"""Imbalance profiles: how many training samples each class keeps, as exact counts.

*Exponential* is the long tail of Cui et al. (2019), *step* the two-level imbalance of Buda et al. (2018),
*odd_classes* the protocol of the SPBL release for MNIST, MIT-67 and Caltech-101, *natural* leaves the sizes as they
are. The imbalance factor is the largest class over the smallest; it may be written as 100 or as 0.01.
"""

import numpy as np

from spbl_nb import checks

PROFILES = ("natural", "exponential", "step", "odd_classes")


def imbalance_factor(factor: float) -> float:
    """Return the imbalance factor as largest over smallest class (at least 1); 0.01 and 100 mean the same."""
    factor = checks.real("factor", factor, 1e-300, 1e300)
    return max(factor, 1.0 / factor)


def describe_factor(factor: float) -> str:
    """Return the factor in both customary notations, e.g. ``"imbalance factor 100 (smallest / largest = 0.01)"``."""
    factor = imbalance_factor(factor)
    return f"imbalance factor {factor:g} (smallest / largest = {1 / factor:g})"


def class_counts(profile: str, num_classes: int, largest: int | np.ndarray, factor: float = 1.0) -> np.ndarray:
    """Return int64[C], the exact number of samples each class keeps.

    *exponential* falls from all of class 0 to 1/factor of the last class in equal ratios; *step* gives the second half of
    the classes 1/factor (an odd one in the middle stays whole); *odd_classes* gives classes 1, 3, 5, … 1/factor.
    ``largest`` is the size of an unreduced class, or int[C], the size of each. Counts are rounded half up. A class left
    without a sample is a ValueError.
    """
    checks.one_of("profile", profile, PROFILES)
    num_classes = checks.integer("num_classes", num_classes, 2, checks.MOST_CLASSES)
    if np.ndim(largest) == 0:
        sizes = np.full(num_classes, checks.integer("largest", largest, 1))
    else:
        sizes = np.asarray(largest)
        if sizes.shape != (num_classes,) or sizes.dtype.kind not in "iu" or sizes.min() < 1:
            raise ValueError(
                f"largest has shape {sizes.shape} and dtype {sizes.dtype}; allowed: one integer, or {num_classes} "
                "integers of at least 1, one per class"
            )
    return _reduced(profile, sizes, imbalance_factor(factor))


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

    ``labels`` int[N]; ``largest`` caps every class before the profile is applied. Which samples of a class go is random
    but nested: with the same seed a larger class contains every smaller one.
    """
    checks.one_of("profile", profile, PROFILES)
    labels = checks.label_array("labels", labels, num_classes)
    seed = checks.integer("seed", seed, 0)
    sizes = np.bincount(labels, minlength=0 if num_classes is None else num_classes)
    if sizes.min() == 0:
        raise ValueError(f"labels hold no sample of class {int(np.argmin(sizes))}; every class needs at least one")
    checks.integer("num_classes", len(sizes), 2)
    if largest is not None:
        sizes = np.minimum(sizes, checks.integer("largest", largest, 1))
    counts = _reduced(profile, sizes, imbalance_factor(factor))
    kept = []
    for index, count in enumerate(counts):
        order = np.random.default_rng([seed, index]).permutation(np.flatnonzero(labels == index))
        kept.append(order[:count])
    return np.sort(np.concatenate(kept))


def _reduced(profile: str, sizes: np.ndarray, factor: float) -> np.ndarray:
    """Return int64[C], what the profile leaves of classes of these sizes."""
    index, number = np.arange(len(sizes)), len(sizes)
    fractions = np.ones(number)
    if profile == "exponential":
        fractions = (1.0 / factor) ** (index / (number - 1))
    elif profile == "step":
        fractions[index >= (number + 1) // 2] = 1.0 / factor
    elif profile == "odd_classes":
        fractions[index % 2 == 1] = 1.0 / factor
    counts = np.floor(sizes * fractions + 0.5).astype(np.int64)
    if counts.min() < 1:
        empty = int(np.argmin(counts))
        raise ValueError(
            f"factor {factor:g} leaves class {empty} without a sample "
            f"({sizes[empty]} x {fractions[empty]:.3g} rounds to 0); take a smaller factor or larger classes"
        )
    return counts
