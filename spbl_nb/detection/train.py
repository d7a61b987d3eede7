"""Train a detector, find objects with it, resume it: the loop of :mod:`spbl_nb.training` for pictures with boxes.

Batches come straight from the uint8 pictures, moved and mirrored together with their boxes. Randomness is derived from
(seed, purpose, epoch), so that a training resumed from its checkpoint, which holds the counts of GHM too, ends bit for
bit where an uninterrupted one ends (on a CPU with the same number of threads).

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

import os
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import RetinaNet

from spbl_nb import checks, config, files, training
from spbl_nb.config import Config
from spbl_nb.detection import boxes as box_tools
from spbl_nb.detection.dataset import DetectionData, Detections
from spbl_nb.detection.retinanet import CLASSIFICATIONS, NAMES, REGRESSIONS, build
from spbl_nb.training import checkpoints
from spbl_nb.training.batches import memory_format_of, shift_and_mirror
from spbl_nb.training.loop import Fit

__all__ = ["CLASSIFICATIONS", "NAMES", "REGRESSIONS", "Detections", "build", "fit", "predict", "settings"]

LEAST_SIDE = 1.0  # pixels; a box of which a moved picture shows less is not learnt there

_SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": {"epochs": 4, "max_steps": 12},
    "fast": {"epochs": 200, "max_steps": 300},
    "full": {"epochs": 60, "max_steps": None},
}
_ALL = {"batch_size": 16, "lr": 0.003, "weight_decay": 1e-4, "milestones": (0.7, 0.9), "padding": 4}
OPTIMIZERS = ("adamw", "sgd")


def settings(preset: str = "fast", **overrides: Any) -> Config:
    """Return the settings of detection under a preset's name: smoke, fast (about a minute for ``small``) or full.

    >>> settings("smoke").batch_size
    16

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
    checkpoint_seconds: float = 5.0,
) -> Fit:
    """Train a detector in place on the given rows; return one ``history`` entry an epoch.

    Parameters
    ----------
    rows : int64[n], the training rows of ``data``, n >= 2; the last partial batch of an epoch is left out.
    config : epochs, max_steps, batch_size, lr, backbone_lr, momentum, weight_decay, milestones, lr_gamma, padding (random
        shift, pixels), flip, device, precision, channels_last and threads are used; :func:`settings` has suitable ones.
    checkpoint : file written at the end of an epoch, at most every ``checkpoint_seconds``; if it is there already,
        training goes on from it. A checkpoint of another run is refused with :class:`checkpoints.ResumeError`.
    optimizer : "adamw", from random weights far quicker, or "sgd" with Nesterov momentum, nearer to the release (which
        had lr 0.01 and weight_decay 1e-4); each wants an lr of its own.
    warmup : share of the steps over which the learning rate rises from a third of its value, as in the release.
    clip : largest norm of the gradient, as in the release; larger ones are scaled down.

    An entry of the history has ``epoch``, ``step``, ``lr``, ``train_loss``, ``train_classification`` and
    ``train_regression``.

    Raises ValueError for rows, classes or settings that do not fit, and when the loss is no longer finite.
    """
    rows = checks.row_array("rows", rows, len(data))
    seed = checks.integer("seed", seed, 0)
    warmup, clip = checks.real("warmup", warmup, 0, 1), checks.real("clip", clip, 0, open_low=True)
    if len(rows) < 2:
        raise ValueError("rows holds one picture; at least 2 are needed, for BatchNorm cannot use a batch of one")
    checks.one_of("optimizer", optimizer, OPTIMIZERS)
    if config.selection not in (None, "last"):
        raise ValueError(
            f"selection is {config.selection!r}; a detector keeps its last weights: allowed are 'last' and None"
        )
    _check_classes(model, data)
    with training.torch_threads(config.threads):
        state = _Training(model, data, rows, config, seed, optimizer, warmup, clip)
        return state.run(checkpoint, checkpoint_seconds, progress)


def predict(
    model: RetinaNet, data: DetectionData, rows: np.ndarray, config: Config, *, batch_size: int = 32
) -> list[Detections]:
    """Return what the detector finds in each of the given rows, in pixels of ``data.images``, the best score first.

    Nothing else changes. Boxes are cut at the border of the picture inside its square.
    """
    rows = checks.row_array("rows", rows, len(data))
    _check_classes(model, data)
    found: list[Detections] = []
    with training.torch_threads(config.threads):
        accelerator = training.accelerator_for(config)
        model.to(accelerator.device, memory_format=memory_format_of(config))
        was_training = model.training
        model.eval()
        with torch.inference_mode(), accelerator.autocast():
            for start in range(0, len(rows), batch_size):
                chosen = rows[start : start + batch_size]
                outputs = model(_pictures(data, chosen, accelerator.device, config))
                found += [_detections(output, data, row) for output, row in zip(outputs, chosen, strict=True)]
        model.train(was_training)
    return found


