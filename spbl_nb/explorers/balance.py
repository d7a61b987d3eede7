"""Explorers of balance learning: what penalty weights and a rearranged curriculum do to a classifier, and how one is made.

The balance explorer refits the head of SPBL on cached features at every move of a slider, so that each penalty and each
cap shows in the recall of the classes. The reconstruction player rearranges a curriculum one class after the other.
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
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from spbl_nb import balance, checks, metrics, pace
from spbl_nb.explorers.base import Choice, Explorer, Player, Slider
from spbl_nb.plots import style
from spbl_nb.svm import CachedFeatures, CachedHead

_METRICS = {
    "accuracy": "accuracy", "recall": "macro recall", "f1": "macro F1", "g_mean_corrected": "G-mean, 0 as 0.001",
    "g_mean": "G-mean",
}  # fmt: skip
_BEFORE: dict[str, Any] = {"color": "black", "linewidth": 1.6}  # the mark of "without balance" in every panel
_TITLE: dict[str, Any] = {"fontsize": 9, "loc": "left"}
_STATES = {"#BFDDF0": "", style.ORANGE: style.HATCH, style.BLUE: ""}  # of a bar: not yet, now, already handed out
_LABEL_ROOM = 0.15  # of the axis of recall, for the numbers on a bar
_PORTIONS = 12  # a player hands counts out in at most so many steps
_MAX_ADDED = Slider("max_added", "Cap: most samples added", 0, 100, 5, 100, "No class gains more samples than this")
_KEEP_FACTOR = Slider("keep_factor", "Cap: kept up to (× mean count)", 0.0, 4.0, 0.1, 3.0,
                      "m is this many mean counts: a class below m loses nothing, and none falls below m")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Balanced:
    """What one setting gives: arrays of one value per class, and the heads' reports without balance and with it."""

    complexity: np.ndarray
    weights: np.ndarray
    before: np.ndarray
    after: np.ndarray
    plain: metrics.Report
    balanced: metrics.Report


