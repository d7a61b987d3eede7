"""Losses for imbalanced classes: each changes what a sample of a rare class, or a hard sample, is worth.

Class-balanced weights multiply a sample's loss, focal loss multiplies it by how wrong the network is, LDAM asks rare
classes for a wider margin, and logit adjustment tells the network how frequent the classes are. All are pure functions
of (logits, labels); what depends on the class counts alone is calculated once, in float64. Gradient harmonizing (GHM),
which looks at the whole batch, has the module :mod:`spbl_nb.ghm`; its names are repeated here.

Logits are float[B,C], labels int64[B] in 0..C-1. Half precision is calculated in float32. A mean over weighted samples
divides by the sum of their weights, as torch's own weighted cross-entropy does.

Taught in: notebooks/06_gradient_harmonizing, section 3 (focal loss).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import checks
from spbl_nb.ghm import GHMC, GHMR, GHMSoftmax, ghm_c, ghm_r, ghm_softmax, one_vs_all
from spbl_nb.loss_inputs import as_tensor, at_least_float32, per_class, plain_tensor, scores_and_labels

__all__ = [
    "GHMC",
    "GHMR",
    "CosineHead",
    "GHMSoftmax",
    "adjust_logits",
    "class_balanced_weights",
    "class_prior",
    "deferred_weights",
    "focal",
    "ghm_c",
    "ghm_r",
    "ghm_softmax",
    "ldam",
    "ldam_margins",
    "logit_adjusted",
    "one_vs_all",
    "tau_normalized",
]

Counts = Sequence[float] | np.ndarray | Tensor
PerClass = Sequence[float] | np.ndarray | Tensor

_SMALLEST_NORM = 1e-6  # shorter features have no direction; bounds the gradient, and float32 holds it


def focal(logits: Tensor, labels: Tensor, gamma: float, weights: PerClass | None = None) -> Tensor:
    """Return the mean of -w_y (1-p)^gamma ln p, with p the softmax probability of the true class y.

    A sample that the network is sure of (p near 1) hardly counts. The class weight multiplies outside: p comes from
    the plain cross-entropy, not from the weighted one, whose exponential is no probability.

    Parameters
    ----------
    logits, labels : float[B,C] and int64[B]; value and gradient stay finite for logits of any finite size.
    gamma : 0 or more; 0 is cross-entropy exactly.
    weights : float[C], or None for 1. The mean divides by the sum of the samples' weights.

    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, equation 5, for softmax instead of sigmoid.

    Taught in: notebooks/06_gradient_harmonizing, section 3.
    """
    logits, labels = scores_and_labels("logits", logits, labels)
    gamma = checks.real("gamma", gamma, 0)
    log_p = functional.log_softmax(logits, dim=1)
    wrong = -torch.expm1(log_p)
    wrong = wrong.clamp_min(torch.finfo(log_p.dtype).tiny)  # the slope of 0^gamma is infinite where gamma < 1
    return functional.nll_loss(wrong**gamma * log_p, labels, weight=per_class("weights", weights, logits))


def class_balanced_weights(counts: Counts, beta: float) -> Tensor:
    """Return float64[C], w_c proportional to 1/E_c with E_c = (1 - beta^n_c) / (1 - beta), of sum C.

    E_c is the *effective number* of samples: each new one adds less, for it may resemble those before. At beta = 0 all
    classes weigh 1, towards beta = 1 the weights become those of inverse frequency.

    Parameters
    ----------
    counts : n_c, C numbers above 0: a class without samples has no weight.
    beta : in [0, 1); the paper takes 0.9 to 0.9999.

    Source: Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples.
    """
    counts = _positive_counts(counts)
    beta = checks.real("beta", beta, 0, 1, open_high=True)
    if beta == 0:
        return torch.ones_like(counts)
    inverse = 1 / -torch.expm1(counts * float(np.log(beta)))  # 1 - beta^n without cancellation
    return inverse * (len(counts) / inverse.sum())


def deferred_weights(weights: PerClass, step: int, steps: int, start: float = 0.8) -> Tensor:
    """Return float[C]: ones in the first ``start`` of the training, ``weights`` afterwards (deferred re-weighting).

    The network first learns its features from all samples alike; only then are rare classes pushed.

    Parameters
    ----------
    weights : float[C], such as :func:`class_balanced_weights`.
    step, steps : steps (or epochs) done, from 0, and in all.
    start : share of the training, in [0, 1], after which the weights hold; the paper switches after 160 of 200 epochs.

    Source: Cao et al. 2019, Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, algorithm 1.
    """
    weights = as_tensor("weights", weights)
    steps = checks.integer("steps", steps, 1)
    step = checks.integer("step", step, 0)
    return weights if step >= checks.real("start", start, 0, 1) * steps else torch.ones_like(weights)


def ldam_margins(counts: Counts, largest: float = 0.5) -> Tensor:
    """Return float64[C], margins K n_c^(-1/4), with K such that the rarest class has the margin ``largest``.

    ``counts`` are C numbers above 0: a class without samples would need an infinite margin. ``largest`` is above 0, in
    units of the cosine.

    Source: Cao et al. 2019, the margins of the LDAM loss.
    """
    margins = _positive_counts(counts) ** -0.25
    return margins * (checks.real("largest", largest, 0, open_low=True) / margins.max())


def ldam(
    cosines: Tensor, labels: Tensor, margins: PerClass, scale: float = 30.0, weights: PerClass | None = None
) -> Tensor:
    """Return the cross-entropy of scale * (cosines - margin of the true class, at the true class).

    The true class must win by its margin. Margins are shares of a cosine: on logits of any size the network outgrows
    them by longer weights, so the scores must come from a :class:`CosineHead`.

    Parameters
    ----------
    cosines, labels : float[B,C] in [-1, 1] and int64[B].
    margins : float[C], see :func:`ldam_margins`.
    scale : above 0; what the cosines are multiplied by to become logits.
    weights : float[C], or None for 1. The mean divides by the sum of the samples' weights.

    Source: Cao et al. 2019, the LDAM loss, with the scale of their code.
    """
    cosines, labels = scores_and_labels("cosines", cosines, labels)
    scale = checks.real("scale", scale, 0, open_low=True)
    true_class = functional.one_hot(labels, cosines.shape[1])
    shifted = cosines - true_class * per_class("margins", margins, cosines)
    return functional.cross_entropy(scale * shifted, labels, weight=per_class("weights", weights, cosines))


class CosineHead(nn.Module):
    """A linear head without bias on normalized features and weights: maps float[B,D] to cosines float[B,C].

    Neither a class with long weights nor a picture with long features scores higher for it. Calculates in float32 at
    least, also under autocast. Features of length 0 have the cosine 0 with every class.

    Source: Cao et al. 2019, whose loss needs scores of bounded size.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = checks.integer("in_features", in_features, 1, checks.MOST_CLASSES)
        self.out_features = checks.class_number("out_features", out_features)
        self.weight = nn.Parameter(functional.normalize(torch.randn(out_features, in_features), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosine of each of the features float[B,D] with each class, float[B,C] in [-1, 1]."""
        if plain_tensor("features", features, self.weight).shape[1:] != (self.in_features,):
            raise ValueError(f"features has shape {tuple(features.shape)}; allowed: [B,{self.in_features}]")
        with torch.autocast(features.device.type, enabled=False):
            directions = functional.normalize(at_least_float32(features), dim=1, eps=_SMALLEST_NORM)
            classes = functional.normalize(at_least_float32(self.weight), dim=1, eps=_SMALLEST_NORM)
            return functional.linear(directions, classes.to(directions.dtype))


def class_prior(counts: Counts) -> Tensor:
    """Return float64[C], the share of each class in ``counts``; all above 0, for the logarithm is taken."""
    counts = _positive_counts(counts)
    return counts / counts.sum()


def logit_adjusted(logits: Tensor, labels: Tensor, prior: PerClass, tau: float = 1.0) -> Tensor:
    """Return the cross-entropy of logits + tau ln prior.

    What the frequency of the classes explains need not be learnt: the logits alone then suit classes of equal
    frequency. tau = 1 is balanced softmax; 0 is plain cross-entropy.

    Parameters
    ----------
    logits, labels : float[B,C] and int64[B].
    prior : float[C] above 0, see :func:`class_prior`.
    tau : any finite number, usually 1.

    Sources: Menon et al. 2021, Long-Tail Learning via Logit Adjustment, equation 10; Ren et al. 2020, Balanced
    Meta-Softmax.
    """
    logits, labels = scores_and_labels("logits", logits, labels)
    return functional.cross_entropy(logits + _log_prior(logits, prior, tau), labels)


def adjust_logits(logits: Tensor, prior: PerClass, tau: float = 1.0) -> Tensor:
    """Return logits - tau ln prior, float[B,C]: logit adjustment after plain training, for the argmax.

    Arguments as in :func:`logit_adjusted`. A network trained with that loss needs no such step.

    Source: Menon et al. 2021, equation 9.
    """
    if plain_tensor("logits", logits).ndim != 2 or not logits.is_floating_point():
        raise ValueError(f"logits has shape {tuple(logits.shape)} and type {logits.dtype}; allowed: floats [B,C]")
    logits = at_least_float32(logits)
    return logits - _log_prior(logits, prior, tau)


def tau_normalized(weight: Tensor, tau: float) -> Tensor:
    """Return float[C,D], rows w_c / |w_c|^tau of the weight matrix of a linear head that is then used without bias.

    Trained on imbalanced data, frequent classes get longer weights. tau = 0 leaves them, 1 makes all lengths equal;
    tau is chosen on the validation part. A row of zeros stays.

    Source: Kang et al. 2020, Decoupling Representation and Classifier for Long-Tailed Recognition.
    """
    if plain_tensor("weight", weight).ndim != 2 or not weight.is_floating_point():
        raise ValueError(f"weight has shape {tuple(weight.shape)} and type {weight.dtype}; allowed: floats [C,D]")
    tau = checks.real("tau", tau, 0)
    weight = at_least_float32(weight)
    length = weight.norm(dim=1, keepdim=True)
    return weight / torch.where(length > 0, length, 1) ** tau


def _log_prior(logits: Tensor, prior: PerClass, tau: float) -> Tensor:
    if prior is None:
        raise ValueError("prior is None; allowed: floats, one per class (see class_prior)")
    return checks.real("tau", tau) * per_class("prior", prior, logits, log=True)


def _positive_counts(counts: Counts) -> Tensor:
    """Return the counts as float64[C] on the CPU; ValueError unless all are finite and above 0."""
    counts = checks.finite_array("counts", counts, ndim=1)
    if not counts.size:
        raise ValueError("counts is empty; one count per class is needed")
    if counts.min() <= 0:
        where = int(counts.argmin())
        raise ValueError(f"counts[{where}] is {counts[where]:g}; allowed: above 0. Leave out a class without samples")
    return torch.tensor(counts)
