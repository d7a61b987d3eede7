"""The picture of a :class:`spbl_nb.significance.Ranking`: mean ranks, and which methods so many blocks cannot tell apart.

It says what the critical difference diagram of Demšar (2006) says, with a row for each method, so that many long names
have room.

Taught in: notebooks/07_evaluation, section 5.
"""

import math
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spbl_nb.plots.style import BLUE, new_figure, tidy
from spbl_nb.significance import Ranking


def rank_plot(ranking: Ranking) -> Figure:
    """Draw mean ranks, the best in the uppermost row; a bar on the right joins the methods of each of ``groups``.

    Above the rows stands the critical difference as a length: methods further apart than that differ, the others are
    joined. Whether the places differ at all is for Friedman's test, whose result stands in the title.
    """
    count = len(ranking.methods)
    figure = new_figure(8.5, 1.5 + 0.33 * count)
    axes = figure.subplots()
    rows = range(count)
    axes.hlines(rows, 1, ranking.mean_ranks, color="0.7", linewidth=1, linestyle=":")
    axes.plot(ranking.mean_ranks, rows, "o", color=BLUE, markersize=7)
    for row, rank in enumerate(ranking.mean_ranks):
        axes.annotate(f"{rank:.2f}", (rank, row), (8, 0), textcoords="offset points", va="center", fontsize=9)
    end = 1 + ranking.critical_difference
    axes.plot([1, end], [-1, -1], "|-", color="black", markersize=9)
    axes.annotate(_difference_in_words(ranking), (end, -1), (8, 0), textcoords="offset points", va="center", fontsize=9)
    for column, group in enumerate(ranking.groups):
        first, last = (ranking.methods.index(group[end]) for end in (0, -1))
        beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False, "facecolor": "0.25"}
        axes.add_patch(Rectangle((1.02 + 0.02 * column, first - 0.25), 0.007, last - first + 0.5, **beside))
    axes.set(xlim=(0.9, max(count, end) + 0.4), ylim=(count - 0.4, -1.6))
    axes.set_xticks(range(1, count + 1))
    axes.set_yticks(rows, ranking.methods)
    axes.set_xlabel(f"mean rank over {_blocks(ranking)}, 1 is best; bars on the right join what cannot be told apart")
    axes.set_title(_friedman_in_words(ranking), loc="left", fontsize=9)
    tidy(axes, "x")
    return figure


def ranking_in_words(ranking: Ranking) -> str:
    """Return the ranking as sentences with its numbers, for a caption or an alt text."""
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(ranking.methods, ranking.mean_ranks, strict=True))
    groups = "; ".join(f"{group[0]} to {group[-1]}" for group in ranking.groups)
    joined = f"Not told apart, in this order: {groups}." if groups else "Every two methods are told apart."
    return (
        f"Mean ranks over {_blocks(ranking)}, 1 is best: {ranks}; {_difference_in_words(ranking)}. {joined} "
        f"{_friedman_in_words(ranking)}."
    )


def _blocks(ranking: Ranking) -> str:
    return "1 block" if ranking.blocks == 1 else f"{ranking.blocks} blocks"


def _difference_in_words(ranking: Ranking) -> str:
    return f"critical difference {ranking.critical_difference:.2f} (at {ranking.alpha:g})"


def _friedman_in_words(ranking: Ranking) -> str:
    if math.isnan(ranking.friedman_p):
        return ranking.reason
    found = f"Friedman's test: p = {ranking.friedman_p:.2g}"
    if ranking.reason:
        return f"{found}, for {ranking.reason}"
    return found if ranking.friedman_p <= ranking.alpha else f"{found}, so these places may be chance"
