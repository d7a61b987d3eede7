"""RetinaNet with GHM: its losses against plain formulas and by hand, its parts, and what cannot be built."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models.detection.retinanet import RetinaNetHead

from spbl_nb.detection import retinanet
from spbl_nb.training import models

CLASSES, ANCHORS = 3, 6
BETWEEN, BACKGROUND = -2, -1


def losses(classification, regression, **options):
    settings = {"ghmc": {"momentum": 0.0}, "ghmr": {"momentum": 0.0}} | options
    return retinanet.build("small", CLASSES, classification, regression, **settings).head


@pytest.fixture
def batch():
    """Two images of six anchors: what torchvision hands to the head, with every kind of anchor in it."""
    rng = torch.Generator().manual_seed(0)
    anchors = torch.tensor([[10.0 * i, 5.0, 10.0 * i + 20, 25.0] for i in range(ANCHORS)])
    outputs = {
        "cls_logits": torch.randn(2, ANCHORS, CLASSES, generator=rng),
        "bbox_regression": torch.randn(2, ANCHORS, 4, generator=rng) / 4,
    }
    targets = [
        {"boxes": torch.tensor([[0.0, 4, 22, 25], [30, 5, 50, 30]]), "labels": torch.tensor([2, 0])},
        {"boxes": torch.tensor([[12.0, 0, 28, 20]]), "labels": torch.tensor([1])},
    ]
    matched = [torch.tensor([0, BETWEEN, BACKGROUND, 1, 1, -1]), torch.tensor([-1, 0, 0, -1, -2, -1])]
    return targets, outputs, [anchors, anchors], matched


def plain_offsets(box, anchor):
    """The offsets of a box from an anchor: centre by the anchor's sides, logarithms of the sides."""
    sides, whole = box[2:] - box[:2], anchor[2:] - anchor[:2]
    centre = ((box[2:] + box[:2]) - (anchor[2:] + anchor[:2])) / 2 / whole
    return [*centre.tolist(), *torch.log(sides / whole).tolist()]


def elements(targets, outputs, anchors, matched):
    """Every logit with its target, and every offset with its target, that count; one by one."""
    questions, offsets = [], []
    for target, logits, found, anchor, match in zip(
        targets, outputs["cls_logits"], outputs["bbox_regression"], anchors, matched, strict=True
    ):
        for index, box in enumerate(match.tolist()):
            if box == BETWEEN:
                continue
            for number in range(CLASSES):
                right = box >= 0 and int(target["labels"][box]) == number
                questions.append((float(logits[index, number]), float(right)))
            if box >= 0:
                wanted = plain_offsets(target["boxes"][box], anchor[index])
                offsets += list(zip(found[index].tolist(), wanted, strict=True))
    return np.array(questions), np.array(offsets)


