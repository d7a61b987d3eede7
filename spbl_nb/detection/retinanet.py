"""RetinaNet with a choice of losses: focal, cross-entropy or GHM-C for the classes, smooth L1 or GHM-R for the boxes.

Network, anchors, matching and decoding are torchvision's; only the head's loss is ours. An anchor that overlaps an
object by half or more is a positive of its class; one that overlaps none by 0.4 is background; those between, and those
that lie mostly in a crowd, are not valid and count nowhere. GHM keeps its counts in the head, and so in the
detector's ``state_dict``.

``small`` trains in about a minute on a CPU; ``resnet50_fpn`` is the network of the published figures.

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
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, box_area, sigmoid_focal_loss
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
_STRIDES = {"small": 32, "resnet50_fpn": 128}  # of the coarsest level: smaller images would leave it empty
_SHAPES: dict[str, tuple[tuple[int, ...], int, Callable[..., nn.Module] | None]] = {
    "small": ((12, 24, 48), 2, partial(nn.GroupNorm, 8)),
    "resnet50_fpn": ((32, 64, 128, 256, 512), 4, None),
}  # sides of the anchors of each level, pixels; convolutions of each branch of the head; what follows each of them
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
    name : one of :data:`NAMES`.
    num_classes : C, at least 1; background is no class, but the absence of all.
    classification, regression : one of :data:`CLASSIFICATIONS` and of :data:`REGRESSIONS`.
    weights_backbone : for ``resnet50_fpn`` a name such as ``"IMAGENET1K_V2"`` (read from torch's hub cache or downloaded
        by torchvision) or the path of a file with ResNet-50's state dict, of whose five blocks the last three then learn;
        None: random, and all learn.
    ghmc, ghmr : arguments of :class:`GHMC` and :class:`GHMR` other than the released ones.

    Called with a batch float[B,3,S,S] in 0..1 (or a list of images of any sizes) and, in training mode, targets as
    torchvision's detectors are, with ``ignored`` boxes float[K,4] beside ``boxes`` and ``labels`` where there are any.
    What is found at most is torchvision's to set: ``score_thresh``, ``nms_thresh`` and ``detections_per_img`` of the
    model. ``head.losses`` has the settings of the losses.

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
        sides, depth, normalise = _SHAPES[name]
        anchors = AnchorGenerator(
            tuple(tuple(int(side * octave) for octave in _OCTAVES) for side in sides), (_RATIOS,) * len(sides)
        )
        classes, per_place = checks.integer("num_classes", num_classes, 1), anchors.num_anchors_per_location()[0]
        head = Head(int(backbone.out_channels), per_place, classes, losses, normalise, depth)
        model = RetinaNet(backbone, classes, anchor_generator=anchors, head=head, detections_per_img=100)
    model.transform = BatchTransform(_STRIDES[name])
    return model


class Losses(nn.Module):
    """Both losses of a batch of anchors, with the state of GHM.

    Focal loss, cross-entropy and smooth L1 are sums over the batch divided by its number of positive anchors, as in
    RetinaNet. GHM-C is a mean over the valid logits and GHM-R, times ``regression_weight``, over the offsets of the
    positive anchors, as released.
    """

    def __init__(self, classification: str, regression: str, ghm_c: GHMC, ghm_r: GHMR) -> None:
        super().__init__()
        self.classification, self.regression = classification, regression
        self.ghm_c = ghm_c if classification == "ghm_c" else None
        self.ghm_r = ghm_r if regression == "ghm_r" else None
        self.focal = {"alpha": 0.25, "gamma": 2.0}
        self.regression_weight = GHM_R_WEIGHT if regression == "ghm_r" else 1.0

    def of_classes(self, logits: Tensor, target: Tensor, valid: Tensor, positives: Tensor) -> Tensor:
        """Return the scalar loss of logits float[B,A,C]; target float[B,A,C] of 0 and 1, valid bool[B,A]."""
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

        ``matched_idxs`` int64[A] of each image are the box of each anchor, -1 for background, -2 between the
        thresholds. The target of a positive anchor is 1 at the class of its box, and its box in torchvision's offsets.
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


class BatchTransform(GeneralizedRCNNTransform):
    """Normalises a batch float[B,3,H,W] in 0..1 at once, and pads it to a multiple of the coarsest stride.

    A list of images of different sizes is padded to the largest, none is resized.
    """

    def __init__(self, stride: int) -> None:
        mean, std = ([value / 255 for value in values] for values in (CHANNEL_MEAN, CHANNEL_STD))
        super().__init__(0, 0, mean, std, size_divisible=stride)

    def resize(self, image: Tensor, target: dict[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Return both as they are: the size of a image is the data set's to choose."""
        return image, target

    def forward(
        self, images: Tensor | list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Return the normalised batch, and the targets as they are."""
        if not isinstance(images, Tensor):
            return super().forward(images, targets)
        mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (self.image_mean, self.image_std))
        height, width = images.shape[2:]
        batch = (images - mean) / std
        batch = functional.pad(batch, (0, -width % self.size_divisible, 0, -height % self.size_divisible))
        return ImageList(batch, [(height, width)] * len(images)), targets


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
    layers: list[nn.Module] = []
    for index in range(depth):
        source, stride = (outputs, 1) if index else (inputs, 2)
        layers += [
            nn.Conv2d(source, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


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
