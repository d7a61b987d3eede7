"""Figures of several methods: scores over seeds, differences, ranks, recall by class, and cost.

They are made for two to twenty methods: a row each, named, so that nothing has to be read from a colour.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from spbl_nb.plots import style
from spbl_nb.significance import Comparison, Ranking

_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")
_GREY = "0.35"
_SHORT = 3  # characters of a name that fits beside a point
_DOTS: dict[str, Any] = {
    "color": style.SKY,
    "edgecolor": "0.3",
    "linewidth": 0.6,
    "size": 5,
    "jitter": False,
    "zorder": 3,
}


def watermark(figure: Figure, text: str = "smoke: no result") -> Figure:
    """Lay a text across a figure whose numbers mean nothing, and return the figure."""
    size = min(34, 14 * figure.get_figheight())
    halo = [withStroke(linewidth=2, foreground="white")]
    look: dict[str, Any] = {"size": size, "rotation": 18, "color": "#A01E1E", "alpha": 0.25, "path_effects": halo}
    figure.text(0.5, 0.5, text, ha="center", va="center", zorder=99, **look)
    return figure


def seeds_and_means(groups: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Draw the value ``label`` under several conditions, as :func:`scores` does, with the number of seeds of each."""
    return scores({label: {f"{name} (n = {len(values)})": values for name, values in groups.items()}})


def scores(values: Mapping[str, Mapping[str, Sequence[float]]], marks: Mapping[str, str] | None = None) -> Figure:
    """Draw one panel a metric and one row a method: every seed as a dot, mean as a square, deviation as a bar.

    ``values`` is ``{metric: {method: values over seeds}}``, NaN where a value is not defined; ``marks`` are put behind the
    names of methods.
    """
    methods = list(dict.fromkeys(method for panel in values.values() for method in panel))
    figure = style.new_figure(9, 1.1 + 0.3 * len(methods))
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for axes, (metric, panel) in zip(panels, values.items(), strict=True):
        _draw_seeds(axes, {method: panel.get(method, ()) for method in methods})
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(metric, fontsize=10, loc="left")
        _name_rows(axes, [method + (marks or {}).get(method, "") for method in methods])
    figure.supxlabel("squares: mean ± standard deviation over seeds; dots: seeds", fontsize=9)
    return figure


def _draw_seeds(axes: Axes, rows: Mapping[str, Sequence[float]]) -> None:
    """Draw the values of each row that are not NaN as dots, with their mean as a square and their deviation as a bar."""
    import seaborn

    x = np.concatenate([np.asarray(values, dtype=float) for values in rows.values()])
    y = np.repeat(list(rows), [len(values) for values in rows.values()])
    common: dict[str, Any] = {"x": x, "y": y, "order": list(rows), "orient": "h", "ax": axes}
    means: dict[str, Any] = {"marker": "s", "color": style.BLUE, "markersize": 6, "linestyle": "none"}
    seaborn.pointplot(**common, **means, errorbar="sd", capsize=0.2, err_kws={"linewidth": 1.5, "color": style.BLUE})
    seaborn.stripplot(**common, **_DOTS)
    axes.set(xlabel="", ylabel="")


def differences(comparisons: Sequence[Comparison], metric: str, marks: Mapping[str, str] | None = None) -> Figure:
    """Draw each comparison as a row: the difference of every seed as a dot, their mean and its interval; 0 is no difference.

    The row of the comparison declared beforehand is a filled square and says so; ``marks`` are put behind names.
    """
    import seaborn

    figure = style.new_figure(9, 1.2 + 0.36 * len(comparisons))
    axes = figure.subplots()
    axes.axvline(0, color=_GREY, linewidth=1)
    dots = np.concatenate([one.differences for one in comparisons])
    places = np.repeat(range(len(comparisons)), [len(one.seeds) for one in comparisons])
    seaborn.stripplot(x=dots, y=places, ax=axes, orient="h", legend=False, **_DOTS)
    for row, one in enumerate(comparisons):
        if one.interval.method != "none":
            axes.plot([one.interval.low, one.interval.high], [row, row], color=style.BLUE, linewidth=2, zorder=2)
        filled = style.BLUE if one.family == "primary" else "white"
        axes.plot(one.mean, row, "s", color=style.BLUE, markerfacecolor=filled, markersize=8, zorder=4)
        p_value = f"{one.adjusted_p:.3g}"
        axes.annotate(p_value, (1.01, row), xycoords=axes.get_yaxis_transform(), va="center", fontsize=8)
    words = {"primary": " (primary)"}
    _name_rows(
        axes, [one.method + (marks or {}).get(one.method, "") + words.get(one.family, "") for one in comparisons]
    )
    axes.annotate("adjusted p", (1.01, 1.0), xycoords="axes fraction", va="bottom", fontsize=8)
    level = comparisons[0].interval.level
    axes.set_xlabel(
        f"{metric} minus that of {comparisons[0].baseline}: square mean, line {100 * level:g} % interval, dots seeds"
    )
    return figure


