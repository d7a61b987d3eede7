"""Figures of an SPBL run: the loop as a diagram, who arrives, what each pace measured, and a player of the paces.

All but the diagram draw a list of :class:`spbl_nb.methods.spbl.PaceRecord`, of a run on cached features or of a whole
network. Above 20 classes names give way to indices.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from scipy.stats import rankdata

from spbl_nb import checks
from spbl_nb.explorers.base import Explorer, Player
from spbl_nb.methods.spbl import PaceRecord
from spbl_nb.plots import style

_BOXES = {
    "seed set": (0, 1, ("job.part_of_each_class",)),
    "train the network": (1, 1, ("training.fit",)),
    "fit the head": (2, 1, ("svm.StackedSVC",)),
    "losses of the pool": (3, 1, ("self_paced.losses_of",)),
    "admit the easiest": (3, 0, ("pace.select_easiest",)),
    "complexity": (2, 0, ("balance.class_complexity",)),
    "weights, new counts": (1, 0, ("balance.penalty_weights", "balance.reconstruct_curriculum")),
    "balanced rows": (0, 0, ("balance.resample",)),
}
_HALF_WIDTH, _HALF_HEIGHT = 0.43, 0.24


def loop_diagram() -> Figure:
    """Draw the loop of SPBL: a box for each step with the functions that take it, and where balance acts."""
    figure = style.new_figure(9.0, 3.1)
    axes = figure.subplots()
    axes.set(xlim=(-0.47, 3.47), ylim=(-0.3, 1.3))
    axes.set_axis_off()
    for title, (x, y, functions) in _BOXES.items():
        box = FancyBboxPatch(
            (x - _HALF_WIDTH + 0.04, y - _HALF_HEIGHT + 0.04),
            2 * (_HALF_WIDTH - 0.04),
            2 * (_HALF_HEIGHT - 0.04),
            boxstyle="round,pad=0.04",
            facecolor="#EEF5FA",
            edgecolor="0.4",
        )
        axes.add_patch(box)
        axes.text(x, y + 0.1, title, ha="center", va="center", fontsize=10, weight="bold")
        for line, function in enumerate(functions):
            axes.text(x, y - 0.03 - 0.11 * line, function, ha="center", va="center", fontsize=7, family="monospace")
    for x in (0, 1, 2):
        _arrow(axes, (x + _HALF_WIDTH, 1), (x + 1 - _HALF_WIDTH, 1))
        _arrow(axes, (x + 1 - _HALF_WIDTH, 0), (x + _HALF_WIDTH, 0))
    _arrow(axes, (3, 1 - _HALF_HEIGHT), (3, _HALF_HEIGHT))
    _arrow(axes, (0.15, _HALF_HEIGHT), (0.8, 1 - _HALF_HEIGHT), color=style.BLUE)
    _arrow(axes, (0.35, _HALF_HEIGHT), (1.75, 1 - _HALF_HEIGHT), color=style.RED, linestyle="--")
    _arrow(axes, (2.8, _HALF_HEIGHT), (1.25, 1 - _HALF_HEIGHT), color=style.RED, linestyle="--")
    axes.text(0.4, 0.56, "intended ", ha="right", va="bottom", fontsize=9, color=style.BLUE)
    axes.text(0.98, 0.38, "released", ha="left", va="center", fontsize=9, color=style.RED)
    axes.text(2.5, 0.46, "released,\nunbalanced", ha="left", va="center", fontsize=9, color=style.RED)
    axes.text(3.04, 0.5, "next\npace", ha="left", va="center", fontsize=9)
    return figure


def arrivals(
    records: Sequence[PaceRecord],
    pace: int,
    labels: np.ndarray,
    names: Sequence[str],
    images: np.ndarray,
    each: int = 5,
) -> Figure:
    """Draw the easiest and the hardest ``each`` samples of every class that are admitted at ``pace`` for the first time.

    ``labels`` int[N] and ``images`` uint8[N,3,H,W] are those of the whole data set, in which the records' rows count;
    ``pace`` counts from 1. A class with few arrivals leaves places empty, and shows each of them on both sides.
    """
    pace, each = checks.integer("pace", pace, 1, len(records)), checks.integer("each", each, 1, 100)
    labels = checks.label_array("labels", labels, len(names), length=len(images))
    record, new = records[pace - 1], _arriving(records)[pace - 1]
    blocks = np.full((2, len(names), each, *images.shape[1:]), 255, dtype=np.uint8)
    counts = np.zeros(len(names), dtype=int)
    for label in range(len(names)):
        own = np.flatnonzero(new & (labels[record.rows] == label))
        own = record.rows[own[np.argsort(record.loss[own], kind="stable")]]
        counts[label] = len(own)
        for block, rows in zip(blocks, (own[:each], own[::-1][:each]), strict=True):
            block[label, : len(rows)] = images[rows]
    figure = style.new_figure(1.9 + 0.95 * each, 0.5 + 0.43 * len(names))
    for axes, block, word in zip(figure.subplots(1, 2, sharey=True), blocks, ("easiest", "hardest"), strict=True):
        axes.imshow(
            style.mosaic(block), extent=(0, each, len(names) - 0.5, -0.5), aspect="auto", interpolation="nearest"
        )
        axes.set_title(f"new at pace {pace}: {word}", loc="left", fontsize=9)
        axes.set_xticks([])
        axes.tick_params(left=False)
        axes.spines[:].set_visible(False)
        style.class_axis(axes, [f"{name} ({count})" for name, count in zip(names, counts, strict=True)], "y")
    return figure


def pace_table(records: Sequence[PaceRecord], names: Sequence[str]) -> Figure:
    """Draw complexity, penalty weight, change of the class size and validation recall, class by class and pace by pace.

    Complexities are in units of the least complex class of the pace; shades run over each panel. NaN stays empty.
    """
    complexity = np.stack([record.complexity / np.nanmin(record.complexity) for record in records], axis=1)
    change = np.stack([record.counts_after - record.counts_before for record in records], axis=1)
    weights, recall = (np.stack(values, axis=1) for values in ([r.weights for r in records], _recalls(records)))
    figure = style.new_figure(9.5, 1.0 + 0.26 * min(len(names), 25))
    panels = figure.subplots(1, 4, sharey=True)
    drawn = (
        ("complexity (least = 1)", np.log(complexity), [[f"{v:.{v < 9.95:d}f}" for v in row] for row in complexity]),
        ("penalty weight", weights, [[f"{value:.1f}" for value in row] for row in weights]),
        ("samples gained", change, [[f"{value:+d}" if value else "0" for value in row] for row in change]),
        ("validation recall", recall, [[f"{value:.2f}" for value in row] for row in recall]),
    )
    paces = [f"{record.pace}\n{record.fraction:.0%}" for record in records]
    for axes, (title, shades, texts) in zip(panels, drawn, strict=True):
        _shaded(axes, shades, texts)
        axes.set_title(title, fontsize=9)
        axes.set_xticks(range(len(records)), paces, fontsize=8)
    style.class_axis(panels[0], names, "y")
    figure.supxlabel("pace, and share admitted", fontsize=9)
    return figure


class PacePlayer(Explorer):
    """Play a run of SPBL: at each pace who is admitted, how complex each class is, its new size, and its recall.

    ``records`` are those of :func:`spbl_nb.methods.spbl.run`, two or more of one run; ``labels`` int[N] those of the data set,
    ``names`` C texts.
    """

    title = "Pace player"
    size = (9.5, 5.6)

    def __init__(self, records: Sequence[PaceRecord], labels: np.ndarray, names: Sequence[str]) -> None:
        super().__init__()
        self.records = list(records)
        last = len(self.records)
        if last < 2:
            raise ValueError(f"records has {last} entries; at least 2 paces are needed to play")
        self.names = list(names)
        rows, labels = self.records[0].rows, checks.label_array("labels", labels, len(self.names))
        if len(labels) <= rows.max():
            raise ValueError(
                f"labels has {len(labels)} entries, but the records name the row {rows.max()}; give those of all"
            )
        labels = labels[rows]
        self.pool = np.bincount(labels, minlength=len(self.names))
        self.admitted, self.arrived = (
            np.stack([np.bincount(labels[part], minlength=len(self.names)) for part in parts])
            for parts in ([record.selected for record in self.records], _arriving(self.records))
        )
        self.recall_before = np.stack([record.before.per_class.recall for record in self.records])
        self.recall = np.stack(_recalls(self.records))
        self.controls = (
            Player("pace", "Pace (t)", 1, last, 1, 1, "Which pace of the run to show", interval=1500),
        )  # fmt: skip
        self.presets = {"the first pace": {}, "the last pace": {"pace": last}}

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw four panels with one place per class: share admitted, complexity, class sizes, recall."""
        (share, sizes), (complexity, recall) = figure.subplots(2, 2, sharex=True)
        count = len(self.names)
        nothing = np.zeros(count)
        self.new_bars = style.Bars(share, nothing, facecolor=style.ORANGE, hatch=style.HATCH)
        self.old_bars = style.Bars(share, nothing)
        share.set(ylim=(0, 1.08), ylabel="share of the pool")
        self.lost_bars = style.Bars(sizes, nothing, facecolor="white", linestyle="--", edgecolor=style.RED)
        self.gained_bars = style.Bars(sizes, nothing, facecolor=style.ORANGE, hatch=style.HATCH)
        self.kept_bars = style.Bars(sizes, nothing)
        most = max(max(record.counts_before.max(), record.counts_after.max()) for record in self.records)
        sizes.set(ylim=(0, 1.08 * most), ylabel="samples")
        self.rank_bars = style.Bars(complexity, nothing, facecolor=style.SKY)
        (self.weight_marks,) = complexity.plot([], [], "D", color=style.BLACK, markersize=5 if count <= 60 else 3)
        complexity.set(ylim=(0, 1.1 * count), ylabel="rank among classes")
        self.recall_bars = style.Bars(recall, nothing, facecolor=style.GREEN)
        (self.before_marks,) = recall.plot([], [], "_", color=style.BLACK, markersize=9 if count <= 60 else 3)
        recall.set(ylim=(0, 1.08), ylabel="validation recall")
        moving = [self.new_bars, self.old_bars, self.lost_bars, self.gained_bars, self.kept_bars, self.rank_bars]
        keys = (
            (share, {"admitted before": self.old_bars.artist, "now for the first time": self.new_bars.artist}),
            (sizes, {"kept": self.kept_bars.artist, "added": self.gained_bars.artist, "lost": self.lost_bars.artist}),
            (complexity, {"complexity": self.rank_bars.artist, "penalty weight": self.weight_marks}),
            (recall, {"after the pace": self.recall_bars.artist, "before it": self.before_marks}),
        )
        for axes, marks in keys:
            style.class_axis(axes, self.names)
            style.tidy(axes)
            axes.legend(
                marks.values(), marks, loc="lower left", bbox_to_anchor=(0, 0.99), ncols=3, frameon=False, fontsize=8
            )
        for axes in (share, sizes):
            axes.tick_params(bottom=False, labelbottom=False)
        bars = [part.artist for part in (*moving, self.recall_bars)]
        return [*bars, self.weight_marks, self.before_marks]

    def update(self, pace: int) -> str:
        """Set every bar and mark to that pace."""
        index, record = pace - 1, self.records[pace - 1]
        before, after, places = record.counts_before, record.counts_after, np.arange(len(self.names))
        shares = np.stack([self.admitted[index], self.admitted[index] - self.arrived[index]]) / self.pool
        self.new_bars.set(shares[0])
        self.old_bars.set(shares[1])
        self.lost_bars.set(np.where(after < before, before, 0))
        self.gained_bars.set(np.where(after > before, after, 0))
        self.kept_bars.set(np.minimum(before, after))
        self.rank_bars.set(_ranks(record.complexity))
        weighted = np.ptp(record.weights) > 0
        self.weight_marks.set_data(places, _ranks(record.weights) if weighted else np.full(len(places), np.nan))
        self.recall_bars.set(self.recall[index])
        self.before_marks.set_data(places, self.recall_before[index])
        return self._caption(record)

    def _caption(self, record: PaceRecord) -> str:
        index = record.pace - 1
        gained, complexity = record.counts_after - record.counts_before, record.complexity
        most, least = (self.names[int(place)] for place in (np.nanargmax(complexity), np.nanargmin(complexity)))
        changed = f"{gained[gained > 0].sum()} samples are added in {(gained > 0).sum()} classes"
        changed += f" and {-gained[gained < 0].sum()} taken away in {(gained < 0).sum()}"
        means = [float(np.nanmean(values[index])) for values in (self.recall_before, self.recall)]
        return (
            f"Pace {record.pace} of {len(self.records)} admits {record.fraction:.0%} of every class of the pool: "
            f"{record.selected.sum()} samples, {self.arrived[index].sum()} of them for the first time. Most complex is "
            f"{most}, least complex {least}. {changed}. Mean validation recall goes from {means[0]:.2f} to {means[1]:.2f}."
        )


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str = "0.3", linestyle: str = "-"
) -> None:
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 12, "linewidth": 1.4}
    axes.add_patch(FancyArrowPatch(start, end, color=color, linestyle=linestyle, shrinkA=0, shrinkB=0, **look))


