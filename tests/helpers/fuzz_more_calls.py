"""More valid calls for ``test_robustness.py``: figures, explorers, exercises, settings, training, runs and words."""

import functools
import tempfile

import numpy as np
import report_runs
from fuzz_calls import (
    COMPLEXITY,
    COUNTS,
    HISTORY,
    LABELS,
    LOSS,
    NAMES,
    PICTURES,
    PROBABILITY,
    SCORES,
    SMALL,
    C,
    Call,
    _cached,
    answered,
    detected,
    drawn,
    network,
    pace_records,
    png,
    small_data,
    small_split,
    spbl_records,
    truth,
)  # fmt: skip
from saved_runs import fake_result

from spbl_nb import (
    balance_exercises,
    balance_explorers,
    baseline_exercises,
    command_line,
    config,
    data_exercises,
    detection,
    detection_plots,
    evaluation_exercises,
    explorers,
    ghm_explorers,
    grid,
    harmonizing_exercises,
    html_pages,
    methods,
    metric_explorers,
    notebook_errors,
    original_names,
    pace_exercises,
    pace_explorers,
    parameters,
    plots,
    runs,
    self_paced,
    spbl,
    spbl_exercises,
    spbl_explorers,
    statistics,
    training,
)  # fmt: skip

RECALL = np.array([0.9, 0.5, 0.3, np.nan])
FRACTIONS = {"ce": RECALL, "spbl_clean": RECALL / 2}
SEEDS = {"ce": [0.5, 0.6], "spl": [0.55, 0.7, 0.6]}
COMPARED = statistics.paired_comparison(SCORES, "ce")
CELL = "N: int = 1  # a number, 1 or more\nNAMES: list[str] | None = None  # texts"
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# 99 Tiny\n", "A promise."]},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": CELL, "outputs": []},
        {"cell_type": "code", "metadata": {}, "source": "1", "outputs": [{"output_type": "error", "ename": "A", "evalue": "b"}]},
    ],
    "metadata": {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"state": {"outputs": []}}}}}},
}  # fmt: skip

FIGURES = {
    "plots.class_sizes": Call(
        png(plots.class_sizes),
        {"counts": COUNTS, "names": NAMES, "difficulty": np.full(C, 0.5), "sort": True, "logarithmic": True}, cost=8,
    ),
    "plots.picture_grid": Call(
        png(plots.picture_grid), {"images": PICTURES[:3], "titles": ["a", "b", "c"], "columns": 2, "scale": 0.9}, cost=8
    ),
    "plots.contact_sheet": Call(
        png(plots.contact_sheet),
        {"images": PICTURES, "labels": LABELS, "names": NAMES, "per_class": 3, "scale": 0.7, "counts": COUNTS}, cost=8,
    ),
    "plots.learning_curves": Call(png(plots.learning_curves), {"history": HISTORY}, cost=8),
    "plots.confusion": Call(png(plots.confusion), {"matrix": np.arange(16).reshape(4, 4), "names": NAMES}, cost=8),
    "plots.recall_against_size": Call(
        png(plots.recall_against_size),
        {"recall": RECALL, "counts": COUNTS, "names": NAMES, "difficulty": np.full(C, 0.5)}, cost=8,
    ),
    "plots.class_bars": Call(
        png(plots.class_bars), {"values": {"a": RECALL, "b": RECALL}, "names": NAMES, "label": "recall"}, cost=8
    ),
    "plots.compare_methods": Call(
        png(plots.compare_methods),
        {"values": np.full((2, 3, 2), 0.5), "methods": ["ce", "spl"], "metrics": ["a", "b", "c"]}, cost=8,
    ),
    "plots.seeds_and_means": Call(png(plots.seeds_and_means), {"groups": SEEDS, "label": "macro F1"}, cost=8),
    "detection_plots.predictions": Call(
        png(detection_plots.predictions),
        {"rows": np.arange(2), "least_score": 0.3, "most": 5, "truth": True, "columns": 2, "scale": 2.0},
        {"data": detected(), "detections": truth()}, cost=10,
    ),
    "spbl_explorers.arrivals": Call(
        png(spbl_explorers.arrivals),
        {"pace": 1, "labels": LABELS, "names": NAMES, "images": PICTURES, "each": 2}, {"records": spbl_records()}, cost=8,
    ),
}  # fmt: skip

