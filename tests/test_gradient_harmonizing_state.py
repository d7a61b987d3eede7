"""What gradient harmonizing carries from step to step: its counts, saved, cast, and shared by two processes."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from ghm_batches import gradient_of, questions
from torch import distributed, multiprocessing
from torch.nn import functional

from spbl_nb.ghm import GHMC, GHMR, GHMSoftmax


@pytest.mark.parametrize("momentum", [0.5, 0.75, 0.9])
def test_released_start_is_inflated_by_the_known_factor(momentum):
    batch = questions(50, 4)
    released, corrected = GHMC(10, momentum, bias_correction=False), GHMC(10, momentum)
    for step in range(1, 8):
        ratio = released(*batch) / corrected(*batch)
        assert ratio.item() == pytest.approx(1 / (1 - momentum**step), rel=1e-12)


def test_correction_counts_the_updates_of_each_bin():
    easy, hard = torch.full((6,), -4.0).double(), torch.full((6,), 4.0).double()
    module, zeros = GHMC(2, 0.75), torch.zeros(6).double()
    for _ in range(5):
        module(easy, zeros)
    both = module(torch.cat([easy, hard]), torch.zeros(12).double())
    assert module.updates.tolist() == [6, 1]
    expected = functional.binary_cross_entropy_with_logits(torch.cat([easy, hard]), torch.zeros(12).double())
    assert both.item() == pytest.approx(expected.item()), "both bins hold six: the plain mean"


@pytest.mark.parametrize("make", [GHMC, GHMR, GHMSoftmax])
def test_state_goes_on_where_it_was_saved(make, tmp_path):
    def batch(seed):
        logits, target, _ = questions(30, 4, seed=seed)
        return logits, (torch.arange(30) % 4 if make is GHMSoftmax else target)

    module = make()
    for seed in range(3):
        module(*batch(seed))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    assert {key: value.dtype for key, value in module.state_dict().items()} == {
        "smoothed": torch.float64,
        "updates": torch.int64,
    }
    other = make()
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    fresh, copied = make(), copy.deepcopy(module)
    expected = module(*batch(7))
    assert torch.equal(other(*batch(7)), expected)
    assert torch.equal(copied(*batch(7)), expected)
    assert not torch.equal(fresh(*batch(7)), expected), "negative control: the state matters"
    assert torch.equal(other.smoothed, module.smoothed)


def test_other_bins_refuse_the_state():
    with pytest.raises(RuntimeError, match="size mismatch"):
        GHMC(10).load_state_dict(GHMC(20).state_dict())


def test_evaluation_weighs_alike_but_leaves_the_state():
    module, batch = GHMC(), questions(30, 4)
    module(*questions(30, 4, seed=5))
    before = copy.deepcopy(module.state_dict())
    looked = module.eval()(*batch)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(module.train()(*batch), looked)
    assert not torch.equal(module.smoothed, before["smoothed"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_casting_the_network_keeps_the_counts(dtype):
    network = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 2), "loss": GHMC(1)})
    network["loss"](torch.zeros(300_001), torch.zeros(300_001))
    network.to(dtype)
    assert network["head"].weight.dtype == dtype
    assert network["loss"].smoothed.dtype == torch.float64
    assert network["loss"].smoothed.item() == 300_001 / 4, "more than a half can hold"


@pytest.mark.parametrize("make", [GHMC, GHMR, GHMSoftmax])
def test_no_value_is_read_back_from_the_device(make):
    """Tensors of the device "meta" have no values: reading one raises, as the plain loop over bins does."""
    module, values = make(), torch.empty(16, 4, device="meta", requires_grad=True)
    target = torch.empty(16, 4, device="meta")
    if make is GHMSoftmax:
        target = torch.empty(16, dtype=torch.int64, device="meta")
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


def three_losses(rank):
    """Per step: the losses of three modules with momentum on a share, their gradients, and at the end the states."""
    modules = GHMC(10), GHMR(0.02, 10), GHMSoftmax(10)
    outputs = []
    for logits, target, valid in shares(rank):
        labels = target.argmax(dim=1)
        for module, batch in zip(modules, ((target, valid), (target, valid), (labels, valid[:, 0])), strict=True):
            outputs.append(gradient_of(module, logits, *batch))
    return outputs, [module.state_dict() for module in modules]


def one_of_two(rank, folder, summed):
    """What a process of its own runs; without ``summed`` it does not know of the other."""
    torch.set_num_threads(1)
    if summed:
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(three_losses(rank), Path(folder) / f"rank{rank}.pt")
    if summed:
        distributed.destroy_process_group()


def test_two_processes_equal_one_with_the_whole_batch(tmp_path):
    multiprocessing.spawn(one_of_two, (str(tmp_path), True), nprocs=2)
    (first, first_state), (second, second_state) = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    whole, whole_state = three_losses(None)
    assert len(first) == len(second) == len(whole) == 3 * STEPS_OF_TWO
    for (one, slope_one), (other, slope_other), (loss, slope) in zip(first, second, whole, strict=True):
        assert ((one + other) / 2).item() == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(torch.cat([slope_one, slope_other]) / 2, slope, rtol=1e-10, atol=1e-15)
    for one, other, expected in zip(first_state, second_state, whole_state, strict=True):
        for key, value in expected.items():
            assert torch.equal(one[key], other[key])
            np.testing.assert_allclose(one[key], value, rtol=1e-12)


def test_processes_that_do_not_sum_give_another_loss(tmp_path):
    """Negative control for the test above."""
    for rank in (0, 1):
        one_of_two(rank, str(tmp_path), summed=False)
    (first, _), (second, _) = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    whole, _ = three_losses(None)
    ratios = [((a + b) / 2 / c).item() for (a, _), (b, _), (c, _) in zip(first, second, whole, strict=True)]
    assert all(abs(ratio - 1) > 1e-4 for ratio in ratios[:3])
