"""What Dask's workers of this machine load first: Ctrl-C in a terminal is for the program that started them.

That program ends them itself; a worker that took the interrupt too would only add a traceback to what is said.
"""

import signal
from typing import Any


def dask_setup(_worker: Any) -> None:
    """Ignore interrupts; called by Dask in the worker's main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