EXPLORERS = {
    "balance_explorers.BalanceExplorer": Call(
        drawn(balance_explorers.BalanceExplorer), {"seed": 0}, {"cached": _cached()}, cost=15
    ),
    "balance_explorers.ReconstructionPlayer": Call(
        drawn(balance_explorers.ReconstructionPlayer), {"counts": COUNTS, "complexity": COMPLEXITY, "names": NAMES}, cost=10
    ),
    "explorers.ImbalanceExplorer": Call(
        drawn(explorers.ImbalanceExplorer), {"names": NAMES, "largest": 100, "factor": 10},
        {"draw_class_pictures": lambda level, each: np.zeros((C, each, 3, 4, 4), np.uint8)}, cost=10,
    ),
    "explorers.lesion_pictures": Call(explorers.lesion_pictures, {"names": NAMES, "size": 16, "seed": 0}, cost=6),
    "ghm_explorers.GHMExplorer": Call(
        drawn(ghm_explorers.GHMExplorer), {"norms": np.linspace(0, 1, 400), "batch": 100, "seed": 0}, cost=10
    ),
    "metric_explorers.MetricExplorer": Call(
        drawn(metric_explorers.MetricExplorer),
        {"labels": LABELS, "probability": PROBABILITY, "names": NAMES, "train_counts": COUNTS}, cost=15,
    ),
    "metric_explorers.SimulatedMetricExplorer": Call(
        drawn(metric_explorers.SimulatedMetricExplorer), {"classes": 4, "largest": 50, "seed": 0}, cost=15
    ),
    "pace_explorers.select": Call(
        pace_explorers.select,
        {"loss": LOSS, "labels": LABELS, "share": 0.5, "form": "hard", "scope": "one age for all", "diversity": 0.2},
    ),
    "pace_explorers.PaceExplorer": Call(
        drawn(pace_explorers.PaceExplorer), {"loss": LOSS, "labels": LABELS, "names": NAMES, "thumbnails": PICTURES}, cost=15
    ),
    "pace_explorers.CurriculumPlayer": Call(
        drawn(pace_explorers.CurriculumPlayer),
        {"labels": LABELS, "names": NAMES, "thumbnails": PICTURES}, {"records": pace_records()}, cost=15,
    ),
    "spbl_explorers.PacePlayer": Call(
        drawn(spbl_explorers.PacePlayer), {"labels": LABELS, "names": NAMES}, {"records": spbl_records()}, cost=15
    ),
}  # fmt: skip

EXERCISES = {
    f"{module.__name__.rpartition('.')[2]}.{name}": Call(answered(getattr(module, name)), {"answer": LOSS}, cost=2)
    for module in (
        balance_exercises, baseline_exercises, data_exercises, evaluation_exercises, harmonizing_exercises, pace_exercises,
        spbl_exercises,
    )
    for name in dir(module) if name.startswith("check_")
}  # fmt: skip


@functools.cache
def run_folder():
    """A folder with a saved run."""
    folder = tempfile.mkdtemp()
    report_runs.save(folder)
    return folder


PACED = SMALL.replace(max_steps=12, epochs=12)


def _training(**arguments):
    return training.fit(network(), config=SMALL, loss=self_paced.weighted_loss("weights"), **arguments)


def _saved(**arguments):
    with tempfile.TemporaryDirectory() as folder:
        return runs.save(
            folder,
            data=small_data(),
            split=small_split(),
            result=fake_result(small_split()),
            report=report_runs.report_of([0.5] * 3),
            **arguments,
        )


