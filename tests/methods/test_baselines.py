"""Baselines: equal budgets and starts, losses as their papers have them, and the known pitfalls of each."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from sklearn.metrics import recall_score
from sklearn.svm import SVC
from torch.nn import functional

from spbl_nb import losses, methods, training
from spbl_nb.config import preset
from spbl_nb.data.dataset import FeatureData, ImageData
from spbl_nb.data.split import make_split
from spbl_nb.methods import baselines, decoupled
from spbl_nb.methods.job import Job
from spbl_nb.training import checkpoints, loop, models

QUICK = preset("smoke", size=16, epochs=30, max_steps=60, batch_size=16)
BASELINES = ("class_balanced", "focal", "ghm_c", "ldam_drw", "logit_adjusted", "smote_svm", "crt", "tau_norm")


def job_of(data, split, config=QUICK, method="baseline"):
    return Job(method, data, split, config)


@pytest.fixture
def tilted(data, split):
    """A split whose training rows have classes in other proportions than the other rows: every second of class 1."""
    of_class_1 = split.train[data.labels[split.train] == 1]
    return dataclasses.replace(split, train=np.setdiff1d(split.train, of_class_1[::2]))


@pytest.fixture
def counts(data, tilted):
    return data.counts(tilted.train).astype(np.float64)


@pytest.fixture
def stages(monkeypatch):
    """What each training of a method is given, in order: a copy of the network, data, settings and options."""
    fit, seen = training.fit, []

    def spied(model, data, rows, config, **options):
        seen.append(SimpleNamespace(model=copy.deepcopy(model), data=data, rows=rows, config=config, options=options))
        return fit(model, data, rows, config, **options)

    monkeypatch.setattr(training, "fit", spied)
    return seen


def losses_used(stages):
    return [stage.options.get("loss", functional.cross_entropy) for stage in stages]


# --- what all of them share ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", BASELINES)
def test_baselines_take_cached_features(data, split, method):
    cached = training.cache_features(baselines.train_ce(job_of(data, split)).networks[0], data, QUICK)
    result = methods.run(method, cached, split, QUICK)
    assert result.steps == 60
    assert (result.predicted == data.labels[split.test]).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"max_steps": 37}, {"max_steps": None, "epochs": 3, "batch_size": 2048}])
def test_budgets_are_equal_where_stages_do_not_divide_them(data, split, options):
    config = QUICK.replace(**options)
    for method in ("ce", "oversample", *BASELINES):
        result = methods.run(method, data, split, config)
        assert result.steps == training.step_budget(config, len(split.train))
        stages = result.details.get("stages", [{"steps": result.steps}])
        assert sum(stage["steps"] for stage in stages) == result.history[-1]["step"] == result.steps


@pytest.mark.parametrize("method", BASELINES)
def test_every_baseline_starts_from_the_same_weights(data, split, stages, method):
    start = job_of(data, split).network()
    methods.run(method, data, split, QUICK)
    first = stages[0].model
    for name, value in start.backbone.state_dict().items():
        assert torch.equal(first.backbone.state_dict()[name], value), name
    direction, of_head = (functional.normalize(head.weight, dim=1) for head in (first.head, start.head))
    torch.testing.assert_close(direction, of_head)


# --- losses ----------------------------------------------------------------------------------------------------------

LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (6, 3)))
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


def effective_weights(counts, beta):
    weights = (1 - beta) / (1 - beta**counts)
    return torch.from_numpy(weights * len(counts) / weights.sum())


@pytest.mark.parametrize("beta", [0.9, 0.9999])
def test_class_balanced_is_cross_entropy_weighted_by_effective_numbers(data, tilted, counts, stages, beta):
    result = methods.run("class_balanced", data, tilted, QUICK.replace(balance_beta=beta))
    weights = effective_weights(counts, beta)
    expected = functional.cross_entropy(LOGITS, LABELS, weight=weights)
    assert losses_used(stages)[0](LOGITS, LABELS).item() == pytest.approx(expected.item(), rel=1e-9)
    np.testing.assert_allclose(result.details["class_weights"], weights, rtol=1e-8)


def test_focal_has_its_weights_outside_the_exponent(data, tilted, counts, stages):
    methods.run("focal", data, tilted, QUICK.replace(focal_gamma=1.5, focal_weighted=True))
    weights = effective_weights(counts, 0.9999)[LABELS]
    logits = LOGITS / 4
    log_p = logits.log_softmax(1)[torch.arange(6), LABELS]
    outside = -(weights * (1 - log_p.exp()) ** 1.5 * log_p).sum() / weights.sum()
    inside = -((1 - (weights * log_p).exp()) ** 1.5 * weights * log_p).sum() / weights.sum()
    assert losses_used(stages)[0](logits, LABELS).item() == pytest.approx(outside.item(), rel=1e-9)
    assert abs(inside / outside - 1) > 0.1, "negative control"


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_logit_adjustment_takes_its_prior_from_the_training_rows(data, tilted, counts, stages, tau):
    config = QUICK.replace(adjustment_tau=tau)
    result = methods.run("logit_adjusted", data, tilted, config)
    shifted = LOGITS + tau * torch.from_numpy(counts / counts.sum()).log()
    expected = functional.cross_entropy(shifted, LABELS)
    assert losses_used(stages)[0](LOGITS, LABELS).item() == pytest.approx(expected.item(), rel=1e-9)
    network = baselines.train_logit_adjusted(job_of(data, tilted, config)).networks[0]
    unshifted = training.predict(network, data, tilted.test, config).probability
    np.testing.assert_allclose(result.scores, unshifted, rtol=1e-5)


# --- GHM-C -----------------------------------------------------------------------------------------------------------


def test_ghm_c_asks_one_question_per_class():
    """With one bin the gradient has the size of one-vs-all training, and not a C-th of it."""
    target = functional.one_hot(LABELS, 3).double()
    plain = functional.binary_cross_entropy_with_logits(LOGITS, target, reduction="none").sum(dim=1).mean()
    assert baselines.OneVsAllGHMC(bins=1)(LOGITS, LABELS).item() == pytest.approx(plain.item(), rel=1e-12)
    ours, published = baselines.OneVsAllGHMC(12, 0.6), losses.GHMC(12, 0.6)
    for step in range(3):
        assert torch.equal(ours(LOGITS + step, LABELS), 3 * published(LOGITS + step, target))


def test_ghm_c_counts_the_questions_of_training_steps_only(data, split, stages):
    """Neither the validation rows nor the prediction of the test rows leaves a trace."""
    config = QUICK.replace(max_steps=12, evaluate_every=1, ghm_bins=1, ghm_momentum=0.3, ghm_bias_correction=False)
    result = methods.run("ghm_c", data, split, config)
    assert result.details == {"smoothed_counts": [pytest.approx(16 * 3 * (1 - 0.3**12))], "updates": [12]}
    assert not losses_used(stages)[0].bias_correction
    answers = functional.sigmoid(torch.from_numpy(result.scores)).numpy()
    assert result.score_kind == "logit"
    assert np.abs(answers.sum(axis=1) - 1).max() > 0.05, "negative control: these are no softmax probabilities"


@pytest.mark.parametrize("forgets", [False, True])
def test_ghm_c_resumes_with_the_counts_of_its_checkpoint(data, split, tmp_path, monkeypatch, forgets):
    """Negative control: with the counts at 0 again the resumed run ends elsewhere."""
    config, checkpoint = QUICK.replace(max_steps=12, evaluate_every=1), tmp_path / "run.pt"
    whole, layout, load = methods.run("ghm_c", data, split, config), loop.Loop._batches, checkpoints.load
    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0)
        patch.setattr(loop.Loop, "_batches", lambda self: 1 / 0 if self.epoch == 2 else layout(self))
        with pytest.raises(ZeroDivisionError):
            methods.run("ghm_c", data, split, config, checkpoint=checkpoint)
    if forgets:
        empty = {"loss": baselines.OneVsAllGHMC().state_dict()}
        monkeypatch.setattr(checkpoints, "load", lambda *given: load(*given) | empty)
    resumed = methods.run("ghm_c", data, split, config, checkpoint=checkpoint)
    assert np.array_equal(resumed.scores, whole.scores) is not forgets
    assert (resumed.details == whole.details) is not forgets
    assert forgets or resumed.history == whole.history


# --- LDAM-DRW --------------------------------------------------------------------------------------------------------


def test_ldam_weighs_classes_in_its_last_stage_only(data, tilted, counts, stages):
    result = methods.run("ldam_drw", data, tilted, QUICK.replace(drw_start=0.7, ldam_scale=20.0, ldam_margin=0.4))
    margins = torch.from_numpy(0.4 * (counts.min() / counts) ** 0.25)
    cosines = LOGITS.tanh()
    shifted = 20 * (cosines - functional.one_hot(LABELS, 3) * margins)
    for loss, weight in zip(losses_used(stages), (None, effective_weights(counts, 0.9999)), strict=True):
        expected = functional.cross_entropy(shifted, LABELS, weight=weight)
        assert loss(20 * cosines, LABELS).item() == pytest.approx(expected.item(), rel=1e-9)
    assert [stage["steps"] for stage in result.details["stages"]] == [42, 18]
    for entry in result.history:  # the learning rates of plain training
        expected = QUICK.lr * training.learning_rate_factor(QUICK, entry["step"] - 1, 60)
        assert entry["lr"] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(result.details["margins"], margins)


@given(st.integers(2, 700), st.floats(0.01, 0.99), st.lists(st.floats(0.01, 1), min_size=1, max_size=4, unique=True))
def test_parts_of_a_schedule_make_up_the_whole(total, start, milestones):
    config = QUICK.replace(milestones=tuple(sorted(milestones)), backbone_lr=0.02)
    first = min(max(1, round(start * total)), total - 1)
    rates = []
    for begin, steps in ((0, first), (first, total - first)):
        part = baselines.part_of_schedule(config, begin, steps, total)
        assert part.max_steps == steps
        assert part.backbone_lr / part.lr == pytest.approx(0.02 / config.lr)
        rates += [part.lr * training.learning_rate_factor(part, step, steps) for step in range(steps)]
    whole = [config.lr * training.learning_rate_factor(config, step, total) for step in range(total)]
    np.testing.assert_allclose(rates, whole)


# --- cRT -------------------------------------------------------------------------------------------------------------


def test_crt_trains_a_new_head_on_features_in_evaluation_mode(data, split, stages):
    trained = decoupled.train_crt(job_of(data, split, QUICK.replace(retrained_share=0.25)))
    natural, balanced = stages
    assert isinstance(natural.data, ImageData)
    assert "order" not in natural.options
    assert isinstance(balanced.data, FeatureData)
    expected = training.predict(trained.networks[0], data, np.arange(len(data)), QUICK).features
    np.testing.assert_array_equal(balanced.data.features, expected)
    fresh = models.linear(expected.shape[1], 3, seed=0)
    assert torch.equal(balanced.model.head.weight, fresh.head.weight)
    shown = data.labels[balanced.rows][balanced.options["order"](np.random.default_rng(0))]
    assert np.ptp(np.bincount(shown, minlength=3)) <= 1
    assert [natural.config.max_steps, balanced.config.max_steps] == [45, 15]


# --- tau-normalization -----------------------------------------------------------------------------------------------


def hard_blobs(blobs):
    """Classes that overlap, so that tau matters."""
    data = blobs([120, 30, 12, 10])
    noise = np.random.default_rng(3).normal(0, 60, (len(data), 3, 1, 1))
    data = dataclasses.replace(data, images=(0.3 * data.images + noise + 80).clip(0, 255).astype(np.uint8))
    return data, make_split(data, 0.25, 0.25)


def recalls_by_hand(data, rows, network):
    features = training.predict(network, data, rows, QUICK).features.astype(np.float64)
    weight = network.head.weight.detach().numpy().astype(np.float64)
    length = np.sqrt((weight**2).sum(axis=1, keepdims=True))
    predicted = [(features @ (weight / length**tau).T).argmax(axis=1) for tau in np.linspace(0, 2, 21)]
    return [recall_score(data.labels[rows], one, average="macro", zero_division=0) for one in predicted]


def test_tau_is_chosen_on_the_validation_rows(blobs):
    data, split = hard_blobs(blobs)
    plain = baselines.train_ce(job_of(data, split)).networks[0]
    on_validation, on_test = (recalls_by_hand(data, rows, plain) for rows in (split.validation, split.test))
    assert np.argmax(on_validation) != np.argmax(on_test), "the test could not fail"
    result = methods.run("tau_norm", data, split, QUICK)
    details, weight = result.details, plain.head.weight.detach().double()
    assert details["tau"] == pytest.approx(np.linspace(0, 2, 21)[np.argmax(on_validation)])
    np.testing.assert_allclose([tried["recall"] for tried in details["choice"]["tried"]], on_validation)
    assert (details["choice"]["rows"], details["choice"]["samples"]) == ("validation", len(split.validation))
    features = torch.from_numpy(training.predict(plain, data, split.test, QUICK).features).double()
    expected = (features @ (weight / weight.norm(dim=1, keepdim=True) ** details["tau"]).T).softmax(dim=1)
    assert plain.head.bias.abs().max() > 0.01
    np.testing.assert_allclose(result.scores, expected, rtol=1e-4, atol=1e-7)


# --- SMOTE -----------------------------------------------------------------------------------------------------------


def rows_of(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).normal(0, 1, (len(labels), 4)).astype(np.float32), labels


def test_smote_is_that_of_imbalanced_learn_where_classes_are_large_enough():
    features, labels = rows_of([20, 9, 6])
    ours = decoupled.smote(features, labels, 5, np.random.RandomState(3))
    theirs = SMOTE(k_neighbors=5, random_state=np.random.RandomState(3)).fit_resample(features, labels)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_smote_takes_as_many_neighbours_as_a_small_class_has():
    features, labels = rows_of([30, 9, 3, 2, 1])
    made, classes = decoupled.smote(features, labels, 5, np.random.RandomState(0))
    np.testing.assert_array_equal(made[: len(features)], features)
    assert np.bincount(classes).tolist() == [30] * 5
    pair = features[labels == 3]
    along = (made[classes == 3] - pair[0]) @ (pair[1] - pair[0]) / ((pair[1] - pair[0]) ** 2).sum()
    assert (along > -1e-6).all()
    assert (along < 1 + 1e-6).all()
    assert len(np.unique(made[classes == 3].round(5), axis=0)) > 20, "new samples, not repeated ones"
    np.testing.assert_array_equal(made[classes == 4], np.repeat(features[labels == 4], 30, axis=0))


def test_smote_svm_is_an_svm_on_the_enlarged_features(data, split):
    result = methods.run("smote_svm", data, split, QUICK)
    network = baselines.train_ce(job_of(data, split)).networks[0]
    features = training.predict(network, data, np.arange(len(data)), QUICK).features
    random = np.random.RandomState(training.generator_for(0, "smote").integers(2**32))
    made = decoupled.smote(features[split.train], data.labels[split.train], 5, random)
    plain = SVC(gamma="auto").fit(*made)
    np.testing.assert_array_equal(result.predicted, plain.predict(features[split.test]))
    # two fits stop within libsvm's tolerance of 1e-3, at slightly different places
    np.testing.assert_allclose(result.scores, plain.decision_function(features[split.test]), atol=5e-4)
    counts = data.counts(split.train)
    assert result.details == {"neighbours": [5, 5, min(5, counts[2] - 1)], "made_up": (counts.max() - counts).tolist()}


@pytest.mark.parametrize("method", BASELINES)
def test_a_class_of_one_training_sample(blobs, method):
    data = blobs([60, 20, 3])
    split = make_split(data, 0.15, 0.3)
    assert data.counts(split.train)[2] == 1
    result = methods.run(method, data, split, QUICK)
    assert np.isfinite(result.scores).all()
    assert (result.predicted == data.labels[split.test]).mean() > 0.7
