"""Wrong inputs at the doors: each is refused by a message that names the argument, what was found and what is allowed.

One row a fault: door, argument, kind of fault, a call, and words that the message must hold. No two rows share door, argument
and kind. Behind the doors nothing is checked, so nothing is tested there.
"""

import dataclasses
import re

import numpy as np
import pytest
import torch
from small_data import blobs

from spbl_nb import balance, cli, config, data, detection, ghm, imbalance, losses, methods, metrics, pace, significance
from spbl_nb.config import preset
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.split import Split
from spbl_nb.explorers.balance import ReconstructionPlayer
from spbl_nb.explorers.ghm import GHMExplorer
from spbl_nb.explorers.metrics import MetricExplorer, SimulatedMetricExplorer
from spbl_nb.explorers.pace import CurriculumPlayer, PaceExplorer
from spbl_nb.methods import spbl
from spbl_nb.results import store

NAN, INF = float("nan"), float("inf")
LOSS, LABELS = np.array([0.2, 1.5, 0.7, 0.1, 0.9, 2.0]), np.array([0, 0, 1, 1, 2, 2])
ALL = np.ones(6, dtype=bool)
SCORES = np.full((6, 3), 1 / 3)
COUNTS = np.array([5, 3, 2])
LOGITS, TARGETS = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
NAMES = ("a", "b", "c")
SAMPLES = blobs([20, 12, 8])
SPLIT = data.make_split(SAMPLES, 0.2, 0.2)
SMOKE = preset("smoke")


def changed(array, index, value):
    """Return a copy of an array with one entry changed."""
    array = np.array(array, dtype=float if isinstance(value, float) else None)
    array[index] = value
    return array


def images(**fields):
    """Return a small data set with the given fields changed."""
    kept = {"name": "mine", "images": np.zeros((6, 3, 4, 4), np.uint8), "labels": LABELS, "class_names": NAMES}
    return ImageData(**(kept | fields))


def arrays(door, call, *faults):
    """Rows for an array argument: ``faults`` are (argument, kind, wrong value, words); ``call`` takes it by name."""
    return [
        (door, argument, kind, lambda a=argument, v=value: call(**{a: v}), words)
        for argument, kind, value, *words in faults
    ]


def weights_of(**more):
    return pace.self_paced_weights(**({"loss": LOSS, "age": 1.0} | more))


def diverse(**more):
    return pace.diverse_selection(**({"loss": LOSS, "groups": LABELS, "age": 1.0, "diversity": 0.1} | more))


def easiest(**more):
    return pace.select_easiest(**({"loss": LOSS, "labels": LABELS, "fraction": 0.5} | more))


def co_select(**more):
    given = {"probability": np.full(6, 0.5), "predicted": LABELS, "class_counts": COUNTS, "fraction": 0.5}
    return pace.co_select(**(given | more))


def complexity(**more):
    return balance.class_complexity(**({"loss": LOSS, "labels": LABELS, "selected": ALL, "num_classes": 3} | more))


def ease(**more):
    return balance.class_ease(**({"loss": LOSS, "labels": LABELS, "selected": ALL, "num_classes": 3} | more))


def penalty(**more):
    return balance.penalty_weights(**({"complexity": np.array([1.0, 2.0, 3.0])} | more))


def curriculum(**more):
    given = {"selected_counts": COUNTS, "complexity": np.array([1.0, 2.0, 3.0])}
    return balance.reconstruct_curriculum(**(given | more))


def report(**more):
    return metrics.report(**({"labels": LABELS, "scores": SCORES} | more))


def mauc(**more):
    return metrics.mauc(**({"labels": LABELS, "scores": SCORES} | more))


