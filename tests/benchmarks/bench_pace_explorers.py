"""Speed of the pace explorer at the size of SD-198, against drawing the same picture anew, which is what ``interact`` does.

Run with: ``python -m pytest tests/benchmarks/bench_pace_explorers.py -s --benchmark-disable-gc``
"""

import io
import time

import bench_widgets
import numpy as np
import pace_at_full_size
import pytest

from spbl_nb import drawing
from spbl_nb.pace_explorers import QUOTA

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
    explorer = pace_at_full_size.explorer()
    explorer.render()
    shares = np.round(np.linspace(0.05, 0.95, 19), 2).tolist()

    def anew(share):
        figure = drawing.new_figure(*explorer.size)
        explorer.build(figure)
        explorer.update(**explorer.settings(share=share, **SETTINGS[name]))
        figure.savefig(io.BytesIO(), format="png")

    ours = _median_ms(lambda share: explorer.render(share=share, **SETTINGS[name]), shares)
    explorer.forget()
    rival = _median_ms(anew, shares[::2])
    explorer.forget()
    benchmark.pedantic(explorer.render, kwargs=SETTINGS[name], rounds=10, warmup_rounds=1)
    benchmark.extra_info["ratio"] = rival / ours
    print(f"\n{name}: render {ours:.1f} ms; a new figure {rival:.1f} ms; {rival / ours:.1f} times as fast")


def _median_ms(draw, shares):
    times = []
    for share in shares:
        started = time.perf_counter()
        draw(share)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


@pytest.mark.browser
def bench_key_to_picture_against_interact(benchmark, tmp_path):
    """Press the arrow keys in both, on the slider of the share, and wait for the picture each time."""
    bench_widgets.compare_in_the_browser(benchmark, tmp_path, "pace_at_full_size", CELLS)