def _arriving(records: Sequence[PaceRecord]) -> list[np.ndarray]:
    """Return for each pace bool[n], the pool's samples that are selected at it and were at no pace before."""
    seen, new = np.zeros(len(records[0].rows), dtype=bool), []
    for record in records:
        new.append(record.selected & ~seen)
        seen = seen | record.selected
    return new


def _recalls(records: Sequence[PaceRecord]) -> list[np.ndarray]:
    return [record.validation.per_class.recall for record in records]


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return float[C], ranks from 1 for the smallest, means among equals; NaN stays NaN."""
    return rankdata(values, nan_policy="omit")


def _shaded(axes: Axes, shades: np.ndarray, texts: Sequence[Sequence[str]]) -> None:
    """Draw a table [classes, paces] in shades, up to 20 classes with the texts in its cells; NaN stays empty."""
    known = np.isfinite(shades)
    low, high = (shades[known].min(), shades[known].max()) if known.any() else (0.0, 1.0)
    share = (shades - low) / (high - low) if high > low else 0 * shades
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.25, aspect="auto", interpolation="nearest")
    for row, column in np.argwhere(known) if len(texts) <= style.FEW else ():
        colour = "white" if share[row, column] > 0.7 else "black"
        axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=7.5, color=colour)
    axes.tick_params(left=False, bottom=False)
    axes.spines[:].set_visible(False)
