"""The RBF support vector machine over a stack of features that grows pace by pace.

At every pace SPBL puts new rows on the features of all earlier paces and fits its SVM anew. The rows that lie there do
not change, so neither do the kernel values among them: the Gram matrix grows by the new rows and columns only, and
scikit-learn's ``SVC`` gets it ready-made. What comes out is what ``SVC(kernel="rbf", gamma="auto")`` on the stacked
features gives. Where the matrix would pass the memory that was granted, the duels of which the SVM consists are fitted in
parts, each with the kernel among some classes; where that of two classes would pass it too, plain ``SVC`` does the work.

Taught in: notebooks/05_spbl, section 2.
"""

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spbl_nb import checks

if TYPE_CHECKING:
    from sklearn.svm import SVC

_GIB = 2**30
_QUERIES = 256  # rows whose decision values are held at once, C x C each
_BLOCK = 1024  # rows whose kernel values are calculated at once


@dataclass(frozen=True)
class _Machine:
    """A fitted one-vs-one machine of K classes as libsvm holds it.

    ``classes`` int64[K]; ``support`` the rows that are support vectors, class by class, ``counts`` int[K] of each;
    ``dual`` float64[K-1,S], the coefficients in the duels with the K-1 other classes in order; ``intercept`` of the duels
    (0,1), (0,2), …, (1,2), …; a duel above 0 is won by its first class.
    """

    classes: np.ndarray
    support: np.ndarray
    counts: np.ndarray
    dual: np.ndarray
    intercept: np.ndarray

    @classmethod
    def of(cls, svc: "SVC") -> "_Machine":
        """Read it off scikit-learn's, which turns the signs of a single duel around."""
        sign = -1 if len(svc.classes_) == 2 else 1
        return cls(svc.classes_, svc.support_, svc.n_support_, sign * svc.dual_coef_, sign * svc.intercept_)


