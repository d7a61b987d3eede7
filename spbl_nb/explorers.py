"""The explorers of the notebooks, one class each: fed with arrays, with everything slow computed beforehand.

:class:`ImbalanceExplorer` shows what a class loses when it is made rare, and what it loses when it is made hard, which
are two things. :class:`MetricExplorer` shows every metric beside the confusion matrix it comes from, while one class
dies or the decision leans towards rare classes.

Taught in: notebooks/01_data, section 5 (:class:`ImbalanceExplorer`), and notebooks/02_baseline_cnn, section 5
(:class:`MetricExplorer`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spbl_nb import checks, drawing, imbalance, lesion_classes, metrics, plots
from spbl_nb.widgets import Choice, Explorer, Slider

EVERYONE, WHATEVER_SIZE, RARE = "all classes alike", "some, whatever their size", "only the rare half"


class ImbalanceExplorer(Explorer):
    """Class sizes under an imbalance profile and, under each bar, pictures of that class at its difficulty.

    ``draw_class_pictures(difficulty, per_class)`` returns uint8[C,per_class,3,H,W]; it is called once for each tenth of
    the difficulty when the explorer is made. ``names`` has C texts; ``largest`` is the size of an unreduced class, and
    ``factor`` where the slider of the imbalance factor starts. Classes 0 and 1, 2 and 3, … are look-alikes.
    """

    title = "Imbalance explorer"
    size = (9.0, 6.0)
    levels = np.linspace(0, 1, 11)
    rows = 5
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "long tail of easy classes": {"factor": 40, "difficulty": 0.0},
            "equal sizes, hard classes": {"profile": "natural", "difficulty": 1.0},
            "rare and hard are two things": {"factor": 40, "difficulty": 1.0, "hard": WHATEVER_SIZE},
        }
    )

    def __init__(
        self,
        draw_class_pictures: Callable[[float, int], np.ndarray],
        names: Sequence[str],
        largest: int = 120,
        factor: int = 20,
    ) -> None:
        super().__init__()
        self.names = list(names)
        self.largest = checks.integer("largest", largest, 2)
        self.pictures = np.stack([draw_class_pictures(level, self.rows) for level in self.levels.tolist()])
        if self.pictures.shape[1:4] != (len(self.names), self.rows, 3):
            raise ValueError(
                f"draw_class_pictures gave pictures of shape {self.pictures.shape[1:]}; {len(self.names)} classes, one per name, "
                f"times {self.rows} pictures in uint8[3,H,W] are needed"
            )
        self.spread = lesion_classes.default_difficulty(len(self.names))
        most = min(100, self.largest)
        self.controls = (
            Choice("profile", "Imbalance profile", imbalance.PROFILES, "exponential", "How sizes differ between classes"),
            Slider("factor", "Imbalance factor (largest / smallest)", 1, most, 1, min(factor, most),
                   "How many times more pictures the largest class has than the smallest"),
            Slider("difficulty", "Difficulty (0 easy, 1 hard)", 0.0, 1.0, 0.1, 0.3,
                   "How far the pictures of a class drift towards those of its look-alike"),
            Choice("hard", "Which classes are hard", (EVERYONE, WHATEVER_SIZE, RARE), EVERYONE,
                   "Who gets that difficulty: everyone; each class a share of it, unrelated to its size; or the rare half"),
        )  # fmt: skip

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw a bar for each class and, in a column below it, its pictures; look-alikes stand side by side."""
        upper, lower = figure.subplots(2, 1, height_ratios=(1, 1.9))
        count = len(self.names)
        self.bars = drawing.Bars(upper, np.full(count, self.largest))
        self.sizes = [upper.text(place, 0, "", ha="center", va="bottom", fontsize=9) for place in range(count)]
        upper.set(ylim=(0, 1.2 * self.largest), xlim=(-0.5, count - 0.5), ylabel="training pictures")
        upper.tick_params(bottom=False, labelbottom=False)
        drawing.tidy(upper)
        plots.difficulty_bar(figure, upper)
        self.shown = drawing.PixelImage(lower, drawing.mosaic(self.pictures[0].swapaxes(0, 1)))
        drawing.class_axis(lower, self.names)
        if count <= drawing.FEW:
            words = [name.replace(" ", "\n") for name in self.names]
            lower.set_xticks(range(count), words, fontsize=8, rotation=0, ha="center")
        for pair in range(0, count - 1, 2):
            lower.plot([pair - 0.4, pair + 1.4], [self.rows + 0.08] * 2, color="0.3", linewidth=2, clip_on=False)
        lower.set(xlim=(-0.5, count - 0.5), yticks=[], ylim=(self.rows, 0))
        lower.set_ylabel(f"{self.rows} training pictures, or\nall of a smaller class")
        lower.tick_params(bottom=False, pad=8)
        lower.spines[:].set_visible(False)
        return [self.bars.artist, *self.sizes, self.shown]

    def update(self, profile: str, factor: int, difficulty: float, hard: str) -> str:
        """Set sizes and shades of the bars, and each class's pictures."""
        counts = imbalance.class_counts(profile, len(self.names), self.largest, factor)
        levels = np.rint(10 * difficulty * self._share(hard, counts)).astype(int)
        self.bars.set(counts, drawing.shade(levels / 10))
        few = len(counts) <= drawing.FEW
        for text, size, level in zip(self.sizes, counts.tolist(), levels.tolist(), strict=True):
            text.set(y=size, text=f"{size}\n({level / 10:.1f})" if few else "")
        chosen = self.pictures[levels, np.arange(len(counts))]
        there = np.arange(self.rows) < counts[:, None]
        self.shown.pixels = drawing.mosaic(np.where(there[:, :, None, None, None], chosen, 240).swapaxes(0, 1))
        return self._caption(profile, counts, levels / 10)

    def _share(self, hard: str, counts: np.ndarray) -> np.ndarray:
        """Return float[C], the share of the slider's difficulty that each class gets."""
        if hard == WHATEVER_SIZE:
            return self.spread
        rank = np.argsort(np.argsort(-counts, kind="stable"))
        return np.where(rank >= len(counts) / 2, 1.0, 0.0) if hard == RARE else np.ones(len(counts))

    def _caption(self, profile: str, counts: np.ndarray, difficulty: np.ndarray) -> str:
        ratio = counts.max() / counts.min()
        largest, hardest = (int(np.argmax(values)) for values in (counts, difficulty))
        looks = f"The hardest class is {self.names[hardest]} ({difficulty[hardest]:.1f})."
        if difficulty.min() == difficulty.max():
            looks = f"Every class has difficulty {difficulty[0]:.1f}."
        return (
            f"Profile {profile}: {counts.sum()} training pictures in {len(counts)} classes, the largest has {counts.max()}, the "
            f"smallest {counts.min()}, an imbalance factor of {ratio:.3g} (or {1 / ratio:.3g}). Whoever always answers "
            f"“{self.names[largest]}” is right {counts.max() / counts.sum():.0%} of the time. {looks} Difficulty stands in "
            "brackets and is the shade of a bar; underlined pairs are look-alikes. Synthetic pictures."
        )


