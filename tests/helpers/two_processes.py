"""What each of several processes runs in the tests of several processes; the tests call the same functions alone.

Usage: ``accelerate launch … two_processes.py FOLDER``; process k writes FOLDER/TASK-k.npz for each task.
"""

import sys
from pathlib import Path

import numpy as np
from small_data import blobs
from torch import distributed

from spbl_nb import methods, training
from spbl_nb.config import preset
from spbl_nb.data.split import make_split
from spbl_nb.training import checkpoints, models


def settings(model: str = "small_plain"):
    """Return small settings with batches of 16."""
    return preset("smoke", size=16, batch_size=16, epochs=6, max_steps=24, model=model, paces=2)


def fit(model: str, checkpoint: Path | None = None) -> dict[str, np.ndarray]:
    """Train on small images; return the network, the losses and the prediction."""
    data, config = blobs([60, 20, 11]), settings(model)
    rows = np.arange(80)
    network = models.build(model, 3, 16)
    fitted = training.fit(network, data, rows, config, validation=np.arange(80, 91), checkpoint=checkpoint)
    seen = training.predict(network, data, np.arange(91), config)
    state = {f"state {key}": value.numpy() for key, value in network.state_dict().items()}
    losses = np.array([entry["train_loss"] for entry in fitted.history])
    right = np.array([entry["train_accuracy"] for entry in fitted.history])
    return state | {"losses": losses, "right": right, "logits": seen.logits, "features": seen.features}


def run(method: str, checkpoint: Path) -> dict[str, np.ndarray]:
    """Run a method as a whole; return its scores and what it selected."""
    data = blobs([60, 20, 11])
    result = methods.run(method, data, make_split(data, 0.15, 0.3), settings(), checkpoint=checkpoint)
    counts = [record["balanced_per_class"] for record in result.details["paces"]]
    return {"scores": result.scores, "predicted": result.predicted, "counts": np.array(counts)}


def hear_of_an_error() -> dict[str, np.ndarray]:
    """Return the message of an error that only the first process meets."""

    def compute() -> None:
        raise checkpoints.ResumeError(f"met in process {distributed.get_rank()}")

    try:
        training.broadcast_from_main(compute)
    except checkpoints.ResumeError as error:
        return {"message": np.array(str(error))}
    return {"message": np.array("nothing")}


def refuse_a_batch() -> dict[str, np.ndarray]:
    """Return the message about a batch that two processes cannot share."""
    data = blobs([9, 6])
    try:
        training.fit(models.build("small_plain", 3, 16), data, np.arange(15), settings().replace(batch_size=5))
    except ValueError as error:
        return {"message": np.array(str(error))}
    return {"message": np.array("nothing")}


TASKS = {
    "plain": lambda folder: fit("small_plain"),
    "normed": lambda folder: fit("small_cnn"),
    "saved": lambda folder: fit("small_cnn", checkpoint=folder / "fit"),
    "resumed": lambda folder: fit("small_cnn", checkpoint=folder / "fit"),
    "spbl_clean": lambda folder: run("spbl_clean", folder / "clean"),
    "spbl_clean again": lambda folder: run("spbl_clean", folder / "clean"),
    "error": lambda folder: hear_of_an_error(),
    "odd": lambda folder: refuse_a_batch(),
}


def main(folder: Path) -> None:
    """Do all tasks in turn; each process has a folder of its own for checkpoints, as on a machine of its own."""
    rank = training.accelerator_for(settings()).process_index
    for name, task in TASKS.items():
        np.savez(folder / f"{name}-{rank}.npz", processes=training.process_count(), **task(folder / f"of-{rank}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
