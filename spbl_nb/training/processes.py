"""Several processes that work as one: how many there are, and how they agree.

``accelerate launch`` and ``notebook_launcher`` start the same program once per GPU. Training shares every batch among
them; what must be the same for all, such as a checkpoint that one of them wrote, or which samples are selected next, is
found out by the first process and handed to the others. Alone, a process does everything itself.
"""

from collections.abc import Callable
from typing import TypeVar

from torch import distributed

T = TypeVar("T")


def count() -> int:
    """Return how many processes work together; 1 until the first training has brought them together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that reads and writes files."""
    return count() == 1 or distributed.get_rank() == 0


def from_first(compute: Callable[[], T]) -> T:
    """Return what ``compute()`` gives in the first process, in all of them; an error there is raised in all of them.

    All processes must come by here, and ``compute`` may wait for no other process.
    """
    if count() == 1:
        return compute()
    outcome: list = [None, None]
    if is_first():
        try:
            outcome = [compute(), None]
        except Exception as error:
            outcome = [None, error]
    distributed.broadcast_object_list(outcome, src=0)
    value, failure = outcome
    if failure is not None:
        raise failure
    return value
