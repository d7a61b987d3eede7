"""The GHM explorer over the norms of a detector's many easy questions, and its picture as ``interact`` draws it."""

import numpy as np
import stopwatch

from spbl_nb.explorers.ghm import GHMExplorer

QUESTIONS, BATCH = 200_000, 4096


def explorer() -> GHMExplorer:
    """Return the explorer over norms that crowd near 0; a batch of 4,096 of them."""
    return GHMExplorer(np.random.default_rng(0).beta(0.15, 3.0, QUESTIONS), BATCH)


def under_interact() -> None:
    """Show it as ``interact`` would, with a slider of the share of outliers."""
    stopwatch.under_interact(explorer(), "outliers", 0.0, 0.2, 0.005, 0.1)
