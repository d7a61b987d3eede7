"""The balance explorer at the size of the embedded lesions at preset ``fast``, and its picture as ``interact`` draws it."""

import numpy as np
import stopwatch

from spbl_nb import imbalance
from spbl_nb.cached_head import CachedFeatures
from spbl_nb.explorers.balance import BalanceExplorer

CLASSES, FEATURES, JUDGED = 12, 64, 15


def cached() -> CachedFeatures:
    """Return 583 rows of 64 features in overlapping clouds, 12 classes of 120 down to 12 rows, and 15 rows of each to judge."""
    rng = np.random.default_rng(0)
    centre = rng.gamma(0.6, 0.7, (CLASSES, FEATURES))
    labels = np.repeat(np.arange(CLASSES), imbalance.class_counts("exponential", CLASSES, 120, 10))
    judged = np.repeat(np.arange(CLASSES), JUDGED)
    rows, validation = (np.abs(centre[own] + rng.normal(0, 0.8, (len(own), FEATURES))) for own in (labels, judged))
    loss = rng.gamma(1.5, size=len(labels)) * rng.gamma(2.0, 0.3, CLASSES)[labels]
    return CachedFeatures(rows, labels, loss, validation, judged, [f"class {index}" for index in range(CLASSES)])


def explorer() -> BalanceExplorer:
    """Return the explorer over :func:`cached`."""
    return BalanceExplorer(cached())


def under_interact() -> None:
    """Show it as ``interact`` would, with a slider of the largest penalty."""
    stopwatch.under_interact(explorer(), "max_cost", 1.0, 50.0, 0.5, 10.0)
