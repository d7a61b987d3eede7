"""Explorers of self-paced selection: who is admitted at an age, and who enters from pace to pace.

Both show the losses of a real training run as one column per class, the samples of a class sorted by loss and the
classes from easy to hard. A single age for all is then a level line, which cuts easy classes late and hard ones early;
a quota per class is a line that climbs with the losses. Thousands of samples stay quick because samples in one state
and one colour are one artist, and pictures are copied pixel by pixel.

Taught in: notebooks/03_self_paced_selection, section 8.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spbl_nb import checks, pace
from spbl_nb.explorers.base import Choice, Explorer, Player, Slider
from spbl_nb.explorers.loss_columns import LossColumns, PictureBlock, describe_shares
from spbl_nb.methods.self_paced import SelfPacedRecord
from spbl_nb.plots import style as drawing

ONE_AGE, QUOTA = "one age for all", "a quota in every class"
_COLOURS = (drawing.BLUE, drawing.GREEN, drawing.PURPLE, drawing.ORANGE, drawing.SKY)  # of classes; red is the age
_CURVE_POINTS = 1000  # a curve of weights needs no more
_OUT: dict[str, Any] = {"marker": "x", "color": "0.72", "markersize": 3.5, "markeredgewidth": 0.8}


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

    ``loss`` float[N], finite and >= 0; ``labels`` int[N] in 0..C-1; ``share`` in [0, 1]; ``form`` one of pace.FORMS;
    ``scope`` :data:`ONE_AGE` or :data:`QUOTA`. With ``diversity`` above 0, in units of the mean loss, one age selects as
    SPLD does, whose weights are hard; a quota needs no diversity and ignores it. The logistic form admits everybody and
    only weighs. The mixture's lower age is half of its age, and the logarithmic form sees losses divided by the largest
    one, as in :mod:`spbl_nb.methods.self_paced`.

    Taught in: notebooks/03_self_paced_selection, section 8.
    """
    loss = checks.finite_array("loss", loss, ndim=1)
    labels = checks.label_array("labels", labels, length=len(loss))
    share = checks.real("share", share, 0, 1)
    diversity = checks.real("diversity", diversity, 0)
    if checks.one_of("scope", scope, (ONE_AGE, QUOTA)) == QUOTA:
        return _select_by_quota(loss, labels, share, form)
    if diversity > 0:
        with np.errstate(over="ignore"):
            bonus = diversity * float(np.mean(loss))
        if not math.isfinite(bonus):
            raise ValueError(
                f"diversity is {diversity:g} times a mean of loss beyond all numbers; allowed: smaller values"
            )
        return _select_diverse(loss, labels, share, bonus)
    age = pace.quantile_age(loss, share)
    weights = _weights(loss, age, form, float(np.max(loss)))
    admitted = np.ones(len(loss), dtype=bool) if form == "logistic" else loss < age
    return Selection(admitted, weights, np.full(int(np.max(labels)) + 1, age), age)


def _select_by_quota(loss: np.ndarray, labels: np.ndarray, share: float, form: str) -> Selection:
    admitted = pace.select_easiest(loss, labels, share)
    counts = np.bincount(labels)
    limits = np.zeros(len(counts))
    np.maximum.at(limits, labels[admitted], np.nextafter(loss[admitted], np.inf))  # each class's pace.quantile_age
    if form == "hard":
        return Selection(admitted, admitted.astype(float), limits, float("nan"))
    weights, most = np.zeros(len(loss)), float(np.max(loss))
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    for rows, limit in zip(by_class, limits.tolist(), strict=True):
        if len(rows):
            weights[rows] = _weights(loss[rows], limit, form, most)
    if form == "logistic":
        return Selection(np.ones(len(loss), dtype=bool), weights, limits, float("nan"))
    return Selection(admitted, weights * admitted, limits, float("nan"))


def _select_diverse(loss: np.ndarray, labels: np.ndarray, share: float, diversity: float) -> Selection:
    """SPLD with the least age that admits the share; a share of 0 admits nobody, whatever the diversity."""
    if share == 0:
        return Selection(np.zeros(len(loss), dtype=bool), np.zeros(len(loss)), np.zeros(int(np.max(labels)) + 1), 0.0)
    age = pace.diverse_age(loss, labels, share, diversity)
    admitted = pace.diverse_selection(loss, labels, age, diversity)
    limits: np.ndarray = np.zeros(int(np.max(labels)) + 1)
    np.maximum.at(limits, labels[admitted], loss[admitted])
    limits = np.where(
        np.bincount(labels[admitted], minlength=len(limits)) > 0, limits, age + diversity
    )  # a first one's limit
    return Selection(admitted, admitted.astype(float), limits, age)


