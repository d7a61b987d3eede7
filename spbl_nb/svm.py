"""The RBF support vector machine of the SPBL release: over features that are stacked pace by pace, and over cached ones.

At every pace SPBL puts new rows on the features of all earlier paces and fits its SVM again. The kernel values among the
old rows do not change: the Gram matrix grows by new rows and columns only, and scikit-learn's ``SVC`` gets it ready-made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spbl_nb import checks, metrics

_BLOCK = 1024  # rows whose kernel values are computed at once
_QUERIES = 256  # rows whose decision values are held at once, C x C each


class StackedSVC:
    """``SVC(kernel="rbf", gamma="auto", C=cost)`` over rows that are only ever added.

    ``memory`` is the room for the Gram matrix in GiB (27,600 rows take 5.7 GiB), taken as rows come; beyond it ``by_gram``
    turns False, and ``SVC`` computes the kernel itself.

    >>> svc = StackedSVC(num_classes=2)
    >>> svc.add(np.array([[0.0], [1.0]]), np.array([0, 1]), np.ones(2))
    >>> svc.fit().decide(np.array([[0.1], [0.8]]))[1]
    array([0, 1])
    """

    def __init__(self, num_classes: int, *, cost: float = 1.0, memory: float = 4.0) -> None:
        self.num_classes, self.cost = num_classes, cost
        self.capacity = int((memory * 2**30 / 8) ** 0.5)
        try:
            self._gram = np.empty(self.capacity**2)
        except (MemoryError, ValueError):  # NumPy has no room for it, or no number for its size
            self.capacity, self._gram = 0, np.empty(0)
        self.by_gram = self.capacity > 0
        self.features = np.empty((0, 0))  # as wide as the first rows that are put on the stack
        self.labels = np.empty(0, dtype=np.int64)
        self.weights = np.empty(0)  # float64[len(self)], may be changed before the next fit

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Put rows on the stack: features float[n,D], labels int[n] in 0..C-1, weights float[n] above 0."""
        before, features = len(self), np.asarray(features, dtype=np.float64)
        self.features = np.concatenate([self.features, features]) if before else features
        self.labels = np.concatenate([self.labels, labels])
        self.weights = np.concatenate([self.weights, weights])
        if self.by_gram and len(self) > self.capacity:
            self.by_gram, self._gram = False, np.empty(0)
        if self.by_gram:
            self._grow(before)

    def fit(self) -> "StackedSVC":
        """Fit on all rows with their weights; at least two classes must be on the stack."""
        from sklearn.svm import SVC  # its import takes longer than many a run without it

        options = {"kernel": "precomputed"} if self.by_gram else {"kernel": "rbf", "gamma": "auto"}
        rows = self._square(len(self)) if self.by_gram else self.features
        self._svc: Any = SVC(C=self.cost, random_state=0, **options)
        self._svc.fit(rows, self.labels, sample_weight=self.weights)
        return self

    def decide(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (decision float64[M,C], predicted int64[M]) for features float[M,D].

        ``decision`` is scikit-learn's one-vs-rest function: the number of one-vs-one classifiers that a class wins, plus
        less than a third of a point for their margins (-1 for a class that is not on the stack). ``predicted`` is the class
        that wins most often, as ``SVC.predict`` gives it. As in scikit-learn, a margin of 0 counts for the later class in
        ``predicted`` and for the earlier one in ``decision``.
        """
        features = np.asarray(features, dtype=np.float64)
        decision = np.full((len(features), self.num_classes), -1.0)
        predicted = np.empty(len(features), dtype=np.int64)
        classes, vectors = self._svc.classes_, self.features[self._svc.support_]
        for start in range(0, len(features), _QUERIES):
            part = slice(start, start + _QUERIES)
            margins = self._margins(rbf_kernel(features[part], vectors))
            first = np.triu(np.ones(margins.shape[1:], dtype=bool), 1)
            confidence, wins, even = margins.sum(axis=2), margins > 0, margins == 0
            predicted[part] = classes[(wins | (even & first.T)).sum(axis=2).argmax(axis=1)]
            votes = (wins | (even & first)).sum(axis=2)
            decision[part, classes] = votes + confidence / (3 * (np.abs(confidence) + 1))
        return decision, predicted

    def _margins(self, kernel: np.ndarray) -> np.ndarray:
        """Return float64[M,K,K], by how much class i beats class j, from kernel values float64[M,S] with the support vectors.

        scikit-learn turns the signs around where there is a single classifier.
        """
        counts, sign = self._svc.n_support_, -1 if len(self._svc.classes_) == 2 else 1
        dual, count, ends = sign * self._svc.dual_coef_, len(counts), np.cumsum(counts)
        margins = np.zeros((len(kernel), count, count))
        for own, end in enumerate(ends):
            vectors, others = slice(end - counts[own], end), np.delete(np.arange(count), own)
            margins[:, own, others] = kernel[:, vectors] @ dual[:, vectors].T
        i, j = np.triu_indices(count, 1)
        margins[:, i, j] = margins[:, i, j] + margins[:, j, i] + sign * self._svc.intercept_
        margins[:, j, i] = -margins[:, i, j]
        return margins

    def _square(self, rows: int) -> np.ndarray:
        """Return the first numbers of the buffer as a contiguous matrix, which scikit-learn takes without a copy."""
        return self._gram[: rows * rows].reshape(rows, rows)

    def _grow(self, before: int) -> None:
        """Widen the matrix of ``before`` rows in place, last row first, and compute the new rows and columns."""
        narrow, wide = self._square(before), self._square(len(self))
        for row in range(before - 1, 0, -1):
            wide[row, :before] = narrow[row]
        for start in range(before, len(self), _BLOCK):
            rows = slice(start, min(start + _BLOCK, len(self)))
            wide[rows] = rbf_kernel(self.features[rows], self.features)
            wide[:before, rows] = wide[rows, :before].T


def rbf_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return exp(-|a - b|^2 / D) for rows float64[n,D] and float64[m,D], float64[n,m]: that of ``gamma="auto"``."""
    kernel = a @ b.T
    kernel *= 2
    kernel -= np.einsum("nd,nd->n", a, a)[:, None]
    kernel -= np.einsum("nd,nd->n", b, b)
    kernel /= a.shape[1]
    return np.exp(kernel, out=kernel)


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """What a trained network leaves to its head; ValueError names the field that does not fit."""

    features: np.ndarray  # float[N,D] of the training rows
    labels: np.ndarray  # int[N] in 0..C-1, with a sample of every class
    loss: np.ndarray  # float[N], -ln p of the true class, 0 or more
    validation_features: np.ndarray  # float[M,D]
    validation_labels: np.ndarray  # int[M]
    names: Sequence[str]  # of the C classes, two or more

    def __post_init__(self) -> None:
        classes = len(self.names)
        labels = checks.label_array("labels", self.labels, classes)
        missing = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
        if classes < 2 or len(missing):
            found = f"no sample of {self.names[int(missing[0])]!r}" if len(missing) else "one class"
            raise ValueError(f"labels hold {found}; allowed: two classes or more, each with a sample")
        judged = checks.label_array("validation_labels", self.validation_labels, classes)
        fields = {
            "labels": labels,
            "validation_labels": judged,
            "loss": checks.finite_array("loss", self.loss, ndim=1, length=len(labels), low=0),
            "features": checks.finite_array("features", self.features, ndim=2, length=len(labels)),
            "validation_features": checks.finite_array(
                "validation_features", self.validation_features, ndim=2, length=len(judged)
            ),
        }
        width, found = fields["features"].shape[1], fields["validation_features"].shape[1]
        if found != width:
            raise ValueError(f"validation_features have {found} columns; {width} are needed, as the features have")
        for name, array in fields.items():
            object.__setattr__(self, name, array)


class CachedHead:
    """The SVM of the release over :class:`CachedFeatures`, refitted in milliseconds: quick enough to follow a slider.

    Duplicates of a row count in the SVM's objective like one row of their summed weight: each row is fitted once.
    """

    def __init__(self, cached: CachedFeatures) -> None:
        self.cached = cached
        self.gram = rbf_kernel(cached.features, cached.features)
        self.validation_gram = rbf_kernel(cached.validation_features, cached.features)

    def report(self, shown: np.ndarray, class_weights: np.ndarray) -> metrics.Report:
        """Return the validation report of the head fitted with each row ``shown`` int[N] times its class's weight float[C]."""
        from sklearn.svm import SVC

        rows = np.flatnonzero(shown)
        labels, classes = self.cached.labels[rows], len(self.cached.names)
        svc = SVC(C=1.0, kernel="precomputed")
        svc.fit(self.gram[np.ix_(rows, rows)], labels, sample_weight=shown[rows] * class_weights[labels])
        predicted = svc.predict(self.validation_gram[:, rows])
        cells = np.bincount(self.cached.validation_labels * classes + predicted, minlength=classes**2)
        return metrics.report_from_confusion(cells.reshape(classes, classes))
