"""Training by self-pacing: measure every sample's loss, weigh the easy ones in, train, admit more.

The first stage warms the network up on all samples, because an untrained network finds nothing easy. Losses are measured
in evaluation mode on images as they are. All stages together take as many optimiser steps as plain training.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spbl_nb import pace, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods.job import Job, Result, shares_of, stage_of
from spbl_nb.training.models import Classifier


@dataclass(frozen=True)
class SelfPacedRecord:
    """One pace: which samples the network found easy, and what weight they trained with."""

    pace: int  # 1, 2, …
    fraction: float  # share that was to be admitted
    age: float  # loss below which a sample is easy; NaN under a quota per class
    loss: np.ndarray  # float64[n] of the training rows
    weights: np.ndarray  # float64[n]

    @property
    def selected(self) -> np.ndarray:
        """bool[n]: the samples with a weight above 0."""
        return self.weights > 0


def train_spl(job: Job, diversity: float = 0.0) -> Result:
    """Plain self-paced learning (Kumar et al. 2010), with hard or soft weights, one age or a quota per class."""
    result = Result(job.method, [job.network()])
    classes = job.data.num_classes
    result.details["paces"] = [
        {
            "pace": record.pace,
            "fraction": record.fraction,
            "age": record.age,
            "selected_per_class": np.bincount(job.train_labels[record.selected], minlength=classes).tolist(),
        }
        for record in run_paces(job, result, diversity)
    ]
    return result


def train_spld(job: Job) -> Result:
    """Self-paced learning with diversity (Jiang et al. 2014) over classes or clusters of features."""
    return train_spl(job, job.config.diversity)


def run_paces(job: Job, result: Result, diversity: float = 0.0) -> Iterator[SelfPacedRecord]:
    """Train ``result.networks[0]`` pace by pace; yield a record after each selection, before the pace is trained.

    With ``diversity`` above 0 the selection is SPLD's, whose weights are hard.
    """
    config, data, rows, labels = job.config, job.data, job.split.train, job.train_labels
    (model,) = result.networks
    steps = shares_of(training.step_budget(config, len(rows)), config.paces + 1)
    result.add(training.fit(model, data, rows, stage_of(config, steps[0]), **job.options("warm-up")), "warm-up")
    fractions = pace.pace_fractions(config.paces, config.pace_schedule, start=config.pace_start)
    for index, fraction in enumerate(fractions.tolist(), 1):
        prediction = training.predict(model, data, rows, config)
        loss, groups = losses_of(prediction.logits, labels), labels
        if diversity > 0 and config.diversity_groups == "clusters":
            groups = feature_clusters(prediction.features, data.num_classes, job.seed)
        age, weights, _ = weigh(
            loss, labels, fraction, config.pace_form, config.pace_scope, diversity=diversity, groups=groups
        )
        weights = pace.keep_at_least(weights, loss, labels, config.least_per_class)
        yield SelfPacedRecord(index, fraction, age, loss, weights)
        shown, name = weights > 0, f"pace-{index}"
        fitted = training.fit(
            model,
            data,
            rows[shown],
            stage_of(config, steps[index]),
            **job.options(name),
            weights=weights[shown],
            loss=weighted_loss(config.pace_normaliser),
        )
        result.add(fitted, name)


def losses_of(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return float64[N], -ln of the probability of the true class, from logits [N,C] (no rounding to infinity)."""
    scores = torch.from_numpy(np.array(logits, dtype=np.float64))
    return functional.cross_entropy(scores, torch.from_numpy(np.array(labels)), reduction="none").numpy()


def weigh(
    loss: np.ndarray,
    labels: np.ndarray,
    fraction: float,
    form: str = "hard",
    scope: str = "global",
    *,
    diversity: float = 0.0,
    groups: np.ndarray | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return (age, weights float64[N], limits float64[C]) that admit ``fraction`` of the samples.

    The threshold (age) is the losses' quantile at ``fraction``; ``limits`` are the losses below which each class is
    admitted. The mixture's lower age is half of its age; the logarithmic form's age is in units of the largest loss.
    With ``diversity`` (SPLD, in units of the mean loss, over ``groups`` int[N] or the classes) weights are hard; with
    ``scope="class"`` every class gets a quota, weights are hard, and there is no age (NaN).
    """
    classes = int(labels.max()) + 1
    if diversity > 0:
        groups, bonus = labels if groups is None else groups, diversity * float(loss.mean())
        age = pace.diverse_age(loss, groups, fraction, bonus)
        selected = pace.diverse_selection(loss, groups, age, bonus)
        limits = _largest_per_class(loss[selected], labels[selected], np.full(classes, -np.inf))
        return age, selected.astype(np.float64), np.where(np.isinf(limits), age + bonus, limits)
    if scope == "class":
        selected = pace.select_easiest(loss, labels, fraction)
        admitted = np.nextafter(loss[selected], np.inf)
        return np.nan, selected.astype(np.float64), _largest_per_class(admitted, labels[selected], np.zeros(classes))
    scale = np.nextafter(loss.max(), np.inf) if form == "logarithmic" else 1.0  # which lives on losses in [0, 1)
    age = pace.quantile_age(loss / scale, fraction)
    if form == "logarithmic":
        age = float(np.clip(age, 1e-12, 1 - 1e-12))
    weights = pace.self_paced_weights(loss / scale, age, form, lower_age=age / 2 if form == "mixture" else None)
    return age, weights, np.full(classes, age * scale)


def _largest_per_class(values: np.ndarray, labels: np.ndarray, start: np.ndarray) -> np.ndarray:
    np.maximum.at(start, labels, values)
    return start


def feature_clusters(features: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Return int64[N], the k-means cluster of each sample's features float[N,D]."""
    from sklearn.cluster import KMeans

    means = KMeans(min(clusters, len(features)), n_init=1, random_state=seed)
    return training.broadcast_from_main(lambda: means.fit_predict(features)).astype(np.int64)


def weighted_loss(normaliser: str) -> training.Loss:
    """Return the cross-entropy in which each sample counts by its weight.

    ``"weights"`` divides by the batch's sum of weights, ``"batch"`` by its size: a batch of little weight steps less far.
    """

    def loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        weighted = weights * functional.cross_entropy(logits, labels, reduction="none")
        return weighted.sum() / (weights.sum() if normaliser == "weights" else len(weights))

    return loss


def record_paces(
    data: ImageData, split: Split, config: Config, seed: int = 0, diversity: float = 0.0
) -> tuple[Classifier, list[SelfPacedRecord]]:
    """Run self-paced training to its end and return (the network, one record per pace), for figures of a curriculum."""
    job = Job("record", data, split, config, seed)
    result = Result("record", [job.network()])
    records = list(run_paces(job, result, diversity))
    return result.networks[0], records