# fmt: off
PACE = [
    *arrays(
        "pace.self_paced_weights",
        weights_of,
        ("loss", "not finite", changed(LOSS, 1, NAN), "loss[1]", "finite"),
        ("loss", "a text", ["easy", "hard"], "loss", "number"),
        ("age", "negative", -1.0, "age is -1"),
        ("age", "infinite", INF, "age is inf"),
        ("age", "a text", "old", "age is 'old'", "number"),
        ("form", "misspelt", "linaer", "form is 'linaer'", "did you mean 'linear'"),
    ),
    ("pace.self_paced_weights", "age", "outside the logarithmic form",
     lambda: weights_of(loss=LOSS / 9, age=1.5, form="logarithmic"), ("1.5", "(0, 1)")),
    ("pace.self_paced_weights", "t", "at most 1", lambda: weights_of(form="polynomial", t=1.0), ("t is 1", "(1, inf)")),
    ("pace.self_paced_weights", "lower_age", "absent", lambda: weights_of(form="mixture"), ("lower_age",)),
    ("pace.self_paced_weights", "lower_age", "above the age",
     lambda: weights_of(form="mixture", lower_age=2.0), ("lower_age", "2")),
    *arrays(
        "pace.diverse_selection",
        diverse,
        ("loss", "two dimensions", LOSS.reshape(2, 3), "loss has shape (2, 3)"),
        ("loss", "not finite", changed(LOSS, 0, INF), "loss[0]", "finite"),
        ("groups", "length differs", LABELS[:4], "groups", "6"),
        ("diversity", "negative", -0.1, "diversity is -0.1"),
        ("age", "not a number", NAN, "age is nan", "finite"),
    ),
    *arrays(
        "pace.select_easiest",
        easiest,
        ("fraction", "negative", -0.1, "fraction is -0.1", "[0, 1]"),
        ("fraction", "above 1", 1.5, "fraction is 1.5", "[0, 1]"),
        ("loss", "length differs", LOSS[:4], "has 6 entries", "4 are needed"),
        ("loss", "two dimensions", LOSS.reshape(2, 3), "loss has shape (2, 3)"),
        ("loss", "not finite", changed(LOSS, 2, NAN), "loss[2]", "finite"),
        ("labels", "negative", changed(LABELS, 0, -1), "labels[0] is -1", "0..C-1"),
        ("labels", "of floats", LABELS + 0.5, "labels has dtype float64", "integers"),
        ("labels", "empty", np.array([], dtype=int), "labels is empty", "at least one"),
        ("num_classes", "too few", 2, "labels[4] is 2", "2 classes"),
    ),
    *arrays(
        "pace.co_select",
        co_select,
        ("probability", "not finite", changed(np.full(6, 0.5), 3, NAN), "probability[3]", "finite"),
        ("predicted", "unknown class", changed(LABELS, 5, 3), "predicted[5] is 3", "3 classes"),
        ("predicted", "length differs", LABELS[:5], "5", "6"),
        ("class_counts", "negative", np.array([1, -2, 1]), "class_counts", "-2"),
        ("fraction", "negative", -1.0, "fraction is -1"),
    ),
    ("pace.keep_at_least", "least", "negative", lambda: pace.keep_at_least(LOSS, LOSS, LABELS, -1), ("least is -1",)),
    ("pace.keep_at_least", "weights", "length differs", lambda: pace.keep_at_least(LOSS[:3], LOSS, LABELS, 1), ("3", "6")),
    ("pace.diverse_age", "fraction", "above 1", lambda: pace.diverse_age(LOSS, LABELS, 2.0, 0.1), ("fraction is 2", "[0, 1]")),
    ("pace.quantile_age", "fraction", "negative", lambda: pace.quantile_age(LOSS, -1.0), ("fraction is -1",)),
    ("pace.quantile_age", "loss", "empty", lambda: pace.quantile_age(np.array([]), 0.5), ("loss",)),
    ("pace.growing_ages", "first", "negative", lambda: pace.growing_ages(-1.0, 1.3, 3), ("first is -1",)),
    ("pace.growing_ages", "factor", "below 1", lambda: pace.growing_ages(1.0, 0.5, 3), ("factor is 0.5",)),
    ("pace.growing_ages", "paces", "zero", lambda: pace.growing_ages(1.0, 1.3, 0), ("paces is 0",)),
    ("pace.pace_fractions", "paces", "negative", lambda: pace.pace_fractions(-2), ("paces is -2",)),
    ("pace.pace_fractions", "schedule", "misspelt",
     lambda: pace.pace_fractions(3, "geometrik"), ("schedule is 'geometrik'", "did you mean 'geometric'")),
    ("pace.pace_fractions", "schedule", "falls", lambda: pace.pace_fractions(2, [0.9, 0.5]), ("schedule",)),
    ("pace.pace_fractions", "start", "above 1", lambda: pace.pace_fractions(3, start=1.2), ("start is 1.2",)),
    ("pace.pace_fractions", "power", "zero", lambda: pace.pace_fractions(3, "root", power=0.0), ("power is 0",)),
]

