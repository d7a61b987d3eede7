"""Average precision of detections: the twelve numbers of COCO, calculated by pycocotools.

A detection is right when it overlaps an object of its class by a threshold that nothing else has taken; average
precision is the area under precision over recall as the score falls. ``AP`` is the mean over the thresholds 0.50, 0.55,
… 0.95 of intersection over union and over the classes that occur. Everything is measured in the pixels of the files,
for "small" is below 32 x 32 pixels and "large" from 96 x 96.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from spbl_nb import checks
from spbl_nb.detection.dataset import DetectionData, Detections

NUMBERS: dict[str, str] = {
    "AP": "average precision, mean over the overlaps 0.50 to 0.95",
    "AP50": "average precision at an overlap of 0.50",
    "AP75": "average precision at an overlap of 0.75",
    "AP_small": "AP of objects below 32 x 32 pixels",
    "AP_medium": "AP of objects from 32 x 32 to 96 x 96 pixels",
    "AP_large": "AP of objects from 96 x 96 pixels",
    "AR_1": "recall with one detection a picture and class, mean over overlaps",
    "AR_10": "recall with ten detections",
    "AR_100": "recall with a hundred detections",
    "AR_small": "recall of small objects",
    "AR_medium": "recall of medium objects",
    "AR_large": "recall of large objects",
}


def coco_numbers(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> dict[str, float]:
    """Return the twelve numbers of COCO, each in [0, 1]; see :data:`NUMBERS`. NaN where there is no such object.

    ``rows`` int64[n] are pictures of ``data`` and ``detections`` what was found in each, in pixels of ``data.images``.
    Ignored boxes (crowds, difficult objects) count as crowds do in COCO: finding them is neither right nor wrong.

    Raises ValueError for rows and detections of different number, and for labels, scores or boxes out of range.
    """
    evaluation = _evaluated(data, rows, detections)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints the table
        evaluation.summarize()
    return {
        name: float(value) if value >= 0 else float("nan")
        for name, value in zip(NUMBERS, evaluation.stats, strict=True)
    }


def per_class(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> np.ndarray:
    """Return float64[C], the average precision ``AP`` of each class; NaN for a class without an object in ``rows``."""
    precision = _evaluated(data, rows, detections).eval["precision"][:, :, :, 0, -1]  # [overlaps, recalls, C]
    mean = precision.mean(axis=(0, 1))
    return np.where(mean < 0, np.nan, mean)


def _evaluated(data: DetectionData, rows: np.ndarray, detections: Sequence[Detections]) -> Any:
    """Hand truth and findings to pycocotools as a COCO data set in memory, and let it match them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = checks.row_array("rows", rows, len(checks.instance("data", data, DetectionData)))
    detections = [checks.instance("detections", one, Detections) for one in checks.sequence("detections", detections)]
    if len(detections) != len(rows) or len(np.unique(rows)) < len(rows):
        raise ValueError(
            f"detections has {len(detections)} entries for {len(np.unique(rows))} different rows of {len(rows)}; one for each "
            "row, and each row once, is needed"
        )
    images = [{"id": int(row)} for row in rows]
    categories = [{"id": index, "name": name} for index, name in enumerate(data.class_names)]
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for row, mine in zip(rows, detections, strict=True):
        _check(mine, data, row)
        place = slice(data.first[row], data.first[row + 1])
        for box, label, crowd, area in zip(
            data.boxes[place], data.labels[place], data.ignored[place], data.areas[place], strict=True
        ):
            truth.append(
                _entry(len(truth), row, label, box, data.scale[row]) | {"area": float(area), "iscrowd": int(crowd)}
            )
        for box, label, score in zip(mine.boxes, mine.labels, mine.scores, strict=True):
            found.append(_entry(len(found), row, label, box, data.scale[row]) | {"score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for entries in (truth, found):
            side = COCO()
            side.dataset = {"images": images, "categories": categories, "annotations": entries}
            side.createIndex()
            sides.append(side)
        evaluation = COCOeval(*sides, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _entry(index: int, row: int, label: int, box: np.ndarray, scale: float) -> dict[str, Any]:
    """Return a box as COCO writes it; ids start at 1, for 0 means unmatched."""
    left, top, right, bottom = (float(value) for value in box / scale)
    size = right - left, bottom - top
    entry = {"id": index + 1, "image_id": int(row), "category_id": int(label), "bbox": [left, top, *size]}
    return entry | {"area": size[0] * size[1], "iscrowd": 0}


def _check(found: Detections, data: DetectionData, row: int) -> None:
    count = len(np.atleast_1d(checks.as_array("labels", found.labels)))
    if np.shape(found.boxes) != (count, 4) or np.shape(found.scores) != (count,):
        raise ValueError(
            f"detections of row {row} have boxes {np.shape(found.boxes)}, scores {np.shape(found.scores)} and {count} labels; "
            "allowed: [D,4], [D] and [D]"
        )
    if count:
        checks.label_array(f"labels of the detections of row {row}", found.labels, data.num_classes)
        scores = checks.finite_array(f"scores of the detections of row {row}", found.scores, ndim=1)
        checks.finite_array(f"boxes of the detections of row {row}", found.boxes, ndim=2)
        if scores.min() < 0 or scores.max() > 1:
            raise ValueError(
                f"scores of the detections of row {row} reach from {scores.min():g} to {scores.max():g}; allowed: 0 to 1"
            )
