"""The pictures of the report: what is drawn is what was given, few or many, and nothing depends on colour alone."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from spbl_nb import significance
from spbl_nb.plots import figures, report_plots

pytestmark = pytest.mark.filterwarnings("error")


def texts(figure):
    """All words in a figure: ticks, labels, legends and notes."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return [text for text in found if text]


def drawn(figure):
    """The figure in grey shades uint8[H,W]; its border has to be white, so that nothing is cut off."""
    picture = np.asarray(Image.open(io.BytesIO(figures.to_png(figure))).convert("L"))
    border = [picture[:2].ravel(), picture[-2:].ravel(), picture[:, :1].ravel(), picture[:, -1:].ravel()]
    assert (np.concatenate(border) == 255).all(), "something is cut off"
    assert picture.std() > 5, "an empty picture"
    return picture


def points(axes, marker):
    """The points (x, y) of all lines with a marker, in the order drawn."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return (
        np.concatenate([np.column_stack(line.get_data()).astype(float) for line in lines])
        if lines
        else np.zeros((0, 2))
    )


def test_scores_have_a_dot_a_seed_and_a_square_at_the_mean():
    values = {"macro F1": {"ce": [0.4, 0.6], "spl": [0.3]}, "MAUC": {"ce": [0.9, np.nan], "spl": [np.nan]}}
    figure = report_plots.scores(values, {"spl": " †"})
    first, second = figure.axes
    np.testing.assert_allclose(points(first, "o"), [[0.4, 0], [0.6, 0], [0.3, 1]])
    np.testing.assert_allclose(points(first, "s"), [[0.5, 0], [0.3, 1]])
    np.testing.assert_allclose(points(second, "s"), [[0.9, 0]])
    bars = [line[:, 0] for bar in first.containers for lines in bar[2] for line in lines.get_segments()]
    np.testing.assert_allclose(bars, [0.5 + np.array([-1, 1]) * np.std([0.4, 0.6], ddof=1)])
    assert {"ce", "spl †", "macro F1", "MAUC"} <= set(texts(figure))
    drawn(figure)


def comparisons(rivals, seeds):
    rng = np.random.default_rng(0)
    names = ["ce", *[f"method {index}" for index in range(rivals - 1)], "spbl_clean"]
    values = {name: {seed: float(rng.normal()) for seed in range(seeds)} for name in names}
    return significance.paired_comparison(values, "ce", primary="spbl_clean")


@pytest.mark.parametrize(("rivals", "seeds"), [(1, 1), (2, 3), (16, 8)])
def test_differences_show_every_seed_the_mean_the_interval_and_p(rivals, seeds):
    found = comparisons(rivals, seeds)
    figure = report_plots.differences(found, "macro F1", {"spbl_clean": " †"})
    (axes,) = figure.axes
    np.testing.assert_allclose(points(axes, "o")[:, 0], np.concatenate([one.differences for one in found]))
    np.testing.assert_allclose(points(axes, "s")[:, 0], [one.mean for one in found])
    intervals = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2 and line.get_marker() == "None"]
    np.testing.assert_allclose(intervals, [[one.interval.low, one.interval.high] for one in found if seeds > 1])
    told = texts(figure)
    assert "spbl_clean † (primary)" in told
    assert sum(text == f"{found[0].adjusted_p:.3g}" for text in told) >= 1
    drawn(figure)


def test_the_primary_comparison_alone_is_filled():
    (axes,) = report_plots.differences(comparisons(3, 3), "macro F1").axes
    squares = [line for line in axes.lines if line.get_marker() == "s"]
    assert [line.get_markerfacecolor() == "white" for line in squares] == [True, True, False]


@pytest.mark.parametrize("classes", [2, 12, 198])
def test_the_map_has_the_largest_class_first(classes):
    sizes = np.arange(1, classes + 1)
    recall = {"ce": sizes / classes, "spl": np.full(classes, np.nan)}
    figure = report_plots.recall_map(recall, [f"class {index}" for index in range(classes)], sizes)
    top, axes, _ = figure.axes
    assert [bar.get_height() for bar in top.patches] == sizes[::-1].tolist()
    np.testing.assert_allclose(axes.images[0].get_array()[0], recall["ce"][::-1])
    told = texts(figure)
    assert ("1.00" in told) == (classes <= 20), "numbers in the cells of few classes"
    few = [f"{rank} class {classes - rank}" for rank in range(1, classes + 1)]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels == few) == (classes <= 20), "names stand in the order of their columns, each with its rank"
    assert ("–" in told) == (classes <= 20), "a dash where there is no value"
    drawn(figure)


def test_pairs_point_up_down_or_stay_level():
    recall = {"ce": np.array([0.5, 0.5, 0.5, 0.5]), "spbl_clean": np.array([0.7, 0.2, 0.5, np.nan])}
    sides = {"size": np.array([1.0, 10, 100, 1000]), "complexity": np.array([0.5, np.nan, 0.1, 0.2])}
    figure = report_plots.recall_pairs(recall, sides, list("abcd"))
    size, complexity = figure.axes
    np.testing.assert_allclose(points(size, "^"), [[1, 0.7]])
    np.testing.assert_allclose(points(size, "v"), [[10, 0.2]])
    np.testing.assert_allclose(points(size, "s"), [[100, 0.5]])
    assert len(points(size, "o")) == 4
    assert size.get_xscale() == complexity.get_xscale() == "log"
    assert sorted(text.get_text() for text in complexity.texts) == ["a", "c"]
    drawn(figure)


@pytest.mark.parametrize(("classes", "sides"), [(10, 1), (12, 3), (198, 2)])
def test_pairs_of_few_and_many_classes(classes, sides):
    rng = np.random.default_rng(0)
    recall = {"ce": rng.random(classes), "spbl_clean": rng.random(classes)}
    places = {f"side {index}": rng.random(classes) for index in range(sides)}
    figure = report_plots.recall_pairs(
        recall, places, [f"class {index}" for index in range(classes)], linear=["side 0"]
    )
    assert figure.axes[0].get_xscale() == "linear"
    assert len(figure.axes[0].texts) == (classes if classes <= 20 else 0)
    drawn(figure)


@pytest.mark.parametrize("classes", [3, 5, 12])
def test_names_lie_neither_on_each_other_nor_on_points(classes):
    """Classes of almost equal size and recall, and one far away, which keeps its name in any case."""
    near = np.linspace(0, 1, classes)
    recall = {"ce": np.append(0.60 + 0.02 * near, 0.9), "spbl_clean": np.append(0.62 - 0.02 * near, 0.0)}
    sides = {"size": np.append(10 + near, 100.0), "difficulty": np.append(np.full(classes, 0.5), 0.9)}
    figure = report_plots.recall_pairs(recall, sides, [str(index) for index in range(classes + 1)], ["difficulty"])
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        dots = [axes.transData.transform(spot) for sign in "o^vs" for spot in points(axes, sign)]
        assert not any(box.contains(*dot) for box in boxes for dot in dots)
        named = {text.get_text() for text in axes.texts}
        assert str(classes) in named
        assert len(named) == len(boxes) >= min(classes + 1, 9), "further off where there is no room beside the point"


def test_long_names_give_way_to_ranks_by_size():
    assert report_plots.short_names(["7", "10"], np.array([3, 5])) == ["7", "10"]
    assert report_plots.short_names(["nevus", "bkl", "mel"], np.array([5, 9, 5])) == ["2", "1", "3"]


def test_costs_are_parts_that_add_up_and_differ_in_hatching():
    parts = {"ce": {"whole run": 9.0}, "spbl_clean": {"training": 17.0, "head": 3.0}}
    figure = report_plots.costs(parts, {"ce": np.nan, "spbl_clean": 1.5})
    (axes,) = figure.axes
    bars = {
        part.get_label(): [(bar.get_x(), bar.get_width()) for bar in part]
        for part in axes.containers
        if part.get_label() in ("whole run", "training", "head")
    }
    assert bars == {"whole run": [(0, 9), (0, 0)], "training": [(9, 0), (0, 17)], "head": [(9, 0), (17, 3)]}
    assert len({bar.get_hatch() for bar in axes.patches}) == 3
    assert {" 9.0 s", " 20.0 ± 1.5 s"} <= set(texts(figure))
    drawn(figure)


def test_the_watermark_lies_across_the_picture():
    plain = drawn(report_plots.costs({"ce": {"whole run": 9.0}}, {"ce": 1.0}))
    marked = report_plots.watermark(report_plots.costs({"ce": {"whole run": 9.0}}, {"ce": 1.0}))
    assert "smoke: no result" in texts(marked)
    assert (drawn(marked) != plain).mean() > 0.01
