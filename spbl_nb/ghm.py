"""Gradient harmonizing (GHM): samples with crowded gradient norms count less, so that every norm has the same say.

GHM counts how many samples have a gradient norm in each of M equal bins of [0, 1] and divides the loss of a sample by
that density. The modules smooth the counts over steps; the functions know only the batch at hand. Nothing here reads a
value back from the device, and all is calculated in float32 at least: in half precision a norm of nearly 1 falls on the
last edge. Source: Li, Liu and Wang 2019, Gradient Harmonized Single-stage Detector, and its released code.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from spbl_nb import checks
from spbl_nb.losses import at_least_float32, describe, scores_and_labels

Smooth = Callable[[Tensor], Tensor]

MOST_BINS = 100_000


def ghm_c(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, bins: int = 30, smooth: Smooth | None = None
) -> Tensor:
    """Return the harmonized binary cross-entropy (GHM-C), a scalar: sum of weight * BCE(logit, target), over N.

    The gradient norm is |sigmoid(logit) - target|. ``logits`` and ``target`` are float of one shape, targets in [0, 1].
    ``valid``, float or bool of that shape, is above 0 where an element counts (None: all count); others may hold anything.
    Without a valid element the loss is 0. ``bins`` is M; ``smooth`` maps the counts of this batch to those to divide by.

    With several processes, which must all take part, the mean of their results is the loss of the whole batch.
    """
    values, target, counted = _elements("logits", logits, target, valid)
    loss = functional.binary_cross_entropy_with_logits(values, target, reduction="none")
    return _harmonized(logits, loss, values.sigmoid() - target, counted, bins, smooth)


def ghm_r(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    mu: float = 0.02,
    bins: int = 10,
    smooth: Smooth | None = None,
) -> Tensor:
    """Return the harmonized ASL1 loss of box offsets (GHM-R), a scalar: sum of weight * (sqrt(d^2 + mu^2) - mu), over N.

    The gradient norm of d = prediction - target is |d| / sqrt(d^2 + mu^2), which differs between outliers, as that of
    smooth L1 does not. ``mu`` > 0 is in units of the offsets; all else as in :func:`ghm_c`.
    """
    mu = checks.real("mu", mu, 0, open_low=True)
    values, target, counted = _elements("prediction", prediction, target, valid)
    difference = values - target
    length = torch.hypot(difference, difference.new_full((), mu))
    return _harmonized(prediction, length - mu, difference / length, counted, bins, smooth)


def one_vs_all(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the targets float[B,C] of logits float[B,C]: 1 at the label int64[B], 0 elsewhere, for :func:`ghm_c`."""
    logits, labels = scores_and_labels("logits", logits, labels)
    return functional.one_hot(labels, logits.shape[1]).to(logits.dtype)


