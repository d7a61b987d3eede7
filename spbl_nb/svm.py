"""The RBF support vector machine over a stack of features that grows pace by pace.

At every pace SPBL puts new rows on the features of all earlier paces and fits its SVM anew. The rows that lie there do
not change, so neither do the kernel values among them: the Gram matrix grows by the new rows and columns only, and
scikit-learn's ``SVC`` gets it ready-made. What comes out is what ``SVC(kernel="rbf", gamma="auto")`` on the stacked
features gives. Where the matrix would pass the memory that was granted, plain ``SVC`` does the work.

Taught in: notebooks/05_spbl, section 2.
"""

from typing import Any

import numpy as np
from sklearn.svm import SVC

from spbl_nb import checks

_GIB = 2**30
_QUERIES = 256  # rows whose decision values are held at once, C x C each


class StackedSVC:
    """One-vs-one RBF SVM (C = ``cost``, gamma = 1 / number of features) over rows that are only ever added.

    ``memory`` is the room for the Gram matrix in GiB (8 bytes times the square of the rows: 27,600 rows are 5.7 GiB);
    the address space is reserved at once, the memory itself is taken as rows come. ``by_gram`` says whether the matrix
    is (still) in use.

    >>> svc = StackedSVC(num_classes=2)
    >>> svc.add(np.array([[0.0], [1.0]]), np.array([0, 1]), np.ones(2))
    >>> svc.fit().decide(np.array([[0.1], [0.8]]))[1]
    array([0, 1])

    Taught in: notebooks/05_spbl, section 2.
    """

    def __init__(self, num_classes: int, *, cost: float = 1.0, memory: float = 4.0) -> None:
        self.num_classes = checks.integer("num_classes", num_classes, 2)
        self.cost = checks.real("cost", cost, 0, open_low=True)
        self.capacity = int((checks.real("memory", memory, 0) * _GIB / 8) ** 0.5)
        try:
            self._gram = np.empty(self.capacity**2)
        except (MemoryError, ValueError):  # NumPy has no room for it, or no number for its size
            self.capacity, self._gram = 0, np.empty(0)
        self.by_gram = self.capacity > 0
        self.features = np.empty((0, 0))  # as wide as the first rows that are put on the stack
        self.labels = np.empty(0, dtype=np.int64)
        self.weights = np.empty(0)
        self._svc: Any = None

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Put rows on the stack: features float[n,D], labels int[n] in 0..C-1, weights float[n] above 0.

        ``weights`` of all rows can be changed later through the attribute of that name, float64[len(self)].
        """
        features = checks.finite_array("features", features, ndim=2)
        labels = checks.label_array("labels", labels, self.num_classes, length=len(features))
        weights = checks.finite_array("weights", weights, ndim=1, length=len(features))
        if weights.min() <= 0:
            raise ValueError(f"weights[{int(weights.argmin())}] is {weights.min():g}; allowed: above 0")
        if not len(self):
            self.features = np.empty((0, features.shape[1]))
        self._check_width(features)
        before = len(self)
        self.features = np.concatenate([self.features, features])
        self.labels = np.concatenate([self.labels, labels])
        self.weights = np.concatenate([self.weights, weights])
        if self.by_gram and len(self) > self.capacity:
            self.by_gram, self._gram = False, np.empty(0)
        if self.by_gram:
            self._grow(before)

    def fit(self) -> "StackedSVC":
        """Fit on all rows with their weights; raises ValueError unless at least two classes are on the stack."""
        present = np.unique(self.labels)
        if len(present) < 2:
            found = f"the single class {present[0]}" if len(present) else "no rows"
            raise ValueError(f"labels on the stack hold {found}; an SVM needs at least two classes to tell apart")
        if self.by_gram:
            svc, rows = SVC(C=self.cost, kernel="precomputed", random_state=0), self._square(len(self))
        else:
            svc, rows = SVC(C=self.cost, kernel="rbf", gamma="auto", random_state=0), self.features
        self._svc = svc.fit(rows, self.labels, sample_weight=self.weights)
        return self

    def decide(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (decision float64[M,C], predicted int64[M]) for features float[M,D].

        ``decision`` is scikit-learn's one-vs-rest function: the number of one-vs-one duels that a class wins, plus less
        than a third of a point for their margins; with two classes likewise, in two columns. A class that is not on the
        stack gets -1. ``predicted`` is the class of most duels, the lower one if even, as ``SVC.predict`` gives it;
        it can differ from the argmax of ``decision``. A duel of margin 0 counts for the later class in ``predicted`` and
        for the earlier one in ``decision``, as in scikit-learn.
        """
        if self._svc is None:
            raise ValueError("decide is called before fit; add rows and fit first")
        features = checks.finite_array("features", features, ndim=2)
        self._check_width(features)
        decision = np.full((len(features), self.num_classes), -1.0)
        predicted = np.empty(len(features), dtype=np.int64)
        classes = self._svc.classes_
        for start in range(0, len(features), _QUERIES):
            part = slice(start, start + _QUERIES)
            margins = self._duels(features[part])
            above = np.triu(np.ones(margins.shape[1:], dtype=bool), 1)
            confidence = margins.sum(axis=2)
            wins, even = margins > 0, margins == 0
            predicted[part] = classes[(wins | (even & above.T)).sum(axis=2).argmax(axis=1)]
            wins = (wins | (even & above)).sum(axis=2)
            decision[part, classes] = wins + confidence / (3 * (np.abs(confidence) + 1))
        return decision, predicted

    def _duels(self, features: np.ndarray) -> np.ndarray:
        """Return float64[M,K,K], by how much class i beats class j, of the K classes on the stack."""
        svc = self._svc
        ends = np.cumsum(svc.n_support_)
        dual, intercept = svc.dual_coef_, svc.intercept_
        if len(ends) == 2:  # scikit-learn turns the signs of a single duel around
            dual, intercept = -dual, -intercept
        kernel = rbf_kernel(features, self.features[svc.support_])
        count = len(ends)
        margins = np.zeros((len(features), count, count))
        for own, end in enumerate(ends):
            vectors = slice(end - svc.n_support_[own], end)
            others = np.delete(np.arange(count), own)
            margins[:, own, others] = kernel[:, vectors] @ dual[:, vectors].T
        upper = np.triu_indices(count, 1)
        total = margins[:, upper[0], upper[1]] + margins[:, upper[1], upper[0]] + intercept
        margins[:, upper[0], upper[1]] = total
        margins[:, upper[1], upper[0]] = -total
        return margins

    def _square(self, rows: int) -> np.ndarray:
        """Return the first numbers of the buffer as a contiguous matrix, which scikit-learn takes without a copy."""
        return self._gram[: rows * rows].reshape(rows, rows)

    def _grow(self, before: int) -> None:
        """Widen the matrix of ``before`` rows in place, last row first, and compute the new rows and columns."""
        narrow, wide = self._square(before), self._square(len(self))
        for row in range(before - 1, 0, -1):
            wide[row, :before] = narrow[row]
        for start in range(before, len(self), 1024):
            rows = slice(start, min(start + 1024, len(self)))
            wide[rows] = rbf_kernel(self.features[rows], self.features)
            wide[:before, rows] = wide[rows, :before].T

    def _check_width(self, features: np.ndarray) -> None:
        if features.shape[1] != self.features.shape[1]:
            raise ValueError(
                f"features have {features.shape[1]} columns; those on the stack have {self.features.shape[1]}"
            )


def rbf_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return exp(-|a - b|^2 / D) for rows float64[n,D] and float64[m,D], float64[n,m]: that of ``gamma="auto"``."""
    kernel = a @ b.T
    kernel *= 2
    kernel -= np.einsum("nd,nd->n", a, a)[:, None]
    kernel -= np.einsum("nd,nd->n", b, b)
    kernel /= a.shape[1]
    return np.exp(kernel, out=kernel)
