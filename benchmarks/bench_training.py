"""Speed of the training loop, as ratios against a stated rival in the same run.

Run with: ``python -m pytest benchmarks/bench_training.py -s --benchmark-disable-gc``
"""

import io
import time

import bare_step
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from spbl_nb import training
from spbl_nb.config import preset
from spbl_nb.data.dataset import ImageData
from spbl_nb.training import batches, models

ROWS, SIZE, BATCH, ROUNDS = 1920, 28, 64, 5
PRECISIONS = ("fp32", "bf16")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (ROWS, 3, SIZE, SIZE), dtype=np.uint8)
    return ImageData("noise", images, np.arange(ROWS) % 10, tuple("0123456789"), mirror=True)


def _config(precision, **options):
    return preset(
        "fast", epochs=1, max_steps=None, precision=precision, batch_size=BATCH, threads=2, lr=0.01, **options
    )


def _loop_seconds(data, config):
    model = models.build("mnist_net", 10, SIZE)
    fitted = training.fit(model, data, np.arange(len(data)), config)
    assert fitted.steps == ROWS // BATCH
    return fitted.seconds


class _Files(torch.utils.data.Dataset):
    """The customary pipeline: a picture is decoded by PIL and transformed by itself, every time it is used."""

    def __init__(self, data):
        from torchvision.transforms import v2

        self.labels = data.labels
        self.files = []
        for picture in data.images:
            buffer = io.BytesIO()
            Image.fromarray(picture.transpose(1, 2, 0)).save(buffer, "PNG")
            self.files.append(buffer.getvalue())
        self.transform = v2.Compose(
            [
                v2.RandomCrop(SIZE, padding=2, padding_mode="edge"),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        picture = Image.open(io.BytesIO(self.files[index])).convert("RGB")
        return self.transform(picture), int(self.labels[index])


def _loader_seconds(data, config):
    with training.torch_threads(config.threads):
        model = models.build("mnist_net", 10, SIZE).to(memory_format=batches.memory_format_of(config)).train()
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        loader = torch.utils.data.DataLoader(_Files(data), BATCH, shuffle=True, num_workers=2, drop_last=True)
        started = time.perf_counter()
        for pictures, labels in loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
                logits = model(pictures.contiguous(memory_format=batches.memory_format_of(config)))
            functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
        return time.perf_counter() - started


def _compare(benchmark, label, ours, rival, rival_name):
    """Time both in turn, so that a busy machine slows both, and report the medians."""
    ours(), rival()
    pairs = [(ours(), rival()) for _ in range(ROUNDS)]
    benchmark.pedantic(ours, rounds=1)
    mine, theirs = np.median(pairs, axis=0)
    ratio = float(np.median([b / a for a, b in pairs]))
    benchmark.extra_info["ratio"] = ratio
    print(
        f"\n{label}: loop {ROWS / mine:,.0f} pictures/s, {rival_name} {ROWS / theirs:,.0f} pictures/s; "
        f"loop at {100 * ratio:.0f} % of {rival_name}"
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("channels_last", [False, True])
def bench_loop_against_the_bare_step(benchmark, data, precision, channels_last):
    config = _config(precision, channels_last=channels_last)
    label = f"{precision}{', channels_last' if channels_last else ''}"
    _compare(
        benchmark,
        label,
        lambda: _loop_seconds(data, config),
        lambda: bare_step.seconds(config, 10, SIZE, ROWS // BATCH),
        "the bare step",
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def bench_loop_against_a_dataloader_of_files(benchmark, data, precision):
    config = _config(precision)
    _compare(
        benchmark,
        f"{precision}, channels_last",
        lambda: _loop_seconds(data, config),
        lambda: _loader_seconds(data, config),
        "a DataLoader of PNG files with 2 workers",
    )