class BalanceExplorer(Explorer):
    """Weights, class sizes and the refitted head's recalls, as penalties, complexity and caps change.

    As at a pace of SPBL, the easiest share of every class is selected and complexity measured on it; penalty weights and a
    rearranged curriculum follow, and the head is fitted to the resampled rows with these weights. It is compared with the
    head fitted to the same selection with weights of 1 and no resampling. ``seed`` is that of the resampling.
    """

    title = "Balance explorer"
    size = (9.0, 5.8)
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            "weights sorted by complexity": {},
            "weights as released": {"assignment": "released"},
            "weights alone": {"max_added": 0},
            "rearranging alone": {"max_cost": 1.0},
        }
    )
    controls = (
        Slider("max_cost", "Bound of the penalty", 1.0, 50.0, 0.5, 10.0, "The largest weight over the smallest is at most this"),
        Choice("assignment", "Who gets which weight", balance.ASSIGNMENTS, "sorted",
               "In order of complexity, as the released code does it, or in proportion to complexity"),
        Slider("difficulty_share", "Complexity mix (0 rarity, 1 difficulty)", 0.0, 1.0, 0.05, 0.5,
               "How much the mean loss counts against the class size; one half is SPBL's complexity"),
        _MAX_ADDED,
        _KEEP_FACTOR,
        Slider("share", "Share admitted (add-ratio q)", 0.1, 1.0, 0.05, 1.0,
               "The easiest part of every class, which alone is measured, rearranged and learnt from"),
    )  # fmt: skip

    def __init__(self, cached: CachedFeatures, seed: int = 0) -> None:
        super().__init__()
        self.cached, self.head = cached, CachedHead(cached)
        self.seed = checks.integer("seed", seed, 0)
        self.sizes = np.bincount(cached.labels, minlength=len(cached.names))
        self.order = np.argsort(-self.sizes, kind="stable")
        self.names = [str(cached.names[label]) for label in self.order]
        self._plain: dict[float, metrics.Report] = {}

    def solve(
        self,
        max_cost: float,
        assignment: str,
        difficulty_share: float,
        max_added: int,
        keep_factor: float,
        share: float,
    ) -> Balanced:
        """Return everything that the image shows, per class in the order of the labels."""
        labels, classes = self.cached.labels, len(self.names)
        selected = pace.select_easiest(self.cached.loss, labels, share)
        before = np.bincount(labels[selected], minlength=classes)
        mean_loss = np.bincount(labels[selected], self.cached.loss[selected], classes) / before
        complexity = balance.mixed_complexity(mean_loss, self.sizes, difficulty_share)
        weights = balance.penalty_weights(complexity, assignment, max_cost)
        after = balance.reconstruct_curriculum(before, complexity, max_added, keep_factor)
        rows = np.flatnonzero(selected)[balance.resample(labels[selected], after - before, self.seed)]
        shown = np.bincount(rows, minlength=len(labels))
        if share not in self._plain:
            self._plain[share] = self.head.report(selected.astype(np.int64), np.ones(classes))
        return Balanced(complexity, weights, before, after, self._plain[share], self.head.report(shown, weights))

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw weights and metrics on the left, class sizes and recalls on the right."""
        axes = figure.subplot_mosaic([["weights", "sizes"], ["metrics", "recalls"]], width_ratios=(1, 1.75))
        count = len(self.names)
        numbered = [f"{place} {name}" for place, name in enumerate(self.names, 1)]
        self.few = count <= style.FEW
        self._frame_weights(axes["weights"], count)
        self.size_bars = style.Bars(axes["sizes"], np.zeros(count))
        self.recall_bars = style.Bars(axes["recalls"], np.zeros(count), facecolor=style.GREEN)
        axes["sizes"].set(ylim=(0, 1.3 * self.sizes.max()), ylabel="training samples")
        axes["recalls"].set(ylim=(0, 1.22), ylabel="recall", yticks=(0, 0.5, 1))
        for name in ("sizes", "recalls"):
            style.class_axis(axes[name], numbered)
            style.tidy(axes[name])
        axes["sizes"].tick_params(labelbottom=False)
        axes["sizes"].set_xlabel("")
        axes["sizes"].set_title("class sizes after rearranging (and the change)", **_TITLE)
        axes["recalls"].set_title("recall on validation rows (found of all)", **_TITLE)
        self.size_marks, self.recall_marks = (_level_marks(axes[name]) for name in ("sizes", "recalls"))
        (self.dead,) = axes["recalls"].plot([], [], "X", color=style.RED, markersize=7, markeredgewidth=0)
        self.size_texts, self.recall_texts = style.Labels(axes["sizes"]), style.Labels(axes["recalls"], rise=4.5)
        bars = [self.size_bars.artist, self.recall_bars.artist, self.size_marks, self.recall_marks, self.dead]
        texts = [self.size_texts, self.recall_texts]
        figure.legend(
            [self.size_marks, self.sorted_line, self.dead],
            ["black: without balance", "the same weights, sorted", "dead class, where there is one"],
            loc="outside upper center", ncols=3, frameon=False, fontsize=9,
        )  # fmt: skip
        return [*self.weight_artists, *bars, *texts, *self._build_metrics(axes["metrics"])]

    def _frame_weights(self, axes: Axes, count: int) -> None:
        ticks = [1, 2, 5, 10, 20, 50]
        axes.set_yscale("log")
        axes.set(ylim=(0.85, 75), xlim=(0.3, count + 0.7), xlabel="rank of complexity (1: least)")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.set_title("penalty weight (log)" + ("; digits: class number" if self.few else ""), **_TITLE)
        axes.set_yticks(ticks, [f"{tick}" for tick in ticks])
        axes.minorticks_off()
        style.tidy(axes, "both")
        self.sorted_line = axes.plot([], [], "--", color="0.55", linewidth=1.2)[0]
        self.weight_points = axes.plot([], [], "o", color=style.BLUE, markersize=5 if self.few else 3)[0]
        self.weight_texts = style.Labels(axes)
        self.weight_artists = [self.sorted_line, self.weight_points, self.weight_texts]

    def _build_metrics(self, axes: Axes) -> list[Artist]:
        places = np.arange(len(_METRICS))
        self.metric_bars = style.Bars(axes, 0.0 * places, horizontal=True, facecolor=style.GREEN)
        self.metric_marks = axes.vlines([], [], [], **_BEFORE)
        self.metric_texts = style.Labels(axes, align=0, rise=-3)
        axes.set_yticks(places, _METRICS.values(), fontsize=9)
        axes.set(xlim=(0, 1.95), ylim=(len(places) - 0.5, -0.5), xticks=(0, 0.5, 1))
        axes.spines[["top", "right"]].set_visible(False)
        return [self.metric_bars.artist, self.metric_marks, self.metric_texts]

    def update(self, **settings: Any) -> str:
        """Compute the setting, refit the head, and set every mark and bar."""
        found = self.solve(**settings)
        self._show_weights(found)
        before, after = found.before[self.order], found.after[self.order]
        self.size_bars.set(after)
        _move_marks(self.size_marks, before)
        if self.few:
            self.size_texts.put(range(len(after)), np.maximum(after, before), _counts_in_words(after, after - before))
        self._show_recalls(found)
        self._show_metrics(found)
        return self._caption(found, settings)

    def _show_weights(self, found: Balanced) -> None:
        by_complexity = np.argsort(found.complexity, kind="stable")
        rank, weights = np.arange(1, len(by_complexity) + 1), found.weights[by_complexity]
        self.sorted_line.set_data(rank, np.sort(weights))
        self.weight_points.set_data(rank, weights)
        number = np.argsort(self.order)[by_complexity] + 1
        if self.few:
            self.weight_texts.put(rank, weights, [f"{own}" for own in number])

    def _show_recalls(self, found: Balanced) -> None:
        now, plain = (report.per_class.recall[self.order] for report in (found.balanced, found.plain))
        support = found.balanced.per_class.support[self.order]
        self.recall_bars.set(now)
        _move_marks(self.recall_marks, plain)
        dead = np.flatnonzero(now == 0)
        self.dead.set_data(dead, np.full(len(dead), 0.22))
        if self.few:
            hits = np.diag(found.balanced.confusion)[self.order]
            in_the_way = (plain > now) & (plain < now + _LABEL_ROOM)  # the mark, of a label on its bar
            heights = np.nan_to_num(np.where(in_the_way, plain, now))
            words = [f"{hit}/{all_}" for hit, all_ in zip(hits, support, strict=True)]
            self.recall_texts.put(range(len(hits)), heights, words)

    def _show_metrics(self, found: Balanced) -> None:
        now, plain = (
            np.array([getattr(report, name) for name in _METRICS]) for report in (found.balanced, found.plain)
        )
        self.metric_bars.set(now)
        places = np.arange(len(now))
        self.metric_marks.set_segments([[(x, y - 0.45), (x, y + 0.45)] for x, y in zip(plain, places, strict=True)])
        words = [f"{value:.3f}  ({value - without:+.3f})" for value, without in zip(now, plain, strict=True)]
        self.metric_texts.put(np.full(len(now), 1.04), places, words)

    def _caption(self, found: Balanced, settings: Mapping[str, Any]) -> str:
        now, plain = found.balanced, found.plain
        change = found.after - found.before
        most = int(change.argmax())
        gains = f", {self.cached.names[most]} the most ({change[most]:+d})" if change[most] > 0 else ""
        difference = np.nan_to_num(now.per_class.recall - plain.per_class.recall)
        up, down = int(difference.argmax()), int(difference.argmin())
        return (
            f"Weights {settings['assignment']}, from {found.weights.min():.2g} to {found.weights.max():.3g}; their rank "
            f"correlation with complexity is {_spearman(found.weights, found.complexity)}. Rearranging turns "
            f"{found.before.sum()} selected samples into {found.after.sum()}: {(change > 0).sum()} of {len(change)} classes "
            f"gain{gains}, and {(change < 0).sum()} lose. The head on {now.per_class.support.sum()} validation rows, in "
            f"brackets without balance: F1 {now.f1:.3f} ({plain.f1:.3f}), G-mean {now.g_mean:.3f} ({plain.g_mean:.3f}), "
            f"macro recall {now.recall:.3f} ({plain.recall:.3f}), dead classes {len(now.dead_classes)} "
            f"({len(plain.dead_classes)}). " + self._extremes(difference, up, down)
        )

    def _extremes(self, difference: np.ndarray, up: int, down: int) -> str:
        parts = []
        if difference[up] > 0:
            parts.append(f"recall rises most for {self.cached.names[up]} ({difference[up]:+.2f})")
        if difference[down] < 0:
            parts.append(
                f"{'' if parts else 'recall '}falls most for {self.cached.names[down]} ({difference[down]:+.2f})"
            )
        sentence = " and ".join(parts) if parts else "no recall changes"
        return sentence[0].upper() + sentence[1:] + "."


class ReconstructionPlayer(Explorer):
    """Play how a curriculum is rearranged: the counts are sorted, handed out by complexity, and capped.

    ``counts`` int[C], the selected samples of each class; ``complexity`` float[C] above 0; ``names`` C texts. What is
    shown is :func:`spbl_nb.balance.reconstruct_curriculum` without caps, with the first, and with both.
    """

    title = "Reconstruction player"
    size = (9.0, 4.4)

    def __init__(self, counts: np.ndarray, complexity: np.ndarray, names: Sequence[str]) -> None:
        super().__init__()
        complexity, counts = (
            checks.finite_array("complexity", complexity, ndim=1, length=len(names)),
            np.asarray(counts),
        )
        handed = balance.reconstruct_curriculum(counts, complexity, max_added=int(np.sum(counts)), keep_factor=0)
        self.order = np.argsort(complexity, kind="stable")
        self.counts, self.complexity = counts[self.order], complexity[self.order]
        self.handed, self.names = handed[self.order], [names[label] for label in self.order]
        portions = np.linspace(0, len(names), min(len(names), _PORTIONS) + 1).astype(int)
        self.done = np.array([0, 0, *portions, len(names), len(names)])  # classes with their new count, by step
        self.last = len(self.done) - 1
        self.controls = (
            Player("step", "Step", 1, self.last, 1, 1, "As selected, sorted, handed out class by class, capped", interval=900),
            _MAX_ADDED,
            _KEEP_FACTOR,
        )  # fmt: skip
        self.presets = {
            "half handed out": {"step": self.last // 2},
            "after the caps": {"step": self.last},
            "after caps that let large classes shrink": {"step": self.last, "keep_factor": 1.0},
        }

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the classes from the least to the most complex, their counts as bars."""
        axes = figure.subplots()
        self.few = len(self.names) <= style.FEW
        self.bars = style.Bars(axes, self.counts)
        self.now_bars = style.Bars(axes, 0 * self.counts, facecolor="none", hatch=style.HATCH)
        self.marks = _level_marks(axes)
        (self.stairs,) = axes.plot([], [], "D", color=style.RED, markersize=5 if self.few else 2.5, fillstyle="none")
        (self.floor,) = axes.plot([], [], ":", color=style.PURPLE, linewidth=2)
        self.texts = style.Labels(axes)
        self.caps = axes.text(0.5, 0.985, "", transform=axes.transAxes, ha="center", va="top", fontsize=9)
        style.class_axis(axes, self.names)
        axes.set(ylim=(0, 1.35 * self.counts.max()), ylabel="samples shown")
        axes.set_xlabel("class, from the least to the most complex")
        style.tidy(axes)
        figure.legend(
            [self.marks, *(Patch(facecolor=colour, hatch=hatch) for colour, hatch in _STATES.items()), self.stairs, self.floor],
            ["as selected", "still so", "handed out now", "handed out", "sorted counts", "m (second cap), at the end"],
            loc="outside upper center", ncols=6, frameon=False, fontsize=9,
        )  # fmt: skip
        return [self.bars.artist, self.now_bars.artist, self.marks, self.stairs, self.floor, self.texts, self.caps]

    def counts_at(self, step: int, max_added: int, keep_factor: float) -> np.ndarray:
        """Return int[C], the counts at a step from 1 on, in the order of the bars."""
        if step < self.last - 1:
            return np.where(np.arange(len(self.counts)) < self.done[step], self.handed, self.counts)
        keep = keep_factor if step == self.last else 0
        return balance.reconstruct_curriculum(self.counts, self.complexity, max_added, keep)

    def update(self, step: int, max_added: int, keep_factor: float) -> str:
        """Set bars, marks and texts to that step."""
        now = self.counts_at(step, max_added, keep_factor)
        floor = np.ceil(keep_factor * np.ceil(self.counts.mean()))
        places = np.arange(len(now))
        before, done = self.done[step - 1], self.done[step]
        self.bars.set(now, np.repeat([*_STATES][::-1], [before, done - before, len(now) - done]))
        self.now_bars.set(np.where((places >= before) & (places < done), now, 0))
        _move_marks(self.marks, self.counts)
        waiting = places if 2 <= step < self.last - 1 else places[:0]
        self.stairs.set_data(waiting, self.handed[waiting])
        self.floor.set_data(([-0.6, len(now) - 0.4], [floor] * 2) if step == self.last else ([], []))
        caps = f"Caps: nobody gains more than {max_added}; below m = {floor:.0f} nobody loses"
        self.caps.set_text(caps)
        if self.few:
            self.texts.put(places, np.maximum(now, self.counts), _counts_in_words(now, now - self.counts))
        return f"Step {step} of {self.last}: {self._sentence(step, now, max_added, int(floor))} {caps}."

    def _sentence(self, step: int, now: np.ndarray, max_added: int, floor: int) -> str:
        total = f"{self.counts.sum()} samples were selected, {now.sum()} are shown."
        if step == 1:
            return f"the counts as selected, {self.counts.sum()} samples in {len(now)} classes."
        if step == 2:
            return f"the same counts sorted, from {self.handed.min()} to {self.handed.max()}, one for each rank of complexity."
        if step < self.last - 1:
            index = self.done[step] - 1
            return (
                f"{index + 1} of {len(now)} classes have their new count. {self.names[index]}, of complexity "
                f"{self.complexity[index]:.3g}, had {self.counts[index]} samples and gets {now[index]}. {total}"
            )
        if step == self.last - 1:
            capped = int((self.handed - self.counts > max_added).sum())
            return f"no class gains more than {max_added}; that holds back {capped} of {len(now)} classes. {total}"
        spared = int(((self.handed < self.counts) & (now > self.handed)).sum())
        lost = int((now < self.counts).sum())
        words = "loses" if lost == 1 else "lose"
        return (
            f"a class smaller than m = {floor} loses nothing and no other falls below m; that spares {spared} of {len(now)} "
            f"classes, and {lost or 'none'} {words} samples. {total}"
        )


def _spearman(one: np.ndarray, other: np.ndarray) -> str:
    """Return the rank correlation in words, for it is not defined where all values are equal."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return "not defined, for all are equal"
    return f"{np.corrcoef(rankdata(one), rankdata(other))[0, 1]:.2f}"


def _counts_in_words(counts: np.ndarray, change: np.ndarray) -> list[str]:
    """Return each count, with its change in a second line where there is one."""
    return [f"{n}\n({d:+d})" if d else f"{n}" for n, d in zip(counts.tolist(), change.tolist(), strict=True)]


def _level_marks(axes: Axes) -> LineCollection:
    """Return one black level mark per class, to be moved by :func:`_move_marks`."""
    return axes.hlines([], [], [], **_BEFORE)


def _move_marks(marks: LineCollection, heights: np.ndarray) -> None:
    places = np.arange(len(heights))
    marks.set_segments([[(x - 0.45, y), (x + 0.45, y)] for x, y in zip(places, heights, strict=True)])
