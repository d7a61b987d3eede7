"""Self-paced balance learning: the whole loop, as released, without its leak, and as its abstract intends.

A seed set of every class trains the network. Then, pace by pace, the easiest samples of every class are admitted; their
losses tell how complex each class is; complex classes get larger penalty weights and more samples; the network trains
on, and the head is fitted anew.

The variants are those of :mod:`spbl_nb.methods.spbl_variants`; every switch of theirs can be set by itself.

Taught in: notebooks/05_spbl.
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

from spbl_nb import balance, files, metrics, pace, training
from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import Split
from spbl_nb.methods.job import Job, Scores, Trained, part_of_each_class, shares_of, stage_of
from spbl_nb.methods.self_paced import losses_of, weighted_loss
from spbl_nb.methods.spbl_variants import VARIANTS as VARIANTS
from spbl_nb.methods.spbl_variants import Switches as Switches
from spbl_nb.methods.spbl_variants import switches_of
from spbl_nb.svm import StackedSVC
from spbl_nb.training.loop import generator_for
from spbl_nb.training.models import Classifier

SEED_WEIGHT = 0.2  # weight of the seed set's rows on the stack once the paces have begun
FIRST_KEPT_EPOCH = 10  # the release looks for its best epoch from here on, in stages of 50
KEPT_SHARE = 0.2  # the same as a share, for stages that are shorter


@dataclass(frozen=True)
class PaceRecord:
    """One pace of SPBL, from selection to report.

    Attributes
    ----------
    pace : 1, 2, …; ``fraction`` the share of every class that it admits.
    rows : int64[n], the pool: rows of the data set outside the seed set. ``seed_rows`` int64[m], the seed set.
    loss : float64[n] of the pool's samples under the model of the pace before; ``selected`` bool[n].
    ease, complexity, weights : float64[C].
    counts_before, counts_after : int64[C], samples selected in each class, and after reconstruction.
    balanced_rows : int64[k], rows of the data set that seed set and selection became, duplicates included.
    seconds : wall time of the pace; ``parts`` splits it into training, prediction and head.
    before : report on the validation rows of the model that selected; ``validation`` of the model after this pace.
    test : report on the test rows: at every pace where the variant selects on the test rows anyway, else at the last one.
    """

    pace: int
    fraction: float
    rows: np.ndarray
    seed_rows: np.ndarray
    loss: np.ndarray
    selected: np.ndarray
    ease: np.ndarray
    complexity: np.ndarray
    weights: np.ndarray
    counts_before: np.ndarray
    counts_after: np.ndarray
    balanced_rows: np.ndarray
    seconds: float
    parts: dict[str, float]
    before: metrics.Report
    validation: metrics.Report
    test: metrics.Report | None


def run(data: ImageData | FeatureData, split: Split, config: Config, seed: int = 0) -> Iterator[PaceRecord]:
    """Run SPBL and yield one :class:`PaceRecord` after each pace; a notebook may stop between paces.

    ``config.variant`` names the variant, and the settings of :class:`Switches` override single switches of it.
    :func:`steps_of_stages` says how long each stage trains.

    Raises ValueError for a class of which the seed set leaves nothing to the pool (one training sample, or a large
    ``seed_share``), what :class:`spbl_nb.methods.job.Job` raises, and what :func:`spbl_nb.training.fit` raises.

    Taught in: notebooks/05_spbl, section 1.
    """
    yield from run_paces(Job(f"spbl_{config.variant}", data, split, config, seed, None, False), Trained([]))


def train_spbl(job: Job) -> Trained:
    """Run SPBL to its end, for :func:`spbl_nb.methods.run`."""
    trained = Trained([])
    for record in run_paces(job, trained):
        trained.details["paces"].append(_summary(record, job.data.labels))
    return trained


def steps_of_stages(labels: np.ndarray, config: Config) -> list[int]:
    """Return the optimiser steps of the seed stage and of each pace, for training labels int[N].

    They are in proportion to the samples that a stage trains on before balancing: ``config.stage_epochs`` passes over
    them, or shares of the one budget that every method has. With cached features the seed stage, the only one that
    trains the backbone, gets half of that budget. Raises ValueError when the budget is too small for its stages.
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
    """Return the epoch, from 1, from which on a stage of that many epochs may be the one whose weights are kept.

    The release keeps none before the tenth of 50; stages of fewer than ten epochs start at the same share of theirs.
    """
    return FIRST_KEPT_EPOCH if epochs >= FIRST_KEPT_EPOCH else max(1, math.ceil(KEPT_SHARE * epochs))


