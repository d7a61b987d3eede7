"""One readable training loop, and one pass that predicts and embeds.

Batches come straight from the uint8 pictures; shifting, mirroring and normalising run on whole batches, with randomness
of its own for every picture. Device placement, mixed precision and several processes are Hugging Face Accelerate's
work. All randomness of an epoch is derived from (seed, purpose, stage, epoch) and from nothing else: looking at the
validation part more often changes nothing, and an interrupted run that is resumed from its checkpoint ends bit for bit
where an uninterrupted one ends (on a CPU with the same number of threads).

Taught in: notebooks/02_baseline_cnn, section 2.
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
from accelerate.state import AcceleratorState
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import checks, files, metrics
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.training import checkpoints, processes
from spbl_nb.training.batches import Features, Pictures, inputs_of, memory_format_of
from spbl_nb.training.checkpoints import ResumeError as ResumeError
from spbl_nb.training.models import Classifier

_PIXELS_AT_ONCE = 512 * 96 * 96  # of the pictures that are predicted together

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


def fit(
    model: Classifier,
    data: ImageData | FeatureData,
    rows: np.ndarray,
    config: Config,
    *,
    seed: int = 0,
    stage: str = "train",
    validation: np.ndarray | None = None,
    look_from: int = 1,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    order: Order | None = None,
    loss: Loss = functional.cross_entropy,
    run: str = "",
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 5.0,
    progress: bool = False,
) -> Fit:
    """Train ``model`` in place on the given rows with SGD.

    Parameters
    ----------
    rows : int64[n], the training rows of ``data``; n >= 2. With fewer than ``config.batch_size`` rows the batch is
        smaller; the last partial batch of an epoch is left out, so that a batch of one never reaches BatchNorm.
    seed, stage : together with the epoch they fix all randomness; give every training of a run its own stage name.
    validation : rows to look at every ``config.evaluate_every`` epochs; needed for ``selection="validation"``,
        which keeps the weights of the last epoch with the highest validation accuracy.
    look_from : the first epoch, from 1, that is looked at; the last one always is.
    labels : int64[n], what to learn for each of ``rows`` where it is not the label of the data (pseudo labels).
    weights : float[n], at least 0, a weight for each of ``rows``, handed to ``loss`` as a third argument float[B]; the
        default loss takes none.
    order : called once per epoch with a generator, returns positions into ``rows`` (default: a random permutation).
    loss : maps (logits float[B,C], labels int64[B]), and the weights where there are any, to a scalar. The state of a
        loss that is a module, such as :class:`spbl_nb.losses.GHMC`, is kept in the checkpoint.
    run : name of the run that a checkpoint belongs to, such as the method's.
    checkpoint : file written at the end of an epoch, at most every ``checkpoint_seconds``; if it is there already,
        training goes on from it. A checkpoint of another run is refused with :class:`ResumeError`.

    With several processes (``accelerate launch``) each takes an equal share of every batch, at least two pictures. The
    loss is that of the whole batch, whatever it divides by: every process gets the logits of all. So a network without
    BatchNorm learns what it would learn in one process, up to rounding, which training then enlarges: after 300 steps on
    ``digits`` as much as starting weights changed by 1e-7 of themselves would do. BatchNorm normalises by the pictures of
    its own process; its running statistics are averaged over the processes after every epoch. There (``small_cnn``, two
    processes for one, mean of four seeds) the last training loss was 0.130 for 0.080 and the test accuracy 0.822 for 0.839
    with batches of 16; 0.029 for 0.023 and 0.905 for 0.911 with batches of 64.

    Raises ValueError for fewer than two rows, ``selection="validation"`` without validation rows, and a batch that
    cannot be shared.
    """
    rows = checks.row_array("rows", rows, len(data))
    seed = checks.integer("seed", seed, 0)
    if len(rows) < 2:
        raise ValueError(
            "rows holds one training sample; at least 2 are needed, for BatchNorm cannot use a batch of one"
        )
    if config.selection == "test":
        raise ValueError(
            "selection is 'test', which is the leak of SPBL as released; no other training may select on it"
        )
    if config.selection == "validation" and validation is None:
        raise ValueError("selection is 'validation', but no validation rows are given")
    if weights is not None and loss is functional.cross_entropy:
        raise ValueError("weights are given, but the default loss takes none; give a loss of (logits, labels, weights)")
    if validation is not None:
        validation = checks.row_array("validation", validation, len(data))
    if weights is not None:
        weights = checks.finite_array("weights", weights, ndim=1, length=len(rows))
    with torch_threads(config.threads):
        looks = validation, checks.integer("look_from", look_from, 1)
        training = _Training(model, data, rows, config, seed, stage, looks, labels, weights, order, loss, run)
        return training.run(checkpoint, checkpoint_seconds, progress)


def predict(
    model: Classifier, data: ImageData | FeatureData, rows: np.ndarray, config: Config, *, batch_size: int | None = None
) -> Prediction:
    """Return logits and features of the given rows in evaluation mode, without augmentation; nothing else changes.

    ``batch_size`` None: 512, or fewer where pictures are larger than 96 x 96, so that memory does not grow with them.
    Several processes share the rows, and each gets the predictions of all.
    """
    rows = checks.row_array("rows", rows, len(data))
    if batch_size is not None:
        batch_size = checks.integer("batch_size", batch_size, 1)
    with torch_threads(config.threads):
        accelerator = accelerator_for(config)
        model.to(accelerator.device).to(memory_format=memory_format_of(config))
        return _predict(model, inputs_of(data, accelerator.device, config), rows, accelerator, batch_size)


def cache_features(model: Classifier, data: ImageData | FeatureData, config: Config) -> FeatureData:
    """Return the features of all pictures under the network's backbone as it is now, one pass over the data.

    Taught in: notebooks/05_spbl, section 1.
    """
    features = predict(model, data, np.arange(len(data)), config).features
    return FeatureData(f"{data.name} (features)", features, data.labels, data.class_names, data.sha256)


def accelerator_for(config: Config) -> Accelerator:
    """Return an Accelerator with the device and precision of the configuration.

    Accelerate keeps these in one place per process; they are set anew here, so that a notebook may train at one
    precision after another. Raises ValueError when the device is not there or
    cannot work at that precision.
    """
    available: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in available and not available[config.device]():
        raise ValueError(f"device is {config.device!r}, but torch finds none here; take 'cpu' or 'auto'")
    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if not launched:
        AcceleratorState._reset_state(reset_partial_state=True)
    precision = "no" if config.precision == "fp32" else config.precision
    accelerator = Accelerator(mixed_precision=precision, cpu=config.device == "cpu")
    if config.precision == "fp16" and accelerator.device.type != "cuda":
        raise ValueError(
            f"precision is 'fp16', which needs a CUDA device, but the device is {accelerator.device}; take 'bf16'"
        )
    return accelerator


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run the block with ``count`` threads in torch and in the BLAS under NumPy, and restore the numbers afterwards."""
    before = torch.get_num_threads()
    with threadpool_limits(count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def generator_for(seed: int, purpose: str, stage: str = "", epoch: int = 0) -> np.random.Generator:
    """Return the random stream of one purpose ("order", "augmentation", …) in one epoch of one stage."""
    checks.instance("purpose", purpose, str), checks.instance("stage", stage, str)
    seed, epoch = checks.integer("seed", seed, 0), checks.integer("epoch", epoch, 0)
    return np.random.default_rng(
        [
            seed,
            zlib.crc32(purpose.encode(errors="surrogatepass")),
            zlib.crc32(stage.encode(errors="surrogatepass")),
            epoch,
        ]
    )


def learning_rate_factor(config: Config, step: int, total: int) -> float:
    """Return the factor on the learning rate at ``step`` of ``total``: ``lr_gamma`` for each milestone behind it."""
    return config.lr_gamma ** sum(step >= share * total for share in config.milestones)


def step_budget(config: Config, samples: int) -> int:
    """Return the optimiser steps that a configuration grants a training on that many samples."""
    per_epoch = samples // min(config.batch_size, samples)
    return min(config.epochs * per_epoch, config.max_steps or config.epochs * per_epoch)


def _predict(
    model: Classifier,
    inputs: Pictures | Features,
    rows: np.ndarray,
    accelerator: Accelerator,
    batch_size: int | None = None,
) -> Prediction:
    batch_size = batch_size or min(512, max(1, _PIXELS_AT_ONCE // inputs.pixels))
    shares = accelerator.num_processes if len(rows) >= accelerator.num_processes else 1
    own = np.array_split(rows, shares)[accelerator.process_index if shares > 1 else 0]
    was_training = model.training
    model.eval()
    outputs: list[Tensor] = []
    with torch.inference_mode(), accelerator.autocast():
        for start in range(0, len(own), batch_size):
            stop = min(start + batch_size, len(own))
            parts = model(inputs.batch(own[start:stop]), with_features=True)
            if not outputs:
                outputs = [torch.empty((len(own), part.shape[1])) for part in parts]
            for output, part in zip(outputs, parts, strict=True):
                output[start:stop] = part
        if shares > 1:
            outputs = [_gathered(output, len(rows), accelerator) for output in outputs]
    model.train(was_training)
    return Prediction(*(output.numpy() for output in outputs))


def _gathered(own: Tensor, rows: int, accelerator: Accelerator) -> Tensor:
    """Return float32[rows,·] of all processes from the part of each; parts differ by one row at most."""
    shares = accelerator.num_processes
    sizes = [len(part) for part in np.array_split(np.empty(rows, dtype=bool), shares)]
    padded = functional.pad(own, (0, 0, 0, max(sizes) - len(own))).to(accelerator.device)
    parts = accelerator.gather(padded).cpu().split(max(sizes))
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Training:
    """The state of one training: what :func:`fit` sets up, steps through, saves and restores."""

    def __init__(
        self,
        model: Classifier,
        data: ImageData | FeatureData,
        rows: np.ndarray,
        config: Config,
        seed: int,
        stage: str,
        looks: tuple[np.ndarray | None, int],
        labels: np.ndarray | None,
        weights: np.ndarray | None,
        order: Order | None,
        loss: Loss,
        run: str,
    ) -> None:
        self.accelerator = accelerator_for(config)
        self.model, self.data, self.rows, self.config = model, data, rows, config
        self.seed, self.stage, self.loss, self.run_name = seed, stage, loss, run
        self.validation, self.look_from = looks
        self.start_sha256 = files.sha256_of(*(value.cpu().numpy() for value in model.state_dict().values()))
        self.order = order or (lambda rng: rng.permutation(len(rows)))
        self.mirror = data.mirror if config.flip is None else config.flip
        model.to(self.accelerator.device).to(memory_format=memory_format_of(config))
        self.inputs = inputs_of(data, self.accelerator.device, config)
        labels = data.labels[rows] if labels is None else labels
        labels = checks.label_array("labels", labels, data.num_classes, length=len(rows))
        self.targets = [torch.tensor(labels)]
        if weights is not None:
            weights = checks.finite_array("weights", weights, ndim=1, length=len(rows))
            if weights.min() < 0:
                raise ValueError(f"weights[{int(weights.argmin())}] is {weights.min():g}; allowed: 0 or more")
            self.targets.append(torch.tensor(weights).float())
        head_lr = config.lr
        backbone_lr = config.lr if config.backbone_lr is None else config.backbone_lr
        groups = [
            {"params": list(model.backbone.parameters()), "initial_lr": backbone_lr, "lr": backbone_lr},
            {"params": list(model.head.parameters()), "initial_lr": head_lr, "lr": head_lr},
        ]
        optimizer = torch.optim.SGD(
            groups, lr=head_lr, momentum=config.momentum, nesterov=config.momentum > 0, weight_decay=config.weight_decay
        )
        self.network, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.epoch = self.step = 0
        self.total_steps: int | None = None
        self.history: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self.seconds = 0.0

    def run(self, checkpoint: str | os.PathLike | None, checkpoint_seconds: float, progress: bool) -> Fit:
        started = saved = time.perf_counter()
        if checkpoint is not None:
            self._restore(processes.from_first(lambda: checkpoints.load(checkpoint, self._owner())))
        before = self.seconds
        with self._unwrapping(), _progress_bar(progress, self.stage) as bar:
            while not self._finished():
                self._epoch(bar)
                self.seconds = before + time.perf_counter() - started
                due = time.perf_counter() - saved >= checkpoint_seconds or self._finished()
                if checkpoint is not None and due:
                    self._save(checkpoint)
                    saved = time.perf_counter()
            if self.best is not None:
                self.accelerator.unwrap_model(self.network).load_state_dict(self.best["model"])
        return Fit(self.history, self.step, self.seconds)

    @contextlib.contextmanager
    def _unwrapping(self) -> Iterator[None]:
        """Give the network back as it came, also after an interruption: without Accelerate's precision wrapper.

        Without its mark too: Accelerate leaves a marked network as it is, and its next training would silently run in
        single precision, and apart in every process.
        """
        try:
            yield
        finally:
            model = self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
            vars(model).pop("forward", None)  # what is left there hides the class's own method
            vars(model).pop("_is_accelerate_prepared", None)
            model.eval()

    def _finished(self) -> bool:
        return self.total_steps is not None and self.step >= self.total_steps

    def _epoch(self, bar: Any) -> None:
        """Run one epoch, or what the step budget leaves of it."""
        config = self.config
        order = np.asarray(self.order(generator_for(self.seed, "order", self.stage, self.epoch)))
        batch_size = min(config.batch_size, len(order))
        shares = self.accelerator.num_processes
        if shares > 1 and (batch_size % shares or batch_size < 2 * shares):
            raise ValueError(
                f"a batch of {batch_size} cannot be shared by {shares} processes; a multiple of {shares} is needed, at "
                "least 2 pictures for each"
            )
        batches = len(order) // batch_size
        if self.total_steps is None:
            self.total_steps = step_budget(config, len(order))
        batches = min(batches, self.total_steps - self.step)
        rng = generator_for(self.seed, "augmentation", self.stage, self.epoch)
        shift = rng.integers(-config.padding, config.padding + 1, (len(order), 2))
        mirror = rng.random(len(order)) < (0.5 if self.mirror else 0.0)
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        whole = [slice(index * batch_size, (index + 1) * batch_size) for index in range(batches)]
        own = [slice(one.start + self.accelerator.process_index, one.stop, shares) for one in whole]
        rows = [self.rows[order[one]] for one in own]
        self.network.train()
        with self._dropout_stream():
            for index in range(batches):
                pictures = self.inputs.batch(rows[index], shift[own[index]], mirror[own[index]])
                self.inputs.read_ahead(rows[index + 1] if index + 1 < batches else None)
                sums += self._step(pictures, order[whole[index]])
                bar.total = self.total_steps
                bar.update(1)
        self._average_statistics()
        sums /= batches * batch_size
        self.epoch += 1
        entry = {"epoch": self.epoch, "step": self.step, "lr": self.optimizer.param_groups[-1]["lr"]}
        entry |= {"train_loss": float(sums[0]), "train_accuracy": float(sums[1])}
        due = self.epoch >= self.look_from and self.epoch % config.evaluate_every == 0
        if self.validation is not None and (due or self._finished()):
            entry |= self._look(self.validation)
        self.history.append(entry)
        bar.set_postfix({key: f"{value:.3f}" for key, value in entry.items() if key.endswith(("loss", "accuracy"))})

    def _step(self, pictures: Tensor, positions: np.ndarray) -> Tensor:
        """Take one optimiser step on this process's pictures of a batch; return (summed loss, number right) of the batch."""
        index = torch.from_numpy(positions)
        targets = [values[index].to(self.accelerator.device) for values in self.targets]
        labels = targets[0]
        assert self.total_steps is not None  # it is set when the first epoch is laid out
        factor = learning_rate_factor(self.config, self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        self.optimizer.zero_grad()
        logits = self._of_whole_batch(self.network(pictures))
        loss = self.loss(logits, *targets)
        self.accelerator.backward(loss * self.accelerator.num_processes)  # gradients are averaged over the processes
        self.optimizer.step()
        self.step += 1
        right = (logits.detach().argmax(dim=1) == labels).sum()
        return torch.stack([loss.detach().double() * len(labels), right.double()])

    def _of_whole_batch(self, own: Tensor) -> Tensor:
        """Return the logits of the batch in its order, of which this process's, every n-th, carry gradients."""
        shares = self.accelerator.num_processes
        if shares == 1:
            return own
        parts = list(self.accelerator.gather(own.detach()).split(len(own)))
        parts[self.accelerator.process_index] = own
        return torch.stack(parts, dim=1).flatten(0, 1)

    def _average_statistics(self) -> None:
        """Give all processes the same running statistics, the mean of theirs."""
        if self.accelerator.num_processes == 1:
            return
        for buffer in self.network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.accelerator.reduce(buffer, "mean"))

    def _look(self, rows: np.ndarray) -> dict[str, float]:
        """Measure the validation part, and keep the weights if they are the best so far."""
        model = self.accelerator.unwrap_model(self.network)
        prediction = _predict(model, self.inputs, rows, self.accelerator)
        labels = self.data.labels[rows]
        loss = functional.cross_entropy(torch.from_numpy(prediction.logits), torch.from_numpy(labels))
        report = metrics.report(labels, prediction.logits, self.data.num_classes)
        look = {"loss": float(loss), "accuracy": report.accuracy, "f1": report.f1}
        best = -1.0 if self.best is None else self.best["accuracy"]
        if self.config.selection == "validation" and report.accuracy >= best:
            state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
            self.best = {"accuracy": report.accuracy, "epoch": self.epoch, "model": state}
        return {f"validation_{key}": value for key, value in look.items()}

    @contextlib.contextmanager
    def _dropout_stream(self) -> Iterator[None]:
        """Seed torch's own random state, which dropout draws from, for this epoch only."""
        device = self.accelerator.device
        seed = generator_for(self.seed, "dropout", self.stage, self.epoch).integers(2**62)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(seed) + self.accelerator.process_index)
            yield

    def _owner(self) -> dict[str, Any]:
        """Say whose checkpoint this is: everything that must agree before training may go on from it."""
        settings = {key: value for key, value in self.config.to_dict().items() if key not in ("seeds", "preset")}
        rows = files.sha256_of(self.rows, self.validation, *(values.numpy() for values in self.targets))
        run = {"run": self.run_name, "stage": self.stage, "seed": self.seed, "start": self.start_sha256}
        run["look_from"] = self.look_from
        return run | {"settings": settings, "data": self.data.sha256, "rows": rows}

    def _save(self, path: str | os.PathLike) -> None:
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        content = {
            "model": self.accelerator.unwrap_model(self.network).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "loss": self.loss.state_dict() if isinstance(self.loss, nn.Module) else None,
            **{name: getattr(self, name) for name in _COUNTERS},
        }
        checkpoints.save(path, content, self._owner())

    def _restore(self, content: dict[str, Any] | None) -> None:
        if content is None:
            return
        self.accelerator.unwrap_model(self.network).load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        if content["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(content["scaler"])
        if isinstance(self.loss, nn.Module):
            self.loss.load_state_dict(content["loss"])
        for name in _COUNTERS:
            setattr(self, name, content[name])


_COUNTERS = ("epoch", "step", "total_steps", "history", "best", "seconds")


def _progress_bar(wanted: bool, stage: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(desc=stage, unit="step", leave=False, disable=not (wanted and processes.is_first()))
