"""The training loop: it learns, repeats bit for bit, resumes bit for bit, and evaluating does not change it."""

import killing
import numpy as np
import pytest
import torch

from spbl_nb.config import preset
from spbl_nb.training import loop as training
from spbl_nb.training import models
from spbl_nb.training.checkpoints import ResumeError

QUICK = preset("smoke", size=16, epochs=4, max_steps=None, batch_size=16, evaluate_every=2, lr=0.02)


@pytest.fixture
def data(blobs):
    return blobs([30, 20, 14])


def _train(data, config=QUICK, seed=0, model="small_cnn", **options):
    network = models.build(model, data.num_classes, data.size, seed=seed)
    fitted = training.fit(network, data, np.arange(0, len(data), 2), config, seed=seed, **options)
    return network, fitted


def _state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def _equal(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_learns(data):
    model, fitted = _train(data, QUICK.replace(epochs=25))
    rows = np.arange(1, len(data), 2)
    prediction = training.predict(model, data, rows, QUICK)
    assert (prediction.probability.argmax(axis=1) == data.labels[rows]).mean() > 0.9
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    np.testing.assert_allclose(prediction.probability.sum(axis=1), 1)


def test_same_seed_is_bit_equal_and_another_seed_is_not(data):
    threads, before = torch.get_num_threads(), torch.random.get_rng_state()
    one, same, other = (_train(data, seed=seed, model="mnist_net") for seed in (1, 1, 2))
    assert _equal(_state(one[0]), _state(same[0]))
    assert one[1].history == same[1].history
    assert not _equal(_state(one[0]), _state(other[0]))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's random state"


def test_evaluating_more_often_changes_nothing(data):
    rows = np.arange(1, len(data), 2)
    never = _train(data, model="mnist_net")[0]
    often = _train(data, QUICK.replace(evaluate_every=1), model="mnist_net", validation=rows)[0]
    assert _equal(_state(never), _state(often))


@pytest.mark.parametrize("interrupted_after", [1, 2, 3])
@pytest.mark.parametrize("selection", ["last", "validation"])
def test_resumed_equals_uninterrupted(data, tmp_path, monkeypatch, interrupted_after, selection):
    config = QUICK.replace(selection=selection, evaluate_every=1)
    options = {"model": "mnist_net", "validation": np.arange(1, len(data), 2)}
    whole, fitted = _train(data, config, **options)

    layout = training.Loop._batches

    def stop_in_the_middle(self):
        if self.epoch == interrupted_after:
            torch.rand(7)  # a kernel that was restarted has another random state
            raise KeyboardInterrupt
        return layout(self)

    checkpoint = tmp_path / "checkpoint.pt"
    with monkeypatch.context() as patch:
        patch.setattr(training.Loop, "_batches", stop_in_the_middle)
        patch.setattr(training, "CHECKPOINT_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            _train(data, config, checkpoint=checkpoint, **options)
    resumed, refitted = _train(data, config, checkpoint=checkpoint, **options)
    assert _equal(_state(whole), _state(resumed))
    assert refitted.history == fitted.history
    assert refitted.steps == fitted.steps


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_is_bit_equal(tmp_path):
    """Kill the process for good (SIGKILL) at several moments, start it again, and compare with an undisturbed one."""
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    events = killing.finish(killing.train, undisturbed)
    killing.kill_at_random(killing.train, disturbed, events, times=4)
    assert killing.finish(killing.train, disturbed) < events, "it went on where it was"
    assert _equal(*(torch.load(folder / "final.pt", weights_only=True) for folder in (undisturbed, disturbed)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here; the weights at the start differ"),
        ({"config": QUICK.replace(lr=0.1)}, r"\(lr: 0.02 there, 0.1 here\)"),
        ({"stage": "other"}, r"\(stage: 'train' there, 'other' here\)"),
        ({"labels": np.zeros(32, dtype=int)}, r"\(the rows that are learnt or evaluated differ\)"),
    ],
)
def test_checkpoint_of_another_run_is_refused_and_named(data, blobs, tmp_path, change, told):
    checkpoint = tmp_path / "checkpoint.pt"
    _train(data, checkpoint=checkpoint)
    with pytest.raises(ResumeError, match=f"belongs to another run .*{told}"):
        _train(data, checkpoint=checkpoint, **change)
    with pytest.raises(ResumeError, match="the data differ"):
        _train(blobs([30, 20, 14], seed=1), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(ResumeError, match="cannot be read"):
        _train(data, checkpoint=checkpoint)


def test_step_budget_and_learning_rate(data):
    _, fitted = _train(data, QUICK.replace(epochs=50, max_steps=7, milestones=(0.5,)))
    assert fitted.steps == 7
    assert [entry["step"] for entry in fitted.history] == [2, 4, 6, 7]
    factors = [training.learning_rate_factor(QUICK.replace(milestones=(0.5, 0.9)), step, 10) for step in range(10)]
    np.testing.assert_allclose(factors, [1] * 5 + [0.1] * 4 + [0.01])


def test_training_set_smaller_than_a_batch_still_trains(data):
    model = models.build("mnist_net", 3, 16)
    fitted = training.fit(model, data, np.array([0, 31, 63]), QUICK)
    assert fitted.steps == QUICK.epochs


def test_selection_keeps_the_last_best_epoch(data):
    rows = np.arange(1, len(data), 2)
    config = QUICK.replace(selection="validation", evaluate_every=1, epochs=12, lr=0.2)
    model, fitted = _train(data, config, validation=rows)
    best = max(entry["validation_accuracy"] for entry in fitted.history)
    prediction = training.predict(model, data, rows, config)
    assert (prediction.logits.argmax(axis=1) == data.labels[rows]).mean() == best


def test_order_decides_what_is_seen(data):
    """Negative control: an order that names one class only teaches that class only."""
    labels = data.labels[np.arange(0, len(data), 2)]
    only = np.flatnonzero(labels == 2)
    model, _ = _train(data, QUICK.replace(epochs=40), order=lambda rng: rng.choice(only, len(labels)))
    prediction = training.predict(model, data, np.arange(len(data)), QUICK)
    assert (prediction.logits.argmax(axis=1) == 2).mean() > 0.95


def test_labels_and_weights_replace_the_datas_own(data):
    rows = np.arange(len(data))
    swapped = 2 - data.labels
    model = models.build("small_cnn", 3, 16)
    training.fit(model, data, rows, QUICK.replace(epochs=25), labels=swapped)
    assert (training.predict(model, data, rows, QUICK).logits.argmax(axis=1) == swapped).mean() > 0.9

    def weighted(logits, labels, weights):
        return (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).mean()

    model = models.build("small_cnn", 3, 16)
    without_one = (data.labels != 1).astype(float)
    training.fit(model, data, rows, QUICK.replace(epochs=25), weights=without_one, loss=weighted)
    predicted = training.predict(model, data, rows, QUICK).logits.argmax(axis=1)
    assert (predicted == 1).mean() < 0.02, "a class of weight 0 is never learnt"
    assert (predicted == data.labels)[data.labels != 1].mean() > 0.9


def test_prediction_changes_nothing(data):
    model, _ = _train(data, model="mnist_net")
    before = _state(model)
    model.train()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one = training.predict(model, data, np.arange(10), QUICK)
    two = training.predict(model, data, np.arange(10), QUICK, batch_size=3)
    assert model.training
    assert _equal(before, _state(model))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_allclose(one.logits, two.logits, atol=1e-5)
    assert one.features.shape == (10, 512)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_precisions_and_memory_orders_follow_each_other_in_one_process(data, precision, channels_last):
    config = QUICK.replace(precision=precision, channels_last=channels_last, epochs=25)
    model, _ = _train(data, config)
    prediction = training.predict(model, data, np.arange(len(data)), config)
    assert prediction.logits.dtype == np.float32
    assert (prediction.logits.argmax(axis=1) == data.labels).mean() > 0.9
    assert next(model.parameters()).dtype == torch.float32
    assert type(model).forward is models.Classifier.forward
    assert "forward" not in vars(model), "the precision wrapper must not stay on the network"


def test_a_network_trains_on_in_the_precision_it_began_with(data):
    model = models.build("mnist_net", data.num_classes, data.size, seed=0)
    convolution = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    seen = []
    convolution.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    rows = np.arange(len(data))
    for precision, dtype in [("bf16", torch.bfloat16), ("bf16", torch.bfloat16), ("fp32", torch.float32)]:
        seen.clear()
        training.fit(model, data, rows, QUICK.replace(precision=precision, epochs=1))
        assert set(seen) == {dtype}


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"precision": "fp16"}, {}, "precision is 'fp16', which needs a CUDA device"),
        ({"selection": "validation"}, {}, "no validation rows"),
        ({"crop": True, "padding": 5}, {}, "crop takes 10 pixels"),
        ({}, {"weights": np.ones(32)}, "the default loss takes none"),
    ],
)
def test_errors(data, settings, options, message):
    with pytest.raises(ValueError, match=message):
        _train(data, QUICK.replace(**settings), **options)
    with pytest.raises(ValueError, match="at least 2 are needed"):
        training.fit(models.build("small_cnn", 3, 16), data, np.array([0]), QUICK)
