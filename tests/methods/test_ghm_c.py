"""The method ``ghm_c``: one question per class, settings that reach the loss, and counts that outlive an interruption."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from spbl_nb import ghm, methods, metrics, training
from spbl_nb.config import preset
from spbl_nb.methods import baselines
from spbl_nb.methods.baselines import OneVsAllGHMC
from spbl_nb.methods.job import Job
from spbl_nb.training import checkpoints, loop

QUICK = preset("smoke", size=16, epochs=30, max_steps=60, batch_size=16)
SHORT = QUICK.replace(max_steps=12, evaluate_every=1)
LOGITS = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (40, 4)))
LABELS = torch.arange(40) % 4


def network_of(data, split, config):
    return baselines.train_ghm_c(Job("ghm_c", data, split, config, 0, None, False)).networks[0]


def test_one_bin_is_the_sum_over_classes_of_binary_cross_entropy():
    """The size of the gradient is then that of one-vs-all training, and not a C-th of it."""
    target = torch.eye(4, dtype=torch.float64)[LABELS]
    plain = functional.binary_cross_entropy_with_logits(LOGITS, target, reduction="none").sum(dim=1).mean()
    assert OneVsAllGHMC(bins=1)(LOGITS, LABELS).item() == pytest.approx(plain.item(), rel=1e-12)


def test_it_is_ghm_c_of_the_questions_times_the_classes():
    ours, published = OneVsAllGHMC(12, 0.6), ghm.GHMC(12, 0.6)
    for step in range(3):
        assert torch.equal(ours(LOGITS + step, LABELS), 4 * published(LOGITS + step, ghm.one_vs_all(LOGITS, LABELS)))
    assert torch.equal(ours.smoothed, published.smoothed)


@pytest.mark.parametrize("settings", [{}, {"ghm_bins": 7, "ghm_momentum": 0.3, "ghm_bias_correction": False}])
def test_settings_reach_the_loss(data, split, monkeypatch, settings):
    seen = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda *a, **o: (seen.append(o["loss"]), fit(*a, **o))[1])
    details = methods.run("ghm_c", data, split, SHORT.replace(**settings)).details
    (loss,) = seen
    expected = (30, 0.75, True) if not settings else (7, 0.3, False)
    assert (loss.bins, loss.momentum, loss.bias_correction) == expected
    assert len(details["smoothed_counts"]) == len(details["updates"]) == expected[0]


def test_only_training_steps_are_counted(data, split):
    """Neither a look at the validation rows nor the prediction of the test rows leaves a trace."""
    details = methods.run("ghm_c", data, split, SHORT.replace(ghm_bins=1, ghm_bias_correction=False)).details
    assert details["updates"] == [12]
    questions = 16 * 3
    assert details["smoothed_counts"] == [pytest.approx(questions * (1 - 0.75**12))]


def test_scores_are_the_logits_of_the_questions(data, split):
    result = methods.run("ghm_c", data, split, SHORT)
    logits = training.predict(network_of(data, split, SHORT), data, split.test, SHORT).logits
    assert result.score_kind == "logit"
    np.testing.assert_array_equal(result.scores, logits)
    np.testing.assert_array_equal(result.predicted, logits.argmax(axis=1))
    answers = torch.from_numpy(result.scores).sigmoid().numpy()
    assert np.abs(answers.sum(axis=1) - 1).max() > 0.05, "negative control: these are no softmax probabilities"
    labels = data.labels[split.test]
    assert metrics.mauc(labels, result.scores) == pytest.approx(metrics.mauc(labels, answers), abs=1e-12)


class Stopped(Exception):
    """What interrupts a training in these tests."""


def stop_after(monkeypatch, epochs):
    """Let every training save at each epoch and stop before the one after ``epochs``."""
    batches = loop.Loop._batches

    def stopping(self):
        if self.epoch == epochs:
            raise Stopped
        return batches(self)

    monkeypatch.setattr(loop.Loop, "_batches", stopping)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)


@pytest.mark.parametrize("correction", [True, False])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(data, split, tmp_path, monkeypatch, epochs, correction):
    config = SHORT.replace(ghm_bias_correction=correction)
    whole = methods.run("ghm_c", data, split, config)
    with monkeypatch.context() as patch:
        stop_after(patch, epochs)
        with pytest.raises(Stopped):
            methods.run("ghm_c", data, split, config, checkpoint=tmp_path / "run.pt")
    resumed = methods.run("ghm_c", data, split, config, checkpoint=tmp_path / "run.pt")
    np.testing.assert_array_equal(resumed.scores, whole.scores)
    assert resumed.history == whole.history
    assert resumed.details == whole.details


def test_the_counts_in_the_checkpoint_are_what_makes_them_equal(data, split, tmp_path, monkeypatch):
    """Negative control: with the counts at 0 again the resumed run ends elsewhere."""
    whole = methods.run("ghm_c", data, split, SHORT)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stopped):
            methods.run("ghm_c", data, split, SHORT, checkpoint=tmp_path / "run.pt")
    load = checkpoints.load

    def forgetful(*arguments):
        content = load(*arguments)
        return None if content is None else content | {"loss": OneVsAllGHMC().state_dict()}

    monkeypatch.setattr(checkpoints, "load", forgetful)
    resumed = methods.run("ghm_c", data, split, SHORT, checkpoint=tmp_path / "run.pt")
    assert not np.array_equal(resumed.scores, whole.scores)
    assert sum(resumed.details["updates"]) < sum(whole.details["updates"])
