"""What a method is handed, a :class:`Job`, what it hands back, a :class:`Result`, and how it divides its optimiser steps."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from spbl_nb import checks, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import Split
from spbl_nb.training import batches, checkpoints, models


@dataclass(frozen=True)
class Job:
    """The arguments of :func:`spbl_nb.methods.run`, handed to the method.

    Raises ValueError for a split of other data, a class without training rows, and a seed below 0.
    """

    method: str
    data: ImageData | FeatureData
    split: Split
    config: Config
    seed: int = 0
    checkpoint: str | os.PathLike | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        checks.instance("data", self.data, (ImageData, FeatureData))
        checks.instance("split", self.split, Split)
        checks.instance("config", self.config, Config)
        checks.integer("seed", self.seed, 0)
        if self.split.data_sha256 != self.data.data_sha256:
            raise ValueError(
                "split was made for other data (its data hash differs); make it again with data.make_split"
            )
        counts = self.data.counts(self.split.train)
        if counts.min() == 0:
            empty = int(np.argmin(counts))
            raise ValueError(f"class {empty} ({self.data.class_names[empty]}) has no training row; it cannot be learnt")

    @property
    def train_labels(self) -> np.ndarray:
        """int64[n], the labels of the training rows."""
        return self.data.labels[self.split.train]

    def network(self, name: str | None = None) -> models.Classifier:
        """Build the network, over cached features a linear head; every method gets the same starting weights."""
        config, data = self.config, self.data
        if isinstance(data, FeatureData):
            return models.linear(data.features.shape[1], data.num_classes, seed=self.seed)
        size = batches.seen_size(data.size, config)
        return models.build(name or config.model, data.num_classes, size, weights=config.weights, seed=self.seed)

    def options(self, stage: str = "train") -> dict[str, Any]:
        """Return options of :func:`spbl_nb.training.fit` for a stage; each stage has a checkpoint of its own."""
        return {
            "seed": self.seed,
            "stage": stage,
            "run": self.method,
            "validation": self.split.validation,
            "checkpoint": None if self.checkpoint is None else f"{self.checkpoint}.{stage}",
            "progress": self.progress,
        }

    def remember(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return ``compute()``, or what it returned before this job was interrupted, from a file beside the checkpoint.

        Raises :class:`spbl_nb.training.checkpoints.ResumeError` for arrays of another run.
        """
        if self.checkpoint is None:
            return compute()
        path = f"{self.checkpoint}.{name}.arrays"
        run = {"method": self.method, "seed": self.seed, "settings": checkpoints.settings_of(self.config)}
        owner = run | {"data": self.data.sha256, "split": self.split.sha256, "part": name}
        content = training.broadcast_from_main(lambda: checkpoints.load(path, owner))
        if content is not None:
            return {key: values.numpy() for key, values in content["arrays"].items()}
        arrays = compute()
        if training.is_main_process():
            kept = {key: torch.from_numpy(values) for key, values in arrays.items()}
            checkpoints.save(path, {"arrays": kept}, owner)
        return arrays


@dataclass
class Result:
    """What a method delivers; the networks' mean probability scores the test rows unless the method does it itself."""

    method: str
    networks: list[models.Classifier] = field(default_factory=list)
    scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))  # float64[N_test,C]
    score_kind: str = ""  # "probability", "logit" or "decision"
    predicted: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # int64[N_test]
    history: list[dict[str, Any]] = field(default_factory=list)  # one entry per epoch
    steps: int = 0  # optimiser steps taken
    seconds: float = 0.0  # wall time
    details: dict[str, Any] = field(default_factory=dict)  # what else is to be known, in plain values
    timing: dict[str, float] = field(default_factory=dict)  # seconds of the parts of SPBL and of the SVM

    def add(self, fitted: training.Fit, stage: str) -> None:
        """Append a stage's history, its epochs and steps counted on from the stages before."""
        epoch = self.history[-1]["epoch"] if self.history else 0
        for entry in fitted.history:
            moved = {"stage": stage, "epoch": entry["epoch"] + epoch, "step": entry["step"] + self.steps}
            self.history.append(entry | moved)
        self.steps += fitted.steps

    def score(self, kind: str, scores: np.ndarray, predicted: np.ndarray | None = None) -> None:
        """Set scores, and predictions if they are not the highest scores."""
        self.score_kind, self.scores = kind, scores
        self.predicted = scores.argmax(axis=1) if predicted is None else predicted


def shares_of(total: int, sizes: int | Sequence[int]) -> list[int]:
    """Divide ``total`` optimiser steps over stages of these ``sizes``, or over so many equal ones.

    Raises ValueError when a stage would get no step.
    """
    sizes = [1] * sizes if isinstance(sizes, int) else [int(size) for size in sizes]
    ends = [total * sum(sizes[: index + 1]) // sum(sizes) for index in range(len(sizes))]
    shares = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    if min(shares) < 1:
        raise ValueError(
            f"the budget is {total} optimiser steps for {len(sizes)} stages, too few for one of them; "
            "raise max_steps or epochs, or take fewer paces"
        )
    return shares


def stage_of(config: Config, steps: int) -> Config:
    """Return the settings of a stage of that many steps, however few samples it trains on."""
    return config.replace(max_steps=steps, epochs=steps)


def part_of_each_class(labels: np.ndarray, rows: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split int64 ``rows`` into ceil(``share`` * N_c) random ones of each class c, the same for every method, and the others."""
    order = training.generator_for(seed, "labelled rows").permutation(rows)
    wanted = np.ceil(share * np.bincount(labels[rows])).astype(np.int64)
    part = np.zeros(len(order), dtype=bool)
    for index, count in enumerate(wanted):
        part[np.flatnonzero(labels[order] == index)[:count]] = True
    return np.sort(order[part]), np.sort(order[~part])


def features_of(job: Job, model: models.Classifier) -> FeatureData:
    """Return the features of all rows under the trained network, computed once."""
    data = job.data
    if isinstance(data, FeatureData):
        return data
    seen = job.remember("features", lambda: {"features": training.cache_features(model, data, job.config).features})
    return FeatureData(data.name, seen["features"], data.labels, data.class_names, data.data_sha256)
