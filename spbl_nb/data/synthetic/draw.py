"""Synthetic RGB images of skin lesions whose classes have a rarity *and*, independently, a difficulty.

The caller gives the number of images of each class (rarity) and a number in [0, 1] (difficulty): a difficult class drifts
towards the look of its sibling class and varies more, so that some of its images cannot be told from the sibling's,
while every label stays true. Everything is drawn, nothing is photographed, and no class is a disease.

Each class, and each purpose in it, has a random stream of its own: an image depends on seed, stream, class, position
in the class and the class's difficulty alone, not on how many images are drawn, nor on the size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from spbl_nb import checks
from spbl_nb.data.synthetic.classes import (
    MAX_CLASSES,
    TRAITS,
    LesionClass,
    class_prototypes,
    default_difficulty,
    sibling,
)
from spbl_nb.data.synthetic.painting import FIELDS, HAIRS, SKIN_RANGES, VIEW_RANGES, WAVES, Scenes, paint, uniform

__all__ = ["MAX_CLASSES", "LesionClass", "Lesions", "class_prototypes", "default_difficulty", "draw", "sibling"]

SMALLEST, LARGEST = 16, 224  # image sides, pixels
_PURPOSES = ("drift", "look", "skin", "waves", "hairs", "view")  # the position is part of the stream's key: append only
_DRIFTING = 0.55  # share of a class of difficulty 1 that drifts: 0.35 past the middle, 0.15 all the way
_RAMP = 0.4  # share of a class between the first lesion that drifts and the first that has arrived
_GOLDEN = (5**0.5 - 1) / 2  # multiples modulo 1 spread evenly, so that few lesions already hold their share of drift
_WIDENING = 0.8  # at difficulty 1 the spread of every trait is larger by this factor of itself


@dataclass(frozen=True)
class Lesions:
    """Drawn images: ``images`` uint8[N,3,size,size], ``labels`` int64[N], ``groups`` int64[N] (one number a lesion)."""

    images: np.ndarray
    labels: np.ndarray
    groups: np.ndarray


def draw(
    counts: Sequence[int] | np.ndarray,
    difficulty: Sequence[float] | np.ndarray | float | None = None,
    size: int = 32,
    seed: int = 0,
    *,
    pictures_per_lesion: int = 1,
    stream: int = 0,
) -> Lesions:
    """Draw synthetic skin lesions, ordered by class.

    Parameters
    ----------
    counts : int[C], images of each class (0 is allowed); C is the number of classes, 2 to ``MAX_CLASSES``.
    difficulty : float[C] or one number for all, in [0, 1]; None: :func:`default_difficulty`.
    size : image side in pixels, 16 to 224; the same lesions at every size.
    seed : 0 or larger.
    pictures_per_lesion : photographs of one lesion, which differ in viewpoint and light; the last lesion of a class
        may have fewer.
    stream : 0 or larger; other streams hold other lesions of the same classes (0 for training, 1 for testing, …).

    Raises ValueError naming the argument, what was found and what is allowed.
    """
    counts = _checked_counts(counts)
    difficulty = checked_difficulty(difficulty, len(counts))
    size = checks.integer("size", size, SMALLEST, LARGEST)
    views = checks.integer("pictures_per_lesion", pictures_per_lesion, 1)
    key = (checks.integer("seed", seed, 0), checks.integer("stream", stream, 0))

    images = np.empty((int(counts.sum()), 3, size, size), dtype=np.uint8)
    ends = np.cumsum(counts)
    for index in np.flatnonzero(counts):
        scenes = scenes_of_class(key, int(index), int(counts[index]), difficulty, views)
        images[ends[index] - counts[index] : ends[index]] = paint(scenes, size)
    lesions = -(-counts // views)
    groups = [
        first + np.arange(count) // views for first, count in zip(np.cumsum(lesions) - lesions, counts, strict=True)
    ]
    return Lesions(images, np.repeat(np.arange(len(counts), dtype=np.int64), counts), np.concatenate(groups))


def scenes_of_class(key: tuple[int, int], index: int, count: int, difficulty: np.ndarray, views: int = 1) -> Scenes:
    """Return the numbers behind ``count`` images of the class ``index``; ``key`` is (seed, stream).

    ``difficulty`` float[C] has that of every class; ``views`` images show the same lesion.
    """
    prototypes = _prototype_table(len(difficulty))
    own, other = prototypes[index], prototypes[sibling(index, len(difficulty))]
    return _scenes((*key, index), count, views, own, other, difficulty[index])


def _checked_counts(counts: object) -> np.ndarray:
    array = np.asarray(counts)
    one_per_class = array.ndim == 1 and 2 <= len(array) <= MAX_CLASSES and array.dtype.kind in "iu"
    if not one_per_class or array.min() < 0 or not array.any():
        raise ValueError(
            f"counts is {counts!r:.80}; allowed: 2 to {MAX_CLASSES} integers of 0 or more, the number of images of each class, "
            "not all 0"
        )
    return array.astype(np.int64)


def checked_difficulty(difficulty: Any, num_classes: int) -> np.ndarray:
    """Return float64[C] from one number for all classes, one for each, or None for the default."""
    if difficulty is None:
        return default_difficulty(num_classes)
    if np.ndim(difficulty) == 0:
        return np.full(num_classes, checks.real("difficulty", difficulty, 0, 1))
    array = checks.finite_array("difficulty", difficulty, ndim=1, length=num_classes, per="class")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"difficulty reaches from {array.min():g} to {array.max():g}; allowed: numbers in [0, 1]")
    return array


@lru_cache(maxsize=8)
def _prototype_table(num_classes: int) -> np.ndarray:
    """Return float64[C,T], the typical value of every trait of every class."""
    return np.array([[getattr(prototype, name) for name in TRAITS] for prototype in class_prototypes(num_classes)])


def _scenes(
    key: tuple[int, ...], count: int, views: int, own: np.ndarray, other: np.ndarray, difficulty: float
) -> Scenes:
    """Draw the numbers behind ``count`` images of one class; what belongs to a lesion is shared by its views."""

    def stream(purpose: str, rows: int, columns: int) -> np.ndarray:
        return uniform((*key, _PURPOSES.index(purpose)), rows, columns)

    lesions = -(-count // views)
    rows = np.arange(count) // views
    drift = (stream("drift", 1, 1)[0] + np.arange(lesions) * _GOLDEN) % 1
    look = _looks(drift, stream("look", lesions, 2 * len(TRAITS)), own, other, difficulty)
    skin = stream("skin", lesions, len(SKIN_RANGES))
    waves = stream("waves", lesions, len(FIELDS) * WAVES * 2)
    hairs = stream("hairs", lesions, HAIRS * 4)
    view = stream("view", count, len(VIEW_RANGES))
    return Scenes(
        look={name: values[rows] for name, values in zip(TRAITS, look.T, strict=True)},
        skin={name: values[rows] for name, values in _into_ranges(skin, SKIN_RANGES).items()},
        view=_into_ranges(view, VIEW_RANGES),
        waves=waves.reshape(lesions, len(FIELDS), WAVES, 2)[rows],
        hairs=hairs.reshape(lesions, HAIRS, 4)[rows],
    )


def _looks(drift: np.ndarray, uniform: np.ndarray, own: np.ndarray, other: np.ndarray, difficulty: float) -> np.ndarray:
    """Return float32[N,T], the traits of N lesions of a class.

    A lesion is (1 - w) own + w other + noise. w, the weight of the sibling's look, is 0 for most lesions of an easy
    class; beyond a difficulty that is the lower, the larger the lesion's ``drift`` in [0, 1), it rises smoothly to 1.
    The noise of a trait is triangular with the trait's spread as standard deviation, widened by the factor
    1 + ``_WIDENING`` difficulty. The sum is clipped to the trait's bounds.
    """
    fields = LesionClass.__dataclass_fields__
    spread = np.array([fields[name].metadata["spread"] for name in TRAITS])
    low, high = np.array([fields[name].metadata["range"] for name in TRAITS]).T
    ramp = np.clip((drift[:, None] - 1 + _DRIFTING * difficulty) / _RAMP, 0, 1)
    weight = ramp * ramp * (3 - 2 * ramp)
    first, second = np.split(uniform.astype(np.float64), 2, axis=1)
    noise = (first + second - 1) * 6**0.5
    values = own + weight * (other - own) + (1 + _WIDENING * difficulty) * spread * noise
    return np.clip(values, low, high).astype(np.float32)


def _into_ranges(uniform: np.ndarray, ranges: dict[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    """Map the columns of ``uniform`` to the named ranges."""
    return {
        name: np.float32(low) + np.float32(high - low) * column
        for column, (name, (low, high)) in zip(uniform.T, ranges.items(), strict=True)
    }
