"""The rivals that change one thing about plain training: what an epoch shows, or what the loss asks for.

Oversampling shows every class equally often. Class-balanced weights let samples of rare classes count for more, the
focal loss lets samples count for less that the network is sure of, GHM-C lets those count for less whose gradient norm
many others share, LDAM asks rare classes for a wider margin, and logit adjustment tells the loss how frequent the
classes are. Frequencies are those of the training rows. Settings stand at the values of the papers and are not tuned
here.

Taught in: notebooks/02_baseline_cnn, section 3 (oversampling), and notebooks/06_gradient_harmonizing, section 7 (GHM-C).
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import checks, losses, training
from spbl_nb.config import Config
from spbl_nb.methods.job import Job, Scores, Trained, shares_of, stage_of

_PARTS = 1_000_000  # of a budget: shares of it are whole numbers of these


def train_ce(job: Job) -> Trained:
    """Plain cross-entropy on the training set as it is."""
    return _train(job)


def train_oversample(job: Job) -> Trained:
    """Plain cross-entropy on epochs in which every class stands equally often."""
    labels = job.data.labels[job.split.train]
    return _train(job, order=lambda rng: balanced_order(labels, rng))


def train_class_balanced(job: Job) -> Trained:
    """Cross-entropy weighted by the effective number of samples of each class (Cui et al. 2019)."""
    weights = class_weights(job)
    loss = functools.partial(losses.focal, gamma=0.0, weights=weights)  # gamma 0 is weighted cross-entropy
    return _train(job, {"class_weights": weights.tolist()}, loss=loss)


def train_focal(job: Job) -> Trained:
    """Focal loss (Lin et al. 2017); with ``focal_weighted`` class weights multiply outside its power."""
    weights = class_weights(job) if job.config.focal_weighted else None
    loss = functools.partial(losses.focal, gamma=job.config.focal_gamma, weights=weights)
    return _train(job, {} if weights is None else {"class_weights": weights.tolist()}, loss=loss)


def train_ghm_c(job: Job) -> Trained:
    """Harmonized binary cross-entropy of the C questions "is it class c?" (Li et al. 2019); see :class:`OneVsAllGHMC`.

    The test rows are scored by the logits of the questions, each of which is a sigmoid's. The highest one is the
    answer; they are not made to sum to 1, for no softmax was trained.
    """
    config = job.config
    loss = OneVsAllGHMC(config.ghm_bins, config.ghm_momentum, config.ghm_bias_correction)
    trained = _train(job, loss=loss)
    trained.details |= {"smoothed_counts": loss.smoothed.tolist(), "updates": loss.updates.tolist()}
    (model,) = trained.networks
    logits = training.predict(model, job.data, job.split.test, config).logits.astype(np.float64)
    trained.scored = Scores(logits, "logit", logits.argmax(axis=1))
    return trained


def train_logit_adjusted(job: Job) -> Trained:
    """Cross-entropy of the logits + tau ln prior (Menon et al. 2021); the logits themselves score the test rows."""
    prior = losses.class_prior(job.data.counts(job.split.train))
    loss = functools.partial(losses.logit_adjusted, prior=prior, tau=job.config.adjustment_tau)
    return _train(job, {"prior": prior.tolist()}, loss=loss)


def train_ldam_drw(job: Job) -> Trained:
    """Margins on a cosine head, and class-balanced weights deferred to the last stage (Cao et al. 2019).

    The learning rate runs through both stages as it does through the one stage of other methods, so that, as in the
    paper, the weights set in when it has fallen.
    """
    config = job.config
    margins = losses.ldam_margins(job.data.counts(job.split.train), config.ldam_margin)
    weights = class_weights(job)
    model = job.network()
    model.head = ScaledCosineHead(model.head, config.ldam_scale)
    trained = Trained([model], details={"margins": margins.tolist(), "class_weights": weights.tolist(), "stages": []})
    steps = two_shares(job, config.drw_start)
    for stage, first, count, used in (("plain", 0, steps[0], None), ("weighted", steps[0], steps[1], weights)):
        fitted = job.fit(
            model,
            config=part_of_schedule(config, first, count, sum(steps)),
            stage=stage,
            loss=_ldam_of_logits(margins, config.ldam_scale, used),
        )
        trained.add(fitted, stage)
        trained.details["stages"].append({"stage": stage, "steps": fitted.steps})
    return trained


class ScaledCosineHead(losses.CosineHead):
    """Maps features float[B,D] to ``scale`` times their cosines with the classes: logits float[B,C] in [-scale, scale].

    It starts at the directions of the linear head ``start``, so that every method starts from the same weights.
    """

    def __init__(self, start: nn.Linear, scale: float) -> None:
        with torch.random.fork_rng(devices=[]):  # what the parent draws is replaced at once
            super().__init__(start.in_features, start.out_features)
        self.scale = checks.real("scale", scale, 0, open_low=True)
        with torch.no_grad():
            self.weight.copy_(functional.normalize(start.weight, dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of the features."""
        return self.scale * super().forward(features)


class OneVsAllGHMC(losses.GHMC):
    """GHM-C of logits float[B,C] and labels int64[B], each sample asked one yes-or-no question per class.

    The result is C times that of :class:`losses.GHMC`: the sum over a sample's questions, averaged over samples. GHM as
    published averages over the questions as well; with one bin that is a C-th of the usual one-vs-all loss, and a
    learning rate that suits cross-entropy would be C times too small.

    Taught in: notebooks/06_gradient_harmonizing, section 7.
    """

    def forward(self, logits: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss, and remember the counts per bin; ``valid`` float[B,C] leaves questions out."""
        targets = losses.one_vs_all(logits, labels)
        return targets.shape[1] * super().forward(logits, targets, valid)


def balanced_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return int64[N] positions in random order in which every class stands equally often, up to one sample.

    Each class is repeated in random order as often as needed: no sample comes a third time before all of its class
    have come twice. This is random over-sampling at the length of the plain epoch, so that budgets stay equal; where N
    is no multiple of the number of classes, random classes stand once more.
    """
    labels = checks.label_array("labels", labels)
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
    """Return the settings of a stage that is the steps ``first`` to ``first + steps`` of a training of ``total`` steps.

    The stage starts at the learning rate that the training has reached there, and it falls where it would have fallen.
    """
    factor = training.learning_rate_factor(config, first, total)
    falls = [math.ceil(share * total) - first for share in config.milestones]
    within = np.linspace(-1, 0, len(falls) + 2)[1:-1]  # of the step before: safe from rounding, and none twice
    ahead = [float(fall + part) / steps for fall, part in zip(falls, within, strict=True) if 0 < fall < steps]
    lower = None if config.backbone_lr is None else config.backbone_lr * factor
    stage = stage_of(config, steps)
    return stage.replace(lr=config.lr * factor, backbone_lr=lower, milestones=tuple(ahead) or (1.0,))  # 1: never


def _train(job: Job, details: dict[str, Any] | None = None, **options: Any) -> Trained:
    model = job.network()
    fitted = job.fit(model, **options)
    return Trained([model], fitted.history, fitted.steps, details or {})


def _ldam_of_logits(margins: Tensor, scale: float, weights: Tensor | None) -> training.Loss:
    return lambda logits, labels: losses.ldam(logits / scale, labels, margins, scale, weights)
