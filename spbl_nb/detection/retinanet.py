"""RetinaNet with a choice of losses: focal, cross-entropy or GHM-C for the classes, smooth L1 or GHM-R for the boxes.

Network, anchors, matching and decoding are torchvision's; only the head's loss is ours. An anchor that overlaps an
object by half or more is a positive of its class; one that overlaps none by 0.4 is background; those between, and those
that lie mostly in a crowd, are not valid and count nowhere. ``small`` trains in about a minute on a CPU; ``resnet50_fpn``
is the network of the published figures.

Source: Lin et al. 2017 (RetinaNet); Li, Liu and Wang 2019 (GHM), whose settings are the defaults.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import Conv2dNormActivation, FeaturePyramidNetwork, FrozenBatchNorm2d, box_area, sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from spbl_nb import checks
from spbl_nb.ghm import GHMC, GHMR
from spbl_nb.training import models
from spbl_nb.training.batches import CHANNEL_MEAN, CHANNEL_STD

NAMES = ("small", "resnet50_fpn")
CLASSIFICATIONS = ("focal", "ghm_c", "cross_entropy")
REGRESSIONS = ("smooth_l1", "ghm_r")
BETA = 1 / 9  # where smooth L1 turns from square to straight, as in RetinaNet's own code
GHM_R_WEIGHT = 10.0  # of the release
_SHAPES: dict[str, tuple[tuple[int, ...], int, int, Callable[..., nn.Module] | None]] = {
    "small": ((12, 24, 48), 32, 2, partial(nn.GroupNorm, 8)),
    "resnet50_fpn": ((32, 64, 128, 256, 512), 128, 4, None),
}  # sides of the anchors of each level, pixels; coarsest stride; convolutions of each branch of the head, and what follows them
_OCTAVES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
_RATIOS = (0.5, 1.0, 2.0)


def build(
    name: str = "small",
    num_classes: int = 6,
    classification: str = "ghm_c",
    regression: str = "ghm_r",
    *,
    seed: int = 0,
    weights_backbone: str | None = None,
    ghmc: dict[str, Any] | None = None,
    ghmr: dict[str, Any] | None = None,
) -> RetinaNet:
    """Build a detector with seeded random weights, or with torchvision's in its backbone.

    Parameters
    ----------
    name, classification, regression : one of :data:`NAMES`, of :data:`CLASSIFICATIONS` and of :data:`REGRESSIONS`.
    num_classes : C, at least 1; background is no class, but the absence of all.
    weights_backbone : for ``resnet50_fpn`` a name such as ``"IMAGENET1K_V2"`` (read from torch's hub cache or downloaded
        by torchvision) or the path of a file with ResNet-50's state dict, of whose five blocks the last three then learn;
        None: random, and all learn.
    ghmc, ghmr : arguments of :class:`GHMC` and :class:`GHMR` other than the released ones.

    The detector is called as torchvision's are, with images float[B,3,S,S] in 0..1; its targets may have ``ignored`` boxes
    float[K,4] too. ``score_thresh``, ``nms_thresh`` and ``detections_per_img`` limit what is found.

    Raises ValueError for unknown names, settings out of range, or weights for a backbone that has none, and
    FileNotFoundError for weights that are not there.
    """
    checks.one_of("model", name, NAMES)
    losses = Losses(
        checks.one_of("classification", classification, CLASSIFICATIONS),
        checks.one_of("regression", regression, REGRESSIONS),
        GHMC(**(ghmc or {})),
        GHMR(**(ghmr or {})),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.integer("seed", seed, 0))
        if name == "small" and weights_backbone is not None:
            raise ValueError("small has no published weights; leave weights_backbone out")
        backbone: Any = SmallBackbone() if name == "small" else _resnet50_fpn(weights_backbone)
        sides, stride, depth, normalise = _SHAPES[name]
        anchors = AnchorGenerator(
            tuple(tuple(int(side * octave) for octave in _OCTAVES) for side in sides), (_RATIOS,) * len(sides)
        )
        classes, per_place = checks.integer("num_classes", num_classes, 1), anchors.num_anchors_per_location()[0]
        head = Head(int(backbone.out_channels), per_place, classes, losses, normalise, depth)
        model = RetinaNet(backbone, classes, anchor_generator=anchors, head=head, detections_per_img=100)
    mean, std = ([value / 255 for value in values] for values in (CHANNEL_MEAN, CHANNEL_STD))
    model.transform = Unresized(0, 0, mean, std, size_divisible=stride)
    return model


class Losses(nn.Module):
    """Both losses of a batch of anchors, with the state of GHM.

    Focal loss, cross-entropy and smooth L1 are sums over the batch divided by its number of positive anchors, as in
    RetinaNet; GHM-C is a mean over the valid logits, and GHM-R a mean over the offsets of the positive anchors.
    """

    def __init__(self, classification: str, regression: str, ghm_c: GHMC, ghm_r: GHMR) -> None:
        super().__init__()
        self.classification, self.regression = classification, regression
        self.ghm_c = ghm_c if classification == "ghm_c" else None
        self.ghm_r = ghm_r if regression == "ghm_r" else None
        self.focal = {"alpha": 0.25, "gamma": 2.0}
        self.regression_weight = GHM_R_WEIGHT if regression == "ghm_r" else 1.0

    def of_classes(self, logits: Tensor, target: Tensor, valid: Tensor, positives: Tensor) -> Tensor:
        """Return the scalar loss of logits float[B,A,C] for a target of 0 and 1 of that shape; valid bool[B,A]."""
        if self.ghm_c is not None:
            return self.ghm_c(logits, target, valid[..., None].expand_as(logits).float())
        logits = logits.float()
        if self.classification == "focal":
            loss = sigmoid_focal_loss(logits, target.float(), **self.focal)
        else:
            loss = functional.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
        return (loss * valid[..., None]).sum() / positives.clamp_min(1)

    def of_boxes(self, offsets: Tensor, target: Tensor, positives: Tensor) -> Tensor:
        """Return the scalar loss of the offsets float[P,4] of the positive anchors."""
        if self.ghm_r is not None:
            loss = self.ghm_r(offsets, target)
        else:
            total = functional.smooth_l1_loss(offsets.float(), target, reduction="sum", beta=BETA)
            loss = total / positives.clamp_min(1)
        return self.regression_weight * loss

    def extra_repr(self) -> str:
        """Return all settings: a checkpoint of other losses is refused by them."""
        words = [self.classification, self.regression, f"focal={self.focal}, weight={self.regression_weight:g}"]
        if self.ghm_r is not None:
            words.append(f"mu={self.ghm_r.mu:g}")
        densities = [one for one in (self.ghm_c, self.ghm_r) if one is not None]
        words += [f"bins={one.bins}, momentum={one.momentum:g}, {one.bias_correction}" for one in densities]
        return "; ".join(words)


class Head(RetinaNetHead):
    """torchvision's head with :class:`Losses` over the whole batch at once."""

    def __init__(
        self,
        channels: int,
        anchors: int,
        num_classes: int,
        losses: Losses,
        normalise: Callable[..., nn.Module] | None = None,
        depth: int = 4,
    ) -> None:
        super().__init__(channels, anchors, num_classes, norm_layer=normalise)
        for branch in (self.classification_head, self.regression_head):
            branch.conv = branch.conv[:depth]
        self.losses = losses

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """Return the losses ``classification`` and ``bbox_regression``.

        ``matched_idxs`` int64[A] of each image: the box of each anchor, -1 for background, -2 between the thresholds.
        """
        logits, offsets = head_outputs["cls_logits"], head_outputs["bbox_regression"]
        between = self.classification_head.BETWEEN_THRESHOLDS
        matched = [
            torch.where((found < 0) & _mostly_inside(anchor, target.get("ignored")), between, found)
            for anchor, target, found in zip(anchors, targets, matched_idxs, strict=True)
        ]
        found = torch.stack(matched)
        image, anchor = torch.where(found >= 0)
        starts = torch.tensor([0, *(len(target["labels"]) for target in targets[:-1])], device=found.device).cumsum(0)
        chosen = found[image, anchor] + starts[image]
        labels = torch.cat([target["labels"] for target in targets])[chosen]
        boxes = torch.cat([target["boxes"] for target in targets])[chosen]
        target = torch.zeros_like(logits, dtype=torch.float32)
        target[image, anchor, labels] = 1
        positives = found.new_tensor(len(chosen))
        encoded = self.regression_head.box_coder.encode_single(boxes, torch.stack(anchors)[image, anchor])
        return {
            "classification": self.losses.of_classes(logits, target, found != between, positives),
            "bbox_regression": self.losses.of_boxes(offsets[image, anchor], encoded, positives),
        }


