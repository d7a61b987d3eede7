"""GHM-C, forward and backward, against a loop over its bins with a mask for each, as it is usually written.

Times are those of the fastest round: whatever else a machine does makes a round slower, never faster.

Run with: ``python -m pytest benchmarks/bench_losses.py -s``.
"""

import time

import numpy as np
import pytest
import torch
from torch.nn import functional

from spbl_nb.losses import GHMC

CLASSES = 80


class LoopOverBins(torch.nn.Module):
    """GHM-C with one mask, one count read back and one masked write per bin."""

    def __init__(self, bins: int, momentum: float) -> None:
        super().__init__()
        self.edges = [index / bins for index in range(bins)] + [1 + 1e-6]
        self.momentum, self.smoothed = momentum, [0.0] * bins

    def forward(self, logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        norms = (logits.detach().sigmoid() - target).abs()
        counted = valid > 0
        total, filled = max(counted.sum().item(), 1), 0
        weights = torch.zeros_like(logits)
        for index, (low, high) in enumerate(zip(self.edges, self.edges[1:], strict=False)):
            inside = (norms >= low) & (norms < high) & counted
            number = inside.sum().item()
            if number > 0:
                self.smoothed[index] = self.momentum * self.smoothed[index] + (1 - self.momentum) * number
                weights[inside] = total / self.smoothed[index]
                filled += 1
        return functional.binary_cross_entropy_with_logits(logits, target, weights / filled, reduction="sum") / total


def detector_batch(anchors: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Logits as a detector's: one in a hundred anchors shows an object, one in twenty is left out."""
    rng = np.random.default_rng(0)
    target = np.zeros((anchors, CLASSES))
    shown = rng.random(anchors) < 0.01
    target[shown, rng.integers(0, CLASSES, shown.sum())] = 1
    logits = rng.normal(-4, 2, target.shape) + 4 * target
    valid = np.repeat(rng.random((anchors, 1)) < 0.95, CLASSES, axis=1)
    return [torch.from_numpy(values).to(dtype) for values in (logits, target, valid)]


def train_step(loss: torch.nn.Module, batch: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss and its gradient with respect to the logits."""
    logits = batch[0].detach().requires_grad_()
    result = loss(logits, *batch[1:])
    return result.detach(), torch.autograd.grad(result, logits)[0]


def fastest(loss: torch.nn.Module, batch: list[torch.Tensor], rounds: int = 12) -> float:
    """Seconds of the fastest of some training steps."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        train_step(loss, batch)
        times.append(time.perf_counter() - started)
    return min(times)


@pytest.mark.parametrize("anchors", [200, 10_000])
@pytest.mark.parametrize("bins", [10, 30, 100])
def bench_ghm_c_against_a_loop_over_bins(benchmark, bins, anchors):
    torch.set_num_threads(1)
    ours, loop = GHMC(bins, 0.75, bias_correction=False), LoopOverBins(bins, 0.75)
    precise = detector_batch(200, torch.float64)
    for _ in range(3):
        pairs = zip(train_step(ours, precise), train_step(loop, precise), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    batch = detector_batch(anchors)
    benchmark.pedantic(train_step, (ours, batch), rounds=30, warmup_rounds=2)
    seconds = benchmark.stats.stats.min
    ratio = fastest(loop, batch) / seconds
    benchmark.extra_info |= {"speed_up_over_loop": ratio}
    print(
        f"\n{bins} bins, {anchors} x {CLASSES} elements: {1e3 * seconds:.2f} ms, {ratio:.1f} times faster than the loop"
    )
