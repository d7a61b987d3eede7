"""Losses for imbalanced classes: each changes what a sample of a rare class, or a hard sample, is worth.

Logits are float[B,C], labels int64[B] in 0..C-1. Half precision is calculated in float32. A mean over weighted samples
divides by the sum of their weights, as torch's own weighted cross-entropy does. Shapes and types are checked, values
are not: reading one makes the program wait for a GPU. Gradient harmonizing is in :mod:`spbl_nb.ghm`; its names are also
found here.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import checks

PerClass = Sequence[float] | np.ndarray | Tensor

_OF_GHM = ("GHMC", "GHMR", "ghm_c", "ghm_r", "one_vs_all")
_SMALLEST_NORM = 1e-6  # shorter features have no direction; bounds the gradient, and float32 holds it


def __getattr__(name: str) -> Any:
    """Find the losses of GHM here as well; its module, which uses this one, is loaded when asked for."""
    if name in _OF_GHM:
        return getattr(importlib.import_module("spbl_nb.ghm"), name)
    raise AttributeError(f"module 'spbl_nb.losses' has no attribute {name!r}")


def focal(logits: Tensor, labels: Tensor, gamma: float, weights: PerClass | None = None) -> Tensor:
    """Return the mean of -w_y (1-p)^gamma ln p, with p the softmax probability of the true class y.

    The class weight multiplies outside: p comes from the plain cross-entropy, not from the weighted one. ``gamma`` >= 0,
    0 is cross-entropy exactly; ``weights`` float[C], or None for 1. Source: Lin et al. 2017, Focal Loss for Dense Object
    Detection, equation 5, for softmax instead of sigmoid.
    """
    logits, labels = scores_and_labels("logits", logits, labels)
    gamma = checks.real("gamma", gamma, 0)
    log_p = functional.log_softmax(logits, dim=1)
    wrong = -torch.expm1(log_p)
    wrong = wrong.clamp_min(torch.finfo(log_p.dtype).tiny)  # the slope of 0^gamma is infinite where gamma < 1
    return functional.nll_loss(wrong**gamma * log_p, labels, weight=_class_weights(weights, logits))


def class_balanced_weights(counts: PerClass, beta: float) -> Tensor:
    """Return float64[C], w_c proportional to 1/E_c with E_c = (1 - beta^n_c) / (1 - beta), of sum C.

    E_c is the *effective number* of samples. At ``beta`` = 0 all classes weigh 1, towards 1 by inverse frequency; the
    paper has 0.9 to 0.9999. ``counts`` are the n_c, above 0. Source: Cui et al. 2019, Class-Balanced Loss.
    """
    counts = _class_counts(counts)
    beta = checks.real("beta", beta, 0, 1, open_high=True)
    if beta == 0:
        return torch.ones_like(counts)
    inverse = 1 / -torch.expm1(counts * float(np.log(beta)))  # 1 - beta^n without cancellation
    return inverse * (len(counts) / inverse.sum())


def ldam_margins(counts: PerClass, largest: float = 0.5) -> Tensor:
    """Return float64[C], margins K n_c^(-1/4), with K such that the rarest class has the margin ``largest``.

    ``counts`` are the n_c, above 0; ``largest`` > 0 is in units of the cosine. Source: Cao et al. 2019 (LDAM).
    """
    margins = _class_counts(counts) ** -0.25
    return margins * (checks.real("largest", largest, 0, open_low=True) / margins.max())


def ldam(
    cosines: Tensor, labels: Tensor, margins: PerClass, scale: float = 30.0, weights: PerClass | None = None
) -> Tensor:
    """Return the cross-entropy of scale * (cosines - margin of the true class, at the true class).

    ``cosines`` float[B,C] in [-1, 1] of a :class:`CosineHead`: on free logits the network outgrows a margin by longer
    weights. ``margins`` float[C], see :func:`ldam_margins`; ``scale`` > 0 turns cosines into logits; ``weights`` float[C],
    or None for 1. Source: Cao et al. 2019, with the scale of their code.
    """
    cosines, labels = scores_and_labels("cosines", cosines, labels)
    scale = checks.real("scale", scale, 0, open_low=True)
    true_class = functional.one_hot(labels, cosines.shape[1])
    shifted = cosines - true_class * _per_class("margins", margins, cosines).to(cosines)
    return functional.cross_entropy(scale * shifted, labels, weight=_class_weights(weights, cosines))


class CosineHead(nn.Module):
    """A linear head without bias on normalised features and weights: maps float[B,D] to cosines float[B,C].

    Calculates in float32 at least, also under autocast. Features of length 0 have the cosine 0 with every class. Source:
    Cao et al. 2019, whose loss needs scores of bounded size.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features, 1)
        self.out_features = checks.integer("out_features", out_features, 1)
        self.weight = nn.Parameter(functional.normalize(torch.randn(out_features, in_features), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosine of each of the features float[B,D] with each class, float[B,C] in [-1, 1]."""
        with torch.autocast(features.device.type, enabled=False):
            directions = functional.normalize(at_least_float32(features), dim=1, eps=_SMALLEST_NORM)
            classes = functional.normalize(at_least_float32(self.weight), dim=1, eps=_SMALLEST_NORM)
            return functional.linear(directions, classes.to(directions.dtype))


def class_prior(counts: PerClass) -> Tensor:
    """Return float64[C], the share of each class in ``counts``; all above 0, as the logarithm is taken."""
    counts = _class_counts(counts)
    return counts / counts.sum()


def logit_adjusted(logits: Tensor, labels: Tensor, prior: PerClass, tau: float = 1.0) -> Tensor:
    """Return the cross-entropy of logits + tau ln prior.

    The logits alone then suit classes of equal frequency. tau = 1 is balanced softmax (Ren et al. 2020); 0 is plain
    cross-entropy. ``prior`` float[C] > 0, see :func:`class_prior`. Source: Menon et al. 2021, equation 10.
    """
    logits, labels = scores_and_labels("logits", logits, labels)
    tau = checks.real("tau", tau)
    return functional.cross_entropy(logits + tau * _per_class("prior", prior, logits).log().to(logits), labels)


def tau_normalized(weight: Tensor, tau: float) -> Tensor:
    """Return float[C,D], rows w_c / |w_c|^tau of the weight matrix of a linear head that is then used without bias.

    tau = 0 leaves the rows, 1 makes all lengths equal; tau >= 0 is chosen on the validation split. A row of zeros stays.
    Source: Kang et al. 2020, Decoupling Representation and Classifier for Long-Tailed Recognition.
    """
    if not isinstance(weight, Tensor) or weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(f"weight {describe(weight)}; allowed: floats [C,D]")
    tau = checks.real("tau", tau, 0)
    weight = at_least_float32(weight)
    length = weight.norm(dim=1, keepdim=True)
    return weight / torch.where(length > 0, length, 1) ** tau


def at_least_float32(values: Tensor) -> Tensor:
    """Return half and bfloat16 values as float32, float32 and float64 as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def scores_and_labels(name: str, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return (scores float[B,C] in float32 at least, labels int64[B]); ``name`` is what the caller calls the scores."""
    if not isinstance(scores, Tensor) or scores.ndim != 2 or 0 in scores.shape or not scores.is_floating_point():
        raise ValueError(
            f"{name} {describe(scores)}; allowed: floats [B,C], one row per sample and one column per class"
        )
    if not isinstance(labels, Tensor) or labels.shape != scores.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"labels {describe(labels)}; allowed: int64 [{len(scores)}], one class index per row of {name}"
        )
    return at_least_float32(scores), labels


def describe(values: object) -> str:
    """Return the shape and type of a tensor, or else the class of the value, for a message."""
    if isinstance(values, Tensor):
        return f"has shape {tuple(values.shape)} and type {values.dtype}"
    return f"is a {type(values).__name__}"


def _class_weights(weights: PerClass | None, scores: Tensor) -> Tensor | None:
    return None if weights is None else _per_class("weights", weights, scores).to(scores)


def _per_class(name: str, values: PerClass, scores: Tensor) -> Tensor:
    """Return the C values of the columns of ``scores`` as a tensor, in the precision in which they came."""
    if not isinstance(values, Tensor) and np.asarray(values).dtype.kind in "iuf":
        values = torch.tensor(np.asarray(values))
    if not isinstance(values, Tensor) or values.shape != scores.shape[1:] or not values.is_floating_point():
        raise ValueError(f"{name} {describe(values)}; allowed: floats [{scores.shape[1]}], one per class")
    return values


def _class_counts(counts: PerClass) -> Tensor:
    """Return the counts as float64[C] on the CPU."""
    return torch.tensor(checks.finite_array("counts", counts, ndim=1, low=0, open_low=True, per="class"))
