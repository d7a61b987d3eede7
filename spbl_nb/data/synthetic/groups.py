"""Synthetic images of skin with several lesions, each with the box around it: data to learn detection from.

The lesions are those of :mod:`spbl_nb.data.synthetic.draw`, made smaller and put in different places on one skin under one lamp.
Layers of pigment add up, so nothing is pasted: a lesion on dark skin looks as it would there. A box is the smallest
that holds what is painted of the lesion, which is known exactly because it is drawn.

An image depends on seed, stream and its position alone: more images begin with the fewer.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spbl_nb import checks
from spbl_nb.data.synthetic.draw import MAX_CLASSES, checked_difficulty, scenes_of_class
from spbl_nb.data.synthetic.painting import Layers, Scenes, lesion_layers, paint_with_layers, points_of, uniform

SMALLEST, LARGEST = 48, 512  # image sides, pixels
MOST = 8  # lesions in an image at most
LEAST_SIDE = 4.0  # pixels; of which less is seen counts as no lesion
_PLACING, _SKIN = 10_000, 10_001  # keys of the random streams beside those of the classes
_TRIES = 6  # places tried for a lesion before it is dropped
_ZOOM = 1.6, 3.8  # lesions are smaller than in an image of one lesion by a factor in this range
_REACH = 0.85  # centres are at most so many half image sides from the middle
_INSIDE = 0.3  # opacity from which a point belongs to a lesion


@dataclass(frozen=True)
class LesionGroups:
    """Drawn images ``images`` uint8[N,3,size,size] and their lesions, in the order of the images.

    ``owner`` int64[M] is the image of each lesion, ``boxes`` float32[M,4] its (left, top, right, bottom) in pixels,
    ``labels`` int64[M] its class.
    """

    images: np.ndarray
    owner: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def draw(
    count: int,
    size: int = 96,
    seed: int = 0,
    *,
    num_classes: int = 6,
    least: int = 1,
    most: int = 4,
    factor: float = 1.0,
    difficulty: Sequence[float] | np.ndarray | float | None = 0.0,
    stream: int = 0,
) -> LesionGroups:
    """Draw ``count`` images of skin with ``least`` to ``most`` lesions each; where they find no room, fewer.

    Parameters
    ----------
    size : image side in pixels, 48 to 512.
    num_classes : C, 2 to ``MAX_CLASSES``.
    least, most : 0 to 8 lesions.
    factor : imbalance factor, at least 1: class 0 is so many times as frequent as the last; between them frequencies
        fall exponentially.
    difficulty : float[C] or one number for all, in [0, 1], as in :func:`spbl_nb.data.synthetic.draw.draw`.
    seed, stream : 0 or larger; other streams hold other images (0 for training, 1 for testing).

    Raises ValueError naming the argument, what was found and what is allowed.
    """
    count = checks.integer("count", count, 1)
    size = checks.integer("size", size, SMALLEST, LARGEST)
    key = (checks.integer("seed", seed, 0), checks.integer("stream", stream, 0))
    num_classes = checks.integer("num_classes", num_classes, 2, MAX_CLASSES)
    most = checks.integer("most", most, 0, MOST)
    least = checks.integer("least", least, 0, most)
    difficulty = checked_difficulty(difficulty, num_classes)
    chance = checks.real("factor", factor, 1) ** -(np.arange(num_classes) / (num_classes - 1))

    numbers = uniform((*key, _PLACING), count, 1 + MOST * (2 + 2 * _TRIES))
    wanted = least + np.floor(numbers[:, 0] * (most - least + 1)).astype(np.int64)
    draws = numbers[:, 1:].reshape(count, MOST, -1)
    owner, place = np.nonzero(np.arange(MOST) < wanted[:, None])
    labels = np.searchsorted(np.cumsum(chance / chance.sum())[:-1], draws[owner, place, 0], side="right")
    group = _scenes(key, labels, difficulty)
    zoom = np.float32(_ZOOM[0]) * np.float32(_ZOOM[1] / _ZOOM[0]) ** draws[owner, place, 1]
    tries = _REACH * (2 * draws[owner, place, 2:].reshape(-1, _TRIES, 2) - 1)
    radius = 1.1 * group.look["radius"] * np.sqrt(group.look["elongation"]) / zoom
    centre, placed = _find_room(owner, radius, tries)
    group = dataclasses.replace(
        group, view=group.view | {"zoom": zoom, "shift_x": centre[:, 0], "shift_y": centre[:, 1]}
    )
    skins = scenes_of_class((key[0], key[1] + _SKIN), 0, count, np.zeros(num_classes))
    return _paint(skins, group, owner, labels, placed, size)


def _scenes(key: tuple[int, int], labels: np.ndarray, difficulty: np.ndarray) -> Scenes:
    """Return the numbers behind lesions of the given classes, in that order."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(difficulty))
    parts = [scenes_of_class(key, int(c), int(counts[c]), difficulty) for c in np.flatnonzero(counts)]
    if not parts:
        parts = [scenes_of_class(key, 0, 1, difficulty)]  # of which no row is taken
    back = np.argsort(order, kind="stable")
    look, skin, view = (
        {
            name: np.concatenate([getattr(part, table)[name] for part in parts])[back]
            for name in getattr(parts[0], table)
        }
        for table in ("look", "skin", "view")
    )
    waves, hairs = (np.concatenate([getattr(part, name) for part in parts])[back] for name in ("waves", "hairs"))
    return Scenes(look, skin, view, waves, hairs)


