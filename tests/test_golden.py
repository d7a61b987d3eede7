"""Known numbers of the whole library, so that a change of its code which moves one of them is seen and named.

``reference/golden.json`` holds ``{topic: {entry: value}}``. ``python tests/test_golden.py [topic ...]`` writes it anew, all of
it or the named topics only; do so only where a number is meant to change, and say in the commit which and why.

Floats that stand in the file agree to a relative 1e-6. Where equality to the last bit is asked for, the file holds a SHA-256
and, with it, a digest: how many numbers there are, their sum and the first eight. Hashes hold only in the environment that the
file names (versions, processor, torch's and OpenBLAS's choice of instructions). There they are compared. Elsewhere nothing is
skipped, but less is asked for: floats and digests agree to a relative 1e-3, and where networks were trained, which drift apart
by rounding, 90 % of the numbers to 1e-2 and 95 % of the predictions on the easy pictures (blobs), and half of the numbers to
30 % and half of the predictions on the others. How many numbers there are must be equal everywhere.
"""

import contextlib
import functools
import io
import json
import math
import platform
import re
import sys
import tempfile
from pathlib import Path

import detection_trees
import image_trees
import numpy as np
import pandas as pd
import pytest
import scipy
import sklearn
import threadpoolctl
import torch
from small_data import blobs
from torch.nn import functional

from spbl_nb import (
    balance,
    config,
    data,
    detection,
    files,
    ghm,
    imbalance,
    losses,
    methods,
    metrics,
    pace,
    significance,
    training,
)
from spbl_nb.data.synthetic import draw as lesions
from spbl_nb.detection import read as detection_read
from spbl_nb.methods import decoupled, spbl
from spbl_nb.results import export as report_tables
from spbl_nb.results import report, store
from spbl_nb.training import models
from tools import readme

GOLDEN = Path(__file__).parent / "reference" / "golden.json"
RESULTS = Path(__file__).parent.parent / "results"
TRAINED = ("methods", "settings", "paces", "detection")  # topics whose numbers come from training
QUICK = config.preset("smoke", epochs=30, max_steps=60, batch_size=16, test_per_class=5)
VARIED = {  # what the methods do under other settings; name: (method, settings)
    **{f"spl {form}": ("spl", {"pace_form": form}) for form in pace.FORMS if form != "hard"},
    "spl quota": ("spl", {"pace_scope": "class", "pace_schedule": "root", "pace_normaliser": "batch"}),
    "spld clusters": ("spld", {"diversity_groups": "clusters", "paces": 3}),
    "focal weighted": ("focal", {"focal_weighted": True, "flip": True, "selection": "last"}),
    "ghm_c released": ("ghm_c", {"ghm_bias_correction": False, "model": "small_resnet"}),
    "mnist_net enlarged": ("ce", {"model": "mnist_net", "enlarge": True, "max_steps": 12}),
    "cropped": ("ce", {"crop": True, "momentum": 0.0, "backbone_lr": 0.001, "model": "small_plain"}),
    "spbl stages": ("spbl_clean", {"stage_epochs": 2}),
    "spbl cached features": ("spbl_intended", {"feature_cache": True, "assignment": "proportional"}),
    "spbl logistic": ("spbl_clean", {"head": "logistic", "balance_on": "both", "warm_start": False}),
    "spbl unstacked": ("spbl_released", {"feature_stack": False, "max_added": 3, "keep_factor": 0.5}),
}


def _numbers(value):
    """Yield the numbers in nested plain values, in the order of their keys."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, bool | int | float):
        yield float(value)


def _rounded(value):
    """Return plain values with floats of nine significant digits, and without what was timed."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items() if not re.search("second(s|$)|timing|timed", k)}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.9g}") if isinstance(value, float) and math.isfinite(value) else files.to_jsonable(value)


def _values(value):
    return _rounded(files.to_jsonable(value))


