"""A valid call of every public function that takes a user's arrays, numbers or settings, for ``test_robustness.py``."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import report_runs
import torch
from small_data import blobs

from spbl_nb import (
    average_precision,
    balance,
    boxed_images,
    boxes,
    cached_head,
    checks,
    config,
    data,
    detection_data,
    detectors,
    ghm_explorers,
    gradient_harmonizing,
    images,
    imbalance,
    lesion_classes,
    lesion_groups,
    lesions,
    losses,
    metrics,
    models,
    pace,
    plots,
    ranking,
    rivals,
    self_paced,
    spbl,
    splits,
    statistics,
    training,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Call:
    """A function, its arguments that are drawn again, those that stay, and how much dearer it is than most.

    ``known``: what may happen beyond a refusal, as text of the fault, with the reason for it.
    """

    function: Callable
    arguments: Mapping[str, Any]
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cost: int = 1
    known: Mapping[str, str] = dataclasses.field(default_factory=dict)


RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), [9, 6, 5, 4])
N, C = len(LABELS), 4
LOSS = RNG.gamma(2.0, 0.5, N)
SELECTED = np.sort(LOSS)[16] > LOSS
COMPLEXITY = np.array([0.5, 1.0, 2.0, 8.0])
COUNTS = np.array([40, 25, 12, 6])
PROBABILITY = RNG.dirichlet(np.ones(C), N)
PREDICTED = PROBABILITY.argmax(axis=1)
FEATURES = RNG.normal(size=(N, 3))
NAMES = ["a", "b", "c", "d"]
BOXES = np.array([[1.0, 2.0, 30.0, 20.0], [5.0, 5.0, 12.0, 40.0], [0.0, 0.0, 48.0, 48.0]])
PICTURES = RNG.integers(0, 255, (N, 3, 8, 8), dtype=np.uint8)
SCORES = {
    name: {seed: 0.5 + 0.01 * seed + 0.05 * at for seed in range(3)} for at, name in enumerate(("ce", "spl", "x"))
}
SMALL = config.preset("smoke", max_steps=2, epochs=1, paces=1, add_ratios=(1.0,))
HISTORY = [{"epoch": at, "train_loss": 1.0, "validation_loss": 2.0, "train_accuracy": 0.5} for at in (1, 2)]
LOGITS = torch.from_numpy(RNG.normal(size=(6, C)))
TARGET = torch.from_numpy((RNG.random((6, C)) < 0.3).astype(float))
CLASSES = torch.tensor([0, 1, 2, 3, 0, 1])
RANGE = dict.fromkeys(
    ("IndexError", "Class values must be"),
    "labels out of range are found by torch itself: reading a value would make a GPU wait (loss_inputs)",
)


@functools.cache
def small_data(counts=(12, 8, 6)):
    return blobs(list(counts))


@functools.cache
def grouped_data():
    return blobs([12, 8, 6], groups=np.arange(26))


@functools.cache
def small_split():
    return splits.make_split(small_data(), 0.2, 0.3)


@functools.cache
def detected():
    return detection_data.synthetic_lesions(6, 48, num_classes=3)


@functools.cache
def network():
    return models.build("small_cnn", 3, 16)


@functools.cache
def some_runs():
    return report_runs.seeds("ce", [0.4, 0.5, 0.6]) + report_runs.seeds("spbl_clean", [0.5, 0.6, 0.65])


def spbl_records():
    def record(number, selected, gained):
        rows, report = np.arange(4, N), metrics.report(LABELS, PROBABILITY, C)
        before = np.bincount(LABELS[rows][selected], minlength=C)
        return spbl.PaceRecord(
            number, number / 2, rows, np.arange(4), LOSS[rows], selected, 1 / COMPLEXITY, COMPLEXITY, COMPLEXITY, before,
            before + gained, rows[selected], 1.0, {}, report, report, None,
        )  # fmt: skip

    half = np.arange(N - 4) % 2 == 0
    return [record(1, half, np.array([0, 0, 1, 2])), record(2, np.ones_like(half), np.array([-1, 0, 1, 2]))]


def pace_records():
    return [self_paced.SelfPacedRecord(at, at / 2, 1.0, LOSS, SELECTED * 1.0) for at in (1, 2)]


def truth():
    return [detected().truth(row) for row in range(2)]


def then(make, *names):
    """A function that makes an object of the arguments and calls the rest of them on it."""

    def call(**arguments):
        later = {name: arguments.pop(name) for name in names}
        return make(**arguments)(**later)

    return call


def drawn(explorer, **settings):
    """A function that makes an explorer and draws it once."""
    return lambda **arguments: explorer(**arguments).render(**settings)


def png(function):
    return lambda **arguments: plots.to_png(function(**arguments))


def answered(check):
    """A checker on an answer of the reader's that gives back what is drawn, whatever it is asked."""
    return lambda answer: check(lambda *_, **__: answer)