def _find_room(owner: np.ndarray, radius: np.ndarray, tries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (centres float32[M,2], bool[M] whether one was found) so that no lesions of an image overlap."""
    centre, placed = np.zeros((len(owner), 2), dtype=np.float32), np.zeros(len(owner), dtype=bool)
    first = np.searchsorted(owner, owner)
    for index in range(len(owner)):
        others = first[index] + np.flatnonzero(placed[first[index] : index])
        away = np.linalg.norm(tries[index][:, None] - centre[others], axis=2)
        free = (away > radius[others] + radius[index]).all(axis=1)
        if free.any():
            centre[index], placed[index] = tries[index][free.argmax()], True
    return centre, placed


def _paint(
    skins: Scenes, group: Scenes, owner: np.ndarray, labels: np.ndarray, placed: np.ndarray, size: int
) -> LesionGroups:
    """Paint image by image, and measure the boxes on the way."""
    images = np.empty((len(skins), 3, size, size), dtype=np.uint8)
    boxes = np.zeros((len(owner), 4), dtype=np.float32)
    ends = np.searchsorted(owner, np.arange(len(skins) + 1))
    for image in range(len(skins)):
        rows = ends[image] + np.flatnonzero(placed[ends[image] : ends[image + 1]])
        block = group.block(rows)
        lamp = skins.block(slice(image, image + 1))
        lit = {name: np.broadcast_to(lamp.view[name], (len(rows), 1, 1)) for name in ("light_angle", "defocus")}
        layers = lesion_layers(dataclasses.replace(block, view=block.view | lit), size)
        boxes[rows] = _boxes(layers.mask) * (size / points_of(size))
        images[image] = paint_with_layers(lamp, size, _joined(layers))[0]
    seen = placed & ((boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= LEAST_SIDE)
    return LesionGroups(images, owner[seen], boxes[seen], labels[seen])


def _joined(layers: Layers) -> Layers:
    """Return several lesions as one block of one: densities add, covers and gloss show the strongest, reliefs multiply."""
    return Layers(
        layers.mask.max(axis=0, initial=0)[None],
        layers.pigments.sum(axis=0)[None],
        layers.keratin.max(axis=0, initial=0)[None],
        layers.relief.prod(axis=0)[None],
        layers.gloss.max(axis=0, initial=0)[None],
    )


def _boxes(mask: np.ndarray) -> np.ndarray:
    """Return float[K,4], the smallest boxes (left, top, right, bottom; points) around masks [K,S,S]; all 0 if empty."""
    inside = mask > _INSIDE
    found = np.zeros((len(mask), 4), dtype=np.float32)
    for side, axis in ((0, 1), (1, 2)):
        line = np.asarray(inside.any(axis=axis))
        filled = np.asarray(line.any(axis=1))
        found[filled, side] = line[filled].argmax(axis=1)
        found[filled, side + 2] = line.shape[1] - line[filled, ::-1].argmax(axis=1)
    return found
