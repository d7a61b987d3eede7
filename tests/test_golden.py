"""Golden numbers: what the library computes today, so that a change that moves a number is seen.

``tests/reference/golden.json`` holds one entry for each topic. Whole numbers, choices and texts must be equal. Real numbers are
compared to a relative 1e-6 on the machine type on which the file was made (same torch, same instruction set) and to a relative
1e-2 elsewhere, since a network's sums are rounded differently there. ``python tests/test_golden.py [TOPIC …]`` writes the file
anew; a commit that does so names the entries that move, and why.
"""

import hashlib
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spbl_nb import balance, config, data, detection, files, ghm, losses, methods, metrics, pace, significance
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.synthetic import draw, groups
from spbl_nb.detection import retinanet
from spbl_nb.results import export, report, store, tables

ROOT = Path(__file__).parents[1]
FILE = Path(__file__).parent / "reference" / "golden.json"
HERE = {"torch": torch.__version__, "numpy": np.__version__, "cpu": torch.backends.cpu.get_cpu_capability()}
TIMED = ("seconds", "timing", "images_per_second", "memory")


def sha(array):
    """Return a short hash of an array's bytes, type and shape."""
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype.str} {array.shape}".encode() + array.tobytes()).hexdigest()[:16]


def untimed(value):
    """Return nested values as JSON holds them, without anything that is timed."""
    if isinstance(value, dict):
        return {key: untimed(one) for key, one in value.items() if not any(word in key for word in TIMED)}
    if isinstance(value, list):
        return [untimed(one) for one in value]
    return value


