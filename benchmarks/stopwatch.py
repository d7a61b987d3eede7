"""What the benchmarks of explorers share: median times, a picture against a new figure, and a stand-in by ``interact``."""

import io
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from spbl_nb.explorers.base import Explorer
from spbl_nb.plots import style


def median_ms(act: Callable[[Any], object], values: Iterable) -> float:
    """Return the median milliseconds of ``act(value)`` over the values."""
    times = []
    for value in values:
        started = time.perf_counter()
        act(value)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def compare_rendering(benchmark, name: str, explorer: Explorer, slider: str, values: list, **settings: Any) -> None:
    """Print and note how an explorer's picture compares with the same picture in a new figure, over values of a slider."""
    explorer.render()

    def anew(value):
        figure = style.new_figure(*explorer.size)
        explorer.build(figure)
        explorer.update(**explorer.settings(**settings, **{slider: value}))
        figure.savefig(io.BytesIO(), format="png")

    ours = median_ms(lambda value: explorer.render(**settings, **{slider: value}), values)
    explorer.forget()
    rival = median_ms(anew, values[::2])
    explorer.forget()
    benchmark.pedantic(explorer.render, kwargs=settings, rounds=10, warmup_rounds=1)
    benchmark.extra_info["ratio"] = rival / ours
    print(f"\n{name}: render {ours:.1f} ms; a new figure {rival:.1f} ms; {rival / ours:.1f} times as fast")


def under_interact(explorer: Explorer, slider: str, low: float, high: float, step: float, value: float) -> None:
    """Show the explorer's picture as most notebooks would: a new figure for every value of one slider."""
    import ipywidgets
    from matplotlib import pyplot

    def draw(value):
        figure = pyplot.figure(figsize=explorer.size, dpi=style.DPI, layout="constrained")
        explorer.build(figure)
        explorer.update(**explorer.settings(**{slider: value}))
        pyplot.show()

    ipywidgets.interact(draw, value=ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=slider))