BALANCE = [
    *arrays(
        "balance.class_complexity",
        complexity,
        ("loss", "not finite", changed(LOSS, 1, NAN), "loss[1]", "finite"),
        ("loss", "length differs", LOSS[:5], "loss has 5 entries", "6"),
        ("labels", "beyond the classes", changed(LABELS, 0, 7), "labels[0] is 7", "3 classes"),
        ("selected", "of numbers", np.arange(6.0), "selected"),
        ("selected", "length differs", ALL[:2], "selected", "2", "6"),
        ("num_classes", "zero", 0, "num_classes is 0"),
    ),
    *arrays(
        "balance.class_ease",
        ease,
        ("labels", "two dimensions", LABELS.reshape(2, 3), "labels has shape (2, 3)"),
    ),
    ("balance.consistent_costs", "num_classes", "one", lambda: balance.consistent_costs(1), ("num_classes is 1",)),
    ("balance.consistent_costs", "max_cost", "below 1", lambda: balance.consistent_costs(3, 0.5), ("max_cost is 0.5",)),
    ("balance.consistent_costs", "rng", "a text", lambda: balance.consistent_costs(3, rng="now"), ("rng is 'now'",)),
    ("balance.consistent_costs", "rng", "negative", lambda: balance.consistent_costs(3, rng=-1), ("rng is -1",)),
    ("balance.cost_vector", "cm", "not square", lambda: balance.cost_vector(np.ones((2, 3))), ("cm", "(2, 3)")),
    ("balance.cost_vector", "cm", "not finite", lambda: balance.cost_vector(np.full((2, 2), NAN)), ("cm", "finite")),
    ("balance.cost_vector", "cm", "inconsistent",
     lambda: balance.cost_vector(np.array([[1, 2, 1], [1, 1, 2], [2, 1, 1.0]])), ("consistent",)),
    *arrays(
        "balance.penalty_weights",
        penalty,
        ("complexity", "negative", np.array([1.0, -2.0, 2.0]), "complexity", "-2"),
        ("complexity", "two dimensions", np.ones((2, 2)), "complexity has shape (2, 2)"),
        ("assignment", "misspelt", "sortd", "assignment is 'sortd'", "did you mean 'sorted'"),
        ("max_cost", "below 1", 0.1, "max_cost is 0.1"),
    ),
    *arrays(
        "balance.reconstruct_curriculum",
        curriculum,
        ("selected_counts", "negative", np.array([5, -3, 2]), "selected_counts", "-3"),
        ("selected_counts", "of floats", COUNTS + 0.5, "selected_counts", "integers"),
        ("complexity", "length differs", np.ones(2), "3 entries", "2 are needed"),
        ("max_added", "negative", -1, "max_added is -1"),
        ("keep_factor", "negative", -1.0, "keep_factor is -1"),
    ),
    ("balance.resample", "change", "length differs", lambda: balance.resample(LABELS, np.array([1, 0, 0, 4])), ("4",)),
    ("balance.resample", "change", "removes more than there are",
     lambda: balance.resample(LABELS, np.array([-5, 0, 0])), ("-5",)),
]