def run_paces(job: Job, trained: Trained) -> Iterator[PaceRecord]:
    """Run the loop of :func:`run`, leaving network, history, steps, timing and scores in ``trained``."""
    loop = _Loop(job, trained)
    loop.stage("seed", loop.seed_rows, np.ones(loop.classes), last=False)
    for index, fraction in enumerate(job.config.add_ratios, 1):
        yield loop.pace(index, fraction)


class _Loop:
    """The state of a run: the network, the stack of features, and what the last stage predicted."""

    def __init__(self, job: Job, trained: Trained) -> None:
        self.job, self.config, self.trained = job, job.config, trained
        self.switches = switches_of(job.config)
        self.labels, self.classes = job.data.labels, job.data.num_classes
        self.train_rows = job.split.train
        self.seed_rows, self.pool = self._seed_and_pool()
        self.position = np.full(len(job.data), -1)  # of a row in what a stage predicts
        self.steps = steps_of_stages(self.labels[self.train_rows], job.config)
        self.model = job.network()
        self.start = copy.deepcopy(self.model.state_dict())
        self.inputs: ImageData | FeatureData = job.data
        self.stack = self._empty_stack()
        self.stages = 0
        trained.networks = [self.model]
        trained.details = {"switches": dataclasses.asdict(self.switches), "stages": [], "paces": []}
        trained.timing = {"training": 0.0, "prediction": 0.0, "head": 0.0}

    def pace(self, index: int, fraction: float) -> PaceRecord:
        """Select, measure complexity, balance, train on, fit the head, report."""
        started, parts_before = time.perf_counter(), dict(self.trained.timing)
        before, labels = self.validation, self.labels[self.pool]
        loss = self._pool_losses()
        selected = pace.select_easiest(loss, labels, fraction, self.classes)
        ease = balance.class_ease(loss, labels, selected, self.classes)
        complexity = balance.class_complexity(loss, labels, selected, self.classes)
        ranked_by = complexity
        if self.switches.rounded_ease:
            ranked_by = 1 / balance.scaled_ease(ease, np.bincount(labels))
        counts = np.bincount(labels[selected], minlength=self.classes)
        weights, counts_after = np.ones(self.classes), counts
        if self.switches.weighting:
            weights = balance.penalty_weights(
                ranked_by, self.switches.assignment, self.config.max_cost, self._penalty_stream(index)
            )
        if self.switches.reconstruction:
            counts_after = balance.reconstruct_curriculum(
                counts, ranked_by, self.config.max_added, self.config.keep_factor
            )
        rows = np.concatenate([self.seed_rows, self.pool[selected]])
        drawn = balance.resample(
            self.labels[rows],
            counts_after - counts,
            generator_for(self.job.seed, "resampling", f"pace-{index}"),
            replacement=self.switches.replacement,
        )
        last = index == len(self.config.add_ratios)
        decay = fraction * (1 - self.config.seed_share) + self.config.seed_share  # what is admitted of all by now
        self.stage(f"pace-{index}", rows, weights, last=last, balanced=rows[drawn], decay=decay)
        return PaceRecord(
            pace=index,
            fraction=fraction,
            rows=self.pool,
            seed_rows=self.seed_rows,
            loss=loss,
            selected=selected,
            ease=ease,
            complexity=complexity,
            weights=weights,
            counts_before=counts,
            counts_after=counts_after,
            balanced_rows=rows[drawn],
            seconds=time.perf_counter() - started,
            parts={part: value - parts_before[part] for part, value in self.trained.timing.items()},
            before=before,
            validation=self.validation,
            test=self.test,
        )

    def stage(
        self,
        name: str,
        rows: np.ndarray,
        weights: np.ndarray,
        *,
        last: bool,
        balanced: np.ndarray | None = None,
        decay: float = SEED_WEIGHT,
    ) -> None:
        """Train the network on ``rows``, predict once, fit the head on them, report.

        ``balanced`` are the resampled rows, which with the class ``weights`` take the place of ``rows`` wherever balance
        acts. Afterwards the rows' weights on the stack are multiplied by ``decay``.
        """
        balanced = rows if balanced is None else balanced
        on_network, on_head = (self.switches.balance_on in (place, "both") for place in ("network", "svm"))
        self._train(name, balanced if on_network else rows, weights if on_network else None)
        self._predict_and_fit(
            name, balanced if on_head else rows, weights if on_head else np.ones(self.classes), decay, last
        )
        if self.config.feature_cache and isinstance(self.inputs, ImageData):
            self._freeze()
        self.stages += 1

    def _train(self, name: str, rows: np.ndarray, weights: np.ndarray | None) -> None:
        config, switches = self.config, self.switches
        stage_config = stage_of(config, self.steps[self.stages])
        epochs = -(-self.steps[self.stages] // (len(rows) // min(config.batch_size, len(rows))))
        options: dict[str, Any] = {"first_eval_epoch": first_kept_epoch(epochs)}
        if switches.selection == "test":
            options["validation"] = self.job.split.test
        selection = "last" if switches.selection == "last" else "validation"  # the rows above are what it looks at
        if weights is not None and switches.weighting:
            options |= {"weights": weights[self.labels[rows]], "loss": weighted_loss("weights")}
        if not switches.warm_start and self.stages:
            self.model.load_state_dict(self.start)
        started = time.perf_counter()
        job = dataclasses.replace(self.job, data=self.inputs)
        fitted = job.fit(self.model, rows, stage_config.replace(selection=selection), stage=name, **options)
        self.trained.timing["training"] += time.perf_counter() - started
        if switches.selection == "test":
            history = [{key.replace("validation_", "test_"): v for key, v in e.items()} for e in fitted.history]
            fitted = dataclasses.replace(fitted, history=history)
        self.trained.add(fitted, name)
        self.trained.details["stages"].append(
            {
                "stage": name,
                "rows": len(rows),
                "steps": fitted.steps,
                "epochs": epochs,
                "kept_from": options["first_eval_epoch"],
            }
        )

    def _predict_and_fit(self, name: str, rows: np.ndarray, weights: np.ndarray, decay: float, last: bool) -> None:
        """Make one pass over all rows that are needed, put ``rows`` on the stack, fit the head, score and report."""
        split, switches = self.job.split, self.switches
        with_test = last or switches.selection == "test"
        needed = [self.train_rows, split.validation, *([split.test] if with_test else [])]
        ends = np.cumsum([len(part) for part in needed])
        self.position[np.concatenate(needed)] = np.arange(ends[-1])
        parts = {"prediction": 0.0, "head": 0.0}

        def compute() -> dict[str, np.ndarray]:
            started = time.perf_counter()
            prediction = training.predict(self.model, self.inputs, np.concatenate(needed), self.config)
            parts["prediction"] = time.perf_counter() - started
            return {"features": prediction.features, "logits": prediction.logits}

        seen = self.job.remember(f"{name}.seen", compute)
        features, self.logits = seen["features"], seen["logits"]
        started = time.perf_counter()
        with training.torch_threads(self.config.threads):
            self._put_on_stack(features[self.position[rows]], self.labels[rows], weights[self.labels[rows]])
            self.decisions = (
                self.job.remember(f"{name}.svm", lambda: self._fit_svm(features)) if switches.needs_svm else {}
            )
            scored = self._scores(features, slice(ends[0], None))
        self.stack.weights[len(self.stack) - len(rows) :] *= decay
        parts["head"] = time.perf_counter() - started
        for part, value in parts.items():
            self.trained.timing[part] += value
        validation = len(split.validation)
        self.validation = self._report(split.validation, scored.take(slice(0, validation)))
        self.test = None
        if with_test:
            self.trained.scored = scored.take(slice(validation, None))
            self.test = self._report(split.test, self.trained.scored)

    def _put_on_stack(self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        if not self.switches.needs_svm and self.switches.head == "softmax":
            return
        if not self.switches.feature_stack:
            self.stack = self._empty_stack()
        self.stack.add(features, labels, weights)

    def _fit_svm(self, features: np.ndarray) -> dict[str, np.ndarray]:
        decision, predicted = training.broadcast_from_main(lambda: self.stack.fit().decide(features))
        return {"decision": decision, "predicted": predicted}

    def _scores(self, features: np.ndarray, part: slice) -> Scores:
        """Score the predicted rows of ``part`` by the head that the switches name."""
        if self.switches.head == "svm":
            return Scores(self.decisions["decision"][part], "decision", self.decisions["predicted"][part])
        if self.switches.head == "softmax":
            probability = torch.from_numpy(self.logits[part]).double().softmax(dim=1).numpy()
        else:
            probability = _logistic(self.stack, features[part])
        return Scores(probability, "probability", probability.argmax(axis=1))

    def _pool_losses(self) -> np.ndarray:
        """Return float64[n], the losses of the pool under the last stage's SVM or network."""
        scores = self.decisions["decision"] if self.switches.difficulty_from == "svm" else self.logits
        return np.maximum(losses_of(scores[self.position[self.pool]], self.labels[self.pool]), 0)

    def _report(self, rows: np.ndarray, scored: Scores) -> metrics.Report:
        return metrics.report(self.labels[rows], scored.scores, self.classes, scored.predicted)

    def _seed_and_pool(self) -> tuple[np.ndarray, np.ndarray]:
        share = self.config.seed_share
        seed_rows, pool = part_of_each_class(self.labels, self.train_rows, share, self.job.seed)
        left = np.bincount(self.labels[pool], minlength=self.classes)
        if left.min() == 0:
            empty = int(left.argmin())
            samples = self.job.data.counts(self.train_rows)[empty]
            found, advice = (
                (f"{samples} training samples", "take a smaller seed_share")
                if samples > 1
                else ("1 training sample", "merge or drop the class")
            )
            raise ValueError(
                f"class {empty} ({self.job.data.class_names[empty]}) has {found}, all in the seed set (seed_share "
                f"{share:g}); SPBL needs at least one more for the pool: {advice}"
            )
        return seed_rows, pool

    def _penalty_stream(self, index: int) -> np.random.Generator | None:
        constant = self.config.variant == "released"
        return None if constant else generator_for(self.job.seed, "penalty weights", f"pace-{index}")

    def _empty_stack(self) -> StackedSVC:
        memory = self.config.svm_memory if self.switches.needs_svm else 0.0
        device = training.accelerator_for(self.config).device
        return StackedSVC(self.classes, cost=self.config.svm_cost, memory=memory, device=device)

    def _freeze(self) -> None:
        """Put the features of all rows in the place of the pictures, and a network of the head alone on top."""
        pictures = self.job.data
        seen = self.job.remember(
            "features", lambda: {"features": training.cache_features(self.model, pictures, self.config).features}
        )
        self.inputs = FeatureData(
            pictures.name, seen["features"], self.labels, pictures.class_names, pictures.data_sha256
        )
        self.model = Classifier(nn.Identity(), copy.deepcopy(self.model.head))
        self.start = {key: value for key, value in self.start.items() if key.startswith("head.")}


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
    reports = {"validation_before": record.before, "validation": record.validation, "test": record.test}
    kept = {
        "pace": record.pace,
        "fraction": record.fraction,
        "complexity": record.complexity,
        "weights": record.weights,
        "counts_before": record.counts_before,
        "counts_after": record.counts_after,
        "balanced_per_class": np.bincount(labels[record.balanced_rows], minlength=len(record.weights)),
        **{name: None if report is None else report.summary() for name, report in reports.items()},
    }
    return files.to_jsonable(kept)
