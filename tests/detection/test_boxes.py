"""Boxes: what is none is found and told; drawn pictures have true boxes; pictures of them say what is what."""

import itertools

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from spbl_nb.data.synthetic import groups as lesion_groups
from spbl_nb.detection import boxes
from spbl_nb.detection import plot as detection_plots
from spbl_nb.detection import sets as detection_data
from spbl_nb.detection.dataset import DetectionData, Detections


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ([5, 5, 4, 9], "inverted"),
        ([5, 9, 8, 5], "inverted"),
        ([5, 5, 5, 9], "empty"),
        ([-2, 5, 9, 9], "reaches out"),
        ([5, 5, 22, 9], "reaches out"),
        ([30, 5, 40, 9], "reaches out"),
        ([-0.9, 5, 0, 9], "reaches out"),
        ([5, np.nan, 8, 9], "not finite"),
        ([5, 5, np.inf, 9], "not finite"),
    ],
)
def test_what_is_no_box_is_told_with_its_number(box, told):
    with pytest.raises(ValueError, match=rf"found\[1\] \(.*{told}.*1 of 2 boxes are wrong"):
        boxes.checked("found", [[1, 1, 2, 2], box], (10, 20))


def test_boxes_within_rounding_are_cut_at_the_border():
    assert boxes.checked("b", [[-0.5, 0, 20.5, 10.9]], (10, 20)).tolist() == [[0, 0, 20, 10]]
    assert boxes.faults(np.zeros((0, 4)), (10, 20)) == []


def test_overlap_by_hand():
    first, second = [[0, 0, 10, 10]], [[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]]
    np.testing.assert_allclose(boxes.overlap(first, second), [[1, 1 / 3, 0]])


def one_picture(**fields):
    values = {"owner": [0], "boxes": [[1, 1, 9, 9]], "labels": [0], "class_names": ("a", "b")}
    return DetectionData("one", np.zeros((2, 3, 32, 32), dtype=np.uint8), **values | fields)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"labels": [2]}, r"labels\[0\] is 2; allowed: 0..1"),
        ({"owner": [2]}, "owner holds the row 2"),
        ({"owner": [0, 0]}, "owner has 2 entries for 1 labels"),
        ({"boxes": [[1, 1, 9, 9]] * 2}, "boxes of one has 2 rows"),
        ({"boxes": [[1, 1, 99, 9]]}, r"boxes of one\[0\] .* reaches out"),
        ({"owner": [1, 0], "labels": [0, 0], "boxes": [[1, 1, 9, 9]] * 2}, "ascending"),
        ({"ignored": [True, False]}, "one entry for each of 1 boxes"),
        ({"split": [0, 3]}, "must hold 0"),
        ({"scale": [1.0]}, "a row above 0 for each of 2 pictures"),
        ({"class_names": ()}, "at least one class"),
    ],
)
def test_what_does_not_fit_is_told(fields, told):
    with pytest.raises(ValueError, match=told):
        one_picture(**fields)


def test_a_set_without_any_box_is_allowed():
    data = one_picture(owner=[], boxes=[], labels=[])
    assert data.counts().tolist() == [0, 0]
    assert len(data.truth(1)) == 0


def test_drawn_pictures_are_the_same_for_any_count_and_other_for_another_seed():
    few, many, other = (lesion_groups.draw(n, 64, seed) for n, seed in ((3, 0), (6, 0), (3, 1)))
    np.testing.assert_array_equal(few.images, many.images[:3])
    np.testing.assert_array_equal(few.boxes, many.boxes[many.owner < 3])
    assert not np.array_equal(few.images, other.images)


def test_training_and_test_pictures_differ_and_are_told_apart():
    data = detection_data.synthetic_lesions(8, 64, test_share=0.25)
    assert data.split.tolist() == [0] * 6 + [2] * 2
    assert data.synthetic
    assert not (data.images[:2] == data.images[6:]).all()
    np.testing.assert_array_equal(data.images[:6], detection_data.synthetic_lesions(6, 64, test_share=0).images)


