"""Average precision of detections: the twelve numbers of COCO, calculated by pycocotools.

A detection is right when it overlaps an object of its class, which no better one has taken, by a threshold; average
precision is the area under precision over recall as the score falls. Everything is measured in the pixels of the files,
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
    """Return the twelve numbers of COCO (:data:`NUMBERS`), each in [0, 1]; NaN where there is no such object.

    ``rows`` int64[n] are images of ``data``, each once, and ``detections`` what was found in each, in pixels of
    ``data.images``. Finding an ignored box is neither right nor wrong.
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
    """Return the content of a COCO annotation file as an indexed :class:`pycocotools.coco.COCO`."""
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
        scale, place = data.scale[row], slice(data.first[row], data.first[row + 1])
        true = zip(data.boxes[place], data.labels[place], data.ignored[place], data.areas[place], strict=True)
        for box, label, crowd, area in true:
            extra = {
                "id": len(truth) + 1,
                "area": float(area),
                "iscrowd": int(crowd),
            }  # an id of 0 would mean unmatched
            truth.append(_entry(row, label, box / scale) | extra)
        for box, label, score in zip(mine.boxes, mine.labels, mine.scores, strict=True):
            found.append(_entry(row, label, box / scale) | {"score": float(score)})
    images = [{"id": int(row)} for row in rows]
    categories = [{"id": index} for index in range(data.num_classes)]
    there = coco_index({"images": images, "categories": categories, "annotations": truth})
    with contextlib.redirect_stdout(io.StringIO()):
        nothing = coco_index(there.dataset | {"annotations": []})
        evaluation = COCOeval(there, there.loadRes(found) if found else nothing, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _entry(row: int, label: int, box: np.ndarray) -> dict[str, Any]:
    """Return a box as COCO writes it: left, top, width and height."""
    left, top, right, bottom = (float(value) for value in box)
    return {"image_id": int(row), "category_id": int(label), "bbox": [left, top, right - left, bottom - top]}
