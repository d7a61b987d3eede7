"""Self-paced training: the wanted share is admitted, budgets hold, and unlabelled labels stay unseen."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spbl_nb import methods, pace, training
from spbl_nb.config import preset
from spbl_nb.methods import co_training, self_paced
from spbl_nb.methods.job import Job, Result, part_of_each_class, shares_of

QUICK = preset("smoke", size=16, epochs=40, max_steps=72, batch_size=16, paces=5)


@given(st.integers(1, 500), st.integers(1, 20))
def test_shares_add_up_and_differ_by_one_at_most(total, stages):
    if total < stages:
        with pytest.raises(ValueError, match=f"{total} optimiser steps for {stages} stages"):
            shares_of(total, stages)
        return
    shares = shares_of(total, stages)
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("form", pace.FORMS)
@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_every_form_admits_the_wanted_share(form, fraction):
    rng = np.random.default_rng(0)
    loss, labels = rng.exponential(1, 200), rng.integers(0, 4, 200)
    age, weights, limits = self_paced.weigh(loss, labels, fraction, form)
    assert ((weights >= 0) & (weights <= 1)).all()
    if form == "logistic":
        assert (weights > 0).all()
        return
    assert (weights > 0).sum() == pytest.approx(200 * fraction, abs=1)
    assert loss[weights > 0].max() <= np.sort(loss)[round(200 * fraction) - 1]
    np.testing.assert_allclose(limits, age * loss.max() if form == "logarithmic" else age)


def test_global_age_starves_a_hard_class_and_a_quota_does_not(data, split):
    loss = np.concatenate([np.linspace(0, 1, 50), np.linspace(2, 3, 50)])
    labels = np.repeat([0, 1], 50)
    _, starving, _ = self_paced.weigh(loss, labels, 0.5)
    assert starving[labels == 1].sum() == 0
    age, quota, limits = self_paced.weigh(loss, labels, 0.5, scope="class")
    assert np.isnan(age)
    assert quota[labels == 0].sum() == quota[labels == 1].sum() == 25
    np.testing.assert_array_equal(quota > 0, loss < limits[labels])
    job = Job("spl", data, split, QUICK.replace(least_per_class=3))
    for record in self_paced.run_paces(job, Result("spl", [job.network()])):
        assert np.bincount(job.train_labels[record.selected], minlength=3).min() >= 3


@given(st.integers(0, 1000), st.sampled_from([0.2, 0.5, 0.8, 1.0]))
@settings(max_examples=25, deadline=None)
def test_diversity_admits_the_wanted_share_over_more_groups(seed, fraction):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 120)
    loss = rng.exponential(1, 120) * (1 + labels)
    age, diverse, _ = self_paced.weigh(loss, labels, fraction, diversity=2.0)
    _, hard, _ = self_paced.weigh(loss, labels, fraction)
    if age > 0:  # age 0 may admit more than wanted, by diversity alone
        assert diverse.sum() == pytest.approx(np.ceil(120 * fraction), abs=1)
    assert len(set(labels[diverse > 0])) >= len(set(labels[hard > 0]))


def test_losses_are_those_of_scikit_learn_and_never_infinite():
    logits = np.array([[100.0, -100], [0, 1]], dtype=np.float32)
    loss = self_paced.losses_of(logits, np.array([1, 1]))
    np.testing.assert_allclose(loss, [200, np.log1p(np.exp(-1))])


@pytest.mark.parametrize("normaliser", ["weights", "batch"])
def test_weighted_loss_by_hand(normaliser):
    logits, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    weights = torch.tensor([1.0, 0.5])
    value = self_paced.weighted_loss(normaliser)(logits, labels, weights).item()
    expected = np.log(2) + 0.5 * (2 + np.log1p(np.exp(-2)))
    assert value == pytest.approx(expected / (1.5 if normaliser == "weights" else 2), rel=1e-6)


def test_records_grow_and_are_measured_without_augmentation(data, split):
    job = Job("spl", data, split, QUICK)
    result = Result("spl", [job.network()])
    rows, labels = split.train, data.labels[split.train]
    selected = []
    for record in self_paced.run_paces(job, result):
        again = self_paced.losses_of(training.predict(result.networks[0], data, rows, QUICK).logits, labels)
        np.testing.assert_array_equal(record.loss, again)
        selected.append(record.selected.sum())
    assert selected == sorted(selected)
    assert selected[-1] == len(rows)
    assert result.steps == training.step_budget(QUICK, len(rows))
    assert [entry["step"] for entry in result.history] == sorted(entry["step"] for entry in result.history)


def test_spaco_never_sees_unlabelled_labels(data, split, monkeypatch):
    labelled, unlabelled = part_of_each_class(data.labels, split.train, 0.3, seed=0)
    assert data.counts(labelled).tolist() == np.ceil(0.3 * data.counts(split.train)).tolist()
    assert not set(labelled) & set(unlabelled)
    monkeypatch.setattr(co_training, "part_of_each_class", lambda *_: (labelled, unlabelled))
    honest = methods.run("spaco", data, split, QUICK)
    labels = data.labels.copy()
    labels[unlabelled] = np.roll(labels[unlabelled], 5)
    scrambled = dataclasses.replace(data, labels=labels)
    moved = dataclasses.replace(split, data_sha256=scrambled.sha256)
    np.testing.assert_array_equal(methods.run("spaco", scrambled, moved, QUICK).scores, honest.scores)
    admitted = [entry["selected"] for entry in honest.details["rounds"]]
    assert admitted[-1] >= admitted[0]
