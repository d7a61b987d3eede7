"""What a method is handed and what it hands back, and how it trains in several stages within one budget.

A :class:`Job` bundles data, split, settings and seed. A method asks it for its network and lets it train, in one stage
or in many; :func:`shares_of` divides the optimiser steps that every method is granted alike.

Taught in: notebooks/02_baseline_cnn, section 3.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spbl_nb import models, training
from spbl_nb.config import Config
from spbl_nb.images import ImageData
from spbl_nb.splits import Split


@dataclass(frozen=True)
class Job:
    """The arguments of :func:`spbl_nb.methods.run`, handed to the method."""

    method: str
    data: ImageData
    split: Split
    config: Config
    seed: int
    checkpoint: str | os.PathLike | None
    progress: bool

    def network(self, name: str | None = None) -> models.Classifier:
        """Build the network; the same seed gives the same starting weights to every method."""
        config, data = self.config, self.data
        return models.build(name or config.model, data.num_classes, data.size, weights=config.weights, seed=self.seed)

    def fit(
        self,
        model: models.Classifier,
        rows: np.ndarray | None = None,
        config: Config | None = None,
        *,
        stage: str = "train",
        **options: Any,
    ) -> training.Fit:
        """Train on ``rows`` (default: all training rows), looking at the validation rows.

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
            validation=self.split.validation,
            checkpoint=None if self.checkpoint is None else f"{self.checkpoint}.{stage}",
            progress=self.progress,
            **options,
        )


@dataclass
class Trained:
    """What a method leaves: ``networks`` (their mean probability scores the test), ``history``, ``steps``, ``details``."""

    networks: list[models.Classifier]
    history: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, fitted: training.Fit, stage: str) -> None:
        """Append a stage's history, its epochs and steps counted on from the stages before."""
        epoch = self.history[-1]["epoch"] if self.history else 0
        for entry in fitted.history:
            moved = {"stage": stage, "epoch": entry["epoch"] + epoch, "step": entry["step"] + self.steps}
            self.history.append(entry | moved)
        self.steps += fitted.steps


def shares_of(total: int, stages: int) -> list[int]:
    """Divide ``total`` optimiser steps over ``stages``, as evenly as whole numbers allow, each at least one.

    Raises ValueError when there are fewer steps than stages.
    """
    if total < stages:
        raise ValueError(
            f"the budget is {total} optimiser steps for {stages} stages; raise max_steps or epochs, or take fewer paces"
        )
    return [total * (index + 1) // stages - total * index // stages for index in range(stages)]
