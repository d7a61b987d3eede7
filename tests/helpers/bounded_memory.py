"""Train from a file of images that is larger than the private memory granted; a test and a benchmark run this as a process.

Usage: ``python bounded_memory.py FOLDER [copy]``. Prints the file's size, the limit, what the process took beyond its
imports (private memory, all in MB) and the steps. The file is sparse: it takes no room on the disk.
"""

import re
import resource
import sys
import threading
from pathlib import Path

import numpy as np

from spbl_nb import training
from spbl_nb.config import preset
from spbl_nb.data.dataset import ImageData
from spbl_nb.data.split import make_split
from spbl_nb.training.models import build

IMAGES, SIZE, LIMIT, MB = 40_000, 96, 600, 1e6


def private_memory() -> float:
    """Return the process's memory that belongs to no file, MB."""
    return float(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024 / MB


def main(folder: str, copy: bool) -> None:
    """Reduce, split, hash, train and predict; with ``copy`` the images are first read whole."""
    path = Path(folder) / "images.u8"
    images = np.memmap(path, np.uint8, "w+", shape=(IMAGES, 3, SIZE, SIZE))
    images[::2000] = np.arange(20, dtype=np.uint8)[:, None, None, None]  # not all of it is nothing
    images.flush()
    del images
    mapped = np.memmap(path, np.uint8, "r", shape=(IMAGES, 3, SIZE, SIZE))
    data = ImageData("sparse", mapped, np.arange(IMAGES) % 5, tuple("abcde"), mirror=True)
    start = private_memory()
    used = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    limit = used + LIMIT * 10**6
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    if copy:
        np.array(data.images)
    peak, done = [start], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], private_memory())

    threading.Thread(target=watch, daemon=True).start()
    part = data.take(np.arange(0, IMAGES, 2))
    split = make_split(part)
    config = preset("smoke", epochs=12, max_steps=12, batch_size=32, crop=True, padding=16)
    model = build("small_cnn", 5, 64)
    fitted = training.fit(model, part, split.train, config, validation=split.validation[:600])
    training.predict(model, part, split.test[:600], config)
    done.set()
    print(path.stat().st_size / MB, LIMIT, peak[0] - start, fitted.steps)


if __name__ == "__main__":
    main(sys.argv[1], "copy" in sys.argv[2:])
