"""Every way to train on imbalanced data behind one call, with the same budget, split and starting weights for all.

A method sees the labels of the training and validation rows; of the test rows it sees the images, to predict them. The
one exception is ``spbl_released``, which selects epochs on the test rows as the released code does, so that the effect of
that leak can be measured.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from spbl_nb import checks, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods import baselines, co_training, decoupled, self_paced, spbl
from spbl_nb.methods.job import Job, Result, stage_of

# Methods that are one function with other settings: the variants of SPBL, and single switches turned for an ablation.
SETTINGS: dict[str, dict[str, Any]] = {
    "spbl_released": {"variant": "released"},
    "spbl_clean": {"variant": "clean"},
    "spbl_intended": {"variant": "intended"},
    "spbl_no_weights": {"variant": "clean", "weighting": False},
    "spbl_no_reconstruction": {"variant": "clean", "reconstruction": False},
}
METHODS: dict[str, Callable[[Job], Result]] = {
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
    **dict.fromkeys(SETTINGS, spbl.train_spbl),
}


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
    """Train by one of :data:`METHODS` and score the test rows; an interrupted run goes on from the file ``checkpoint``.

    Raises ValueError for an unknown method, a split of other data, or a class without training rows.
    """
    train = METHODS[checks.one_of("method", method, METHODS)]
    config = checks.instance("config", config, Config).replace(**SETTINGS.get(method, {}))
    if config.stage_epochs is not None:  # the budget of all methods is then what SPBL's stages need
        config = stage_of(config, sum(spbl.steps_of_stages(data.labels[split.train], config)))
    job = Job(method, data, split, config, seed, checkpoint, progress)
    started = time.perf_counter()
    result = train(job)
    if not result.score_kind:
        found = [training.predict(model, data, split.test, config).probability for model in result.networks]
        result.score("probability", np.mean(found, axis=0))
    result.seconds = time.perf_counter() - started
    return result
