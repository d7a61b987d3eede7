"""Figures of one data set or one run: each function draws arrays and returns a :class:`matplotlib.figure.Figure`.

They read nothing, change no global state, and stay readable from two classes to some hundred: beyond 20 classes names
become indices, and numbers give way to bars and shades. :func:`show` puts a figure into a notebook as a small PNG with
an alt text. :mod:`spbl_nb.plots.comparisons` has the figures of several methods.
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

from spbl_nb.plots import style

History = Sequence[Mapping[str, Any]]

_ROUND_NUMBERS = [digit * 10**power for power in range(7) for digit in (1, 2, 5)]


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
        raise ValueError("alt is empty; say in a sentence what the figure shows")
    return {"image/png": base64.b64encode(png).decode("ascii"), "text/plain": alt}, {"image/png": {"alt": alt}}


def to_png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a small PNG."""
    canvas = style.canvas_of(figure)
    canvas.draw()
    return style.small_png(np.asarray(canvas.buffer_rgba()))


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
    counts = np.asarray(counts)
    order = np.argsort(-counts, kind="stable") if sort else np.arange(len(counts))
    figure = style.new_figure(8.5, 3.8)
    axes = figure.subplots()
    bars = style.Bars(axes, counts[order])
    texts = [f"{counts[index]:g}" for index in order]
    if difficulty is not None:
        bars.set(counts[order], style.shade(difficulty[order]))
        texts = [f"{text}\n({difficulty[index]:.1f})" for text, index in zip(texts, order, strict=True)]
        difficulty_bar(figure, axes)
    if len(counts) <= style.FEW:
        _write_over(axes, counts[order], texts, 9)
    style.class_axis(axes, [names[index] for index in order])
    if sort and len(counts) > style.FEW:
        axes.set_xlabel("rank of the class by size")
    if logarithmic:
        axes.set_yscale("log")
    most = max(counts.max(), 1)
    axes.set_ylim(0.8 if logarithmic else 0, most**1.15 if logarithmic else most * 1.2)
    axes.set_ylabel("samples" + (" (logarithmic)" if logarithmic else ""))
    style.tidy(axes)
    return figure


