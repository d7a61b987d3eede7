"""Metrics of a classifier on imbalanced data, each under the name that says what it is.

A class without support has no recall: its values are NaN, it is left out of the means, and the report names it. A class
with support that is never predicted has precision and F1 of 0, as in scikit-learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from spbl_nb import checks

if TYPE_CHECKING:
    import pandas as pd

DEAD_RECALL = 0.001  # what the SPBL release puts in place of a recall of zero in its G-mean
DOMINANCE_WEIGHT = 0.1  # alpha of the index-balanced accuracy, as in imbalanced-learn


@dataclass(frozen=True, eq=False)
class PerClass:
    """One value per class: ``support`` and ``predicted`` int64[C]; the others float64[C], NaN without support."""

    support: np.ndarray
    predicted: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    specificity: np.ndarray

    def table(self, class_names: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return a data frame with one row per class, named by ``class_names`` or else by index."""
        import pandas as pd

        names = range(len(self.support)) if class_names is None else class_names
        return pd.DataFrame(vars(self), index=pd.Index(names, name="class"))


@dataclass(frozen=True, eq=False)
class Report:
    """All metrics of one set of predictions: floats in [0, 1], or NaN where ``undefined`` gives the reason.

    ``precision``, ``recall``, ``f1``, ``specificity`` and ``index_balanced_accuracy`` (García et al. 2009, alpha 0.1) are
    means over the classes with support; ``g_mean`` is the geometric mean of their recalls, ``g_mean_corrected`` has 0.001
    in place of a recall of 0, as the SPBL release does; ``weighted_harmonic`` is the harmonic mean of support-weighted
    precision and recall, which the release prints as "micromauc".

    ``dead_classes`` int64[K]: with support, but recall 0. ``unsupported_classes`` int64[L]: without a sample.
    ``confusion`` int64[C,C]: rows true, columns predicted. ``per_class``: a :class:`PerClass`.
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

    def summary(self) -> dict[str, float | None]:
        """Return the figures of :data:`SUMMARY`; what is not defined is None."""
        return {name: None if math.isnan(getattr(self, name)) else float(getattr(self, name)) for name in SUMMARY}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not defined is None, with its reason under ``undefined``."""
        per_class = {
            name: [None if math.isnan(value) else value for value in values.tolist()]
            for name, values in vars(self.per_class).items()
        }
        return self.summary() | {
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


SUMMARY = tuple(one.name for one in fields(Report) if one.type is float)


def report(
    labels: np.ndarray, scores: np.ndarray, num_classes: int | None = None, predicted: np.ndarray | None = None
) -> Report:
    """Return every metric of one set of scores.

    ``labels`` int[N] in 0..C-1; ``scores`` float[N,C], larger means more likely; ``num_classes`` is C, where it should be
    checked; ``predicted`` int[N] are the decisions where they are not the argmax of the scores, as with an SVM.
    """
    labels, scores = _checked(labels, scores)
    if num_classes is not None and scores.shape[1] != checks.integer("num_classes", num_classes, 2):
        raise ValueError(f"scores has {scores.shape[1]} columns; {num_classes} are needed, one per class (num_classes)")
    num_classes = scores.shape[1]
    if predicted is None:
        predicted = scores.argmax(axis=1)
    else:
        predicted = checks.label_array("predicted", predicted, num_classes, length=len(labels))
    cells = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    value = _mauc(labels, scores)
    reason = {"mauc": f"only class {labels[0]} has samples; two are needed"} if math.isnan(value) else {}
    return _from_confusion(cells.reshape(num_classes, num_classes), value, reason)


def report_from_confusion(confusion: np.ndarray) -> Report:
    """Return every metric that needs no scores from a confusion matrix int[C,C] (rows true, columns predicted).

    ``mauc`` is NaN. The matrix must be square, of counts, with a sample.
    """
    matrix = np.asarray(confusion)
    if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or len(matrix) < 2 or matrix.dtype.kind not in "iu":
        found = f"confusion has shape {matrix.shape} and dtype {matrix.dtype}"
        raise ValueError(f"{found}; allowed: integers [C, C], C >= 2 (rows true, columns predicted)")
    if matrix.min() < 0 or matrix.sum() == 0:
        found = f"confusion has smallest entry {matrix.min()} and {matrix.sum()} samples"
        raise ValueError(f"{found}; allowed: counts of 0 or more, at least one sample")
    return _from_confusion(matrix.astype(np.int64), math.nan, {"mauc": "a confusion matrix holds no scores"})


def mauc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the M measure of Hand & Till (2001), the mean AUC over pairs of classes.

    A(i|j) is the probability that a random sample of class i gets a higher class-i score than one of class j, ties
    counting one half; M is its mean over all ordered pairs of classes with support, NaN with fewer than two.
    ``labels`` int[N], ``scores`` float[N,C]; rows need not sum to 1.
    """
    return _mauc(*_checked(labels, scores))


def _mauc(labels: np.ndarray, scores: np.ndarray) -> float:
    support = np.bincount(labels, minlength=scores.shape[1])
    supported = np.flatnonzero(support)
    if len(supported) < 2:
        return math.nan
    total = 0.0
    for index in supported.tolist():
        wins = _wins_over_classes(labels, scores[:, index], index)[supported]
        total += (wins / (support[index] * support[supported])).sum() - 0.5  # a class against itself wins exactly half
    return float(total / (len(supported) * (len(supported) - 1)))


def _wins_over_classes(labels: np.ndarray, column: np.ndarray, own: int) -> np.ndarray:
    """Return float[C]: in how many pairs a sample of class ``own`` scores above one of each class, a tie being half."""
    order = np.argsort(column)
    labels, column = labels[order], column[order]
    last_of_tie = np.flatnonzero(np.append(column[1:] != column[:-1], True))
    own_up_to = np.cumsum(labels == own)[last_of_tie]
    own_below = np.append(0, own_up_to[:-1])
    wins = own_up_to[-1] - 0.5 * (own_below + own_up_to)  # at each distinct score: those above, half of those level
    return np.bincount(labels, weights=np.repeat(wins, np.diff(last_of_tie, prepend=-1)))


def _checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = checks.finite_array("scores", scores, ndim=2)
    if scores.shape[1] < 2:
        raise ValueError(f"scores has shape {scores.shape}; allowed: [N, C] with at least two classes")
    return checks.label_array("labels", labels, scores.shape[1], length=len(scores)), scores


def _from_confusion(confusion: np.ndarray, mauc_value: float, undefined: dict[str, str]) -> Report:
    """Return the report of a confusion matrix; ``undefined`` says why ``mauc_value`` is NaN, if it is."""
    per_class = _per_class(confusion)
    support, recall, specificity = per_class.support, per_class.recall, per_class.specificity
    has_support = support > 0
    recalls = recall[has_support]
    balanced = (1 + DOMINANCE_WEIGHT * (recall - specificity)) * recall * specificity
    if not has_support.all():
        missing = np.flatnonzero(~has_support).tolist()
        undefined["per_class"] = f"classes {missing} have no sample and are left out of the means"
    if has_support.sum() == 1:
        reason = f"every sample is of class {int(has_support.argmax())}, so nothing could wrongly be taken for it"
        undefined |= {"specificity": reason, "index_balanced_accuracy": reason}
    return Report(
        accuracy=float(np.trace(confusion) / support.sum()),
        precision=float(per_class.precision[has_support].mean()),
        recall=float(recalls.mean()),
        f1=float(per_class.f1[has_support].mean()),
        specificity=float(specificity[has_support].mean()),
        g_mean=_geometric_mean(recalls),
        g_mean_corrected=_geometric_mean(np.where(recalls == 0, DEAD_RECALL, recalls)),
        index_balanced_accuracy=float(balanced[has_support].mean()),
        mauc=mauc_value,
        weighted_harmonic=_weighted_harmonic(per_class),
        dead_classes=np.flatnonzero(recall == 0),
        unsupported_classes=np.flatnonzero(~has_support),
        per_class=per_class,
        confusion=confusion,
        undefined=undefined,
    )


def _per_class(confusion: np.ndarray) -> PerClass:
    right = np.diag(confusion)
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    foreign = support.sum() - support
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(support, 1)
    f1 = 2 * right / np.maximum(support + predicted, 1)
    specificity = np.where(foreign > 0, (foreign - predicted + right) / np.maximum(foreign, 1), math.nan)
    for values in (precision, recall, f1, specificity):
        values[support == 0] = math.nan
    return PerClass(support, predicted, precision, recall, f1, specificity)


def _weighted_harmonic(per_class: PerClass) -> float:
    """Return the harmonic mean of support-weighted precision and recall, 0 where both are 0."""
    has_support = per_class.support > 0
    weights = per_class.support[has_support] / per_class.support.sum()
    precision, recall = weights @ per_class.precision[has_support], weights @ per_class.recall[has_support]
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0


def _geometric_mean(values: np.ndarray) -> float:
    """Return the geometric mean, by logarithms, because a product of 198 recalls leaves the range of a float."""
    return 0.0 if (values == 0).any() else float(np.exp(np.log(values).mean()))
