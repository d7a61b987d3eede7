"""Gradient harmonizing against the reference's own output, a plain loop over bins, and examples by hand.

Then: half precision, extreme values, nothing valid, and what is carried from step to step, also by two processes.
"""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ghm_batches import gradient_of, questions
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributed, multiprocessing

from spbl_nb import ghm, losses
from spbl_nb.ghm import GHMC, GHMR

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


@pytest.mark.parametrize("boxes", [False, True])
@given(modules, st.integers(0, 10_000), st.integers(1, 30), st.floats(0.01, 2))
@settings(max_examples=25, deadline=None)
def test_three_steps_are_the_loop_over_bins(boxes, options, seed, size, mu):
    module, plain = GHMR(mu, *options) if boxes else GHMC(*options), LoopOverBins(*options)
    for step in range(3):
        values, target, valid = questions(size, 2, seed=seed + step)
        elements = zip(values.flatten().tolist(), target.flatten().tolist(), strict=True)
        pairs = [plain_asl1(v - t, mu) if boxes else plain_cross_entropy(v, t) for v, t in elements]
        loss, norm = zip(*pairs, strict=True)
        assert module(values, target, valid).item() == pytest.approx(plain(norm, loss, valid.flatten()), rel=1e-9)
    np.testing.assert_allclose(module.smoothed, plain.smoothed, rtol=1e-12)
    assert module.updates.tolist() == plain.updates


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


def test_one_vs_all_asks_one_question_per_class_and_losses_know_the_names():
    logits, labels = questions(9, 4)[0], torch.arange(9) % 4
    target = ghm.one_vs_all(logits, labels)
    assert target.tolist() == torch.eye(4)[labels].tolist()
    assert target.dtype == logits.dtype
    for name in ("GHMC", "GHMR", "ghm_c", "ghm_r", "one_vs_all"):
        assert getattr(losses, name) is getattr(ghm, name)
    with pytest.raises(AttributeError, match="no attribute 'ghm_x'"):
        _ = losses.ghm_x


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
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ghm.ghm_c(logits, target) == loss


@pytest.mark.parametrize("size", [0.0, 100.0, 1e30])
def test_extreme_input_has_finite_loss_and_gradient(size):
    values = torch.tensor([[size, -size, 0.0], [-size, size, 1e-30]])
    results = [gradient_of(ghm.ghm_c, values, torch.eye(3)[:2])]
    results += [gradient_of(ghm.ghm_r, values, torch.zeros(2, 3))]
    for loss, gradient in results:
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("make", [GHMC, GHMR])
@pytest.mark.parametrize("rows", [0, 5])
def test_nothing_valid_is_0_with_gradient_0_and_leaves_the_state(make, rows):
    module, (logits, target, _) = make(), questions(5, 3)
    loss, gradient = gradient_of(module, logits[:rows], target[:rows], torch.zeros(rows, 3))
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


@pytest.mark.parametrize("make", [GHMC, GHMR])
def test_state_goes_on_where_it_was_saved(make, tmp_path):
    module, other, fresh = make(), make(), make()
    for seed in range(3):
        module(*questions(30, 4, seed=seed))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    copied, batch = copy.deepcopy(module), questions(30, 4, seed=7)
    expected = module(*batch)
    assert torch.equal(other(*batch), expected)
    assert torch.equal(copied(*batch), expected)
    assert not torch.equal(fresh(*batch), expected), "negative control: the state matters"


def test_evaluation_weighs_alike_but_leaves_the_state():
    module, batch = GHMC(), questions(30, 4)
    module(*questions(30, 4, seed=5))
    before = copy.deepcopy(module.state_dict())
    looked = module.eval()(*batch)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(module.train()(*batch), looked)
    assert not torch.equal(module.smoothed, before["smoothed"])


def test_casting_the_network_keeps_the_counts():
    network = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 2), "loss": GHMC(1)})
    network["loss"](torch.zeros(300_001), torch.zeros(300_001))
    network.half()
    assert network["loss"].smoothed.dtype == torch.float64
    assert network["loss"].smoothed.item() == 300_001 / 4, "more than a half can hold"


@pytest.mark.parametrize("make", [GHMC, GHMR])
def test_no_value_is_read_back_from_the_device(make):
    """Tensors of the device "meta" have no values: reading one raises, as the plain loop over bins does."""
    module, values = make(), torch.empty(16, 4, device="meta", requires_grad=True)
    target = torch.empty(16, 4, device="meta")
    for valid in (None, torch.empty(target.shape, device="meta")):
        module(values, target, valid).backward()
    assert module.smoothed.device.type == "meta", "the state follows the logits"
    with pytest.raises(RuntimeError, match="meta"):
        values.sum().item()


STEPS_OF_TWO = 3


def shares(rank):
    """The part of each batch that a process gets: of unequal sizes, and at the last step nothing valid on rank 1."""
    for step in range(STEPS_OF_TWO):
        logits, target, valid = questions(24, 4, seed=step)
        valid = valid.clone()
        if step == STEPS_OF_TWO - 1:
            valid[10:] = 0
        rows = {0: slice(0, 10), 1: slice(10, 24), None: slice(None)}[rank]
        yield logits[rows], target[rows], valid[rows]


def losses_of(rank):
    """Per step: the losses of two modules with momentum on a share, their gradients, and at the end the states."""
    modules = GHMC(10), GHMR(0.02, 10)
    outputs = [gradient_of(module, *batch) for batch in shares(rank) for module in modules]
    return outputs, [module.state_dict() for module in modules]


def one_of_two(rank, folder):
    """What a process of its own runs."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(losses_of(rank), Path(folder) / f"rank{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(tmp_path):
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    (first, first_state), (second, second_state) = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    whole, whole_state = losses_of(None)
    apart = [losses_of(rank)[0] for rank in (0, 1)]
    assert abs((apart[0][0][0] + apart[1][0][0]) / 2 / whole[0][0] - 1) > 1e-4, "negative control: counts not summed"
    assert len(first) == len(second) == len(whole) == 2 * STEPS_OF_TWO
    for (one, slope_one), (other, slope_other), (loss, slope) in zip(first, second, whole, strict=True):
        assert ((one + other) / 2).item() == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(torch.cat([slope_one, slope_other]) / 2, slope, rtol=1e-10, atol=1e-15)
    for one, other, expected in zip(first_state, second_state, whole_state, strict=True):
        for key, value in expected.items():
            assert torch.equal(one[key], other[key])
            np.testing.assert_allclose(one[key], value, rtol=1e-12)