ARRAYS = {
    "balance.class_ease": Call(
        balance.class_ease, {"loss": LOSS, "labels": LABELS, "selected": SELECTED, "num_classes": C}
    ),
    "balance.class_complexity": Call(
        balance.class_complexity, {"loss": LOSS, "labels": LABELS, "selected": SELECTED, "num_classes": C}
    ),
    "balance.mixed_complexity": Call(
        balance.mixed_complexity, {"mean_loss": COMPLEXITY, "sizes": COUNTS, "difficulty_share": 0.5}
    ),
    "balance.scaled_ease": Call(balance.scaled_ease, {"ease": COMPLEXITY, "sizes": COUNTS}),
    "balance.consistent_costs": Call(balance.consistent_costs, {"num_classes": C, "max_cost": 10.0, "rng": 0}),
    "balance.cost_vector": Call(balance.cost_vector, {"cm": balance.consistent_costs(C, rng=0)[0]}),
    "balance.penalty_weights": Call(
        balance.penalty_weights, {"complexity": COMPLEXITY, "assignment": "sorted", "max_cost": 10.0, "rng": 0}
    ),
    "balance.reconstruct_curriculum": Call(
        balance.reconstruct_curriculum,
        {"selected_counts": COUNTS, "complexity": COMPLEXITY, "max_added": 100, "keep_factor": 3.0},
    ),
    "balance.resample": Call(
        balance.resample, {"labels": LABELS, "change": np.array([-2, 0, 1, 2]), "rng": 0, "replacement": False}
    ),
    "pace.self_paced_weights": Call(
        pace.self_paced_weights,
        {"loss": LOSS, "age": 1.0, "form": "mixture", "t": 2.0, "lower_age": 0.5, "rescale": False},
    ),
    "pace.self_paced_regularizer": Call(
        pace.self_paced_regularizer,
        {"weights": SELECTED * 0.5, "age": 1.0, "form": "linear", "t": 2.0, "lower_age": None},
    ),
    "pace.diverse_selection": Call(
        pace.diverse_selection, {"loss": LOSS, "groups": LABELS, "age": 1.0, "diversity": 0.5}
    ),
    "pace.diverse_age": Call(pace.diverse_age, {"loss": LOSS, "groups": LABELS, "fraction": 0.5, "diversity": 0.5}),
    "pace.select_easiest": Call(
        pace.select_easiest, {"loss": LOSS, "labels": LABELS, "fraction": 0.5, "num_classes": C}
    ),
    "pace.co_select": Call(
        pace.co_select,
        {"probability": PROBABILITY.max(axis=1), "predicted": PREDICTED, "class_counts": COUNTS, "fraction": 0.1},
    ),
    "pace.keep_at_least": Call(
        pace.keep_at_least, {"weights": SELECTED * 1.0, "loss": LOSS, "labels": LABELS, "least": 1}
    ),
    "pace.quantile_age": Call(pace.quantile_age, {"loss": LOSS, "fraction": 0.5}),
    "pace.growing_ages": Call(pace.growing_ages, {"first": 0.5, "factor": 1.3, "paces": 4}),
    "pace.pace_fractions": Call(
        pace.pace_fractions, {"paces": 3, "schedule": [0.2, 0.5, 1.0], "start": 0.5, "power": 2.0}
    ),
    "metrics.report": Call(
        metrics.report, {"labels": LABELS, "scores": PROBABILITY, "num_classes": C, "predicted": PREDICTED}
    ),
    "metrics.report_from_confusion": Call(metrics.report_from_confusion, {"confusion": np.arange(16).reshape(4, 4)}),
    "metrics.mauc": Call(metrics.mauc, {"labels": LABELS, "scores": PROBABILITY}),
    "imbalance.imbalance_factor": Call(imbalance.imbalance_factor, {"factor": 0.1}),
    "imbalance.describe_factor": Call(imbalance.describe_factor, {"factor": 10.0}),
    "imbalance.keep_fractions": Call(
        imbalance.keep_fractions, {"profile": "exponential", "num_classes": C, "factor": 10.0}
    ),
    "imbalance.class_counts": Call(
        imbalance.class_counts, {"profile": "step", "num_classes": C, "largest": COUNTS, "factor": 10.0}
    ),
    "imbalance.subsample": Call(
        imbalance.subsample,
        {"labels": LABELS, "profile": "odd_classes", "factor": 2.0, "largest": 8, "num_classes": C, "seed": 0},
    ),
    "statistics.collect": Call(statistics.collect, {"rows": [("ce", 0, 0.5), ("spl", 0, 0.6)]}),
    "statistics.paired_table": Call(statistics.paired_table, {"values": SCORES, "baseline": "ce"}),
    "statistics.mean_and_deviation": Call(statistics.mean_and_deviation, {"values": LOSS}),
    "statistics.paired_comparison": Call(
        statistics.paired_comparison,
        {"values": SCORES, "baseline": "ce", "primary": "spl", "level": 0.95, "resampling_seed": 0},
    ),
    "statistics.mean_interval": Call(
        statistics.mean_interval, {"differences": LOSS[:7], "level": 0.95, "resampling_seed": 0}, cost=4
    ),
    "statistics.sign_flip_test": Call(statistics.sign_flip_test, {"differences": LOSS[:7], "resampling_seed": 0}),
    "statistics.holm": Call(statistics.holm, {"p_values": np.array([0.01, 0.04, 0.5])}),
    "statistics.smallest_attainable_p": Call(statistics.smallest_attainable_p, {"seeds": 5, "comparisons": 3}),
    "statistics.seeds_needed": Call(statistics.seeds_needed, {"comparisons": 3, "alpha": 0.05}),
    "statistics.attainable_sentence": Call(
        statistics.attainable_sentence, {"seeds": 5, "comparisons": 3, "alpha": 0.05}
    ),
    "ranking.rank_methods": Call(ranking.rank_methods, {"values": SCORES, "higher_is_better": True, "alpha": 0.05}),
    "ranking.nemenyi_critical_difference": Call(
        ranking.nemenyi_critical_difference, {"methods": 3, "blocks": 5, "alpha": 0.05}
    ),
    "boxes.faults": Call(boxes.faults, {"boxes": BOXES, "sizes": np.full((3, 2), 48.0)}),
    "boxes.checked": Call(boxes.checked, {"boxes": BOXES, "sizes": np.full((3, 2), 48.0)}, {"name": "boxes"}),
    "cached_head.CachedFeatures": Call(
        cached_head.CachedFeatures,
        {
            "features": FEATURES,
            "labels": LABELS,
            "loss": LOSS,
            "validation_features": FEATURES,
            "validation_labels": LABELS,
            "names": NAMES,
        },
    ),
    "rivals.balanced_order": Call(
        lambda labels: rivals.balanced_order(labels, np.random.default_rng(0)), {"labels": LABELS}
    ),
    "self_paced.losses_of": Call(self_paced.losses_of, {"logits": FEATURES, "labels": LABELS % 3}),
    "lesion_classes.class_prototypes": Call(lesion_classes.class_prototypes, {"num_classes": 5}),
    "lesion_classes.default_difficulty": Call(lesion_classes.default_difficulty, {"num_classes": 5}),
    "lesion_groups.draw": Call(
        lesion_groups.draw,
        {
            "count": 2,
            "size": 48,
            "seed": 0,
            "num_classes": 3,
            "least": 1,
            "most": 2,
            "factor": 2.0,
            "difficulty": np.array([0.0, 0.5, 1.0]),
            "stream": 0,
        },
        cost=6,
    ),
    "lesions.draw": Call(
        lesions.draw,
        {
            "counts": np.array([2, 1]),
            "difficulty": np.array([0.0, 1.0]),
            "size": 16,
            "seed": 0,
            "pictures_per_lesion": 1,
            "stream": 0,
        },
        cost=4,
    ),
    "ghm_explorers.focal_gradient": Call(ghm_explorers.focal_gradient, {"norms": np.linspace(0, 1, 9), "gamma": 2.0}),
    "training.generator_for": Call(
        lambda **of: training.generator_for(**of).random(),
        {"seed": 0, "purpose": "order", "stage": "train", "epoch": 1},
    ),
}


