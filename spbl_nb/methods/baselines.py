"""The baselines that change one thing about plain training: what an epoch shows, or what the loss asks for.

Class frequencies are those of the training rows. Settings have the values of the papers and are not tuned here.
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import losses, training
from spbl_nb.config import Config
from spbl_nb.methods.job import Job, Result, shares_of, stage_of

_PARTS = 1_000_000  # of a budget: shares of it are whole numbers of these


def train_ce(job: Job, details: dict[str, Any] | None = None, **options: Any) -> Result:
    """Plain cross-entropy on the training set as it is; ``options`` of :func:`spbl_nb.training.fit` change one thing."""
    model = job.network()
    fitted = training.fit(model, job.data, job.split.train, job.config, **job.options(), **options)
    result = Result(job.method, [model], history=fitted.history, steps=fitted.steps, seconds=fitted.seconds)
    result.details |= details or {}
    return result


def train_oversample(job: Job) -> Result:
    """Plain cross-entropy on epochs that show every class equally often."""
    return train_ce(job, order=lambda rng: balanced_order(job.train_labels, rng))


def train_class_balanced(job: Job) -> Result:
    """Cross-entropy weighted by the effective number of samples of each class (Cui et al. 2019)."""
    weights = class_weights(job)
    loss = functools.partial(losses.focal, gamma=0.0, weights=weights)  # gamma 0 is weighted cross-entropy
    return train_ce(job, {"class_weights": weights.tolist()}, loss=loss)


def train_focal(job: Job) -> Result:
    """Focal loss (Lin et al. 2017); with ``focal_weighted`` class weights multiply outside its power."""
    weights = class_weights(job) if job.config.focal_weighted else None
    loss = functools.partial(losses.focal, gamma=job.config.focal_gamma, weights=weights)
    return train_ce(job, {} if weights is None else {"class_weights": weights.tolist()}, loss=loss)


def train_ghm_c(job: Job) -> Result:
    """Harmonized binary cross-entropy of the C questions "is it class c?" (Li et al. 2019), whose logits are the scores."""
    config = job.config
    loss = OneVsAllGHMC(config.ghm_bins, config.ghm_momentum, config.ghm_bias_correction)
    result = train_ce(job, loss=loss)
    result.details |= {"smoothed_counts": loss.smoothed.tolist(), "updates": loss.updates.tolist()}
    found = training.predict(result.networks[0], job.data, job.split.test, config)
    result.score("logit", found.logits.astype(np.float64))
    return result


def train_logit_adjusted(job: Job) -> Result:
    """Cross-entropy of the logits + tau ln prior (Menon et al. 2021); the logits themselves score the test rows."""
    prior = losses.class_prior(job.data.counts(job.split.train))
    loss = functools.partial(losses.logit_adjusted, prior=prior, tau=job.config.adjustment_tau)
    return train_ce(job, {"prior": prior.tolist()}, loss=loss)


def train_ldam_drw(job: Job) -> Result:
    """Margins on a cosine head, and class-balanced weights deferred to the last stage (Cao et al. 2019).

    The learning rate runs through both stages as if they were one: as in the paper, the weights set in when it has fallen.
    """
    config, model = job.config, job.network()
    margins, weights = losses.ldam_margins(job.data.counts(job.split.train), config.ldam_margin), class_weights(job)
    model.head = ScaledCosineHead(model.head, config.ldam_scale)
    details: dict[str, Any] = {"margins": margins.tolist(), "class_weights": weights.tolist(), "stages": []}
    result = Result(job.method, [model], details=details)
    steps = two_shares(job, config.drw_start)
    for stage, first, count, used in (("plain", 0, steps[0], None), ("weighted", steps[0], steps[1], weights)):
        settings = part_of_schedule(config, first, count, sum(steps))
        loss = _ldam_of_logits(margins, config.ldam_scale, used)
        fitted = training.fit(model, job.data, job.split.train, settings, **job.options(stage), loss=loss)
        result.add(fitted, stage)
        details["stages"].append({"stage": stage, "steps": fitted.steps})
    return result


class ScaledCosineHead(losses.CosineHead):
    """Maps features float[B,D] to ``scale`` times their cosines with the classes, which start as the head ``start`` has them."""

    def __init__(self, start: nn.Linear, scale: float) -> None:
        with torch.random.fork_rng(devices=[]):  # what the parent draws is replaced at once
            super().__init__(start.in_features, start.out_features)
        self.scale = scale
        with torch.no_grad():
            self.weight.copy_(functional.normalize(start.weight, dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of the features."""
        return self.scale * super().forward(features)


class OneVsAllGHMC(losses.GHMC):
    """GHM-C of logits float[B,C] and labels int64[B], each sample asked one yes-or-no question per class.

    It is C times :class:`losses.GHMC`, which averages over the questions: a learning rate that suits cross-entropy would be
    C times too small for that.
    """

    def forward(self, logits: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss, and remember the counts per bin."""
        targets = losses.one_vs_all(logits, labels)
        return targets.shape[1] * super().forward(logits, targets, valid)


def balanced_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return int64[N] positions in random order that show every class equally often, up to one sample.

    This is random over-sampling at the length of the plain epoch, so that budgets stay equal; no sample comes a third time
    before all of its class have come twice.
    """
    present = np.unique(labels)
    quota = np.full(len(present), len(labels) // len(present))
    quota[rng.permutation(len(present))[: len(labels) % len(present)]] += 1
    chosen = []
    for index, wanted in zip(present, quota, strict=True):
        own = np.flatnonzero(labels == index)
        rounds = -(-wanted // len(own))
        chosen.append(np.concatenate([rng.permutation(own) for _ in range(rounds)])[:wanted])
    return rng.permutation(np.concatenate(chosen))


def class_weights(job: Job) -> Tensor:
    """Return the class-balanced weights float64[C] of the training rows."""
    return losses.class_balanced_weights(job.data.counts(job.split.train), job.config.balance_beta)


def two_shares(job: Job, first: float) -> list[int]:
    """Return the optimiser steps of two stages of which the first gets the share ``first`` of the common budget."""
    budget = training.step_budget(job.config, len(job.split.train))
    part = round(first * _PARTS)
    return shares_of(budget, [part, _PARTS - part])


def part_of_schedule(config: Config, first: int, steps: int, total: int) -> Config:
    """Return the settings, learning rates included, of the ``steps`` from ``first`` on of a training of ``total`` steps."""
    factor = training.learning_rate_factor(config, first, total)
    falls = [math.ceil(share * total) - first for share in config.milestones]
    within = np.linspace(-1, 0, len(falls) + 2)[1:-1]  # of the step before: safe from rounding, and none twice
    ahead = [float(fall + part) / steps for fall, part in zip(falls, within, strict=True) if 0 < fall < steps]
    lower = None if config.backbone_lr is None else config.backbone_lr * factor
    stage = stage_of(config, steps)
    return stage.replace(lr=config.lr * factor, backbone_lr=lower, milestones=tuple(ahead) or (1.0,))  # 1: never


def _ldam_of_logits(margins: Tensor, scale: float, weights: Tensor | None) -> training.Loss:
    return lambda logits, labels: losses.ldam(logits / scale, labels, margins, scale, weights)