def noisy(counts=(60, 20, 10), size=16):
    """Images whose classes overlap, so that no method is right everywhere."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(len(counts)), counts)
    colour = rng.integers(90, 165, (len(counts), 3, 1, 1))
    images = (colour[labels] + rng.normal(0, 90, (len(labels), 3, size, size))).clip(0, 255).astype(np.uint8)
    return ImageData("noisy", images, labels, tuple("abc"[: len(counts)]))


def method(name):
    """Train by one method at preset smoke: choices, history, details, and scores."""
    samples = noisy()
    split = data.make_split(samples, 0.15, 0.3)
    found = methods.run(name, samples, split, config.preset("smoke"), seed=0)
    kept = {"predicted": found.predicted.tolist(), "kind": found.score_kind, "steps": found.steps}
    kept |= {"history": untimed(found.history), "details": untimed(found.details), "scores": found.scores.tolist()}
    return kept


def drawn_images():
    """Hashes of drawn and embedded images and of their splits."""
    found = {}
    for name, options in {"lesions": {}, "digits": {}, "lesions198": {"size": 16}}.items():
        one = data.load(name, **options)
        split = data.make_split(one, seed=0)
        found[name] = [sha(np.asarray(one.images)), sha(one.labels), one.sha256, split.sha256, sha(split.test)]
    folds = [data.make_split(noisy((60, 30, 20)), seed=1, fold=fold).sha256 for fold in range(5)]
    lesions = draw.draw([6, 3, 2], difficulty=[0.1, 0.5, 0.9], size=24, seed=5, pictures_per_lesion=2)
    several = groups.draw(3, size=64, seed=2)
    boxes = detection.load("synthetic", None, 64, count=6)
    found |= {"folds": folds, "lesion": sha(lesions.images), "groups": [sha(several.images), sha(several.boxes)]}
    return found | {"detection": [sha(np.asarray(boxes.images)), sha(boxes.boxes), sha(boxes.labels)]}


def image_folder():
    """Identity and pixels of a folder of images, decoded into a cache."""
    with tempfile.TemporaryDirectory() as scratch:
        rng = np.random.default_rng(0)
        for index in range(24):
            place = Path(scratch) / "images" / "abc"[index % 3] / f"{index}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (20 + index, 30, 3), dtype=np.uint8)).save(place)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPBL_NB_CACHE", str(Path(scratch) / "cache"))
            found = data.load("folder", Path(scratch) / "images", size=16)
            return [sha(np.asarray(found.images)), sha(found.labels), found.sha256, data.make_split(found).sha256]


def settings():
    """Digests of the presets."""
    return {name: config.preset(name).digest for name in ("smoke", "fast", "full", "release", "paper")}


def formulas():
    """Self-paced weights, selections, balance."""
    rng = np.random.default_rng(1)
    loss, labels = rng.exponential(1, 200), np.r_[np.arange(5), rng.integers(0, 5, 195)]
    easiest = pace.select_easiest(loss, labels, 0.35)
    complexity = balance.class_complexity(loss, labels, easiest, 5)
    counts = np.array([40, 12, 30, 7, 99])
    forms = {"hard": {}, "linear": {}, "polynomial": {"t": 3.0}, "logistic": {}, "mixture": {"lower_age": 0.4}}
    weights = {form: pace.self_paced_weights(loss, 1.1, form, **more) for form, more in forms.items()}
    weights["logarithmic"] = pace.self_paced_weights(loss / 10, 0.4, "logarithmic")
    assigned = {way: balance.penalty_weights(complexity, way, rng=7) for way in ("sorted", "released")}
    found = {
        **weights,
        "easiest": np.flatnonzero(easiest),
        "diverse": np.flatnonzero(pace.diverse_selection(loss, labels, 0.5, 0.3)),
        "co": np.flatnonzero(pace.co_select(np.exp(-loss), labels, counts, 0.25)),
        "ease": balance.class_ease(loss, labels, easiest, 5),
        "complexity": complexity,
        **{f"weights {way}": value for way, value in assigned.items()},
        "costs": balance.consistent_costs(4, rng=3)[1],
        "cost vector": balance.cost_vector(balance.consistent_costs(6, rng=1)[0]),
        "curriculum": balance.reconstruct_curriculum(counts, complexity),
    }
    return {name: np.asarray(value).tolist() for name, value in found.items()}


def tensor_losses():
    """Values of the losses and sums of their gradients."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(40, 6, generator=generator).double()
    labels, counts = torch.randint(0, 6, (40,), generator=generator), [50, 40, 9, 20, 3, 8]
    target = torch.nn.functional.one_hot(labels, 6).double()
    prior, margins = losses.class_prior(counts), losses.ldam_margins(counts)
    functions = {
        "focal": lambda z: losses.focal(z, labels, 2.0),
        "ldam": lambda z: losses.ldam(torch.tanh(z), labels, margins),
        "logit_adjusted": lambda z: losses.logit_adjusted(z, labels, prior, 0.7),
        "ghm_c": lambda z: losses.GHMC()(z, target),
        "ghm_r": lambda z: losses.GHMR()(z, target),
        "ghm_c without correction": lambda z: ghm.GHMC(bins=10, momentum=0.0, bias_correction=False)(z, target),
    }
    found = {"class_balanced": losses.class_balanced_weights(counts, 0.99).tolist()}
    for name, function in functions.items():
        z = logits.clone().requires_grad_()
        value = function(z).mean()
        value.backward()
        found[name] = [float(value), float(z.grad.abs().sum()), float((z.grad * logits).sum())]
    return found


def measures():
    """Metrics and statistics."""
    rng = np.random.default_rng(2)
    labels = np.r_[np.arange(4), rng.integers(0, 4, 96)]
    scores = rng.dirichlet(np.ones(4), 100) + 0.3 * np.eye(4)[labels]
    found = metrics.report(labels, scores)
    one, other = rng.normal(0.8, 0.02, 9), rng.normal(0.79, 0.02, 9)
    table = {name: dict(enumerate(rng.normal(0.8, 0.1, 8))) for name in ("a", "b", "c", "d")}
    ranked = significance.rank_methods(table)
    interval, bca = significance.mean_interval(one - other), significance.mean_interval((one - other)[:6] ** 2)
    return {
        "report": {name: getattr(found, name) for name in ("precision", "recall", "f1", "specificity", "accuracy")}
        | {name: getattr(found, name) for name in ("g_mean", "g_mean_corrected", "mauc", "weighted_harmonic")},
        "mauc": metrics.mauc(labels, scores),
        "p": [significance.sign_flip_test(one - other).p, significance.sign_flip_test((one - other)[:6]).p],
        "holm": significance.holm([0.01, 0.04, 0.03, 0.2]).tolist(),
        "intervals": [interval.low, interval.high, bca.low, bca.high],
        "smallest": [significance.smallest_attainable_p(6, 4), significance.seeds_needed(4)],
        "ranks": [ranked.friedman_p, ranked.critical_difference, *ranked.mean_ranks],
    }