@functools.cache
def _cached():
    return cached_head.CachedFeatures(FEATURES, LABELS, LOSS, FEATURES, LABELS, NAMES)


CHECKS = {
    "checks.one_of": Call(checks.one_of, {"value": "a"}, {"name": "x", "allowed": NAMES}),
    "checks.real": Call(checks.real, {"value": 0.5}, {"name": "x", "low": 0, "high": 1}),
    "checks.integer": Call(checks.integer, {"value": 3}, {"name": "x", "low": 0}),
    "checks.boolean": Call(checks.boolean, {"value": True}, {"name": "x"}),
    "checks.integer_array": Call(checks.integer_array, {"values": COUNTS}, {"name": "x", "low": 0}),
    "checks.label_array": Call(checks.label_array, {"labels": LABELS}, {"name": "x", "num_classes": C}),
    "checks.row_array": Call(checks.row_array, {"rows": LABELS}, {"name": "x", "length": N}),
    "checks.float_array": Call(checks.float_array, {"values": LOSS}, {"name": "x"}),
    "checks.finite_array": Call(checks.finite_array, {"values": LOSS}, {"name": "x", "ndim": 1}),
    "checks.random_generator": Call(checks.random_generator, {"rng": 0}),
    "checks.nearest": Call(checks.nearest, {"value": "aa"}, {"allowed": NAMES}),
}

