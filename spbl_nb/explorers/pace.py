"""Explorers of self-paced selection: who is admitted at an age, and who enters from pace to pace.

Both show the losses of a real training run as one column per class, the samples of a class sorted by loss and the
classes from easy to hard. A single age for all is then a level line, which cuts easy classes late and hard ones early;
a quota per class is a line that climbs with the losses. Thousands of samples stay quick because samples in one state
and one colour are one artist, and images are copied pixel by pixel.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from spbl_nb import checks, pace
from spbl_nb.explorers.base import Choice, Explorer, Player, Slider
from spbl_nb.methods.self_paced import SelfPacedRecord, weigh
from spbl_nb.plots import style

ONE_AGE, QUOTA = "one age for all", "a quota in every class"
_COLOURS = (style.BLUE, style.GREEN, style.PURPLE, style.ORANGE, style.SKY)  # of classes; red is the age
_CURVE_POINTS = 1000  # a curve of weights needs no more
_OUT: dict[str, Any] = {"marker": "x", "color": "0.72", "markersize": 3.5, "markeredgewidth": 0.8}
_STATES: dict[str, dict[str, Any]] = {
    "out": _OUT,
    "stays in": {"marker": "o", "color": style.BLUE, "markersize": 3.5, "markeredgewidth": 0},
    "leaves": {"marker": "v", "color": style.RED, "markersize": 5.5, "markeredgewidth": 0},
    "enters": {"marker": "^", "color": style.ORANGE, "markersize": 5.5, "markeredgewidth": 0},
}  # of a sample at a pace


@dataclass(frozen=True)
class Selection:
    """Who is admitted: ``admitted`` bool[N], ``weights`` float[N] in [0, 1], and where each class is cut.

    ``limits`` float[C] is the loss below which a class is admitted (0 where nothing is); ``age`` the one age behind it,
    NaN where each class has its own.
    """

    admitted: np.ndarray
    weights: np.ndarray
    limits: np.ndarray
    age: float


def select(
    loss: np.ndarray, labels: np.ndarray, share: float, form: str = "hard", scope: str = ONE_AGE, diversity: float = 0.0
) -> Selection:
    """Return the :class:`Selection` of the easiest ``share`` of the samples, of all together or of each class.

    Both select as :func:`spbl_nb.methods.self_paced.weigh` does in training, with ``diversity`` in units of the mean loss.
    Beyond it a share of 0 admits nobody, and a quota, which needs no diversity and ignores it, may have soft weights. The
    logistic form admits everybody and only weighs.
    """
    everybody = form == "logistic"
    if scope == QUOTA:
        age, weights, limits = weigh(loss, labels, share, scope="class")
        admitted = (weights > 0) | everybody
        if form != "hard":
            weights = _weights_within(loss, labels, limits, form) * admitted
    elif diversity > 0 or (share == 0 and not everybody):
        age, weights, limits = 0.0, np.zeros(len(loss)), np.zeros(int(labels.max()) + 1)
        if share > 0:
            age, weights, limits = weigh(loss, labels, share, diversity=diversity, groups=labels)
        admitted = weights > 0
    else:
        _, weights, limits = weigh(loss, labels, share, form)
        age = pace.quantile_age(loss, share)  # that of the logarithmic form comes in units of the largest loss
        admitted, limits = (loss < age) | everybody, np.full(len(limits), age)
    return Selection(admitted, weights, limits, age)


def _weights_within(loss: np.ndarray, labels: np.ndarray, ages: np.ndarray, form: str) -> np.ndarray:
    """Return float[N], the weights of each class at its own age; ``ages`` float[C], 0 where nothing is admitted."""
    weights = np.zeros(len(loss))
    if form == "logarithmic":
        scale = np.nextafter(loss.max(), np.inf)
        loss, ages = loss / scale, np.minimum(ages / scale, 1 - 1e-12)
    ends = np.cumsum(np.bincount(labels))[:-1]
    for rows, age in zip(np.split(np.argsort(labels, kind="stable"), ends), ages.tolist(), strict=True):
        if len(rows) and (age > 0 or form == "logistic"):
            lower_age = age / 2 if form == "mixture" else None
            weights[rows] = pace.self_paced_weights(loss[rows], age, form, lower_age=lower_age)
    return weights


class LossColumns:
    """An axes with one column per class, the samples in it sorted by loss from left to right; the height is the loss.

    Classes go from the lowest to the highest median of ``loss``. Heights are square roots, to spread small losses.
    """

    def __init__(self, loss: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> None:
        self.labels, self.counts = labels, np.bincount(labels, minlength=len(names))
        median = [np.median(loss[labels == label]) if self.counts[label] else np.inf for label in range(len(names))]
        self.order = np.argsort(median, kind="stable")
        self.place = np.argsort(self.order, kind="stable")
        self.names = [names[label] for label in self.order]
        self.width = 0.86 if len(names) <= style.FEW else 0.9

    def x(self, loss: np.ndarray) -> np.ndarray:
        """Return float[N]: the places of the samples when each class is sorted by these losses."""
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
        """Label the axes of the losses (up to ``most``) and of the shares below it; add the artists that both explorers move."""
        most = most or 1.0  # all losses 0
        ticks = _ticks(most)
        upper.set(ylim=(-0.04 * np.sqrt(most), 1.05 * np.sqrt(most)), ylabel="loss (square-root scale)")
        upper.set_yticks(np.sqrt(ticks), [f"{tick:g}" for tick in ticks])
        lower.set(ylim=(0, 1.08), ylabel="share admitted", yticks=(0, 0.5, 1))
        for axes in (upper, lower):
            style.class_axis(
                axes, [f"{name} ({self.counts[label]})" for name, label in zip(self.names, self.order, strict=True)]
            )
            style.tidy(axes)
        upper.tick_params(bottom=False, labelbottom=False)
        upper.set_xlabel("")
        what = f"{len(self.names)} classes" if len(self.names) > style.FEW else "class (its samples)"
        lower.set_xlabel(f"{what}, from the lowest to the highest median loss")
        self.lines = LineCollection([], color=style.RED, linewidth=1.6)
        upper.add_collection(self.lines, autolim=False)
        size = 6 if len(self.names) <= 3 * style.FEW else 3.5
        (self.starved,) = lower.plot([], [], "X", color=style.RED, markersize=size, markeredgewidth=0)

    def move(self, limits: np.ndarray, shares: np.ndarray) -> None:
        """Put each class's level line at its limit float[C], in the order of the labels, and mark the classes of share 0."""
        places, heights = np.arange(len(limits)), np.sqrt(limits[self.order])
        left, right = (np.column_stack([places + side, heights]) for side in (-0.5, 0.5))
        self.lines.set_segments(list(np.stack([left, right], axis=1)))
        none = np.flatnonzero(shares == 0)
        self.starved.set_data(none, np.full(len(none), 0.06))

    def describe(self, shares: np.ndarray) -> str:
        """Name the classes with nothing admitted, and the lowest and highest share of a class."""
        none = [name for name, share in zip(self.names, shares, strict=True) if share == 0]
        more = f" and {len(none) - 4} more" if len(none) > 4 else ""
        starved = f"{len(none)} of {len(shares)} ({', '.join(none[:4])}{more})" if none else f"none of {len(shares)}"
        lowest, highest = int(np.nanargmin(shares)), int(np.nanargmax(shares))
        if shares[lowest] == shares[highest]:
            return f"Of every class {shares[lowest]:.0%} is admitted."
        return (
            f"Classes with nothing admitted: {starved}. Lowest share {shares[lowest]:.0%} ({self.names[lowest]}), "
            f"highest {shares[highest]:.0%} ({self.names[highest]})."
        )


