"""Made-up runs, saved as real ones are, without any training."""

from types import SimpleNamespace

import numpy as np
from small_data import blobs

from spbl_nb import config
from spbl_nb.data.split import make_split
from spbl_nb.results import store

TINY = config.preset("smoke")


def fake_result(split, seconds=1.0, num_classes=3):
    """A result as methods.run would return it, without any training."""
    scores = np.random.default_rng(0).dirichlet(np.ones(num_classes), len(split.test))
    history = [{"epoch": 1, "train_loss": 1.5}, {"epoch": 2, "train_loss": float("nan")}]
    return SimpleNamespace(
        scores=scores,
        score_kind="probability",
        predicted=scores.argmax(axis=1),
        history=history,
        seconds=seconds,
        steps=24,
        details={"note": "made up"},
        timing={"head": 0.5},
    )


REPORT = SimpleNamespace(to_dict=lambda: {"accuracy": 0.5, "f1": 0.4, "mauc": float("nan"), "dead_classes": [2]})


def save_run(root, method="ce", seed=0, settings=TINY, seconds=1.0, data=None, report=REPORT):
    """Save a made-up run of three classes below the given folder."""
    data = data or blobs([12, 8, 6])
    split = make_split(data, seed=seed)
    return store.save(
        root,
        store.RunId(data.name, method, seed, settings),
        data=data,
        split=split,
        result=fake_result(split, seconds),
        report=report,
    )
