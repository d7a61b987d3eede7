"""Metrics of a classifier on imbalanced data, each under the name that says what it is.

Accuracy is the mean over samples and can be high while rare classes are never found; macro precision, recall and F1 are
means over classes; the G-mean is the geometric mean of the recalls and is 0 as soon as one class is dead. The MAUC is
that of Hand & Till (2001), which judges scores instead of decisions. What the SPBL release prints as "micromauc" is no
AUC at all but a harmonic mean, and is called :attr:`Report.weighted_harmonic` here.

A class without support has no recall: its values are NaN, it is left out of the means, and the report names it.

Taught in: notebooks/02_baseline_cnn, section 4.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spbl_nb import checks

if TYPE_CHECKING:
    import pandas as pd

DEAD_RECALL = 0.001  # what the SPBL release puts in place of a recall of zero in its G-mean
DOMINANCE_WEIGHT = 0.1  # alpha of the index-balanced accuracy, as in imbalanced-learn

SUMMARY = (
    "accuracy",
    "precision",
    "recall",
    "f1",
    "specificity",
    "g_mean",
    "g_mean_corrected",
    "index_balanced_accuracy",
    "mauc",
    "weighted_harmonic",
)


@dataclass(frozen=True)
class PerClass:
    """One value per class: ``support`` and ``predicted`` int64[C]; the others float64[C], NaN without support."""

    support: np.ndarray
    predicted: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    specificity: np.ndarray

    def table(self, class_names: "list[str] | tuple[str, ...] | None" = None) -> "pd.DataFrame":
        """Return a data frame with one row per class."""
        import pandas as pd

        return pd.DataFrame(vars(self), index=pd.Index(class_names or range(len(self.support)), name="class"))


@dataclass(frozen=True)
class Report:
    """All metrics of one set of predictions.

    Floats in [0, 1], NaN where ``undefined`` gives a reason: ``accuracy`` (= support-weighted recall); ``precision``,
    ``recall``, ``f1``, ``specificity``, ``index_balanced_accuracy`` (Garcia et al. 2009, alpha 0.1) as means over the classes with
    support; ``g_mean``, the geometric mean of their recalls, and ``g_mean_corrected`` with 0.001 in place of a recall
    of 0, as the SPBL release computes it; ``mauc`` (Hand & Till 2001); ``weighted_harmonic``, the harmonic mean of
    support-weighted precision and recall, which the release prints as "micromauc".

    ``dead_classes`` int64[K]: with support, but recall 0. ``unsupported_classes``: without a sample. ``confusion``
    int64[C,C]: rows true, columns predicted.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    specificity: float
    g_mean: float
    g_mean_corrected: float
    index_balanced_accuracy: float
    mauc: float
    weighted_harmonic: float
    dead_classes: np.ndarray
    unsupported_classes: np.ndarray
    per_class: PerClass
    confusion: np.ndarray
    undefined: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not defined is None, with its reason under ``undefined``."""
        summary = {name: None if math.isnan(getattr(self, name)) else float(getattr(self, name)) for name in SUMMARY}
        per_class = {
            name: [None if math.isnan(value) else value for value in values.tolist()]
            for name, values in vars(self.per_class).items()
        }
        return summary | {
            "dead_classes": self.dead_classes.tolist(),
            "unsupported_classes": self.unsupported_classes.tolist(),
            "per_class": per_class,
            "confusion": self.confusion.tolist(),
            "undefined": dict(self.undefined),
        }

    def __str__(self) -> str:
        lines = [f"{name.replace('_', ' '):24}{getattr(self, name):8.4f}" for name in SUMMARY]
        lines += [f"{'dead classes':24}{len(self.dead_classes):8d}"]
        lines += [f"{name} is not defined: {reason}" for name, reason in self.undefined.items()]
        return "\n".join(lines)


def report(
    labels: np.ndarray, scores: np.ndarray, num_classes: int | None = None, predicted: np.ndarray | None = None
) -> Report:
    """Return every metric of one set of scores.

    Parameters
    ----------
    labels : int[N] in 0..C-1.
    scores : float[N,C], finite; larger means more likely. Rows need not sum to 1.
    num_classes : C, where it should be checked; the default is the number of score columns.
    predicted : int[N], the decisions where they are not the argmax of the scores (an SVM's ``predict`` can differ
        from the argmax of its decision function).

    Raises ValueError naming the argument for wrong shapes, labels out of range and scores that are not finite.
    """
    labels, scores = _checked(labels, scores, num_classes)
    num_classes = scores.shape[1]
    if predicted is None:
        predicted = scores.argmax(axis=1)
    predicted = checks.label_array("predicted", predicted, num_classes, length=len(labels))
    confusion = np.bincount(labels * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)
    value = mauc(labels, scores)
    reason = f"only class {labels[0]} has samples; two are needed" if math.isnan(value) else None
    return _from_confusion(confusion, value, reason)


def report_from_confusion(confusion: np.ndarray) -> Report:
    """Return every metric that needs no scores from a confusion matrix int[C,C] (rows true, columns predicted).

    ``mauc`` is NaN. Raises ValueError for a matrix that is not square, has negative or fractional entries, or is empty.
    """
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 2:
        raise ValueError(f"confusion has shape {matrix.shape}; allowed: C x C with C >= 2 (rows true, columns predicted)")
    if matrix.dtype.kind not in "iu" or matrix.min() < 0:
        raise ValueError(f"confusion has dtype {matrix.dtype} and smallest entry {matrix.min()}; allowed: counts of 0 or more")
    if matrix.sum() == 0:
        raise ValueError("confusion holds no sample; at least one is needed")
    return _from_confusion(matrix.astype(np.int64), math.nan, "a confusion matrix holds no scores")


def mauc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the M measure of Hand & Till (2001), the mean AUC over pairs of classes.

    A(i|j) is the probability that a random sample of class i gets a higher class-i score than a random sample of class
    j, ties counting one half; M is the mean of A(i|j) over all ordered pairs of classes with support. It equals
    scikit-learn's ``roc_auc_score(multi_class="ovo", average="macro")``, but costs one binary search per score instead of one ROC
    curve per pair, and rows need not sum to 1. (The release has code for it, unused, that breaks ties by order.)

    ``labels`` int[N], ``scores`` float[N,C], finite. NaN when fewer than two classes have support.
    """
    labels, scores = _checked(labels, scores, None)
    num_classes = scores.shape[1]
    support = np.bincount(labels, minlength=num_classes)
    supported = np.flatnonzero(support)
    if len(supported) < 2:
        return math.nan
    total = 0.0
    for index in supported:
        column = scores[:, index]
        own = np.sort(column[labels == index])
        # Wins of class-i samples over each sample: those strictly above it, and half of those level with it.
        wins = len(own) - 0.5 * (np.searchsorted(own, column, "left") + np.searchsorted(own, column, "right"))
        per_class = np.bincount(labels, weights=wins, minlength=num_classes)
        area = per_class[supported] / (support[index] * support[supported])
        total += area.sum() - 0.5  # a class against itself wins exactly half
    return float(total / (len(supported) * (len(supported) - 1)))