def count_in_bins(norms: Tensor, bins: int, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return (int64[n], the bin of each element; float64[M], how many elements each bin holds, over all processes).

    Bin i of 0..M-1 holds norms from i/M up to (i+1)/M, the last one also 1. Elements that are not ``counted`` (bool) get
    the bin M, which is counted nowhere.
    """
    bins = checks.integer("bins", bins, 1, MOST_BINS)
    index = (norms.flatten() * bins).long().clamp_(0, bins - 1)
    if counted is not None:
        index = torch.where(counted.flatten(), index, bins)
    counts = index.new_zeros(bins + 1).scatter_add_(0, index, index.new_ones(()).expand_as(index))[:bins]
    if _processes() > 1:
        distributed.all_reduce(counts)
    return index, counts.double()


def harmonized_weights(counts: Tensor, density: Tensor | None = None) -> Tensor:
    """Return float64[M], the weight of the elements in each bin: N / (R_i * number of bins that are not empty).

    N is the sum of ``counts`` float64[M]; R_i is ``density`` float64[M], the smoothed counts, or None for the counts
    themselves: then each filled bin has the same total weight, and the mean weight is 1. An empty bin has the weight 0.
    """
    filled = counts > 0
    share = counts.sum() / filled.sum()
    return torch.where(filled, share / (counts if density is None else density), 0)


class GradientDensity(nn.Module):
    """Counts per bin, smoothed over steps: S <- m S + (1-m) R in bins that are not empty; others stay as they are.

    S starts at 0, so after s updates of a bin it is too small by the factor 1 - m^s; ``bias_correction`` divides by that
    factor, the released code does not. The state is ``smoothed`` float64[M] and ``updates`` int64[M]; in evaluation mode
    a batch is weighed as in training, but leaves no trace in it.
    """

    smoothed: Tensor
    updates: Tensor

    def __init__(self, bins: int, momentum: float, bias_correction: bool) -> None:
        super().__init__()
        self.bins = checks.integer("bins", bins, 1, MOST_BINS)
        self.momentum = checks.real("momentum", momentum, 0, 1, open_high=True)
        self.bias_correction = checks.instance("bias_correction", bias_correction, bool)
        self.register_buffer("smoothed", torch.zeros(self.bins, dtype=torch.float64))
        self.register_buffer("updates", torch.zeros(self.bins, dtype=torch.int64))

    def density(self, counts: Tensor) -> Tensor:
        """Return float64[M], the counts to divide by after a batch of ``counts`` float64[M], and remember them."""
        if self.smoothed.device != counts.device:
            self.smoothed = self.smoothed.to(counts.device)
            self.updates = self.updates.to(counts.device)
        filled = counts > 0
        mixed = self.momentum * self.smoothed + (1 - self.momentum) * counts
        smoothed, updates = torch.where(filled, mixed, self.smoothed), self.updates + filled
        if self.training:
            self.smoothed.copy_(smoothed)
            self.updates.copy_(updates)
        return smoothed / (1 - self.momentum ** updates.double()) if self.bias_correction else smoothed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Move with the network, but keep the precision: ``.half()`` would round the counts away."""
        precise = self.smoothed
        super()._apply(fn, recurse)
        self.smoothed = precise.to(self.smoothed.device)
        return self


class GHMC(GradientDensity):
    """:func:`ghm_c` with counts smoothed over steps; the defaults are the released ones but for the correction."""

    def __init__(self, bins: int = 30, momentum: float = 0.75, bias_correction: bool = True) -> None:
        super().__init__(bins, momentum, bias_correction)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss; all float of one shape."""
        return ghm_c(logits, target, valid, bins=self.bins, smooth=self.density)


class GHMR(GradientDensity):
    """:func:`ghm_r` with counts smoothed over steps; the release multiplies this loss by 10 in its detector."""

    def __init__(self, mu: float = 0.02, bins: int = 10, momentum: float = 0.7, bias_correction: bool = True) -> None:
        super().__init__(bins, momentum, bias_correction)
        self.mu = checks.real("mu", mu, 0, open_low=True)

    def forward(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss; all float of one shape."""
        return ghm_r(prediction, target, valid, mu=self.mu, bins=self.bins, smooth=self.density)


class _WeightedSum(torch.autograd.Function):
    """The sum of weight * loss, for values at which each loss has a known slope; weights are constants, as in the paper."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, loss: Tensor, slope: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights * slope)
        return (weights * loss).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None, None, None]:
        return outer * ctx.saved_tensors[0], None, None, None


def _harmonized(
    values: Tensor, loss: Tensor, slope: Tensor, counted: Tensor | None, bins: int, smooth: Smooth | None
) -> Tensor:
    """Return the sum of the losses, each times its weight / N * processes; the norm is the size of the slope."""
    norms = slope.abs()
    index, counts = count_in_bins(norms, bins, counted)
    per_bin = harmonized_weights(counts, None if smooth is None else smooth(counts))
    per_bin = _processes() * per_bin / counts.sum().clamp_min(1)
    per_bin = functional.pad(per_bin, (0, 1)).to(norms.dtype)  # the elements that do not count have a bin of their own
    weights = per_bin.index_select(0, index).view_as(norms)
    return _WeightedSum.apply(at_least_float32(values), loss, slope, weights)


def _elements(name: str, values: Tensor, target: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return (values and target, detached, in float32 at least, 0 where not valid; bool, which elements are valid)."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise ValueError(f"{name} {describe(values)}; allowed: floats (convert with .float())")
    if not isinstance(target, Tensor) or target.shape != values.shape or not target.is_floating_point():
        raise ValueError(
            f"target {describe(target)}; allowed: floats of the shape "
            f"{tuple(values.shape)} that {name} has (class indices become targets with one_vs_all)"
        )
    if valid is not None and (not isinstance(valid, Tensor) or valid.shape != values.shape):
        raise ValueError(
            f"valid {describe(valid)}; allowed: a tensor of the shape that {name} has, {tuple(values.shape)}"
        )
    values = at_least_float32(values.detach())
    target = target.detach().to(values.dtype)
    if valid is None:
        return values, target, None
    counted = valid > 0
    return torch.where(counted, values, 0), torch.where(counted, target, 0), counted


def _processes() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
