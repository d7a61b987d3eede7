"""The rivals that keep the features of plain training and change the head that stands on them.

Imbalance harms the head more than the features (Kang et al. 2020): the features are learnt from the training set as it
is, and then a new head is trained on balanced epochs (cRT), the head's weights are brought to more equal length
(tau-normalization), or an SVM is fitted on features to which SMOTE has added made-up ones of the rare classes. Wherever
a head is learnt, features are those of the network in evaluation mode, calculated once: nothing below the head moves,
BatchNorm's running statistics included.
"""

import dataclasses
import time

import numpy as np
import torch

from spbl_nb import losses, metrics, training
from spbl_nb.data.dataset import FeatureData
from spbl_nb.methods.baselines import balanced_order, two_shares
from spbl_nb.methods.job import Job, Scores, Trained, stage_of
from spbl_nb.svm import StackedSVC
from spbl_nb.training.loop import generator_for
from spbl_nb.training.models import Classifier

TAUS = tuple(index / 10 for index in range(21))  # 0 to 2 by 0.1, as in the authors' code


def train_crt(job: Job) -> Trained:
    """Classifier re-training (Kang et al. 2020): cross-entropy, then a new head on epochs of balanced classes.

    The head gets ``retrained_share`` of the common steps and learns from features of pictures as they are.
    """
    config, labels = job.config, job.data.labels[job.split.train]
    first, second = two_shares(job, 1 - config.retrained_share)
    model = job.network()
    trained = Trained([model])
    trained.add(job.fit(model, config=stage_of(config, first), stage="representation"), "representation")
    on_features = dataclasses.replace(job, data=_features(job, model))
    fresh = on_features.network()
    fitted = on_features.fit(
        fresh,
        config=stage_of(config, second),
        stage="classifier",
        order=lambda rng: balanced_order(labels, rng),
    )
    trained.add(fitted, "classifier")
    model.head = fresh.head
    trained.details["stages"] = [
        {"stage": "representation", "steps": first},
        {"stage": "classifier", "steps": second},
    ]
    return trained


def train_tau_norm(job: Job) -> Trained:
    """Cross-entropy, then the head's weights w_c / |w_c|^tau without bias (Kang et al. 2020).

    tau is the one of :data:`TAUS` with the highest macro recall on the validation rows, the smallest if several are
    level. On classes of equal size, where the paper chooses it, macro recall is accuracy.
    """
    model = job.network()
    fitted = job.fit(model)
    rows = job.split.validation
    features = torch.from_numpy(training.predict(model, job.data, rows, job.config).features)
    weight = model.head.weight.detach().cpu()
    recalls = []
    for tau in TAUS:
        logits = features @ losses.tau_normalized(weight, tau).T
        recalls.append(metrics.report(job.data.labels[rows], logits.numpy(), job.data.num_classes).recall)
    tau = TAUS[int(np.argmax(recalls))]
    with torch.no_grad():
        model.head.weight.copy_(losses.tau_normalized(weight, tau))
        model.head.bias.zero_()
    choice = {"rows": "validation", "samples": len(rows), "measure": "macro recall", "steps": 0}
    choice["tried"] = [{"tau": one, "recall": recall} for one, recall in zip(TAUS, recalls, strict=True)]
    return Trained([model], fitted.history, fitted.steps, {"tau": tau, "choice": choice})


def train_smote_svm(job: Job) -> Trained:
    """Cross-entropy, then SMOTE (Chawla et al. 2002) on the features and the RBF SVM that SPBL has too.

    Neither SMOTE nor the SVM takes optimiser steps; ``timing`` says what they cost.
    """
    config, split = job.config, job.split
    model = job.network()
    fitted = job.fit(model)
    trained = Trained([model], fitted.history, fitted.steps)
    started = time.perf_counter()
    features = _features(job, model).features
    predicted_at = time.perf_counter()
    labels = job.data.labels[split.train]

    def compute() -> dict[str, np.ndarray]:
        random = np.random.RandomState(generator_for(job.seed, "smote").integers(2**32))
        rows, classes = smote(features[split.train], labels, config.smote_neighbours, random)
        svc = StackedSVC(job.data.num_classes, cost=config.svm_cost, memory=config.svm_memory)
        svc.add(rows, classes, np.ones(len(rows)))
        decision, predicted = svc.fit().decide(features[split.test])
        return {"decision": decision, "predicted": predicted}

    with training.torch_threads(config.threads):
        scored = job.remember("smote_svm", lambda: training.broadcast_from_main(compute))
    trained.scored = Scores(scored["decision"], "decision", scored["predicted"])
    head = time.perf_counter() - predicted_at
    trained.timing = {"training": fitted.seconds, "prediction": predicted_at - started, "head": head}
    counts = np.bincount(labels)
    trained.details = {
        "neighbours": np.minimum(config.smote_neighbours, counts - 1).tolist(),
        "made_up": (counts.max() - counts).tolist(),
    }
    return trained


def smote(
    features: np.ndarray, labels: np.ndarray, neighbours: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return (features float[M,D], labels int64[M]) in which made-up samples bring every class to the largest one's size.

    A made-up sample lies between a sample and one of its nearest ``neighbours`` of the same class, or of as many as a
    small class has. A class of one sample has nothing to lie between: its sample is repeated. Those of ``features``
    float[N,D] come first. Needs imbalanced-learn.
    """
    from imblearn.over_sampling import SMOTE

    counts = np.bincount(labels)
    largest = int(counts.max())
    within_reach = np.minimum(neighbours, counts - 1)
    grown = (counts > 0) & (counts < largest)
    for reach in np.unique(within_reach[grown]):
        classes = np.flatnonzero(grown & (within_reach == reach))
        if reach == 0:
            single = np.repeat(np.flatnonzero(np.isin(labels, classes)), largest - 1)
            features, labels = np.concatenate([features, features[single]]), np.concatenate([labels, labels[single]])
        else:
            wanted = {int(index): largest for index in classes}
            maker = SMOTE(sampling_strategy=wanted, k_neighbors=int(reach), random_state=random)
            features, labels = maker.fit_resample(features, labels)
    return features, labels


def _features(job: Job, model: Classifier) -> FeatureData:
    """Return the features of all rows under the trained network, calculated once."""
    data = job.data
    if isinstance(data, FeatureData):
        return data
    seen = job.remember("features", lambda: {"features": training.cache_features(model, data, job.config).features})
    return FeatureData(data.name, seen["features"], data.labels, data.class_names, data.data_sha256)
