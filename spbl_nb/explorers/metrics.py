"""Explorers of metrics: a confusion matrix, the recall of each class, and every metric of the report beside it.

:class:`MetricExplorer` spoils the answers of a trained network: one class dies, or the decision leans towards rare
classes. :class:`SimulatedMetricExplorer` simulates a classifier, so that imbalance, separation, a hard class and the mix
of the test set change one at a time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spbl_nb import checks, imbalance, metrics
from spbl_nb.explorers.base import Choice, Explorer, Slider
from spbl_nb.plots import figures, style

_GROUPS = (
    ("counts\nsamples", style.SKY, {"accuracy": "accuracy", "weighted_harmonic": "weighted harmonic"}),
    (
        "counts\nclasses",
        style.BLUE,
        {
            "precision": "macro precision",
            "recall": "macro recall",
            "f1": "macro F1",
            "specificity": "macro specificity",
            "index_balanced_accuracy": "index-balanced acc.",
            "g_mean_corrected": "G-mean, 0 as 0.001",
            "g_mean": "G-mean",
        },
    ),
    ("judges\nscores", style.GREEN, {"mauc": "MAUC (Hand & Till)"}),
)  # what each metric averages over, the colour of its bar, the attribute of the report and its words
_METRICS = {name: words for _, _, members in _GROUPS for name, words in members.items()}
_LIGHT = 1.6  # end of the scale of shares, so that black numbers can be read on the darkest cell
AS_TRAINED, EQUAL_SIZES = "long-tailed as the training set", "equal sizes"


class _ReportExplorer(Explorer):
    """The image of one report. A subclass sets ``names`` and ``start``, the values of the black lines."""

    size = (9.0, 5.6)
    names: Sequence[str]
    start: np.ndarray

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the confusion matrix on the left, the metrics at the upper and the recalls at the lower right."""
        axes = figure.subplot_mosaic(
            [["matrix", "metrics"], ["matrix", "recalls"]], width_ratios=(1, 1.15), height_ratios=(1.8, 1)
        )
        count = len(self.names)
        self.image = figures.draw_confusion(axes["matrix"], np.zeros((count, count)), self.names)
        self.image.set_clim(0, _LIGHT)
        self.cells = style.Labels(axes["matrix"], rise=-3)
        self._build_metrics(axes["metrics"])
        self.recalls = style.Bars(axes["recalls"], np.zeros(count))
        style.class_axis(axes["recalls"], self.names)
        axes["recalls"].set(ylim=(0, 1.05), ylabel="recall")
        if count <= style.FEW and max(map(len, self.names)) > 2:
            axes["recalls"].set_xticklabels([])
            axes["recalls"].set_xlabel("class, in the order of the matrix")
        style.tidy(axes["recalls"])
        (self.dead,) = axes["recalls"].plot([], [], "X", color=style.RED, markersize=8)
        return [self.image, self.cells, self.metrics.artist, *self.numbers, self.recalls.artist, self.dead]

    def _build_metrics(self, axes: Axes) -> None:
        places = np.arange(len(_METRICS))
        colours = [colour for _, colour, members in _GROUPS for _ in members]
        self.metrics = style.Bars(axes, self.start, horizontal=True, facecolor=colours)
        self.numbers = [axes.text(1.03, place, "", va="center", fontsize=9) for place in places.tolist()]
        end = -0.5
        for words, _, members in _GROUPS:
            axes.text(2.23, end + len(members) / 2, words, va="center", ha="right", fontsize=8, style="italic")
            end += len(members)
            axes.axhline(end, color="0.8", linewidth=0.8)
        axes.vlines(self.start, places - 0.45, places + 0.45, color="black", linewidth=1.5, zorder=3)
        axes.set_yticks(places, _METRICS.values())
        axes.set(xlim=(0, 2.25), ylim=(len(places) - 0.5, -0.5), xticks=(0, 0.5, 1))
        axes.set_title("black line: as at the start", fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)

    def show_report(self, report: metrics.Report, values: np.ndarray) -> None:
        """Set matrix, metrics (``values`` in the order of the bars) and recalls."""
        self.image.set_data(style.row_shares(report.confusion))
        if len(self.names) <= style.FEW:
            rows, columns = np.nonzero(report.confusion)
            self.cells.put(columns, rows, [f"{number}" for number in report.confusion[rows, columns]])
        self.metrics.set(values)
        for text, value, before in zip(self.numbers, values, self.start, strict=True):
            text.set_text("not defined" if np.isnan(value) else f"{value:.3f}  ({value - before:+.3f})")
        self.recalls.set(report.per_class.recall)
        dead = report.dead_classes
        self.dead.set_data(dead, np.full(len(dead), 0.08))

    def describe_values(self, values: np.ndarray, *names: str) -> str:
        """Return the values of some metrics in words, in brackets their change since the start."""
        by_name = dict(zip(_METRICS, zip(values, values - self.start, strict=True), strict=True))
        return ", ".join(f"{_METRICS[name]} {by_name[name][0]:.3f} ({by_name[name][1]:+.3f})" for name in names)

    def describe_dead(self, report: metrics.Report, most: int = 4) -> str:
        """Name the dead classes, only the first few of many."""
        dead = [self.names[index] for index in report.dead_classes]
        rest = f" and {len(dead) - most} more" if len(dead) > most else ""
        return f"Never recognised (red marks): {', '.join(dead[:most]) or 'no class'}{rest}."


