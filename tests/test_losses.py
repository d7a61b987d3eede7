"""Losses for imbalanced classes against their equations written out, torch's own cross-entropy, and the known pitfalls."""

import math

import numpy as np
import pytest
import torch
from ghm_batches import gradient_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from spbl_nb import losses
from spbl_nb.losses import CosineHead

COUNTS = [100, 40, 10, 3]
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)

counts_of_classes = st.lists(st.integers(1, 100_000), min_size=2, max_size=12)


def scores(seed=0, rows=8, classes=4, dtype=torch.float64):
    """Normal numbers as logits."""
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (rows, classes))).to(dtype)


def plain_focal(logits, labels, gamma, weights):
    """One sample after the other, with the math of the standard library."""
    total = total_weight = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(one) for one in row)
        total -= weights[label] * (1 - p) ** gamma * math.log(p)
        total_weight += weights[label]
    return total / total_weight


@given(st.integers(0, 10_000), st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_focal_is_its_equation(seed, gamma):
    logits = scores(seed)
    plain = plain_focal(logits, LABELS, gamma, [1.0] * 4)
    assert losses.focal(logits, LABELS, gamma).item() == pytest.approx(plain, rel=1e-10)
    plain = plain_focal(logits, LABELS, gamma, WEIGHTS.tolist())
    assert losses.focal(logits, LABELS, gamma, WEIGHTS).item() == pytest.approx(plain, rel=1e-10)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_focal_at_gamma_0_is_cross_entropy_bit_for_bit(weights, dtype):
    logits = scores(dtype=dtype)
    weights = None if weights is None else weights.to(dtype)
    ours = gradient_of(lambda z: losses.focal(z, LABELS, 0, weights), logits)
    torchs = gradient_of(lambda z: functional.cross_entropy(z, LABELS, weight=weights), logits)
    assert all(torch.equal(one, other) for one, other in zip(ours, torchs, strict=True))


def test_focal_takes_its_probability_from_the_plain_cross_entropy():
    """Negative control: with the class weight inside the exponent, exp(-w ln p) = p^w is no probability."""
    logits = scores()
    weighted = functional.cross_entropy(logits, LABELS, weight=WEIGHTS, reduction="none")
    inside = ((1 - torch.exp(-weighted)) ** 2 * weighted).sum() / WEIGHTS[LABELS].sum()
    ours = losses.focal(logits, LABELS, 2, WEIGHTS)
    assert ours.item() == pytest.approx(plain_focal(logits, LABELS, 2, WEIGHTS.tolist()))
    assert abs(inside / ours - 1) > 0.1


@pytest.mark.parametrize("gamma", [0, 0.5, 2])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_focal_is_finite_at_extreme_logits(gamma, dtype):
    logits = torch.tensor([[100.0, -100], [-100, 100], [100, 100], [0, 0]], dtype=dtype)
    loss, gradient = gradient_of(lambda z: losses.focal(z, torch.zeros(4, dtype=torch.int64), gamma), logits)
    assert torch.isfinite(gradient).all()
    assert gradient.dtype == dtype
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    at_a_half = 0.5**gamma * math.log(2)
    assert loss.item() == pytest.approx((0 + 200 + 2 * at_a_half) / 4, rel=1e-5)
    assert gradient[1].tolist() == pytest.approx([-0.25, 0.25], rel=1e-2), "a hopeless sample pulls as in cross-entropy"
    assert gradient[0].double().abs().max() < 1e-40


@pytest.mark.parametrize("beta", [0, 0.5, 0.999, 0.9999, 1 - 1e-12])
def test_class_balanced_weights(beta):
    weights = losses.class_balanced_weights([*COUNTS, 50_000], beta)
    effective = np.array([np.sum(np.power(float(beta), np.arange(n))) for n in [*COUNTS, 50_000]])
    np.testing.assert_allclose(weights, 5 / effective / (1 / effective).sum(), rtol=1e-9)


@given(counts_of_classes, st.floats(0.01, 2))
@settings(max_examples=50, deadline=None)
def test_ldam_margins(counts, largest):
    margins = losses.ldam_margins(counts, largest)
    assert margins.dtype == torch.float64
    assert margins.max().item() == pytest.approx(largest)
    np.testing.assert_allclose(margins.numpy() * np.power(counts, 0.25), largest * min(counts) ** 0.25)


def test_ldam_is_its_equation():
    cosines, margins = torch.tanh(scores()), losses.ldam_margins(COUNTS)
    terms, weights = [], WEIGHTS[LABELS].tolist()
    for row, label in zip(cosines.tolist(), LABELS.tolist(), strict=True):
        own = math.exp(30 * (row[label] - margins[label]))
        others = sum(math.exp(30 * one) for index, one in enumerate(row) if index != label)
        terms.append(-math.log(own / (own + others)))
    assert losses.ldam(cosines, LABELS, margins).item() == pytest.approx(np.mean(terms), rel=1e-10)
    weighted = losses.ldam(cosines, LABELS, margins, weights=WEIGHTS).item()
    assert weighted == pytest.approx(np.average(terms, weights=weights), rel=1e-10)
    plain = functional.cross_entropy(5 * cosines, LABELS)
    assert losses.ldam(cosines, LABELS, torch.zeros(4), scale=5).item() == pytest.approx(plain.item())


def test_cosine_head_knows_directions_only():
    torch.manual_seed(0)
    head, features = CosineHead(6, 4).double(), scores(1, 5, 6)
    cosines = head(features)
    by_hand = [[functional.cosine_similarity(f, w, dim=0).item() for w in head.weight] for f in features]
    np.testing.assert_allclose(cosines.detach(), by_hand, rtol=1e-10)
    with torch.no_grad():
        head.weight *= torch.tensor([1.0, 10, 100, 1000]).unsqueeze(1)
    np.testing.assert_allclose(head(1e3 * features).detach(), by_hand, rtol=1e-10)
    assert [name for name, _ in head.named_parameters()] == ["weight"], "no bias"


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_cosine_head_under_autocast_and_at_features_of_0(dtype):
    head, features = CosineHead(6, 4).to(dtype), scores(1, 5, 6).to(dtype)
    features[0] = 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosines = head(features)
    expected = functional.cosine_similarity(features[1:, None].float(), head.weight.float(), dim=2)
    torch.testing.assert_close(cosines[1:], expected, atol=1e-5, rtol=0)
    assert not cosines[0].any()
    cosines.sum().backward()
    assert torch.isfinite(head.weight.grad).all()


def test_logit_adjusted_is_its_equation():
    logits, prior = scores(), losses.class_prior(COUNTS)
    np.testing.assert_allclose(prior, np.array(COUNTS) / 153)
    terms = []
    for row, label in zip(logits.tolist(), LABELS.tolist(), strict=True):
        shares = [math.exp(one) * share**1.3 for one, share in zip(row, prior.tolist(), strict=True)]
        terms.append(-math.log(shares[label] / sum(shares)))
    assert losses.logit_adjusted(logits, LABELS, prior, 1.3).item() == pytest.approx(np.mean(terms), rel=1e-10)
    assert losses.logit_adjusted(logits, LABELS, prior, 0) == functional.cross_entropy(logits, LABELS)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.3, 1.0, 2.0]))
