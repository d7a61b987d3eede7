"""Train a detector and find objects with it: the loop of :mod:`spbl_nb.training.loop`, with steps on images with boxes.

Images are shifted and mirrored together with their boxes. A checkpoint holds the counts of GHM too, so that a resumed
training ends bit for bit where an uninterrupted one ends (on a CPU with the same number of threads).
"""

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet
from torchvision.ops import box_area, clip_boxes_to_image

from spbl_nb import checks, config, files, training
from spbl_nb.config import Config
from spbl_nb.detection.dataset import DetectionData, Detections, clip_boxes
from spbl_nb.training import checkpoints
from spbl_nb.training.batches import memory_format_of, shift_and_mirror
from spbl_nb.training.loop import Batch, Fit, Loop, parameter_groups, sgd

LEAST_SIDE = 1.0  # pixels; a box of which a moved image shows less is not learnt there
OPTIMIZERS = ("adamw", "sgd")
_AT_ONCE = 32  # images that are predicted together

_SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": {"epochs": 4, "max_steps": 12},
    "fast": {"epochs": 200, "max_steps": 300},
    "full": {"epochs": 60, "max_steps": None},
}
_ALL = {"batch_size": 16, "lr": 0.003, "weight_decay": 1e-4, "milestones": (0.7, 0.9), "padding": 4}


def settings(preset: str = "fast", **overrides: Any) -> Config:
    """Return the settings of detection under a preset's name: smoke, fast (about a minute for ``small``) or full.

    Raises ValueError for an unknown preset or setting.
    """
    own = _SETTINGS[checks.one_of("preset", preset, _SETTINGS)]
    return config.preset(preset, **{**_ALL, **own, **overrides})