METRICS = [
    *arrays(
        "metrics.report",
        report,
        ("labels", "negative", changed(LABELS, 3, -1), "labels[3] is -1", "0..2"),
        ("labels", "empty", np.array([], dtype=int), "labels is empty"),
        ("labels", "beyond the scores", changed(LABELS, 3, 5), "labels[3] is 5", "3 classes"),
        ("scores", "one dimension", np.ones(6), "scores has shape (6,)"),
        ("scores", "length differs", SCORES[:4], "6 entries", "4 are needed"),
        ("scores", "not finite", changed(SCORES, (2, 1), NAN), "scores[2, 1]", "finite"),
        ("num_classes", "differs from the scores", 5, "5", "3"),
        ("predicted", "unknown class", changed(LABELS, 0, 9), "predicted[0] is 9"),
        ("predicted", "length differs", LABELS[:2], "predicted has 2 entries", "6"),
    ),
    *arrays(
        "metrics.mauc",
        mauc,
        ("scores", "not finite", changed(SCORES, (0, 0), INF), "scores[0, 0]", "finite"),
        ("scores", "three dimensions", np.ones((6, 3, 1)), "scores has shape (6, 3, 1)"),
        ("labels", "of texts", np.array(list("abcabc")), "labels", "integers"),
    ),
    ("metrics.report_from_confusion", "confusion", "not square",
     lambda: metrics.report_from_confusion(np.ones((2, 3), int)), ("confusion", "(2, 3)")),
    ("metrics.report_from_confusion", "confusion", "negative",
     lambda: metrics.report_from_confusion(np.array([[1, -1], [0, 1]])), ("confusion", "-1")),
    ("significance.sign_flip_test", "differences", "empty", lambda: significance.sign_flip_test(np.array([])), ("differences",)),
    ("significance.sign_flip_test", "differences", "not finite",
     lambda: significance.sign_flip_test(np.array([1, NAN])), ("differences[1]", "finite")),
    ("significance.mean_interval", "level", "outside", lambda: significance.mean_interval(LOSS, 1.5), ("level is 1.5", "(0, 1)")),
    ("significance.holm", "p_values", "above 1", lambda: significance.holm([0.1, 1.2]), ("p_values", "1.2")),
    ("significance.smallest_attainable_p", "seeds", "zero", lambda: significance.smallest_attainable_p(0), ("seeds is 0",)),
    ("imbalance.class_counts", "profile", "misspelt",
     lambda: imbalance.class_counts("exponental", 5, 100, 10), ("profile is 'exponental'", "did you mean")),
    ("imbalance.class_counts", "factor", "negative",
     lambda: imbalance.class_counts("exponential", 5, 100, -2.0), ("factor is -2",)),
    ("imbalance.class_counts", "largest", "zero", lambda: imbalance.class_counts("exponential", 5, 0, 10), ("largest", "0")),
]

