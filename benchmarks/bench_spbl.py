"""Whole SPBL as released, against the bare optimiser step at the same precision, and where its time goes.

Run with: ``python -m pytest benchmarks/bench_spbl.py -s``.
"""

import bare_step
import pytest

from spbl_nb import methods
from spbl_nb.config import preset
from spbl_nb.data import split as splits
from spbl_nb.data.registry import load

STAGE_EPOCHS, STEPS = 2, 25


@pytest.fixture(scope="module")
def data():
    """Return 2,338 synthetic lesions of 28 pixels to learn from, seven classes of 800 down to 80, and 350 to test."""
    return load("lesions", size=28, num_classes=7, largest=800)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def bench_released_against_the_bare_step(benchmark, data, precision):
    """Measure the bare step before and after, so that a machine that slows down slows both."""
    config = preset("release", precision=precision, stage_epochs=STAGE_EPOCHS)
    split = splits.make_split(data)

    def bare():
        return bare_step.seconds(config, data.num_classes, 28, STEPS) / STEPS

    bare()
    before = bare()
    result = benchmark.pedantic(methods.run, ("spbl_released", data, split, config), rounds=1)
    floor = result.steps * (before + bare()) / 2
    parts = result.timing
    benchmark.extra_info |= {"training_over_bare": parts["training"] / floor} | parts
    print(
        f"\n{precision}: {result.steps} steps, {result.seconds:.1f} s: training {parts['training']:.1f} s, "
        f"prediction {parts['prediction']:.1f} s, SVM {parts['head']:.1f} s; the bare steps alone {floor:.1f} s; "
        f"training {parts['training'] / floor:.2f} times that, with the prediction "
        f"{(parts['training'] + parts['prediction']) / floor:.2f} (a stage has {STAGE_EPOCHS} epochs here and a prediction)"
    )