WORK = {
    "config.preset": Call(config.preset, {"name": "fast", **config.preset("fast").to_dict()} | {"preset": "fast"}),
    "config.watermark": Call(config.watermark, {"name": "smoke+1234"}),
    "config.Config": Call(config.Config, {**config.preset("fast").to_dict(), "size": 32, "backbone_lr": 0.1}),
    "detection.settings": Call(detection.settings, {"preset": "fast", "lr": 0.1, "epochs": 3}),
    "original_names.of_spbl": Call(
        original_names.of_spbl,
        {"names": {"input_size": 224, "lr": 0.01, "batch_size": 64, "iter_step": 5, "gamma": 0.3, "train_ratio": 0.2,
                   "model": "resnet50", "dataset": "sd-198", "class_num": 198, "epochs": 50, "step_size": 40,
                   "add_ratios": [0.5, 1.0]}}, cost=1,
    ),
    "original_names.of_ghm": Call(
        original_names.of_ghm,
        {"names": {"datatype": "coco", "data_root": "x", "work_dir": "y", "total_epochs": 2, "lr_config": {"step": [1]},
                   "train_cfg": {"ghmc": {"bins": 10, "momentum": 0.5}, "ghmr": {"mu": 0.05}}}},
    ),
    "original_names.family_of": Call(original_names.family_of, {"names": {"input_size": 224}}, {"where": "here"}),
    "grid.cells": Call(
        grid.cells, {"datasets": ["digits"], "methods": ["ce"], "seeds": [0, 1]}, {"settings": config.preset("fast")}
    ),
    "command_line.seed_list": Call(command_line.seed_list, {"text": "0-3,5"}),
    "methods.run": Call(
        methods.run, {"method": "ce", "seed": 0}, {"data": small_data(), "split": small_split(), "config": SMALL}, cost=15
    ),
    "spbl.run": Call(
        lambda **arguments: list(spbl.run(**arguments)), {"seed": 0},
        {"data": small_data(), "split": small_split(), "config": PACED}, cost=25,
    ),
    "self_paced.record_paces": Call(
        self_paced.record_paces, {"seed": 0, "diversity": 0.2},
        {"data": small_data(), "split": small_split(), "config": PACED}, cost=25,
    ),
    "training.fit": Call(
        _training,
        {"rows": np.arange(12), "seed": 0, "stage": "train", "validation": np.arange(12, 20),
         "look_from": 1, "labels": np.arange(12) % 3, "weights": np.ones(12)},
        {"data": small_data()}, cost=10,
    ),
    "training.predict": Call(
        lambda **arguments: training.predict(network(), config=SMALL, **arguments),
        {"rows": np.arange(5), "batch_size": 2}, {"data": small_data()}, cost=4,
    ),
    "runs.save": Call(_saved, {"method": "ce", "seed": 0}, {"config": SMALL}),
    "runs.run_folder": Call(
        runs.run_folder, {"root": "x", "config_name": "fast", "dataset": "digits", "method": "ce", "seed": 0}
    ),
    "parameters.declared": Call(parameters.declared, {"notebook": NOTEBOOK}),
    "parameters.read_cell": Call(parameters.read_cell, {"source": CELL}),
    "parameters.checked": Call(
        parameters.checked, {"parameters": {"N": 2, "NAMES": ["a"]}}, {"known": parameters.read_cell(CELL)}
    ),
    "parameters.fit": Call(parameters.fit, {"value": 0.5}, {"name": "X", "kind": parameters.Kind("float")}),
    "notebook_errors.find_errors": Call(notebook_errors.find_errors, {"notebook": NOTEBOOK}),
    "html_pages.to_mathml": Call(html_pages.to_mathml, {"formula": r"\frac{1}{N_c}", "display": "inline"}),
}  # fmt: skip