LOSSES = [
    ("losses.focal", "gamma", "negative", lambda: losses.focal(LOGITS, TARGETS, -1.0), ("gamma is -1",)),
    ("losses.focal", "logits", "one dimension", lambda: losses.focal(torch.zeros(4), TARGETS, 2.0), ("logits", "(4,)")),
    ("losses.focal", "labels", "length differs", lambda: losses.focal(LOGITS, TARGETS[:2], 2.0), ("labels", "4")),
    ("losses.focal", "labels", "of floats", lambda: losses.focal(LOGITS, TARGETS.float(), 2.0), ("labels", "float32")),
    ("losses.focal", "weights", "length differs", lambda: losses.focal(LOGITS, TARGETS, 2.0, [1.0, 2.0]), ("weights", "3")),
    ("losses.class_balanced_weights", "beta", "one", lambda: losses.class_balanced_weights(COUNTS, 1.0), ("beta is 1", "[0, 1)")),
    ("losses.class_balanced_weights", "counts", "zero",
     lambda: losses.class_balanced_weights([5, 0, 2], 0.9), ("counts[1] is 0",)),
    ("losses.ldam_margins", "largest", "zero", lambda: losses.ldam_margins(COUNTS, 0.0), ("largest is 0",)),
    ("losses.ldam_margins", "counts", "not finite", lambda: losses.ldam_margins([5.0, NAN]), ("counts[1]",)),
    ("losses.ldam", "margins", "length differs", lambda: losses.ldam(LOGITS, TARGETS, [0.1, 0.2]), ("margins", "3")),
    ("losses.ldam", "scale", "zero", lambda: losses.ldam(LOGITS, TARGETS, [0.1, 0.2, 0.3], 0.0), ("scale is 0",)),
    ("losses.class_prior", "counts", "negative", lambda: losses.class_prior([5, -1]), ("counts[1] is -1",)),
    ("losses.logit_adjusted", "prior", "length differs",
     lambda: losses.logit_adjusted(LOGITS, TARGETS, [0.5, 0.5]), ("prior", "3")),
    ("losses.logit_adjusted", "tau", "not finite",
     lambda: losses.logit_adjusted(LOGITS, TARGETS, [0.2, 0.3, 0.5], NAN), ("tau is nan",)),
    ("losses.tau_normalized", "tau", "negative", lambda: losses.tau_normalized(torch.ones(3, 4), -0.5), ("tau is -0.5",)),
    ("losses.GHMC", "bins", "zero", lambda: losses.GHMC(bins=0), ("bins is 0",)),
    ("losses.GHMC", "momentum", "one", lambda: losses.GHMC(momentum=1.0), ("momentum is 1", "[0, 1)")),
    ("losses.GHMC", "target", "shape differs", lambda: losses.GHMC()(LOGITS, torch.zeros(4, 2)), ("target", "(4, 2)", "(4, 3)")),
    ("losses.GHMC", "valid", "shape differs", lambda: losses.GHMC()(LOGITS, torch.zeros(4, 3), torch.ones(3)), ("valid", "(3,)")),
    ("losses.GHMR", "mu", "zero", lambda: losses.GHMR(mu=0.0), ("mu is 0",)),
    ("losses.GHMR", "momentum", "negative", lambda: losses.GHMR(momentum=-0.1), ("momentum is -0.1",)),
    ("losses.GHMR", "target", "shape differs", lambda: losses.GHMR()(LOGITS, torch.zeros(3, 4)), ("target", "(3, 4)")),
    ("ghm.ghm_c", "bins", "negative", lambda: ghm.ghm_c(LOGITS, torch.zeros(4, 3), bins=-3), ("bins is -3",)),
    ("ghm.ghm_r", "mu", "negative", lambda: ghm.ghm_r(LOGITS, LOGITS, mu=-1.0), ("mu is -1",)),
    ("ghm.one_vs_all", "labels", "length differs", lambda: ghm.one_vs_all(LOGITS, TARGETS[:3]), ("labels", "4")),
]

DATA = [
    ("data.load", "name", "misspelt", lambda: data.load("digit"), ("'digit'", "did you mean 'digits'")),
    ("data.load", "root", "given for embedded data", lambda: data.load("digits", "here"), ("digits", "here")),
    ("data.load", "root", "absent", lambda: data.load("ham10000"), ("ham10000", "HAM10000_metadata.csv")),
    ("data.load", "root", "is not there", lambda: data.load("folder", "/nowhere/at/all"), ("nowhere",)),
    ("data.load", "size", "zero", lambda: data.load("digits", size=0), ("size is 0",)),
    ("data.load", "size", "a text", lambda: data.load("digits", size="large"), ("size is 'large'",)),
    ("data.load", "option", "misspelt", lambda: data.load("digits", facter=3), ("'facter'", "did you mean 'factor'")),
    ("data.load", "profile", "misspelt",
     lambda: data.load("digits", profile="long-tail"), ("profile is 'long-tail'", "exponential")),
    ("data.load", "largest", "negative", lambda: data.load("digits", largest=-4), ("largest is -4",)),
    ("data.load", "test_per_class", "zero", lambda: data.load("digits", test_per_class=0), ("test_per_class is 0",)),
    ("data.load", "num_classes", "one", lambda: data.load("lesions", num_classes=1), ("num_classes is 1",)),
    ("data.make_split", "validation", "zero", lambda: data.make_split(SAMPLES, 0.0), ("validation is 0", "(0, 1)")),
    ("data.make_split", "test", "one", lambda: data.make_split(SAMPLES, test=1.0), ("test is 1", "(0, 1)")),
    ("data.make_split", "validation", "with test above 1", lambda: data.make_split(SAMPLES, 0.6, 0.5), ("1.1", "less than 1")),
    ("data.make_split", "seed", "negative", lambda: data.make_split(SAMPLES, seed=-1), ("seed is -1",)),
    ("data.make_split", "fold", "does not exist", lambda: data.make_split(SAMPLES, fold=7), ("fold is 7",)),
    ("data.make_split", "fold", "with an official split",
     lambda: data.make_split(images(split=np.array([0, 2] * 3)), fold=0), ("fold is 0", "official")),
    ("data.make_split", "data", "a class too small", lambda: data.make_split(images()), ("class 0 (a)", "2 samples", "3")),
    ("ImageData", "images", "of floats", lambda: images(images=np.zeros((6, 3, 4, 4))), ("images", "float64", "uint8")),
    ("ImageData", "images", "channels last",
     lambda: images(images=np.zeros((6, 4, 4, 3), np.uint8)), ("(6, 4, 4, 3)", "[N,3,H,W]")),
    ("ImageData", "labels", "length differs", lambda: images(labels=LABELS[:4]), ("labels", "4 entries", "6")),
    ("ImageData", "labels", "a class without samples", lambda: images(labels=LABELS.clip(0, 1)), ("2 (c)",)),
    ("ImageData", "class_names", "only one", lambda: images(labels=LABELS * 0, class_names=("a",)), ("single class 'a'", "two")),
    ("ImageData", "groups", "length differs", lambda: images(groups=np.arange(4)), ("groups", "(4,)", "(6,)")),
    ("ImageData", "split", "unknown value", lambda: images(split=np.array([0, 1, 2, 3, 0, 0])), ("split", "0 (train)")),
    ("ImageData", "split", "no test rows", lambda: images(split=np.zeros(6, int)), ("test",)),
    ("Split", "test", "empty", lambda: dataclasses.replace(SPLIT, test=np.array([], int)), ("split.test", "non-empty")),
    ("Split", "train", "negative row", lambda: dataclasses.replace(SPLIT, train=np.array([-1])), ("split.train", "-1")),
    ("Split", "validation", "shares a row",
     lambda: dataclasses.replace(SPLIT, validation=SPLIT.train[:1]), (str(SPLIT.train[0]),)),
    ("Split.load", "path", "is not there", lambda: Split.load("nowhere.json"), ("nowhere.json",)),
]