def detector():
    """The losses of a few steps of the small detector."""
    samples = detection.load("synthetic", None, 64, count=12)
    settings = detection.settings("smoke", batch_size=4, epochs=2, max_steps=None)
    model = retinanet.build("small", len(samples.class_names), "ghm_c", "ghm_r", seed=0)
    fitted = detection.fit(model, samples, np.arange(12), settings, 0)
    return untimed(fitted.history)


def report_tables():
    """The numbers of the report's tables, from the committed result files."""
    found, nothing = {}, np.empty(0)
    for path in sorted((ROOT / "results").glob("*.json")):
        runs = [store.Run(path, one, nothing, nothing, nothing, nothing, []) for one in store.read_records(path)]
        frame = tables.frame(runs)
        numbers = [[float(value) for value in row] for row in frame.select_dtypes("number").to_numpy(float)]
        found[path.name] = {"rows": len(frame), "sum": np.nansum(numbers, axis=0).tolist()}
        found[path.name]["overview"] = [list(map(str, row)) for row in export.overview(runs).to_numpy()]
        for dataset in sorted(frame["dataset"].unique()):
            for metric in ("f1", "accuracy"):
                compared = report.differences(frame, dataset, metric).comparisons
                found[path.name][f"{dataset} {metric}"] = [
                    [one.method, one.mean, one.interval.low, one.interval.high, one.test.p, one.adjusted_p]
                    for one in compared
                ]
    return found


TOPICS = {
    "drawn_images": drawn_images,
    "image_folder": image_folder,
    "settings": settings,
    "formulas": formulas,
    "tensor_losses": tensor_losses,
    "measures": measures,
    "detector": detector,
    "report_tables": report_tables,
    **{f"method {name}": (lambda name=name: method(name)) for name in methods.METHODS},
}


def differences(found, kept, tolerance, where=""):
    """Yield where two nested values differ, numbers beyond a relative tolerance."""
    if isinstance(kept, dict) and isinstance(found, dict):
        if set(kept) != set(found):
            yield f"{where}: entries {sorted(set(kept) ^ set(found))}"
        for key in sorted(set(kept) & set(found)):
            yield from differences(found[key], kept[key], tolerance, f"{where}/{key}")
    elif isinstance(kept, list) and isinstance(found, list):
        if len(kept) != len(found):
            yield f"{where}: {len(found)} entries in place of {len(kept)}"
        for index, (one, other) in enumerate(zip(found, kept, strict=False)):
            yield from differences(one, other, tolerance, f"{where}[{index}]")
    elif isinstance(kept, float) or isinstance(found, float):
        same = found is not None and kept is not None and math.isclose(found, kept, rel_tol=tolerance, abs_tol=1e-9)
        if not same:
            yield f"{where}: {found} in place of {kept}"
    elif found != kept:
        yield f"{where}: {found} in place of {kept}"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def compute(topic):
    """Return a topic's numbers as JSON holds them."""
    return json.loads(files.to_json(TOPICS[topic]()))


@pytest.mark.parametrize("topic", TOPICS)
def test_numbers_are_as_they_were(topic):
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    same_machine = kept["made on"] == HERE
    moved = list(differences(compute(topic), kept[topic], 1e-6 if same_machine else 1e-2))
    assert not moved, "\n".join(moved[:20])


def write(topics):
    """Write the file anew, all of it or some topics."""
    torch.set_num_threads(1)
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() and topics else {}
    kept |= {"made on": HERE} | {topic: compute(topic) for topic in topics or TOPICS}
    FILE.write_text(json.dumps(kept, sort_keys=True, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