def _hashed(*parts):
    """Return SHA-256 and digest of arrays and plain values, which are taken to the last bit."""
    numbers = [one.ravel() if isinstance(one, np.ndarray) else [*_numbers(files.to_jsonable(one))] for one in parts]
    numbers = np.concatenate(numbers).astype(float)
    hashed = files.sha256_of(*(one if isinstance(one, np.ndarray) else files.to_json(one) for one in parts))
    return {"sha256": hashed, "digest": _values({"count": len(numbers), "sum": numbers.sum(), "first": numbers[:8]})}


def _untimed(history):
    return [{key: value for key, value in one.items() if "second" not in key} for one in history]


@functools.cache
def _digits():
    digits = data.load_for(QUICK, "digits")
    return digits, data.make_split(digits, 0.15, 0.2)


@functools.cache
def _blobs():
    made = blobs([60, 20, 10])
    return made, data.make_split(made, 0.15, 0.3)


def _entries_of(name, result, num_classes):
    """Return the entries of one run of a method."""
    found = {"predicted": _hashed(result.predicted), "history": _hashed(_untimed(result.history))}
    found["predicted"]["digest"] = {"counts": np.bincount(result.predicted, minlength=num_classes).tolist()}
    by_svm = result.score_kind == "decision"
    found["scores"] = _values(result.scores) if by_svm else _hashed(result.scores)
    found["steps"] = result.steps
    found["details"] = _hashed(_values(result.details))
    for key in ("paces", "rounds"):
        for number, one in enumerate(result.details.get(key, []), 1):
            kept = {
                name: value for name, value in one.items() if name not in ("validation", "validation_before", "test")
            }
            found[f"{key} {number}"] = _values(kept)
    return {f"{name}: {key}": value for key, value in found.items()}


def _compute_methods():
    found = {}
    for name, (pictures, split) in {"blobs": _blobs(), "digits": _digits()}.items():
        for method in methods.METHODS:
            result = methods.run(method, pictures, split, QUICK)
            found |= _entries_of(f"{name}, {method}", result, pictures.num_classes)
    return found


def _compute_settings():
    found = {}
    for name, (method, changed) in VARIED.items():
        result = methods.run(method, *_digits(), QUICK.replace(**changed), seed=1)
        found |= _entries_of(name, result, 10)
    pictures, split = _digits()
    features = training.cache_features(models.build("small_cnn", 10, 28), pictures, QUICK)
    result = methods.run("spbl_intended", features, split, QUICK)
    return found | {"features": _hashed(features.features)} | _entries_of("spbl on features", result, 10)


def _compute_paces():
    """Return which samples SPBL selects, and with what they are balanced."""
    found = {}
    for variant in ("released", "clean", "intended"):
        for one in spbl.run(*_digits(), QUICK.replace(variant=variant)):
            rows = [one.seed_rows, one.rows, one.rows[one.selected], one.balanced_rows]
            numbers = {"loss": one.loss, "ease": one.ease, "complexity": one.complexity, "weights": one.weights}
            name = f"{variant}, pace {one.pace}"
            found |= {f"{name}: rows": _hashed(*rows), f"{name}: numbers": _values({**numbers, "loss": one.loss[:20]})}
            found[f"{name}: reports"] = _values([one.before.summary(), one.validation.summary()])
    return found


def _compute_pictures():
    drawn = {
        "lesions": lesions.draw([3, 5, 2]),
        "lesions, 33 pixels": lesions.draw([2] * 12, 0.7, 33, 3, pictures_per_lesion=2, stream=1),
    }
    found = {name: _hashed(one.images, one.labels, one.groups) for name, one in drawn.items()}
    found["prototypes"] = _values(list(map(vars, lesions.class_prototypes(12))))
    smoke = config.preset("smoke")
    for name, options in {"lesions": {}, "digits": {}, "lesions198": {"size": 16}}.items():
        loaded = data.load_for(smoke.replace(largest=6, test_per_class=3), name, **options)
        found |= {f"{name} of smoke": _hashed(loaded.images, loaded.labels)}
        found[f"{name} of smoke: data_sha256"] = {"sha256": loaded.sha256, "digest": loaded.counts().tolist()}
    groups = detection_read.synthetic_lesions(8, size=64, num_classes=3, factor=4.0, seed=1)
    found["groups"] = _hashed(groups.images, groups.owner, groups.labels)
    found["groups: boxes"] = _values(groups.boxes)
    found["blobs: data_sha256"] = {"sha256": _blobs()[0].sha256, "digest": _blobs()[0].counts().tolist()}
    with tempfile.TemporaryDirectory() as place:
        image_trees.class_folders(Path(place) / "own", {"a": 6, "b": 4, "c": 3})
        own = data.load("folder", Path(place) / "own", 16, cache=Path(place) / "cache")
        found["folder: data_sha256"] = {"sha256": own.sha256, "digest": [*own.counts().tolist(), int(own.images.sum())]}
        coco_tree = Path(place) / "coco"
        detection_trees.coco(coco_tree)
        coco = detection.load("coco", coco_tree, 32)
        found["coco: data_sha256"] = {"sha256": coco.sha256, "digest": coco.counts().tolist()}
        found["coco: boxes"] = _values(coco.boxes)
    return found