def _detections(output: dict[str, Tensor], data: DetectionData, row: int) -> Detections:
    """Return a picture's findings as arrays; what lies in the fill beside the picture goes."""
    found = {key: values.float().cpu().numpy() for key, values in output.items()}
    boxes = box_tools.clipped(found["boxes"], data.sizes[row] * data.scale[row])
    kept = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    kept = kept[np.argsort(-found["scores"][kept], kind="stable")]
    return Detections(boxes[kept], found["scores"][kept], found["labels"][kept].astype(np.int64))


def _check_classes(model: RetinaNet, data: DetectionData) -> None:
    known = model.head.classification_head.num_classes
    if known != data.num_classes:
        raise ValueError(
            f"the model tells {known} classes apart and {data.name} has {data.num_classes}; build it with num_classes="
            f"{data.num_classes}"
        )


def _pictures(
    data: DetectionData,
    rows: np.ndarray,
    device: torch.device,
    config: Config,
    shift: np.ndarray | None = None,
    mirror: np.ndarray | None = None,
) -> Tensor:
    """Return float32[B,3,S,S] in 0..1, moved about when ``shift`` is given."""
    pictures = torch.from_numpy(data.images[rows]).to(device, non_blocking=True)
    if shift is not None:
        pictures = shift_and_mirror(pictures, torch.from_numpy(shift).to(device), torch.from_numpy(mirror).to(device))
    return pictures.float().div_(255).contiguous(memory_format=memory_format_of(config))


