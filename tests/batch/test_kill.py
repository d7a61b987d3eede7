"""A grid whose workers, kernels and whole command are killed or interrupted, and that is started again until it is done."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import chaos
import psutil
import pytest
import tiny_notebooks as tiny

from spbl_nb.results import store

pytestmark = [pytest.mark.notebooks, pytest.mark.slow]

METHODS, SEEDS = ["ce", "oversample"], [0, 1]
ACCIDENTS = {4: "worker", 9: "kernel", 13: "command", 18: "Ctrl-C", 23: "worker"}  # of at least 28 events


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


def stamps(folder):
    """Return what changes when a result is written again, even with the same content."""
    results = [path for path in folder.rglob("result.json") if ".staging" not in path.parts]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in results}


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_nothing_is_lost_nothing_double_and_the_numbers_are_the_same(tmp_path, monkeypatch):
    """A grid of which workers, a kernel and the command are killed with -9 and interrupted, and its runs undisturbed."""
    notebook = chaos.experiment(tmp_path / "notebooks")
    report = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
    tiny.write(notebook.with_name("09_reproduction_report.ipynb"), "print(PRESET)", parameters=report)
    monkeypatch.setenv("CHAOS_EVENTS", str(tmp_path / "calm"))
    for method, seed in itertools.product(METHODS, SEEDS):
        chaos.undisturbed(notebook, tmp_path / "calm-runs", METHOD=method, SEED=seed)
    assert (tmp_path / "calm").stat().st_size == 4 * 7

    folder, events, log = tmp_path / "runs", tmp_path / "stormy", tmp_path / "log"
    command = [sys.executable, "-m", "spbl_nb", "reproduce", "--datasets", "digits", "--methods", *METHODS]
    command += ["--seeds", "0-1", "--jobs", "2", "--notebooks", str(notebook.parent), "--runs-dir", str(folder)]
    path = os.pathsep.join([str(Path(chaos.__file__).parent), os.environ.get("PYTHONPATH", "")])
    variables = {"CHAOS_EVENTS": str(events), "CHAOS_ACCIDENTS": json.dumps(ACCIDENTS), "PYTHONPATH": path}

    def run():
        with open(log, "w") as file:
            return subprocess.run(
                command,
                env=os.environ | variables,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore Ctrl-C
                timeout=600,
                check=False,
            ).returncode

    def check_that_all_ended(accident):
        family = json.loads(Path(f"{events}.{accident}").read_text())
        alive = [psutil.Process(pid) for pid in family if psutil.pid_exists(pid)]
        assert psutil.wait_procs(alive, timeout=300)[1] == []

    assert run() == -signal.SIGKILL, log.read_text()
    check_that_all_ended("command-13")
    complete = stamps(folder)
    assert run() == 130, log.read_text()
    check_that_all_ended("Ctrl-C-18")
    assert "interrupted: what is complete stays" in log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
    complete |= stamps(folder)
    assert run() == 0, log.read_text()
    assert {file.suffix[1:] for file in tmp_path.glob("stormy.*")} == {f"{who}-{n}" for n, who in ACCIDENTS.items()}
    assert events.stat().st_size > 4 * 7

    expected = numbers(tmp_path / "calm-runs")
    assert len(expected) == 4
    assert numbers(folder) == expected
    assert stamps(folder).items() >= complete.items(), "what was complete was left alone"
    assert list((folder / ".staging").iterdir()) == []
    assert list((folder / ".checkpoints").iterdir()) == []
    assert not list(folder.rglob("*.broken-*"))
    assert not list((folder / "failed").glob("*"))
