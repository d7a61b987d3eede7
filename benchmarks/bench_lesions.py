"""Pictures per second of the lesion generator, and its wave fields against adding their waves one by one.

Run with: ``python -m pytest benchmarks/bench_lesions.py -s``.
"""

import time

import numpy as np
import pytest

from spbl_nb.data.synthetic import draw as lesions
from spbl_nb.data.synthetic import painting as lesion_painting


@pytest.mark.parametrize(("size", "per_class"), [(32, 250), (64, 60), (224, 8)])
def bench_pictures_per_second(benchmark, size, per_class):
    benchmark.pedantic(lesions.draw, args=([per_class] * 12, None, size), rounds=3, warmup_rounds=1)
    rate = 12 * per_class / benchmark.stats.stats.median
    benchmark.extra_info["pictures_per_second"] = rate
    print(f"\n{size} px: {rate:,.0f} pictures/s")


def bench_wave_fields_against_adding_wave_by_wave(benchmark):
    scenes = lesions._scenes((0, 0, 0), 16, 1, *lesions._prototype_table(2), 0.0).block(slice(None))
    place = lesion_painting._Place(scenes.view, 64)
    benchmark.pedantic(lesion_painting._wave_fields, args=(scenes, place), rounds=20, warmup_rounds=2)
    started = time.perf_counter()
    for field, frequency in enumerate(lesion_painting.FIELDS.values()):
        total = np.zeros_like(place.u)
        for wave in range(lesion_painting.WAVES):
            turn, start = scenes.waves[:, field, wave, :, None, None].swapaxes(0, 1)
            direction = (wave + turn) * np.float32(np.pi / lesion_painting.WAVES)
            total += np.cos(frequency * (np.cos(direction) * place.u + np.sin(direction) * place.v) + 2 * np.pi * start)
    ratio = (time.perf_counter() - started) / benchmark.stats.stats.median
    benchmark.extra_info["ratio"] = ratio
    print(f"\nwave fields as matrix products: {ratio:.1f} times faster than wave by wave")
