"""Boxes around objects, as (left, top, right, bottom) in pixels, and their checks.

Left and top are inside the box, right and bottom just beyond it: a box that covers the first pixel is (0, 0, 1, 1), its
width is right - left. A wrong box among thousands is found by number, and told by what is wrong with it.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

from collections.abc import Iterable

import numpy as np

from spbl_nb import checks

LEFT, TOP, RIGHT, BOTTOM = range(4)
ROUNDING = 1.0  # pixels by which annotations may reach over the border of a picture; they are cut there


def faults(boxes: np.ndarray, sizes: np.ndarray | tuple[int, int]) -> list[tuple[int, str]]:
    """Return (index, what is wrong in words) of every box of float[M,4] that is no box in its picture.

    ``sizes`` float[M,2] or [2] are height and width of the picture, pixels. Wrong are coordinates that are not finite,
    corners the wrong way round, boxes without area, and boxes that reach out of the picture by more than
    :data:`ROUNDING`.
    """
    boxes, sizes = checks.float_array("boxes", boxes), checks.float_array("sizes", sizes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes has shape {boxes.shape}; allowed: [M,4], each (left, top, right, bottom) in pixels")
    if sizes.shape not in ((2,), (len(boxes), 2)):
        raise ValueError(f"sizes has shape {sizes.shape}; allowed: [2] or [{len(boxes)},2], height and width in pixels")
    height, width = np.broadcast_to(sizes, (len(boxes), 2)).T
    with np.errstate(invalid="ignore"):
        extent = boxes[:, [RIGHT, BOTTOM]] - boxes[:, [LEFT, TOP]]
        tests = {
            "has a coordinate that is not finite": ~np.isfinite(boxes).all(axis=1),
            "is inverted (right before left, or bottom above top)": (extent < 0).any(axis=1),
            "is empty (no width or no height)": (extent == 0).any(axis=1),
            "reaches out of the picture": (boxes[:, :2].min(axis=1, initial=0) < -ROUNDING)
            | (boxes[:, RIGHT] > width + ROUNDING)
            | (boxes[:, BOTTOM] > height + ROUNDING)
            | (np.minimum(boxes[:, RIGHT], width) <= np.maximum(boxes[:, LEFT], 0))
            | (np.minimum(boxes[:, BOTTOM], height) <= np.maximum(boxes[:, TOP], 0)),
        }
    found: dict[int, str] = {}
    for words, wrong in tests.items():
        for index in np.flatnonzero(wrong):
            found.setdefault(int(index), f"{words}, picture of {width[index]:g} x {height[index]:g}")
    return sorted(found.items())


def checked(name: str, boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return float32[M,4], ``boxes`` cut at the border of their pictures, or raise ValueError naming the first wrong one."""
    boxes, sizes = checks.float_array(name, boxes), checks.float_array("sizes", sizes)
    if wrong := faults(boxes, sizes):
        index, words = wrong[0]
        raise ValueError(
            f"{name}[{index}] {described(boxes[index])} {words}; {len(wrong)} of {len(boxes)} boxes are wrong; "
            "allowed: left < right and top < bottom, inside the picture"
        )
    return clipped(boxes, sizes)


def described(box: Iterable[float]) -> str:
    """Return a box as short text."""
    return "(" + ", ".join(f"{value:g}" for value in box) + ")"


def clipped(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return float32[M,4], boxes cut at the border of pictures of ``sizes`` [M,2] or [2], height and width."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    height, width = np.broadcast_to(sizes, (len(boxes), 2)).T
    limits = np.stack([width, height, width, height], axis=1)
    return np.clip(boxes, 0, limits).astype(np.float32)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Return float64[M], width times height of float[M,4]."""
    boxes = np.asarray(boxes, dtype=np.float64)
    return (boxes[:, RIGHT] - boxes[:, LEFT]) * (boxes[:, BOTTOM] - boxes[:, TOP])


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return float64[M,K], intersection over union of each of float[M,4] with each of float[K,4]."""
    first, second = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (first, second))
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    return shared / (areas(first)[:, None] + areas(second)[None] - shared)
