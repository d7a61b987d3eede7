"""Average precision against answers by hand."""

import numpy as np
import pytest

from spbl_nb.detection import evaluate
from spbl_nb.detection.dataset import DetectionData, Detections

BOXES = np.array([[10.0, 10, 50, 50], [60, 60, 90, 90], [5, 5, 45, 45], [50, 10, 90, 60]])


def data(**fields):
    """Two images with two objects each, one of either class."""
    values = {"owner": [0, 0, 1, 1], "boxes": BOXES, "labels": [0, 1, 0, 1], "class_names": ("a", "b", "unseen")}
    return DetectionData("four", np.zeros((2, 3, 100, 100), dtype=np.uint8), **values | fields)


def found(*boxes, labels=(0, 1), scores=(0.9, 0.8)):
    count = len(boxes)
    return Detections(np.array(boxes).reshape(-1, 4), np.array(scores[:count]), np.array(labels[:count], dtype=int))


NOTHING = found()
RIGHT = [found(BOXES[0], BOXES[1]), found(BOXES[2], BOXES[3])]


def numbers(detections, rows=(0, 1), **fields):
    return evaluate.coco_numbers(data(**fields), np.array(rows), detections)


def test_everything_right_is_one_and_absent_sizes_are_nan():
    result = numbers(RIGHT)
    assert list(result) == list(evaluate.NUMBERS)
    for name in ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium"):
        assert result[name] == pytest.approx(1), name
    assert np.isnan(result["AP_large"])
    assert np.isnan(result["AR_large"])


def test_nothing_found_is_zero():
    assert numbers([NOTHING, NOTHING])["AP"] == 0
    assert numbers([NOTHING, NOTHING])["AR_100"] == 0


def test_half_found_is_about_half():
    """Of each class one of two objects: precision is 1 up to a recall of 0.5, at 51 of COCO's 101 points."""
    result = numbers([RIGHT[0], NOTHING])
    assert result["AP"] == pytest.approx(51 / 101)
    assert result["AR_100"] == pytest.approx(0.5)


def test_a_false_alarm_of_higher_score_halves_precision():
    """One object of one class, a false alarm before it: precision 1/2 at every recall."""
    one = {"owner": [0], "boxes": BOXES[:1], "labels": [0]}
    wrong_first = found([60, 60, 90, 90], BOXES[0], labels=(0, 0))
    wrong_last = found(BOXES[0], [60, 60, 90, 90], labels=(0, 0))
    assert numbers([wrong_first, NOTHING], **one)["AP"] == pytest.approx(0.5)
    assert numbers([wrong_last, NOTHING], **one)["AP"] == pytest.approx(1)


def test_a_wrong_class_counts_as_not_found():
    swapped = [found(BOXES[0], BOXES[1], labels=(1, 0)), found(BOXES[2], BOXES[3], labels=(1, 0))]
    assert numbers(swapped)["AP"] == 0


def test_overlap_decides_at_which_thresholds_a_box_is_right():
    """A box shifted so that its overlap is 0.6 is right at 0.50, 0.55 and 0.60: 3 of 10 thresholds."""
    shift = 40 * 0.25  # overlap (1 - s) / (1 + s) with s = 1/4 is 0.6
    box = BOXES[0] + [shift - 1e-3, 0, shift - 1e-3, 0]
    one = {"owner": [0], "boxes": BOXES[:1], "labels": [0]}
    result = numbers([found(box), NOTHING], **one)
    assert result["AP"] == pytest.approx(0.3)
    assert result["AP50"] == pytest.approx(1)
    assert result["AP75"] == 0


def test_ignored_objects_are_neither_missed_nor_wrong():
    ignored = {"ignored": [False, True, False, False]}
    without = [found(BOXES[0]), RIGHT[1]]
    assert numbers(without, **ignored)["AP"] == pytest.approx(1)
    assert numbers(RIGHT, **ignored)["AP"] == pytest.approx(1)
    assert numbers(without)["AP"] < 1


def test_sizes_are_measured_in_pixels_of_the_file():
    """Squares of 100 pixels that hold images of 400: objects of 40 x 40 there are large, 160 x 160, here."""
    large = {"sizes": np.full((2, 2), 400), "scale": np.full(2, 0.25)}
    result = numbers(RIGHT, **large)
    assert result["AP"] == pytest.approx(1)
    assert result["AP_large"] == pytest.approx(1)
    assert np.isnan(result["AP_small"])


def test_each_class_has_its_own():
    result = evaluate.per_class(data(), np.arange(2), [found(BOXES[0]), found(BOXES[2])])
    np.testing.assert_allclose(result, [1, 0, np.nan])
