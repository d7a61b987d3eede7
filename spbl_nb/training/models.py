"""Networks: a backbone that turns images into features, and a head that turns features into class scores.

``small_cnn`` and ``small_resnet`` train in seconds on a CPU; ``small_plain`` is ``small_cnn`` with GroupNorm, so that no
image's result depends on the others of its batch; ``mnist_net`` is the network of the SPBL release for 28-pixel images;
the others are torchvision's, with their last layer replaced.
"""

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spbl_nb import checks

_TORCHVISION = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    "inception_v3",
)
_SMALLEST = {"small_cnn": 8, "small_plain": 8, "small_resnet": 8, "mnist_net": 8, "inception_v3": 75}

NAMES = ("small_cnn", "small_plain", "small_resnet", "mnist_net", *_TORCHVISION)


class Classifier(nn.Module):
    """A backbone float[B,3,H,W] -> features float[B,D], and a head that maps those to class scores (logits) float[B,C]."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head: Any = head  # mostly a Linear, whose weight and bias methods read and change

    def forward(self, images: Tensor, with_features: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Return logits float[B,C], or (logits, features float[B,D]) of the same pass."""
        features = self.backbone(images)
        logits = self.head(features)
        return (logits, features) if with_features else logits


def build(
    name: str, num_classes: int, size: int | tuple[int, int] = 32, *, weights: str | None = None, seed: int = 0
) -> Classifier:
    """Build one of :data:`NAMES` for images of ``size`` pixels a side (or height and width), with random weights of ``seed``.

    For torchvision networks ``weights`` may be a name such as ``"IMAGENET1K_V2"`` (read from torch's hub cache, or
    downloaded into it) or the path of a state dict. Raises ValueError for an unknown name, a size that the network cannot
    take, or weights that are not its own.
    """
    checks.one_of("model", name, NAMES)
    height, width = size if isinstance(size, tuple) else (size, size)
    smallest = _SMALLEST.get(name, 32)
    if min(height, width) < smallest:
        raise ValueError(f"size is {height} x {width}; {name} needs images of at least {smallest} pixels")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in _TORCHVISION:
            backbone, features = _torchvision_backbone(name, weights)
        elif weights is not None:
            raise ValueError(f"weights is {weights!r}, but {name} has no published weights; leave weights out")
        elif name in ("small_cnn", "small_plain"):
            backbone, features = _small_cnn(batch_norm=name == "small_cnn")
        elif name == "small_resnet":
            backbone, features = _small_resnet()
        else:
            backbone, features = _mnist_net(height, width)
        return Classifier(backbone, nn.Linear(features, num_classes))


def linear(features: int, num_classes: int, *, seed: int = 0) -> Classifier:
    """Build a linear head float[B,D] -> float[B,C] over cached features, with seeded random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(nn.Identity(), nn.Linear(features, num_classes))


def _convolution(inputs: int, outputs: int, batch_norm: bool = True) -> list[nn.Module]:
    norm = nn.BatchNorm2d(outputs) if batch_norm else nn.GroupNorm(4, outputs)
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), norm, nn.ReLU(inplace=True)]


def _small_cnn(batch_norm: bool) -> tuple[nn.Module, int]:
    """Three 3x3 convolutions of 16, 32 and 64 filters with BatchNorm or GroupNorm; 64 features, the mean over the image."""
    layers = [*_convolution(3, 16, batch_norm), nn.MaxPool2d(2), *_convolution(16, 32, batch_norm), nn.MaxPool2d(2)]
    layers += [*_convolution(32, 64, batch_norm), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), 64


class _Residual(nn.Module):
    """Two 3x3 convolutions around which the input goes straight (He et al. 2016), halving the image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        last = [nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)]
        self.around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.through = nn.Sequential(*_convolution(inputs, outputs), *last)
        self.halve = nn.AvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        halved = self.halve(images)
        return functional.relu(self.around(halved) + self.through(halved))


def _small_resnet() -> tuple[nn.Module, int]:
    """A strided convolution and two residual blocks; 64 features, the largest over the image."""
    stem = [nn.Conv2d(3, 16, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    blocks = [_Residual(16, 32), _Residual(32, 64)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveMaxPool2d(1), nn.Flatten()), 64


def _mnist_net(height: int, width: int) -> tuple[nn.Module, int]:
    """The MNIST network of the SPBL release: four 3x3 convolutions, two hidden layers of 512, dropout 0.5 thrice."""
    if height % 4 or width % 4:
        raise ValueError(f"size is {height} x {width}; mnist_net halves images twice and needs multiples of 4")
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        if inputs == outputs:
            layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * (height // 4) * (width // 4), 512)]
    layers += [nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    layers += [nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    return nn.Sequential(*layers), 512


def _torchvision_backbone(name: str, weights: str | None) -> tuple[nn.Module, int]:
    """Return a torchvision network whose last layer is the identity, and the number of its features."""
    import torchvision

    as_published = {"init_weights": weights is None, "transform_input": weights is not None}
    network = torchvision.models.get_model(name, weights=None, **(as_published if name == "inception_v3" else {}))
    if weights is not None:
        _load_weights(network, name, weights)
    if name.startswith("densenet"):
        features, network.classifier = network.classifier.in_features, nn.Identity()
    elif name.startswith("vgg"):
        features, network.classifier[-1] = network.classifier[-1].in_features, nn.Identity()
    else:
        features, network.fc = network.fc.in_features, nn.Identity()
    if name == "inception_v3":  # without its auxiliary branch it returns plain features in training as in evaluation
        network.aux_logits, network.AuxLogits = False, None
    return network, features


def _load_weights(network: nn.Module, name: str, weights: str) -> None:
    """Load a state dict, from a file or as torchvision publishes it, without running code from it."""
    try:
        if os.sep in weights or Path(weights).is_file():
            state = torch.load(weights, map_location="cpu", weights_only=True)
        else:
            state = _published_state(name, weights)
        if name.startswith("densenet"):  # its published files write norm.1 for norm1
            state = {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): one for key, one in state.items()}
        network.load_state_dict(state)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; give torchvision's name or the path of a state dict") from None
    except Exception as error:
        raise ValueError(f"weights {weights} are not those of {name}: {error}") from None


def _published_state(name: str, weights: str) -> dict[str, Tensor]:
    """Read torchvision's published weights from torch's hub cache, or download them into it."""
    import torchvision

    published = torchvision.models.get_model_weights(name).__members__
    chosen = published[checks.one_of(f"weights of {name}", weights, tuple(published))]
    try:
        return dict(chosen.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except OSError as error:
        path = Path(torch.hub.get_dir()) / "checkpoints" / chosen.url.rsplit("/", 1)[1]
        raise FileNotFoundError(
            f"the weights {weights} of {name} are not at {path}, and they could not be downloaded ({error}); put the file "
            f"from {chosen.url} there (TORCH_HOME moves torch's folder), or choose weights: null or a small network, such as "
            "model: small_resnet, to start from random ones"
        ) from None
