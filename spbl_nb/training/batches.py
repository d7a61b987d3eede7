"""Batches straight from uint8 images: gather, shift, mirror and normalise whole batches at once."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spbl_nb.config import Config
from spbl_nb.data.dataset import FeatureData, ImageData, ImageRows

# Mean and standard deviation of ImageNet's channels, in units of 0..255; the release normalises every data set by them.
CHANNEL_MEAN = (123.675, 116.28, 103.53)
CHANNEL_STD = (58.395, 57.12, 57.375)
_BLOCK = 1024  # images that are copied to a GPU at once


def shift_and_mirror(images: Tensor, shift: Tensor, mirror: Tensor, margin: int = 0) -> Tensor:
    """Shift images [B,3,H,W] by ``shift`` int64[B,2] pixels (down, right), and mirror those of ``mirror`` bool[B].

    ``margin`` pixels are cut off on every side; what moves in from outside repeats the border pixels.
    """
    if images.device.type == "cpu" and margin and int(shift.abs().max()) <= margin:
        return _cut_windows(images.numpy(), (shift + margin).numpy(), mirror.numpy(), margin)
    batch, channels, height, width = images.shape
    down = torch.arange(margin, height - margin, device=images.device)
    across = torch.arange(margin, width - margin, device=images.device)
    row = (down + shift[:, :1]).clamp_(0, height - 1)
    column = (torch.where(mirror[:, None], width - 1 - across, across) + shift[:, 1:]).clamp_(0, width - 1)
    source = (row[:, :, None] * width + column[:, None, :]).view(batch, 1, -1)
    moved = images.flatten(2).gather(2, source.expand(-1, channels, -1))
    return moved.view(batch, channels, len(down), len(across))


def _cut_windows(images: np.ndarray, corner: np.ndarray, mirror: np.ndarray, margin: int) -> Tensor:
    """Cut the window at each image's ``corner`` int64[B,2]: a gather of whole lines, on a CPU faster than one of pixels."""
    height, width = (side - 2 * margin for side in images.shape[2:])
    sides: Any = (2, 3)  # of which the types of NumPy 2.2 know nothing
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=sides)
    cut = windows[np.arange(len(images)), :, corner[:, 0], corner[:, 1]]
    cut[mirror] = cut[mirror][..., ::-1]
    return torch.from_numpy(cut)


def memory_format_of(config: Config) -> torch.memory_format:
    """Return the memory order of images and filters that a configuration asks for."""
    return torch.channels_last if config.channels_last else torch.contiguous_format


def seen_size(size: tuple[int, int], config: Config) -> tuple[int, int]:
    """Return height and width of what the network sees of images of that size; ValueError for a crop that leaves too little."""
    less = 2 * config.padding if config.crop else 0
    if min(size) - less < 8:
        raise ValueError(
            f"crop takes {less} pixels (twice the padding) off images of {size[0]} x {size[1]}; allowed: at least 8 pixels "
            "are left; take larger images (size) or less padding"
        )
    return size[0] - less, size[1] - less


class Images:
    """The images of a data set, ready to be cut into batches on a device.

    Images that fit into a quarter of a GPU's free memory are kept there; others are read batch by batch, also from a file.
    """

    def __init__(self, data: ImageData, device: torch.device, config: Config) -> None:
        self.images: Any = data.images
        self.device = device
        self.memory_format = memory_format_of(config)
        self.seen = seen_size(data.size, config)
        self.enlarged = [side + 2 * config.padding for side in data.size] if config.enlarge else None
        self.margin = config.padding if config.enlarge or config.crop else 0
        self.mean = torch.tensor(CHANNEL_MEAN, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(CHANNEL_STD, device=device).view(1, 3, 1, 1)
        self.pixels = self.seen[0] * self.seen[1]
        self.on_device: Tensor | None = None
        if device.type == "cuda" and self.images.nbytes < torch.cuda.mem_get_info(device)[0] // 4:
            self.on_device = torch.empty(self.images.shape, dtype=torch.uint8, device=device)
            for start in range(0, len(data), _BLOCK):
                rows = np.arange(start, min(start + _BLOCK, len(data)))
                self.on_device[start : start + _BLOCK] = self._read(rows)
        in_file = self.on_device is None and isinstance(self.images, (np.memmap, ImageRows))
        self.reader = ThreadPoolExecutor(1, "images") if in_file else None
        self.ahead: tuple[np.ndarray, Future] | None = None

    def batch(self, rows: np.ndarray, shift: np.ndarray | None = None, mirror: np.ndarray | None = None) -> Tensor:
        """Return normalised float32[B,3,H,W] of the given rows, moved about when ``shift`` is given.

        A moved image is a part of the enlarged (``enlarge``) or stored one (``crop``), an unmoved one is reduced to its size.
        """
        images = self._gather(rows)
        if shift is not None:
            by, flipped = (self._send(torch.from_numpy(values)) for values in (shift, mirror))
            images = shift_and_mirror(self._resized(images, self.enlarged), by, flipped, self.margin)
        else:
            images = self._resized(images, list(self.seen))
        return images.float().sub_(self.mean).div_(self.std).contiguous(memory_format=self.memory_format)

    def read_ahead(self, rows: np.ndarray | None) -> None:
        """Read the images of the next batch from their file while the network is busy."""
        if rows is not None and self.reader is not None:
            self.ahead = rows, self.reader.submit(self._read, rows)

    def _read(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(self.images[rows]))

    def _gather(self, rows: np.ndarray) -> Tensor:
        if self.on_device is not None:
            return self.on_device.index_select(0, self._send(torch.from_numpy(rows)))
        ahead, self.ahead = self.ahead, None
        if ahead is not None and np.array_equal(ahead[0], rows):
            return self._send(ahead[1].result())
        return self._send(self._read(rows))

    def _send(self, values: Tensor) -> Tensor:
        if self.device.type == "cuda":
            values = values.pin_memory()
        return values.to(self.device, non_blocking=True)

    @staticmethod
    def _resized(images: Tensor, size: list[int] | None) -> Tensor:
        """Return the images in another size, rounded to whole steps of brightness as a file would hold them."""
        if size is None or list(images.shape[2:]) == size:
            return images
        smaller = size[0] < images.shape[2]
        return functional.interpolate(
            images.float(), size=size, mode="bilinear", align_corners=False, antialias=smaller
        ).round_()


class Features:
    """The features of a data set under a frozen backbone, with the interface of :class:`Images`."""

    pixels = 1

    def __init__(self, data: FeatureData, device: torch.device) -> None:
        self.features = torch.from_numpy(data.features).to(device)

    def batch(self, rows: np.ndarray, shift: np.ndarray | None = None, mirror: np.ndarray | None = None) -> Tensor:
        """Return float32[B,D] of the given rows."""
        return self.features[torch.from_numpy(rows).to(self.features.device)]

    def read_ahead(self, rows: np.ndarray | None) -> None:
        """Do nothing: features lie in memory."""


def inputs_of(data: ImageData | FeatureData, device: torch.device, config: Config) -> Images | Features:
    """Return what cuts batches for a network: images, or cached features."""
    return Features(data, device) if isinstance(data, FeatureData) else Images(data, device, config)
