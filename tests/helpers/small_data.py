"""Small data sets made on the spot for the tests."""

import numpy as np

from spbl_nb.data.dataset import ImageData


def blobs(counts, size: int = 16, seed: int = 0, **fields) -> ImageData:
    """Noisy pictures whose colour tells the class: learnable in a few steps, cheap to make."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    colour = np.random.default_rng(1).integers(40, 215, (len(counts), 3, 1, 1))
    noise = rng.normal(0, 40, (len(labels), 3, size, size))
    images = (colour[labels] + noise).clip(0, 255).astype(np.uint8)
    names = tuple(f"class {index}" for index in range(len(counts)))
    return ImageData("blobs", images, labels, names, **fields)
