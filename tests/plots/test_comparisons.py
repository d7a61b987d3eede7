"""Figures of several methods: what is drawn is what was given, few or many, and nothing depends on colour alone."""

import io
import itertools

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from spbl_nb import significance
from spbl_nb.plots import comparisons, figures

pytestmark = pytest.mark.filterwarnings("error")


def texts(figure):
    """All words in a figure: ticks, labels, legends and notes."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return [text for text in found if text]


def drawn(figure):
    """The figure in grey shades uint8[H,W]; its border has to be white, so that nothing is cut off."""
    pixels = np.asarray(Image.open(io.BytesIO(figures.to_png(figure))).convert("L"))
    border = [pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :1].ravel(), pixels[:, -1:].ravel()]
    assert (np.concatenate(border) == 255).all(), "something is cut off"
    assert pixels.std() > 5, "an empty figure"
    return pixels


def points(axes, marker):
    """The points (x, y) of all lines with a marker that have a value, in the order drawn."""
    lines = [np.column_stack(line.get_data()).astype(float) for line in axes.lines if line.get_marker() == marker]
    found = np.concatenate([np.zeros((0, 2)), *lines])
    return found[~np.isnan(found).any(axis=1)]


def dots(axes):
    """The points (x, y) of all dots of seeds."""
    return np.concatenate([np.asarray(collection.get_offsets()) for collection in axes.collections[:-1]])


def test_scores_have_a_dot_a_seed_and_a_square_at_the_mean():
    values = {"macro F1": {"ce": [0.4, 0.6], "spl": [0.3]}, "MAUC": {"ce": [0.9, np.nan], "spl": [np.nan]}}
    figure = comparisons.scores(values, {"spl": " †"})
    first, second = figure.axes
    np.testing.assert_allclose(dots(first), [[0.4, 0], [0.6, 0], [0.3, 1]])
    np.testing.assert_allclose(dots(second), [[0.9, 0]])
    np.testing.assert_allclose(points(first, "s"), [[0.5, 0], [0.3, 1]])
    np.testing.assert_allclose(points(second, "s"), [[0.9, 0]])
    ends = np.concatenate([line.get_xdata() for line in first.lines if line.get_marker() == "None"])
    deviation = np.std([0.4, 0.6], ddof=1)
    assert np.nanmin(ends.astype(float)) == pytest.approx(0.5 - deviation)
    assert {"ce", "spl †", "macro F1", "MAUC"} <= set(texts(figure))
    drawn(figure)


def compared(baselines, seeds):
    rng = np.random.default_rng(0)
    names = ["ce", *[f"method {index}" for index in range(baselines - 1)], "spbl_clean"]
    values = {name: {seed: float(rng.normal()) for seed in range(seeds)} for name in names}
    return significance.paired_comparison(values, "ce", primary="spbl_clean")


@pytest.mark.parametrize(("baselines", "seeds"), [(1, 1), (16, 8)])
def test_differences_show_every_seed_the_mean_the_interval_and_p(baselines, seeds):
    found = compared(baselines, seeds)
    figure = comparisons.differences(found, "macro F1", {"spbl_clean": " †"})
    (axes,) = figure.axes
    np.testing.assert_allclose(dots(axes)[:, 0], np.concatenate([one.differences for one in found]))
    np.testing.assert_allclose(dots(axes)[:, 1], np.repeat(np.arange(len(found)), seeds))
    np.testing.assert_allclose(points(axes, "s")[:, 0], [one.mean for one in found])
    squares = [line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "s"]
    assert [colour != "white" for colour in squares] == [one.family == "primary" for one in found]
    intervals = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2 and line.get_marker() == "None"]
    np.testing.assert_allclose(intervals, [[one.interval.low, one.interval.high] for one in found if seeds > 1])
    written = texts(figure)
    assert "spbl_clean † (primary)" in written
    assert f"{found[0].adjusted_p:.3g}" in written
    drawn(figure)


@pytest.mark.parametrize("classes", [2, 12, 198])
def test_the_map_has_the_largest_class_first(classes):
    sizes = np.arange(1, classes + 1)
    recall = {"ce": sizes / classes, "spl": np.full(classes, np.nan)}
    figure = comparisons.recall_map(recall, [f"class {index}" for index in range(classes)], sizes)
    top, axes, _ = figure.axes
    assert [bar.get_height() for bar in top.patches] == sizes[::-1].tolist()
    np.testing.assert_allclose(axes.collections[0].get_array()[0], recall["ce"][::-1])
    written = texts(figure)
    assert ("1.00" in written) == (classes <= 20), "numbers in the cells of few classes"
    few = [f"{rank} class {classes - rank}" for rank in range(1, classes + 1)]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels == few) == (classes <= 20), "names stand in the order of their columns, each with its rank"
    assert ("–" in written) == (classes <= 20), "a dash where there is no value"
    drawn(figure)


def test_pairs_point_up_down_or_stay_level():
    recall = {"ce": np.array([0.5, 0.5, 0.5, 0.5]), "spbl_clean": np.array([0.7, 0.2, 0.5, np.nan])}
    sides = {"size": np.array([1.0, 10, 100, 1000]), "complexity": np.array([0.5, np.nan, 0.1, 0.2])}
    figure = comparisons.recall_pairs(recall, sides, list("abcd"))
    size, complexity = figure.axes
    np.testing.assert_allclose(points(size, "^"), [[1, 0.7]])
    np.testing.assert_allclose(points(size, "v"), [[10, 0.2]])
    np.testing.assert_allclose(points(size, "s"), [[100, 0.5]])
    assert len(points(size, "o")) == 4
    assert size.get_xscale() == complexity.get_xscale() == "log"
    assert sorted(text.get_text() for text in complexity.texts) == ["a", "c"]
    drawn(figure)


@pytest.mark.parametrize("classes", [3, 12, 198])
def test_names_lie_neither_on_each_other_nor_on_points(classes):
    """Classes of almost equal size and recall, and one far away, which keeps its name in any case."""
    near = np.linspace(0, 1, classes)
    recall = {"ce": np.append(0.60 + 0.02 * near, 0.9), "spbl_clean": np.append(0.62 - 0.02 * near, 0.0)}
    sides = {"size": np.append(10 + near, 100.0), "difficulty": np.append(np.full(classes, 0.5), 0.9)}
    figure = comparisons.recall_pairs(recall, sides, [str(index) for index in range(classes + 1)], ["difficulty"])
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear"]
    drawn(figure)
    for axes in figure.axes if classes <= 20 else ():
        boxes = [Text.get_window_extent(text) for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        marks = [axes.transData.transform(spot) for sign in "o^vs" for spot in points(axes, sign)]
        assert not any(box.contains(*mark) for box in boxes for mark in marks)
        assert str(classes) in {text.get_text() for text in axes.texts}
        assert len(boxes) >= min(classes + 1, 9), "further off where there is no room beside the point"


def test_long_names_give_way_to_ranks_by_size():
    assert comparisons.short_names(["7", "10"], np.array([3, 5])) == ["7", "10"]
    assert comparisons.short_names(["nevus", "bkl", "mel"], np.array([5, 9, 5])) == ["2", "1", "3"]


def test_costs_are_parts_that_add_up_and_differ_in_hatching():
    parts = {"ce": {"whole run": 9.0}, "spbl_clean": {"training": 17.0, "head": 3.0}}
    figure = comparisons.costs(parts, {"ce": np.nan, "spbl_clean": 1.5})
    (axes,) = figure.axes
    bars = {
        part.get_label(): [(bar.get_x(), bar.get_width()) for bar in part]
        for part in axes.containers
        if part.get_label() in ("whole run", "training", "head")
    }
    assert bars == {"whole run": [(0, 9), (0, 0)], "training": [(9, 0), (0, 17)], "head": [(9, 0), (17, 3)]}
    assert len({bar.get_hatch() for bar in axes.patches}) == 3
    assert {" 9.0 s", " 20.0 ± 1.5 s"} <= set(texts(figure))
    plain = drawn(figure)
    marked = comparisons.watermark(figure)
    assert "smoke: no result" in texts(marked)
    assert (drawn(marked) != plain).mean() > 0.01


def ranked(methods, blocks, gap):
    table = np.random.default_rng(2).normal(size=(blocks, methods)) + gap * np.arange(methods)
    return significance.rank_methods(
        {f"method {index}": dict(enumerate(column)) for index, column in enumerate(table.T)}
    )


@pytest.mark.parametrize(("methods", "blocks", "gap"), [(2, 3, 0.5), (17, 20, 0.5), (3, 40, 9.0)])
def test_ranks_the_critical_difference_and_the_bars_are_those_of_the_ranking(methods, blocks, gap):
    ranking = ranked(methods, blocks, gap)
    figure = comparisons.rank_plot(ranking)
    (axes,) = figure.axes
    np.testing.assert_allclose(points(axes, "o"), np.column_stack([ranking.mean_ranks, np.arange(methods)]))
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ranking.methods)
    bottom, top = axes.get_ylim()
    assert bottom > methods - 1 > 0 > top, "the best method is at the top"
    (start, _), (end, _) = points(axes, "|")
    assert end - start == pytest.approx(ranking.critical_difference)
    bars = [(round(bar.get_y() + 0.25), round(bar.get_y() + bar.get_height() - 0.25)) for bar in axes.patches]
    assert bars == [tuple(ranking.methods.index(group[end]) for end in (0, -1)) for group in ranking.groups]
    assert len({bar.get_x() for bar in axes.patches}) == len(bars), "two bars on one another"
    drawn(figure)


def test_a_ranking_in_words():
    values = {"a": dict.fromkeys(range(9), 3.0), "b": dict.fromkeys(range(9), 1.0), "c": dict.fromkeys(range(9), 2.0)}
    assert comparisons.describe_ranking(significance.rank_methods(values)) == (
        "Mean ranks over 9 blocks, 1 is best: a 1.00, c 2.00, b 3.00; critical difference 1.10 (at 0.05). "
        "Not told apart, in this order: a to c; c to b. Friedman's test: p = 0.00012."
    )
    assert "Every two methods are told apart." in comparisons.describe_ranking(ranked(3, 40, 9.0))
    one = comparisons.describe_ranking(significance.rank_methods({"a": {0: 1.0}, "b": {0: 2.0}, "c": {0: 3.0}}))
    assert "over 1 block," in one
    assert one.endswith("Friedman's test needs 3 methods and 2 blocks; there are 3 and 1.")
    assert comparisons.describe_ranking(ranked(3, 3, 0.0)).endswith("so these places may be chance.")