def _compute_splits():
    grouped = data.load("lesions", num_classes=4, largest=24, factor=4.0, pictures_per_lesion=3, test_per_class=6)
    sets = {"digits": _digits()[0], "blobs": _blobs()[0], "lesions": data.load_for(config.preset("smoke"), "lesions")}
    found = {}
    for name, (pictures, options) in {
        **{name: (pictures, {}) for name, pictures in sets.items()},
        "lesions in groups": (grouped, {"validation": 0.2}),
        "blobs, fold 1": (sets["blobs"], {"fold": 1, "seed": 2}),
    }.items():
        split = data.make_split(pictures, **options)
        found[name] = {"sha256": split.sha256, "digest": _hashed(split.train, split.validation, split.test)["digest"]}
        found[f"{name}: rows"] = _hashed(split.train, split.validation, split.test)
    labels = np.repeat([0, 1, 2, 3], 30)
    for profile in imbalance.PROFILES[1:]:
        found[f"{profile}: counts"] = imbalance.class_counts(profile, 7, 100, 10.0).tolist()
        found[f"{profile}: rows"] = imbalance.subsample(labels, profile, 5.0, largest=20, seed=3).tolist()
    return found


def _compute_selection():
    rng = np.random.default_rng(11)
    loss, labels = rng.exponential(1.0, 200).round(2), np.sort(rng.integers(0, 6, 200))
    found = {}
    for form in pace.FORMS:
        options = {"lower_age": 0.4, "t": 3.0}
        weights = pace.self_paced_weights(loss, 0.8, form, rescale=form == "logarithmic", **options)
        penalty = pace.self_paced_regularizer(np.clip(weights, 0.01, 1), 0.8, form, **options)
        found[f"self_paced_weights, {form}"] = _values(weights[:60])
        found[f"self_paced_regularizer, {form}"] = _values([penalty[:20], penalty.sum()])
    chosen = {
        "diverse_selection": pace.diverse_selection(loss, labels, 0.4, 0.5),
        "select_easiest": pace.select_easiest(loss, labels, 0.37, 7),
        "co_select": pace.co_select(np.exp(-loss), rng.permutation(labels), np.arange(6) * 9.5, 0.6),
    }
    found |= {name: np.flatnonzero(one).tolist() for name, one in chosen.items()}
    found["keep_at_least"] = _values(pace.keep_at_least(np.maximum(0, 0.3 - loss), loss, labels, 3))
    found["ages"] = _values(
        [pace.diverse_age(loss, labels, 0.5, 0.3), pace.quantile_age(loss, 0.3), pace.growing_ages(0.1, 1.3, 6)]
    )
    found["pace_fractions"] = _values([pace.pace_fractions(5, name, start=0.3) for name in pace.SCHEDULES])
    return found