def lesion_pictures(names: Sequence[str], size: int = 64, seed: int = 0) -> Callable[[float, int], np.ndarray]:
    """Return the ``draw_class_pictures`` of an :class:`ImbalanceExplorer` for the synthetic lesions, one class a name."""
    from spbl_nb import lesions

    def draw(difficulty: float, per_class: int) -> np.ndarray:
        drawn = lesions.draw(np.full(len(names), per_class), difficulty, size, seed)
        return drawn.images.reshape(len(names), per_class, 3, size, size)

    return draw


_GROUPS = (
    ("counts\nsamples", drawing.SKY, {"accuracy": "accuracy", "weighted_harmonic": "weighted harmonic"}),
    (
        "counts\nclasses",
        drawing.BLUE,
        {
            "precision": "macro precision",
            "recall": "macro recall",
            "f1": "macro F1",
            "g_mean_corrected": "G-mean, 0 as 0.001",
            "g_mean": "G-mean",
        },
    ),
    ("judges\nscores", drawing.GREEN, {"mauc": "MAUC (Hand & Till)"}),
)  # what each metric averages over, the colour of its bar, the attribute of the report and its words
_METRICS = {name: words for _, _, members in _GROUPS for name, words in members.items()}


class MetricExplorer(Explorer):
    """Every metric beside its confusion matrix, while right answers of a class are spoilt or the decision leans.

    ``labels`` int[N] and ``probability`` float[N,C] of a test set, ``names`` C texts, ``train_counts`` int[C] (the prior
    that the classifier has learnt). τ leans the decision towards rare classes, post hoc: argmax of
    ln p - τ ln(training share) (Menon et al. 2021).
    """

    title = "Metric explorer"
    size = (9.0, 5.2)
    taus = np.linspace(0, 2, 21)

    def __init__(
        self, labels: np.ndarray, probability: np.ndarray, names: Sequence[str], train_counts: np.ndarray
    ) -> None:
        super().__init__()
        self.names = list(names)
        report = metrics.report(labels, probability, len(self.names))
        train_counts = checks.finite_array("train_counts", train_counts, ndim=1, length=len(self.names))
        if train_counts.min() <= 0:
            raise ValueError(
                f"train_counts[{train_counts.argmin()}] is {train_counts.min():g}; allowed: at least 1 per class"
            )
        if np.min(probability) < 0:
            raise ValueError(
                f"probability has the value {np.min(probability):g}; allowed: 0 or more, for its logarithm is taken"
            )
        self.mauc = report.mauc
        self.matrices = _matrices(labels, probability, train_counts, self.taus)
        by_size = np.argsort(train_counts, kind="stable")
        found = by_size[report.per_class.recall[by_size] > 0]  # a class that is dead already cannot be seen to die
        victim = found[0] if len(found) else by_size[0]
        rarest, commonest = self.names[victim], self.names[by_size[by_size != victim][-1]]
        self.controls = (
            Slider("tau", "Lean towards rare classes (τ)", 0.0, 2.0, 0.1, 0.0,
                   "Decide by ln p - τ ln(share of the class in training); 0 leaves the classifier as it is"),
            Choice("true", "Spoil right answers of class", tuple(self.names), rarest, "A row of the confusion matrix"),
            Choice("predicted", "… and call them", tuple(self.names), commonest,
                   "The column they are moved to; the class itself: its wrong answers are put right instead"),
            Slider("moved", "Share of them moved (%)", 0, 100, 5, 0, "How many of that class's right answers become wrong"),
        )  # fmt: skip
        self.presets = {
            "as trained": {},
            f"“{rarest}” dies": {"moved": 100},
            "leaning towards rare classes": {"tau": 1.0},
        }

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the confusion matrix on the left, the metrics at the upper and the recalls at the lower right."""
        axes = figure.subplot_mosaic(
            [["matrix", "metrics"], ["matrix", "recalls"]], width_ratios=(1, 1.15), height_ratios=(1.5, 1)
        )
        self.image = plots.draw_confusion(axes["matrix"], self.matrices[0], self.names)
        few = len(self.names) <= drawing.FEW
        self.cells = [
            axes["matrix"].text(place, 0, "", ha="center", va="center", fontsize=8)
            for place in range(few * len(self.names))
        ]
        self.row = axes["matrix"].add_patch(
            Rectangle((-0.5, 0), len(self.names), 1, fill=False, edgecolor=drawing.RED, linewidth=2)
        )
        self._build_metrics(axes["metrics"])
        self.recalls = drawing.Bars(axes["recalls"], np.zeros(len(self.names)))
        drawing.class_axis(axes["recalls"], self.names)
        axes["recalls"].set(ylim=(0, 1.05), ylabel="recall")
        if few:
            axes["recalls"].set_xticklabels([])
            axes["recalls"].set_xlabel("class, in the order of the matrix")
        drawing.tidy(axes["recalls"])
        (self.dead,) = axes["recalls"].plot([], [], "X", color=drawing.RED, markersize=8)
        return [self.image, self.row, *self.cells, self.metrics.artist, *self.numbers, self.recalls.artist, self.dead]

    def _build_metrics(self, axes: Axes) -> None:
        self.trained = self._values(metrics.report_from_confusion(self.matrices[0]))
        places = np.arange(len(_METRICS))
        colours = [colour for _, colour, members in _GROUPS for _ in members]
        self.metrics = drawing.Bars(axes, self.trained, horizontal=True, facecolor=colours)
        self.numbers = [axes.text(1.03, place, "", va="center", fontsize=9) for place in places]
        end = -0.5
        for words, _, members in _GROUPS:
            axes.text(2.23, end + len(members) / 2, words, va="center", ha="right", fontsize=8, style="italic")
            end += len(members)
            axes.axhline(end, color="0.8", linewidth=0.8)
        axes.vlines(self.trained, places - 0.45, places + 0.45, color="black", linewidth=1.5, zorder=3)
        axes.set_yticks(places, _METRICS.values())
        axes.set(xlim=(0, 2.25), ylim=(len(places) - 0.5, -0.5), xticks=(0, 0.5, 1))
        axes.set_title("black line: as trained", fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)

    def update(self, tau: float, true: str, predicted: str, moved: int) -> str:
        """Decide anew, move right answers, and set matrix, metrics and recalls."""
        report, count = self.report(tau, true, predicted, moved)
        self.image.set_data(drawing.row_shares(report.confusion))
        self._mark_row(report.confusion, self.names.index(true))
        values = self._values(report)
        self.metrics.set(values)
        for text, value, before in zip(self.numbers, values, self.trained, strict=True):
            text.set_text("not defined" if np.isnan(value) else f"{value:.3f}  ({value - before:+.3f})")
        self.recalls.set(report.per_class.recall)
        dead = report.dead_classes
        self.dead.set_data(dead, np.full(len(dead), 0.08))
        return self._caption(report, self.taus[self._nearest(tau)], true, count)

    def _mark_row(self, confusion: np.ndarray, row: int) -> None:
        """Frame the row that is spoilt and, among few classes, write its numbers of samples."""
        self.row.set_y(row - 0.5)
        for cell, number in zip(self.cells, confusion[row].tolist(), strict=False):
            dark = number > 0.5 * confusion[row].sum()
            cell.set(y=row, text=f"{number}" if number else "", color="white" if dark else "black")

    def report(self, tau: float, true: str, predicted: str, moved: int) -> tuple[metrics.Report, int]:
        """Return the report after the change and the number of samples moved; ``moved`` is in percent.

        Right answers of class ``true`` go to the column ``predicted``. Where both are the same class, its wrong answers
        are put right instead, each predicted class in turn giving its share.
        """
        matrix = self.matrices[self._nearest(tau)].copy()
        row, column = self.names.index(true), self.names.index(predicted)
        before = matrix[row].copy()
        if row == column:
            matrix[row] -= np.rint(before * moved / 100).astype(np.int64)
            matrix[row, row] = before.sum() - (matrix[row].sum() - matrix[row, row])
        else:
            spoilt = int(np.rint(before[row] * moved / 100))
            matrix[row, row] -= spoilt
            matrix[row, column] += spoilt
        return metrics.report_from_confusion(matrix), int(np.abs(matrix[row] - before).sum()) // 2

    def _nearest(self, tau: float) -> int:
        return int(np.abs(self.taus - tau).argmin())

    def _values(self, report: metrics.Report) -> np.ndarray:
        return np.array([self.mauc if name == "mauc" else getattr(report, name) for name in _METRICS])

    def _caption(self, report: metrics.Report, tau: float, true: str, count: int) -> str:
        values = dict(zip(_METRICS, zip(self._values(report), self.trained, strict=True), strict=True))
        told = ", ".join(
            f"{_METRICS[name]} {values[name][0]:.3f} ({np.subtract(*values[name]):+.3f})"
            for name in ("accuracy", "f1", "g_mean_corrected", "g_mean")
        )
        done = f"{count} of {report.confusion.sum()} test samples moved, all of {true}" if count else "No sample moved"
        return (
            f"{done}; τ = {tau:.1f}. In brackets the change since training: {told}. Never recognised (red marks): "
            f"{_listed([self.names[index] for index in report.dead_classes])}. The MAUC stays at {self.mauc:.3f}: it judges how "
            "scores rank samples, and neither τ nor a changed decision moves a rank."
        )


def _listed(names: list[str], most: int = 4) -> str:
    """Return names for a sentence, only the first few of many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "no class") + rest


def _matrices(labels: np.ndarray, probability: np.ndarray, train_counts: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Return int64[T,C,C], the confusion matrix of argmax(ln p - τ ln prior) for every τ."""
    count = probability.shape[1]
    log_probability = np.log(np.maximum(probability, np.finfo(float).tiny))
    log_prior = np.log(train_counts / train_counts.sum())
    decided = np.stack([(log_probability - tau * log_prior).argmax(axis=1) for tau in taus])
    cells = np.arange(len(taus))[:, None] * count**2 + labels * count + decided
    return np.bincount(cells.ravel(), minlength=len(taus) * count**2).reshape(-1, count, count)
