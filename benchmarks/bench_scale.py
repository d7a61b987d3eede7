"""Large pictures, many rows, many classes: time and memory, as ratios against a stated rival in the same run.

Run with: ``python -m pytest benchmarks/bench_scale.py -s``.
"""

import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from spbl_nb import balance, methods, metrics, pace, training
from spbl_nb.config import preset
from spbl_nb.data import split as splits
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.registry import load
from spbl_nb.training import batches, models


def median_seconds(act, rounds=7):
    """Return the median seconds of a call, the first one left out."""
    act()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


@pytest.mark.parametrize("side", [28, 224])
def bench_cutting_a_batch(benchmark, side):
    """64 pictures out of 512 read and cut: whole lines by NumPy, against torch's own indexing and a gather of pixels."""
    rng, margin = np.random.default_rng(0), side // 14
    images = rng.integers(0, 256, (512, 3, side + 2 * margin, side + 2 * margin), dtype=np.uint8)
    rows = rng.permutation(512)[:64]
    shift, mirror = rng.integers(-margin, margin + 1, (64, 2)), rng.random(64) < 0.5
    data = ImageData("noise", images, np.arange(512) % 2, ("a", "b"))
    pictures = batches.Pictures(data, torch.device("cpu"), preset("smoke", crop=True, padding=margin))
    moves = torch.from_numpy(shift), torch.from_numpy(mirror)

    def ours():
        return batches.shift_and_mirror(pictures._gather(rows), *moves, margin)

    def by_pixels():
        chosen = torch.from_numpy(images)[torch.from_numpy(rows)]
        full = side + 2 * margin
        row = torch.arange(margin, full - margin) + moves[0][:, :1]
        across = torch.arange(margin, full - margin)
        column = torch.where(moves[1][:, None], full - 1 - across, across) + moves[0][:, 1:]
        source = (row[:, :, None] * full + column[:, None, :]).view(64, 1, -1).expand(-1, 3, -1)
        return chosen.flatten(2).gather(2, source).view(64, 3, side, side)

    with training.torch_threads(1):
        mine, theirs = ours(), by_pixels()
        column = mine.shape[3]
        assert mine.shape == theirs.shape == (64, 3, side, column)
        benchmark.pedantic(ours, rounds=5, warmup_rounds=1)
        quick, slow = median_seconds(ours), median_seconds(by_pixels)
        whole = median_seconds(lambda: pictures.batch(rows, shift, mirror))
    benchmark.extra_info |= {"ratio": slow / quick}
    print(
        f"\n{side} pixels: read and cut {1000 * quick:.2f} ms, by torch index and a gather of pixels {1000 * slow:.1f} ms: "
        f"{slow / quick:.1f} times faster; normalised as well {1000 * whole:.1f} ms"
    )


