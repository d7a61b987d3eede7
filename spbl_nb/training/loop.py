"""One training loop, for classifiers and detectors alike, and one pass that predicts and embeds.

All randomness of an epoch is derived from (seed, purpose, stage, epoch) and from nothing else: evaluating more often
changes nothing, and an interrupted run that is resumed from its checkpoint ends bit for bit where an uninterrupted one
ends (on a CPU with the same number of threads).
"""

import contextlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn
from torch.nn import functional

from spbl_nb import files, metrics
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.training import checkpoints
from spbl_nb.training.batches import Features, Images, inputs_of, memory_format_of
from spbl_nb.training.devices import accelerator_for, broadcast_from_main, is_main_process, torch_threads
from spbl_nb.training.models import Classifier

CHECKPOINT_SECONDS = 5.0  # a checkpoint is written at the end of an epoch, at most this often
_PIXELS_AT_ONCE = 512 * 96 * 96  # of the images that are predicted together
_COUNTERS = ("epoch", "step", "history", "best", "seconds")

Order = Callable[[np.random.Generator], np.ndarray]
Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Fit:
    """What a training left behind: one ``history`` entry per epoch, the optimiser ``steps`` taken, wall ``seconds``."""

    history: list[dict[str, Any]]
    steps: int
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """``logits`` float32[N,C] and ``features`` float32[N,D] of the same forward pass."""

    logits: np.ndarray
    features: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """Softmax of the logits, float64[N,C]; rows sum to 1."""
        return torch.from_numpy(self.logits).double().softmax(dim=1).numpy()


@dataclass(frozen=True)
class Batch:
    """What one step shows, and how each image moves (:func:`spbl_nb.training.batches.shift_and_mirror`)."""

    positions: np.ndarray  # int64[B] among the training samples
    shift: np.ndarray  # int64[B,2], pixels
    mirror: np.ndarray  # bool[B]
    upcoming: np.ndarray | None  # positions of the next batch; None at the end of an epoch


