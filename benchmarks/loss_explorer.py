"""An explorer at the size of SD-198, 6,584 samples in 198 classes, and the same plot as ``interact`` draws it."""

import numpy as np
import stopwatch

from spbl_nb.explorers.base import Explorer, Slider
from spbl_nb.plots import style

SAMPLES, CLASSES = 6584, 198


class LossExplorer(Explorer):
    """Losses over classes, those below an age marked, and the share of each class that is below it."""

    title = "Losses"
    size = (9.0, 4.8)
    controls = (Slider("age", "Age (λ)", 0.0, 6.0, 0.05, 3.0, "Losses below it are selected"),)

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.labels = np.sort(rng.integers(0, CLASSES, SAMPLES))
        self.losses = rng.gamma(1 + 2 * rng.random(CLASSES)[self.labels])
        self.sizes = np.bincount(self.labels, minlength=CLASSES)

    def build(self, figure):
        upper, lower = figure.subplots(2, 1, height_ratios=(2, 1), sharex=True)
        (self.easy,) = upper.plot([], [], "o", markersize=3, markeredgewidth=0, color=style.BLUE)
        (self.hard,) = upper.plot([], [], "x", markersize=3, color="0.7")
        self.line = upper.axhline(0, color=style.RED)
        self.bars = style.Bars(lower, np.zeros(CLASSES))
        upper.set(xlim=(-1, CLASSES), ylim=(0, self.losses.max()), ylabel="loss")
        lower.set(ylim=(0, 1.02), xlabel="class index", ylabel="share selected")
        return [self.hard, self.easy, self.line, self.bars.artist]

    def update(self, age):
        selected = self.losses < age
        self.easy.set_data(self.labels[selected], self.losses[selected])
        self.hard.set_data(self.labels[~selected], self.losses[~selected])
        self.line.set_ydata([age, age])
        self.bars.set(np.bincount(self.labels[selected], minlength=CLASSES) / self.sizes)
        return f"Age λ = {age:g} selects {selected.sum()} of {SAMPLES} samples."


def under_interact():
    """Show it as ``interact`` would, with a slider of the age."""
    stopwatch.under_interact(LossExplorer(), "age", 0.0, 6.0, 0.05, 3.0)
