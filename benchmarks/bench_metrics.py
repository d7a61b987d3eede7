"""The MAUC against scikit-learn's one-vs-one mean, which is the same number.

Run with: ``python -m pytest benchmarks/bench_metrics.py -s`` (scikit-learn takes a minute or more).
"""

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spbl_nb import metrics


@pytest.mark.parametrize(("classes", "samples"), [(198, 1386), (260, 1820)])
def bench_mauc_against_scikit_learn(benchmark, classes, samples):
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % classes
    scores = rng.dirichlet(np.ones(classes), samples)
    ours = benchmark(metrics.mauc, labels, scores)
    started = time.perf_counter()
    theirs = roc_auc_score(labels, scores, multi_class="ovo", average="macro")
    seconds = time.perf_counter() - started
    assert abs(ours - theirs) < 1e-12
    ratio = seconds / benchmark.stats.stats.median
    benchmark.extra_info["ratio"] = ratio
    print(
        f"\nC = {classes}, N = {samples}: {1e3 * benchmark.stats.stats.median:.1f} ms, scikit-learn {seconds:.1f} s; "
        f"{ratio:,.0f} times faster, equal to {abs(ours - theirs):.1e}"
    )
