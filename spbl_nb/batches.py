"""Batches straight from uint8 pictures: gather, shift, mirror and normalise whole batches at once.

No picture is touched on its own: a batch is one index operation on the data set's array (which may be memory-mapped),
one gather that moves every picture by its own random amount, and one normalisation, all on the device.

Taught in: notebooks/02_baseline_cnn, section 2.
"""

import warnings

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spbl_nb.config import Config
from spbl_nb.images import FeatureData, ImageData

# Mean and standard deviation of ImageNet's channels, in units of 0..255; the release normalises every data set by them.
CHANNEL_MEAN = (123.675, 116.28, 103.53)
CHANNEL_STD = (58.395, 57.12, 57.375)


def shift_and_mirror(pictures: Tensor, shift: Tensor, mirror: Tensor, margin: int = 0) -> Tensor:
    """Shift and mirror every picture of a batch by its own amount, in one gather.

    ``pictures`` [B,3,H,W] of any dtype, ``shift`` int64[B,2] in pixels (down, right), ``mirror`` bool[B]. ``margin``
    pixels are cut off on every side. What moves in from outside repeats the border pixels. Returns
    [B,3,H-2*margin,W-2*margin] of the same dtype.
    """
    batch, channels, height, width = pictures.shape
    down = torch.arange(margin, height - margin, device=pictures.device)
    across = torch.arange(margin, width - margin, device=pictures.device)
    row = (down + shift[:, :1]).clamp_(0, height - 1)
    column = (torch.where(mirror[:, None], width - 1 - across, across) + shift[:, 1:]).clamp_(0, width - 1)
    source = (row[:, :, None] * width + column[:, None, :]).view(batch, 1, -1)
    moved = pictures.flatten(2).gather(2, source.expand(-1, channels, -1))
    return moved.view(batch, channels, len(down), len(across))


def memory_format_of(config: Config) -> torch.memory_format:
    """Return the memory order of pictures and filters that a configuration asks for."""
    return torch.channels_last if config.channels_last else torch.contiguous_format


class Pictures:
    """The pictures of a data set, ready to be cut into batches on a device."""

    def __init__(self, data: ImageData, device: torch.device, config: Config) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nothing writes to it
            self.pictures = torch.from_numpy(data.images)
        self.device = device
        self.memory_format = memory_format_of(config)
        if device.type == "cuda" and self.pictures.nbytes < torch.cuda.mem_get_info(device)[0] // 4:
            self.pictures = self.pictures.to(device)
        self.margin = config.padding if config.enlarge else 0
        self.mean = torch.tensor(CHANNEL_MEAN, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(CHANNEL_STD, device=device).view(1, 3, 1, 1)

    def batch(self, rows: np.ndarray, shift: np.ndarray | None = None, mirror: np.ndarray | None = None) -> Tensor:
        """Return normalised float32[B,3,H,W] of the given rows, moved about when ``shift`` is given.

        Where the configuration says ``enlarge``, a moved picture is a part of the enlarged one.
        """
        index = torch.from_numpy(rows).to(self.pictures.device)
        pictures = self.pictures[index].to(self.device, non_blocking=True)
        if shift is not None:
            moves = torch.from_numpy(shift).to(self.device), torch.from_numpy(mirror).to(self.device)
            pictures = shift_and_mirror(self._enlarged(pictures), *moves, self.margin)
        return pictures.float().sub_(self.mean).div_(self.std).contiguous(memory_format=self.memory_format)

    def _enlarged(self, pictures: Tensor) -> Tensor:
        if not self.margin:
            return pictures
        size = [side + 2 * self.margin for side in pictures.shape[2:]]
        return functional.interpolate(pictures.float(), size=size, mode="bilinear", align_corners=False).round_()


class Features:
    """The features of a data set under a frozen backbone, with the interface of :class:`Pictures`; nothing moves them."""

    def __init__(self, data: FeatureData, device: torch.device) -> None:
        self.features = torch.from_numpy(data.features).to(device)

    def batch(self, rows: np.ndarray, shift: np.ndarray | None = None, mirror: np.ndarray | None = None) -> Tensor:
        """Return float32[B,D] of the given rows."""
        return self.features[torch.from_numpy(rows).to(self.features.device)]


def inputs_of(data: ImageData | FeatureData, device: torch.device, config: Config) -> Pictures | Features:
    """Return what cuts batches for a network: pictures, or cached features."""
    return Features(data, device) if isinstance(data, FeatureData) else Pictures(data, device, config)