def _mostly_inside(anchors: Tensor, ignored: Tensor | None) -> Tensor:
    """Return bool[A], whether more than half of an anchor float[A,4] lies in one of the ignored boxes float[K,4]."""
    if ignored is None or not len(ignored):
        return torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
    low = torch.maximum(anchors[:, None, :2], ignored[None, :, :2])
    high = torch.minimum(anchors[:, None, 2:], ignored[None, :, 2:])
    shared = (high - low).clamp_min(0).prod(dim=2)
    return (shared > 0.5 * box_area(anchors)[:, None]).any(dim=1)


class Unresized(GeneralizedRCNNTransform):
    """torchvision's transform without a change of size, which is the data set's to choose."""

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Return both as they are."""
        return image, target


class SmallBackbone(nn.Module):
    """Five strided stages and a feature pyramid over the last three, at strides 8, 16 and 32 with 32 channels."""

    out_channels = 32
    _DEPTHS = (1, 1, 2, 2, 2)  # convolutions of each stage

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 64, 64)) -> None:
        super().__init__()
        sides = zip((3, *widths), widths, self._DEPTHS, strict=False)
        self.stages = nn.ModuleList(_stage(*stage) for stage in sides)
        self.pyramid = FeaturePyramidNetwork(list(widths[2:]), self.out_channels)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the maps float[B,32,H/8,W/8] and two coarser ones of images float[B,3,H,W]."""
        levels = OrderedDict()
        for index, stage in enumerate(self.stages):
            images = stage(images)
            if index >= 2:
                levels[str(index)] = images
        return self.pyramid(levels)


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    """3x3 convolutions with BatchNorm, the first of which halves the image."""
    first = Conv2dNormActivation(inputs, outputs, stride=2)
    others = [Conv2dNormActivation(outputs, outputs) for _ in range(depth - 1)]
    return nn.Sequential(*(layer for block in (first, *others) for layer in block))


def _resnet50_fpn(weights: str | None) -> nn.Module:
    """ResNet-50 with a feature pyramid at strides 8 to 128; pretrained, its batch normalisation is frozen."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50",
        weights=None,
        norm_layer=nn.BatchNorm2d if weights is None else FrozenBatchNorm2d,
        trainable_layers=5 if weights is None else 3,
        returned_layers=[2, 3, 4],
        extra_blocks=LastLevelP6P7(256, 256),
    )
    if weights is not None:
        backbone.body.load_state_dict(models.build("resnet50", 2, 224, weights=weights).backbone.state_dict())
    return backbone
