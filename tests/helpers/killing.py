"""Runs that are killed for good (SIGKILL) at moments counted in events, started again, and compared with undisturbed ones.

A run tells a pipe of its events (an epoch, a checkpoint). It is killed a random part of a second after the n-th of them,
and stands still a few events later if nobody has killed it until then, so that on no machine, however slow and busy, it
can come to its end before. All runs are forked from one server that has the imports behind it.
"""

import itertools
import multiprocessing
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

START = "spawn" if sys.platform == "win32" else "forkserver"
CONTEXT = multiprocessing.get_context(START)
CONTEXT.set_forkserver_preload(["spbl_nb.methods", "spbl_nb.methods.spbl", "spbl_nb.results.store"])
GRACE = 4  # events after which a run that is to be killed stands still

Work = Callable[[Path, Callable[[], None]], None]


def _run(work: Work, folder: Path, pipe, most: int) -> None:
    happened = 0

    def event() -> None:
        nonlocal happened
        happened += 1
        pipe.send_bytes(b"x")
        if happened == most:
            threading.Event().wait()

    work(folder, event)


def _start(work: Work, folder: Path, most: int = 0):
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run, args=(work, folder, theirs, most))
    process.start()
    theirs.close()
    return process, ours


def finish(work: Work, folder: Path) -> int:
    """Let ``work(folder, event)`` come to its end; return the number of its events."""
    process, pipe = _start(work, folder)
    events = 0
    with pipe:
        while _hears(pipe):
            events += 1
    process.join()
    assert process.exitcode == 0
    return events


def kill(work: Work, folder: Path, after: int, delay: float) -> None:
    """Start ``work(folder, event)`` and kill it ``delay`` seconds after the event of that number."""
    process, pipe = _start(work, folder, after + GRACE)
    with pipe:
        assert all(_hears(pipe) for _ in range(after)), "it came to its end before"
        time.sleep(delay)
        process.kill()
        process.join()
    assert process.exitcode == -getattr(signal, "SIGKILL", signal.SIGTERM)


def kill_at_random(work: Work, folder: Path, events: int, times: int, seed: int = 0) -> None:
    """Kill a work of so many ``events`` that many times, at moments spread over all of it."""
    moments = random.Random(seed)
    cuts = [0, *sorted(moments.sample(range(1, events - times * GRACE), times))]
    for before, after in itertools.pairwise(cuts):
        kill(work, folder, after - before, moments.uniform(0, 0.02))


def _hears(pipe) -> bool:
    try:
        pipe.recv_bytes()
    except EOFError:
        return False
    return True


def telling(owner, name: str, event: Callable[[], None]) -> None:
    """Let a method tell of an event whenever it is called."""
    original = getattr(owner, name)

    def told(*arguments, **options):
        event()
        return original(*arguments, **options)

    setattr(owner, name, told)


def train(folder: Path, event: Callable[[], None]) -> None:
    """Fit a network, with a checkpoint after every epoch, and save what it has learnt."""
    import numpy as np
    import torch
    from small_data import blobs

    from spbl_nb.config import preset
    from spbl_nb.training import loop as training
    from spbl_nb.training import models

    training.CHECKPOINT_SECONDS = 0
    telling(training.Loop, "_batches", event)
    telling(training.Loop, "_save", event)
    data = blobs([30, 20, 14])
    config = preset("smoke", size=16, epochs=20, max_steps=None, batch_size=16)
    model = models.build("mnist_net", 3, data.size)
    training.fit(model, data, np.arange(64), config, checkpoint=folder / "checkpoint.pt")
    torch.save(model.state_dict(), folder / "final.pt")


def run_spbl(folder: Path, event: Callable[[], None]) -> None:
    """Run the released SPBL and save the run below ``folder``."""
    from small_data import blobs

    from spbl_nb import methods, metrics
    from spbl_nb.config import preset
    from spbl_nb.data.split import make_split
    from spbl_nb.methods import spbl
    from spbl_nb.results import store
    from spbl_nb.training import loop as training

    training.CHECKPOINT_SECONDS = 0
    telling(training.Loop, "_batches", event)
    telling(training.Loop, "_save", event)
    telling(spbl.StackedSVC, "fit", event)
    data = blobs([60, 20, 10])
    split = make_split(data, 0.15, 0.3)
    config = preset("smoke", size=16, epochs=150, max_steps=150, batch_size=16, variant="released")
    result = methods.run("spbl_released", data, split, config, checkpoint=folder / "run.pt")
    report = metrics.report(data.labels[split.test], result.scores, 3, result.predicted)
    store.save(
        folder / "runs",
        store.RunId(data.name, "spbl_released", 0, config),
        data=data,
        split=split,
        result=result,
        report=report,
    )
