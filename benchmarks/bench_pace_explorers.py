"""Speed of the pace explorer at the size of SD-198, against drawing the same picture anew, which is what ``interact`` does.

Run with: ``python -m pytest benchmarks/bench_pace_explorers.py -s --benchmark-disable-gc``
"""

import bench_widgets
import numpy as np
import pace_at_full_size
import pytest
import stopwatch

from spbl_nb.explorers.pace import QUOTA

CELLS = {
    "explorer": "pace_at_full_size.explorer()",
    "interact": "%matplotlib inline\npace_at_full_size.under_interact()",
}
SETTINGS = {
    "one age": {},
    "a quota": {"scope": QUOTA},
    "a quota, logarithmic": {"scope": QUOTA, "form": "logarithmic"},
    "diversity": {"diversity": 1.0},
}


@pytest.mark.parametrize("name", SETTINGS)
def bench_render_against_a_new_figure(benchmark, name):
    shares = np.round(np.linspace(0.05, 0.95, 19), 2).tolist()
    stopwatch.compare_rendering(benchmark, name, pace_at_full_size.explorer(), "share", shares, **SETTINGS[name])


@pytest.mark.browser
def bench_key_to_picture_against_interact(benchmark, tmp_path):
    """Press the arrow keys in both, on the slider of the share, and wait for the picture each time."""
    bench_widgets.compare_in_the_browser(benchmark, tmp_path, "pace_at_full_size", CELLS)