def moved(boxes: np.ndarray, shift: np.ndarray, mirror: bool, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (boxes float32[M,4], bool[M] which are still seen) of a picture that was mirrored and then shifted.

    ``shift`` (down, right) in pixels is that of :func:`spbl_nb.training.batches.shift_and_mirror`: the picture's new pixel (r, c)
    is the old one at (r + down, c + right), counted from the right where mirrored.
    """
    result: np.ndarray = boxes.astype(np.float32).reshape(-1, 4)
    down, right = shift
    result = result - np.array([0, down, 0, down], dtype=np.float32)
    if mirror:
        result = np.stack(
            [size + right - result[:, 2], result[:, 1], size + right - result[:, 0], result[:, 3]], axis=1
        )
    else:
        result = result - np.array([right, 0, right, 0], dtype=np.float32)
    result = box_tools.clipped(result, np.array([size, size]))
    return result, (result[:, 2:] - result[:, :2]).min(axis=1, initial=np.inf) >= LEAST_SIDE


def _optimizer(name: str, groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    if name == "adamw":
        return torch.optim.AdamW(groups, betas=(config.momentum, 0.99), weight_decay=config.weight_decay)
    nesterov = config.momentum > 0
    return torch.optim.SGD(groups, momentum=config.momentum, nesterov=nesterov, weight_decay=config.weight_decay)


class _Training:
    """The state of one training: what :func:`fit` sets up, steps through, saves and restores."""

    def __init__(
        self,
        model: RetinaNet,
        data: DetectionData,
        rows: np.ndarray,
        config: Config,
        seed: int,
        optimizer: str,
        warmup: float,
        clip: float,
    ) -> None:
        self.accelerator = training.accelerator_for(config)
        if self.accelerator.num_processes > 1:
            raise ValueError(
                f"{self.accelerator.num_processes} processes were launched, but a detector is trained in one; start it without "
                "accelerate launch"
            )
        self.model, self.data, self.rows, self.config = model, data, rows, config
        self.seed, self.optimizer_name, self.warmup, self.clip = seed, optimizer, warmup, clip
        self.start_sha256 = files.sha256_of(*(value.cpu().numpy() for value in model.state_dict().values()))
        self.mirror = data.mirror if config.flip is None else config.flip
        model.to(self.accelerator.device, memory_format=memory_format_of(config))
        backbone_lr = config.lr if config.backbone_lr is None else config.backbone_lr
        parts: tuple[tuple[nn.Module, float], ...] = ((model.backbone, backbone_lr), (model.head, config.lr))
        groups = [
            {"params": [p for p in part.parameters() if p.requires_grad], "initial_lr": lr, "lr": lr}
            for part, lr in parts
        ]
        self.optimizer = self.accelerator.prepare_optimizer(_optimizer(optimizer, groups, config))
        self.batch_size = min(config.batch_size, len(rows))
        self.total_steps = training.step_budget(config, len(rows))
        self.epoch = self.step = 0
        self.history: list[dict[str, Any]] = []
        self.seconds = 0.0

    def run(self, checkpoint: str | os.PathLike | None, checkpoint_seconds: float, progress: bool) -> Fit:
        from tqdm.auto import tqdm

        started = saved = time.perf_counter()
        if checkpoint is not None:
            self._restore(checkpoints.load(checkpoint, self._owner()))
        before = self.seconds
        with tqdm(
            total=self.total_steps, initial=self.step, desc="detector", unit="step", leave=False, disable=not progress
        ) as bar:
            while self.step < self.total_steps:
                self._epoch(bar)
                self.seconds = before + time.perf_counter() - started
                due = time.perf_counter() - saved >= checkpoint_seconds or self.step >= self.total_steps
                if checkpoint is not None and due:
                    self._save(checkpoint)
                    saved = time.perf_counter()
        self.model.eval()
        return Fit(self.history, self.step, self.seconds)

    def _epoch(self, bar: Any) -> None:
        """Run one epoch, or what the step budget leaves of it."""
        count, padding = len(self.rows), self.config.padding
        order = training.generator_for(self.seed, "order", "detection", self.epoch).permutation(count)
        rng = training.generator_for(self.seed, "augmentation", "detection", self.epoch)
        shift = rng.integers(-padding, padding + 1, (count, 2))
        mirror = rng.random(count) < (0.5 if self.mirror else 0.0)
        batches = min(count // self.batch_size, self.total_steps - self.step)
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        self.model.train()
        for index in range(batches):
            chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
            sums += self._step(self.rows[chosen], shift[chosen], mirror[chosen])
            bar.update(1)
        classification, regression = (sums / batches).tolist()
        self.epoch += 1
        if not np.isfinite(classification + regression):
            raise ValueError(
                f"the loss is no longer finite in epoch {self.epoch} (classification {classification:g}, regression "
                f"{regression:g}); take a smaller lr, now {self.config.lr:g}, or a longer warmup, now {self.warmup:g}"
            )
        entry = {"epoch": self.epoch, "step": self.step, "lr": self.optimizer.param_groups[-1]["lr"]}
        entry |= {"train_loss": classification + regression}
        self.history.append(entry | {"train_classification": classification, "train_regression": regression})
        bar.set_postfix(loss=f"{classification + regression:.3f}")

    def _step(self, rows: np.ndarray, shift: np.ndarray, mirror: np.ndarray) -> Tensor:
        """Take one optimiser step; return (classification, regression) loss of the batch, float64[2]."""
        factor = training.learning_rate_factor(self.config, self.step, self.total_steps) * self._warmth()
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        self.optimizer.zero_grad()
        pictures = _pictures(self.data, rows, self.accelerator.device, self.config, shift, mirror)
        with self.accelerator.autocast():
            losses = self.model(pictures, [self._target(*one) for one in zip(rows, shift, mirror, strict=True)])
        self.accelerator.backward(losses["classification"] + losses["bbox_regression"])
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.step += 1
        return torch.stack([losses["classification"], losses["bbox_regression"]]).detach().double()

    def _warmth(self) -> float:
        """Return the factor on the learning rate that rises from a third to 1 over the warm-up."""
        length = self.warmup * self.total_steps
        return 1.0 if self.step >= length else 1 / 3 + (2 / 3) * self.step / length

    def _target(self, row: int, shift: np.ndarray, mirror: bool) -> dict[str, Tensor]:
        """Return what a moved picture shows, as the detector wants it."""
        truth, crowd = self.data.truth(row), self.data.truth(row, ignored=True)
        boxes, seen = moved(truth.boxes, shift, mirror, self.data.size)
        ignored, part_seen = moved(crowd.boxes, shift, mirror, self.data.size)
        arrays = {"boxes": boxes[seen], "labels": truth.labels[seen], "ignored": ignored[part_seen]}
        return {key: torch.from_numpy(values).to(self.accelerator.device) for key, values in arrays.items()}

    def _owner(self) -> dict[str, Any]:
        """Say whose checkpoint this is: everything that must agree before training may go on from it."""
        own = {key: value for key, value in self.config.to_dict().items() if key not in ("seeds", "preset")}
        own |= {
            "optimizer": self.optimizer_name,
            "warmup": self.warmup,
            "clip": self.clip,
            "losses": repr(self.model.head.losses),
        }
        run = {"run": "detection", "seed": self.seed, "start": self.start_sha256, "settings": own}
        return run | {"data": self.data.sha256, "rows": files.sha256_of(self.rows)}

    def _save(self, path: str | os.PathLike) -> None:
        scaler = self.accelerator.scaler
        content = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            **{name: getattr(self, name) for name in _COUNTERS},
        }
        checkpoints.save(path, content, self._owner())

    def _restore(self, content: dict[str, Any] | None) -> None:
        if content is None:
            return
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        if content["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        for name in _COUNTERS:
            setattr(self, name, content[name])


_COUNTERS = ("epoch", "step", "history", "seconds")
