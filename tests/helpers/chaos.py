"""Accidents for a grid that runs: processes killed at moments that are counted in events, not in seconds.

The notebooks of such a grid write to the file named by the variable ``CHAOS_EVENTS`` whenever they have done something,
so an accident falls on the same kind of moment on a quick machine and on a busy one. A few events later they stand still
until the accident has happened, so that no grid can come to its end before.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil
import tiny_notebooks as tiny

EVENT = "import chaos; chaos.event()"
SERVER = "spbl_nb.batch.kernel_server"
GRACE = 3  # events after which the notebooks stand still

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
    """Tell of an event, and stand still while there is a gate and it has been reached; called in notebooks."""
    events = Path(os.environ["CHAOS_EVENTS"])
    with open(events, "a") as file:
        file.write("x")
    gate = events.with_suffix(".gate")
    while events.stat().st_size >= _opens_at(gate):
        time.sleep(0.02)


def _opens_at(gate: Path) -> float:
    try:
        return int(gate.read_text())
    except FileNotFoundError:
        return float("inf")


def experiment(folder: Path) -> Path:
    """Write a notebook 08 whose guesses come from five epochs of a chaotic map that can be resumed; return its path."""
    guess = tiny.EXPERIMENT.replace("default_rng(SEED)", "default_rng(START)")
    return tiny.write(
        folder / "08_experiment.ipynb",
        EVENT,
        TRAINING,
        guess,
        EVENT,
        parameters=tiny.EXPERIMENT_PARAMETERS,
        title="# 08 Chaos",
    )


def undisturbed(notebook: Path, runs_dir: Path, **values) -> None:
    """Run the cells of a notebook in this process, with the given parameters in the place of its own."""
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    names: dict = {}
    for cell in code:
        exec(cell.source, names)
        if "parameters" in cell.metadata.get("tags", []):
            names |= {"RUNS_DIR": str(runs_dir), "CHECKPOINT": str(runs_dir.with_suffix(".checkpoint"))} | values
    Path(names["CHECKPOINT"]).unlink()


class Grid:
    """A command that is started again whenever it was killed, and the accidents that befall it."""

    def __init__(self, command: list[str], events: Path, runs_dir: Path, seed: int) -> None:
        self.command, self.events, self.runs_dir = command, events, runs_dir
        self.rng = np.random.default_rng(seed)
        self.sessions, self.killed, self.left = 0, [], {}

    def start(self) -> None:
        """Start the command."""
        self.sessions += 1
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"CHAOS_EVENTS": str(self.events), "PYTHONPATH": path}
        self.log = open(self.events.with_suffix(".log"), "a")  # noqa: SIM115  it is open as long as the command runs
        self.parent = subprocess.Popen(self.command, env=environment, stdout=self.log, stderr=self.log)

    def run(self, victims: list[str], most_events: int) -> int:
        """Run with an accident to each victim, after one to ``most_events`` events; return the last exit status."""
        gate, next_gate = self.events.with_suffix(".gate"), self.events.with_suffix(".next-gate")
        pauses = self.rng.integers(1, most_events + 1, len(victims))
        for number, (victim, pause) in enumerate(zip(victims, pauses, strict=True)):
            goal = self.happened() + int(pause)
            next_gate.write_text(str(goal + GRACE))
            next_gate.replace(gate)
            if not number:
                self.start()
            if not self.wait_for_events(goal):
                break
            self.strike(victim)
        gate.unlink()
        return self.parent.wait(600)

    def wait_for_events(self, goal: int) -> bool:
        """Wait until so many events have happened; return False if the command ended before."""
        while self.happened() < goal:
            if self.parent.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def happened(self) -> int:
        """Number of events so far."""
        return self.events.stat().st_size if self.events.exists() else 0

    def strike(self, victim: str) -> None:
        """Kill a random kernel, what it was forked from, a worker that runs one, or the command itself, as kill -9 does."""
        if victim == "parent":
            family = psutil.Process(self.parent.pid).children(recursive=True)
            self.parent.send_signal(signal.SIGKILL)
            self.parent.wait()
            self.killed.append(victim)
            _, alive = psutil.wait_procs(family, timeout=300)
            assert alive == [], "a killed command left processes behind"
            self.left |= {
                path: stamp(path) for path in self.runs_dir.rglob("result.json") if ".staging" not in path.parts
            }
            self.start()
            return
        while self.parent.poll() is None:
            if kernels := self.kernels():
                process = kernels[self.rng.integers(len(kernels))]
                try:
                    if victim != "kernel":
                        process = process.parent()
                    if victim == "worker" and SERVER in process.cmdline():
                        process = process.parent()
                    process.kill()
                except (psutil.Error, AttributeError):  # it ended meanwhile
                    continue
                self.killed.append(victim)
                return
            time.sleep(0.02)

    def kernels(self) -> list[psutil.Process]:
        """The kernels that run, by process number."""
        found = []
        for process in psutil.Process(self.parent.pid).children(recursive=True):
            try:
                forked = SERVER in process.cmdline() and SERVER in process.parent().cmdline()
                if forked or "ipykernel_launcher" in process.cmdline():
                    found.append(process)
            except (psutil.Error, AttributeError):  # it or its parent ended meanwhile
                continue
        return sorted(found, key=lambda process: process.pid)


def stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file is written anew, even with the same content."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
