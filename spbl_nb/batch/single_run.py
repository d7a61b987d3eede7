"""One run without a notebook, by one process or by several: what notebook 08 does, for GPUs and clusters.

``spbl-nb train`` makes it, ``accelerate launch -m spbl_nb train`` makes it on all GPUs of one or several machines, and in a
notebook ``accelerate.notebook_launcher(single_run.train, …)`` does. The result lies where notebook 08 would have put it.
"""

import os
from pathlib import Path
from typing import Any

from spbl_nb import config, data, methods, metrics, places, training
from spbl_nb.results import store


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
    """Train by one method, write the run, return its folder; a run that stands there complete is left and told again.

    Started several times by a launcher, the processes share the work, and the first one alone writes. ``overrides`` are
    settings of the preset, such as ``device="auto"``; ``data_options`` is a line for :func:`spbl_nb.data.options_from`;
    ``checkpoint`` is a file from which an interrupted run goes on.

    Raises ValueError for a method and a data set in each other's place, and what :func:`spbl_nb.data.load`,
    :func:`spbl_nb.methods.run` and :func:`spbl_nb.results.store.save` raise.
    """
    _refuse_swapped(method, dataset)
    settings = config.preset(preset, **overrides)
    training.accelerator_for(settings)  # from here on the processes know of each other
    root = training.broadcast_from_main(lambda: store.check_writable(places.runs_dir(runs_dir)))
    pictures = data.load_for(settings, dataset, data_root, **data.options_from(data_options, dataset))
    split = data.make_split(pictures, settings.validation, settings.test, seed=seed)
    _say(f"{pictures.name}: {pictures.source}")
    run = store.RunId(pictures.name, method, seed, settings)
    folder = root / run.folder
    wanted = run.fingerprint(pictures.sha256, split.sha256)
    if standing := training.broadcast_from_main(lambda: _told_of_standing(folder, wanted)):
        _say(standing)
        return folder
    result = methods.run(method, pictures, split, settings, seed, checkpoint=checkpoint, progress=progress)
    report = metrics.report(pictures.labels[split.test], result.scores, pictures.num_classes, result.predicted)
    training.broadcast_from_main(
        lambda: store.save(root, run, data=pictures, split=split, result=result, report=report)
    )
    number = training.process_count()
    told = "one process" if number == 1 else f"{number} processes"
    _say(_told(report, f"{result.steps} steps in {result.seconds:.1f} s by {told}; written: {folder}", settings.name))
    return folder


def _refuse_swapped(method: str, dataset: str) -> None:
    """Refuse a data set in the method's place, or a method in the data set's, where neither name is right."""
    known = tuple(methods.METHODS)
    if method not in known and dataset not in data.NAMES and (method in data.NAMES or dataset in known):
        raise ValueError(
            f"method is {method!r} and data set is {dataset!r}, which seem to have changed places; METHOD comes first: "
            f"train {dataset} {method}"
        )


def _told_of_standing(folder: Path, wanted: dict[str, Any]) -> str:
    """Return the numbers of the run that stands in a folder complete, as text; empty if none does."""
    run = store.find_complete_run(folder, wanted)
    if run is None:
        return ""
    report = metrics.report(run.labels, run.scores, predicted=run.predicted)
    made = f"{run.result['steps']} steps in {run.result['timing']['seconds']:.1f} s"
    return _told(report, f"{made}; complete already: {folder}", run.result["config_name"])


def _told(report: metrics.Report, where: str, config_name: str) -> str:
    """Return a run's numbers, where it stands and, if it was only a trial, that its numbers are no results."""
    return "\n".join(filter(None, (str(report), where, config.watermark(config_name))))


def _say(text: str) -> None:
    if training.is_main_process():
        print(text, flush=True)