WRONG_SETTINGS = {
    "size": 0, "num_classes": 1, "largest": 0, "test_per_class": 0, "validation": 0.0, "test": 1.0, "epochs": 0,
    "max_steps": -1, "batch_size": 0, "lr": 0.0, "backbone_lr": -0.1, "momentum": 1.0, "weight_decay": -1.0, "lr_gamma": 0.0,
    "padding": -1, "paces": 0, "pace_start": 0.0, "evaluate_every": 0, "least_per_class": -1, "diversity": -1.0,
    "labelled_share": 0.0, "balance_beta": 1.0, "focal_gamma": -1.0, "ghm_bins": 0, "ghm_momentum": 1.0, "ghm_r_mu": 0.0,
    "ldam_margin": 0.0, "ldam_scale": 0.0, "drw_start": 2.0, "adjustment_tau": NAN, "retrained_share": 0.0,
    "smote_neighbours": 0, "seed_share": 0.0, "max_cost": 0.5, "max_added": -1, "keep_factor": -1.0, "svm_cost": 0.0,
    "threads": 0,
}  # fmt: skip
MISSPELT = {
    "profile": "exponental", "pace_schedule": "lineer", "pace_form": "hrad", "pace_scope": "globel",
    "assignment": "sortd", "selection": "validaton", "balance_on": "svn", "head": "softmaks", "precision": "fp23",
    "variant": "claen",
}  # fmt: skip
CONFIG = [
    ("config.preset", "name", "misspelt", lambda: preset("fats"), ("'fats'", "did you mean 'fast'")),
    ("config.preset", "setting", "misspelt", lambda: preset("fast", epoch=3), ("'epoch'", "did you mean 'epochs'")),
    ("config.preset", "milestones", "fall", lambda: preset("fast", milestones=(0.8, 0.2)), ("milestones",)),
    ("config.preset", "add_ratios", "above 1", lambda: preset("fast", add_ratios=(0.5, 1.5)), ("add_ratios", "1.5")),
    ("config.preset", "add_ratios", "empty", lambda: preset("fast", add_ratios=()), ("add_ratios",)),
    ("config.preset", "seeds", "twice the same", lambda: preset("fast", seeds=(1, 1)), ("seeds", "1")),
    ("config.preset", "flip", "a text", lambda: preset("fast", flip="no"), ("flip is 'no'", "True")),
    *((("config.preset", name, "outside its range",
     lambda n=name, v=value: preset("fast", **{n: v}), (f"{name} is {value:g}",))) for name, value in WRONG_SETTINGS.items()),
    *((("config.preset", name, "misspelt",
     lambda n=name, v=value: preset("fast", **{n: v}), (f"{name} is {value!r}", "did you mean")))
      for name, value in MISSPELT.items()),
]