def harmonized(loss, norms, bins):
    """The plain formula: each of the bins that are not empty has the same share of the weight."""
    index = np.minimum((norms * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    return float((loss / counts[index]).sum() / np.count_nonzero(counts))


def test_ghm_losses_are_the_plain_formulas(batch):
    found = losses("ghm_c", "ghm_r").compute_loss(*batch)
    (z, y), (d, t) = (columns.T for columns in elements(*batch))
    probability = 1 / (1 + np.exp(-z))
    entropy = -(y * np.log(probability) + (1 - y) * np.log(1 - probability))
    assert float(found["classification"]) == pytest.approx(harmonized(entropy, np.abs(probability - y), 30), rel=1e-5)
    length = np.hypot(d - t, 0.02)
    expected = 10 * harmonized(length - 0.02, np.abs(d - t) / length, 10)
    assert float(found["bbox_regression"]) == pytest.approx(expected, rel=1e-5)


def test_other_losses_are_sums_over_positives(batch):
    (z, y), (d, t) = (torch.from_numpy(columns.T) for columns in elements(*batch))
    positives = len(d) / 4
    assert positives == 5
    entropy = functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    p = z.sigmoid()
    focal = torch.where(y > 0, 0.25 * (1 - p) ** 2, 0.75 * p**2) * entropy
    found = losses("cross_entropy", "smooth_l1").compute_loss(*batch)
    assert float(found["classification"]) == pytest.approx(float(entropy.sum() / positives), rel=1e-5)
    smooth = functional.smooth_l1_loss(d, t, reduction="sum", beta=1 / 9)
    assert float(found["bbox_regression"]) == pytest.approx(float(smooth / positives), rel=1e-5)
    found = losses("focal", "smooth_l1").compute_loss(*batch)
    assert float(found["classification"]) == pytest.approx(float(focal.sum() / positives), rel=1e-5)


def test_focal_loss_of_one_image_is_torchvisions(batch):
    one = [part[:1] if not isinstance(part, dict) else {k: v[:1] for k, v in part.items()} for part in batch]
    ours = losses("focal", "smooth_l1").compute_loss(*one)["classification"]
    theirs = RetinaNetHead(32, 9, CLASSES).compute_loss(*one)["classification"]
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("classification", retinanet.CLASSIFICATIONS)
def test_anchors_between_the_thresholds_and_in_crowds_have_no_say(batch, classification):
    targets, outputs, anchors, matched = batch
    head = losses(classification, "ghm_r")
    logits = outputs["cls_logits"].clone().requires_grad_()
    crowd = torch.tensor([[48.0, 0, 80, 40]])
    head.compute_loss(
        [targets[0] | {"ignored": crowd}, targets[1]], outputs | {"cls_logits": logits}, anchors, matched
    )["classification"].backward()
    silent = (logits.grad == 0).all(dim=2)
    # anchors of the first image: 4 matches an object, which outweighs the crowd; 5 lies in it
    assert silent.tolist() == [[False, True, False, False, False, True], [False, False, False, False, True, False]]


@pytest.mark.parametrize(("classification", "regression"), [("ghm_c", "ghm_r"), ("focal", "smooth_l1")])
def test_images_without_boxes_are_learnt_as_background(classification, regression):
    model = retinanet.build("small", 2, classification, regression).train()
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    found = model(torch.rand(2, 3, 64, 64), [empty, empty])
    assert found["bbox_regression"].item() == 0
    assert 0 < found["classification"].item() < 50
    sum(found.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_state_of_ghm_is_part_of_the_detector():
    model = retinanet.build("small", 2).train()
    fresh = retinanet.build("small", 2)
    target = {"boxes": torch.tensor([[8.0, 8, 40, 40]]), "labels": torch.tensor([1])}
    model(torch.rand(1, 3, 64, 64).expand(2, -1, -1, -1), [target, target])
    names = [f"head.losses.{kind}.{state}" for kind in ("ghm_c", "ghm_r") for state in ("smoothed", "updates")]
    assert set(names) <= set(model.state_dict())
    assert model.head.losses.ghm_c.updates.sum() > 0
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.head.losses.ghm_r.smoothed, model.head.losses.ghm_r.smoothed)
    focal = retinanet.build("small", 2, "focal", "smooth_l1")
    assert not any("ghm" in key for key in focal.state_dict())


def test_the_callers_random_stream_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    retinanet.build("small", 2, seed=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
def test_resnet50_takes_weights_of_a_file_and_learns_in_all_layers_without(tmp_path):
    path = tmp_path / "resnet50.pth"
    source = models.build("resnet50", 2, 64, seed=7).backbone
    state = dict(source.state_dict())
    torch.save(state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}, path)
    model = retinanet.build("resnet50_fpn", 4, weights_backbone=str(path))
    body = model.backbone.body
    assert torch.equal(body.conv1.weight, source.conv1.weight)
    assert torch.equal(body.layer4[2].bn3.running_var, source.layer4[2].bn3.running_var)
    assert not body.layer1[0].conv1.weight.requires_grad
    assert body.layer2[0].conv1.weight.requires_grad
    assert type(body.bn1).__name__ == "FrozenBatchNorm2d"
    assert model.head.classification_head.cls_logits.out_channels == 9 * 4
    random = retinanet.build("resnet50_fpn", 2)
    assert all(p.requires_grad for p in random.parameters())
    assert type(random.backbone.body.bn1).__name__ == "BatchNorm2d"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "smal"}, "model is 'smal'; .*did you mean 'small'"),
        ({"classification": "ghm"}, "classification is 'ghm'; allowed: focal, ghm_c, cross_entropy"),
        ({"weights_backbone": "IMAGENET1K_V2"}, "small has no published weights"),
    ],
)
def test_what_cannot_be_built_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        retinanet.build(**options)
