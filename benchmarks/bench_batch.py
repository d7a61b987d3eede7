"""The batch against bare scripts and papermill programs: what a small cell costs beyond its own work, and what a second
worker brings.

A cell imports what notebook 08 imports and works for a fixed number of CPU seconds. A bare script does the same without
Jupyter: no notebook with these imports can cost less; and two bare scripts at a time show what a second core of this
machine is worth. All figures come from one run on one machine, one after the other; on a busy machine they all grow, so
look at the ratios.

Run with: ``python -m pytest benchmarks/bench_batch.py -s``.
"""

import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiny_notebooks as tiny

from spbl_nb.batch import workers
from spbl_nb.places import PACKAGE

CELLS, FEW_CELLS, WORK = 24, 6, 1.0
IMPORTS = """\
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from spbl_nb import config, data, methods, metrics, places
from spbl_nb.results import store"""
PAYLOAD = """\
import time
started = time.process_time()
while time.process_time() - started < WORK:
    np.linalg.svd(np.random.default_rng(SEED).random((60, 60)))"""
PARAMETERS = "SEED: int = 0  # seed\nWORK: float = 1.0  # CPU seconds"


@pytest.fixture
def tasks(tmp_path):
    """Return a function that makes that many small cells in a runs folder of their own."""
    source = tiny.write(tmp_path / "cell.ipynb", IMPORTS, PAYLOAD, parameters=PARAMETERS)

    def make(name, number):
        values = [{"SEED": seed, "WORK": WORK} for seed in range(number)]
        return [
            workers.Task(f"{name} {v['SEED']}", str(source), v, str(tmp_path / name), f"cells/{v['SEED']}")
            for v in values
        ]

    return make


def seconds(act):
    """Return the wall seconds of ``act()``."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def programs(commands, lanes=1):
    """Run commands, so many at a time, each with one thread."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(lambda line: subprocess.run(line, env=environment, check=True, capture_output=True), commands))


def bare(number):
    """Return the commands of scripts that do what the cells do."""
    script = "\n".join([IMPORTS, "WORK = {work}", "SEED = {seed}", PAYLOAD])
    return [[sys.executable, "-c", script.format(work=WORK, seed=seed)] for seed in range(number)]


def papermill(tasks):
    """Return papermill's command for each of the tasks, as a shell script would have them."""
    for task in tasks:
        given = [part for name, value in task.values.items() for part in ("-p", name, str(value))]
        task.target.mkdir(parents=True)
        program = [sys.executable, "-m", "papermill", "--no-progress-bar"]
        yield [*program, task.notebook, str(task.target / "cell.ipynb"), *given]


def grid(tasks, **options):
    """Run the tasks, all of which must succeed; return the wall seconds of all, and of a usual one."""
    started = time.perf_counter()
    outcomes = workers.run_tasks(tasks, progress=False, **options)
    took = time.perf_counter() - started
    assert all(outcome.status == workers.DONE for outcome in outcomes)
    return took, statistics.median(outcome.seconds for outcome in outcomes)


def bench_small_cells(benchmark, tasks):
    few = {
        "bare scripts": [seconds(lambda lanes=lanes: programs(bare(FEW_CELLS), lanes)) for lanes in (1, 2)],
        "papermill programs": [
            seconds(lambda lanes=lanes: programs(papermill(tasks(f"naive-{lanes}", FEW_CELLS)), lanes))
            for lanes in (1, 2)
        ],
    }
    plain = [grid(tasks("one", CELLS), jobs=1)]
    plain.append(benchmark.pedantic(lambda: grid(tasks("two", CELLS), jobs=2), rounds=1))

    rows = {
        name: (FEW_CELLS, [(took, took * lanes / FEW_CELLS) for lanes, took in zip((1, 2), both, strict=True)])
        for name, both in few.items()
    }
    rows |= {"spbl-nb": (CELLS, plain)}
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"\ncells of {WORK:g} CPU seconds{load}; 'start' is what all cells together wait for, 'beyond' what a cell adds"
    )
    print("efficiency of two lanes: of everything, and once they have started")
    print(
        f"{'':<22}{'cells':>6}{'one lane':>10}{'two lanes':>10}{'start':>8}{'beyond':>8}{'efficiency':>12}{'started':>9}"
    )
    for name, (cells, ((one, usual), (two, beside))) in rows.items():
        start, beyond, efficiency = one - cells * usual, usual - WORK, (one / two / 2, usual / beside)
        benchmark.extra_info[name] = {"start": start, "beyond": beyond, "efficiency": efficiency}
        print(f"{name:<22}{cells:>6}{one:>8.0f} s{two:>8.0f} s{start:>6.1f} s{beyond:>6.2f} s", end="")
        print(f"{efficiency[0]:>12.2f}{efficiency[1]:>9.2f}")
