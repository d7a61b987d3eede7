"""Image files of every kind, made on the spot: good ones, ones to be converted, and broken ones."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def smooth(width: int = 48, height: int = 40, seed: int = 0) -> np.ndarray:
    """Return a smooth colour image uint8[H,W,3] whose four corners differ."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    wave = np.sin(3 * x + rng.random()) + np.cos(2 * y + rng.random())
    channels = [200 * x + 20, 200 * y + 20, 110 + 50 * wave]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    """Return pixels uint8[H,W,3] (or a Pillow image) as the bytes of a file."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """Return a small PNG that unpacks to 20000 x 20000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def folder_of(root: Path, number: int, form: str = "PNG", classes: int = 2) -> list[Path]:
    """Write ``number`` different images below ``root``, in folders ``class_0`` …; return their paths."""
    paths = []
    for index in range(number):
        folder = root / f"class_{index % classes}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{index:04d}.{'jpg' if form == 'JPEG' else form.lower()}"
        path.write_bytes(encoded(smooth(seed=index), form))
        paths.append(path)
    return paths