def test_boxes_hold_the_lesions_and_nothing_else():
    """Skin without its lesions, drawn from the same numbers, differs inside the boxes and not outside of them."""
    with_, without = lesion_groups.draw(12, 96, least=1, most=3), lesion_groups.draw(12, 96, least=0, most=0)
    change = np.abs(with_.images.astype(int) - without.images).max(axis=1)
    for picture in range(12):
        inside = np.zeros((96, 96), dtype=bool)
        for left, top, right, bottom in with_.boxes[with_.owner == picture].astype(int):
            inside[max(top - 6, 0) : bottom + 6, max(left - 6, 0) : right + 6] = True
        assert np.quantile(change[picture][~inside], 0.99) <= 12
        for left, top, right, bottom in with_.boxes[with_.owner == picture].astype(int):
            assert change[picture][top:bottom, left:right].max() > 12


def test_lesions_of_a_picture_hardly_overlap_and_rare_classes_are_rare():
    drawn = lesion_groups.draw(60, 48, num_classes=3, factor=9, most=4)
    for picture in range(60):
        mine = drawn.boxes[drawn.owner == picture]
        assert (boxes.overlap(mine, mine) - np.eye(len(mine))).max(initial=0) < 0.35
    counts = np.bincount(drawn.labels, minlength=3)
    assert counts[0] > 2 * counts[1] > 2 * counts[2] > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 0}, "count is 0"),
        ({"size": 20}, "size is 20"),
        ({"least": 3, "most": 2}, "least is 3"),
        ({"most": 9}, "most is 9"),
        ({"factor": 0.5}, "factor is 0.5"),
        ({"difficulty": 2.0}, "difficulty is 2"),
        ({"num_classes": 1}, "num_classes is 1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_drawn_is_told(options, told):
    with pytest.raises(ValueError, match=told):
        lesion_groups.draw(**{"count": 2} | options)


def rectangles(figure):
    return [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle)]


def test_pictures_tell_found_boxes_from_true_ones_by_line_and_word():
    data = one_picture(owner=[0, 0], boxes=[[1, 1, 9, 9], [2, 2, 30, 30]], labels=[0, 1], ignored=[False, True])
    found = Detections(np.array([[1, 1, 9, 10], [3, 3, 8, 8]]), np.array([0.9, 0.1]), np.array([0, 1]))
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int))
    figure = detection_plots.predictions(data, np.array([0, 1]), [found, nothing], least_score=0.5)
    assert sorted(patch.get_linestyle() for patch in rectangles(figure)) == ["-", "--", ":"]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["a 0.90"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["found: class and score", "true box", "ignored (crowd or difficult)"]
    truth = detection_plots.predictions(data, [0])
    assert [text.get_text() for text in truth.axes[0].texts] == ["a", "b"]
    figure.canvas.draw()


def test_of_boxes_at_one_place_the_best_alone_says_its_class():
    three = np.array([[1, 1, 9, 9], [1, 1, 9, 10], [7, 7, 15, 15]])
    found = Detections(three, np.array([0.9, 0.8, 0.7]), np.array([0, 1, 1]))
    figure = detection_plots.predictions(one_picture(), [0], [found], truth=False)
    assert len(rectangles(figure)) == 3
    assert {text.get_text() for text in figure.axes[0].texts} == {"a 0.90", "b 0.70"}
    best = rectangles(figure)[-1]
    assert (best.get_xy(), best.get_height()) == ((1, 1), 8), "the best lies on top of the others"


def test_names_do_not_lie_on_each_other():
    data = detection_data.synthetic_lesions(2, 48)
    near = np.array([[10.0, 12, 22, 24], [23, 12, 35, 24], [12, 26, 24, 38], [25, 27, 37, 39]])
    found = Detections(near, np.array([0.9, 0.8, 0.7, 0.6]), np.arange(4))
    figure = detection_plots.predictions(data, [0], [found], truth=False)
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(names) == 4
    assert not any(one.overlaps(other) for one, other in itertools.combinations(names, 2))


@pytest.mark.parametrize("left", [0, 10, 24, 28])
def test_names_stay_in_the_picture(left):
    data = detection_data.synthetic_lesions(2, 48)
    found = Detections(np.array([[left, 20.0, left + 20, 40]]), np.array([0.9]), np.array([0]))
    figure = detection_plots.predictions(data, [0], [found], truth=False, scale=1.9)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    name, room = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert room.x0 - 1 <= name.x0 < name.x1 <= room.x1 + 1


def test_synthetic_pictures_are_called_so_where_they_are_shown():
    figure = detection_plots.predictions(detection_data.synthetic_lesions(2, 48), [0])
    assert figure.legends[0].get_title().get_text() == "synthetic images"
