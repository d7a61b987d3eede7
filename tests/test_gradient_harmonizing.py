"""Gradient harmonizing against the reference's own output, a plain loop over bins, and examples by hand."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ghm_batches import gradient_of, questions, tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from spbl_nb import ghm, losses
from spbl_nb.ghm import GHMC, GHMR, GHMSoftmax

REFERENCE = Path(__file__).parent / "reference" / "ghm.npz"
SETTINGS, STEPS = range(3), range(3)


class LoopOverBins:
    """The plain way: one element after the other is put into its bin, and the state is a list."""

    def __init__(self, bins, momentum, bias_correction):
        self.bins, self.momentum, self.bias_correction = bins, momentum, bias_correction
        self.smoothed, self.updates = [0.0] * bins, [0] * bins

    def __call__(self, gradient, loss, valid):
        """The sum over elements of weight * loss / N; three lists."""
        members = [[] for _ in range(self.bins)]
        for element, (norm, counts) in enumerate(zip(gradient, valid, strict=True)):
            if counts > 0:
                place = next(i for i in range(self.bins) if norm < (i + 1) / self.bins or i == self.bins - 1)
                members[place].append(element)
        filled = [i for i in range(self.bins) if members[i]]
        total = 0.0
        for i in filled:
            self.smoothed[i] = self.momentum * self.smoothed[i] + (1 - self.momentum) * len(members[i])
            self.updates[i] += 1
            density = self.smoothed[i]
            if self.bias_correction:
                density /= 1 - self.momentum ** self.updates[i]
            total += math.fsum(loss[element] for element in members[i]) / (density * len(filled))
        return total


def plain_cross_entropy(logit, target):
    """Binary cross-entropy and gradient norm of one element, with the math of the standard library."""
    p = 1 / (1 + math.exp(-logit))
    return -target * math.log(p) - (1 - target) * math.log(1 - p), abs(p - target)


def plain_asl1(difference, mu):
    """ASL1 and gradient norm of one element."""
    length = math.sqrt(difference**2 + mu**2)
    return length - mu, abs(difference) / length


@pytest.mark.parametrize("setting", SETTINGS)
def test_known_answers(setting):
    known = np.load(REFERENCE, allow_pickle=False)
    bins, momentum, mu = (known[f"{setting}_{name}"].item() for name in ("bins", "momentum", "mu"))
    classify = GHMC(bins, momentum, bias_correction=False)
    regress = GHMR(mu, bins, momentum, bias_correction=False)
    pairs = ((classify, ("logit", "target", "valid"), "ghmc"), (regress, ("box", "box_target", "box_valid"), "ghmr"))
    for step in STEPS:
        for module, inputs, output in pairs:
            values = [torch.from_numpy(known[f"{setting}_{step}_{name}"]) for name in inputs]
            loss, gradient = gradient_of(module, *values)
            assert loss.item() == pytest.approx(known[f"{setting}_{step}_{output}_loss"].item(), rel=1e-12, abs=0)
            np.testing.assert_allclose(gradient, known[f"{setting}_{step}_{output}_grad"], rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("setting", [1, 2])
def test_known_answers_tell_momentum_from_none_and_a_correction_from_none(setting):
    """Negative control: at the second step, each other setting gives another loss."""
    known = np.load(REFERENCE, allow_pickle=False)
    bins, momentum = known[f"{setting}_bins"].item(), known[f"{setting}_momentum"].item()
    wrong = [GHMC(bins, momentum), GHMC(bins, 0, False), GHMC(bins + 1, momentum, False), GHMC(bins, 0.5, False)]
    for module in wrong:
        for step in (0, 1):
            values = [torch.from_numpy(known[f"{setting}_{step}_{name}"]) for name in ("logit", "target", "valid")]
            loss = module(*values).item()
        assert abs(loss / known[f"{setting}_1_ghmc_loss"] - 1) > 1e-3


modules = st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.3, 0.75, 0.99]), st.booleans())


@given(modules, st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_three_steps_are_the_loop_over_bins(options, seed, size):
    bins, momentum, correct = options
    module, plain = GHMC(bins, momentum, correct), LoopOverBins(*options)
    for step in range(3):
        logits, target, valid = questions(size, 2, seed=seed + step)
        pairs = [plain_cross_entropy(*pair) for pair in zip(logits.flatten().tolist(), target.flatten(), strict=True)]
        one, norm = zip(*pairs, strict=True)
        assert module(logits, target, valid).item() == pytest.approx(float(plain(norm, one, valid.flatten())), rel=1e-9)
    np.testing.assert_allclose(module.smoothed, plain.smoothed, rtol=1e-12)
    assert module.updates.tolist() == plain.updates


@given(modules, st.integers(0, 10_000), st.floats(0.01, 2))
@settings(max_examples=60, deadline=None)
def test_three_steps_of_boxes_are_the_loop_over_bins(options, seed, mu):
    bins, momentum, correct = options
    module, plain = GHMR(mu, bins, momentum, correct), LoopOverBins(*options)
    for step in range(3):
        prediction, target = tensors((7, 4), (7, 4), seed=seed + step)
        valid = questions(7, 4, seed=seed + step)[2]
        pairs = [plain_asl1(difference, mu) for difference in (prediction - target).flatten().tolist()]
        one, norm = zip(*pairs, strict=True)
        assert module(prediction, target, valid).item() == pytest.approx(plain(norm, one, valid.flatten()), rel=1e-9)
    assert module.updates.tolist() == plain.updates


@given(modules, st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_softmax_variant_is_the_loop_over_bins(options, seed):
    bins, momentum, correct = options
    module, plain = GHMSoftmax(bins, momentum, correct), LoopOverBins(*options)
    for step in range(2):
        (logits,) = tensors((9, 4), seed=seed + step)
        labels, valid = torch.arange(9) % 4, questions(9, seed=seed + step)[2]
        p = logits.softmax(1)[torch.arange(9), labels].tolist()
        expected = plain([1 - one for one in p], [-math.log(one) for one in p], valid)
        assert module(logits, labels, valid).item() == pytest.approx(expected, rel=1e-9)


def test_by_hand():
    """Norms 0.1, 0.1, 0.1 and 0.9 in two bins: the crowded bin and the lonely one have the same say."""
    p = torch.tensor([0.1, 0.1, 0.1, 0.9], dtype=torch.float64)
    loss = ghm.ghm_c(p.logit(), torch.zeros(4).double(), bins=2)
    assert loss.item() == pytest.approx((-math.log(0.9) - math.log(0.1)) / 2)
    index, counts = ghm.count_in_bins(p, 2)
    assert (index.tolist(), counts.tolist()) == ([0, 0, 0, 1], [3, 1])
    np.testing.assert_allclose(ghm.harmonized_weights(counts), [4 / 6, 4 / 2])
    np.testing.assert_allclose(ghm.harmonized_weights(counts, torch.tensor([6.0, 0.5])), [4 / 12, 4 / 1])
    assert ghm.harmonized_weights(torch.tensor([0.0, 3, 0])).tolist() == [0, 1, 0]
    differences = torch.tensor([0.0, 0.3, -0.3], dtype=torch.float64)
    asl1 = ghm.ghm_r(differences, torch.zeros(3).double(), mu=0.4, bins=1)
    assert asl1.item() == pytest.approx((0 + 0.1 + 0.1) / 3)


def test_bins_hold_their_lower_edge_and_the_last_one_also_1():
    norms = torch.tensor([0, 0.2499, 0.25, 0.5, 0.75, 0.9999, 1])
    index, counts = ghm.count_in_bins(norms, 4)
    assert index.tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert counts.tolist() == [2, 1, 1, 3]
    index, counts = ghm.count_in_bins(norms, 4, norms < 0.9)
    assert index.tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert counts.tolist() == [2, 1, 1, 1]


def test_counts_beyond_what_float32_can_count():
    index, counts = ghm.count_in_bins(torch.zeros(()).expand(2**24 + 3), 1)
    assert counts.item() == 2**24 + 3
    assert not index.any()


@given(st.integers(0, 10_000), st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_weights_of_a_batch_have_the_mean_1_and_every_filled_bin_the_same_total(seed, bins):
    norms = torch.from_numpy(np.random.default_rng(seed).beta(0.4, 1.5, 60))
    index, counts = ghm.count_in_bins(norms, bins)
    weights = ghm.harmonized_weights(counts)
    assert weights[index].mean().item() == pytest.approx(1)
    totals = torch.zeros(bins).double().index_add(0, index, weights[index])[counts > 0]
    np.testing.assert_allclose(totals, totals.mean())


def test_a_single_bin_is_the_plain_mean():
    logits, target, valid = questions(20, 3)
    chosen = valid > 0
    plain = functional.binary_cross_entropy_with_logits(logits[chosen], target[chosen])
    assert ghm.ghm_c(logits, target, valid, bins=1).item() == pytest.approx(plain.item(), rel=1e-12)
    labels = torch.arange(20) % 3
    plain = functional.cross_entropy(logits, labels).item()
    assert ghm.ghm_softmax(logits, labels, bins=1).item() == pytest.approx(plain, rel=1e-12)


def test_functions_are_modules_without_momentum():
    logits, target, valid = questions(20, 3)
    for module in (GHMC(12, 0), GHMC(12, 0, False)):
        assert torch.equal(module(logits, target, valid), ghm.ghm_c(logits, target, valid, bins=12))
    assert torch.equal(GHMR(0.1, 9, 0)(logits, target, valid), ghm.ghm_r(logits, target, valid, mu=0.1, bins=9))
    labels = torch.arange(20) % 3
    assert torch.equal(GHMSoftmax(7, 0)(logits, labels), ghm.ghm_softmax(logits, labels, bins=7))
    assert torch.equal(GHMC(12)(logits, target), ghm.ghm_c(logits, target, bins=12)), "a first step, corrected"


def far_from_edges(norms, bins=10):
    """Whether every norm may move a little without changing its bin."""
    return (norms.unsqueeze(-1) - torch.arange(1, bins) / bins).abs().min() > 1e-5


def test_gradient_is_the_derivative_at_constant_weights():
    """Where no element is near an edge the weights do not change, so that finite differences see the same gradient."""
    values, target, valid = questions(6, 4, seed=3)
    check = functools.partial(torch.autograd.gradcheck, eps=1e-7)
    assert far_from_edges((values.sigmoid() - target).abs())
    assert check(lambda v: ghm.ghm_c(v, target, valid, bins=10), values.clone().requires_grad_())
    assert far_from_edges((values - target).abs() / (values - target).square().add(4).sqrt())
    assert check(lambda v: ghm.ghm_r(v, target, valid, mu=2, bins=10), values.clone().requires_grad_())
    labels = torch.arange(6) % 4
    assert far_from_edges(1 - values.softmax(1)[range(6), labels])
    assert check(lambda v: ghm.ghm_softmax(v, labels, bins=10), values.clone().requires_grad_())


def test_one_vs_all_differs_from_the_softmax_variant():
    (logits,) = tensors((9, 4))
    labels = torch.arange(9) % 4
    target = ghm.one_vs_all(logits, labels)
    assert target.tolist() == torch.eye(4)[labels].tolist()
    assert target.dtype == logits.dtype
    assert abs(ghm.ghm_c(logits, target) / ghm.ghm_softmax(logits, labels) - 1) > 0.01


def test_names_of_losses_are_the_same_objects():
    for name in ("GHMC", "GHMR", "GHMSoftmax", "ghm_c", "ghm_r", "ghm_softmax", "one_vs_all"):
        assert getattr(losses, name) is getattr(ghm, name)
