"""The baselines that keep the features of plain training and change the head on top of them.

Imbalance harms the head more than the features (Kang et al. 2020). Where a head is learnt anew, features are those of the
network in evaluation mode, computed once: nothing below the head moves, BatchNorm's running statistics included.
"""

import time

import numpy as np
import torch

from spbl_nb import losses, metrics, training
from spbl_nb.methods.baselines import balanced_order, train_ce, two_shares
from spbl_nb.methods.job import Job, Result, features_of, stage_of
from spbl_nb.svm import StackedSVC
from spbl_nb.training import models

TAUS = tuple(index / 10 for index in range(21))  # 0 to 2 by 0.1, as in the authors' code


def train_crt(job: Job) -> Result:
    """Classifier re-training (Kang et al. 2020): cross-entropy, then a new head on epochs of balanced classes.

    The head gets ``retrained_share`` of the common steps and learns from features of images as they are.
    """
    config, rows, model = job.config, job.split.train, job.network()
    first, second = two_shares(job, 1 - config.retrained_share)
    result = Result(job.method, [model])
    fitted = training.fit(model, job.data, rows, stage_of(config, first), **job.options("representation"))
    result.add(fitted, "representation")
    features = features_of(job, model)
    fresh = models.linear(features.features.shape[1], features.num_classes, seed=job.seed)
    options = job.options("classifier") | {"order": lambda rng: balanced_order(job.train_labels, rng)}
    result.add(training.fit(fresh, features, rows, stage_of(config, second), **options), "classifier")
    model.head = fresh.head
    steps = {"representation": first, "classifier": second}
    result.details["stages"] = [{"stage": stage, "steps": count} for stage, count in steps.items()]
    return result


def train_tau_norm(job: Job) -> Result:
    """Cross-entropy, then the head's weights w_c / |w_c|^tau without bias (Kang et al. 2020).

    tau is the first of :data:`TAUS` with the highest macro recall on the validation rows; on classes of equal size, where
    the paper chooses it, that is accuracy.
    """
    result, rows = train_ce(job), job.split.validation
    (model,) = result.networks
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
    result.details = {"tau": tau, "choice": choice}
    return result


def train_smote_svm(job: Job) -> Result:
    """Cross-entropy, then SMOTE (Chawla et al. 2002) on the features and the RBF SVM that SPBL has too."""
    config, split, labels = job.config, job.split, job.train_labels
    result = train_ce(job)
    started = time.perf_counter()
    features = features_of(job, result.networks[0]).features
    predicted_at = time.perf_counter()

    def compute() -> dict[str, np.ndarray]:
        random = np.random.RandomState(training.generator_for(job.seed, "smote").integers(2**32))
        svc = StackedSVC(job.data.num_classes, cost=config.svm_cost, memory=config.svm_memory)
        rows, classes = smote(features[split.train], labels, config.smote_neighbours, random)
        svc.add(rows, classes, np.ones(len(rows)))
        decision, predicted = svc.fit().decide(features[split.test])
        return {"decision": decision, "predicted": predicted}

    with training.torch_threads(config.threads):
        found = job.remember("smote_svm", lambda: training.broadcast_from_main(compute))
    result.score("decision", found["decision"], found["predicted"])
    parts = {"prediction": predicted_at - started, "head": time.perf_counter() - predicted_at}
    result.timing = {"training": result.seconds, **parts}
    counts = np.bincount(labels)
    result.details = {
        "neighbours": np.minimum(config.smote_neighbours, counts - 1).tolist(),
        "made_up": (counts.max() - counts).tolist(),
    }
    return result


def smote(
    features: np.ndarray, labels: np.ndarray, neighbours: int, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return (features float[M,D], labels int64[M]) in which synthetic samples bring every class to the largest one's size.

    A class with fewer than ``neighbours`` others takes as many as it has; the sample of a class of one is repeated. Those
    of ``features`` float[N,D] come first.
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