TENSORS = {
    "losses.focal": Call(losses.focal, {"logits": LOGITS, "labels": CLASSES, "gamma": 2.0, "weights": COMPLEXITY}, known=RANGE),
    "losses.class_balanced_weights": Call(losses.class_balanced_weights, {"counts": COUNTS, "beta": 0.99}),
    "losses.class_prior": Call(losses.class_prior, {"counts": COUNTS}),
    "losses.deferred_weights": Call(
        losses.deferred_weights, {"weights": COMPLEXITY, "step": 3, "steps": 10, "start": 0.5}
    ),
    "losses.ldam_margins": Call(losses.ldam_margins, {"counts": COUNTS, "largest": 0.5}),
    "losses.ldam": Call(
        losses.ldam,
        {"cosines": LOGITS / 10, "labels": CLASSES, "margins": COMPLEXITY, "scale": 30.0, "weights": COMPLEXITY}, known=RANGE,
    ),
    "losses.logit_adjusted": Call(
        losses.logit_adjusted, {"logits": LOGITS, "labels": CLASSES, "prior": COMPLEXITY, "tau": 1.0}, known=RANGE
    ),
    "losses.adjust_logits": Call(losses.adjust_logits, {"logits": LOGITS, "prior": COMPLEXITY, "tau": 1.0}),
    "losses.tau_normalized": Call(losses.tau_normalized, {"weight": LOGITS, "tau": 1.0}),
    "losses.CosineHead": Call(
        lambda features, **made: losses.CosineHead(**made)(features).shape,
        {"in_features": C, "out_features": 3, "features": LOGITS.float()},
    ),
    "gradient_harmonizing.ghm_c": Call(
        gradient_harmonizing.ghm_c, {"logits": LOGITS, "target": TARGET, "valid": torch.ones_like(TARGET), "bins": 10}
    ),
    "gradient_harmonizing.ghm_r": Call(
        gradient_harmonizing.ghm_r,
        {"prediction": LOGITS, "target": TARGET, "valid": torch.ones_like(TARGET), "mu": 0.02, "bins": 10},
    ),
    "gradient_harmonizing.ghm_softmax": Call(
        gradient_harmonizing.ghm_softmax,
        {"logits": LOGITS, "labels": CLASSES, "valid": torch.ones(len(CLASSES)), "bins": 10}, known=RANGE,
    ),
    "gradient_harmonizing.one_vs_all": Call(
        gradient_harmonizing.one_vs_all, {"logits": LOGITS, "labels": CLASSES}, known=RANGE
    ),
    "gradient_harmonizing.GHMC": Call(
        then(losses.GHMC, "logits", "target"),
        {"bins": 10, "momentum": 0.5, "bias_correction": True, "logits": LOGITS, "target": TARGET},
    ),
    "gradient_harmonizing.GHMR": Call(
        then(losses.GHMR, "prediction", "target"),
        {"mu": 0.1, "bins": 10, "momentum": 0.5, "bias_correction": True, "prediction": LOGITS, "target": TARGET},
    ),
    "gradient_harmonizing.GHMSoftmax": Call(
        then(losses.GHMSoftmax, "logits", "labels"),
        {"bins": 10, "momentum": 0.5, "bias_correction": True, "logits": LOGITS, "labels": CLASSES}, known=RANGE,
    ),
    "rivals.OneVsAllGHMC": Call(
        then(rivals.OneVsAllGHMC, "logits", "labels"),
        {"bins": 10, "momentum": 0.5, "bias_correction": True, "logits": LOGITS, "labels": CLASSES}, known=RANGE,
    ),
}  # fmt: skip

