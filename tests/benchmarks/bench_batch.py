"""The batch against a loop of papermill programs: what a small cell costs beyond its own work, and what a second worker brings.

A cell imports what notebook 08 imports, works for a fixed number of CPU seconds, and leaves a file. All figures come from
one run on one machine, one after the other; on a busy machine they all grow, so look at the ratios.

Run with: ``python -m pytest tests/benchmarks/bench_batch.py -s``.
"""

import os
import subprocess
import sys
import time

import pytest
import tiny_notebooks as tiny

from spbl_nb import batch
from spbl_nb.places import PACKAGE

CELLS, NAIVE_CELLS, WORK = 24, 6, 1.0
IMPORTS = """\
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from spbl_nb import config, data, methods, metrics, places, plots, runs, staging"""
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
            batch.Task(f"{name} {v['SEED']}", str(source), v, str(tmp_path / name), f"cells/{v['SEED']}")
            for v in values
        ]

    return make


def seconds(act):
    """Return the wall seconds of ``act()``."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def run(tasks, **options):
    """Run the tasks, all of which must succeed."""
    assert all(outcome.status == batch.DONE for outcome in batch.run_tasks(tasks, progress=False, **options))


def naively(tasks):
    """Run papermill as a program for one task after the other, as a shell script would."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    for task in tasks:
        given = [part for name, value in task.values.items() for part in ("-p", name, str(value))]
        task.target.mkdir(parents=True)
        command = [
            sys.executable,
            "-m",
            "papermill",
            "--no-progress-bar",
            task.notebook,
            str(task.target / "cell.ipynb"),
        ]
        subprocess.run([*command, *given], env=environment, check=True, capture_output=True)


def bench_small_cells(benchmark, tasks):
    naive = seconds(lambda: naively(tasks("naive", NAIVE_CELLS))) / NAIVE_CELLS
    one = seconds(lambda: run(tasks("one", CELLS), jobs=1))
    two = benchmark.pedantic(lambda: seconds(lambda: run(tasks("two", CELLS), jobs=2)), rounds=1)
    preloaded = seconds(lambda: run(tasks("preloaded", CELLS), jobs=1, preload=True))
    preloaded_two = seconds(lambda: run(tasks("preloaded-two", CELLS), jobs=2, preload=True))

    overhead = {"naive": naive - WORK, "plain": one / CELLS - WORK, "preloaded": preloaded / CELLS - WORK}
    efficiency = {"plain": one / two / 2, "preloaded": preloaded / preloaded_two / 2}
    benchmark.extra_info |= {"overhead_seconds": overhead, "efficiency_of_two_workers": efficiency}
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"\n{CELLS} cells of {WORK:g} CPU seconds{load}; seconds beyond that per cell, everything included: "
        f"papermill programs {overhead['naive']:.2f}, one worker {overhead['plain']:.2f}, "
        f"preloaded {overhead['preloaded']:.2f}\n"
        f"efficiency of two workers over one: {efficiency['plain']:.2f} plain, {efficiency['preloaded']:.2f} preloaded; "
        f"all cells in {one:.0f} s by one worker, {two:.0f} s by two, {preloaded_two:.0f} s by two preloaded; "
        f"{naive * CELLS:.0f} s by papermill programs"
    )
