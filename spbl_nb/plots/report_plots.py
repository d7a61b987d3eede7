"""The pictures of the report: many methods over seeds, their differences, the classes, and what all that costs.

Like :mod:`spbl_nb.plots.figures` they take values and names and return a :class:`matplotlib.figure.Figure`. They are made for two
to twenty methods: a row each, named, so that nothing has to be read from a colour.

Taught in: notebooks/09_reproduction_report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from spbl_nb.plots.style import (
    BLACK,
    BLUE,
    DPI,
    FAINT,
    FEW,
    PALETTE,
    RED,
    SKY,
    class_axis,
    name_points,
    new_figure,
    tidy,
)
from spbl_nb.significance import Comparison, mean_and_deviation

_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")
_GREY = "0.35"
_SHORT = 3  # characters of a name that fits beside a point


def watermark(figure: Figure, text: str = "smoke: no result") -> Figure:
    """Lay a text across a figure whose numbers mean nothing, and return the figure."""
    size = min(34, 14 * figure.get_figheight())
    style: dict[str, Any] = {
        "color": "#A01E1E",
        "alpha": 0.25,
        "path_effects": [withStroke(linewidth=2, foreground="white")],
    }
    figure.text(0.5, 0.5, text, size=size, rotation=18, ha="center", va="center", zorder=99, **style)
    return figure


def scores(values: Mapping[str, Mapping[str, Sequence[float]]], marks: Mapping[str, str] | None = None) -> Figure:
    """Draw one panel a metric and one row a method: every seed as a dot, mean as a square, deviation as a bar.

    ``values`` is ``{metric: {method: values over seeds}}``, NaN where a value is not defined; ``marks`` are put behind the
    names of methods.
    """
    methods = list(dict.fromkeys(method for panel in values.values() for method in panel))
    figure = new_figure(9, 1.1 + 0.3 * len(methods))
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    for axes, (metric, panel) in zip(panels, values.items(), strict=True):
        for row, method in enumerate(methods):
            known = np.array([value for value in panel.get(method, ()) if not np.isnan(value)])
            if len(known) == 0:
                continue
            mean, deviation = mean_and_deviation(known)
            bar = {"xerr": deviation, "capsize": 4} if len(known) > 1 else {}
            axes.errorbar(mean, row, fmt="s", color=BLUE, markersize=6, elinewidth=1.5, **bar)
            axes.plot(known, np.full(len(known), row), "o", color=SKY, markeredgecolor="0.3", markersize=4, zorder=3)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(metric, fontsize=10, loc="left")
        axes.set_xlabel("mean ± deviation; dots are seeds", fontsize=8)
        _rows(axes, [method + (marks or {}).get(method, "") for method in methods])
    return figure


def differences(comparisons: Sequence[Comparison], metric: str, marks: Mapping[str, str] | None = None) -> Figure:
    """Draw each comparison as a row: the difference of every seed as a dot, their mean and its interval; 0 is no difference.

    The row of the comparison declared beforehand is a filled square and says so; ``marks`` are put behind names.
    """
    figure = new_figure(9, 1.2 + 0.36 * len(comparisons))
    axes = figure.subplots()
    axes.axvline(0, color=_GREY, linewidth=1)
    for row, one in enumerate(comparisons):
        if one.interval.method != "none":
            axes.plot([one.interval.low, one.interval.high], [row, row], color=BLUE, linewidth=2, zorder=2)
        filled = BLUE if one.family == "primary" else "white"
        axes.plot(one.mean, row, "s", color=BLUE, markerfacecolor=filled, markersize=8, zorder=4)
        axes.plot(
            one.differences, np.full(len(one.seeds), row), "o", color=SKY, markeredgecolor="0.3", markersize=4, zorder=3
        )
        axes.annotate(
            f"{one.adjusted_p:.3g}", (1.01, row), xycoords=axes.get_yaxis_transform(), va="center", fontsize=8
        )
    names = [one.method + (marks or {}).get(one.method, "") for one in comparisons]
    _rows(axes, [name + " (primary)" * (one.family == "primary") for name, one in zip(names, comparisons, strict=True)])
    axes.annotate("adjusted p", (1.01, 1.0), xycoords="axes fraction", va="bottom", fontsize=8)
    level = comparisons[0].interval.level
    axes.set_xlabel(
        f"{metric} minus that of {comparisons[0].baseline}: square mean, line {100 * level:g} % interval, dots seeds"
    )
    return figure


def short_names(names: Sequence[str], sizes: np.ndarray) -> list[str]:
    """Return names for narrow places: the names if all are short, else each class's rank by size, from 1 for the largest."""
    if max(map(len, names)) <= _SHORT:
        return list(names)
    rank = np.argsort(np.argsort(-np.asarray(sizes), kind="stable"))
    return [str(place) for place in rank + 1]