RUNS = [
    ("methods.run", "model", "misspelt",
     lambda: methods.run("ce", SAMPLES, SPLIT, SMOKE.replace(model="small_cn")), ("small_cn", "did you mean 'small_cnn'")),
    ("methods.run", "method", "misspelt",
     lambda: methods.run("spbl_claen", SAMPLES, SPLIT, SMOKE), ("method is 'spbl_claen'", "did you mean 'spbl_clean'")),
    ("methods.run", "seed", "negative", lambda: methods.run("ce", SAMPLES, SPLIT, SMOKE, seed=-1), ("seed is -1",)),
    ("methods.run", "split", "of other data",
     lambda: methods.run("ce", blobs([20, 12, 9]), SPLIT, SMOKE), ("split", "other data")),
    ("methods.run", "config.selection", "test labels for a baseline",
     lambda: methods.run("ce", SAMPLES, SPLIT, SMOKE.replace(selection="test")), ("selection", "test")),
    ("methods.spbl.run", "seed", "negative", lambda: next(spbl.run(SAMPLES, SPLIT, SMOKE, seed=-2)), ("seed is -2",)),
    ("methods.spbl.run", "split", "of other data",
     lambda: next(spbl.run(blobs([20, 12, 9]), SPLIT, SMOKE)), ("split", "other data")),
    ("detection.load", "name", "misspelt", lambda: detection.load("cocoa"), ("'cocoa'", "did you mean 'coco'")),
    ("detection.load", "root", "is not there", lambda: detection.load("voc", "/nowhere/at/all", 64), ("VOC",)),
    ("detection.load", "option", "misspelt",
     lambda: detection.load("synthetic", None, 64, cuont=3), ("'cuont'", "did you mean 'count'")),
    ("detection.load", "size", "zero", lambda: detection.load("synthetic", None, 0), ("size is 0",)),
    ("detection.load", "count", "zero", lambda: detection.load("synthetic", None, 64, count=0), ("count is 0",)),
    ("store.load", "folder", "is not there", lambda: store.load("nowhere"), ("nowhere",)),
    ("store.read_records", "path", "is not there", lambda: store.read_records("nowhere.json"), ("nowhere.json",)),
]

EXPLORERS = [
    ("PaceExplorer", "loss", "length differs", lambda: PaceExplorer(LOSS[:4], LABELS, NAMES), ("6 entries", "4 are needed")),
    ("PaceExplorer", "loss", "not finite", lambda: PaceExplorer(changed(LOSS, 0, NAN), LABELS, NAMES), ("loss[0]", "finite")),
    ("PaceExplorer", "labels", "beyond the names", lambda: PaceExplorer(LOSS, LABELS, ("a", "b")), ("labels", "2")),
    ("PaceExplorer", "thumbnails", "length differs",
     lambda: PaceExplorer(LOSS, LABELS, NAMES, np.zeros((2, 3, 8, 8), np.uint8)), ("thumbnails", "2")),
    ("CurriculumPlayer", "records", "only one", lambda: CurriculumPlayer([None], LABELS, NAMES), ("records has 1", "2")),
    ("ReconstructionPlayer", "complexity", "length differs",
     lambda: ReconstructionPlayer(COUNTS, np.ones(2), NAMES), ("complexity", "2", "3")),
    ("ReconstructionPlayer", "counts", "negative",
     lambda: ReconstructionPlayer(np.array([5, -3, 2]), np.ones(3), NAMES), ("counts", "-3")),
    ("GHMExplorer", "norms", "above 1", lambda: GHMExplorer(np.array([0.5, 1.5])), ("norms", "[0, 1]")),
    ("GHMExplorer", "norms", "empty", lambda: GHMExplorer(np.array([])), ("norms", "at least one")),
    ("GHMExplorer", "batch", "zero", lambda: GHMExplorer(np.array([0.5]), batch=0), ("batch is 0",)),
    ("MetricExplorer", "train_counts", "length differs",
     lambda: MetricExplorer(LABELS, SCORES, NAMES, COUNTS[:2]), ("train_counts", "2", "3")),
    ("SimulatedMetricExplorer", "classes", "one", lambda: SimulatedMetricExplorer(classes=1), ("classes is 1",)),
]
# fmt: on

