"""Selecting the easiest of a million losses in every class, against sorting the same losses once.

Run with: ``python -m pytest benchmarks/bench_pace.py -s``.
"""

import time

import numpy as np
import pytest

from spbl_nb import pace

SAMPLES = 1_000_000


def seconds_of(function, *args, rounds: int = 5) -> float:
    """Median time of a call."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def sort_by_class_then_loss(loss, labels, fraction):
    """The usual way to select per class: one sort by two keys, then the rank in each class."""
    order = np.lexsort((loss, labels))
    counts = np.bincount(labels)
    rank = np.arange(len(loss)) - np.repeat(np.cumsum(counts) - counts, counts)
    selected = np.zeros(len(loss), dtype=bool)
    selected[order] = rank < np.repeat(np.ceil(fraction * counts), counts)
    return selected


@pytest.mark.parametrize("classes", [10, 1000, 100_000])
@pytest.mark.parametrize("decimals", [None, 2], ids=["distinct", "tied"])
def bench_select_easiest_against_argsort(benchmark, classes, decimals):
    rng = np.random.default_rng(0)
    labels, loss = rng.integers(0, classes, SAMPLES), rng.exponential(size=SAMPLES)
    if decimals is not None:
        loss = loss.round(decimals)
    selected = benchmark.pedantic(pace.select_easiest, (loss, labels, 0.75), rounds=7, warmup_rounds=1)
    np.testing.assert_array_equal(selected, sort_by_class_then_loss(loss, labels, 0.75))
    ours = benchmark.stats.stats.median
    one_sort = seconds_of(np.argsort, loss)
    two_keys = seconds_of(sort_by_class_then_loss, loss, labels, 0.75, rounds=3)
    benchmark.extra_info |= {"argsorts": ours / one_sort, "speed_up_over_lexsort": two_keys / ours}
    print(
        f"\n{classes} classes, {'distinct' if decimals is None else 'tied'} losses: {1e3 * ours:.0f} ms, "
        f"as long as {ours / one_sort:.1f} numpy.argsort; {two_keys / ours:.1f} times faster than numpy.lexsort"
    )