class ImageBlock:
    """A block of ``rows`` x ``columns`` images under a title."""

    def __init__(self, axes: Axes, title: str, thumbnails: np.ndarray, rows: int, columns: int) -> None:
        self.thumbnails, self.shape, self.room = thumbnails, (rows, columns), rows * columns
        self.pixels = style.PixelImage(axes, self._mosaic(np.array([], dtype=np.int64)))
        axes.set_title(title, loc="left", fontsize=9)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_box_aspect(self.pixels.pixels.shape[0] / self.pixels.pixels.shape[1])
        axes.set_anchor("N")

    def show(self, rows: np.ndarray) -> None:
        """Show the thumbnails of these rows, as many as there is room for; empty places are grey."""
        self.pixels.pixels = self._mosaic(rows[: self.room])

    def _mosaic(self, rows: np.ndarray) -> np.ndarray:
        shown = np.full((self.room, *self.thumbnails.shape[1:]), 245, dtype=np.uint8)
        shown[: len(rows)] = self.thumbnails[rows]
        return style.mosaic(shown.reshape(*self.shape, *self.thumbnails.shape[1:]))


class PaceExplorer(Explorer):
    """Who is admitted, and with what weight, as the age rises: by one age or a quota per class, in every form.

    ``loss`` float[N] of a trained network on its training samples, ``labels`` int[N] in 0..C-1, ``names`` C texts,
    ``thumbnails`` uint8[N,3,h,w] or None.
    """

    title = "Pace explorer"
    size = (9.0, 5.3)
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            "half of all, by one age": {},
            "half of every class": {"scope": QUOTA},
            "one age with diversity": {"diversity": 1.0},
            "soft weights": {"form": "linear"},
        }
    )
    controls = (
        Slider("share", "Share admitted (add-ratio q)", 0.0, 1.0, 0.01, 0.5,
               "The age is set so that this share of the samples has a loss below it"),
        Choice("scope", "Age", (ONE_AGE, QUOTA), ONE_AGE, "The easiest of all samples, or the easiest of every class"),
        Choice("form", "Form of the weights", pace.FORMS, "hard", "How the weight falls as the loss nears the age"),
        Slider("diversity", "Diversity (γ, in mean losses)", 0.0, 3.0, 0.1, 0.0,
               "SPLD: how much more a class may take that has taken little; only with one age, and with hard weights"),
    )  # fmt: skip

    def __init__(
        self, loss: np.ndarray, labels: np.ndarray, names: Sequence[str], thumbnails: np.ndarray | None = None
    ) -> None:
        super().__init__()
        self.names = list(names)
        self.loss, self.labels = _checked(loss, labels, self.names, thumbnails)
        self.thumbnails = thumbnails
        self.columns = LossColumns(self.loss, self.labels, self.names)
        self.x, self.y = self.columns.x(self.loss), np.sqrt(self.loss)
        self.colour = self.columns.place[self.labels] % len(_COLOURS)
        self.by_loss = np.argsort(self.loss, kind="stable")
        self.sparse = self.by_loss[:: 1 + len(self.loss) // _CURVE_POINTS]

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the weights on the left, the losses in the middle, the shares below, and images on the right."""
        layout: list[list[Any]] = [["curve", "losses"], ["key", "shares"]]
        widths = [0.7, 4.6]
        if self.thumbnails is not None:
            layout, widths = [[*layout[0], "easy"], [*layout[1], "hard"]], [0.7, 4.6, 1.75]
        axes = figure.subplot_mosaic(layout, width_ratios=widths, height_ratios=(1.45, 1))
        axes["curve"].sharey(axes["losses"])
        self.columns.frame(axes["losses"], axes["shares"], float(self.loss.max()))
        axes["losses"].set_ylabel("")
        axes["losses"].tick_params(left=False, labelleft=False)
        axes["curve"].set(xlim=(-0.08, 1.12), ylabel="loss (square-root scale)", xticks=(0, 1))
        axes["curve"].set_title("weight v", fontsize=9)
        style.tidy(axes["curve"])
        (self.out,) = axes["losses"].plot([], [], linestyle="", **_OUT)
        self.light, self.full = (
            [axes["losses"].plot([], [], "o", color=c, markersize=size, markeredgewidth=0)[0] for c in _COLOURS]
            for size in (2.4, 4)
        )
        (self.curve,) = axes["curve"].plot([], [], ".", color=style.RED, markersize=3)
        self.share_bars = style.Bars(axes["shares"], np.zeros(len(self.names)), facecolor="#BFDDF0")
        self.weight_bars = style.Bars(axes["shares"], np.zeros(len(self.names)))
        self.asked = axes["shares"].axhline(0, color=style.RED, linewidth=1.2, linestyle="--")
        self._write_key(axes["key"])
        self.blocks: list[ImageBlock] = []
        if self.thumbnails is not None:
            words = {"easy": "easiest admitted", "hard": "hardest admitted"}
            self.blocks = [ImageBlock(axes[end], text, self.thumbnails, 3, 4) for end, text in words.items()]
        images = [block.pixels for block in self.blocks]
        bars = [self.share_bars.artist, self.weight_bars.artist, self.asked, self.columns.starved]
        return [self.out, *self.light, *self.full, self.columns.lines, self.curve, *bars, *images]

    def _write_key(self, axes: Axes) -> None:
        """Say what the marks mean."""
        marks = {
            "admitted": self.full[0], "weight < ½": self.light[0], "not admitted": self.out, "limit": self.columns.lines,
            "share asked": self.asked, "mean weight": self.weight_bars.artist, "share admitted": self.share_bars.artist,
            "none admitted": self.columns.starved,
        }  # fmt: skip
        axes.set_axis_off()
        axes.legend(marks.values(), marks, loc="upper left", bbox_to_anchor=(-0.75, 1.05), frameon=False, fontsize=8,
                    handlelength=1.2, handletextpad=0.4)  # fmt: skip

    def update(self, share: float, scope: str, form: str, diversity: float) -> str:
        """Select again and set every mark, bar and image."""
        chosen = select(self.loss, self.labels, share, form, scope, diversity)
        self.out.set_data(self.x[~chosen.admitted], self.y[~chosen.admitted])
        for points, part in (
            (self.light, chosen.admitted & (chosen.weights < 0.5)),
            (self.full, chosen.admitted & (chosen.weights >= 0.5)),
        ):
            for index, line in enumerate(points):
                mine = part & (self.colour == index)
                line.set_data(self.x[mine], self.y[mine])
        self.curve.set_data(chosen.weights[self.sparse], self.y[self.sparse])
        shares = self.columns.shares(chosen.admitted)
        self.share_bars.set(shares)
        self.weight_bars.set(self.columns.shares(chosen.weights))
        self.asked.set_ydata([share, share])
        self.columns.move(chosen.limits, shares)
        rows = self.by_loss[chosen.admitted[self.by_loss]]
        for block, ordered in zip(self.blocks, (rows, rows[::-1]), strict=False):
            block.show(ordered)
        return self._caption(chosen, shares, share, scope, form, diversity)

    def _caption(
        self, chosen: Selection, shares: np.ndarray, share: float, scope: str, form: str, diversity: float
    ) -> str:
        if scope == QUOTA:
            reach = f" (ages from {chosen.limits.min():.3g} to {chosen.limits.max():.3g})"
            rule = f"A quota of {share:.0%} in every class{reach}, {form} weights"
            rule += ", which needs no diversity" if diversity else ""
        elif diversity:
            rule = f"SPLD with age λ = {chosen.age:.3g} and diversity γ = {diversity:g} mean losses, whose weights are hard"
        else:
            rule = f"One age λ = {chosen.age:.3g}, {form} weights"
        admitted, total = int(chosen.admitted.sum()), len(self.loss)
        worth = f", worth {chosen.weights.sum():.1f} whole ones" if (chosen.weights % 1).any() else ""
        never = " (a logistic weight is never 0)" if np.all(chosen.weights > 0) and form == "logistic" else ""
        return (
            f"{rule}: {admitted} of {total} samples admitted, {admitted / total:.0%}{worth}{never}. "
            + self.columns.describe(shares)
        )


class CurriculumPlayer(Explorer):
    """Play a recorded run: at each pace who is in, who enters, and who leaves again.

    ``records`` are those of :func:`spbl_nb.methods.self_paced.record_paces`, all over the same samples; ``labels`` int[N],
    ``names`` C texts, ``thumbnails`` uint8[N,3,h,w] or None.
    """

    title = "Curriculum player"
    size = (9.0, 5.3)

    def __init__(
        self,
        records: Sequence[SelfPacedRecord],
        labels: np.ndarray,
        names: Sequence[str],
        thumbnails: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.records, self.names, self.thumbnails = list(records), list(names), thumbnails
        if len(self.records) < 2:
            raise ValueError(f"records has {len(self.records)} entries; at least 2 paces are needed to play")
        for record in self.records:
            _, self.labels = _checked(record.loss, labels, self.names, thumbnails)
        self.columns = LossColumns(self.records[0].loss, self.labels, self.names)
        self.selected = np.stack([record.selected for record in self.records])
        before = np.vstack([np.zeros_like(self.selected[:1]), self.selected[:-1]])
        self.enters, self.leaves = self.selected & ~before, before & ~self.selected
        last = len(self.records)
        self.controls = (
            Player("pace", "Pace (t)", 1, last, 1, 1, "Which pace of the run to show", interval=1200),
        )  # fmt: skip
        self.presets = {"the first pace": {}, "the last": {"pace": last}}

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the losses above, the shares below, and on the right the course of the run and who enters."""
        layout: list[list[Any]] = [["losses", "course"], ["shares", "images"]]
        widths = [4.4, 2.0]
        axes = figure.subplot_mosaic(layout, width_ratios=widths, height_ratios=(1.2, 1))
        self.columns.frame(axes["losses"], axes["shares"], float(max(record.loss.max() for record in self.records)))
        self.points = {
            word: axes["losses"].plot([], [], linestyle="", label=word, **look)[0] for word, look in _STATES.items()
        }
        axes["losses"].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9)
        self.in_bars = style.Bars(axes["shares"], np.zeros(len(self.names)), facecolor=style.ORANGE, hatch=style.HATCH)
        self.stay_bars = style.Bars(axes["shares"], np.zeros(len(self.names)))
        self._build_course(axes["course"])
        self.block = None
        if self.thumbnails is None:
            axes["images"].set_axis_off()
        else:
            self.block = ImageBlock(axes["images"], "entering now, from easy to hard", self.thumbnails, 3, 5)
        images = [] if self.block is None else [self.block.pixels]
        bars = [self.in_bars.artist, self.stay_bars.artist, self.columns.starved]
        return [*self.points.values(), self.columns.lines, *bars, self.cursor, *images]

    def _build_course(self, axes: Axes) -> None:
        """Draw how many samples are in, enter and leave at each pace, and a line at the pace shown."""
        paces = np.arange(1, len(self.records) + 1)
        course = (
            (self.selected, "in", "o", style.BLUE),
            (self.enters, "enter", "^", style.ORANGE),
            (self.leaves, "leave", "v", style.RED),
        )
        for values, word, marker, colour in course:
            total = values.sum(axis=1)
            axes.plot(paces, total, marker=marker, color=colour, markersize=5)
            end = (paces[-1], total[-1])
            axes.annotate(word, end, (7, 0), textcoords="offset points", fontsize=9, va="center")
        axes.set(xlim=(0.7, paces[-1] * 1.28), xlabel="pace", ylabel="samples", xticks=paces[:: -(-len(paces) // 10)])
        axes.set_ylim(bottom=-0.03 * len(self.labels))
        style.tidy(axes)
        self.cursor = axes.axvline(1, color="0.2", linestyle="--", linewidth=1.2)

    def update(self, pace: int) -> str:
        """Set every mark, bar and image to that pace."""
        record, index = self.records[pace - 1], pace - 1
        enters, leaves, selected = self.enters[index], self.leaves[index], self.selected[index]
        x, y = self.columns.x(record.loss), np.sqrt(record.loss)
        states = {"out": ~selected & ~leaves, "stays in": selected & ~enters, "leaves": leaves, "enters": enters}
        for word, mine in states.items():
            self.points[word].set_data(x[mine], y[mine])
        limits = np.zeros(len(self.names))
        np.maximum.at(limits, self.labels[selected], record.loss[selected])
        shares = self.columns.shares(selected)
        self.columns.move(limits if np.isnan(record.age) else np.full(len(limits), record.age), shares)
        self.in_bars.set(shares)
        self.stay_bars.set(self.columns.shares(selected & ~enters))
        self.cursor.set_xdata([pace, pace])
        if self.block is not None:
            rows = np.flatnonzero(enters)
            rows = rows[np.argsort(record.loss[rows], kind="stable")]
            self.block.show(rows[np.linspace(0, len(rows) - 1, min(len(rows), self.block.room)).astype(int)])
        return self._caption(record, shares)

    def _caption(self, record: SelfPacedRecord, shares: np.ndarray) -> str:
        index = record.pace - 1
        selected, enters, leaves = (int(part[index].sum()) for part in (self.selected, self.enters, self.leaves))
        rule = "a quota in every class" if np.isnan(record.age) else f"age λ = {record.age:.3g}"
        from_class = np.bincount(self.labels[self.enters[index]], minlength=len(self.names))
        most = f", most of them ({from_class.max()}) {self.names[int(from_class.argmax())]}" if enters else ""
        return (
            f"Pace {record.pace} of {len(self.records)}, {rule}: {selected} of {len(self.labels)} samples are in "
            f"({selected / len(self.labels):.0%}, asked for {record.fraction:.0%}); {enters} enter{most}; {leaves} leave. "
        ) + self.columns.describe(shares)


def _checked(
    loss: np.ndarray, labels: np.ndarray, names: Sequence[str], thumbnails: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return losses and labels; raise ValueError naming the argument when they, names and thumbnails do not fit."""
    loss = checks.finite_array("loss", loss, ndim=1)
    labels = checks.label_array("labels", labels, len(names), length=len(loss))
    pace.quantile_age(loss, 0.0)  # refuses an empty or a negative loss
    if thumbnails is not None and (
        thumbnails.dtype != np.uint8 or thumbnails.ndim != 4 or thumbnails.shape[:2] != (len(loss), 3)
    ):
        raise ValueError(
            f"thumbnails has shape {thumbnails.shape} and dtype {thumbnails.dtype}; allowed: uint8[{len(loss)},3,h,w] or None"
        )
    return loss, labels


def _ticks(most: float) -> np.ndarray:
    """Return round losses up to ``most``, well apart on a square-root scale."""
    ticks = [0.0]
    for value in (digit * 10.0**power for power in range(-6, 4) for digit in (1, 2, 5)):
        if value <= 1.1 * most and np.sqrt(value) - np.sqrt(ticks[-1]) > 0.12 * np.sqrt(most):
            ticks.append(value)
    return np.array(ticks)