ROWS = [*PACE, *BALANCE, *METRICS, *LOSSES, *DATA, *CONFIG, *RUNS, *EXPLORERS]


@pytest.mark.parametrize(
    ("door", "argument", "fault", "call", "words"), ROWS, ids=[f"{one[0]}-{one[1]}-{one[2]}" for one in ROWS]
)
def test_a_wrong_input_is_refused_in_words(door, argument, fault, call, words):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as refused:
        call()
    message = str(refused.value)
    for word in (words,) if isinstance(words, str) else words:
        assert word in message, f"{door}({argument}), {fault}: {message}"


COMMANDS = [
    ("reproduce", "--methods", "misspelt", ["--methods", "spbl_claen"], "did you mean 'spbl_clean'"),
    ("reproduce", "--datasets", "misspelt", ["--datasets", "digit"], "did you mean 'digits'"),
    ("reproduce", "--preset", "misspelt", ["--preset", "fats"], "'fats'"),
    ("reproduce", "--seeds", "no numbers", ["--seeds", "one"], "one"),
    ("reproduce", "--seeds", "backwards", ["--seeds", "5-2"], "5-2"),
    ("reproduce", "--jobs", "zero", ["--jobs", "0"], "0"),
    ("reproduce", "--time-limit", "negative", ["--time-limit", "-1"], "-1"),
    ("reproduce", "--config", "is not there", ["--config", "nowhere.yaml"], "nowhere.yaml"),
    ("reproduce", "--data-root", "for embedded data", ["--datasets", "digits", "--data-root", "here"], "digits"),
    ("reproduce", "--data-options", "no pairs", ["--datasets", "digits", "--data-options", "factor"], "factor"),
    ("reproduce", "an option", "misspelt", ["--sedes", "1"], "--sedes"),
    ("train", "METHOD", "misspelt", ["focl", "digits"], "did you mean 'focal'"),
    ("train", "DATASET", "misspelt", ["ce", "lesion"], "did you mean 'lesions'"),
    ("train", "--data-root", "is not there", ["ce", "folder", "--data-root", "/nowhere/at/all"], "nowhere"),
    ("data", "NAME", "misspelt", ["foldr"], "did you mean 'folder'"),
    ("data", "--data-root", "absent", ["mit67"], "TrainImages.txt"),
    ("export", "--runs-dir", "is not there", ["all.json", "--runs-dir", "/nowhere/at/all"], "nowhere"),
    ("lab", "--notebooks", "is not there", ["--notebooks", "/nowhere/at/all"], "nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "argument", "fault", "options", "word"),
    COMMANDS,
    ids=[f"{one[0]} {one[1]} {one[2]}" for one in COMMANDS],
)
def test_a_wrong_command_is_refused_in_a_line_and_writes_nothing(
    command, argument, fault, options, word, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main([command, *options])
    except SystemExit as ended:
        status = ended.code
    assert status == 2, fault
    message = capsys.readouterr().err
    assert word in message, f"{argument}: {message}"
    assert "Traceback" not in message
    assert not list(tmp_path.iterdir())


def test_the_table_is_large_and_no_row_stands_twice():
    rows = [one[:3] for one in [*ROWS, *COMMANDS]]
    assert len(rows) >= 200
    assert len({tuple(map(str, one)) for one in rows}) == len(rows)
    assert {re.split(r"[.(]", one[0])[0] for one in ROWS} >= {"pace", "balance", "metrics", "losses", "data", "config"}
    assert config.preset("fast")