def bench_training_from_a_file(benchmark, tmp_path):
    """The same training from a memory map, from a cold file with and without reading ahead, and from memory."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1600, 3, 224, 224), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", images)
    mapped = np.load(tmp_path / "pictures.npy", mmap_mode="r")
    config = preset("smoke", epochs=1, max_steps=None, batch_size=64, crop=True, padding=56)
    labels = np.arange(len(images)) % 5

    def seconds(pictures, ahead=True):
        data = ImageData("noise", pictures, labels, tuple("abcde"))
        handle = os.open(tmp_path / "pictures.npy", os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ImageData, "sha256", "")
            if not ahead:
                patch.setattr(batches.Pictures, "read_ahead", lambda self, rows: None)
            return training.fit(models.build("small_cnn", 5, 112), data, np.arange(len(images)), config).seconds

    seconds(images)
    rounds = [(seconds(images), seconds(mapped), seconds(mapped, ahead=False)) for _ in range(3)]
    memory, file, behind = np.median(rounds, axis=0)
    benchmark.pedantic(seconds, (mapped,), rounds=1)
    benchmark.extra_info |= {"file_over_memory": file / memory, "without_reading_ahead": behind / memory}
    print(
        f"\n25 steps at 112 of 224 pixels: {memory:.2f} s from memory, {file:.2f} s from a cold file ({file / memory:.2f} "
        f"times), {behind:.2f} s without reading ahead ({behind / memory:.2f} times)"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA and /proc are Linux")
def bench_a_cache_larger_than_memory(benchmark, tmp_path):
    """What a training from a file of 1.1 GB takes of private memory."""
    child = Path(__file__).parents[1] / "tests/helpers/bounded_memory.py"
    done = benchmark.pedantic(
        subprocess.run, ([sys.executable, child, tmp_path],), {"capture_output": True, "text": True}, rounds=1
    )
    file, limit, grown, _ = map(float, done.stdout.split())
    benchmark.extra_info |= {"grown_over_file": grown / file}
    print(f"\na file of {file:.0f} MB, a limit of {limit:.0f} MB: {grown:.0f} MB taken beyond the imports")


@pytest.mark.parametrize("classes", [10, 198])
def bench_selection_balance_and_metrics(benchmark, classes):
    """One pace's bookkeeping on 20,000 and on 200,000 rows; ten times the rows should take ten times the time."""
    spent = {}
    for rows in (20_000, 200_000):
        rng = np.random.default_rng(0)
        labels = np.sort(np.concatenate([np.arange(classes), rng.zipf(1.3, rows - classes) % classes]))
        loss, scores = rng.exponential(size=rows), rng.normal(size=(rows, classes))

        def pass_once(labels=labels, loss=loss, scores=scores):
            marks = [time.perf_counter()]
            selected = pace.select_easiest(loss, labels, 0.75, classes)
            pace.diverse_selection(loss, labels, 0.5, 0.1)
            marks.append(time.perf_counter())
            complexity = balance.class_complexity(loss, labels, selected, classes)
            balance.penalty_weights(complexity, "sorted", 10, 0)
            counts = np.bincount(labels[selected], minlength=classes)
            after = balance.reconstruct_curriculum(counts, complexity)
            balance.resample(labels[selected], after - counts, 0, replacement=False)
            marks.append(time.perf_counter())
            metrics.report(labels, scores, classes)
            marks.append(time.perf_counter())
            return dict(zip(("selection", "balance", "metrics"), np.diff(marks), strict=True))

        pass_once()
        parts = [pass_once() for _ in range(3)]
        tracemalloc.start()
        pass_once()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        middle = {name: float(np.median([part[name] for part in parts])) for name in parts[0]}
        spent[rows] = sum(middle.values())
        told = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in middle.items())
        print(
            f"\n{classes} classes, {rows} rows: {told}; peak {peak / 1e6:.0f} MB over scores of {scores.nbytes / 1e6:.0f} MB"
        )
    benchmark.pedantic(pass_once, rounds=1)
    benchmark.extra_info |= {"growth": spent[200_000] / spent[20_000]}
    print(f"{classes} classes: ten times the rows take {spent[200_000] / spent[20_000]:.1f} times as long")


def bench_lesions198_in_feature_cache_mode(benchmark):
    """SPBL as intended on 6,584 synthetic pictures of 198 classes, the backbone frozen after the seed stage, against ``ce``."""
    data = load("lesions198", size=32)
    split = splits.make_split(data, 0.1, 0.2)
    config = preset("fast", feature_cache=True, max_steps=2000, epochs=40, threads=2)
    labels, told = data.labels[split.test], []
    for method in ("ce", "spbl_intended"):
        call = (method, data, split, config)
        result = methods.run(*call) if method == "ce" else benchmark.pedantic(methods.run, call, rounds=1)
        report = metrics.report(labels, result.scores, data.num_classes, result.predicted)
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.timing.items())
        told.append(result.seconds)
        print(
            f"\n{method}: {result.seconds:.1f} s for {result.steps} steps ({parts or 'training'}); accuracy "
            f"{report.accuracy:.3f}, macro recall {report.recall:.3f}, F1 {report.f1:.3f}, MAUC {report.mauc:.3f}, dead "
            f"classes {len(report.dead_classes)}"
        )
    benchmark.extra_info |= {"over_ce": told[1] / told[0]}