def _compute_balance():
    rng = np.random.default_rng(12)
    loss, labels = rng.exponential(1.0, 150), np.repeat(np.arange(6), [60, 40, 25, 15, 8, 2])
    selected = (rng.random(150) < 0.6) & (labels != 4)
    complexity = balance.class_complexity(loss, labels, selected, 6)
    ease, sizes = balance.class_ease(loss, labels, selected, 6), np.bincount(labels)
    costs, weights = balance.consistent_costs(6)
    found = {"complexity": complexity, "ease": ease, "scaled_ease": balance.scaled_ease(ease, sizes)}
    found["mixed_complexity"] = balance.mixed_complexity(np.log(complexity * sizes), sizes, 0.3)
    found |= {"consistent_costs": [costs, weights], "cost_vector": balance.cost_vector(costs)}
    found["consistent_costs, seed"] = balance.consistent_costs(5, 4.0, 3)
    for name in balance.ASSIGNMENTS:
        found[f"penalty_weights, {name}"] = balance.penalty_weights(complexity, name)
        found[f"penalty_weights, {name}, seed"] = balance.penalty_weights(rng.random(12) + 0.1, name, 5.0, 7)
    counts = np.bincount(labels[selected], minlength=6)
    found["reconstruct_curriculum"] = balance.reconstruct_curriculum(counts, complexity)
    found["reconstruct_curriculum, caps"] = balance.reconstruct_curriculum(counts, complexity, 7, 0.5)
    change = np.array([-20, 5, -3, 40, 0, 1])
    found["resample"] = [balance.resample(labels, change, 5, replacement=again) for again in (False, True)]
    features, made = decoupled.smote(rng.normal(size=(150, 4)), labels, 5, np.random.RandomState(0))
    found["smote"] = [features[150:190], features.sum(axis=0), made.sum()]
    return {name: _values(value) for name, value in found.items()}


def _compute_losses():
    rng = torch.Generator().manual_seed(3)
    logits, labels = 2 * torch.randn(64, 5, generator=rng, dtype=torch.float64), torch.arange(64) % 5
    counts, target = [400, 90, 30, 12, 3], torch.rand(64, 5, generator=rng, dtype=torch.float64)
    weights, margins = losses.class_balanced_weights(counts, 0.999), losses.ldam_margins(counts)
    prior, valid = losses.class_prior(counts), torch.rand(64, 5, generator=rng) < 0.8
    one_hot = ghm.one_vs_all(logits, labels)
    ghmc, ghmr = losses.GHMC(10, 0.75, False), losses.GHMR(0.05, 8, 0.7)
    functions = {
        "focal": lambda x: losses.focal(x, labels, 2.0),
        "focal, weighted": lambda x: losses.focal(x, labels, 0.5, weights),
        "class-balanced": lambda x: functional.cross_entropy(x, labels, weights.to(x.dtype)),
        "ldam": lambda x: losses.ldam(x.tanh(), labels, margins, 30.0, weights),
        "logit_adjusted": lambda x: losses.logit_adjusted(x, labels, prior, 1.5),
        "ghm_c": lambda x: ghm.ghm_c(x, one_hot),
        "ghm_c, valid": lambda x: ghm.ghm_c(x, target, valid, bins=10),
        "ghm_r": lambda x: ghm.ghm_r(x, target, valid),
        **{f"GHMC, step {step}": lambda x: ghmc(x, one_hot) for step in (1, 2)},
        **{f"GHMR, step {step}": lambda x: ghmr(x, target) for step in (1, 2)},
    }
    found = {}
    for kind in (torch.float64, torch.float32):
        for name, function in functions.items():
            x = logits.to(kind, copy=True).requires_grad_()
            value = function(x)
            value.backward()
            gradient = x.grad.double()
            numbers = [value.item(), gradient.abs().sum().item(), gradient.square().sum().item(), *gradient[0].tolist()]
            found[f"{name}, {str(kind)[6:]}"] = _values(numbers)
    state = {f"{type(one).__name__} state": [one.smoothed.numpy(), one.updates.numpy()] for one in (ghmc, ghmr)}
    plain = {
        "weights": weights,
        "margins": margins,
        "prior": prior,
    }
    plain["tau_normalized"] = losses.tau_normalized(logits[:4], 0.7)
    return found | {name: _values(value.numpy()) for name, value in plain.items()} | _values(state)


