"""One run without a notebook, by one process or by several: what notebook 08 does, for GPUs and clusters.

``spbl-nb train`` makes it, ``accelerate launch -m spbl_nb train`` makes it on all GPUs of one or several machines, and in a
notebook ``accelerate.notebook_launcher(single_run.train, …)`` does. The result lies where notebook 08 would have put it.
"""

import os
from pathlib import Path
from typing import Any

from spbl_nb import config, data, grid, methods, metrics, places, processes, runs, staging, training


def train(
    method: str,
    dataset: str,
    preset: str = "fast",
    seed: int = 0,
    data_root: str | os.PathLike | None = None,
    runs_dir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = True,
    data_options: str = "",
    **overrides: Any,
) -> Path:
    """Train by one method, write the run, return its folder; a run that stands there complete is left as it is.

    Started several times by a launcher, the processes share the work, and the first one alone writes. ``overrides`` are
    settings of the preset, such as ``device="auto"``; ``data_options`` is a line for :func:`spbl_nb.data.options_from`;
    ``checkpoint`` is a file from which an interrupted run goes on.

    Raises what :func:`spbl_nb.data.load`, :func:`spbl_nb.methods.run` and :func:`spbl_nb.runs.save` raise.
    """
    settings = config.preset(preset, **overrides)
    training.accelerator_for(settings)  # from here on the processes know of each other
    root = processes.from_first(lambda: staging.check_writable(places.runs_dir(runs_dir)))
    pictures = data.load_for(settings, dataset, data_root, **data.options_from(data_options, dataset))
    split = data.make_split(pictures, settings.validation, settings.test, seed=seed)
    folder = runs.run_folder(root, settings.name, pictures.name, method, seed)
    wanted = runs.fingerprint(pictures.name, method, seed, settings, pictures.sha256, split.sha256)
    if processes.from_first(lambda: runs.standing(folder, wanted) is not None):
        _say(f"complete already: {folder}")
        return folder
    result = methods.run(method, pictures, split, settings, seed, checkpoint=checkpoint, progress=progress)
    report = metrics.report(pictures.labels[split.test], result.scores, pictures.num_classes, result.predicted)
    processes.from_first(
        lambda: runs.save(
            root, method=method, data=pictures, split=split, config=settings, seed=seed, result=result, report=report
        )
    )
    _say(str(report))
    number = processes.count()
    told = "one process" if number == 1 else f"{number} processes"
    _say(f"{result.steps} steps in {result.seconds:.1f} s by {told}; written: {folder}")
    if watermark := grid.watermark(settings.name):
        _say(watermark)
    return folder


def _say(text: str) -> None:
    if processes.is_first():
        print(text, flush=True)
