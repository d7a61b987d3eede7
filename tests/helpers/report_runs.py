"""Made-up runs for the tests of the report: in memory, or saved in folders and altered as a test needs it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from saved_runs import TINY, save_run

from spbl_nb import files, metrics
from spbl_nb.results import store

SETTINGS = {
    "preset": "fast",
    "model": "small_cnn",
    "size": None,
    "weights": None,
    "stage_epochs": None,
    "selection": None,
}


def run(method="ce", seed=0, f1=0.5, dataset="digits", **changes):
    """A run in memory with macro F1 ``f1``; ``changes`` replace entries of its result, those of the report by ``report=``."""
    result = {
        "config_name": "fast",
        "fingerprint": {
            "dataset": dataset,
            "method": method,
            "seed": seed,
            "config": SETTINGS,
            "data_sha256": "d",
            "split_sha256": f"s{seed}",
        },
        "class_names": ["a", "b", "c"],
        "class_counts": {"train": [60, 20, 10], "validation": [6, 2, 1], "test": [10, 10, 10]},
        "steps": 600,
        "timing": {"seconds": 10.0},
    }
    report = {"accuracy": 0.6, "f1": f1, "g_mean": 0.4, "mauc": None, "dead_classes": []}
    result["report"] = report | changes.pop("report", {})
    return store.Run(
        Path("runs/fast") / dataset / method / f"seed-{seed}", result | changes, *[np.zeros(0)] * 4, history=[]
    )


def seeds(method, values, dataset="digits", **changes):
    """One run for each value of macro F1, with seeds 0, 1, …"""
    return [run(method, seed, f1, dataset, **changes) for seed, f1 in enumerate(values)]


def report_of(recall):
    """A real report of three classes with ten pictures each and about the given recalls."""
    right = np.round(10 * np.asarray(recall)).astype(int)
    confusion = np.diag(right)
    confusion[np.arange(3), (np.arange(3) + 1) % 3] += 10 - right
    return metrics.report_from_confusion(confusion)


def save(root, method="ce", seed=0, recall=None, settings=TINY, alter=None):
    """Save a run below ``root`` and return its folder; ``alter`` changes its record."""
    report = None if recall is None else SimpleNamespace(to_dict=report_of(recall).to_dict)
    saved = save_run(root, method, seed, settings, **({} if report is None else {"report": report}))
    if alter is not None:
        result = files.read_json(saved.folder / store.RESULT)
        alter(result)
        files.write_json(saved.folder / store.RESULT, result)
    return saved.folder
