"""A grid whose workers, kernels and parent are killed at random, and that is started again until it is done."""

import itertools
import sys

import chaos
import numpy as np
import pytest
import tiny_notebooks as tiny

from spbl_nb.results import store

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals"),
]

METHODS, SEEDS = ["ce", "oversample"], [0, 1]
VICTIMS = {
    "--no-preload": ["worker", "kernel", "worker", "parent"],
    "--preload": ["worker", "kernel", "server", "worker", "parent"],
}


def numbers(folder):
    """Return what every run says, apart from the clock, with its scores."""
    found = store.scan(folder)
    assert found.broken == []
    return {
        run.folder.relative_to(folder): (
            {key: value for key, value in run.result.items() if key != "timing"},
            run.scores.tolist(),
        )
        for run in found.complete
    }


@pytest.mark.parametrize("kernels", list(VICTIMS))
def test_nothing_is_lost_nothing_double_and_the_numbers_are_the_same(tmp_path, monkeypatch, kernels):
    """A grid of which two workers, a kernel and the whole command are killed with -9, and its cells undisturbed."""
    notebook = chaos.experiment(tmp_path / "notebooks")
    report = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
    tiny.write(notebook.with_name("09_reproduction_report.ipynb"), "print(PRESET)", parameters=report)
    calm_events = tmp_path / "calm.events"
    monkeypatch.setenv("CHAOS_EVENTS", str(calm_events))
    for method, seed in itertools.product(METHODS, SEEDS):
        chaos.undisturbed(notebook, tmp_path / "calm", METHOD=method, SEED=seed)
    assert calm_events.stat().st_size == 4 * 7

    command = [sys.executable, "-m", "spbl_nb", "reproduce", "--datasets", "digits", "--methods", *METHODS]
    command += ["--seeds", "0-1", "--jobs", "2", kernels, "--notebooks", str(notebook.parent)]
    folder = tmp_path / "stormy"
    stormy = chaos.Grid([*command, "--runs-dir", str(folder)], tmp_path / "stormy.events", folder, seed=5)
    victims = np.random.default_rng(7).permutation(VICTIMS[kernels]).tolist()
    assert stormy.run(victims, most_events=5) == 0, stormy.events.with_suffix(".log").read_text()
    assert stormy.killed == victims
    assert stormy.sessions == 2
    assert stormy.happened() > 4 * 7

    expected = numbers(tmp_path / "calm")
    assert len(expected) == 4
    assert numbers(folder) == expected
    assert {path: chaos.stamp(path) for path in stormy.left} == stormy.left  # what was complete was left alone
    assert list((folder / ".staging").iterdir()) == []
    assert list((folder / ".checkpoints").iterdir()) == []
    assert not list(folder.rglob("*.broken-*"))
    assert not list((folder / "failed").glob("*"))
