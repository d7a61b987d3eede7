"""Self-paced balance learning: the whole loop, as released, without its leak, and as its abstract intends.

A seed set of every class trains the network. Then, pace by pace, the easiest samples of every class are admitted; their
losses tell how complex each class is; complex classes get larger penalty weights and more samples; the network trains
on, and the head is fitted again. :data:`VARIANTS` says in which switches the three variants differ; besides, the release
draws penalty weights from a constant stream, the others from the seed. Of what ``intended`` changes, the abstract asks
for the sorted weights and for a balance that the network learns from; the rest follows from the network taking the SVM's
place (difficulty, head, no stack), or is ours (no replacement, no rounding).
"""

import copy
import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spbl_nb import balance, checks, files, metrics, pace, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods.job import Job, Result, features_of, part_of_each_class, shares_of, stage_of
from spbl_nb.methods.self_paced import losses_of, weighted_loss
from spbl_nb.svm import StackedSVC
from spbl_nb.training.models import Classifier

SEED_WEIGHT = 0.2  # weight of the seed set's rows on the stack once the paces have begun
FIRST_KEPT_EPOCH = 10  # the release looks for its best epoch from here on, in stages of 50
KEPT_SHARE = 0.2  # the same as a share, for stages that are shorter
_KEPT = ("pace", "fraction", "complexity", "weights", "counts_before", "counts_after")


@dataclass(frozen=True)
class Switches:
    """What tells the variants of SPBL apart; the settings of the same names in :class:`spbl_nb.config.Config`."""

    selection: str = "test"  # the leak of the release
    assignment: str = "released"
    weighting: bool = True
    reconstruction: bool = True
    replacement: bool = True
    rounded_ease: bool = True
    balance_on: str = "svm"
    difficulty_from: str = "svm"
    warm_start: bool = True
    feature_stack: bool = True
    head: str = "svm"


VARIANTS = {
    "released": Switches(),
    "clean": Switches(selection="validation"),
    "intended": Switches(
        selection="validation",
        assignment="sorted",
        replacement=False,
        rounded_ease=False,
        balance_on="network",
        difficulty_from="network",
        feature_stack=False,
        head="softmax",
    ),
}


@dataclass(frozen=True)
class PaceRecord:
    """One pace of SPBL, from selection to report."""

    pace: int  # 1, 2, …
    fraction: float  # share of every class that is admitted
    rows: np.ndarray  # int64[n], the pool: training rows outside the seed set
    seed_rows: np.ndarray  # int64[m], the seed set
    loss: np.ndarray  # float64[n] of the pool under the model of the pace before
    selected: np.ndarray  # bool[n]
    ease: np.ndarray  # float64[C], as are complexity and weights
    complexity: np.ndarray
    weights: np.ndarray
    counts_before: np.ndarray  # int64[C], selected samples
    counts_after: np.ndarray  # int64[C], after reconstruction
    balanced_rows: np.ndarray  # int64[k], what seed set and selection became, duplicates included
    before: metrics.Report  # on the validation rows, of the model that selected
    validation: metrics.Report  # of the model after this pace
    test: metrics.Report | None  # at every pace where the variant selects on the test rows anyway, else at the last one


def run(data: ImageData | FeatureData, split: Split, config: Config, seed: int = 0) -> Iterator[PaceRecord]:
    """Run SPBL and yield one :class:`PaceRecord` after each pace; a notebook may stop between paces.

    ``config.variant`` names the variant; the settings of :class:`Switches` override single switches of it. Raises
    ValueError for a class of which the seed set leaves nothing to the pool, and as :class:`spbl_nb.methods.job.Job` does.
    """
    method = f"spbl_{checks.instance('config', config, Config).variant}"
    yield from run_paces(Job(method, data, split, config, seed), Result(method))


def train_spbl(job: Job) -> Result:
    """Run SPBL to its end, for :func:`spbl_nb.methods.run`."""
    if job.config.selection == "test" and job.method != "spbl_released":
        raise ValueError(
            f"selection is 'test', and the method {job.method}; only spbl_released may select on the test rows: leave "
            "selection out, or study the switch with spbl.run"
        )
    result = Result(job.method)
    for record in run_paces(job, result):
        result.details["paces"].append(_summary(record, job.data.labels))
    return result


