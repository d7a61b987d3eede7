"""Every explorer and player of the package, each made from a few numbers, for tests that need them all at once."""

import numpy as np

from spbl_nb import metrics, pace
from spbl_nb.explorers.balance import BalanceExplorer, ReconstructionPlayer
from spbl_nb.explorers.base import Choice, Player, Toggle
from spbl_nb.explorers.ghm import GHMExplorer
from spbl_nb.explorers.imbalance import ImbalanceExplorer
from spbl_nb.explorers.metrics import MetricExplorer, SimulatedMetricExplorer
from spbl_nb.explorers.pace import CurriculumPlayer, PaceExplorer
from spbl_nb.explorers.spbl import PacePlayer
from spbl_nb.methods.self_paced import SelfPacedRecord
from spbl_nb.methods.spbl import PaceRecord
from spbl_nb.svm import CachedFeatures

NAMES = ["common", "frequent", "scarce", "rare"]
SIZES = np.array([40, 25, 12, 6])
LABELS = np.repeat(np.arange(4), SIZES)
SHARES = (0.3, 0.6, 1.0)


def every_explorer():
    """Return one explorer of each kind, in the order of the notebooks."""
    rng = np.random.default_rng(0)
    loss = rng.gamma(2.0, size=len(LABELS)) * np.array([0.4, 0.8, 1.5, 4.0])[LABELS] + 0.05
    grey = rng.integers(0, 255, len(LABELS), dtype=np.uint8)
    thumbnails = np.tile(grey[:, None, None, None], (1, 3, 4, 4))
    scores = rng.dirichlet(np.ones(4), len(LABELS)) + 0.3 * np.eye(4)[LABELS]
    return [
        ImbalanceExplorer(lambda level, each: np.full((4, each, 3, 4, 4), round(250 * level), np.uint8), NAMES),
        MetricExplorer(LABELS, scores / scores.sum(axis=1, keepdims=True), NAMES, SIZES),
        PaceExplorer(loss, LABELS, NAMES, thumbnails),
        CurriculumPlayer([_selected(number, share, loss) for number, share in enumerate(SHARES, 1)], LABELS, NAMES, thumbnails),
        ReconstructionPlayer([30, 12, 5], [0.1, 0.4, 0.9], ["a", "b", "c"]),
        BalanceExplorer(_cached(rng, loss)),
        PacePlayer([_measured(number, share, loss, rng) for number, share in enumerate(SHARES, 1)], LABELS, NAMES),
        GHMExplorer(rng.beta(0.4, 3, 500)),
        SimulatedMetricExplorer(),
    ]  # fmt: skip


def tab_order(explorer):
    """Return (role, accessible name) of all that the tab key should reach in an explorer, in that order."""
    order = []
    for control in explorer.controls:
        roles = {Choice: ["combobox"], Toggle: ["checkbox"]}.get(type(control), ["slider", "spinbutton"])
        order += [(role, control.label) for role in roles]
        if isinstance(control, Player):
            order += [("button", "Play"), ("button", "Stop")]
    return order + [("button", name) for name in (*explorer.presets, "Reset")]


def _selected(number, share, loss):
    age = pace.quantile_age(loss, share)
    return SelfPacedRecord(number, share, age, loss, pace.self_paced_weights(loss, age))


def pace_record(number, share, labels, selected, gained, complexity, weights, rows=None):
    """Return a record of SPBL over the samples ``rows`` (all by default) with random reports before and after."""
    rows, classes = np.arange(len(labels)) if rows is None else rows, len(complexity)
    rng = np.random.default_rng(number)
    counts = np.bincount(labels[rows][selected], minlength=classes)
    judged = np.arange(10 * classes) % classes
    before, after = (
        metrics.report(judged, rng.random((len(judged), classes)) + 0.6 * np.eye(classes)[judged], classes)
        for _ in range(2)
    )
    return PaceRecord(
        pace=number, fraction=share, rows=rows, seed_rows=np.arange(rows[0]), loss=rng.random(len(rows)), selected=selected,
        ease=1 / complexity, complexity=complexity, weights=weights, counts_before=counts, counts_after=counts + gained,
        balanced_rows=rows[selected], before=before, validation=after, test=None,
    )  # fmt: skip


def heights(bars):
    """Return float[C], the heights of bars as drawn."""
    return np.array([path.get_extents().height for path in bars.artist.get_paths()])


def _measured(number, share, loss, rng):
    complexity = rng.random(4) + 0.1
    gained = np.array([-2, 0, 3, 5])
    selected = pace.select_easiest(loss, LABELS, share)
    return pace_record(number, share, LABELS, selected, gained, complexity, 1 + 9 * complexity)


def _cached(rng, loss):
    judged = np.repeat(np.arange(4), 6)
    centre = rng.normal(0, 1.2, (4, 6))
    rows, others = (centre[labels] + 1.6 * rng.normal(size=(len(labels), 6)) for labels in (LABELS, judged))
    hard = np.array([1.0, 4.0, 0.5, 0.2])[LABELS]  # not in the order of rarity, so that every slider moves something
    return CachedFeatures(rows, LABELS, hard * loss, others, judged, NAMES)