class MetricExplorer(_ReportExplorer):
    """Every metric beside its confusion matrix, while right answers of a class are spoilt or the decision leans.

    ``labels`` int[N] and ``probability`` float[N,C] of a test set, ``names`` C texts, ``train_counts`` int[C] (the prior
    that the classifier has learnt). τ leans the decision towards rare classes, post hoc: argmax of
    ln p - τ ln(training share) (Menon et al. 2021).
    """

    title = "Metric explorer"
    taus = np.linspace(0, 2, 21)

    def __init__(
        self, labels: np.ndarray, probability: np.ndarray, names: Sequence[str], train_counts: np.ndarray
    ) -> None:
        super().__init__()
        self.names = list(names)
        report = metrics.report(labels, probability, len(self.names))
        labels, probability = np.asarray(labels), np.asarray(probability)
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
        self.start = _values(report)
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
        """Draw the report, and a frame around the row that is spoilt."""
        artists = super().build(figure)
        self.row = Rectangle((-0.5, 0), len(self.names), 1, fill=False, edgecolor=style.RED, linewidth=2)
        self.image.axes.add_patch(self.row)
        return [*artists, self.row]

    def update(self, tau: float, true: str, predicted: str, moved: int) -> str:
        """Decide again, move right answers, and set matrix, metrics and recalls."""
        report, count = self.report(tau, true, predicted, moved)
        values = np.where(np.array([*_METRICS]) == "mauc", self.mauc, _values(report))
        self.show_report(report, values)
        self.row.set_y(self.names.index(true) - 0.5)
        done = (
            f"{count} of {report.confusion.sum()} test samples moved, all of {true}"
            if count
            else f"No sample of {true} moved"
        )
        return (
            f"{done}; τ = {self.taus[self._nearest(tau)]:.1f}. In brackets the change since training: "
            f"{self.describe_values(values, 'accuracy', 'f1', 'g_mean_corrected', 'g_mean')}. {self.describe_dead(report)} "
            f"The MAUC stays at {self.mauc:.3f}: it judges how scores rank samples, and neither τ nor a changed decision moves "
            "a rank."
        )

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


