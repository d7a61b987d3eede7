"""Every way to train on imbalanced data behind one call, with the same budget, split and starting weights for all.

``run("ce", …)`` is the plain baseline; each further method changes one thing about it. A method sees the training and
validation rows with their labels and, for prediction only, the pictures of the test rows: test labels are used by
whoever reports, never here. The one exception is ``spbl_released``, which selects epochs on the test rows as the released
code does, so that the effect of that leak can be measured.

Taught in: notebooks/02_baseline_cnn, section 3.
"""

import dataclasses
import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spbl_nb import checks, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods import baselines, co_training, decoupled, self_paced, spbl
from spbl_nb.methods.job import Job, Scores, Trained, stage_of


@dataclass(frozen=True)
class Result:
    """What a method delivers.

    ``scores`` float64[N_test,C] of kind ``score_kind`` ("probability", "logit" or "decision"), ``predicted``
    int64[N_test], one ``history`` entry per epoch, wall ``seconds``, optimiser ``steps`` taken, ``details`` of the method
    in plain values, and ``timing``, the seconds of its parts where it has several.
    """

    method: str
    scores: np.ndarray
    score_kind: str
    predicted: np.ndarray
    history: list[dict[str, Any]]
    seconds: float
    steps: int
    details: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)


def run(
    method: str,
    data: ImageData | FeatureData,
    split: Split,
    config: Config,
    seed: int = 0,
    *,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
) -> Result:
    """Train by one method and score the test rows.

    ``method`` is one of :data:`METHODS`; ``checkpoint`` a file from which an interrupted run goes on; ``progress``
    shows a bar. Raises ValueError for an unknown method (the nearest is suggested), a split of other data, or a class
    without training rows.
    """
    train = METHODS[checks.one_of("method", method, METHODS)]
    job = Job(method, data, split, config, seed, checkpoint, progress)
    if config.stage_epochs is not None:  # the budget of all is then what SPBL's stages need
        budget = sum(spbl.steps_of_stages(data.labels[split.train], config))
        job = dataclasses.replace(job, config=stage_of(config, budget))
    started = time.perf_counter()
    trained = train(job)
    scored = trained.scored or _mean_probability(trained, data, split.test, config)
    return Result(
        method=method,
        scores=scored.scores,
        score_kind=scored.kind,
        predicted=scored.predicted,
        history=trained.history,
        seconds=time.perf_counter() - started,
        steps=trained.steps,
        details=trained.details,
        timing=trained.timing,
    )


def _mean_probability(trained: Trained, data: ImageData | FeatureData, rows: np.ndarray, config: Config) -> Scores:
    views = [training.predict(model, data, rows, config).probability for model in trained.networks]
    scores = np.mean(views, axis=0)
    return Scores(scores, "probability", scores.argmax(axis=1))


def _spbl(job: Job, **switches: Any) -> Trained:
    """SPBL of one variant, with single switches turned for an ablation."""
    if job.config.selection == "test" and job.method != "spbl_released":
        raise ValueError(
            f"selection is 'test', and the method {job.method}; only spbl_released may select on the test rows: leave "
            "selection out, or study the switch with spbl.run"
        )
    return spbl.train_spbl(dataclasses.replace(job, config=job.config.replace(**switches)))


METHODS: dict[str, Callable[[Job], Trained]] = {
    "ce": baselines.train_ce,
    "class_balanced": baselines.train_class_balanced,
    "focal": baselines.train_focal,
    "ghm_c": baselines.train_ghm_c,
    "ldam_drw": baselines.train_ldam_drw,
    "logit_adjusted": baselines.train_logit_adjusted,
    "oversample": baselines.train_oversample,
    "smote_svm": decoupled.train_smote_svm,
    "crt": decoupled.train_crt,
    "tau_norm": decoupled.train_tau_norm,
    "spl": self_paced.train_spl,
    "spld": self_paced.train_spld,
    "spaco": co_training.train_spaco,
    "spbl_released": functools.partial(_spbl, variant="released"),
    "spbl_clean": functools.partial(_spbl, variant="clean"),
    "spbl_intended": functools.partial(_spbl, variant="intended"),
    "spbl_no_weights": functools.partial(_spbl, variant="clean", weighting=False),
    "spbl_no_reconstruction": functools.partial(_spbl, variant="clean", reconstruction=False),
}