@settings(max_examples=40, deadline=None)
def test_tau_normalized_lengths(seed, tau):
    weight = scores(seed, 5, 3)
    weight[2] = 0
    ours = losses.tau_normalized(weight, tau)
    for one, other in zip(ours.numpy(), weight.numpy(), strict=True):
        length = np.sqrt((other**2).sum())
        np.testing.assert_allclose(one, other / length**tau if length else other, rtol=1e-10)
    assert torch.equal(losses.tau_normalized(weight, 0), weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_float32_of_the_rounded_input(dtype):
    half, prior, margins = scores().to(dtype), losses.class_prior(COUNTS), losses.ldam_margins(COUNTS)
    wide = half.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for loss in (
            lambda z: losses.focal(z, LABELS, 2, WEIGHTS),
            lambda z: losses.ldam(z, LABELS, margins),
            lambda z: losses.logit_adjusted(z, LABELS, prior),
            lambda z: losses.tau_normalized(z, 0.5),
        ):
            assert loss(half).dtype == torch.float32
            assert torch.equal(loss(half), loss(wide))


def test_no_value_is_read_back_from_the_device():
    """Tensors of the device "meta" have no values: reading one raises."""
    logits = torch.empty(8, 4, device="meta", requires_grad=True)
    labels = torch.empty(8, dtype=torch.int64, device="meta")
    prior, margins = losses.class_prior(COUNTS), losses.ldam_margins(COUNTS)
    losses.focal(logits, labels, 2, WEIGHTS).backward()
    losses.logit_adjusted(logits, labels, prior).backward()
    losses.ldam(logits, labels, margins, weights=WEIGHTS).backward()
    losses.tau_normalized(logits, 0.5).sum().backward()