class StackedSVC:
    """One-vs-one RBF SVM (C = ``cost``, gamma = 1 / number of features) over rows that are only ever added.

    ``memory`` is the room for the Gram matrix in GiB (8 bytes times the square of the rows: 27,600 rows are 5.7 GiB);
    the address space is reserved at once, the memory itself is taken as rows come. ``by_gram`` says whether the matrix
    is (still) in use. Beyond that room, ``fit`` goes part by part, with kernel values in float32 from the torch ``device``,
    as long as the matrix of the two largest classes fits into it (:meth:`duel_bytes`). libsvm's own cache, 200 MB, and the
    features, 8 bytes a number, come on top.

    24,000 rows of 512 features, beyond the 4 GiB, in class sizes like those of HAM10000 and of SD-198 (7 and 198 classes),
    take 5.2 GB for the whole process (``SVC`` 0.9 and 1.6). Predictions for 2,000 queries are those of ``SVC``, decisions
    within 2e-4, save for 152 of 39 million duels with 198 classes, which are next to even and go the other way.

    >>> svc = StackedSVC(num_classes=2)
    >>> svc.add(np.array([[0.0], [1.0]]), np.array([0, 1]), np.ones(2))
    >>> svc.fit().decide(np.array([[0.1], [0.8]]))[1]
    array([0, 1])

    Taught in: notebooks/05_spbl, section 2.
    """

    def __init__(self, num_classes: int, *, cost: float = 1.0, memory: float = 4.0, device: Any = "cpu") -> None:
        self.num_classes = checks.class_number("num_classes", num_classes, 2)
        self.cost = checks.real("cost", cost, 0, open_low=True)
        self.memory = checks.real("memory", memory, 0) * _GIB
        self.device = device
        self.capacity = int((self.memory / 8) ** 0.5)
        try:
            self._gram = np.empty(self.capacity**2)
        except (MemoryError, ValueError):  # NumPy has no room for it, or no number for its size
            self.capacity, self._gram = 0, np.empty(0)
        self.by_gram = self.capacity > 0
        self.features = np.empty((0, 0))  # as wide as the first rows that are put on the stack
        self.labels = np.empty(0, dtype=np.int64)
        self.weights = np.empty(0)
        self._machine: Any = None  # a _Machine, once fitted

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
            svc = _svc(self.cost, kernel="precomputed")
            self._machine = _Machine.of(svc.fit(self._square(len(self)), self.labels, sample_weight=self.weights))
        elif self.by_duels:
            self._machine = self._fit_duels()
        else:
            svc = _svc(self.cost, kernel="rbf", gamma="auto")
            self._machine = _Machine.of(svc.fit(self.features, self.labels, sample_weight=self.weights))
        return self

    @property
    def by_duels(self) -> bool:
        """Whether the next fit goes duel by duel."""
        return not self.by_gram and len(self) > 0 and self.duel_bytes() <= self.memory

    def duel_bytes(self) -> int:
        """Return the bytes of the kernel matrix of the two largest classes on the stack, the least that duels need."""
        return int(8 * np.sort(np.bincount(self.labels))[-2:].sum() ** 2)

    def _fit_duels(self) -> _Machine:
        """Fit groups of classes two at a time, so that every two classes meet.

        A duel knows nothing of other classes: libsvm sees the same rows in the same order as if all were there.
        """
        classes, sizes = np.unique(self.labels, return_counts=True)
        rows = [np.flatnonzero(self.labels == one) for one in classes]
        starts = np.cumsum([0, *sizes])
        dual = np.zeros((len(classes) - 1, len(self)))
        intercept: np.ndarray = np.full((len(classes), len(classes)), np.nan)
        groups = self._groups(sizes)
        for pair in itertools.combinations(groups, 2) if len(groups) > 1 else [groups]:
            members = sorted(itertools.chain(*pair))
            part = self._fit_part([rows[one] for one in members])
            borders = np.cumsum([0, *sizes[members]])
            spread = np.zeros((len(members) - 1, borders[-1]))
            spread[:, part.support] = part.dual
            for duel, (one, other) in enumerate(itertools.combinations(range(len(members)), 2)):
                first, second = members[one], members[other]
                if np.isnan(intercept[first, second]):  # these two have not met in an earlier part
                    intercept[first, second] = part.intercept[duel]
                    own, theirs = (slice(borders[i], borders[i + 1]) for i in (one, other))
                    dual[second - 1, starts[first] : starts[first + 1]] = spread[other - 1, own]
                    dual[first, starts[second] : starts[second + 1]] = spread[one, theirs]
        used = (dual != 0).any(axis=0)
        counts = np.array([used[start:end].sum() for start, end in itertools.pairwise(starts)])
        intercept = intercept[np.triu_indices(len(classes), 1)]
        return _Machine(classes, np.concatenate(rows)[used], counts, dual[:, used], intercept)

    def _groups(self, sizes: np.ndarray) -> list[list[int]]:
        """Pack classes of ``sizes`` into groups of which the matrix of any two fits into the memory; large classes first."""
        most = math.isqrt(int(self.memory / 8))
        room = min(most // 2, most - int(sizes.max())) if sizes.max() > most // 2 else most // 2
        groups: list[list[int]] = []
        for one in np.argsort(-sizes, kind="stable").tolist():
            fitting = [group for group in groups if sizes[group].sum() + sizes[one] <= room]
            if fitting:
                fitting[0].append(one)
            else:
                groups.append([one])
        return groups

    def _fit_part(self, rows: list[np.ndarray]) -> _Machine:
        """Fit the duels of some classes, of which the ``rows`` on the stack are given."""
        together = np.concatenate(rows)
        features = self._to_device(self.features[together])
        gram = np.empty((len(together), len(together)))
        for start in range(0, len(together), _BLOCK):
            block = slice(start, start + _BLOCK)
            gram[block, : block.stop] = _kernel32(features[block], features[: block.stop])
            gram[:start, block] = gram[block, :start].T
        np.fill_diagonal(gram, 1)
        svc = _svc(self.cost, kernel="precomputed")
        labels = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        return _Machine.of(svc.fit(gram, labels, sample_weight=self.weights[together]))

    def _to_device(self, features: np.ndarray) -> Any:
        """Return features as a float32 tensor on the device, relative to the first row, which loses fewer digits."""
        import torch

        return torch.from_numpy((features - self.features[0]).astype(np.float32)).to(self.device)

    def decide(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (decision float64[M,C], predicted int64[M]) for features float[M,D].

        ``decision`` is scikit-learn's one-vs-rest function: the number of one-vs-one duels that a class wins, plus less
        than a third of a point for their margins; with two classes likewise, in two columns. A class that is not on the
        stack gets -1. ``predicted`` is the class of most duels, the lower one if even, as ``SVC.predict`` gives it;
        it can differ from the argmax of ``decision``. A duel of margin 0 counts for the later class in ``predicted`` and
        for the earlier one in ``decision``, as in scikit-learn.
        """
        if self._machine is None:
            raise ValueError("decide is called before fit; add rows and fit first")
        features = checks.finite_array("features", features, ndim=2)
        self._check_width(features)
        decision = np.full((len(features), self.num_classes), -1.0)
        predicted = np.empty(len(features), dtype=np.int64)
        classes, vectors = self._machine.classes, self.features[self._machine.support]
        if self.by_duels:
            vectors = self._to_device(vectors)
        for start in range(0, len(features), _QUERIES):
            part = slice(start, start + _QUERIES)
            if self.by_duels:
                kernel = _kernel32(self._to_device(features[part]), vectors).astype(np.float64)
            else:
                kernel = rbf_kernel(features[part], vectors)
            margins = self._duels(kernel)
            above = np.triu(np.ones(margins.shape[1:], dtype=bool), 1)
            confidence = margins.sum(axis=2)
            wins, even = margins > 0, margins == 0
            predicted[part] = classes[(wins | (even & above.T)).sum(axis=2).argmax(axis=1)]
            wins = (wins | (even & above)).sum(axis=2)
            decision[part, classes] = wins + confidence / (3 * (np.abs(confidence) + 1))
        return decision, predicted

    def _duels(self, kernel: np.ndarray) -> np.ndarray:
        """Return float64[M,K,K], by how much class i beats class j, from kernel values float64[M,S] with the support vectors."""
        machine, count = self._machine, len(self._machine.classes)
        ends = np.cumsum(machine.counts)
        margins = np.zeros((len(kernel), count, count))
        for own, end in enumerate(ends):
            vectors = slice(end - machine.counts[own], end)
            others = np.delete(np.arange(count), own)
            margins[:, own, others] = kernel[:, vectors] @ machine.dual[:, vectors].T
        upper = np.triu_indices(count, 1)
        total = margins[:, upper[0], upper[1]] + margins[:, upper[1], upper[0]] + machine.intercept
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
        for start in range(before, len(self), _BLOCK):
            rows = slice(start, min(start + _BLOCK, len(self)))
            wide[rows] = rbf_kernel(self.features[rows], self.features)
            wide[:before, rows] = wide[rows, :before].T

    def _check_width(self, features: np.ndarray) -> None:
        if features.shape[1] != self.features.shape[1]:
            raise ValueError(
                f"features have {features.shape[1]} columns; those on the stack have {self.features.shape[1]}"
            )


def _svc(cost: float, **options: str) -> "SVC":
    """Return scikit-learn's machine, which is imported here because its import takes longer than many a run without one."""
    from sklearn.svm import SVC

    return SVC(C=cost, random_state=0, **options)


def rbf_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return exp(-|a - b|^2 / D) for rows float64[n,D] and float64[m,D], float64[n,m]: that of ``gamma="auto"``."""
    kernel = a @ b.T
    kernel *= 2
    kernel -= np.einsum("nd,nd->n", a, a)[:, None]
    kernel -= np.einsum("nd,nd->n", b, b)
    kernel /= a.shape[1]
    return np.exp(kernel, out=kernel)


def _kernel32(a: Any, b: Any) -> np.ndarray:
    """Return :func:`rbf_kernel` of float32 tensors [n,D] and [m,D] of one device as a float32 array."""
    distances = (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)).addmm_(a, b.T, alpha=-2).clamp_(min=0)
    return distances.div_(-a.shape[1]).exp_().cpu().numpy()