def fit(
    model: RetinaNet,
    data: DetectionData,
    rows: np.ndarray,
    config: Config,
    seed: int = 0,
    checkpoint: str | os.PathLike | None = None,
    progress: bool = False,
    *,
    optimizer: str = "adamw",
    warmup: float = 0.1,
    clip: float = 35.0,
) -> Fit:
    """Train a detector in place on ``rows`` int64[n] of ``data``, n >= 2; return one ``history`` entry an epoch.

    Parameters
    ----------
    config : epochs, max_steps, batch_size, lr, backbone_lr, momentum, weight_decay, milestones, lr_gamma, padding (random
        shift, pixels), flip, device, precision, channels_last and threads are used; :func:`settings` has suitable ones.
    checkpoint : file from which an interrupted training goes on; one of another run is refused with ``ResumeError``.
    optimizer : "adamw", from random weights far quicker, or "sgd" with Nesterov momentum, nearer to the release (which
        had lr 0.01 and weight_decay 1e-4); each wants an lr of its own.
    warmup : share of the steps over which the learning rate rises from a third of its value, as in the release.
    clip : largest norm of the gradient, as in the release.

    Raises ValueError for rows, classes or settings that do not fit, and when the loss is no longer finite.
    """
    rows = np.asarray(rows)
    warmup, clip = checks.real("warmup", warmup, 0, 1), checks.real("clip", clip, 0, open_low=True)
    _check_run(model, data, rows, config)
    options = {"optimizer": optimizer, "warmup": warmup, "clip": clip, "losses": repr(model.head.losses)}
    owner = {
        "run": "detection",
        "seed": checks.integer("seed", seed, 0),
        "start": checkpoints.weights_sha256(model),
        "settings": checkpoints.settings_of(config) | options,
        "data": data.sha256,
        "rows": files.sha256_of(rows),
    }
    with training.torch_threads(config.threads):
        mirror = data.mirror if config.flip is None else config.flip
        more: dict[str, Any] = {"mirror": mirror, "moves_by_sample": True, "warmup": warmup, "clip": clip}
        steps = _optimizer(optimizer, model, config)
        loop = Loop(model, steps, config, len(rows), seed=seed, stage="detection", **more)
        if loop.accelerator.num_processes > 1:
            raise ValueError("several processes were launched, but a detector is trained in one")

        def step(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            losses = network(*_moved_batch(data, rows[batch.positions], batch, config, loop.accelerator.device))
            both = [losses["classification"], losses["bbox_regression"]]
            return both[0] + both[1], torch.stack(both).detach().double()

        def end_epoch(sums: Tensor, batches: int) -> dict[str, Any]:
            classification, regression = (sums / batches).tolist()
            total = classification + regression
            if not np.isfinite(total):
                raise ValueError(
                    f"the loss is no longer finite in epoch {loop.epoch}; take a smaller lr, now {config.lr:g}"
                )
            return {"train_loss": total, "train_classification": classification, "train_regression": regression}

        return loop.run(step, end_epoch, checkpoint=checkpoint, owner=owner, progress=progress)


def _optimizer(name: str, model: RetinaNet, config: Config) -> torch.optim.Optimizer:
    groups = parameter_groups(model.backbone, model.head, config)
    if checks.one_of("optimizer", name, OPTIMIZERS) == "sgd":
        return sgd(groups, config)
    return torch.optim.AdamW(groups, betas=(config.momentum, 0.99), weight_decay=config.weight_decay)


def _moved_batch(
    data: DetectionData, rows: np.ndarray, batch: Batch, config: Config, device: torch.device
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Return the images of a batch, shifted and mirrored, and what each shows."""
    shift, mirror = (torch.from_numpy(values).to(device) for values in (batch.shift, batch.mirror))
    images = shift_and_mirror(torch.from_numpy(data.images[rows]).to(device, non_blocking=True), shift, mirror)
    moves = zip(rows, batch.shift, batch.mirror, strict=True)
    return _scaled(images, config), [_target(data, *one, device) for one in moves]


def predict(model: RetinaNet, data: DetectionData, rows: np.ndarray, config: Config) -> list[Detections]:
    """Return what the detector finds in each of the given rows, in pixels of ``data.images``, the best score first."""
    _check_classes(model, data)
    found: list[Detections] = []
    with training.torch_threads(config.threads):
        accelerator = training.accelerator_for(config)
        model.to(accelerator.device, memory_format=memory_format_of(config))
        was_training = model.training
        model.eval()
        with torch.inference_mode(), accelerator.autocast():
            for start in range(0, len(rows), _AT_ONCE):
                chosen = rows[start : start + _AT_ONCE]
                images = torch.from_numpy(data.images[chosen]).to(accelerator.device, non_blocking=True)
                outputs = model(_scaled(images, config))
                found += [_detections(output, data, row) for output, row in zip(outputs, chosen, strict=True)]
        model.train(was_training)
    return found


def _scaled(images: Tensor, config: Config) -> Tensor:
    """Return float32[B,3,S,S] in 0..1."""
    return images.float().div_(255).contiguous(memory_format=memory_format_of(config))


def _detections(output: dict[str, Tensor], data: DetectionData, row: int) -> Detections:
    """Return what was found in an image, cut at the border of the image inside its square."""
    height, width = data.sizes[row] * data.scale[row]
    boxes = clip_boxes_to_image(output["boxes"].float(), (height, width))
    kept = box_area(boxes) > 0
    scores, order = output["scores"][kept].float().sort(descending=True, stable=True)
    boxes, labels = boxes[kept][order], output["labels"][kept][order]
    return Detections(boxes.cpu().numpy(), scores.cpu().numpy(), labels.cpu().numpy().astype(np.int64))


def _target(data: DetectionData, row: int, shift: np.ndarray, mirror: bool, device: torch.device) -> dict[str, Tensor]:
    """Return what a moved image shows, as the detector wants it."""
    truth, crowd = data.truth(row), data.truth(row, ignored=True)
    boxes, seen = moved(truth.boxes, shift, mirror, data.size)
    ignored, part_seen = moved(crowd.boxes, shift, mirror, data.size)
    arrays = {"boxes": boxes[seen], "labels": truth.labels[seen], "ignored": ignored[part_seen]}
    return {key: torch.from_numpy(values).to(device) for key, values in arrays.items()}


def moved(boxes: np.ndarray, shift: np.ndarray, mirror: bool, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (boxes float32[M,4], bool[M] which are still seen) of an image that was mirrored and then shifted.

    ``shift`` (down, right) in pixels: the image's new pixel (r, c) is the old one at (r + down, c + right).
    """
    (left, top, right, bottom), (down, across) = boxes.T, shift
    if mirror:
        left, right = size - right + 2 * across, size - left + 2 * across
    result = np.stack([left - across, top - down, right - across, bottom - down], axis=1)
    result = clip_boxes(result, np.full((len(boxes), 2), size))
    return result, (result[:, 2:] - result[:, :2]).min(axis=1, initial=np.inf) >= LEAST_SIDE


def _check_run(model: RetinaNet, data: DetectionData, rows: np.ndarray, config: Config) -> None:
    if len(rows) < 2 or rows.min() < 0 or rows.max() >= len(data):
        raise ValueError(
            f"rows has {len(rows)} entries, up to {rows.max(initial=0)}; allowed: 0..{len(data) - 1}, at least 2 of them"
        )
    if config.selection not in (None, "last"):
        raise ValueError(
            f"selection is {config.selection!r}; allowed: 'last' and None, for a detector keeps its last weights"
        )
    _check_classes(model, data)


def _check_classes(model: RetinaNet, data: DetectionData) -> None:
    known = model.head.classification_head.num_classes
    if known != data.num_classes:
        raise ValueError(
            f"the model tells {known} classes apart and {data.name} has {data.num_classes}; build it with num_classes="
            f"{data.num_classes}"
        )
