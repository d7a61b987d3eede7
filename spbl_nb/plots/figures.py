"""Figures of one data set or one run: each function draws arrays and returns a :class:`matplotlib.figure.Figure`.

They stay readable from two classes to some hundred: beyond 20 classes names become indices, and numbers give way to bars
and shades. :func:`show` puts a figure into a notebook as a small PNG with an alt text.
:mod:`spbl_nb.plots.comparisons` has the figures of several methods.
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
    images: np.ndarray, labels: np.ndarray, names: Sequence[str], per_class: int, counts: np.ndarray
) -> Figure:
    """Draw the first ``per_class`` images of every class as a row beside its name and size ``counts`` int[C].

    ``images`` uint8[N,3,H,W], ``labels`` int[N]. A class with fewer images leaves the rest of its row empty.
    """
    cells = np.full((len(names), per_class, *images.shape[1:]), 255, dtype=np.uint8)
    for index in range(len(names)):
        mine = np.flatnonzero(labels == index)[:per_class]
        cells[index, : len(mine)] = images[mine]
    figure = style.new_figure(0.85 * per_class + 2.2, max(1.0, 0.85 * len(names)))
    axes = figure.subplots()
    aspect = images.shape[2] / images.shape[3]  # a cell is 1 wide and 1 high, whatever the shape of the images
    whole = (0, per_class, len(names) - 0.5, -0.5)
    axes.imshow(style.mosaic(cells), interpolation="nearest", extent=whole, aspect=aspect)
    axes.set_anchor("W")  # where room is left over it is at the right, and the names stay in the figure
    axes.set_yticks(range(len(names)), [f"{name} ({count:g})" for name, count in zip(names, counts, strict=True)])
    axes.tick_params(left=False, labelsize=9)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    return figure


def learning_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy over epochs, on training (solid) and validation or test images (dashed).

    ``history`` is that of a training: one mapping an epoch with ``epoch`` and any of ``train_loss``,
    ``validation_loss``, ``test_loss`` and the same of ``accuracy``.
    """
    looks: dict[str, tuple[str, str, str, str | None]] = {"train": ("training", "-", style.BLUE, None)}
    looks |= {split: (split, "--", style.RED, "o") for split in ("validation", "test")}
    figure = style.new_figure(9, 3.4)
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, (word, line, colour, marker) in looks.items():
            key = f"{split}_{quantity}"
            points = np.array([(entry["epoch"], entry[key]) for entry in history if entry.get(key) is not None])
            if len(points):
                axes.plot(*points.T, line, color=colour, marker=marker, markersize=4, label=word)
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
    low, high = counts[counts > 0].min(), counts.max()
    room = max((high / low) ** 0.09, 1.12)
    style.plain_log(axes, low, high)
    axes.set(xlim=(low / room, high * room**1.3), ylim=(-0.06, 1.08))
    axes.set(xlabel="training samples of the class (logarithmic)", ylabel="recall")
    style.tidy(axes, "both")
    figure.draw_without_rendering()
    style.name_points(axes, counts, recall, names, radius=np.sqrt(area) / 2 * style.DPI / 72)
    return figure


def class_bars(values: np.ndarray, names: Sequence[str], label: str) -> Figure:
    """Draw one value in [0, 1] per class float[C], such as its recall, as bars; NaN is left empty."""
    figure = style.new_figure(8.5, 3.2)
    axes = figure.subplots()
    style.Bars(axes, values)
    if len(names) <= style.FEW:
        _write_over(axes, values, ["" if np.isnan(value) else f"{value:.2f}" for value in values], 8)
    axes.set(ylim=(0, 1.12), ylabel=label)
    style.tidy(axes)
    style.class_axis(axes, names)
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