def _compute_networks():
    found = {}
    pictures = torch.rand(4, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    for name in models.NAMES[:3]:
        network = models.build(name, 5, 28, seed=3).eval()
        found[f"{name}: weights"] = _hashed(*(one.numpy() for one in network.state_dict().values()))
        with torch.inference_mode():
            found[f"{name}: logits"] = _values(network(pictures).numpy())
    detector = detection.build("small", 3, seed=0)
    found["detector: weights"] = _hashed(*(one.numpy() for one in detector.state_dict().values()))
    presets = {name: one.digest for name, one in config.PRESETS.items()}
    presets |= {f"detection, {name}": detection.settings(name).digest for name in ("smoke", "fast", "full")}
    return found | {f"digest of {name}": digest for name, digest in presets.items()}


def _compute_detection():
    pictures = detection_read.synthetic_lesions(16, size=64, num_classes=3, seed=1)
    settings = detection.settings("smoke", batch_size=4, epochs=2, max_steps=None)
    found = {}
    for kinds in (("ghm_c", "ghm_r"), ("focal", "smooth_l1"), ("cross_entropy", "smooth_l1")):
        detector = detection.build("small", 3, *kinds, seed=0)
        fitted = detection.fit(detector, pictures, pictures.rows_of(0), settings, 0)
        found["training, " + " and ".join(kinds)] = _values(_untimed(fitted.history))
    detector.score_thresh = 0.001  # after so few steps nothing is found above torchvision's own
    seen = detection.predict(detector, pictures, pictures.rows_of(2), settings)
    return found | {"found": _values([[one.scores[:4], one.boxes[:4], len(one.scores)] for one in seen[:2]])}


def _compute_metrics():
    rng = np.random.default_rng(14)
    labels, scores = rng.integers(0, 5, 300), rng.normal(size=(300, 6)).round(1)
    scores[np.arange(300), labels] += 1.5
    found = {"mauc": metrics.mauc(labels, scores)}
    found |= {f"report, {key}": value for key, value in metrics.report(labels, scores).to_dict().items()}
    confusion = np.array([[5, 0, 1], [2, 0, 0], [0, 3, 9]])
    found["report_from_confusion"] = metrics.report_from_confusion(confusion).to_dict()
    for count in (5, 9, 24):
        differences = rng.normal(0.4, 1.0, count)
        interval, test = significance.mean_interval(differences), significance.sign_flip_test(differences)
        found[f"statistics of {count}"] = [significance.mean_and_deviation(differences), vars(interval), vars(test)]
    found["holm"] = significance.holm([0.04, 0.01, 0.03, 0.5, 0.01])
    values = {
        name: dict(enumerate(rng.normal(mean, 1, 8).tolist()))
        for name, mean in zip("abcd", (0, 0.5, 1, 3), strict=True)
    }
    for one in significance.paired_comparison(values, "a", primary="c"):
        found[f"comparison of {one.method}"] = [
            one.mean,
            one.deviation,
            vars(one.interval),
            vars(one.test),
            one.adjusted_p,
        ]
    found["ranking"] = {key: value for key, value in vars(significance.rank_methods(values)).items() if key != "reason"}
    found["nemenyi"] = [significance.nemenyi_critical_difference(k, n) for k, n in ((2, 5), (10, 30), (18, 6))]
    return {name: _values(value) for name, value in found.items()}


def _compute_report():
    """Return the numbers of the report's tables of each committed result file, sorted; of many every n-th and the sums."""
    found = {}
    for path in sorted(set(RESULTS.glob("*.json")) - {RESULTS / "main_job.json"}):  # which every rendering renews
        kept = [store.Run(Path("runs"), record, *[np.empty(0)] * 4, []) for record in store.read_records(path)]
        for name in sorted({run.result["config_name"] for run in kept}):
            mine = [run for run in kept if run.result["config_name"] == name]
            with tempfile.TemporaryDirectory() as place:
                for table in report_tables.export(report.Collection(name, mine), place):
                    if table.endswith(".csv"):
                        numbers = pd.read_csv(Path(place) / table).select_dtypes("number").to_numpy().ravel()
                        numbers = np.sort(numbers[np.isfinite(numbers)].astype(float))
                        few = numbers[:: len(numbers) // 250 + 1]
                        sums = [len(numbers), numbers.sum(), np.square(numbers).sum()]
                        found[f"{path.stem}, {name}: {table}"] = _values([sums, few])
        if "lesions198" not in path.name:  # whose runs have different settings, and no table of their own
            found[f"{path.stem}: front page"] = re.findall(r"(?<![\w.])[-+−]?\d*\.\d+", readme.results(path))
    return found


TOPICS = {name[9:]: function for name, function in list(globals().items()) if name.startswith("_compute_")}


@functools.cache
def _environment():
    blas = {one.get("architecture") for one in threadpoolctl.threadpool_info() if one["internal_api"] == "openblas"}
    versions = {one.__name__: one.__version__ for one in (np, scipy, sklearn, torch)}
    return versions | {
        "machine": platform.machine(),
        "torch's instructions": torch.backends.cpu.get_cpu_capability(),
        "OpenBLAS": sorted(filter(None, blas)),
    }


@contextlib.contextmanager
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@functools.cache
def _computed(topic):
    with _one_thread(), contextlib.redirect_stderr(io.StringIO()):
        return json.loads(json.dumps(TOPICS[topic]()))


def _same(found, expected, tolerance):
    """Say whether plain values are equal, floats to a relative tolerance (and 1e-9)."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(_same(found[key], expected[key], tolerance) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(_same, found, expected, [tolerance] * len(found)))
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(found, expected, rel_tol=tolerance, abs_tol=1e-9)
    return found == expected


def _alike(found, expected, topic, entry):
    """Say whether values of another environment agree about as well as can be asked for."""
    if isinstance(expected, dict) and "sha256" in expected:
        found, expected = found["digest"], expected["digest"]
    if topic not in TRAINED:
        return _same(found, expected, 1e-3)
    share, tolerance, of_predictions = (0.9, 0.01, 0.95) if entry.startswith("blobs") else (0.5, 0.3, 0.5)
    if isinstance(expected, dict) and "counts" in expected:
        kept = np.minimum(found["counts"], expected["counts"]).sum()
        return kept >= of_predictions * sum(expected["counts"])
    mine, theirs = (np.array(list(_numbers(one))) for one in (found, expected))
    return len(mine) == len(theirs) and np.isclose(mine, theirs, rtol=tolerance, atol=1e-3).mean() >= share


@functools.cache
def _known():
    return json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {"environment": {}, "topics": {}}


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_the_entries_are_those_of_the_file(topic):
    assert sorted(_computed(topic)) == sorted(_known()["topics"][topic])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topic", "entry"), [(topic, entry) for topic, of in _known()["topics"].items() for entry in of]
)
def test_number_is_known(topic, entry):
    found, expected = _computed(topic)[entry], _known()["topics"][topic][entry]
    with _one_thread():
        here = _environment() == _known()["environment"]
    if not here:
        good = _alike(found, expected, topic, entry)
    elif isinstance(expected, dict) and "sha256" in expected:
        good = found["sha256"] == expected["sha256"]
    else:
        good = _same(found, expected, 1e-6)
    if not good:
        where = "" if here else ", in another environment than the file's"
        pytest.fail(f"{topic}, {entry}{where}:\n{found!s:.1500}\ninstead of\n{expected!s:.1500}", pytrace=False)


if __name__ == "__main__":
    known, named = _known(), sys.argv[1:] or list(TOPICS)
    if known["environment"] not in ({}, _environment()) and set(named) != set(TOPICS):
        sys.exit("the file is of another environment: write all topics anew, for hashes hold in one only")
    topics = {name: _computed(name) if name in named else known["topics"][name] for name in TOPICS}
    lines = [
        f"{json.dumps(name)}: {{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in of.items()) + "\n}"
        for name, of in topics.items()
    ]
    start = f'{{"environment": {json.dumps(_environment())},\n"topics": {{\n'
    files.write_text(GOLDEN, start + ",\n".join(lines) + "\n}}\n")
