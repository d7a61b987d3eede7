"""Training a detector: it learns, repeats and resumes bit for bit; boxes move with their images."""

import numpy as np
import pytest
import torch

from spbl_nb import detection
from spbl_nb.detection import evaluate
from spbl_nb.detection.dataset import DetectionData
from spbl_nb.detection.train import moved
from spbl_nb.training import batches, loop
from spbl_nb.training.checkpoints import ResumeError

QUICK = detection.settings("smoke", batch_size=4, epochs=3, max_steps=None)


@pytest.fixture(scope="module")
def data():
    return detection.load("synthetic", None, 64, count=16, num_classes=3, seed=1)


def train(data, config=QUICK, seed=0, **options):
    model = detection.build("small", data.num_classes, seed=seed)
    return model, detection.fit(model, data, data.rows_of(0), config, seed, **options)


def equal(one, other):
    one, other = one.state_dict(), other.state_dict()
    return all(torch.equal(one[key], other[key]) for key in one)


def squares(count=24, size=64, seed=0):
    """Pictures of one bright square on dark ground, which any detector must learn to find."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 3, size, size), 40, dtype=np.uint8)
    boxes = np.empty((count, 4))
    for index in range(count):
        left, top = rng.integers(2, size - 26, 2)
        boxes[index] = left, top, left + 22, top + 22
        images[index, :, top : top + 22, left : left + 22] = 220
    return DetectionData("squares", images, np.arange(count), boxes, np.zeros(count, dtype=int), ("square",))


@pytest.mark.parametrize(("classification", "regression"), [("ghm_c", "ghm_r"), ("focal", "smooth_l1")])
def test_learns_to_find_squares_it_has_not_seen(classification, regression):
    data, unseen = squares(), squares(8, seed=1)
    model = detection.build("small", 1, classification, regression)
    before = evaluate.coco_numbers(unseen, np.arange(8), detection.predict(model, unseen, np.arange(8), QUICK))
    config = QUICK.replace(epochs=16, batch_size=8)
    fitted = detection.fit(model, data, np.arange(24), config)
    found = detection.predict(model, unseen, np.arange(8), config)
    numbers = evaluate.coco_numbers(unseen, np.arange(8), found)
    assert before["AP50"] < 0.3
    assert numbers["AP50"] > 0.6
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]


@pytest.mark.parametrize("interrupted_after", [1, 2])
def test_resumed_equals_uninterrupted(data, tmp_path, monkeypatch, interrupted_after):
    whole, fitted = train(data)

    class Interrupted(Exception):
        pass

    lay_out = loop.Loop._batches

    def stop(self):
        if self.epoch == interrupted_after:
            torch.rand(7)
            self.model.head.losses.ghm_c(torch.zeros(4), torch.ones(4))  # half an epoch has left its mark
            raise Interrupted
        return lay_out(self)

    path = tmp_path / "checkpoint.pt"
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "_batches", stop)
        with pytest.raises(Interrupted):
            train(data, checkpoint=path)
    resumed, refitted = train(data, checkpoint=path)
    assert equal(whole, resumed)
    assert refitted.history == fitted.history
    assert refitted.steps == fitted.steps == 9


def test_a_checkpoint_without_the_counts_of_ghm_would_not_resume_equal(data, tmp_path, monkeypatch):
    """The negative control of the test above: what it compares is sensitive to the state of GHM."""
    whole, _ = train(data, QUICK.replace(epochs=2))
    save = loop.Loop._save

    def forget(self, *args):
        self.model.head.losses.ghm_c.smoothed.fill_(1)
        save(self, *args)

    monkeypatch.setattr(loop.Loop, "_save", forget)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)
    model, _ = train(data, QUICK.replace(epochs=2), checkpoint=tmp_path / "checkpoint.pt")
    assert not equal(whole, model)


def test_checkpoint_of_other_losses_is_refused(data, tmp_path):
    path, config = tmp_path / "checkpoint.pt", QUICK.replace(epochs=1)
    train(data, config, checkpoint=path)
    focal = detection.build("small", 3, "focal")
    with pytest.raises(ResumeError, match=r"belongs to another run .*losses: .*focal"):
        detection.fit(focal, data, data.rows_of(0), config, checkpoint=path)


def test_boxes_move_with_their_images():
    data = squares(6)
    rng = np.random.default_rng(0)
    for row, mirror in enumerate([False, True] * 3):
        shift = rng.integers(-9, 10, 2)
        image = batches.shift_and_mirror(
            torch.from_numpy(data.images[row : row + 1]), torch.from_numpy(shift[None]), torch.tensor([mirror])
        )[0, 0].numpy()
        boxes, seen = moved(data.truth(row).boxes, shift, mirror, data.size)
        assert seen.all()
        left, top, right, bottom = boxes[0].astype(int)
        bright = np.zeros_like(image, dtype=bool)
        bright[top:bottom, left:right] = True
        inside = slice(10, -10)  # beyond, the border of the image is repeated
        np.testing.assert_array_equal(image[inside, inside] > 128, bright[inside, inside])


def test_a_box_that_a_move_leaves_out_of_the_image_is_not_learnt():
    boxes, seen = moved(np.array([[0.0, 0, 4, 4], [0, 0, 8, 8]]), np.array([0, 4]), False, 64)
    assert seen.tolist() == [False, True]
    assert boxes[1].tolist() == [0, 0, 4, 8]


def test_steps_of_the_learning_rate(data):
    _, fitted = train(data, QUICK.replace(epochs=2, milestones=(0.5,), lr_gamma=0.1), warmup=0)
    np.testing.assert_allclose([entry["lr"] for entry in fitted.history], [0.003, 0.0003])
    _, fitted = train(data, QUICK.replace(epochs=1, milestones=(0.9,), batch_size=12), warmup=1)
    np.testing.assert_allclose(fitted.history[0]["lr"], 0.001)


def test_predicting_changes_nothing_and_stays_inside(data):
    model, _ = train(data, QUICK.replace(epochs=1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = detection.predict(model, data, data.rows_of(2), QUICK)
    assert len(found) == len(data.rows_of(2))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    for one in found:
        assert (np.diff(one.scores) <= 0).all()
        assert one.boxes.min(initial=0) >= 0
        assert one.boxes.max(initial=0) <= 64
        assert one.labels.max(initial=0) < 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda data, model: detection.fit(model, data, [0], QUICK), "at least 2"),
        (
            lambda data, model: detection.fit(
                model, data, np.arange(8), QUICK.replace(lr=1e30), clip=1e30, optimizer="sgd"
            ),
            "no longer finite in epoch .* smaller lr",
        ),
        (
            lambda data, model: detection.predict(detection.build("small", 5), data, [0], QUICK),
            "tells 5 classes apart and synthetic has 3",
        ),
    ],
)
def test_wrong_calls_are_refused(data, call, words):
    with pytest.raises(ValueError, match=words):
        call(data, detection.build("small", 3))


def test_half_precision_trains_and_keeps_losses_and_counts_precise(data):
    model, fitted = train(data, QUICK.replace(epochs=1, precision="bf16"))
    assert model.head.losses.ghm_c.smoothed.dtype == torch.float64
    full = train(data, QUICK.replace(epochs=1))[1].history[-1]["train_loss"]
    assert fitted.history[-1]["train_loss"] == pytest.approx(full, rel=0.1)
