"""Small trees of image files in the layouts of the data sets, for the tests of their readers."""

from pathlib import Path

import numpy as np
from PIL import Image


def image(path: Path, seed: int = 0, size: tuple[int, int] = (10, 8)) -> Path:
    """Write a small image in one colour, which tells the seed; the suffix says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour(seed)).save(path)
    return path


def colour(seed: int) -> tuple[int, int, int]:
    """The colour of :func:`image`: no two of the first 200 seeds are alike."""
    return (seed * 37 % 256, 40 + seed % 200, 90)


def class_folders(root: Path, counts: dict[str, int], suffix: str = ".png", first: int = 0) -> list[Path]:
    """Write ``class/class_0.png``, … and return the paths in the order of classes and numbers."""
    names = [(name, number) for name, count in counts.items() for number in range(count)]
    return [image(root / name / f"{name}_{number:02}{suffix}", first + at) for at, (name, number) in enumerate(names)]


def seeds_of(images: np.ndarray) -> list[int]:
    """Return which seeds the decoded images have, by their colour; they come from lossless files."""
    known = {colour(seed): seed for seed in range(200)}
    return [known[tuple(int(value) for value in one[:, 0, 0])] for one in images]


def write_lines(path, *lines, end="\n"):
    """Write a text file with these lines, whatever ends them; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join([*lines, ""]).encode())
    return path
