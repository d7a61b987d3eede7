"""Gradient harmonizing in every precision, at extreme values, with nothing valid, and on bad input."""

import math

import pytest
import torch
from ghm_batches import gradient_of, questions

from spbl_nb import ghm
from spbl_nb.ghm import GHMC, GHMR, GHMSoftmax


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_hardest_samples_keep_their_weight_in_any_precision(dtype):
    """A logit of 20 with the target 0 has the norm 1 in half precision: on the last edge."""
    logits, target = torch.full((8,), -20.0, dtype=dtype), torch.zeros(8, dtype=dtype)
    logits[0] = 20
    loss, gradient = gradient_of(ghm.ghm_c, logits, target)
    assert loss.dtype == torch.float32
    assert gradient.dtype == dtype
    assert loss.item() == pytest.approx(20 / 2, rel=1e-6), "the hard one is half of all"
    assert gradient[0].item() == pytest.approx(0.5)
    norms = (logits.sigmoid() - target).abs()
    if dtype != torch.float32:
        last_edge = torch.tensor(1.0, dtype=dtype) + 1e-6
        assert not norms[0] < last_edge, "negative control: in this precision no bin of the reference holds it"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_float32_of_the_rounded_input(dtype):
    logits, target, valid = (values.to(dtype) for values in questions(300, 4))
    wide = [values.float() for values in (logits, target, valid)]
    assert torch.equal(ghm.ghm_c(logits, target, valid), ghm.ghm_c(*wide))
    assert torch.equal(ghm.ghm_r(logits, target, valid), ghm.ghm_r(*wide))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ghm.ghm_c(logits, target, valid), ghm.ghm_c(*wide))
        assert torch.equal(ghm.ghm_r(logits, target, valid), ghm.ghm_r(*wide))
        labels = torch.arange(300) % 4
        assert torch.equal(ghm.ghm_softmax(logits, labels), ghm.ghm_softmax(wide[0], labels))


@pytest.mark.parametrize("size", [0.0, 100.0, 1e30])
def test_extreme_input_has_finite_loss_and_gradient(size):
    values = torch.tensor([[size, -size, 0.0], [-size, size, 1e-30]])
    results = [gradient_of(ghm.ghm_c, values, torch.eye(3)[:2])]
    results += [gradient_of(ghm.ghm_r, values, torch.zeros(2, 3))]
    results += [gradient_of(ghm.ghm_softmax, values, torch.tensor([0, 0]))]
    for loss, gradient in results:
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def everything_invalid():
    logits, target, _ = questions(5, 3)
    return [
        (GHMC(), logits, target, torch.zeros(5, 3)),
        (GHMR(), logits, target, torch.zeros(5, 3, dtype=torch.bool)),
        (GHMSoftmax(), logits, torch.tensor([0, 1, 2, 0, 1]), torch.zeros(5)),
        (GHMC(), logits[:0], target[:0], None),
        (GHMR(), logits[:0], target[:0], torch.zeros(0, 3)),
    ]


@pytest.mark.parametrize("case", range(5))
def test_nothing_valid_is_0_with_gradient_0_and_leaves_the_state(case):
    module, *batch = everything_invalid()[case]
    loss, gradient = gradient_of(module, *batch)
    assert loss.item() == 0
    assert not gradient.any()
    assert not module.updates.any()


def test_invalid_elements_may_hold_anything():
    logits, target, valid = questions(12, 3)
    expected, slope = gradient_of(ghm.ghm_c, logits, target, valid)
    spoilt = [torch.where(valid > 0, values, math.nan) for values in (logits, target)]
    loss, gradient = gradient_of(ghm.ghm_c, *spoilt, valid)
    assert loss == expected
    assert torch.equal(gradient, slope)
    assert (gradient == 0).equal(valid == 0)
    assert gradient_of(ghm.ghm_r, *spoilt, valid)[1].isfinite().all()
    labels = torch.arange(12) % 3
    rows = valid[:, 0]
    loss = ghm.ghm_softmax(spoilt[0][:, [0, 0, 0]], labels.masked_fill(rows == 0, -100), rows)
    assert torch.isfinite(loss)


def test_a_diverged_network_gives_nan_and_no_crash():
    logits, target, _ = questions(4, 3)
    logits[1, 1] = math.nan
    assert torch.isnan(GHMC()(logits, target))
    assert torch.isnan(GHMR()(logits, target))


X, Y = torch.zeros(4, 3), torch.zeros(4, 3)
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GHMC(bins=0), "bins is 0; allowed: an integer from 1 to 100000"),
        (lambda: GHMC(bins=2.5), "bins is 2.5"),
        (lambda: GHMC(momentum=1), r"momentum is 1; allowed: a finite number in \[0, 1\)"),
        (lambda: GHMC(momentum=-0.1), "momentum is -0.1"),
        (lambda: GHMC(momentum=math.nan), "momentum is nan"),
        (lambda: GHMR(mu=0), r"mu is 0; allowed: a finite number in \(0, inf\)"),
        (lambda: GHMR(mu=math.inf), "mu is inf"),
        (lambda: GHMR(bins=0), "bins is 0"),
        (lambda: GHMR(momentum=1), "momentum is 1"),
        (lambda: GHMSoftmax(bins=-1), "bins is -1"),
        (lambda: ghm.ghm_c(X, Y, bins=0), "bins is 0"),
        (lambda: ghm.ghm_r(X, Y, mu=0), "mu is 0"),
        (lambda: GHMC()(X, torch.zeros(4, 2)), r"target has shape \(4, 2\).*\(4, 3\) that logits has"),
        (lambda: GHMC()(X, LABELS), r"target has shape \(4,\) and type torch.int64.*one_vs_all"),
        (lambda: GHMC()(X, Y.long()), "target has .* type torch.int64"),
        (lambda: GHMC()(X.long(), Y), r"logits has type torch.int64; allowed: floats \(convert with .float\(\)\)"),
        (lambda: GHMC()(X, Y, torch.ones(4)), r"valid has shape \(4,\); allowed: that of logits, \(4, 3\)"),
        (lambda: GHMR()(X, Y, torch.ones(3, 4)), "valid has shape .* that of prediction"),
        (lambda: GHMR()(X, Y[:2]), r"target has shape \(2, 3\).* that prediction has"),
        (lambda: GHMSoftmax()(X, Y), r"labels has shape \(4, 3\) and type torch.float32; allowed: int64 \[4\]"),
        (lambda: GHMSoftmax()(X, LABELS, Y), r"valid has shape \(4, 3\); allowed: that of labels, \(4,\)"),
        (lambda: ghm.one_vs_all(X, LABELS[:2]), r"labels has shape \(2,\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
