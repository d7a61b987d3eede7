"""Figures of found and true boxes: lines and words tell them apart, and names do not lie on each other."""

import itertools

import numpy as np
import pytest
from detection_trees import one_image
from matplotlib.patches import Rectangle

from spbl_nb import detection
from spbl_nb.detection import plot
from spbl_nb.detection.dataset import Detections


def rectangles(figure):
    return [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle)]


def test_figures_tell_found_boxes_from_true_ones_by_line_and_word():
    data = one_image(owner=[0, 0], boxes=[[1, 1, 9, 9], [2, 2, 30, 30]], labels=[0, 1], ignored=[False, True])
    found = Detections(np.array([[1, 1, 9, 10], [3, 3, 8, 8]]), np.array([0.9, 0.1]), np.array([0, 1]))
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=int))
    figure = plot.predictions(data, np.array([0, 1]), [found, nothing], least_score=0.5)
    assert sorted(patch.get_linestyle() for patch in rectangles(figure)) == ["-", "--", ":"]
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["a 0.90"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["found: class and score", "true box", "ignored (crowd or difficult)"]
    truth = plot.predictions(data, [0])
    assert [text.get_text() for text in truth.axes[0].texts] == ["a", "b"]
    figure.canvas.draw()


def test_of_boxes_at_one_place_the_best_alone_says_its_class():
    three = np.array([[1, 1, 9, 9], [1, 1, 9, 10], [7, 7, 15, 15]])
    found = Detections(three, np.array([0.9, 0.8, 0.7]), np.array([0, 1, 1]))
    figure = plot.predictions(one_image(), [0], [found])
    assert len(rectangles(figure)) == 4
    assert {text.get_text() for text in figure.axes[0].texts} == {"a 0.90", "b 0.70"}
    best = rectangles(figure)[-1]
    assert (best.get_xy(), best.get_height()) == ((1, 1), 8), "the best lies on top of the others"


def test_names_do_not_lie_on_each_other():
    data = detection.load("synthetic", None, 48, count=2)
    near = np.array([[10.0, 12, 22, 24], [23, 12, 35, 24], [12, 26, 24, 38], [25, 27, 37, 39]])
    found = Detections(near, np.array([0.9, 0.8, 0.7, 0.6]), np.arange(4))
    figure = plot.predictions(data, [0], [found])
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(names) == 4
    assert figure.legends[0].get_title().get_text() == "synthetic images"
    assert not any(one.overlaps(other) for one, other in itertools.combinations(names, 2))


@pytest.mark.parametrize("left", [0, 10, 24, 28])
def test_names_stay_in_the_image(left):
    data = detection.load("synthetic", None, 48, count=2)
    found = Detections(np.array([[left, 20.0, left + 20, 40]]), np.array([0.9]), np.array([0]))
    figure = plot.predictions(data, [0], [found])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    name, room = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert room.x0 - 1 <= name.x0 < name.x1 <= room.x1 + 1
