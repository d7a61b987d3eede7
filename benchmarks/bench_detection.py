"""One training step of a detector: GHM-C and GHM-R against focal and smooth L1, in turns in one run.

Times are those of the fastest round: whatever else a machine does makes a round slower, never faster.

Run with: ``python -m pytest benchmarks/bench_detection.py -s``.
"""

import time

import numpy as np
import pytest
import torch

from spbl_nb import training
from spbl_nb.detection import sets as detection_data
from spbl_nb.detection import train as detection


def one_step(model, data, config):
    """Return a function that takes one optimiser step on all pictures."""
    rows = np.arange(len(data))
    state = detection._Training(model.train(), data, rows, config, 0, "adamw", 0.1, 35.0)
    still, straight = np.zeros((len(data), 2), dtype=np.int64), np.zeros(len(data), dtype=bool)
    return lambda: state._step(rows, still, straight)


@pytest.mark.parametrize(("name", "size", "batch", "rounds"), [("small", 96, 16, 12), ("resnet50_fpn", 128, 2, 5)])
def bench_step_with_ghm_against_focal(benchmark, name, size, batch, rounds):
    data = detection_data.synthetic_lesions(batch, size, test_share=0)
    config = detection.settings("smoke", batch_size=batch)
    with training.torch_threads(1):
        steps = [
            one_step(detection.build(name, data.num_classes, *losses), data, config)
            for losses in (("ghm_c", "ghm_r"), ("focal", "smooth_l1"))
        ]
        times: list[list[float]] = [[], []]
        for turn in range(rounds + 1):
            for step, kept in zip(steps, times, strict=True):
                started = time.perf_counter()
                step()
                if turn:
                    kept.append(time.perf_counter() - started)
        benchmark.pedantic(steps[0], rounds=2)
    ghm, focal = map(min, times)
    benchmark.extra_info |= {"seconds": ghm, "ratio_to_focal": ghm / focal}
    print(
        f"\n{name}, {batch} x {size} px, torch {torch.__version__}: GHM {ghm:.3f} s, focal {focal:.3f} s, ratio {ghm / focal:.2f}"
    )
