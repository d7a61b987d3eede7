"""A grid whose workers, kernels and parent are killed at random, and that is started again until it is done."""

import sys

import chaos
import numpy as np
import pytest
import tiny_notebooks as tiny

from spbl_nb import runs

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals"),
]

VICTIMS = ["worker", "kernel", "worker", "parent"]


def numbers(folder):
    """Return what every run says, apart from the clock, with its scores."""
    found = runs.scan(folder)
    assert found.broken == []
    return {
        run.folder.relative_to(folder): (
            {key: value for key, value in run.result.items() if key != "timing"},
            run.scores.tolist(),
        )
        for run in found.complete
    }


def test_nothing_is_lost_nothing_double_and_the_numbers_are_the_same(tmp_path):
    """The same grid undisturbed, and with two workers, a kernel and the whole command killed with -9."""
    notebook = chaos.experiment(tmp_path / "notebooks")
    report = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
    tiny.write(notebook.with_name("09_reproduction_report.ipynb"), "print(PRESET)", parameters=report)

    def grid(name):
        command = [
            sys.executable,
            "-m",
            "spbl_nb",
            "reproduce",
            "--datasets",
            "digits",
            "--methods",
            "ce",
            "oversample",
        ]
        command += [
            "--seeds",
            "0-1",
            "--jobs",
            "2",
            "--notebooks",
            str(notebook.parent),
            "--runs-dir",
            str(tmp_path / name),
        ]
        return chaos.Grid(command, tmp_path / f"{name}.events", tmp_path / name, seed=5)

    calm, stormy = grid("calm"), grid("stormy")
    assert calm.run([], 0) == 0
    victims = [VICTIMS[place] for place in np.random.default_rng(7).permutation(len(VICTIMS))]
    assert stormy.run(victims, most_events=5) == 0, stormy.events.with_suffix(".log").read_text()
    assert stormy.killed == victims
    assert stormy.sessions == 2
    assert calm.happened() == 4 * 7
    assert stormy.happened() > calm.happened()

    expected = numbers(tmp_path / "calm")
    assert len(expected) == 4
    assert numbers(tmp_path / "stormy") == expected
    assert {path: chaos.stamp(path) for path in stormy.left} == stormy.left  # what was complete was left alone
    for name in ("calm", "stormy"):
        assert list((tmp_path / name / ".staging").iterdir()) == []
        assert list((tmp_path / name / ".checkpoints").iterdir()) == []
        assert not list((tmp_path / name).rglob("*.broken-*"))
        assert not list((tmp_path / name / "failed").glob("*"))
