"""The rank plot: places, joining bars and words are those of the ranking, for few and for many methods."""

import io

import numpy as np
import pytest
from PIL import Image

from spbl_nb.plots import figures
from spbl_nb.plots.rank_plots import rank_plot, ranking_in_words
from spbl_nb.significance import rank_methods


def _ranking(methods, blocks, gap, seed=2):
    table = np.random.default_rng(seed).normal(size=(blocks, methods)) + gap * np.arange(methods)
    return rank_methods({f"method {index}": dict(enumerate(column)) for index, column in enumerate(table.T)})


def _bars(axes):
    """Return the (first, last) row that each joining bar covers, from left to right."""
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    lefts, rights = np.array([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]).reshape(-1, 2).T
    assert (lefts > 1).all(), "beside the axes"
    assert (rights - lefts > 0.005).all(), "too thin to be seen"
    assert (lefts[1:] > rights[:-1]).all(), "two bars on one another"
    return [(int(np.ceil(bar.get_y())), int(np.floor(bar.get_y() + bar.get_height()))) for bar in bars]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("methods", "blocks", "gap"), [(2, 3, 0.5), (5, 8, 1.0), (17, 20, 0.5), (4, 1, 1.0)])
def test_draws_on_white_without_a_warning_and_nothing_is_cut_off(methods, blocks, gap):
    figure = rank_plot(_ranking(methods, blocks, gap))
    picture = np.asarray(Image.open(io.BytesIO(figures.to_png(figure))).convert("L"))
    border = np.concatenate(
        [picture[:2].ravel(), picture[-2:].ravel(), picture[:, :1].ravel(), picture[:, -1:].ravel()]
    )
    assert (border == 255).all()
    assert picture.std() > 5, "an empty picture"


def test_each_method_stands_in_its_row_at_its_mean_rank():
    ranking = _ranking(6, 10, 0.8)
    axes = rank_plot(ranking).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ranking.methods)
    points = axes.lines[0].get_xydata()
    np.testing.assert_allclose(points, np.column_stack([ranking.mean_ranks, np.arange(6)]))
    assert [text.get_text() for text in axes.texts[:6]] == [f"{rank:.2f}" for rank in ranking.mean_ranks]
    bottom, top = axes.get_ylim()
    assert bottom > 5 > 0 > top, "the best method is at the top"
    assert axes.get_xlabel().startswith("mean rank over 10 blocks, 1 is best")


def test_the_length_above_the_rows_is_the_critical_difference():
    ranking = _ranking(5, 8, 1.0)
    axes = rank_plot(ranking).axes[0]
    (start, end), heights = axes.lines[1].get_data()
    assert end - start == pytest.approx(ranking.critical_difference)
    assert max(heights) < 0, "above the first row"
    assert axes.texts[5].get_text() == f"critical difference {ranking.critical_difference:.2f} (at 0.05)"
    few = rank_methods({"a": {0: 1.0}, "b": {0: 2.0}, "c": {0: 3.0}})
    assert few.critical_difference > 2
    assert rank_plot(few).axes[0].get_xlim()[1] > 1 + few.critical_difference, "room for a long one"


def test_bars_join_the_groups():
    ranking = _ranking(5, 8, 1.0)
    assert len(ranking.groups) > 1
    expected = [(ranking.methods.index(group[0]), ranking.methods.index(group[-1])) for group in ranking.groups]
    assert _bars(rank_plot(ranking).axes[0]) == expected
    apart = _ranking(3, 40, 9.0)
    assert apart.groups == ()
    assert _bars(rank_plot(apart).axes[0]) == []


def test_words():
    values = {"a": dict.fromkeys(range(9), 3.0), "b": dict.fromkeys(range(9), 1.0), "c": dict.fromkeys(range(9), 2.0)}
    ranking = rank_methods(values)
    words = ranking_in_words(ranking)
    assert words == (
        "Mean ranks over 9 blocks, 1 is best: a 1.00, c 2.00, b 3.00; critical difference 1.10 (at 0.05). "
        "Not told apart, in this order: a to c; c to b. Friedman's test: p = 0.00012."
    )
    assert rank_plot(ranking).axes[0].get_title(loc="left") == "Friedman's test: p = 0.00012"
    assert "Every two methods are told apart." in ranking_in_words(_ranking(3, 40, 9.0))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"a": {0: 1.0}, "b": {0: 2.0}, "c": {0: 3.0}},
            "Friedman's test needs 3 methods and 2 blocks; there are 3 and 1",
        ),
        (
            {name: {0: 1.0, 1: 2.0} for name in "abc"},
            "Friedman's test: p = 1, for all methods are level in every block",
        ),
        (
            {"a": {0: 1.0, 1: 2.0}, "b": {0: 2.0, 1: 1.0}, "c": {0: 3.0, 1: 3.0}},
            "Friedman's test: p = 0.22, so these places may be chance",
        ),
    ],
)
def test_what_friedman_cannot_say_is_said(values, words):
    ranking = rank_methods(values)
    assert rank_plot(ranking).axes[0].get_title(loc="left") == words
    assert ranking_in_words(ranking).endswith(f"{words}.")
    assert f"over {'1 block' if len(values['a']) == 1 else '2 blocks'}," in ranking_in_words(ranking)
