"""The GHM explorer: swept, and showing and saying what the losses themselves give on the same questions."""

import numpy as np
import pytest
import torch
from ghm_batches import gradient_of
from torchvision.ops import sigmoid_focal_loss

from spbl_nb.explorers.ghm import BATCHES, REGIONS, GHMExplorer, focal_gradient
from spbl_nb.losses import GHMC

NORMS = np.random.default_rng(0).beta(0.3, 2.0, 3000)
SETTINGS = [
    {},
    {"bins": 7, "momentum": 0.3, "steps": 4, "bias_correction": False},
    {"bins": 100, "momentum": 0.99, "outliers": 0.2, "steps": BATCHES},
    {"momentum": 0.0, "outliers": 0.0, "gamma": 0.5},
]


@pytest.fixture(scope="module")
def explorer():
    return GHMExplorer(NORMS, batch=300)


def batches(explorer, outliers, steps):
    """Logits and targets of the batches seen: an outlier is answered like a no, and yes would be right."""
    turned = torch.from_numpy(explorer.luck[:steps] < outliers)
    return torch.from_numpy(explorer.right[:steps]).logit(), turned.double()


@pytest.mark.parametrize("settings", SETTINGS)
def test_pulls_are_the_gradients_of_the_losses(explorer, settings):
    settings = explorer.settings(**settings)
    found = explorer.solve(**settings)
    logits, targets = batches(explorer, settings["outliers"], settings["steps"])
    ghm_c = GHMC(settings["bins"], settings["momentum"], settings["bias_correction"])
    for batch in zip(logits, targets, strict=True):
        _, gradient = gradient_of(ghm_c, *batch)
    losses = {
        "cross-entropy": lambda z: torch.nn.functional.binary_cross_entropy_with_logits(
            z, targets[-1], reduction="sum"
        ),
        "focal": lambda z: sigmoid_focal_loss(z, targets[-1], alpha=-1, gamma=settings["gamma"], reduction="sum"),
    }
    np.testing.assert_allclose(found.pulls["GHM-C"], 300 * gradient.abs(), rtol=1e-9, atol=1e-15)
    for name, loss in losses.items():
        np.testing.assert_allclose(found.pulls[name], gradient_of(loss, logits[-1])[1].abs(), rtol=1e-9, atol=1e-15)
    remembered = ghm_c.smoothed / (
        1 - settings["momentum"] ** ghm_c.updates.double() if settings["bias_correction"] else 1
    )
    filled = found.counts > 0
    np.testing.assert_allclose(found.density[filled], remembered[torch.from_numpy(filled)], rtol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_gradient_is_that_of_automatic_differentiation(gamma):
    norms = torch.linspace(0.001, 0.999, 57, dtype=torch.float64)
    loss = lambda z: sigmoid_focal_loss(z, torch.zeros_like(z), alpha=-1, gamma=gamma, reduction="sum")  # noqa: E731
    np.testing.assert_allclose(focal_gradient(norms, gamma), gradient_of(loss, norms.logit())[1], rtol=1e-9)
    np.testing.assert_allclose(focal_gradient(np.array([0.0, 1.0]), gamma), [0, 1], atol=1e-9)


def test_one_bin_is_cross_entropy_and_no_power_neither(explorer):
    found = explorer.solve(**explorer.settings(bins=1, gamma=0.0))
    for name in ("focal", "GHM-C"):
        np.testing.assert_allclose(found.pulls[name], found.pulls["cross-entropy"])


@pytest.mark.parametrize("momentum", [0.5, 0.75])
def test_the_first_batch_as_released_is_inflated(explorer, momentum):
    kept = {"steps": 1, "momentum": momentum}
    corrected, released = (explorer.solve(**explorer.settings(**kept, bias_correction=one)) for one in (True, False))
    np.testing.assert_allclose(released.pulls["GHM-C"], corrected.pulls["GHM-C"] / (1 - momentum))
    _, caption = explorer.render(**kept, bias_correction=False)
    assert f"holds 1 - {momentum:g}^1 = {1 - momentum:g} of its count" in caption
    assert f"{1 / (1 - momentum):.2f} on average" in caption


def test_outliers_are_as_many_as_asked_for_and_the_most_wrong(explorer):
    for share in (0.0, 0.03, 0.2):
        found = explorer.solve(**explorer.settings(outliers=share))
        assert found.outlier.sum() == round(300 * share)
        assert found.counts.sum() == 300
        assert found.outliers.sum() == found.outlier.sum()
    assert found.norms[found.outlier].mean() > 0.7 > found.norms[~found.outlier].mean()


@pytest.mark.parametrize("settings", SETTINGS)
def test_bars_and_curves_are_the_solution(explorer, settings):
    explorer.render(**settings)
    found = explorer.solve(**explorer.settings(**settings))
    bins, filled = len(found.counts), found.counts > 0
    for bars, counts in ((explorer.all_bars, found.counts), (explorer.outlier_bars, found.outliers)):
        np.testing.assert_array_equal(bars.get_data().values, np.maximum(counts, 0.5))
        np.testing.assert_allclose(bars.get_data().edges, np.linspace(0, 1, bins + 1))
    np.testing.assert_allclose(explorer.memory.get_data().values[filled], found.density[filled])
    norms, weights = explorer.weights["GHM-C"].get_data()
    drawn = dict(zip((norms * bins).astype(int), weights, strict=True))
    for index, weight in drawn.items():
        assert np.isnan(weight) if found.counts[index] == 0 else weight == pytest.approx(found.weights[index])
    np.testing.assert_allclose(explorer.gradients["GHM-C"].get_ydata(), weights * norms)
    for name, pull in found.pulls.items():
        shares = explorer.shares[name].get_ydata()
        assert shares.sum() == pytest.approx(1)
        last = found.norms >= 1 - 1 / REGIONS
        assert shares[-1] == pytest.approx(pull[last].sum() / pull.sum(), abs=1e-9)


def test_the_caption_says_the_numbers(explorer):
    _, caption = explorer.render(outliers=0.1, gamma=1.5)
    found = explorer.solve(**explorer.settings(outliers=0.1, gamma=1.5))
    assert f"300 questions; of M = 30 bins {(found.counts > 0).sum()} are not empty" in caption
    for members in (found.norms < 0.1, found.outlier):
        listed = ", ".join(f"{pull[members].sum() / pull.sum():.0%} under {name}" for name, pull in found.pulls.items())
        assert f"{members.mean():.1%} of all, make up this much of the pull: {listed}." in caption
    assert "focal loss has γ = 1.5" in caption
    weights = found.weights[found.counts > 0]
    assert f"from {weights.min():.2g} to {weights.max():.3g}" in caption


@pytest.mark.parametrize("norms", [[0.0], [0.5, 1.0, 0.0]])
def test_few_and_extreme_norms(norms):
    small = GHMExplorer(norms)
    for settings in ({"outliers": 0.0}, {"bins": 100, "momentum": 0.99, "bias_correction": False}):
        _, caption = small.render(**settings)
        assert "nan" not in caption
        assert "inf" not in caption
