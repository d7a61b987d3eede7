"""The head of SPBL on cached features, refitted in milliseconds: an RBF support vector machine on a kernel computed once.

Penalty weights and a rearranged curriculum reach the released method's classifier through its head alone. Where the
features stand still, the kernel of all pairs of rows does too, and a row that is shown three times is a row of three
times the weight: the same optimum from a smaller problem. What is left is quick enough to follow a slider.

Taught in: notebooks/04_balance_learning, section 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spbl_nb import checks, metrics
from spbl_nb.svm import rbf_kernel


@dataclass(frozen=True, eq=False)
class CachedFeatures:
    """What a trained network leaves to its head: features and losses of training rows, features of validation rows.

    ``features`` float[N,D], ``labels`` int[N] in 0..C-1 with a sample of every class, ``loss`` float[N], the -ln p of
    the true class, 0 or more; ``validation_features`` float[M,D], ``validation_labels`` int[M]; ``names`` C texts, two
    or more. Raises ValueError naming the field that does not fit.
    """

    features: np.ndarray
    labels: np.ndarray
    loss: np.ndarray
    validation_features: np.ndarray
    validation_labels: np.ndarray
    names: Sequence[str]

    def __post_init__(self) -> None:
        checks.texts("names", self.names)
        labels = checks.label_array("labels", self.labels, len(self.names))
        if len(self.names) < 2 or (counts := np.bincount(labels, minlength=len(self.names))).min() == 0:
            found = "one class" if len(self.names) < 2 else f"no sample of {self.names[int(counts.argmin())]!r}"
            raise ValueError(f"labels hold {found}; allowed: two classes or more, each with a sample")
        loss = checks.finite_array("loss", self.loss, ndim=1, length=len(labels))
        if loss.min() < 0:
            raise ValueError(f"loss[{int(loss.argmin())}] is {loss.min():g}; allowed: 0 or more, -ln of a probability")
        validation_labels = checks.label_array("validation_labels", self.validation_labels, len(self.names))
        features = checks.finite_array("features", self.features, ndim=2, length=len(labels))
        judged = checks.finite_array(
            "validation_features", self.validation_features, ndim=2, length=len(validation_labels)
        )
        if judged.shape[1] != features.shape[1]:
            raise ValueError(
                f"validation_features have {judged.shape[1]} columns; {features.shape[1]} are needed, as the features have"
            )
        for name, array in {
            "features": features,
            "labels": labels,
            "loss": loss,
            "validation_features": judged,
            "validation_labels": validation_labels,
        }.items():
            object.__setattr__(self, name, array)


class CachedHead:
    """The RBF SVM of the SPBL release (C = 1, gamma = 1 / D) over :class:`CachedFeatures`, refitted in milliseconds.

    The kernel values of all pairs of rows are computed once. Duplicates of a row stand in the SVM's objective like one
    row of their summed weight, so :meth:`report` fits on each row once, weighted by how often it is shown.

    Taught in: notebooks/04_balance_learning, section 6.
    """

    def __init__(self, cached: CachedFeatures) -> None:
        self.cached = cached
        self.gram = rbf_kernel(cached.features, cached.features)
        self.validation_gram = rbf_kernel(cached.validation_features, cached.features)

    def report(self, shown: np.ndarray, class_weights: np.ndarray) -> metrics.Report:
        """Return the validation report of the head fitted with each row ``shown`` int[N] times, 0 being not at all.

        ``class_weights`` float[C] above 0 multiply the weight of every row of the class.
        """
        from sklearn.svm import SVC

        rows = np.flatnonzero(shown)
        labels, classes = self.cached.labels[rows], len(self.cached.names)
        svc = SVC(C=1.0, kernel="precomputed")
        svc.fit(self.gram[np.ix_(rows, rows)], labels, sample_weight=shown[rows] * class_weights[labels])
        predicted = svc.predict(self.validation_gram[:, rows])
        cells = np.bincount(self.cached.validation_labels * classes + predicted, minlength=classes**2)
        return metrics.report_from_confusion(cells.reshape(classes, classes))
