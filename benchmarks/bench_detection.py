"""One training step of a detector: GHM-C and GHM-R against focal and smooth L1, in turns in one run.

Times are those of the fastest round: whatever else a machine does makes a round slower, never faster.

Run with: ``python -m pytest benchmarks/bench_detection.py -s``.
"""

import time

import pytest
import torch

from spbl_nb import detection, training


def one_step(model, data):
    """Return a function that takes one optimiser step on all images."""
    images = torch.from_numpy(data.images).float() / 255
    truths = [data.truth(row) for row in range(len(data))]
    targets = [{"boxes": torch.from_numpy(one.boxes), "labels": torch.from_numpy(one.labels)} for one in truths]
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.003)

    def step():
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()

    return step


@pytest.mark.parametrize(("name", "size", "batch", "rounds"), [("small", 96, 16, 12), ("resnet50_fpn", 128, 2, 5)])
def bench_step_with_ghm_against_focal(benchmark, name, size, batch, rounds):
    data = detection.load("synthetic", None, size, count=batch, test_share=0)
    with training.torch_threads(1):
        steps = [
            one_step(detection.build(name, data.num_classes, *losses), data)
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
