"""Picture files as one array of squares: scaled to fit, put into the upper left corner, decoded once.

A detector wants batches of one size, but photographs come in many. Letterboxing scales a picture until its longer side
fills the square, by one factor both ways, and leaves the rest of the square in the mean grey of ImageNet. A file is
opened when its picture is first asked for; the result is kept in an array on the disk that vanishes with the process,
so that no file is decoded twice and memory holds what the system finds room for.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from spbl_nb import checks, files

FILL = (124, 116, 104)  # the mean of ImageNet, rounded
SMALLEST, LARGEST = 32, 2048  # sides of the squares, pixels


class PictureFiles:
    """Pictures of files as an array uint8[N,3,size,size] that is filled as it is read.

    ``images[rows]``, with an index, a slice or int[n], returns an array. ``sizes`` int[N,2] are the heights and widths
    that the annotations tell: a file whose picture has another size is refused, for its boxes would be wrong, as is
    one that cannot be decoded. Where the disk has no room for all squares, pictures are decoded at each use.

    Raises FileNotFoundError and ValueError naming the file.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[str | os.PathLike], sizes: np.ndarray, size: int = 512) -> None:
        self.size = checks.integer("size", size, SMALLEST, LARGEST)
        self.paths = [Path(path) for path in paths]
        self.sizes = np.asarray(sizes)
        self.scale = self.size / self.sizes.max(axis=1)
        self.shape = (len(self.paths), 3, self.size, self.size)
        self._there = np.zeros(len(self), dtype=bool)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        index = np.atleast_1d(np.arange(len(self))[rows])
        if self._kept is None:
            pictures = self._decoded(index)
        else:
            missing = np.unique(index[~self._there[index]])
            if missing.size:
                self._kept[missing] = self._decoded(missing)
                self._there[missing] = True
            pictures = self._kept[index]
        return pictures[0] if isinstance(rows, (int, np.integer)) else pictures

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over the names of the files, their sizes in bytes and the side of the squares."""
        told = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in self.paths]
        return files.sha256_of("\n".join(told), str(self.size))

    @cached_property
    def _kept(self) -> np.ndarray | None:
        """The squares decoded so far, in a file without a name; None where the disk has not twice the room for all."""
        needed = int(np.prod(self.shape, dtype=np.int64))
        if shutil.disk_usage(tempfile.gettempdir()).free < 2 * needed:
            return None
        return np.memmap(tempfile.TemporaryFile(), dtype=np.uint8, mode="w+", shape=self.shape)

    def _decoded(self, index: np.ndarray) -> np.ndarray:
        """Decode several files at once; decoding and scaling let other threads work."""
        with ThreadPoolExecutor(min(len(index), os.cpu_count() or 1)) as pool:
            return np.stack(list(pool.map(self._square, index)))

    def _square(self, index: int) -> np.ndarray:
        """Return uint8[3,size,size], one picture in its square."""
        path, (height, width) = self.paths[index], self.sizes[index]
        fitted = held_size(height, width, self.size)
        try:
            with Image.open(path) as picture:
                found = picture.size
                if found == (width, height):
                    picture.draft("RGB", fitted[::-1])  # a JPEG that is to be much smaller is decoded smaller
                    scaled = picture.convert("RGB").resize(fitted[::-1], Image.Resampling.BILINEAR)
        except FileNotFoundError:
            raise FileNotFoundError(f"picture {path} was there when the data set was read and is gone") from None
        except Exception as error:  # Pillow raises errors of many kinds on broken files
            raise ValueError(f"picture {path} cannot be decoded ({error}); get the file anew or leave it out") from None
        if found != (width, height):
            raise ValueError(
                f"picture {path} has {found[0]} x {found[1]} pixels, but its annotation says {width} x {height}; its boxes "
                "would be wrong"
            )
        square = np.empty((self.size, self.size, 3), dtype=np.uint8)
        square[:] = FILL
        square[: fitted[0], : fitted[1]] = np.asarray(scaled)
        return square.transpose(2, 0, 1)


def held_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width, at least 1, of a picture scaled so that its longer side is ``size``."""
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