def rank_plot(ranking: Ranking) -> Figure:
    """Draw mean ranks, the best in the uppermost row; bars on the right join the methods that cannot be told apart.

    Above the rows is the critical difference as a length, and in the title the result of Friedman's test. It is the
    critical difference diagram of Demšar (2006) with a row for each method, so that many long names have room.
    """
    count = len(ranking.methods)
    figure = style.new_figure(8.5, 1.5 + 0.33 * count)
    axes = figure.subplots()
    rows = range(count)
    axes.hlines(rows, 1, ranking.mean_ranks, color="0.7", linewidth=1, linestyle=":")
    axes.plot(ranking.mean_ranks, rows, "o", color=style.BLUE, markersize=7)
    end = 1 + ranking.critical_difference
    axes.plot([1, end], [-1, -1], "|-", color="black", markersize=9)
    notes = [(rank, row, f"{rank:.2f}") for row, rank in enumerate(ranking.mean_ranks)]
    for x, y, text in [*notes, (end, -1, _describe_difference(ranking))]:
        axes.annotate(text, (x, y), (8, 0), textcoords="offset points", va="center", fontsize=9)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False, "facecolor": "0.25"}
    for column, group in enumerate(ranking.groups):
        first, last = (ranking.methods.index(group[end]) for end in (0, -1))
        axes.add_patch(Rectangle((1.02 + 0.02 * column, first - 0.25), 0.007, last - first + 0.5, **beside))
    axes.set(xlim=(0.9, max(count, end) + 0.4), ylim=(count - 0.4, -1.6))
    axes.set_xticks(range(1, count + 1))
    axes.set_yticks(rows, ranking.methods)
    axes.set_xlabel(f"mean rank over {_blocks(ranking)}, 1 is best; bars on the right join what cannot be told apart")
    axes.set_title(_describe_friedman(ranking), loc="left", fontsize=9)
    style.tidy(axes, "x")
    return figure


def describe_ranking(ranking: Ranking) -> str:
    """Return the ranking as sentences with its numbers, for a caption or an alt text."""
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(ranking.methods, ranking.mean_ranks, strict=True))
    groups = "; ".join(f"{group[0]} to {group[-1]}" for group in ranking.groups)
    joined = f"Not told apart, in this order: {groups}." if groups else "Every two methods are told apart."
    return (
        f"Mean ranks over {_blocks(ranking)}, 1 is best: {ranks}; {_describe_difference(ranking)}. {joined} "
        f"{_describe_friedman(ranking)}."
    )


def _blocks(ranking: Ranking) -> str:
    return "1 block" if ranking.blocks == 1 else f"{ranking.blocks} blocks"


def _describe_difference(ranking: Ranking) -> str:
    return f"critical difference {ranking.critical_difference:.2f} (at {ranking.alpha:g})"


def _describe_friedman(ranking: Ranking) -> str:
    if math.isnan(ranking.friedman_p):
        return ranking.reason
    found = f"Friedman's test: p = {ranking.friedman_p:.2g}"
    if ranking.reason:
        return f"{found}, for {ranking.reason}"
    return found if ranking.friedman_p <= ranking.alpha else f"{found}, so these places may be chance"


def short_names(names: Sequence[str], sizes: np.ndarray) -> list[str]:
    """Return names for narrow places: the names if all are short, else each class's rank by size, from 1 for the largest."""
    if max(map(len, names)) <= _SHORT:
        return list(names)
    rank = np.argsort(np.argsort(-np.asarray(sizes), kind="stable"))
    return [str(place) for place in rank + 1]


def recall_map(recall: Mapping[str, np.ndarray], names: Sequence[str], sizes: np.ndarray) -> Figure:
    """Draw the recall of every class (columns, largest first) by every method (rows) as shades, with class sizes above.

    ``recall`` ``{method: float[C]}`` in [0, 1], NaN where a class has no test image; ``sizes`` float[C] training images.
    Up to 20 classes names and numbers are written, each name with that of :func:`short_names` before it.
    """
    import seaborn

    order = np.argsort(-np.asarray(sizes), kind="stable")
    table = np.array(list(recall.values()))[:, order]
    few = len(names) <= style.FEW
    figure = style.new_figure(9, 2.2 + 0.32 * len(recall) + (0.4 if few else 0))
    top, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.35 * len(recall) + 0.3])
    bars: dict[str, Any] = {"color": style.SKY, "edgecolor": _GREY, "linewidth": 0.5 if few else 0}
    top.bar(np.arange(len(names)) + 0.5, np.asarray(sizes)[order], **bars)
    top.set_ylabel("training\nimages", fontsize=8)
    style.tidy(top)
    look: dict[str, Any] = {"cmap": "cividis", "vmin": 0, "vmax": 1, "yticklabels": list(recall)}
    scale = {"label": "recall", "fraction": 0.03, "pad": 0.01}
    written = {"annot": True, "fmt": ".2f", "annot_kws": {"fontsize": 7.5}} if few else {}
    seaborn.heatmap(table, ax=axes, cbar_kws=scale, **look, **written)
    for row, column in np.argwhere(np.isnan(table)) if few else ():
        axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", fontsize=7.5)
    axes.tick_params(axis="y", rotation=0, labelsize=9)
    shorts = short_names(names, sizes)
    labels = [short if short == name else f"{short} {name}" for short, name in zip(shorts, names, strict=True)]
    style.class_axis(axes, [labels[index] for index in order], start=0.5)
    axes.set_xlim(0, len(names))
    if not few:
        axes.set_xlabel("rank of the class by size")
    return figure