@dataclass(eq=False)
class Loop:
    """One training: :meth:`run` takes optimiser steps, epoch by epoch, until the budget of the configuration is spent."""

    model: nn.Module  # trained in place, on the device that the configuration names
    optimizer: Any  # over parameter_groups
    config: Config
    samples: int  # of an epoch; the last partial batch is left out
    seed: int = 0  # with stage and epoch it fixes all randomness
    stage: str = "train"
    mirror: bool = False  # images at random
    order: Order | None = None  # maps a generator to positions of the samples; None: a random permutation
    moves_by_sample: bool = False  # random moves belong to the sample, not to its place in the epoch
    warmup: float = 0.0  # share of the steps over which the learning rate rises from a third of its value
    clip: float | None = None  # largest norm of the gradient; larger ones are scaled down
    loss: nn.Module | None = None  # one whose state belongs into the checkpoint

    def __post_init__(self) -> None:
        self.accelerator = accelerator_for(self.config)
        self.model.to(self.accelerator.device).to(memory_format=memory_format_of(self.config))
        network: nn.Module = _Network(self.model)
        if self.accelerator.num_processes > 1 and self.accelerator.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self.network, self.optimizer = self.accelerator.prepare(network, self.optimizer)
        self.total_steps = step_budget(self.config, self.samples)
        self.epoch = self.step = 0
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self.seconds = 0.0

    def run(
        self,
        step: Callable[[nn.Module, Batch], tuple[Tensor, Tensor]],
        end_epoch: Callable[[Tensor, int], dict[str, Any]],
        *,
        checkpoint: str | os.PathLike | None = None,
        owner: dict[str, Any] | None = None,
        progress: bool = False,
    ) -> Fit:
        """Train to the last step, or go on from ``checkpoint``, whose ``owner`` is known, if it is there already.

        ``step(network, batch)`` returns the loss to be minimised and a float64[K] of numbers to be summed over the epoch;
        ``end_epoch(sums, batches)`` what the history says about the epoch besides ``epoch``, ``step`` and ``lr``.
        """
        started = saved = time.perf_counter()
        if checkpoint is not None:
            self._restore(broadcast_from_main(lambda: checkpoints.load(checkpoint, owner or {})))
        before, show = self.seconds, progress and is_main_process()
        with files.progress_bar(self.total_steps, self.stage, unit="step", wanted=show, done=self.step) as bar:
            while self.step < self.total_steps:
                self.network.train()
                sums, batches = torch.zeros(1), self._batches()
                with self._dropout_stream():
                    for batch in batches:
                        self._set_learning_rate()
                        self.optimizer.zero_grad()
                        loss, measured = step(self.network, batch)
                        self.accelerator.backward(loss)
                        if self.clip is not None:
                            self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
                        self.optimizer.step()
                        self.step += 1
                        sums = sums.to(measured) + measured
                        bar.update(1)
                self.epoch += 1
                entry = {"epoch": self.epoch, "step": self.step, "lr": self.optimizer.param_groups[-1]["lr"]}
                entry |= end_epoch(self._over_processes(sums), len(batches))
                self.history.append(entry)
                bar.set_postfix({k: f"{v:.3f}" for k, v in entry.items() if k.endswith(("loss", "accuracy"))})
                self.seconds = before + time.perf_counter() - started
                due = time.perf_counter() - saved >= CHECKPOINT_SECONDS or self.step == self.total_steps
                if checkpoint is not None and due and is_main_process():
                    self._save(checkpoint, owner or {})
                    saved = time.perf_counter()
        if self.best is not None:
            self.model.load_state_dict(self.best["model"])
        self.model.eval()
        return Fit(self.history, self.step, self.seconds)

    def keep_if_best(self, score: float) -> None:
        """Remember the weights if no epoch before had a higher score; the training ends with those remembered last."""
        if self.best is None or score >= self.best["score"]:
            state = {key: value.detach().cpu().clone() for key, value in self.model.state_dict().items()}
            self.best = {"score": score, "epoch": self.epoch, "model": state}

    def _batches(self) -> list[Batch]:
        """Lay out the epoch, or what the step budget leaves of it: this process's share of every batch."""
        rng = generator_for(self.seed, "order", self.stage, self.epoch)
        positions = rng.permutation(self.samples) if self.order is None else self.order(rng)
        rng = generator_for(self.seed, "augmentation", self.stage, self.epoch)
        shift = rng.integers(-self.config.padding, self.config.padding + 1, (self.samples, 2))
        mirror = rng.random(self.samples) < (0.5 if self.mirror else 0.0)
        if self.moves_by_sample:
            shift, mirror = shift[positions], mirror[positions]
        size, shares = min(self.config.batch_size, self.samples), self.accelerator.num_processes
        if shares > 1 and (size % shares or size < 2 * shares):
            raise ValueError(
                f"a batch of {size} cannot be shared by {shares} processes; a multiple of {shares} is needed, at least 2 "
                "images for each"
            )
        count = min(self.samples // size, self.total_steps - self.step)
        own = [slice(i * size + self.accelerator.process_index, (i + 1) * size, shares) for i in range(count)]
        return [
            Batch(positions[now], shift[now], mirror[now], None if after is None else positions[after])
            for now, after in zip(own, [*own[1:], None], strict=True)
        ]

    def _set_learning_rate(self) -> None:
        factor, warm = learning_rate_factor(self.config, self.step, self.total_steps), self.warmup * self.total_steps
        if self.step < warm:
            factor *= 1 / 3 + (2 / 3) * self.step / warm
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor

    @contextlib.contextmanager
    def _dropout_stream(self) -> Iterator[None]:
        """Seed torch's own random state, which dropout draws from, for this epoch only."""
        device = self.accelerator.device
        seed = generator_for(self.seed, "dropout", self.stage, self.epoch).integers(2**62)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(seed) + self.accelerator.process_index)
            yield

    def _over_processes(self, sums: Tensor) -> Tensor:
        """Return the sums over all processes, and give them all the main one's running statistics of BatchNorm."""
        if self.accelerator.num_processes > 1:
            for buffer in self.model.buffers():
                distributed.broadcast(buffer, src=0)
        return self.accelerator.reduce(sums, "sum")

    def _stateful(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "scaler": self.accelerator.scaler, "loss": self.loss}
        return {name: part for name, part in parts.items() if part is not None}

    def _save(self, path: str | os.PathLike, owner: dict[str, Any]) -> None:
        content = {name: part.state_dict() for name, part in self._stateful().items()}
        checkpoints.save(path, content | {name: getattr(self, name) for name in _COUNTERS}, owner)

    def _restore(self, content: dict[str, Any] | None) -> None:
        if content is None:
            return
        for name, part in self._stateful().items():
            part.load_state_dict(content[name])
        for name in _COUNTERS:
            setattr(self, name, content[name])