def _weights(loss: np.ndarray, age: float, form: str, most: float) -> np.ndarray:
    """Return the weights at an age that may be 0, where only the logistic form weighs at all; ``most`` is the largest loss."""
    if age == 0 and form != "logistic":
        return np.zeros(len(loss))
    if form == "logarithmic":
        scale = np.nextafter(most, np.inf)
        return pace.self_paced_weights(loss / scale, float(np.clip(age / scale, 1e-12, 1 - 1e-12)), form)
    return pace.self_paced_weights(loss, age, form, lower_age=age / 2 if form == "mixture" else None)


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
        self.names = checks.texts("names", names)
        self.loss, self.labels = _checked(loss, labels, self.names, thumbnails)
        self.thumbnails = thumbnails
        self.columns = LossColumns(self.loss, self.labels, self.names)
        self.x, self.y = self.columns.x(self.loss), np.sqrt(self.loss)
        self.colour = self.columns.place[self.labels] % len(_COLOURS)
        self.by_loss = np.argsort(self.loss, kind="stable")
        self.sparse = self.by_loss[:: 1 + len(self.loss) // _CURVE_POINTS]

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the weights on the left, the losses in the middle, the shares below, and pictures on the right."""
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
        drawing.tidy(axes["curve"])
        (self.out,) = axes["losses"].plot([], [], linestyle="", **_OUT)
        self.light, self.full = (
            [self._points(axes["losses"], colour, size) for colour in _COLOURS] for size in (2.4, 4)
        )
        self.lines = self.columns.lines(axes["losses"])
        (self.curve,) = axes["curve"].plot([], [], ".", color=drawing.RED, markersize=3)
        self.share_bars = drawing.Bars(axes["shares"], np.zeros(len(self.names)), facecolor="#BFDDF0")
        self.weight_bars = drawing.Bars(axes["shares"], np.zeros(len(self.names)))
        self.asked = axes["shares"].axhline(0, color=drawing.RED, linewidth=1.2, linestyle="--")
        self.starved = self.columns.crosses(axes["shares"])
        self._write_key(axes["key"])
        self.blocks: list[PictureBlock] = []
        if self.thumbnails is not None:
            words = {"easy": "easiest admitted", "hard": "hardest admitted"}
            self.blocks = [PictureBlock(axes[end], text, self.thumbnails, 3, 4) for end, text in words.items()]
        pictures = [block.pixels for block in self.blocks]
        bars = [self.share_bars.artist, self.weight_bars.artist, self.asked, self.starved]
        return [self.out, *self.light, *self.full, self.lines, self.curve, *bars, *pictures]

    def _write_key(self, axes: Axes) -> None:
        """Say what the marks mean."""
        marks = {
            "admitted": self.full[0], "weight < ½": self.light[0], "not admitted": self.out, "limit": self.lines,
            "share asked": self.asked, "mean weight": self.weight_bars.artist, "share admitted": self.share_bars.artist,
            "none admitted": self.starved,
        }  # fmt: skip
        axes.set_axis_off()
        axes.legend(marks.values(), marks, loc="upper left", bbox_to_anchor=(-0.75, 1.05), frameon=False, fontsize=8,
                    handlelength=1.2, handletextpad=0.4)  # fmt: skip

    @staticmethod
    def _points(axes: Axes, colour: str, size: float) -> Line2D:
        return axes.plot([], [], "o", color=colour, markersize=size, markeredgewidth=0)[0]

    def update(self, share: float, scope: str, form: str, diversity: float) -> str:
        """Select anew and set every mark, bar and picture."""
        chosen = select(self.loss, self.labels, share, form, scope, diversity)
        self.out.set_data(self.x[~chosen.admitted], self.y[~chosen.admitted])
        for points, part in (
            (self.light, chosen.admitted & (chosen.weights < 0.5)),
            (self.full, chosen.admitted & (chosen.weights >= 0.5)),
        ):
            for index, line in enumerate(points):
                mine = part & (self.colour == index)
                line.set_data(self.x[mine], self.y[mine])
        self.columns.move_lines(self.lines, chosen.limits)
        self.curve.set_data(chosen.weights[self.sparse], self.y[self.sparse])
        shares = self.columns.shares(chosen.admitted)
        self.share_bars.set(shares)
        self.weight_bars.set(self.columns.shares(chosen.weights))
        self.asked.set_ydata([share, share])
        none = np.flatnonzero(shares == 0)
        self.starved.set_data(none, np.full(len(none), 0.06))
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
            + describe_shares(shares, [self.names[label] for label in self.columns.order])
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
        self.records, self.names, self.thumbnails = list(records), checks.texts("names", names), thumbnails
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
        layout: list[list[Any]] = [["losses", "course"], ["shares", "pictures"]]
        widths = [4.4, 2.0]
        axes = figure.subplot_mosaic(layout, width_ratios=widths, height_ratios=(1.2, 1))
        self.columns.frame(axes["losses"], axes["shares"], float(max(record.loss.max() for record in self.records)))
        styles: dict[str, dict[str, Any]] = {
            "out": _OUT,
            "stays in": {"marker": "o", "color": drawing.BLUE, "markersize": 3.5, "markeredgewidth": 0},
            "leaves": {"marker": "v", "color": drawing.RED, "markersize": 5.5, "markeredgewidth": 0},
            "enters": {"marker": "^", "color": drawing.ORANGE, "markersize": 5.5, "markeredgewidth": 0},
        }
        self.points = {
            word: axes["losses"].plot([], [], linestyle="", label=word, **style)[0] for word, style in styles.items()
        }
        axes["losses"].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize=9)
        self.lines = self.columns.lines(axes["losses"])
        self.in_bars = drawing.Bars(
            axes["shares"], np.zeros(len(self.names)), facecolor=drawing.ORANGE, hatch=drawing.HATCH
        )
        self.stay_bars = drawing.Bars(axes["shares"], np.zeros(len(self.names)))
        self.starved = self.columns.crosses(axes["shares"])
        course = self._build_course(axes["course"])
        self.pictures = None
        if self.thumbnails is None:
            axes["pictures"].set_axis_off()
        else:
            self.pictures = PictureBlock(axes["pictures"], "entering now, from easy to hard", self.thumbnails, 3, 5)
        pictures = [] if self.pictures is None else [self.pictures.pixels]
        bars = [self.in_bars.artist, self.stay_bars.artist, self.starved]
        return [*self.points.values(), self.lines, *bars, *course, *pictures]

    def _build_course(self, axes: Axes) -> list[Artist]:
        """Draw how many samples are in, enter and leave at each pace, and a line at the pace shown."""
        paces = np.arange(1, len(self.records) + 1)
        for values, marker, colour in (
            (self.selected, "o", drawing.BLUE),
            (self.enters, "^", drawing.ORANGE),
            (self.leaves, "v", drawing.RED),
        ):
            axes.plot(paces, values.sum(axis=1), marker=marker, color=colour, markersize=5)
        for values, word in ((self.selected, "in"), (self.enters, "enter"), (self.leaves, "leave")):
            axes.annotate(
                word, (paces[-1], values[-1].sum()), (7, 0), textcoords="offset points", fontsize=9, va="center"
            )
        axes.set(xlim=(0.7, paces[-1] * 1.28), xlabel="pace", ylabel="samples", xticks=paces[:: -(-len(paces) // 10)])
        axes.set_ylim(bottom=-0.03 * len(self.labels))
        drawing.tidy(axes)
        self.cursor = axes.axvline(1, color="0.2", linestyle="--", linewidth=1.2)
        return [self.cursor]

    def update(self, pace: int) -> str:
        """Set every mark, bar and picture to that pace."""
        record, index = self.records[pace - 1], pace - 1
        enters, leaves, selected = self.enters[index], self.leaves[index], self.selected[index]
        x, y = self.columns.x(record.loss), np.sqrt(record.loss)
        states = {"out": ~selected & ~leaves, "stays in": selected & ~enters, "leaves": leaves, "enters": enters}
        for word, mine in states.items():
            self.points[word].set_data(x[mine], y[mine])
        limits = np.zeros(len(self.names))
        np.maximum.at(limits, self.labels[selected], record.loss[selected])
        self.columns.move_lines(self.lines, limits if np.isnan(record.age) else np.full(len(limits), record.age))
        shares = self.columns.shares(selected)
        self.in_bars.set(shares)
        self.stay_bars.set(self.columns.shares(selected & ~enters))
        none = np.flatnonzero(shares == 0)
        self.starved.set_data(none, np.full(len(none), 0.06))
        self.cursor.set_xdata([pace, pace])
        if self.pictures is not None:
            rows = np.flatnonzero(enters)
            rows = rows[np.argsort(record.loss[rows], kind="stable")]
            spread = np.linspace(0, len(rows) - 1, min(len(rows), self.pictures.room)).astype(int)
            self.pictures.show(rows[spread])
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
        ) + describe_shares(shares, [self.names[label] for label in self.columns.order])


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