def run_paces(job: Job, result: Result) -> Iterator[PaceRecord]:
    """Run the loop of :func:`run`, leaving network, history, steps, timing and scores in ``result``."""
    config, state = job.config, _State(job, result)
    seed_rows, ones = state.seed_rows, np.ones(job.data.num_classes)
    fitted = training.fit(state.model, state.inputs, **state.lesson("seed", seed_rows, seed_rows, ones))
    state.fit_head("seed", fitted, seed_rows, ones, decay=SEED_WEIGHT)
    for number, fraction in enumerate(config.add_ratios, 1):
        name = f"pace-{number}"
        record = _select_and_balance(state, number, fraction)
        rows = np.concatenate([seed_rows, state.pool[record.selected]])
        fitted = training.fit(
            state.model, state.inputs, **state.lesson(name, rows, record.balanced_rows, record.weights)
        )
        on_head = state.switches.balance_on != "network"
        state.fit_head(
            name,
            fitted,
            record.balanced_rows if on_head else rows,
            record.weights if on_head else ones,
            decay=fraction * (1 - config.seed_share) + config.seed_share,  # what is admitted of all by now
            last=number == len(config.add_ratios),
        )
        yield dataclasses.replace(record, validation=state.validation, test=state.test)


def _select_and_balance(state: "_State", number: int, fraction: float) -> PaceRecord:
    """Select the easiest of every class, measure complexity, weigh the classes and rearrange the curriculum."""
    config, switches, classes = state.job.config, state.switches, state.job.data.num_classes
    pool, labels = state.pool, state.job.data.labels[state.pool]
    stage, seed = f"pace-{number}", state.job.seed
    loss = state.pool_losses()
    selected = pace.select_easiest(loss, labels, fraction, classes)
    ease = balance.class_ease(loss, labels, selected, classes)
    complexity = balance.class_complexity(loss, labels, selected, classes)
    ranked_by = 1 / balance.scaled_ease(ease, np.bincount(labels)) if switches.rounded_ease else complexity
    before = np.bincount(labels[selected], minlength=classes)
    weights, after = np.ones(classes), before
    if switches.weighting:  # None is the constant stream of the release
        stream = None if config.variant == "released" else training.generator_for(seed, "penalty weights", stage)
        weights = balance.penalty_weights(ranked_by, switches.assignment, config.max_cost, stream)
    if switches.reconstruction:
        after = balance.reconstruct_curriculum(before, ranked_by, config.max_added, config.keep_factor)
    rows = np.concatenate([state.seed_rows, pool[selected]])
    stream = training.generator_for(seed, "resampling", stage)
    drawn = balance.resample(state.job.data.labels[rows], after - before, stream, replacement=switches.replacement)
    return PaceRecord(
        pace=number,
        fraction=fraction,
        rows=pool,
        seed_rows=state.seed_rows,
        loss=loss,
        selected=selected,
        ease=ease,
        complexity=complexity,
        weights=weights,
        counts_before=before,
        counts_after=after,
        balanced_rows=rows[drawn],
        before=state.validation,
        validation=state.validation,
        test=None,
    )