class _Network(nn.Module):
    """The model behind a module of this training's own: Accelerate marks what it prepares, and a model is trained often."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any) -> Any:
        return self.model(*inputs)


@dataclass(frozen=True)
class Options:
    """The rarer options of :func:`fit`."""

    validation: np.ndarray | None = None  # rows that are evaluated every ``config.evaluate_every`` epochs
    first_eval_epoch: int = 1  # epochs before this one, counted from 1, are not evaluated; the last one always is
    labels: np.ndarray | None = None  # int64[n] to learn instead of the data's own (pseudo labels)
    weights: np.ndarray | None = None  # float[n], at least 0, handed to the loss as a third argument float[B]
    order: Order | None = None  # maps a generator to n positions into the rows; None: a random permutation
    run: str = ""  # name of the run that a checkpoint belongs to, such as the method's
    checkpoint: str | os.PathLike | None = None  # file to go on from; ResumeError when it is another run's
    progress: bool = False  # show a bar


def fit(
    model: Classifier,
    data: ImageData | FeatureData,
    rows: np.ndarray,
    config: Config,
    *,
    seed: int = 0,
    stage: str = "train",
    loss: Loss = functional.cross_entropy,
    **options: Any,
) -> Fit:
    """Train ``model`` in place with SGD on ``rows`` int64[n] of ``data``, n >= 2; ``options`` are those of :class:`Options`.

    Give every training of a run its own ``stage`` name, on which its randomness hangs. ``loss`` maps (logits float[B,C],
    labels int64[B]), and the weights where there are any, to a scalar. With selection "validation" the weights of the last
    epoch with the highest validation accuracy are kept. Several processes share every batch.
    """
    chosen = Options(**options)
    _check_task(rows, config, chosen, loss)
    labels = data.labels[rows] if chosen.labels is None else chosen.labels
    targets = [torch.tensor(labels)]
    if chosen.weights is not None:
        targets.append(torch.tensor(chosen.weights).float())
    run = {"run": chosen.run, "stage": stage, "seed": seed, "first_eval_epoch": chosen.first_eval_epoch}
    owner = {} if chosen.checkpoint is None else run | _owner(model, data, rows, config, chosen)
    with torch_threads(config.threads):
        loop = Loop(
            model,
            sgd(parameter_groups(model.backbone, model.head, config), config),
            config,
            len(rows),
            seed=seed,
            stage=stage,
            mirror=data.mirror if config.flip is None else config.flip,
            order=chosen.order,
            loss=loss if isinstance(loss, nn.Module) else None,
        )
        inputs = inputs_of(data, loop.accelerator.device, config)

        def step(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            images = inputs.batch(rows[batch.positions], batch.shift, batch.mirror)
            inputs.read_ahead(None if batch.upcoming is None else rows[batch.upcoming])
            wanted = [values[torch.from_numpy(batch.positions)].to(images.device) for values in targets]
            logits = network(images)
            value, right = loss(logits, *wanted), (logits.detach().argmax(dim=1) == wanted[0]).sum()
            return value, torch.stack([value.detach().double() * len(logits), right.double()])

        def end_epoch(sums: Tensor, batches: int) -> dict[str, Any]:
            train_loss, accuracy = (sums / (batches * min(config.batch_size, len(rows)))).tolist()
            entry = {"train_loss": train_loss, "train_accuracy": accuracy}
            due = loop.epoch >= chosen.first_eval_epoch and loop.epoch % config.evaluate_every == 0
            if chosen.validation is not None and (due or loop.step == loop.total_steps):
                entry |= _evaluate(loop, data, inputs, chosen.validation)
            return entry

        return loop.run(step, end_epoch, checkpoint=chosen.checkpoint, owner=owner, progress=chosen.progress)


def predict(
    model: Classifier, data: ImageData | FeatureData, rows: np.ndarray, config: Config, *, batch_size: int | None = None
) -> Prediction:
    """Return logits and features of the given rows in evaluation mode, without augmentation; nothing else changes.

    ``batch_size`` None: 512, or fewer where images are larger than 96 x 96. Several processes share the rows.
    """
    with torch_threads(config.threads):
        accelerator = accelerator_for(config)
        model.to(accelerator.device).to(memory_format=memory_format_of(config))
        return _predict(model, inputs_of(data, accelerator.device, config), rows, accelerator, batch_size)


def cache_features(model: Classifier, data: ImageData | FeatureData, config: Config) -> FeatureData:
    """Return the features of all images under the network's backbone as it is now."""
    features = predict(model, data, np.arange(len(data)), config).features
    return FeatureData(f"{data.name} (features)", features, data.labels, data.class_names, data.sha256)


