"""Accidents for a grid that runs: processes killed at moments that are counted in events, not in seconds.

The notebooks of such a grid call :func:`event` whenever they have done something. The event on which an accident falls
causes it itself, so that it comes at the same kind of moment on a quick machine and on a busy one.
"""

import json
import os
import signal
import time
from pathlib import Path

import nbformat
import psutil
import tiny_notebooks as tiny

EVENT = "import chaos; chaos.event()"
TRAINING = f"""\
import os
import numpy as np
from pathlib import Path
from spbl_nb import files
state, done = np.random.default_rng(SEED).random(100), 0
if Path(CHECKPOINT).exists():
    with np.load(CHECKPOINT) as archive:
        state, done = archive["state"], int(archive["done"])
for epoch in range(done, 5):
    state = 3.9 * state * (1 - state)
    with files.replacing(CHECKPOINT) as handle:
        np.savez(handle, state=state, done=epoch + 1)
    {EVENT}
START = int(state.sum() * 1e9)  # it seeds the guesses, so that a lost epoch changes every number"""


def event() -> None:
    """Count an event in the file CHAOS_EVENTS, and cause the accident that CHAOS_ACCIDENTS puts on it, if any."""
    events = os.environ["CHAOS_EVENTS"]
    file = os.open(events, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, b"x")
    number = os.lseek(file, 0, os.SEEK_CUR)
    os.close(file)
    victim = json.loads(os.environ.get("CHAOS_ACCIDENTS", "{}")).get(str(number))
    if victim:
        worker = psutil.Process(os.getppid())
        command = worker.parent()
        family = [process.pid for process in command.children(recursive=True)]
        Path(f"{events}.{victim}-{number}").write_text(json.dumps(family))
        if victim == "Ctrl-C":
            os.killpg(os.getpgid(command.pid), signal.SIGINT)
        else:
            os.kill({"kernel": os.getpid(), "worker": worker.pid, "command": command.pid}[victim], signal.SIGKILL)
        time.sleep(600)


def experiment(folder: Path) -> Path:
    """Write a notebook 08 whose guesses come from five epochs of a chaotic map that can be resumed; return its path."""
    guess = tiny.EXPERIMENT.replace("default_rng(SEED)", "default_rng(START)")
    cells = (EVENT, TRAINING, guess, EVENT)
    return tiny.write(folder / "08_experiment.ipynb", *cells, parameters=tiny.EXPERIMENT_PARAMETERS, title="# 08 Chaos")


def undisturbed(notebook: Path, runs_dir: Path, **values) -> None:
    """Run the cells of a notebook in this process, with the given parameters in the place of its own."""
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    names: dict = {}
    for cell in code:
        exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"RUNS_DIR": str(runs_dir), "CHECKPOINT": str(runs_dir.with_suffix(".checkpoint"))} | values
    Path(names["CHECKPOINT"]).unlink()
