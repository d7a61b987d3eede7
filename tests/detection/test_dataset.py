"""Boxes and images: a box that is none is found and named, and drawn images have true boxes."""

import numpy as np
import pytest
import torch
from detection_trees import one_image
from torchvision.ops import box_iou

from spbl_nb import detection
from spbl_nb.data.synthetic import groups
from spbl_nb.detection.dataset import box_faults


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([5, 5, 4, 9], "inverted"),
        ([5, 5, 5, 9], "empty"),
        ([-2, 5, 9, 9], "reaches out"),
        ([-0.9, 5, 0, 9], "reaches out"),
        ([5, np.nan, 8, 9], "not finite"),
    ],
)
def test_a_box_that_is_none_is_named_with_its_number(box, words):
    found = box_faults(np.array([[1, 1, 2, 2], box], dtype=float), np.tile([10, 20], (2, 1)))
    assert list(found) == [1]
    assert words in found[1]
    assert found[1].endswith("the image is 20 x 10")


def test_boxes_within_rounding_are_cut_at_the_border():
    assert one_image(boxes=[[-0.5, 0, 32.5, 32.9]]).boxes.tolist() == [[0, 0, 32, 32]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": [2]}, r"labels\[0\] is 2; allowed: 0..1"),
        ({"owner": [0, 0]}, "1 labels, 1 boxes and 2 owners"),
        ({"boxes": [[1, 1, 99, 9]]}, r"boxes\[0\] of one: \(1, 1, 99, 9\) reaches out"),
    ],
)
def test_entries_that_do_not_fit_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        one_image(**fields)


def test_a_set_without_any_box_is_allowed():
    data = one_image(owner=[], boxes=[], labels=[])
    assert data.counts().tolist() == [0, 0]
    assert len(data.truth(1)) == 0


def test_drawn_images_are_the_same_for_any_count_and_training_and_test_images_differ():
    data = detection.load("synthetic", None, 64, count=8, test_share=0.25)
    assert data.split.tolist() == [0] * 6 + [2] * 2
    assert data.synthetic
    assert not (data.images[:2] == data.images[6:]).all()
    few = detection.load("synthetic", None, 64, limit=2, count=8, test_share=0.25)
    np.testing.assert_array_equal(few.images, data.images[[0, 1, 6, 7]])
    np.testing.assert_array_equal(few.boxes, data.boxes[np.isin(data.owner, [0, 1, 6, 7])])
    other = detection.load("synthetic", None, 64, count=8, seed=1)
    assert not np.array_equal(other.images, data.images)


def test_boxes_hold_the_lesions_and_nothing_else():
    """Skin without its lesions, drawn from the same numbers, differs inside the boxes and not outside of them."""
    with_, without = groups.draw(12, 96, least=1, most=3), groups.draw(12, 96, least=0, most=0)
    change = np.abs(with_.images.astype(int) - without.images).max(axis=1)
    for image in range(12):
        inside = np.zeros((96, 96), dtype=bool)
        for left, top, right, bottom in with_.boxes[with_.owner == image].astype(int):
            inside[max(top - 6, 0) : bottom + 6, max(left - 6, 0) : right + 6] = True
            assert change[image][top:bottom, left:right].max() > 12
        assert np.quantile(change[image][~inside], 0.99) <= 12


def test_lesions_of_an_image_hardly_overlap_and_rare_classes_are_rare():
    drawn = groups.draw(60, 48, num_classes=3, factor=9, most=4)
    for image in range(60):
        mine = torch.from_numpy(drawn.boxes[drawn.owner == image])
        assert (box_iou(mine, mine) - torch.eye(len(mine))).max() < 0.35 or len(mine) < 2
    counts = np.bincount(drawn.labels, minlength=3)
    assert counts[0] > 2 * counts[1] > 2 * counts[2] > 0