def recall_pairs(
    recall: Mapping[str, np.ndarray],
    sides: Mapping[str, np.ndarray],
    names: Sequence[str],
    linear: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """Draw two methods' recall of every class over each of some properties of the classes, a panel each.

    ``recall`` holds two entries float[C]. The first is a hollow circle; the second points up where it is higher, down where
    it is lower, and is a square where they are level. ``sides`` ``{axis label: float[C]}`` have logarithmic axes, but for
    those in ``linear``. Up to 20 classes ``names`` (:func:`short_names`) are written beside the upper points.
    """
    (first, before), (second, after) = recall.items()
    signs = (
        ("higher", "^", style.BLUE, after > before),
        ("lower", "v", style.RED, after < before),
        ("level", "s", style.BLACK, after == before),
    )
    few = len(names) <= style.FEW
    size, faintness = (6, 1.0) if few else (3.5, 0.4)
    figure = style.new_figure(9, 4.0)
    panels = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, (label, places) in zip(panels, sides.items(), strict=True):
        axes.vlines(places, before, after, color=_GREY, linewidth=1, alpha=faintness)
        axes.plot(places, before, "o", color=_GREY, markerfacecolor="white", markersize=size, label=first)
        for word, sign, colour, mine in signs:
            axes.plot(places[mine], after[mine], sign, color=colour, markersize=size, label=f"{second}, {word}")
        if label not in linear:
            style.plain_log(axes, np.nanmin(places), np.nanmax(places))
        axes.set(xlabel=label, ylim=(-0.05, 1.15 if few else 1.05), yticks=np.arange(0, 1.01, 0.2))
        style.tidy(axes, "both")
    panels[0].set_ylabel("recall, mean over seeds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False)
    figure.suptitle(title, x=0.01, ha="left")  # before names are placed, because it takes room from the panels
    if few:
        figure.draw_without_rendering()
        heights = np.concatenate([np.maximum(before, after), np.minimum(before, after)])  # the upper points are named
        radius = np.full(len(heights), size / 2 * style.DPI / 72)
        for axes, places in zip(panels, sides.values(), strict=True):
            style.name_points(axes, np.tile(places, 2), heights, [*names, *[""] * len(names)], radius)
    return figure


def costs(parts: Mapping[str, Mapping[str, float]], deviations: Mapping[str, float]) -> Figure:
    """Draw the seconds of each method as a bar made of its parts, with the deviation of the whole over seeds.

    ``parts`` ``{method: {part: mean seconds}}``; ``deviations`` by method, NaN where there is one run.
    """
    names = list(dict.fromkeys(part for mine in parts.values() for part in mine))
    figure = style.new_figure(9, 1.3 + 0.3 * len(parts))
    axes = figure.subplots()
    ends = np.zeros(len(parts))
    for index, part in enumerate(names):
        widths = np.array([mine.get(part, 0.0) for mine in parts.values()])
        colour, hatch = style.PALETTE[index % len(style.PALETTE)], _HATCHES[index % len(_HATCHES)]
        look: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        axes.barh(range(len(parts)), widths, left=ends, height=0.65, label=part, **look)
        ends += widths
    for row, (method, end) in enumerate(zip(parts, ends, strict=True)):
        deviation = deviations[method]
        if not np.isnan(deviation):
            axes.errorbar(end, row, xerr=deviation, color="black", capsize=3, linewidth=1)
        spread = "" if np.isnan(deviation) else f" ± {deviation:.1f}"
        axes.annotate(f" {end:.1f}{spread} s", (end + np.nan_to_num(deviation), row), va="center", fontsize=8)
    _name_rows(axes, list(parts))
    axes.set(xlim=(0, 1.2 * max((ends + np.nan_to_num(list(deviations.values()))).max(), 1e-3)), xlabel="seconds a run")
    figure.legend(loc="outside upper right", ncols=5, frameon=False, fontsize=9)
    return figure


def _name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a chart, the first on top, with a faint line in each."""
    rows, across = range(len(labels)), axes.get_yaxis_transform()
    axes.set_yticks(rows, labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.hlines(rows, 0, 1, transform=across, color=style.FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(axis="y", length=0)
    style.tidy(axes, "x")
