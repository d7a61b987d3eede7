"""Fixtures shared by all tests: small data sets made on the spot, and the folder of real data where there is one."""

import os
from pathlib import Path

import numpy as np
import pytest

from spbl_nb.images import ImageData


def blobs(counts, size: int = 16, seed: int = 0, **fields) -> ImageData:
    """Noisy pictures whose colour tells the class: learnable in a few steps, cheap to make."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    colour = np.random.default_rng(1).integers(40, 215, (len(counts), 3, 1, 1))
    noise = rng.normal(0, 40, (len(labels), 3, size, size))
    images = (colour[labels] + noise).clip(0, 255).astype(np.uint8)
    names = tuple(f"class {index}" for index in range(len(counts)))
    return ImageData("blobs", images, labels, names, **fields)


@pytest.fixture(name="blobs")
def blobs_fixture():
    """The function :func:`blobs`."""
    return blobs


@pytest.fixture
def real_data() -> Path:
    """Folder of real data files named by SPBL_NB_DATA; skips, saying so, when it is not set."""
    folder = os.environ.get("SPBL_NB_DATA")
    if not folder:
        pytest.skip("SPBL_NB_DATA is not set: tests on real data files do not run")
    return Path(folder)
