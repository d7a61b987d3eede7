"""The imbalance explorer: what a class loses when it is made rare, and what it loses when it is made hard.

Each has its own control, and the images of every class are shown below its size.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from spbl_nb import checks, imbalance
from spbl_nb.data.synthetic import draw
from spbl_nb.data.synthetic.classes import default_difficulty
from spbl_nb.explorers.base import Choice, Explorer, Slider
from spbl_nb.plots import figures, style

EVERYONE, WHATEVER_SIZE, RARE = "all classes alike", "some, whatever their size", "only the rare half"


class ImbalanceExplorer(Explorer):
    """Class sizes under an imbalance profile and, under each bar, images of that class at its difficulty.

    ``draw_class_images(difficulty, per_class)`` returns uint8[C,per_class,3,H,W]; it is called once for each tenth of the
    difficulty. ``names`` has C texts; ``largest`` is the size of an unreduced class, and ``factor`` the start of the slider
    of the imbalance factor. Classes 0 and 1, 2 and 3, … are look-alikes.
    """

    title = "Imbalance explorer"
    size = (9.0, 5.3)
    levels = np.linspace(0, 1, 11)
    rows = 4
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            "long tail of easy classes": {"factor": 40, "difficulty": 0.0},
            "equal sizes, hard classes": {"profile": "natural", "difficulty": 1.0},
            "rare and hard are two things": {"factor": 40, "difficulty": 1.0, "hard": WHATEVER_SIZE},
        }
    )

    def __init__(
        self,
        draw_class_images: Callable[[float, int], np.ndarray],
        names: Sequence[str],
        largest: int = 120,
        factor: int = 20,
    ) -> None:
        super().__init__()
        self.names = list(names)
        self.largest, factor = checks.integer("largest", largest, 2), checks.integer("factor", factor, 1)
        self.images = np.stack([draw_class_images(level, self.rows) for level in self.levels.tolist()])
        if self.images.shape[1:4] != (len(self.names), self.rows, 3):
            raise ValueError(
                f"draw_class_images gave images of shape {self.images.shape[1:]}; {len(self.names)} classes, one per name, "
                f"times {self.rows} images in uint8[3,H,W] are needed"
            )
        self.spread = default_difficulty(len(self.names))
        most = min(100, self.largest)
        self.controls = (
            Choice("profile", "Imbalance profile", imbalance.PROFILES, "exponential", "How sizes differ between classes"),
            Slider("factor", "Imbalance factor (largest / smallest)", 1, most, 1, min(factor, most),
                   "How many times more pictures the largest class has than the smallest"),
            Slider("difficulty", "Difficulty (0 easy, 1 hard)", 0.0, 1.0, 0.1, 0.3,
                   "How far the pictures of a class drift towards those of its look-alike"),
            Choice("hard", "Which classes are hard", (EVERYONE, WHATEVER_SIZE, RARE), EVERYONE,
                   "Who gets that difficulty: everyone; each class a share of it, unrelated to its size; or the rare half"),
        )  # fmt: skip

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw a bar for each class and, in a column below it, its images; look-alikes are side by side."""
        upper, lower = figure.subplots(2, 1, height_ratios=(1, 1.9))
        count = len(self.names)
        self.bars = style.Bars(upper, np.full(count, self.largest))
        self.sizes = [upper.text(place, 0, "", ha="center", va="bottom", fontsize=9) for place in range(count)]
        upper.set(ylim=(0, 1.2 * self.largest), xlim=(-0.5, count - 0.5), ylabel="training pictures")
        upper.tick_params(bottom=False, labelbottom=False)
        style.tidy(upper)
        figures.difficulty_bar(figure, upper)
        self.shown = style.PixelImage(lower, style.mosaic(self.images[0].swapaxes(0, 1)))
        style.class_axis(lower, self.names)
        if count <= style.FEW:
            words = [name.replace(" ", "\n") for name in self.names]
            lower.set_xticks(range(count), words, fontsize=8, rotation=0, ha="center")
        for pair in range(0, count - 1, 2):
            lower.plot([pair - 0.4, pair + 1.4], [self.rows + 0.08] * 2, color="0.3", linewidth=2, clip_on=False)
        lower.set(xlim=(-0.5, count - 0.5), yticks=[], ylim=(self.rows, 0))
        lower.set_ylabel(f"{self.rows} training pictures, or\nall of a smaller class")
        lower.tick_params(bottom=False, pad=8)
        lower.spines[:].set_visible(False)
        return [self.bars.artist, *self.sizes, self.shown]

    def update(self, profile: str, factor: int, difficulty: float, hard: str) -> str:
        """Set sizes and shades of the bars, and each class's images."""
        counts = imbalance.class_counts(profile, len(self.names), self.largest, factor)
        levels = np.rint(10 * difficulty * self._share(hard, counts)).astype(int)
        self.bars.set(counts, style.shade(levels / 10))
        for text, size, level in zip(self.sizes, counts.tolist(), levels.tolist(), strict=True):
            text.set(y=size, text=f"{size}\n({level / 10:.1f})" if len(counts) <= style.FEW else "")
        chosen = self.images[levels, np.arange(len(counts))]
        there = np.arange(self.rows) < counts[:, None]
        self.shown.pixels = style.mosaic(np.where(there[:, :, None, None, None], chosen, 240).swapaxes(0, 1))
        return self._caption(profile, counts, levels / 10)

    def _share(self, hard: str, counts: np.ndarray) -> np.ndarray:
        """Return float[C], the share of the slider's difficulty that each class gets."""
        if hard == WHATEVER_SIZE:
            return self.spread
        rank = np.argsort(np.argsort(-counts, kind="stable"))
        return np.where(rank >= len(counts) / 2, 1.0, 0.0) if hard == RARE else np.ones(len(counts))

    def _caption(self, profile: str, counts: np.ndarray, difficulty: np.ndarray) -> str:
        ratio = counts.max() / counts.min()
        largest, hardest = (int(np.argmax(values)) for values in (counts, difficulty))
        looks = f"The hardest class is {self.names[hardest]} ({difficulty[hardest]:.1f})."
        if difficulty.min() == difficulty.max():
            looks = f"Every class has difficulty {difficulty[0]:.1f}."
        return (
            f"Profile {profile}: {counts.sum()} training pictures in {len(counts)} classes, the largest has {counts.max()}, the "
            f"smallest {counts.min()}, an imbalance factor of {ratio:.3g} (or {1 / ratio:.3g}). Whoever always answers "
            f"“{self.names[largest]}” is right {counts.max() / counts.sum():.0%} of the time. {looks} Difficulty stands in "
            "brackets and is the shade of a bar; underlined pairs are look-alikes. Synthetic pictures."
        )


def lesion_images(names: Sequence[str], size: int = 40, seed: int = 0) -> Callable[[float, int], np.ndarray]:
    """Return the ``draw_class_images`` of an :class:`ImbalanceExplorer` for the synthetic lesions, one class a name."""

    def draw_class_images(difficulty: float, per_class: int) -> np.ndarray:
        drawn = draw.draw(np.full(len(names), per_class), difficulty, size, seed)
        return drawn.images.reshape(len(names), per_class, 3, size, size)

    return draw_class_images
