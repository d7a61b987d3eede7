"""Parts of the pictures of a selection: losses in a column per class, a block of thumbnails, and shares in words.

In a column the samples of a class stand sorted by loss; columns stand from easy to hard classes. A single age for all
is then a level line through columns of very different height, and a quota cuts each column at the same breadth.

Taught in: notebooks/03_self_paced_selection, section 8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from spbl_nb.plots import style as drawing


class LossColumns:
    """An axes with one column per class, the samples in it sorted by loss from left to right; the height is the loss.

    Classes stand from the lowest to the highest median of ``loss``. Heights are square roots, so that small losses part.
    """

    def __init__(self, loss: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
        self.labels, self.counts = labels, np.bincount(labels, minlength=len(names))
        median = [np.median(loss[labels == label]) if self.counts[label] else np.inf for label in range(len(names))]
        self.order = np.argsort(median, kind="stable")
        self.place = np.argsort(self.order, kind="stable")
        self.names = [f"{names[label]} ({self.counts[label]})" for label in self.order]
        self.width = 0.86 if len(names) <= drawing.FEW else 0.9

    def x(self, loss: np.ndarray) -> np.ndarray:
        """Return float[N]: where the samples stand when a class is sorted by these losses."""
        rank = np.empty(len(loss))
        rank[np.lexsort((loss, self.labels))] = np.arange(len(loss))
        rank -= (np.cumsum(self.counts) - self.counts)[self.labels]
        return self.place[self.labels] + self.width * ((rank + 0.5) / self.counts[self.labels] - 0.5)

    def shares(self, weights: np.ndarray) -> np.ndarray:
        """Return float[C], the mean weight of each class in the order of the columns; NaN for a class without samples."""
        total = np.bincount(self.labels, weights, len(self.counts))
        mean = np.divide(total, self.counts, out=np.full(len(total), np.nan), where=self.counts > 0)
        return mean[self.order]

    def frame(self, upper: Axes, lower: Axes, most: float) -> None:
        """Label the axes of the losses (up to ``most``) and of the shares below it."""
        most = most or 1.0  # all losses 0
        ticks = _ticks(most)
        upper.set(ylim=(-0.04 * np.sqrt(most), 1.05 * np.sqrt(most)), ylabel="loss (square-root scale)")
        upper.set_yticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks])
        lower.set(ylim=(0, 1.08), ylabel="share admitted", yticks=(0, 0.5, 1))
        for axes in (upper, lower):
            drawing.class_axis(axes, self.names)
            drawing.tidy(axes)
        upper.tick_params(bottom=False, labelbottom=False)
        upper.set_xlabel("")
        if len(self.names) > drawing.FEW:
            lower.set_xlabel(f"{len(self.names)} classes, from the lowest to the highest median loss")
        else:
            lower.set_xlabel("class (its samples), from the lowest to the highest median loss")

    def lines(self, axes: Axes, **style: Any) -> LineCollection:
        """Return one level line per class, to be moved by :meth:`move_lines`."""
        lines = LineCollection([], color=drawing.RED, linewidth=1.6, **style)
        axes.add_collection(lines, autolim=False)
        return lines

    def crosses(self, axes: Axes) -> Line2D:
        """Return the marks of classes with nothing admitted."""
        size = 6 if len(self.names) <= 3 * drawing.FEW else 3.5
        return axes.plot([], [], "X", color=drawing.RED, markersize=size, markeredgewidth=0)[0]

    def move_lines(self, lines: LineCollection, limits: np.ndarray) -> None:
        """Put each class's line at its limit float[C], given in the order of the labels."""
        places, heights = np.arange(len(limits)), np.sqrt(limits[self.order])
        left, right = (np.column_stack([places + side, heights]) for side in (-0.5, 0.5))
        lines.set_segments(list(np.stack([left, right], axis=1)))


class PictureBlock:
    """A block of ``rows`` x ``columns`` pictures under a title."""

    def __init__(self, axes: Axes, title: str, thumbnails: np.ndarray, rows: int, columns: int) -> None:
        self.thumbnails, self.shape = thumbnails, (rows, columns)
        self.pixels = drawing.PixelImage(axes, self._mosaic(np.array([], dtype=np.int64)))
        axes.set_title(title, loc="left", fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_box_aspect(self.pixels.pixels.shape[0] / self.pixels.pixels.shape[1])
        axes.set_anchor("N")

    @property
    def room(self) -> int:
        """How many pictures fit."""
        return self.shape[0] * self.shape[1]

    def show(self, rows: np.ndarray) -> None:
        """Show the thumbnails of these rows, as many as there is room for; empty places are grey."""
        self.pixels.pixels = self._mosaic(rows[: self.room])

    def _mosaic(self, rows: np.ndarray) -> np.ndarray:
        shown = np.full((self.room, *self.thumbnails.shape[1:]), 245, dtype=np.uint8)
        shown[: len(rows)] = self.thumbnails[rows]
        return drawing.mosaic(shown.reshape(*self.shape, *self.thumbnails.shape[1:]))


def describe_shares(shares: np.ndarray, names: Sequence[str]) -> str:
    """Say which classes have nothing admitted, and the lowest and highest share of a class."""
    none = [name for name, share in zip(names, shares, strict=True) if share == 0]
    more = f" and {len(none) - 4} more" if len(none) > 4 else ""
    starved = f"{len(none)} of {len(names)} ({', '.join(none[:4])}{more})" if none else f"none of {len(names)}"
    lowest, highest = int(np.nanargmin(shares)), int(np.nanargmax(shares))
    if shares[lowest] == shares[highest]:
        return f"Of every class {shares[lowest]:.0%} is admitted."
    return (
        f"Classes with nothing admitted: {starved}. Lowest share {shares[lowest]:.0%} ({names[lowest]}), "
        f"highest {shares[highest]:.0%} ({names[highest]})."
    )


def _ticks(most: float) -> np.ndarray:
    """Return round losses up to ``most`` that stand well apart on a square-root scale."""
    ticks = [0.0]
    for value in (digit * 10.0**power for power in range(-6, 4) for digit in (1, 2, 5)):
        if value <= 1.1 * most and np.sqrt(value) - np.sqrt(ticks[-1]) > 0.12 * np.sqrt(most):
            ticks.append(value)
    return np.array(ticks)
