"""One training of a detector from a settings file, with its numbers kept: what GHM's configuration names ask for.

The folder ``<runs folder>/<configuration>/<data set>/detector-<seed>`` holds ``detection.json`` (what was run and the
twelve COCO numbers), ``history.jsonl`` and ``predictions.png``. It is complete or absent; a training that was interrupted
goes on from its checkpoint.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torchvision.models.detection import RetinaNet

from spbl_nb import checks, config, files
from spbl_nb.config import Config
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.detection import evaluate, train
from spbl_nb.detection.dataset import DetectionData, Detections
from spbl_nb.detection.read import load
from spbl_nb.detection.retinanet import build
from spbl_nb.results import provenance, store

RECORD = "detection.json"
_SIDES = {"small": 256, "resnet50_fpn": 512}  # pixels of the letterboxed square where the settings name no size
_DRAWN = 8

Draw = Callable[[DetectionData, np.ndarray, list[Detections]], Figure]


def detector(settings: Config, num_classes: int, seed: int = 0) -> RetinaNet:
    """Build the detector that settings ask for, with both GHM losses: ResNet-50 where they name weights, else small."""
    common = {"bias_correction": settings.ghm_bias_correction}
    ghmc = {"bins": settings.ghm_bins, "momentum": settings.ghm_momentum} | common
    ghmr = {"mu": settings.ghm_r_mu, "bins": settings.ghm_r_bins, "momentum": settings.ghm_r_momentum} | common
    network, weights = _network(settings), settings.weights
    return build(network, num_classes, seed=seed, weights_backbone=weights, ghmc=ghmc, ghmr=ghmr)


def run(
    dataset: str,
    settings: Config,
    seed: int = 0,
    *,
    runs_dir: str | os.PathLike,
    data_root: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
    draw: Draw | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train a detector on the training split of a data set, evaluate the test split once, and keep what was found.

    Returns the folder and the content of its record; a complete run of the same thing is not made again. Without
    ``checkpoint`` one is kept in the runs folder while the training lasts. ``draw``, such as
    :func:`spbl_nb.detection.plot.predictions`, makes the figure of some test images.

    Raises :class:`spbl_nb.results.store.RunConflict` if the folder holds another run, ValueError for a data set without a
    training or test split, and what the readers raise.
    """
    root = store.check_writable(runs_dir)
    seed = checks.integer("seed", seed, 0)
    data = load(dataset, data_root, settings.size or _SIDES[_network(settings)])
    train_rows, test_rows = data.rows_of(TRAIN), data.rows_of(TEST)
    if data.split is None or not len(train_rows) or not len(test_rows):
        raise ValueError(f"{dataset} has {len(train_rows)} training and {len(test_rows)} test images; both are needed")
    chosen = {key: value for key, value in settings.to_dict().items() if key != "seeds"}
    wanted = files.to_jsonable({"dataset": dataset, "seed": seed, "config": chosen, "data_sha256": data.sha256})
    folder = root / settings.name / dataset / f"detector-{seed}"
    if folder.exists():
        return folder, _read_record(folder, wanted)
    own = Path(checkpoint or root / ".checkpoints" / f"{settings.name}-{dataset}-detector-{seed}.pt")
    own.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    model = detector(settings, data.num_classes, seed)
    fitted = train.fit(model, data, train_rows, settings, seed, own, progress, optimizer="sgd")  # the rates are SGD's
    found = train.predict(model, data, test_rows, settings)
    per_class = evaluate.per_class(data, test_rows, found)
    record = {
        "fingerprint": wanted,
        "numbers": evaluate.coco_numbers(data, test_rows, found),
        "per_class": dict(zip(data.class_names, per_class, strict=True)),
        "pictures": {"train": len(train_rows), "test": len(test_rows)},
        "steps": fitted.steps,
        "synthetic": data.synthetic,
        "versions": provenance.versions(),
        "library_sha256": provenance.library_sha256(),
        "timing": {"seconds": time.perf_counter() - started, **provenance.machine()},
    }
    with store.staging(root) as stage:
        lines = [files.to_json(row, indent=None) for row in fitted.history]
        files.write_text(stage / "run" / "history.jsonl", "".join(line + "\n" for line in lines))
        if draw is not None:
            draw(data, test_rows[:_DRAWN], found[:_DRAWN]).savefig(stage / "run" / "predictions.png")
        files.write_json(stage / "run" / RECORD, files.to_jsonable(record))
        if not store.move_into_place(stage / "run", folder):
            return folder, _read_record(folder, wanted)
    if checkpoint is None:
        own.unlink(missing_ok=True)
    return folder, files.to_jsonable(record)


def describe_numbers(record: dict[str, Any]) -> str:
    """Return the record's numbers as text, a line each, and one that says if they are no results."""
    numbers = {name: np.nan if value is None else value for name, value in record["numbers"].items()}
    lines = [f"{name:<10} {numbers[name]:.3f}  {meaning}" for name, meaning in evaluate.NUMBERS.items()]
    watermark = config.watermark(record["fingerprint"]["config"]["preset"])
    return "\n".join([*lines, watermark] if watermark else lines)


def _network(settings: Config) -> str:
    return "small" if settings.weights is None else "resnet50_fpn"


def _read_record(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a folder, if it is of the same thing."""
    try:
        record = files.read_json(folder / RECORD)
    except (OSError, ValueError) as error:
        raise store.BrokenRun(
            f"{folder / RECORD} cannot be read ({error}); move the folder away and run again"
        ) from None
    store.check_same_run(folder, wanted, record["fingerprint"])
    return record