def _checked(labels: np.ndarray, scores: np.ndarray, num_classes: int | None) -> tuple[np.ndarray, np.ndarray]:
    scores = checks.finite_array("scores", scores, ndim=2)
    if scores.shape[1] < 2:
        raise ValueError(f"scores has shape {scores.shape}; allowed: [N, C] with at least two classes")
    if num_classes is not None and scores.shape[1] != checks.integer("num_classes", num_classes, 2):
        raise ValueError(f"scores has {scores.shape[1]} columns; num_classes = {num_classes} asks for as many as classes")
    return checks.label_array("labels", labels, scores.shape[1], length=len(scores)), scores


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _from_confusion(confusion: np.ndarray, mauc_value: float, mauc_reason: str | None) -> Report:
    right = np.diag(confusion).astype(float)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    total = int(support.sum())
    has_support = support > 0
    precision, recall = _divide(right, predicted), _divide(right, support)
    f1 = _divide(2 * right, support + predicted)
    specificity = _divide(total - support - predicted + right, total - support)
    specificity[total == support] = 1.0  # nothing foreign, so nothing foreign was taken in
    dominance = recall - specificity
    balanced = (1 + DOMINANCE_WEIGHT * dominance) * recall * specificity
    recalls = recall[has_support]
    weights = support / total
    weighted_precision, weighted_recall = float(weights @ precision), float(weights @ recall)
    both = weighted_precision + weighted_recall
    undefined = {} if mauc_reason is None else {"mauc": mauc_reason}
    for values in (precision, recall, f1, specificity, balanced):
        values[~has_support] = math.nan
    if not has_support.all():
        undefined["per_class"] = f"classes {np.flatnonzero(~has_support).tolist()} have no sample and are left out of the means"
    return Report(
        accuracy=float(right.sum() / total),
        precision=float(np.nanmean(precision)),
        recall=float(recalls.mean()),
        f1=float(np.nanmean(f1)),
        specificity=float(np.nanmean(specificity)),
        g_mean=_geometric_mean(recalls),
        g_mean_corrected=_geometric_mean(np.where(recalls == 0, DEAD_RECALL, recalls)),
        index_balanced_accuracy=float(np.nanmean(balanced)),
        mauc=mauc_value,
        weighted_harmonic=2 * weighted_precision * weighted_recall / both if both > 0 else 0.0,
        dead_classes=np.flatnonzero(has_support & (recall == 0)),
        unsupported_classes=np.flatnonzero(~has_support),
        per_class=PerClass(support, predicted, precision, recall, f1, specificity),
        confusion=confusion,
        undefined=undefined,
    )


def _geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean, by logarithms, for a product of 198 recalls leaves the range of a float."""
    return 0.0 if (values == 0).any() else float(np.exp(np.log(values).mean()))