class SimulatedMetricExplorer(_ReportExplorer):
    """Every metric of a classifier made to order, while imbalance, separation, a hard class and the decision change.

    A sample of class c is a point drawn around the class's centre, with the same spread for all. The centres of all
    classes are equally far apart; a hard class moves towards the next larger one. The classifier knows the centres and
    the class sizes of training, so its scores are log-likelihood + ln(training share): the best that can be done. A
    point of a class stays where it was drawn, so that a control changes nothing but what it says.

    ``classes`` from 2 to 20, A being the largest; ``largest`` is the number of its samples; ``seed`` that of the points.
    """

    title = "Metric explorer, a classifier made to order"

    def __init__(self, classes: int = 8, largest: int = 200, seed: int = 0) -> None:
        super().__init__()
        classes = checks.integer("classes", classes, 2, style.FEW)
        self.largest = checks.integer("largest", largest, 2)
        self.names = [chr(ord("A") + index) for index in range(classes)]
        rng = np.random.default_rng(checks.integer("seed", seed, 0))
        self.noise = rng.standard_normal((classes, self.largest, classes))
        most = min(100, self.largest)
        self.controls = (
            Slider("factor", "Imbalance factor (largest / smallest)", 1, most, 1, min(40, most),
                   "How many times more samples class A has than the last class, in training"),
            Choice("test", "Test set", (AS_TRAINED, EQUAL_SIZES), AS_TRAINED, "How many samples of each class are tested"),
            Slider("separation", "Separation of the classes (d)", 0.0, 6.0, 0.1, 2.0,
                   "Distance of a class's centre from the origin, in standard deviations of its samples; at 0 all are alike"),
            Slider("alike", "Hardness of one class (0 as all others)", 0.0, 0.9, 0.1, 0.0,
                   "How far the centre of that class has moved towards that of the next larger one, its look-alike"),
            Choice("hard", "… which class", tuple(self.names), self.names[-1],
                   "It looks like the next larger class (A like B), whatever its own size"),
            Slider("tau", "Lean towards rare classes (τ)", -1.0, 2.0, 0.1, 0.0,
                   "Decide by score - τ ln(training share); 1 takes the prior out, below 0 leans towards common classes"),
        )  # fmt: skip
        self.presets = {
            "a long tail": {},
            "the same classifier, judged on equal sizes": {"test": EQUAL_SIZES},
            "the rarest class is hard as well": {"alike": 0.8},
            "leaning towards rare classes": {"tau": 1.0},
        }
        self.start = _values(self.report(**self.settings()))

    def samples(
        self, factor: int, test: str, separation: float, alike: float, hard: str, tau: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels int[N] of the test set and its scores float[N,C] after the decision has leant by ``tau``."""
        counts = imbalance.class_counts("exponential", len(self.names), self.largest, factor)
        sizes = counts if test == AS_TRAINED else np.full_like(counts, self.largest)
        centres = separation * np.eye(len(self.names))
        own = self.names.index(hard)
        centres[own] += alike * (centres[self._look_alike(own)] - centres[own])
        labels = np.repeat(np.arange(len(sizes)), sizes)
        points = np.concatenate([noise[:size] for noise, size in zip(self.noise, sizes, strict=True)]) + centres[labels]
        log_likelihood = points @ centres.T - (centres**2).sum(axis=1) / 2
        return labels, log_likelihood + (1 - tau) * np.log(counts / counts.sum())

    def report(self, **settings: Any) -> metrics.Report:
        """Return the report of a setting (one value per control)."""
        return metrics.report(*self.samples(**settings), len(self.names))

    def update(self, **settings: Any) -> str:
        """Draw and judge the samples again, and set matrix, metrics and recalls."""
        report = self.report(**settings)
        values = _values(report)
        self.show_report(report, values)
        sizes = report.per_class.support
        twin = self.names[self._look_alike(self.names.index(settings["hard"]))]
        looks = f"{settings['hard']} looks like {twin} ({settings['alike']:.1f})"
        looks = looks if settings["alike"] else "no class is harder than the others"
        named = ("accuracy", "weighted_harmonic", "recall", "f1", "g_mean_corrected", "g_mean", "mauc")
        return (
            f"{sizes.sum()} test samples, {sizes.max()} to {sizes.min()} a class; whoever always answers “A” is right "
            f"{sizes[0] / sizes.sum():.0%} of the time. Separation {settings['separation']:.1f}, {looks}; "
            f"τ = {settings['tau']:.1f}. In brackets the change since the start: "
            f"{self.describe_values(values, *named)}. "
            f"{self.describe_dead(report)} Simulated samples."
        )

    def _look_alike(self, own: int) -> int:
        return own - 1 if own else 1


def _values(report: metrics.Report) -> np.ndarray:
    return np.array([getattr(report, name) for name in _METRICS])


def _matrices(labels: np.ndarray, probability: np.ndarray, train_counts: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Return int64[T,C,C], the confusion matrix of argmax(ln p - τ ln prior) for every τ."""
    count = probability.shape[1]
    log_probability = np.log(np.maximum(probability, np.finfo(float).tiny))
    log_prior = np.log(train_counts / train_counts.sum())
    decided = np.stack([(log_probability - tau * log_prior).argmax(axis=1) for tau in taus])
    cells = np.arange(len(taus))[:, None] * count**2 + labels * count + decided
    return np.bincount(cells.ravel(), minlength=len(taus) * count**2).reshape(-1, count, count)