def recall_map(recall: Mapping[str, np.ndarray], names: Sequence[str], sizes: np.ndarray) -> Figure:
    """Draw the recall of every class (columns, largest class first) by every method (rows) as shades, with class sizes above.

    ``recall`` ``{method: float[C]}`` in [0, 1], NaN where a class has no test picture; ``sizes`` float[C] training pictures.
    Up to 20 classes names and numbers are written, each name with that of :func:`short_names` before it.
    """
    order = np.argsort(-np.asarray(sizes), kind="stable")
    table = np.array(list(recall.values()))[:, order]
    few = len(names) <= FEW
    figure = new_figure(9, 2.2 + 0.32 * len(recall) + (0.4 if few else 0))
    top, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.35 * len(recall) + 0.3])
    top.bar(range(len(names)), np.asarray(sizes)[order], color=SKY, edgecolor=_GREY, linewidth=0.5 if few else 0)
    top.set_ylabel("training\npictures", fontsize=8)
    tidy(top)
    image = axes.imshow(table, cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(recall)), list(recall), fontsize=9)
    labels = [
        short if short == name else f"{short} {name}"
        for short, name in zip(short_names(names, sizes), names, strict=True)
    ]
    class_axis(axes, [labels[index] for index in order])
    axes.set_xlim(-0.5, len(names) - 0.5)
    if not few:
        axes.set_xlabel("rank of the class by size")
    else:
        for (row, column), value in np.ndenumerate(table):
            text = "–" if np.isnan(value) else f"{value:.2f}"
            axes.text(
                column, row, text, ha="center", va="center", fontsize=7.5, color="white" if value < 0.5 else "black"
            )
    figure.colorbar(image, ax=axes, label="recall", fraction=0.03, pad=0.01)
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
    it is lower, and is a square where they are level. ``sides`` ``{axis label: float[C]}`` are drawn on a logarithmic
    axis, but for those in ``linear``; classes without a value are left out. Up to 20 classes ``names``, which should be
    short (:func:`short_names`), are written beside the upper points where there is room.
    """
    (first, before), (second, after) = recall.items()
    signs = (
        ("higher", "^", BLUE, after > before),
        ("lower", "v", RED, after < before),
        ("level", "s", BLACK, after == before),
    )
    few = len(names) <= FEW
    size, faintness = (6, 1.0) if few else (3.5, 0.4)
    figure = new_figure(9, 4.0)
    panels = figure.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    for axes, (label, places) in zip(panels, sides.items(), strict=True):
        axes.vlines(places, before, after, color=_GREY, linewidth=1, alpha=faintness)
        axes.plot(places, before, "o", color=_GREY, markerfacecolor="white", markersize=size, label=first)
        for word, sign, colour, mine in signs:
            axes.plot(places[mine], after[mine], sign, color=colour, markersize=size, label=f"{second}, {word}")
        if label not in linear:
            axes.set_xscale("log")
            _plain_log(axes, np.nanmax(places) / np.nanmin(places))
        axes.set(xlabel=label, ylim=(-0.05, 1.15 if few else 1.05), yticks=np.arange(0, 1.01, 0.2))
        tidy(axes, "both")
    panels[0].set_ylabel("recall, mean over seeds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False)
    figure.suptitle(title, x=0.01, ha="left")  # before names are placed, for it takes room from the panels
    if few:
        figure.draw_without_rendering()
        for axes, places in zip(panels, sides.values(), strict=True):
            heights = np.concatenate(
                [np.maximum(before, after), np.minimum(before, after)]
            )  # the upper points are named
            radius = np.full(len(heights), size / 2 * DPI / 72)
            name_points(axes, np.tile(places, 2), heights, [*names, *[""] * len(names)], radius)
    return figure


def costs(parts: Mapping[str, Mapping[str, float]], deviations: Mapping[str, float]) -> Figure:
    """Draw the seconds of each method as a bar made of its parts, with the deviation of the whole over seeds.

    ``parts`` ``{method: {part: mean seconds}}``; ``deviations`` by method, NaN where there is one run.
    """
    names = list(dict.fromkeys(part for mine in parts.values() for part in mine))
    figure = new_figure(9, 1.3 + 0.3 * len(parts))
    axes = figure.subplots()
    ends = np.zeros(len(parts))
    for index, part in enumerate(names):
        widths = np.array([mine.get(part, 0.0) for mine in parts.values()])
        style: dict[str, Any] = {
            "color": PALETTE[index % len(PALETTE)],
            "hatch": _HATCHES[index % len(_HATCHES)],
            "edgecolor": "white",
        }
        axes.barh(range(len(parts)), widths, left=ends, height=0.65, label=part, **style)
        ends += widths
    for row, (method, end) in enumerate(zip(parts, ends, strict=True)):
        deviation = deviations[method]
        if not np.isnan(deviation):
            axes.errorbar(end, row, xerr=deviation, color="black", capsize=3, linewidth=1)
        spread = "" if np.isnan(deviation) else f" ± {deviation:.1f}"
        axes.annotate(f" {end:.1f}{spread} s", (end + np.nan_to_num(deviation), row), va="center", fontsize=8)
    _rows(axes, list(parts))
    axes.set(xlim=(0, 1.2 * max((ends + np.nan_to_num(list(deviations.values()))).max(), 1e-3)), xlabel="seconds a run")
    figure.legend(loc="outside upper right", ncols=5, frameon=False, fontsize=9)
    return figure


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a chart, the first on top, with a faint line in each."""
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.hlines(range(len(labels)), 0, 1, transform=axes.get_yaxis_transform(), color=FAINT, linewidth=0.8, zorder=0)
    axes.tick_params(axis="y", length=0)
    tidy(axes, "x")


def _plain_log(axes: Axes, span: float) -> None:
    """Write the ticks of a logarithmic axis as plain numbers: powers of ten, and 2 and 5 where the span leaves room."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < 50 else (1.0,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
