"""Training by self-pacing: measure every sample's loss, weigh the easy ones in, train, admit more.

The first stage warms the network up on all samples, for an untrained network finds nothing easy. Then, pace by pace,
the losses are measured in evaluation mode on pictures as they are, the age is set so that the wanted share is admitted,
and the network trains on with the weights that the age gives. All stages together take the same number of optimiser
steps as plain training.

Taught in: notebooks/03_self_paced_selection, sections 4 and 7.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spbl_nb import checks, pace, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods.job import Job, Trained, shares_of, stage_of
from spbl_nb.training.models import Classifier


@dataclass(frozen=True)
class SelfPacedRecord:
    """One pace: which samples the network found easy, and what weight they trained with.

    ``pace`` counts from 1; ``fraction`` is the share that was to be admitted and ``age`` the loss below which a sample
    is easy (NaN under a quota per class); ``loss`` and ``weights`` are float64[n] over the training rows.
    """

    pace: int
    fraction: float
    age: float
    loss: np.ndarray
    weights: np.ndarray

    @property
    def selected(self) -> np.ndarray:
        """bool[n]: the samples with a weight above 0."""
        return self.weights > 0


def train_spl(job: Job) -> Trained:
    """Plain self-paced learning (Kumar et al. 2010), with hard or soft weights, one age or a quota per class."""
    return _train(job, diversity=0.0)


def train_spld(job: Job) -> Trained:
    """Self-paced learning with diversity (Jiang et al. 2014) over classes or clusters of features."""
    return _train(job, diversity=job.config.diversity)


def _train(job: Job, diversity: float) -> Trained:
    trained = Trained([job.network()])
    labels = job.data.labels[job.split.train]
    trained.details["paces"] = [
        {
            "pace": record.pace,
            "fraction": record.fraction,
            "age": record.age,
            "selected_per_class": np.bincount(labels[record.selected], minlength=job.data.num_classes).tolist(),
        }
        for record in run_paces(job, trained, diversity)
    ]
    return trained


def run_paces(job: Job, trained: Trained, diversity: float = 0.0) -> Iterator[SelfPacedRecord]:
    """Train ``trained.networks[0]`` pace by pace; yield a record after each selection, before the pace is trained.

    With ``diversity`` above 0 the selection is SPLD's, whose weights are hard.
    """
    config, model, rows = job.config, trained.networks[0], job.split.train
    labels = job.data.labels[rows]
    steps = shares_of(training.step_budget(config, len(rows)), config.paces + 1)
    trained.add(job.fit(model, config=stage_of(config, steps[0]), stage="warm-up"), "warm-up")
    for index, fraction in enumerate(
        pace.pace_fractions(config.paces, config.pace_schedule, start=config.pace_start), 1
    ):
        prediction = training.predict(model, job.data, rows, config)
        loss = losses_of(prediction.logits, labels)
        groups = labels
        if diversity > 0 and config.diversity_groups == "clusters":
            groups = feature_clusters(prediction.features, job.data.num_classes, job.seed)
        age, weights = weigh(loss, labels, float(fraction), config, diversity=diversity, groups=groups)
        yield SelfPacedRecord(index, float(fraction), age, loss, weights)
        name = f"pace-{index}"
        fitted = job.fit(
            model,
            rows[weights > 0],
            stage_of(config, steps[index]),
            stage=name,
            weights=weights[weights > 0],
            loss=weighted_loss(config.pace_normaliser),
        )
        trained.add(fitted, name)


def losses_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return float64[N], -ln of the probability of the true class, from logits [N,C] (no rounding to infinity)."""
    scores = checks.finite_array("logits", logits, ndim=2)
    labels = checks.label_array("labels", labels, scores.shape[1], length=len(scores))
    loss = functional.cross_entropy(torch.from_numpy(scores.copy()), torch.from_numpy(labels.copy()), reduction="none")
    return loss.numpy()


def weigh(
    loss: np.ndarray,
    labels: np.ndarray,
    fraction: float,
    config: Config,
    *,
    diversity: float = 0.0,
    groups: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Return (age, weights float64[N]) that admit ``fraction`` of the samples by the rule that the configuration names.

    The age is the quantile of the losses at ``fraction``; soft forms give weights between 0 and 1 below it. With
    ``diversity`` (in units of the mean loss) the age is lowered so far that SPLD, which admits samples a little above
    it, admits ``fraction`` over ``groups``. With ``pace_scope="class"`` every class gets a quota and no age exists
    (NaN). The easiest ``least_per_class`` samples of every class always train.
    """
    if diversity > 0 and groups is not None:
        diversity *= float(loss.mean())
        age = pace.diverse_age(loss, groups, fraction, diversity)
        weights = pace.diverse_selection(loss, groups, age, diversity).astype(np.float64)
    elif config.pace_scope == "class":
        age, weights = float("nan"), pace.select_easiest(loss, labels, fraction).astype(np.float64)
    else:
        age, weights = _weigh_by_age(loss, fraction, config.pace_form)
    return age, pace.keep_at_least(weights, loss, labels, config.least_per_class)


def _weigh_by_age(loss: np.ndarray, fraction: float, form: str) -> tuple[float, np.ndarray]:
    if form == "logarithmic":  # lives on losses in [0, 1)
        scaled = loss / np.nextafter(loss.max(), np.inf)
        age = float(np.clip(pace.quantile_age(scaled, fraction), 1e-12, 1 - 1e-12))
        return age, pace.self_paced_weights(scaled, age, form)
    age = pace.quantile_age(loss, fraction)
    lower_age = age / 2 if form == "mixture" else None
    return age, pace.self_paced_weights(loss, age, form, lower_age=lower_age)


def feature_clusters(features: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Return int64[N], the k-means cluster of each sample's features float[N,D], at most as many as samples."""
    from sklearn.cluster import KMeans

    clusters = min(clusters, len(features))
    means = KMeans(clusters, n_init=1, random_state=seed)
    return training.broadcast_from_main(lambda: means.fit_predict(features)).astype(np.int64)


def weighted_loss(normaliser: str) -> training.Loss:
    """Return the cross-entropy in which each sample counts by its weight.

    ``"weights"`` divides by the batch's sum of weights: a batch of little weight steps as far as any. ``"batch"``
    divides by its size: a batch of little weight steps less far.
    """

    def loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        weighted = weights * functional.cross_entropy(logits, labels, reduction="none")
        return weighted.sum() / (weights.sum() if normaliser == "weights" else len(weights))

    return loss


def record_paces(
    data: ImageData, split: Split, config: Config, seed: int = 0, diversity: float = 0.0
) -> tuple[Classifier, list[SelfPacedRecord]]:
    """Run self-paced training to its end and return (the network, one record per pace), for pictures of a curriculum."""
    diversity = checks.real("diversity", diversity, 0)
    job = Job("record", data, split, config, seed, None, False)
    trained = Trained([job.network()])
    return trained.networks[0], list(run_paces(job, trained, diversity))
