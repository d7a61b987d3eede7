"""The SVM of a whole SPBL run over its growing stack of features, against plain ``SVC`` fitted anew at every pace.

Run with: ``python -m pytest benchmarks/bench_svm.py -s``.
"""

import time

import numpy as np
import pytest
from sklearn.svm import SVC

from spbl_nb.svm import StackedSVC

CLASSES, POOL, QUERIES = 7, 900, 1000
FRACTIONS = (0.2, 0.6, 0.8, 0.92, 1.0, 1.0)  # of the pool, added to the stack at the seed stage and at five paces


def stages(dimensions: int) -> tuple[list, np.ndarray]:
    """Return (features, labels, weights) per stage and the queries: classes that overlap, and features that drift."""
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, POOL + QUERIES, p=[0.64, 0.1, 0.1, 0.06, 0.05, 0.03, 0.02])
    centres = rng.normal(size=(CLASSES, dimensions)) * 6 / np.sqrt(dimensions)
    base = centres[labels] + rng.normal(size=(len(labels), dimensions))
    drift = rng.normal(size=base.shape) * 0.2
    parts = []
    for stage, fraction in enumerate(FRACTIONS):
        rows = rng.permutation(POOL)[: int(fraction * POOL)]
        rows = np.union1d(rows, [np.flatnonzero(labels[:POOL] == c)[0] for c in range(CLASSES)])
        weights = 1 + 9 * rng.random(CLASSES)
        parts.append((base[rows] + stage * drift[rows], labels[rows], weights[labels[rows]]))
    return parts, base[POOL:] + len(FRACTIONS) * drift[POOL:]


def by_gram(parts: list, queries: np.ndarray, memory: float = 4.0) -> list[np.ndarray]:
    """Grow one stack, fit and decide at each stage."""
    stack, predicted = StackedSVC(CLASSES, memory=memory), []
    for part in parts:
        stack.add(*part)
        predicted.append(stack.fit().decide(queries)[1])
    assert stack.by_gram == (memory > 0)
    return predicted


def plain(parts: list, queries: np.ndarray) -> list[np.ndarray]:
    """Fit scikit-learn's SVC on all rows so far at each stage, and ask it for classes and decisions as the release does."""
    predicted = []
    for count in range(1, len(parts) + 1):
        features, labels, weights = (np.concatenate(column) for column in zip(*parts[:count], strict=True))
        svc = SVC(gamma="auto").fit(features, labels, sample_weight=weights)
        svc.decision_function(queries)
        predicted.append(svc.predict(queries))
    return predicted


@pytest.mark.parametrize("dimensions", [64, 512, 1024])
def bench_stacked_svc_against_plain_svc(benchmark, dimensions):
    parts, queries = stages(dimensions)
    ours = benchmark.pedantic(by_gram, (parts, queries), rounds=3)
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        theirs = plain(parts, queries)
        seconds.append(time.perf_counter() - started)
    for mine, rival in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, rival)
    started = time.perf_counter()
    by_gram(parts, queries, memory=0.0)
    beyond = time.perf_counter() - started
    median, rival = benchmark.stats.stats.median, min(seconds)
    benchmark.extra_info |= {"speed_up_over_svc": rival / median}
    print(
        f"\n{dimensions} features, {sum(len(part[1]) for part in parts)} rows in {len(parts)} stages: {median:.2f} s by a "
        f"growing Gram matrix, {rival:.2f} s by plain SVC: {rival / median:.1f} times faster, the same predictions; "
        f"{beyond:.2f} s without the matrix (beyond the memory granted)"
    )
