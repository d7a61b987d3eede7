"""The device, the precision, the threads and the processes that a training runs with.

``accelerate launch`` and ``notebook_launcher`` start the same program once per GPU. Every process takes its share of each
batch; what must be the same for all is computed by the main process and handed to the others.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from threadpoolctl import threadpool_limits
from torch import distributed

from spbl_nb.config import Config

T = TypeVar("T")


def accelerator_for(config: Config) -> Accelerator:
    """Return an Accelerator with the device and precision of the configuration.

    Accelerate keeps these in one place per process; they are reset here, so that a notebook may train at one precision
    after another. Raises ValueError when the device is absent or cannot work at that precision.
    """
    available: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if config.device in available and not available[config.device]():
        raise ValueError(f"device is {config.device!r}, but torch finds none here; take 'cpu' or 'auto'")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        AcceleratorState._reset_state(reset_partial_state=True)
    precision = "no" if config.precision == "fp32" else config.precision
    accelerator = Accelerator(mixed_precision=precision, cpu=config.device == "cpu")
    if config.precision == "fp16" and accelerator.device.type != "cuda":
        raise ValueError(
            f"precision is 'fp16', which needs a CUDA device, but the device is {accelerator.device}; take 'bf16'"
        )
    return accelerator


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run the block with ``count`` threads in torch and in the BLAS under NumPy, and restore the numbers afterwards."""
    before = torch.get_num_threads()
    with threadpool_limits(count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def process_count() -> int:
    """Return how many processes work together; 1 until the first training has brought them together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def is_main_process() -> bool:
    """Whether this process is the one that reads and writes files."""
    return process_count() == 1 or distributed.get_rank() == 0


def broadcast_from_main(compute: Callable[[], T]) -> T:
    """Return what ``compute()`` gives in the main process, in all of them; an error there is raised in all of them.

    All processes must call this, and ``compute`` may wait for no other process.
    """
    if process_count() == 1:
        return compute()
    outcome: list = [None, None]
    if is_main_process():
        try:
            outcome = [compute(), None]
        except Exception as error:
            outcome = [None, error]
    distributed.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
