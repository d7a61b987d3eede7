"""Average precision of detections: the twelve numbers of COCO, calculated by pycocotools.

A detection is right when it overlaps an object of its class by a threshold that nothing else has taken; average
precision is the area under precision over recall as the score falls. ``AP`` is the mean over the thresholds 0.50, 0.55,
… 0.95 of intersection over union and over the classes that occur. Everything is measured in the pixels of the files,
because "small" is below 32 x 32 pixels and "large" from 96 x 96.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from spbl_nb.detection.dataset import DetectionData, Detections

NUMBERS: dict[str, str] = {
    "AP": "average precision, mean over the overlaps 0.50 to 0.95",
    "AP50": "average precision at an overlap of 0.50",
    "AP75": "average precision at an overlap of 0.75",
    "AP_small": "AP of objects below 32 x 32 pixels",
    "AP_medium": "AP of objects from 32 x 32 to 96 x 96 pixels",
    "AP_large": "AP of objects from 96 x 96 pixels",
    "AR_1": "recall with one detection an image and class, mean over overlaps",
    "AR_10": "recall with ten detections",
    "AR_100": "recall with a hundred detections",
    "AR_small": "recall of small objects",
    "AR_medium": "recall of medium objects",
    "AR_large": "recall of large objects",
}


def coco_numbers(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> dict[str, float]:
    """Return the twelve numbers of COCO, each in [0, 1]; see :data:`NUMBERS`. NaN where there is no such object.

    ``rows`` int64[n] are images of ``data``, each once, and ``detections`` what was found in each, in pixels of
    ``data.images``. Ignored boxes (crowds, difficult objects) count as crowds do in COCO: finding them is neither right
    nor wrong.
    """
    evaluation = _evaluate(data, rows, detections)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints the table
        evaluation.summarize()
    return {
        name: float(value) if value >= 0 else float("nan")
        for name, value in zip(NUMBERS, evaluation.stats, strict=True)
    }


def per_class(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> np.ndarray:
    """Return float64[C], the average precision ``AP`` of each class; NaN for a class without an object in ``rows``."""
    precision = _evaluate(data, rows, detections).eval["precision"][:, :, :, 0, -1]  # [overlaps, recalls, C]
    mean = precision.mean(axis=(0, 1))
    return np.where(mean < 0, np.nan, mean)


def coco_index(content: dict[str, Any]) -> Any:
    """Return what a COCO annotation file holds as an indexed :class:`pycocotools.coco.COCO`."""
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools says what it does
        coco = COCO()
        coco.dataset = content
        coco.createIndex()
    return coco


def _evaluate(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> Any:
    """Hand truth and findings to pycocotools as a COCO data set in memory, and let it match them."""
    from pycocotools.cocoeval import COCOeval

    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for row, mine in zip(rows, detections, strict=True):
        place = slice(data.first[row], data.first[row + 1])
        true = zip(data.boxes[place], data.labels[place], data.ignored[place], data.areas[place], strict=True)
        for box, label, crowd, area in true:
            extra = {"area": float(area), "iscrowd": int(crowd)}
            truth.append(_entry(len(truth), row, label, box / data.scale[row]) | extra)
        for box, label, score in zip(mine.boxes, mine.labels, mine.scores, strict=True):
            found.append(_entry(len(found), row, label, box / data.scale[row]) | {"score": float(score)})
    common = {
        "images": [{"id": int(row)} for row in rows],
        "categories": [{"id": index, "name": name} for index, name in enumerate(data.class_names)],
    }
    sides = [coco_index(common | {"annotations": entries}) for entries in (truth, found)]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _entry(index: int, row: int, label: int, box: np.ndarray) -> dict[str, Any]:
    """Return a box as COCO writes it; ids start at 1, because 0 means unmatched."""
    left, top, right, bottom = (float(value) for value in box)
    size = right - left, bottom - top
    entry = {"id": index + 1, "image_id": int(row), "category_id": int(label), "bbox": [left, top, *size]}
    return entry | {"area": size[0] * size[1], "iscrowd": 0}
