"""Figures from arrays: each function draws one kind of picture and returns a :class:`matplotlib.figure.Figure`.

They take arrays and names, read nothing and change no global state, and stay readable from two classes to some
hundred: beyond 20 classes names become indices, and numbers give way to bars and shades. :func:`show` puts a figure
into a notebook as a small PNG with an alt text.

Taught in: notebooks/01_data and notebooks/02_baseline_cnn use most of them, 09_reproduction_report the comparisons.
"""

import base64
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from spbl_nb import checks
from spbl_nb.plots.style import (
    BLUE,
    DPI,
    FEW,
    LINES,
    MARKERS,
    PALETTE,
    RED,
    SKY,
    Bars,
    canvas_of,
    class_axis,
    mosaic,
    name_points,
    new_figure,
    row_shares,
    shade,
    small_png,
    tidy,
)

_DRAWN = {"epoch"} | {f"{part}_{what}" for part in ("train", "validation", "test") for what in ("loss", "accuracy")}
History = Sequence[Mapping[str, Any]]


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook as a PNG; ``alt`` says in a sentence what someone who cannot see it should know."""
    show_png(to_png(figure), alt)


def show_png(png: bytes, alt: str) -> None:
    """Display PNG bytes in a notebook with an alt text. Raises ValueError when the alt text is empty."""
    from IPython.display import display

    bundle, metadata = png_bundle(png, alt)
    display(bundle, metadata=metadata, raw=True)


def png_bundle(png: bytes, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return MIME bundle and metadata under which Jupyter shows a PNG with its alt text."""
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the picture shows")
    return {"image/png": base64.b64encode(png).decode("ascii"), "text/plain": alt}, {"image/png": {"alt": alt}}


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a small PNG."""
    canvas = canvas_of(figure)
    canvas.draw()
    return small_png(np.asarray(canvas.buffer_rgba()))


def class_sizes(
    counts: np.ndarray,
    names: Sequence[str],
    difficulty: np.ndarray | None = None,
    *,
    sort: bool = False,
    logarithmic: bool = False,
) -> Figure:
    """Draw the samples of each class as bars.

    ``counts`` int[C], ``names`` C texts; ``difficulty`` float[C] in [0, 1] shades the bars (dark is hard) and stands in
    brackets over them. ``sort`` puts the largest class first; ``logarithmic`` makes equal ratios equal steps.
    """
    names = checks.texts("names", names)
    counts = _values("counts", counts, names)
    sort, logarithmic = checks.boolean("sort", sort), checks.boolean("logarithmic", logarithmic)
    order = np.argsort(-counts, kind="stable") if sort else np.arange(len(counts))
    figure = new_figure(8.5, 3.8)
    axes = figure.subplots()
    bars = Bars(axes, counts[order])
    texts = [f"{counts[index]:g}" for index in order]
    if difficulty is not None:
        difficulty = _values("difficulty", difficulty, names, low=0, high=1)
        bars.set(counts[order], shade(difficulty[order]))
        texts = [f"{text}\n({difficulty[index]:.1f})" for text, index in zip(texts, order, strict=True)]
        difficulty_bar(figure, axes)
    if len(counts) <= FEW:
        for place, (text, index) in enumerate(zip(texts, order, strict=True)):
            axes.annotate(text, (place, counts[index]), (0, 2), textcoords="offset points", ha="center", fontsize=9)
    class_axis(axes, [names[index] for index in order])
    if sort and len(counts) > FEW:
        axes.set_xlabel("rank of the class by size")
    if logarithmic:
        axes.set_yscale("log")
    most = max(counts.max(), 1)
    axes.set_ylim(0.8 if logarithmic else 0, most**1.15 if logarithmic else most * 1.2)
    axes.set_ylabel("samples" + (" (logarithmic)" if logarithmic else ""))
    tidy(axes)
    return figure


def picture_grid(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 8, scale: float = 0.95
) -> Figure:
    """Draw pictures uint8[N,3,H,W] in rows of ``columns``.

    ``titles`` has one text per picture, written over it, or one per row, written to its left; ``scale`` is the side of a
    picture in inches. Raises ValueError for no pictures, or another number of titles.
    """
    images = checks.as_array("images", images)
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(f"images has shape {images.shape} and dtype {images.dtype}; allowed: uint8[N,3,H,W], N >= 1")
    columns, scale = min(checks.integer("columns", columns, 1), len(images)), checks.real("scale", scale, 0.1, 20)
    titles = None if titles is None else checks.texts("titles", titles, per="picture or row")
    rows = -(-len(images) // columns)
    if titles is not None and len(titles) not in (len(images), rows):
        raise ValueError(
            f"titles has {len(titles)} texts; {len(images)} are needed, one per picture, or {rows}, one per row"
        )
    per_row = titles is not None and len(titles) != len(images)
    over = (
        [] if titles is None or per_row else [textwrap.fill(str(title), max(8, round(15 * scale))) for title in titles]
    )
    lines = max((title.count("\n") + 1 for title in over), default=0)
    figure = new_figure(columns * scale + (1.6 if per_row else 0), rows * (scale + 0.05 + 0.15 * lines))
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if place < len(images):
            axes.imshow(images[place].transpose(1, 2, 0), interpolation="nearest")
            axes.set_title(over[place] if over else "", fontsize=8, pad=2)
        if titles is not None and per_row and place % columns == 0:
            axes.set_ylabel(titles[place // columns], rotation=0, ha="right", va="center", fontsize=9)
    return figure


def contact_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    per_class: int = 10,
    scale: float = 0.7,
    counts: np.ndarray | None = None,
) -> Figure:
    """Draw the first ``per_class`` pictures of every class as a row beside its name and size.

    ``images`` uint8[N,3,H,W], ``labels`` int[N]. A class with fewer pictures leaves the rest of its row empty. ``counts``
    int[C] gives the sizes where ``images`` are a choice out of more. ``scale`` is the side of a square picture in inches.
    """
    names, scale = checks.texts("names", names), checks.real("scale", scale, 0.1, 20)
    images = checks.as_array("images", images)
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"images has shape {images.shape} and dtype {images.dtype}; allowed: uint8[N,3,H,W]")
    labels = checks.label_array("labels", labels, len(names), length=len(images))
    per_class = checks.integer("per_class", per_class, 1, 1000)
    cells = np.full((len(names), per_class, *images.shape[1:]), 255, dtype=np.uint8)
    for index in range(len(names)):
        mine = np.flatnonzero(labels == index)[:per_class]
        cells[index, : len(mine)] = images[mine]
    counts = np.bincount(labels, minlength=len(names)) if counts is None else _values("counts", counts, names)
    figure = new_figure(per_class * scale + 2.2, max(1.0, len(names) * scale))
    axes = figure.subplots()
    aspect = images.shape[2] / images.shape[3]  # a cell is 1 wide and 1 high, whatever the shape of the pictures
    axes.imshow(mosaic(cells), interpolation="nearest", extent=(0, per_class, len(names) - 0.5, -0.5), aspect=aspect)
    axes.set_anchor("W")  # where room is left over it is at the right, and the names stay in the picture
    axes.set_yticks(range(len(names)), [f"{name} ({count:g})" for name, count in zip(names, counts, strict=True)])
    axes.tick_params(left=False, labelsize=9)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    return figure


def learning_curves(history: History | Mapping[str, History]) -> Figure:
    """Draw loss and accuracy over epochs, on training (solid) and validation or test pictures (dashed).

    ``history`` is that of a training: one mapping an epoch with ``epoch`` and any of ``train_loss``,
    ``validation_loss``, ``train_accuracy``, ``validation_accuracy``; a run that looks at the test part, as SPBL did when
    it was released, has ``test_loss`` and ``test_accuracy`` instead. Several histories by name are drawn together, one
    colour and marker each.
    """
    runs = history if isinstance(history, Mapping) else {"": history}
    for entries in runs.values():
        for entry in checks.sequence("history", entries, "a list of mappings, one an epoch"):
            for key, value in checks.instance("an entry of history", entry, Mapping).items():
                if key in _DRAWN and value is not None:
                    checks.real(f"{key} of history", value, -_MOST, _MOST)
            if "epoch" not in entry:
                raise ValueError(f"an entry of history has {', '.join(map(str, entry))}, but no epoch")
    figure = new_figure(9, 3.4)
    panels = figure.subplots(1, 2)
    for axes, quantity in zip(panels, ("loss", "accuracy"), strict=True):
        for run, (name, entries) in enumerate(runs.items()):
            for part, line in zip(("train", "validation", "test"), (*LINES[:2], LINES[1]), strict=True):
                key = f"{part}_{quantity}"
                points = np.array([(entry["epoch"], entry[key]) for entry in entries if entry.get(key) is not None])
                if len(points):
                    colour = PALETTE[run % len(PALETTE)] if len(runs) > 1 or part == "train" else RED
                    marker = MARKERS[run % len(MARKERS)] if part != "train" else None
                    label = " ".join(filter(None, (name, {"train": "training"}.get(part, part))))
                    axes.plot(*points.T, line, color=colour, marker=marker, markersize=4, label=label)
        axes.set(xlabel="epoch", ylabel=quantity, xlim=(0, None), ylim=(0, 1.02 if quantity == "accuracy" else None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    return figure


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix int[C,C] (rows true, columns predicted); shades are shares of the true class.

    Up to 20 classes the numbers of samples stand in the cells.
    """
    names = checks.texts("names", names)
    matrix = checks.finite_array("matrix", matrix, ndim=2, length=len(names))
    least, most = matrix.min(initial=0), matrix.max(initial=0)
    if not len(names) or matrix.shape[1] != len(names) or least < 0 or most > checks.MOST_SAMPLES:
        raise ValueError(
            f"matrix has shape {matrix.shape} and values from {least:g} to {most:g}; allowed: counts "
            f"[{len(names)},{len(names)}] from 0 to {checks.MOST_SAMPLES:,}"
        )
    few = len(names) <= FEW
    figure = new_figure(7.2, 5.6) if few else new_figure(6.4, 5.4)
    axes = figure.subplots()
    image, shares = draw_confusion(axes, matrix, names), row_shares(matrix)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.04)
    for row, column in np.argwhere(matrix > 0) if few else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{matrix[row, column]:g}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def draw_confusion(axes: Axes, matrix: np.ndarray, names: Sequence[str]) -> AxesImage:
    """Draw the row shares of a confusion matrix into ``axes``; return the image, whose data are these shares."""
    image = axes.imshow(row_shares(matrix), cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    class_axis(axes, names, "x")
    class_axis(axes, names, "y")
    axes.set_xlim(-0.5, len(names) - 0.5)
    extra = "" if len(names) <= FEW else " (class index)"
    axes.set(xlabel="predicted class" + extra, ylabel="true class" + extra)
    return image


def recall_against_size(
    recall: np.ndarray, counts: np.ndarray, names: Sequence[str], difficulty: np.ndarray | None = None
) -> Figure:
    """Draw each class as a point: its recall float[C] over its training samples int[C], named where there is room.

    With ``difficulty`` float[C] in [0, 1] hard classes are darker, larger and, above 0.5, squares. A recall of NaN is left
    out.
    """
    names = checks.texts("names", names)
    counts, recall = _values("counts", counts, names), _values("recall", recall, names, missing=True)
    if counts.max() <= 0:
        raise ValueError(f"counts has nothing above 0 (largest: {counts.max():g}); allowed: a class with samples")
    figure = new_figure(8.5, 4.4)
    axes = figure.subplots()
    area, colour = np.full(len(names), 60.0), np.array([BLUE] * len(names))
    hard: np.ndarray = np.zeros(len(names), dtype=bool)
    if difficulty is not None:
        difficulty = _values("difficulty", difficulty, names, low=0, high=1)
        area, colour, hard = 25 + 125 * difficulty, shade(difficulty), difficulty > 0.5
        difficulty_bar(figure, axes, " (size of the mark; square: above 0.5)")
    for marker, mine in (("o", ~hard), ("s", hard)):
        style: dict[str, Any] = {"s": area[mine], "c": colour[mine], "marker": marker}
        axes.scatter(counts[mine], recall[mine], edgecolor="0.25", linewidth=0.7, zorder=3, **style)
    axes.set_xscale("log")
    low, high = counts[counts > 0].min(), counts.max()
    room = max((high / low) ** 0.09, 1.12)
    axes.set(xlim=(low / room, high * room**1.3), ylim=(-0.06, 1.08))
    ticks = [number for number in _ROUND_NUMBERS if low / room <= number <= high * room**1.3]
    axes.set_xticks(ticks, [f"{number:g}" for number in ticks])
    axes.minorticks_off()
    axes.set(xlabel="training samples of the class (logarithmic)", ylabel="recall")
    tidy(axes, "both")
    figure.draw_without_rendering()
    name_points(axes, counts, recall, names, radius=np.sqrt(area) / 2 * DPI / 72)
    return figure


def class_bars(values: np.ndarray | Mapping[str, np.ndarray], names: Sequence[str], label: str) -> Figure:
    """Draw one value in [0, 1] per class, such as its recall, as bars; NaN is left empty.

    ``values`` float[C], or several by name, which are drawn in panels below one another.
    """
    several = values if isinstance(values, Mapping) else {"": values}
    names, label = checks.texts("names", names), checks.texts("label", [label])[0]
    several = dict(zip(checks.texts("values", list(several)), several.values(), strict=True))
    if not several:
        raise ValueError("values is empty; at least one set of values is needed")
    figure = new_figure(8.5, 1.3 + 1.9 * len(several))
    panels = figure.subplots(len(several), 1, sharex=True, squeeze=False)[:, 0]
    for axes, colour, (title, heights) in zip(panels, PALETTE * len(several), several.items(), strict=False):
        heights = _values("values", heights, names, missing=True)
        Bars(axes, heights, facecolor=colour)
        for place, height in enumerate(heights if len(names) <= FEW else ()):
            if not np.isnan(height):
                axes.annotate(
                    f"{height:.2f}", (place, height), (0, 2), textcoords="offset points", ha="center", fontsize=8
                )
        axes.set(ylim=(0, 1.12), ylabel=label)
        axes.set_title(title, loc="left", fontsize=10)
        tidy(axes)
    class_axis(panels[-1], names)
    return figure


def compare_methods(values: np.ndarray, methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """Draw methods side by side in every metric: mean and standard deviation over seeds, and each seed as a small dot.

    ``values`` float[M,K,S]: M methods, K metrics, S seeds; NaN where a method has fewer seeds. The deviation is that of
    a sample (n - 1) and is left out for a single seed.
    """
    methods, metrics = checks.texts("methods", methods, per="row"), checks.texts("metrics", metrics, per="column")
    values = checks.float_array("values", values)
    if not methods or not metrics or np.nan_to_num(np.abs(values)).max(initial=0) > _MOST:
        raise ValueError(
            f"values have {len(methods)} methods, {len(metrics)} metrics; allowed: one or more, values to {_MOST:g}"
        )
    if values.shape[:2] != (len(methods), len(metrics)) or values.ndim != 3:
        raise ValueError(
            f"values has shape {values.shape}; allowed: [{len(methods)}, {len(metrics)}, S], one row per method, one column "
            "per metric, S seeds"
        )
    step = 0.8 / len(methods)
    figure = new_figure(8.5, 1.1 + len(metrics) * max(0.5, 0.26 * len(methods)))
    axes = figure.subplots()
    for row, method in enumerate(methods):
        for column in range(len(metrics)):
            place = column + (row - (len(methods) - 1) / 2) * step
            _draw_seeds(axes, values[row, column], place, row, method if column == 0 else None)
    axes.set_yticks(range(len(metrics)), metrics)
    axes.set(ylim=(len(metrics) - 0.5, -0.5), xlabel="mean ± standard deviation over seeds; small dots: single seeds")
    axes.hlines(
        np.arange(len(metrics) - 1) + 0.5, 0, 1, transform=axes.get_yaxis_transform(), color="0.8", linewidth=0.8
    )
    figure.legend(loc="outside upper center", ncols=min(len(methods), 5), frameon=False)
    tidy(axes, "x")
    return figure


def seeds_and_means(groups: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Draw one value under several conditions: a row each, with every seed as a dot and mean and deviation over them.

    ``groups`` has the values over seeds by name; ``label`` names the value. The deviation is the sample's (n - 1).
    """
    import seaborn  # takes seconds to import

    label = checks.texts("label", [label])[0]
    if not checks.instance("groups", groups, Mapping):
        raise ValueError("groups is empty; at least one group of values is needed")
    checked = {str(name): checks.finite_array(f"groups[{name!r}]", values, ndim=1) for name, values in groups.items()}
    if any(not len(values) or np.abs(values).max() > _MOST for values in checked.values()):
        raise ValueError(f"groups hold an empty group or values beyond {_MOST:g}; allowed: one value a seed")
    rows = np.repeat(
        [f"{name} (n = {len(values)})" for name, values in checked.items()], list(map(len, checked.values()))
    )
    values = np.concatenate(list(checked.values()))
    figure = new_figure(8.5, 0.9 + 0.5 * len(groups))
    axes = figure.subplots()
    seaborn.stripplot(x=values, y=rows, ax=axes, jitter=False, color=SKY, edgecolor="0.3", linewidth=0.6, size=6)
    line = {"linewidth": 1.5, "color": BLUE}
    mean = {"marker": "s", "color": BLUE, "markersize": 6, "linestyle": "none"}
    seaborn.pointplot(x=values, y=rows, ax=axes, errorbar="sd", capsize=0.2, err_kws=line, **mean)
    axes.set(ylabel="", xlabel=f"{label}: dots are seeds, squares mean ± standard deviation over seeds")
    tidy(axes, "x")
    return figure


def _draw_seeds(axes: Axes, values: np.ndarray, place: float, style: int, label: str | None = None) -> None:
    """Draw the seeds' values that are not NaN as dots at height ``place``, with mean and deviation over them."""
    values = values[~np.isnan(values)]
    if len(values):
        colour, marker = PALETTE[style % len(PALETTE)], MARKERS[style % len(MARKERS)]
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        axes.errorbar(values.mean(), place, xerr=spread, fmt=marker, color=colour, capsize=4, markersize=7, label=label)
        axes.plot(
            values, np.full(len(values), place), ".", color=colour, markeredgecolor="white", markersize=7, zorder=3
        )


_ROUNDING = 1e-9  # by which a share may miss its bounds
_MOST = 1e100  # axes beyond it leave the range of numbers
_ROUND_NUMBERS = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]


def _values(
    name: str,
    values: np.ndarray,
    names: Sequence[str],
    *,
    missing: bool = False,
    low: float = -_MOST,
    high: float = _MOST,
) -> np.ndarray:
    """Return float64[C], one number per class from ``low`` to ``high``; NaN only where values may be missing."""
    array = checks.float_array(name, values)
    gaps = np.isnan(array) & missing
    known = checks.finite_array(name, np.where(gaps, 0, array), ndim=1, length=len(names))
    if not len(known) or known.min() < low - _ROUNDING or known.max() > high + _ROUNDING:
        reach = f" from {known.min():g} to {known.max():g}" if len(known) else ""
        raise ValueError(f"{name} has {len(known)} values{reach}; allowed: one per class, from {low:g} to {high:g}")
    return np.clip(array, low, high)


def difficulty_bar(figure: Figure, axes: Axes, addition: str = "") -> None:
    """Put the scale of :func:`drawing.shade` beside ``axes``; ``addition`` goes behind the word "difficulty"."""
    scale = figure.colorbar(ScalarMappable(cmap="cividis_r"), ax=axes, fraction=0.03, pad=0.015)
    scale.set_label(f"difficulty{addition}")
    scale.set_ticks([0, 0.5, 1], labels=["0 easy", "0.5", "1 hard"])