def generator_for(seed: int, purpose: str, stage: str = "", epoch: int = 0) -> np.random.Generator:
    """Return the random stream of one purpose ("order", "augmentation", …) in one epoch of one stage."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), zlib.crc32(stage.encode()), epoch])


def learning_rate_factor(config: Config, step: int, total: int) -> float:
    """Return the factor on the learning rate at ``step`` of ``total``: ``lr_gamma`` for each milestone behind it."""
    return config.lr_gamma ** sum(step >= share * total for share in config.milestones)


def step_budget(config: Config, samples: int) -> int:
    """Return the optimiser steps that a configuration grants a training on that many samples."""
    per_epoch = samples // min(config.batch_size, samples)
    return min(config.epochs * per_epoch, config.max_steps or config.epochs * per_epoch)


def parameter_groups(backbone: nn.Module, head: nn.Module, config: Config) -> list[dict[str, Any]]:
    """Return the parameters of backbone and head with their learning rates at the start, for an optimiser."""
    rates = (config.lr if config.backbone_lr is None else config.backbone_lr, config.lr)
    return [
        {"params": [p for p in part.parameters() if p.requires_grad], "initial_lr": lr, "lr": lr}
        for part, lr in zip((backbone, head), rates, strict=True)
    ]


def sgd(groups: list[dict[str, Any]], config: Config) -> torch.optim.SGD:
    """Return SGD with the momentum and weight decay of the configuration."""
    nesterov = config.momentum > 0
    return torch.optim.SGD(groups, momentum=config.momentum, nesterov=nesterov, weight_decay=config.weight_decay)


def _check_task(rows: np.ndarray, config: Config, options: Options, loss: Loss) -> None:
    if len(rows) < 2:
        raise ValueError(
            "rows holds one training sample; at least 2 are needed, because BatchNorm cannot use a batch of one"
        )
    if config.selection == "test":
        raise ValueError(
            "selection is 'test', which is the leak of SPBL as released; no other training may select on it"
        )
    if config.selection == "validation" and options.validation is None:
        raise ValueError("selection is 'validation', but no validation rows are given")
    if options.weights is not None and loss is functional.cross_entropy:
        raise ValueError("weights are given, but the default loss takes none; give a loss of (logits, labels, weights)")


def _owner(
    model: Classifier, data: ImageData | FeatureData, rows: np.ndarray, config: Config, options: Options
) -> dict[str, Any]:
    """Return what must agree, besides the names of run and stage, before training may go on from a checkpoint."""
    learnt = files.sha256_of(rows, options.validation, options.labels, options.weights)
    owner = {"settings": checkpoints.settings_of(config), "start": checkpoints.weights_sha256(model)}
    return owner | {"data": data.sha256, "rows": learnt}


def _evaluate(
    loop: Loop, data: ImageData | FeatureData, inputs: Images | Features, rows: np.ndarray
) -> dict[str, float]:
    """Measure the validation rows, and keep the weights if they are the best so far and are selected by them."""
    logits = _predict(loop.model, inputs, rows, loop.accelerator).logits
    labels = data.labels[rows]
    loss = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    report = metrics.report(labels, logits, data.num_classes)
    if loop.config.selection == "validation":
        loop.keep_if_best(report.accuracy)
    return {"validation_loss": float(loss), "validation_accuracy": report.accuracy, "validation_f1": report.f1}


def _predict(
    model: Any, inputs: Images | Features, rows: np.ndarray, accelerator: Accelerator, batch_size: int | None = None
) -> Prediction:
    batch_size = batch_size or min(512, max(1, _PIXELS_AT_ONCE // inputs.pixels))
    shares = accelerator.num_processes
    own = np.pad(rows, (0, -len(rows) % shares), mode="edge").reshape(shares, -1)[accelerator.process_index]
    was_training = model.training
    model.eval()
    outputs: list[Tensor] = []
    with torch.inference_mode(), accelerator.autocast():
        for start in range(0, len(own), batch_size):
            stop = min(start + batch_size, len(own))
            parts = model(inputs.batch(own[start:stop]), with_features=True)
            outputs = outputs or [torch.empty((len(own), part.shape[1])) for part in parts]
            for output, part in zip(outputs, parts, strict=True):
                output[start:stop] = part
        if shares > 1:
            outputs = [accelerator.gather(one.to(accelerator.device))[: len(rows)].cpu() for one in outputs]
    model.train(was_training)
    return Prediction(*(output.numpy() for output in outputs))