class _State:
    """What a run carries from stage to stage: the network, the stack of features, and what the last stage predicted."""

    def __init__(self, job: Job, result: Result) -> None:
        self.job, self.result, self.switches = job, result, switches_of(job.config)
        self.seed_rows, self.pool = _seed_and_pool(job)
        self.position = np.full(len(job.data), -1)  # of a row in what a stage predicts
        self.steps = iter(steps_of_stages(job.train_labels, job.config))
        self.model = job.network()
        self.start = copy.deepcopy(self.model.state_dict())
        self.inputs: ImageData | FeatureData = job.data
        self.uses_svm = "svm" in (self.switches.head, self.switches.difficulty_from)
        self.stack = self._empty_stack()
        self.test: metrics.Report | None = None
        result.networks = [self.model]
        result.details = {"switches": dataclasses.asdict(self.switches), "stages": [], "paces": []}
        result.timing = {"training": 0.0, "prediction": 0.0, "head": 0.0}

    def lesson(self, name: str, rows: np.ndarray, balanced: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        """Return the arguments of :func:`spbl_nb.training.fit` for a stage, and put a cold network back to its start."""
        config, switches, stages = self.job.config, self.switches, self.result.details["stages"]
        if not switches.warm_start and stages:
            self.model.load_state_dict(self.start)
        options = self.job.options(name)
        if switches.balance_on != "svm":
            rows = balanced
            if switches.weighting:
                options |= {"weights": weights[self.job.data.labels[rows]], "loss": weighted_loss("weights")}
        if switches.selection == "test":
            options["validation"] = self.job.split.test
        steps = next(self.steps)
        epochs = -(-steps // (len(rows) // min(config.batch_size, len(rows))))
        options["first_eval_epoch"] = first_kept_epoch(epochs)
        stages.append({"stage": name, "rows": len(rows), "steps": steps, "epochs": epochs})
        stages[-1]["kept_from"] = options["first_eval_epoch"]
        selection = "last" if switches.selection == "last" else "validation"  # on the rows above
        return options | {"rows": rows, "config": stage_of(config, steps).replace(selection=selection)}

    def fit_head(
        self,
        name: str,
        fitted: training.Fit,
        rows: np.ndarray,
        weights: np.ndarray,
        *,
        decay: float,
        last: bool = False,
    ) -> None:
        """Predict all rows that are needed, put ``rows`` on the stack, fit the head, score and report.

        Afterwards the rows' weights on the stack are multiplied by ``decay``.
        """
        split, timing, labels = self.job.split, self.result.timing, self.job.data.labels
        if self.switches.selection == "test":  # the rows that were evaluated
            history = [{key.replace("validation_", "test_"): v for key, v in e.items()} for e in fitted.history]
            fitted = dataclasses.replace(fitted, history=history)
        self.result.add(fitted, name)
        timing["training"] += fitted.seconds
        with_test = last or self.switches.selection == "test"
        needed = np.concatenate([split.train, split.validation, *([split.test] if with_test else [])])
        self.position[needed] = np.arange(len(needed))
        started = time.perf_counter()
        seen = self.job.remember(f"{name}.seen", lambda: self._predict(needed))
        features, self.logits = seen["features"], seen["logits"]
        predicted_at = time.perf_counter()
        timing["prediction"] += predicted_at - started
        with training.torch_threads(self.job.config.threads):
            if self.uses_svm or self.switches.head == "logistic":
                self.stack = self.stack if self.switches.feature_stack else self._empty_stack()
                self.stack.add(features[self.position[rows]], labels[rows], weights[labels[rows]])
            if self.uses_svm:
                self.decisions = self.job.remember(f"{name}.svm", lambda: self._fit_svm(features))
            kind, scores, predicted = self._scores(features, slice(len(split.train), None))
        self.stack.weights[len(self.stack) - len(rows) :] *= decay
        timing["head"] += time.perf_counter() - predicted_at
        count = len(split.validation)
        self.validation = self._report(split.validation, scores[:count], predicted[:count])
        self.test = None
        if with_test:
            self.result.score(kind, scores[count:], predicted[count:])
            self.test = self._report(split.test, scores[count:], predicted[count:])
        if self.job.config.feature_cache and isinstance(self.inputs, ImageData):
            self.inputs = features_of(self.job, self.model)  # from now on a network of the head alone trains on them
            self.model = Classifier(nn.Identity(), copy.deepcopy(self.model.head))
            self.start = {key: value for key, value in self.start.items() if key.startswith("head.")}

    def pool_losses(self) -> np.ndarray:
        """Return float64[n], the losses of the pool under the last stage's SVM or network."""
        scores = self.decisions["decision"] if self.switches.difficulty_from == "svm" else self.logits
        return np.maximum(losses_of(scores[self.position[self.pool]], self.job.data.labels[self.pool]), 0)

    def _predict(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        found = training.predict(self.model, self.inputs, rows, self.job.config)
        return {"features": found.features, "logits": found.logits}

    def _fit_svm(self, features: np.ndarray) -> dict[str, np.ndarray]:
        decision, predicted = training.broadcast_from_main(lambda: self.stack.fit().decide(features))
        return {"decision": decision, "predicted": predicted}

    def _scores(self, features: np.ndarray, part: slice) -> tuple[str, np.ndarray, np.ndarray]:
        """Return kind, scores and predictions of the predicted rows of ``part`` by the head that the switches name."""
        if self.switches.head == "svm":
            return "decision", self.decisions["decision"][part], self.decisions["predicted"][part]
        if self.switches.head == "softmax":
            probability = torch.from_numpy(self.logits[part]).double().softmax(dim=1).numpy()
        else:
            probability = _logistic(self.stack, features[part])
        return "probability", probability, probability.argmax(axis=1)

    def _report(self, rows: np.ndarray, scores: np.ndarray, predicted: np.ndarray) -> metrics.Report:
        return metrics.report(self.job.data.labels[rows], scores, self.job.data.num_classes, predicted)

    def _empty_stack(self) -> StackedSVC:
        config = self.job.config
        memory = config.svm_memory if self.uses_svm else 0.0
        return StackedSVC(self.job.data.num_classes, cost=config.svm_cost, memory=memory)


def switches_of(config: Config) -> Switches:
    """Return the variant's switches, with those that the configuration sets itself."""
    variant = VARIANTS[config.variant]
    names = [field.name for field in dataclasses.fields(Switches)]
    return dataclasses.replace(variant, **{name: v for name in names if (v := getattr(config, name)) is not None})


def steps_of_stages(labels: np.ndarray, config: Config) -> list[int]:
    """Return the optimiser steps of the seed stage and of each pace, for training labels int[N].

    They are ``config.stage_epochs`` passes over the samples that a stage trains on before balancing, or shares of the one
    budget in proportion to those; with cached features half of it goes to the seed stage, which alone trains the backbone.
    """
    counts = np.bincount(labels)
    seed = np.ceil(config.seed_share * counts)
    sizes = [int((seed + np.ceil(q * (counts - seed))).sum()) for q in (0.0, *config.add_ratios)]
    if config.stage_epochs is not None:
        return [config.stage_epochs * (size // min(config.batch_size, size)) for size in sizes]
    if config.feature_cache:
        sizes[0] = sum(sizes[1:])
    return shares_of(training.step_budget(config, len(labels)), sizes)


def first_kept_epoch(epochs: int) -> int:
    """Return the epoch, from 1, from which on a stage's weights may be kept; the release keeps none before the tenth of 50."""
    return FIRST_KEPT_EPOCH if epochs >= FIRST_KEPT_EPOCH else max(1, math.ceil(KEPT_SHARE * epochs))


def _seed_and_pool(job: Job) -> tuple[np.ndarray, np.ndarray]:
    share = job.config.seed_share
    seed_rows, pool = part_of_each_class(job.data.labels, job.split.train, share, job.seed)
    left = np.bincount(job.data.labels[pool], minlength=job.data.num_classes)
    if left.min() == 0:
        empty = int(left.argmin())
        samples = job.data.counts(job.split.train)[empty]
        found, advice = "1 training sample", "merge or drop the class"
        if samples > 1:
            found, advice = f"{samples} training samples", "take a smaller seed_share"
        raise ValueError(
            f"class {empty} ({job.data.class_names[empty]}) has {found}, all in the seed set (seed_share {share:g}); SPBL needs "
            f"at least one more for the pool: {advice}"
        )
    return seed_rows, pool


def _logistic(stack: StackedSVC, features: np.ndarray) -> np.ndarray:
    """Return probabilities float64[M,C] of a logistic regression on the rows of the stack with their weights."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(stack.features)
    head = LogisticRegression(max_iter=1000)
    head.fit(scaler.transform(stack.features), stack.labels, sample_weight=stack.weights)
    return head.predict_proba(scaler.transform(features))


def _summary(record: PaceRecord, labels: np.ndarray) -> dict[str, Any]:
    """Return what a result file keeps of a pace."""
    kept = {name: getattr(record, name) for name in _KEPT}
    shown = np.bincount(labels[record.balanced_rows], minlength=len(record.weights))
    reports = {"validation_before": record.before, "validation": record.validation, "test": record.test}
    summaries = {name: None if report is None else report.summary() for name, report in reports.items()}
    return files.to_jsonable(kept | {"balanced_per_class": shown} | summaries)