def image_grid(
    images: np.ndarray, titles: Sequence[str] | None = None, columns: int = 8, scale: float = 0.95
) -> Figure:
    """Draw images uint8[N,3,H,W] in rows of ``columns``, each ``scale`` inches wide.

    ``titles`` has one text per image, written over it, or one per row, written to its left.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    titles = [] if titles is None else list(map(str, titles))
    per_row = len(titles) == rows != len(images)
    over = [] if per_row else [textwrap.fill(title, max(8, round(15 * scale))) for title in titles]
    lines = max((title.count("\n") + 1 for title in over), default=0)
    figure = style.new_figure(columns * scale + (1.6 if per_row else 0), rows * (scale + 0.05 + 0.15 * lines))
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if place < len(images):
            axes.imshow(images[place].transpose(1, 2, 0), interpolation="nearest")
            axes.set_title(over[place] if over else "", fontsize=8, pad=2)
        if per_row and place % columns == 0:
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
    """Draw the first ``per_class`` images of every class as a row beside its name and size.

    ``images`` uint8[N,3,H,W], ``labels`` int[N]. A class with fewer images leaves the rest of its row empty. ``counts``
    int[C] gives the sizes where ``images`` are a choice out of more. ``scale`` is the side of a square image in inches.
    """
    cells = np.full((len(names), per_class, *images.shape[1:]), 255, dtype=np.uint8)
    for index in range(len(names)):
        mine = np.flatnonzero(labels == index)[:per_class]
        cells[index, : len(mine)] = images[mine]
    counts = np.bincount(labels, minlength=len(names)) if counts is None else counts
    figure = style.new_figure(per_class * scale + 2.2, max(1.0, len(names) * scale))
    axes = figure.subplots()
    aspect = images.shape[2] / images.shape[3]  # a cell is 1 wide and 1 high, whatever the shape of the images
    axes.imshow(
        style.mosaic(cells), interpolation="nearest", extent=(0, per_class, len(names) - 0.5, -0.5), aspect=aspect
    )
    axes.set_anchor("W")  # where room is left over it is at the right, and the names stay in the figure
    axes.set_yticks(range(len(names)), [f"{name} ({count:g})" for name, count in zip(names, counts, strict=True)])
    axes.tick_params(left=False, labelsize=9)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    return figure


def learning_curves(history: History | Mapping[str, History]) -> Figure:
    """Draw loss and accuracy over epochs, on training (solid) and validation or test images (dashed).

    ``history`` is that of a training: one mapping an epoch with ``epoch`` and any of ``train_loss``,
    ``validation_loss``, ``train_accuracy``, ``validation_accuracy``; a run that evaluates the test split, as SPBL did
    when it was released, has ``test_loss`` and ``test_accuracy`` instead. Several histories by name are drawn together,
    one colour and marker each.
    """
    runs = history if isinstance(history, Mapping) else {"": history}
    figure = style.new_figure(9, 3.4)
    panels = figure.subplots(1, 2)
    for axes, quantity in zip(panels, ("loss", "accuracy"), strict=True):
        for run, (name, entries) in enumerate(runs.items()):
            for split, line in zip(("train", "validation", "test"), (*style.LINES[:2], style.LINES[1]), strict=True):
                key = f"{split}_{quantity}"
                points = np.array([(entry["epoch"], entry[key]) for entry in entries if entry.get(key) is not None])
                if len(points):
                    colour = style.PALETTE[run % len(style.PALETTE)] if len(runs) > 1 or split == "train" else style.RED
                    marker = style.MARKERS[run % len(style.MARKERS)] if split != "train" else None
                    label = " ".join(filter(None, (name, {"train": "training"}.get(split, split))))
                    axes.plot(*points.T, line, color=colour, marker=marker, markersize=4, label=label)
        axes.set(xlabel="epoch", ylabel=quantity, xlim=(0, None), ylim=(0, 1.02 if quantity == "accuracy" else None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        style.tidy(axes)
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    return figure


def confusion(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix int[C,C] (rows true, columns predicted); shades are shares of the true class.

    Up to 20 classes the numbers of samples stand in the cells.
    """
    few = len(names) <= style.FEW
    figure = style.new_figure(7.2, 5.6) if few else style.new_figure(6.4, 5.4)
    axes = figure.subplots()
    image, shares = draw_confusion(axes, matrix, names), style.row_shares(matrix)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.04)
    for row, column in np.argwhere(np.asarray(matrix) > 0) if few else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{matrix[row, column]:g}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def draw_confusion(axes: Axes, matrix: np.ndarray, names: Sequence[str]) -> AxesImage:
    """Draw the row shares of a confusion matrix into ``axes``; return the image, whose data are these shares.

    An image and not seaborn's heatmap, because an explorer moves it, and 198 x 198 cells are too slow for that.
    """
    image = axes.imshow(style.row_shares(matrix), cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    style.class_axis(axes, names, "x")
    style.class_axis(axes, names, "y")
    axes.set_xlim(-0.5, len(names) - 0.5)
    extra = "" if len(names) <= style.FEW else " (class index)"
    axes.set(xlabel="predicted class" + extra, ylabel="true class" + extra)
    return image


def recall_against_size(
    recall: np.ndarray, counts: np.ndarray, names: Sequence[str], difficulty: np.ndarray | None = None
) -> Figure:
    """Draw each class as a point: its recall float[C] over its training samples int[C], named where there is room.

    With ``difficulty`` float[C] in [0, 1] hard classes are darker, larger and, above 0.5, squares. A recall of NaN is
    not drawn.
    """
    counts, recall = np.asarray(counts, dtype=float), np.asarray(recall)
    figure = style.new_figure(8.5, 4.4)
    axes = figure.subplots()
    area, colour = np.full(len(names), 60.0), np.array([style.BLUE] * len(names))
    hard: np.ndarray = np.zeros(len(names), dtype=bool)
    if difficulty is not None:
        area, colour, hard = 25 + 125 * difficulty, style.shade(difficulty), difficulty > 0.5
        difficulty_bar(figure, axes, " (size of the mark; square: above 0.5)")
    for marker, mine in (("o", ~hard), ("s", hard)):
        look: dict[str, Any] = {"s": area[mine], "c": colour[mine], "marker": marker}
        axes.scatter(counts[mine], recall[mine], edgecolor="0.25", linewidth=0.7, zorder=3, **look)
    axes.set_xscale("log")
    low, high = counts[counts > 0].min(), counts.max()
    room = max((high / low) ** 0.09, 1.12)
    axes.set(xlim=(low / room, high * room**1.3), ylim=(-0.06, 1.08))
    ticks = [number for number in _ROUND_NUMBERS if low / room <= number <= high * room**1.3]
    axes.set_xticks(ticks, [f"{number:g}" for number in ticks])
    axes.minorticks_off()
    axes.set(xlabel="training samples of the class (logarithmic)", ylabel="recall")
    style.tidy(axes, "both")
    figure.draw_without_rendering()
    style.name_points(axes, counts, recall, names, radius=np.sqrt(area) / 2 * style.DPI / 72)
    return figure


def class_bars(values: np.ndarray | Mapping[str, np.ndarray], names: Sequence[str], label: str) -> Figure:
    """Draw one value in [0, 1] per class, such as its recall, as bars; NaN is left empty.

    ``values`` float[C], or several by name, which are drawn in panels below one another.
    """
    several = values if isinstance(values, Mapping) else {"": values}
    figure = style.new_figure(8.5, 1.3 + 1.9 * len(several))
    panels = figure.subplots(len(several), 1, sharex=True, squeeze=False)[:, 0]
    for axes, colour, (title, heights) in zip(panels, style.PALETTE * len(several), several.items(), strict=False):
        style.Bars(axes, heights, facecolor=colour)
        if len(names) <= style.FEW:
            _write_over(axes, heights, ["" if np.isnan(height) else f"{height:.2f}" for height in heights], 8)
        axes.set(ylim=(0, 1.12), ylabel=label)
        axes.set_title(title, loc="left", fontsize=10)
        style.tidy(axes)
    style.class_axis(panels[-1], names)
    return figure


def difficulty_bar(figure: Figure, axes: Axes, addition: str = "") -> None:
    """Put the scale of :func:`style.shade` beside ``axes``; ``addition`` goes behind the word "difficulty"."""
    scale = figure.colorbar(ScalarMappable(cmap="cividis_r"), ax=axes, fraction=0.03, pad=0.015)
    scale.set_label(f"difficulty{addition}")
    scale.set_ticks([0, 0.5, 1], labels=["0 easy", "0.5", "1 hard"])


def _write_over(axes: Axes, heights: np.ndarray, texts: Sequence[str], size: float) -> None:
    """Write a text over each bar that is there."""
    for place, (height, text) in enumerate(zip(heights, texts, strict=True)):
        if text:
            axes.annotate(text, (place, height), (0, 2), textcoords="offset points", ha="center", fontsize=size)
