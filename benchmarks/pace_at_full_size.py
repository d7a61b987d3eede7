"""The pace explorer at the size of SD-198, 6,584 samples in 198 classes, and the same picture as ``interact`` draws it."""

import numpy as np
import stopwatch

from spbl_nb.data.synthetic import draw as lesions
from spbl_nb.explorers.pace import PaceExplorer

SAMPLES, CLASSES = 6584, 198


def explorer() -> PaceExplorer:
    """Return the explorer over losses that differ between classes, with synthetic lesions as thumbnails."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, CLASSES, SAMPLES))
    loss = rng.gamma(1.5, size=SAMPLES) * rng.gamma(2.0, 0.5, CLASSES)[labels]
    pictures = lesions.draw(np.full(12, 20), 0.5, 32).images
    return PaceExplorer(
        loss, labels, [f"class {index}" for index in range(CLASSES)], pictures[np.arange(SAMPLES) % 240]
    )


def under_interact() -> None:
    """Show it as ``interact`` would, with a slider of the share."""
    stopwatch.under_interact(explorer(), "share", 0.0, 1.0, 0.01, 0.5)
