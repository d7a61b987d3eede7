"""Decode once against decoding in every epoch, on the JPEG files of HAM10000 (200 x 150 pixels), each a ratio in one run.

Run with: ``SPBL_NB_DATA=… python -m pytest benchmarks/bench_cache.py -s``. 2,000 of the 10,015 pictures are
written out as an image folder. Training: 32 pixels, batch 64, fp32, one torch thread, five epochs with crop and flip; both
ways decode with two threads or processes. Networks: ``small_resnet``, and a linear one on averages of 4 x 4 pixels, with
which hardly anything but loading takes time.
"""

import os
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from spbl_nb import data, training
from spbl_nb.config import preset
from spbl_nb.data.cache import cached_images
from spbl_nb.training import batches, models

PICTURES, SIZE, BATCH, EPOCHS, WORKERS, ROUNDS = 2000, 32, 64, 5, 2, 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An image folder of real JPEG files."""
    if not os.environ.get("SPBL_NB_DATA"):
        pytest.skip("SPBL_NB_DATA is not set: there are no JPEG files to measure")
    root = tmp_path_factory.mktemp("ham10000")
    with np.load(f"{os.environ['SPBL_NB_DATA']}/ham10000_200x150_jpegblob.npz") as stored:
        blob, offsets, labels, names = (stored[key] for key in ("blob", "offsets", "label", "class_names"))
    for row in np.random.default_rng(0).permutation(len(labels))[:PICTURES].tolist():
        place = root / str(names[labels[row]])
        place.mkdir(exist_ok=True)
        (place / f"{row}.jpg").write_bytes(blob[offsets[row] : offsets[row + 1]].tobytes())
    return root


@pytest.fixture
def fresh(tmp_path):
    """Return a function that gives a cache folder that was never used."""
    number = iter(range(1000))
    return lambda: tmp_path / str(next(number))


def _config():
    return preset("fast", epochs=EPOCHS, max_steps=None, precision="fp32", batch_size=BATCH, threads=1, lr=0.01)


def _network(name, num_classes):
    if name == "small_resnet":
        return models.build(name, num_classes, SIZE)
    features = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    return models.Classifier(features, nn.Linear(3 * (SIZE // 4) ** 2, num_classes))


def _ours(folder, cache, network):
    """Return (seconds of reading and caching, seconds in all) of five epochs out of the cache."""
    started = time.perf_counter()
    pictures = data.load("folder", folder, SIZE, cache=cache, workers=WORKERS)
    read = time.perf_counter() - started
    model = _network(network, pictures.num_classes)
    fitted = training.fit(model, pictures, np.arange(len(pictures)), _config())
    assert fitted.steps == EPOCHS * (PICTURES // BATCH)
    return read, time.perf_counter() - started


def _conventional(folder, network):
    """Return the seconds of the same five epochs by ImageFolder, torchvision's transforms and a DataLoader."""
    from torchvision import datasets
    from torchvision.transforms import v2

    started = time.perf_counter()
    config = _config()
    transform = v2.Compose(
        [
            v2.Resize((SIZE, SIZE)),
            v2.RandomCrop(SIZE, padding=config.padding, padding_mode="edge"),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    pictures = datasets.ImageFolder(str(folder), transform)
    loader = torch.utils.data.DataLoader(
        pictures, BATCH, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True
    )
    with training.torch_threads(config.threads):
        model = _network(network, len(pictures.classes)).to(memory_format=batches.memory_format_of(config)).train()
        optimizer = torch.optim.SGD(model.parameters(), config.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
        for _ in range(EPOCHS):
            for images, labels in loader:
                optimizer.zero_grad()
                logits = model(images.contiguous(memory_format=batches.memory_format_of(config)))
                functional.cross_entropy(logits, labels).backward()
                optimizer.step()
    return time.perf_counter() - started


def _sequential(paths, size):
    """Return the seconds in which PIL decodes and resizes one file after the other into an array."""
    started = time.perf_counter()
    images = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    for row, path in enumerate(paths):
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        images[row] = np.asarray(small).transpose(2, 0, 1)
    return time.perf_counter() - started


def _seconds(act):
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@pytest.mark.parametrize("network", ["small_resnet", "linear"])
def bench_training_against_an_image_folder(benchmark, folder, fresh, network):
    pairs = [(*_ours(folder, fresh(), network), _conventional(folder, network)) for _ in range(ROUNDS)]
    benchmark.pedantic(lambda: None, rounds=1)
    read, ours, theirs = np.median(pairs, axis=0)
    ratios = [theirs / ours for _, ours, theirs in pairs]
    benchmark.extra_info["ratio"] = float(np.median(ratios))
    print(
        f"\n{network}, {EPOCHS} epochs of {PICTURES} pictures at {SIZE} px: decode once {ours:.1f} s, {read:.1f} s of them "
        f"for the cache; ImageFolder and DataLoader with {WORKERS} workers {theirs:.1f} s; {np.median(ratios):.1f} times as "
        f"fast (rounds: {', '.join(f'{ratio:.1f}' for ratio in ratios)})"
    )


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("workers", [1, 2])
def bench_building_against_plain_decoding(benchmark, folder, fresh, size, workers):
    paths = sorted(folder.glob("*/*.jpg"))
    pairs = [
        (_seconds(lambda: cached_images(paths, size, folder=fresh(), workers=workers)), _sequential(paths, size))
        for _ in range(3)
    ]
    benchmark.pedantic(lambda: None, rounds=1)
    ours, theirs = np.median(pairs, axis=0)
    ratio = float(np.median([theirs / ours for ours, theirs in pairs]))
    benchmark.extra_info["ratio"] = ratio
    print(
        f"\ncache of {len(paths)} pictures at {size} px, {workers} threads: {ours:.2f} s; one after the other by PIL, nothing "
        f"kept: {theirs:.2f} s; {ratio:.2f} times as fast"
    )


def bench_reopening_against_building(benchmark, folder, fresh):
    paths, cache = sorted(folder.glob("*/*.jpg")), fresh()
    built = _seconds(lambda: cached_images(paths, SIZE, folder=cache, workers=WORKERS))
    time.sleep(2.1)  # files this new would be hashed again
    cached_images(paths, SIZE, folder=cache)
    opened = float(np.median([_seconds(lambda: cached_images(paths, SIZE, folder=cache)) for _ in range(7)]))
    benchmark.pedantic(lambda: cached_images(paths, SIZE, folder=cache), rounds=3)
    benchmark.extra_info["ratio"] = built / opened
    print(f"\nreopening a cache of {len(paths)} pictures: {1000 * opened:.0f} ms; building it {built:.1f} s")
