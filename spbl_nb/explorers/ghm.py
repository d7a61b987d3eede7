"""The GHM explorer: who pulls at the network under cross-entropy, focal loss and GHM-C, as bins, memory and outliers change.

A question is an element of a binary loss, its gradient norm g = |p - y| the pull of plain cross-entropy on its logit.
Focal loss multiplies that pull by a power of g, GHM-C by one over the number of questions in the same bin. An outlier is
a question whose label is flipped, so that its norm becomes 1 - g.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spbl_nb import checks
from spbl_nb.explorers.base import Explorer, Slider, Toggle
from spbl_nb.ghm import GradientDensity, harmonized_weights
from spbl_nb.plots import style

BATCHES = 20  # that the explorer can look back on
REGIONS = 10  # of the gradient norm, over which pulls are summed
_EASY = 0.1  # a question of a smaller norm counts as easy
_CURVE = (np.arange(400) + 0.5) / 400  # norms at which curves are drawn
_STYLES: dict[str, dict[str, Any]] = {
    "cross-entropy": {"color": style.GREEN, "linestyle": ":", "linewidth": 2.4, "marker": "s"},
    "focal": {"color": style.RED, "linestyle": "--", "linewidth": 1.8, "marker": "D"},
    "GHM-C": {"color": style.BLUE, "linestyle": "-", "linewidth": 1.8, "marker": "o"},
}


def focal_gradient(norms: np.ndarray, gamma: float) -> np.ndarray:
    """Return the size of the derivative of -g^gamma ln(1-g), focal loss without alpha, with respect to the logit.

    ``norms`` float[...] are g in [0, 1]; ``gamma`` is 0 or more, and 0 gives g itself, the pull of cross-entropy.

    Source: Lin et al. 2017, the derivative in appendix B, in terms of g.
    """
    norms, gamma = _norms(norms), checks.real("gamma", gamma, 0)
    surprise = -np.log1p(-np.minimum(norms, 1 - 1e-12))
    return norms**gamma * (norms + gamma * (1 - norms) * surprise)


@dataclass(frozen=True, eq=False)
class Harmonized:
    """What one setting gives for the last batch seen.

    ``norms`` float[n] and ``outlier`` bool[n] of its questions; per bin its ``counts`` and ``outliers`` int[M], the
    remembered ``density`` and the ``weights`` float[M]; ``pulls`` float[n] by loss, the size of each question's gradient.
    """

    norms: np.ndarray
    outlier: np.ndarray
    counts: np.ndarray
    outliers: np.ndarray
    density: np.ndarray
    weights: np.ndarray
    pulls: Mapping[str, np.ndarray]


class GHMExplorer(Explorer):
    """Histogram, density, weight and effective gradient of GHM-C beside those of focal loss and cross-entropy.

    ``norms`` float[N] in [0, 1] are gradient norms of questions whose labels are right, of a trained network or made up.
    Each of :data:`BATCHES` batches is a random ``batch`` of them (all, if there are fewer); ``seed`` is that of the draw.
    """

    title = "GHM explorer"
    size = (9.0, 5.9)
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType(
        {
            "easy questions and a few outliers": {},
            "one bin is cross-entropy": {"bins": 1},
            "first batch as released": {"steps": 1, "bias_correction": False},
        }
    )
    controls = (
        Slider("bins", "Bins (M)", 1, 100, 1, 30, "Into how many equal bins gradient norms from 0 to 1 are counted"),
        Slider("momentum", "Momentum (m)", 0.0, 0.99, 0.01, 0.75, "How much of the remembered counts is kept at each batch"),
        Slider("outliers", "Share of outliers", 0.0, 0.2, 0.005, 0.03, "Share of the questions whose label is turned round"),
        Slider("steps", "Batches seen (s)", 1, BATCHES, 1, 10, "How many batches the counts have seen, this one included"),
        Toggle("bias_correction", "Bias correction", True, "Divide the remembered counts by 1 - m^s; the release does not"),
        Slider("gamma", "Power of focal loss (γ)", 0.0, 5.0, 0.25, 2.0, "How fast focal loss forgets easy questions"),
    )  # fmt: skip

    def __init__(self, norms: np.ndarray, batch: int = 1024, seed: int = 0) -> None:
        super().__init__()
        norms = checks.finite_array("norms", _norms(norms), ndim=1)
        self.batch = min(checks.integer("batch", batch, 1), len(norms))
        rng = np.random.default_rng(checks.integer("seed", seed, 0))
        self.right = np.stack([rng.permutation(norms)[: self.batch] for _ in range(BATCHES)])
        self.luck = rng.permuted(np.tile((np.arange(self.batch) + 0.5) / self.batch, (BATCHES, 1)), axis=1)

    def solve(
        self, bins: int, momentum: float, outliers: float, steps: int, bias_correction: bool, gamma: float
    ) -> Harmonized:
        """Return everything that the image shows, as the library calculates it."""
        turned = self.luck[:steps] < outliers
        norms = np.where(turned, 1 - self.right[:steps], self.right[:steps])
        index = np.minimum((norms * bins).astype(np.int64), bins - 1)
        places = index + bins * np.arange(steps)[:, None]
        counted = np.bincount(places.ravel(), minlength=steps * bins).reshape(steps, bins)
        memory = GradientDensity(bins, momentum, bias_correction)
        for counts in torch.from_numpy(counted.astype(float)):
            density = memory.density(counts)
        weights = harmonized_weights(counts, density).numpy()
        last, own = norms[-1], index[-1]
        pulls = {"cross-entropy": last, "focal": focal_gradient(last, gamma), "GHM-C": weights[own] * last}
        in_bins = np.bincount(own[turned[-1]], minlength=bins)
        return Harmonized(last, turned[-1], counted[-1], in_bins, density.numpy(), weights, pulls)

    def build(self, figure: Figure) -> Iterable[Artist]:
        """Draw the histogram and the weight above, the effective gradient and the shares of the pull below."""
        axes = figure.subplot_mosaic([["histogram", "weight"], ["gradient", "shares"]])
        moving = self._frame_histogram(axes["histogram"])
        multiplied = "what the pull of cross-entropy is multiplied by"
        self.weights = self._frame_curves(axes["weight"], "weight", multiplied, (2e-3, 2e2))
        self.gradients = self._frame_curves(axes["gradient"], "effective gradient", "pull of one question", (1e-3, 1e2))
        self._frame_shares(axes["shares"])
        for name in ("gradient", "shares"):
            axes[name].set_xlabel("gradient norm g: 0 easy, 1 wrong")
        figure.legend(
            [self.all_bars, self.outlier_bars, self.memory, *self.shares.values()],
            ["questions of this batch", "of them outliers", "remembered density", *self.shares],
            loc="outside upper center", ncols=6, frameon=False, fontsize=8.5, handlelength=2.4, columnspacing=1.2,
        )  # fmt: skip
        return [*moving, *self.weights.values(), *self.gradients.values(), *self.shares.values()]

    def _frame_histogram(self, axes: Axes) -> list[Artist]:
        edges = np.array([0.0, 1.0])
        line: dict[str, Any] = {"edgecolor": "0.3", "linewidth": 0.6}
        self.all_bars = axes.stairs([1], edges, baseline=0.5, fill=True, facecolor="#BFDDF0", **line)
        self.outlier_bars = axes.stairs(
            [1], edges, baseline=0.5, fill=True, facecolor=style.ORANGE, hatch=style.HATCH, **line
        )
        self.memory = axes.stairs([1], edges, baseline=None, color="black", linewidth=1.4)
        _logarithmic(axes, "questions", (0.5, 2.2 * self.batch))
        axes.set_title("how many share a gradient norm", fontsize=9, loc="left")
        style.tidy(axes)
        return [self.all_bars, self.outlier_bars, self.memory]

    @staticmethod
    def _frame_curves(axes: Axes, label: str, title: str, limits: tuple[float, float]) -> dict[str, Line2D]:
        curves = {name: axes.plot([], [], **look | {"marker": ""})[0] for name, look in _STYLES.items()}
        _logarithmic(axes, label, limits)
        axes.set_title(title, fontsize=9, loc="left")
        style.tidy(axes)
        return curves

    def _frame_shares(self, axes: Axes) -> None:
        places = (np.arange(REGIONS) + 0.5) / REGIONS
        self.shares = {name: axes.plot(places, 0 * places, markersize=4, **look)[0] for name, look in _STYLES.items()}
        axes.set(xlim=(0, 1), ylim=(-0.03, 1.03), ylabel="share of the whole pull")
        axes.set_title("pull of all questions in a tenth of the norms", fontsize=9, loc="left")
        style.tidy(axes)

    def update(self, **settings: Any) -> str:
        """Compute the setting and set every bar and curve."""
        found = self.solve(**settings)
        bins = len(found.counts)
        edges = np.linspace(0, 1, bins + 1)
        self.all_bars.set_data(np.maximum(found.counts, 0.5), edges)
        self.outlier_bars.set_data(np.maximum(found.outliers, 0.5), edges)
        self.memory.set_data(np.where(found.counts > 0, found.density, np.nan), edges)
        on_curve = np.where(found.counts > 0, found.weights, np.nan)[(_CURVE * bins).astype(int)]
        focal = focal_gradient(_CURVE, settings["gamma"])
        weights = {"cross-entropy": np.ones_like(_CURVE), "focal": focal / _CURVE, "GHM-C": on_curve}
        for name, weight in weights.items():
            self.weights[name].set_data(_CURVE, weight)
            self.gradients[name].set_data(_CURVE, weight * _CURVE)
            self.shares[name].set_ydata(self._by_region(found, name))
        return self._caption(found, settings)

    @staticmethod
    def _by_region(found: Harmonized, name: str) -> np.ndarray:
        """Return float[REGIONS], the share of the whole pull of a loss that comes from each tenth of the norms."""
        region = np.minimum((found.norms * REGIONS).astype(int), REGIONS - 1)
        return _share(np.bincount(region, found.pulls[name], REGIONS), found.pulls[name].sum())

    def _caption(self, found: Harmonized, settings: Mapping[str, Any]) -> str:
        filled = found.counts > 0
        weights = found.weights[filled]
        mean = (found.weights * found.counts).sum() / self.batch
        updates = f"{settings['momentum']:g}^{settings['steps']}"
        start = 1 - settings["momentum"] ** settings["steps"]
        memory = (
            f"s = {settings['steps']} batch{'es' * (settings['steps'] > 1)} seen, momentum m = {settings['momentum']:g}"
        )
        if settings["bias_correction"]:
            memory += ", bias-corrected"
        else:
            memory += f", not corrected: a bin seen each time holds 1 - {updates} = {start:.2g} of its count"
        easy = found.norms < _EASY
        parts = []
        for words, members in ((f"easy questions (g < {_EASY:g})", easy), ("outliers", found.outlier)):
            pulls = ((name, _share(pull[members].sum(), pull.sum())) for name, pull in found.pulls.items())
            listed = ", ".join(f"{share:.0%} under {name}" for name, share in pulls)
            parts.append(f"The {words}, {members.mean():.1%} of all, make up this much of the pull: {listed}.")
        verb = "is" if filled.sum() == 1 else "are"
        return (
            f"{self.batch} questions; of M = {len(found.counts)} bins {filled.sum()} {verb} not empty; {memory}. GHM-C "
            f"weighs from {weights.min():.2g} to {weights.max():.3g}, {mean:.2f} on average; focal loss has γ = "
            f"{settings['gamma']:g}. {' '.join(parts)}"
        )


def _norms(norms: np.ndarray) -> np.ndarray:
    norms = np.asarray(norms, dtype=np.float64)
    if not norms.size or not ((norms >= 0) & (norms <= 1)).all():
        found = f"values from {norms.min():g} to {norms.max():g}" if norms.size else "no value"
        raise ValueError(f"norms has {found}; allowed: at least one gradient norm, each in [0, 1]")
    return norms


def _logarithmic(axes: Axes, label: str, limits: tuple[float, float]) -> None:
    """Let the upward axis be logarithmic, with plain numbers, over norms from 0 to 1."""
    axes.set_yscale("log")
    axes.set(xlim=(0, 1), ylim=limits, ylabel=f"{label} (logarithmic)")
    ticks = [10.0**power for power in range(-3, 7) if limits[0] <= 10.0**power <= limits[1]]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _share(part: Any, whole: float) -> Any:
    return part / whole if whole > 0 else 0 * part
