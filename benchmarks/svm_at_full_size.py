"""One SVM on stacked rows, 24,000 for instance, in a process of its own, so that its memory can be told: ours or scikit-learn's.

Usage: ``python benchmarks/svm_at_full_size.py (ours|svc) CLASSES FEATURES ROWS FOLDER``; classes are 7 or 198.

Prints the seconds of fitting and of deciding for 2,000 queries, the memory in use before and the most that was in use
(MB), and writes decisions and predictions to FOLDER/ours.npz or FOLDER/svc.npz, to be compared.
"""

import re
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.svm import SVC

from spbl_nb import svm, training
from spbl_nb.data.synthetic.classes import sd198_sizes

QUERIES, STAGES = 2000, 6
HAM10000 = (6705, 1113, 1099, 514, 327, 142, 115)  # class sizes of HAM10000 (Tschandl et al. 2018)


def megabytes(field: str) -> float:
    """Return a field of this process's status, MB."""
    return float(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000


def rows(classes: int, width: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float64[N+Q,D] and labels: overlapping classes with the sizes of HAM10000 (7) or SD-198 (198)."""
    rng = np.random.default_rng(0)
    sizes = np.array(HAM10000 if classes == 7 else [*sd198_sizes().values()], dtype=float)
    labels = np.concatenate(
        [np.arange(classes), rng.choice(classes, number + QUERIES - classes, p=sizes / sizes.sum())]
    )
    centres = rng.normal(size=(classes, width)) * 6 / np.sqrt(width)
    return centres[labels] + rng.normal(size=(len(labels), width)), labels


def main(way: str, classes: int, width: int, number: int, folder: str) -> None:
    """Stack the rows in six stages, fit once and decide."""
    features, labels = rows(classes, width, number)
    weights = np.linspace(1, 10, classes)[labels]
    queries = features[number:]
    before = megabytes("VmRSS")
    started = time.perf_counter()
    with training.torch_threads(1):
        torch.zeros(1)
        if way == "ours":
            stack = svm.StackedSVC(classes)
            for part in np.array_split(np.arange(number), STAGES):
                stack.add(features[part], labels[part], weights[part])
            stack.fit()
            fitted = time.perf_counter()
            decision, predicted = stack.decide(queries)
            assert (stack.by_gram, stack.by_duels) == (8 * number**2 <= stack.memory, 8 * number**2 > stack.memory)
        else:
            svc = SVC(gamma="auto").fit(features[:number], labels[:number], sample_weight=weights[:number])
            fitted = time.perf_counter()
            decision, predicted = svc.decision_function(queries), svc.predict(queries)
    ended = time.perf_counter()
    np.savez(Path(folder) / f"{way}.npz", decision=decision, predicted=predicted)
    print(fitted - started, ended - fitted, before, megabytes("VmHWM"))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5])
