"""What a method is handed and what it hands back, and how it trains in several stages within one budget.

A :class:`Job` bundles data, split, settings and seed. A method asks it for its network and lets it train, in one stage
or in many; :func:`shares_of` divides the optimiser steps that every method is granted alike.

Taught in: notebooks/02_baseline_cnn, section 3.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spbl_nb import checks, pace, training
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
    seed: int
    checkpoint: str | os.PathLike | None
    progress: bool

    def __post_init__(self) -> None:
        checks.integer("seed", self.seed, 0)
        if self.split.data_sha256 != self.data.data_sha256:
            raise ValueError("split was made for other data (its data hash differs); make it anew with data.make_split")
        for part in ("train", "validation", "test"):
            checks.row_array(f"split.{part}", getattr(self.split, part), len(self.data))
        counts = self.data.counts(self.split.train)
        if counts.min() == 0:
            empty = int(np.argmin(counts))
            raise ValueError(f"class {empty} ({self.data.class_names[empty]}) has no training row; it cannot be learnt")

    def network(self, name: str | None = None) -> models.Classifier:
        """Build the network; the same seed gives the same starting weights to every method.

        Over cached features it is a linear head, whatever its name.
        """
        config, data = self.config, self.data
        if isinstance(data, FeatureData):
            return models.linear(data.features.shape[1], data.num_classes, seed=self.seed)
        size = batches.seen_size(data.size, config)
        return models.build(name or config.model, data.num_classes, size, weights=config.weights, seed=self.seed)

    def fit(
        self,
        model: models.Classifier,
        rows: np.ndarray | None = None,
        config: Config | None = None,
        *,
        stage: str = "train",
        validation: np.ndarray | None = None,
        **options: Any,
    ) -> training.Fit:
        """Train on ``rows`` (default: all training rows), looking at ``validation`` (default: the validation rows).

        A method of several trainings gives each its own ``stage``; each has a checkpoint of its own, so that an
        interrupted run passes quickly over the stages that were finished.
        """
        return training.fit(
            model,
            self.data,
            self.split.train if rows is None else rows,
            config or self.config,
            seed=self.seed,
            stage=stage,
            run=self.method,
            validation=self.split.validation if validation is None else validation,
            checkpoint=None if self.checkpoint is None else f"{self.checkpoint}.{stage}",
            progress=self.progress,
            **options,
        )

    def remember(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return ``compute()``, or what it returned when this job came by here before it was interrupted.

        The arrays lie beside the checkpoint. Raises :class:`spbl_nb.training.checkpoints.ResumeError` when those of another run
        lie there.
        """
        if self.checkpoint is None:
            return compute()
        path, owner = f"{self.checkpoint}.{name}.npz", self._owner() | {"part": name}
        arrays = training.broadcast_from_main(lambda: checkpoints.load_arrays(path, owner))
        if arrays is None:
            arrays = compute()
            if training.is_main_process():
                checkpoints.save_arrays(path, arrays, owner)
        return arrays

    def _owner(self) -> dict[str, Any]:
        settings = {key: value for key, value in self.config.to_dict().items() if key not in ("seeds", "preset")}
        run = {"method": self.method, "seed": self.seed, "settings": settings}
        return run | {"data": self.data.sha256, "split": self.split.sha256}


@dataclass(frozen=True)
class Scores:
    """Scores float64[M,C] of ``kind`` "probability", "logit" or "decision", and the classes ``predicted`` int64[M]."""

    scores: np.ndarray
    kind: str
    predicted: np.ndarray

    def take(self, part: slice) -> "Scores":
        """Return those of a part of the rows."""
        return Scores(self.scores[part], self.kind, self.predicted[part])


@dataclass
class Trained:
    """What a method leaves.

    ``networks``, whose mean probability scores the test rows unless the method has ``scored`` them itself; ``history``,
    ``steps``, ``details``, and ``timing``, the seconds of its parts by name.
    """

    networks: list[models.Classifier]
    history: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    scored: Scores | None = None
    timing: dict[str, float] = field(default_factory=dict)

    def add(self, fitted: training.Fit, stage: str) -> None:
        """Append a stage's history, its epochs and steps counted on from the stages before."""
        epoch = self.history[-1]["epoch"] if self.history else 0
        for entry in fitted.history:
            moved = {"stage": stage, "epoch": entry["epoch"] + epoch, "step": entry["step"] + self.steps}
            self.history.append(entry | moved)
        self.steps += fitted.steps


def shares_of(total: int, sizes: int | Sequence[int]) -> list[int]:
    """Divide ``total`` optimiser steps over stages in proportion to their sizes, as nearly as whole numbers allow.

    ``sizes`` is a number of equal stages, or one size each. Raises ValueError when a stage would get no step.
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
    """Split int64 ``rows`` into ceil(``share`` * N_c) random ones of each class c of ``labels``, and the others.

    The same seed gives the same parts to every method.
    """
    order = training.generator_for(seed, "labelled rows").permutation(rows)
    part = pace.select_easiest(np.arange(len(order), dtype=np.float64), labels[order], share)
    return np.sort(order[part]), np.sort(order[~part])