PICTURE_CALLS = {
    "images.resize": Call(images.resize, {"images": PICTURES, "size": 4}),
    "images.as_rgb": Call(images.as_rgb, {"images": PICTURES[:, 0]}),
    "images.ImageData": Call(
        images.ImageData,
        {"name": "x", "images": PICTURES, "labels": LABELS, "class_names": NAMES, "groups": np.arange(N),
         "split": np.arange(N) % 3, "difficulty": np.full(C, 0.5)},
    ),
    "images.FeatureData": Call(
        images.FeatureData,
        {"name": "x", "features": FEATURES, "labels": LABELS, "class_names": NAMES, "pictures_sha256": "0"},
    ),
    "splits.Split": Call(
        splits.Split,
        {"train": np.arange(5), "validation": np.arange(5, 8), "test": np.arange(8, 12), "data_sha256": "0", "origin": "x"},
    ),
    "splits.make_split": Call(
        splits.make_split, {"validation": 0.2, "test": 0.3, "seed": 0, "fold": None}, {"data": small_data()}
    ),
    "splits.held_out_rows": Call(splits.held_out_rows, {"test": 0.3, "seed": 0}, {"data": small_data()}),
    "boxed_images.DetectionData": Call(
        boxed_images.DetectionData,
        {"name": "x", "images": np.zeros((2, 3, 48, 48), np.uint8), "owner": np.array([0, 0, 1]), "boxes": BOXES,
         "labels": np.array([0, 1, 1]), "class_names": ["a", "b"], "ignored": np.zeros(3, bool), "split": np.array([0, 2]),
         "sizes": np.full((2, 2), 48), "scale": np.ones(2), "areas": np.ones(3)},
    ),
    "average_precision.coco_numbers": Call(
        average_precision.coco_numbers, {"rows": np.arange(2), "detections": truth()}, {"data": detected()}, cost=6
    ),
    "boxed_images.Detections": Call(
        lambda **found: average_precision.per_class(detected(), np.arange(1), [boxed_images.Detections(**found)]),
        {"boxes": BOXES.astype(np.float32), "scores": np.array([0.9, 0.5, 0.1]), "labels": np.array([0, 1, 2])}, cost=6,
    ),
    "detection_data.synthetic_lesions": Call(
        detection_data.synthetic_lesions,
        {"count": 4, "size": 48, "seed": 0, "num_classes": 2, "least": 1, "most": 2, "factor": 1.0, "difficulty": 0.5,
         "test_share": 0.5}, cost=6,
    ),
    "detection_data.load": Call(detection_data.load, {"name": "synthetic", "root": None, "size": 48}, {"count": 4}, cost=6),
    "data.load": Call(
        data.load, {"name": "digits", "root": None, "size": 8}, {"factor": 2.0, "largest": 5, "test_per_class": 3}, cost=4
    ),
    "data.load_for": Call(data.load_for, {"name": "digits", "root": None}, {"config": SMALL}, cost=6),
    "data.options_from": Call(data.options_from, {"text": "profile: step, factor: 20", "name": "digits"}),
    "models.build": Call(
        models.build, {"name": "small_cnn", "num_classes": 3, "size": 16, "weights": None, "seed": 0}, cost=6
    ),
    "models.linear": Call(models.linear, {"features": 4, "num_classes": 3, "seed": 0}),
    "detectors.build": Call(
        detectors.build,
        {"name": "small", "num_classes": 2, "classification": "focal", "regression": "ghm_r", "seed": 0,
         "trainable_layers": None, "ghmr": {"bins": 5}, "focal_alpha": 0.25, "focal_gamma": 2.0, "regression_weight": 1.0,
         "least_score": 0.05, "overlap": 0.5, "most": 10}, cost=6,
    ),
}  # fmt: skip
