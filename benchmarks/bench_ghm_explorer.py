"""Speed of the GHM explorer's picture against drawing the same picture anew, which is what ``interact`` does.

Run with: ``python -m pytest benchmarks/bench_ghm_explorer.py -s --benchmark-disable-gc``
"""

import bench_widgets
import ghm_at_detector_size
import numpy as np
import pytest
import stopwatch

CELLS = {
    "explorer": "ghm_at_detector_size.explorer()",
    "interact": "%matplotlib inline\nghm_at_detector_size.under_interact()",
}
SETTINGS = {"as it starts": {}, "100 bins, 20 batches": {"bins": 100, "steps": 20}, "one bin": {"bins": 1}}


@pytest.mark.parametrize("name", SETTINGS)
def bench_render_against_a_new_figure(benchmark, name):
    shares = np.round(np.linspace(0.005, 0.195, 19), 3).tolist()
    stopwatch.compare_rendering(benchmark, name, ghm_at_detector_size.explorer(), "outliers", shares, **SETTINGS[name])


@pytest.mark.browser
def bench_key_to_picture_against_interact(benchmark, tmp_path):
    """Press the arrow keys in both, on the first slider of each, and wait for the picture each time."""
    bench_widgets.compare_in_the_browser(benchmark, tmp_path, "ghm_at_detector_size", CELLS)
