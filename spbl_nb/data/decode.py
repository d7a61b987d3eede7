"""One image file to pixels: what is well defined is converted and noted, everything else is refused by name.

No image is ever replaced by something else in silence. This table is the whole rule; :data:`RULE` is its version, and a
change to it makes every cache again.

=====================================  ===============================================================================
found in the file                      what happens
=====================================  ===============================================================================
JPEG, PNG, GIF, BMP, TIFF, WebP, PPM   decoded; grey gets three equal channels; palettes and 1 bit are exact
extension of another format            decoded by its content; noted ``extension``
EXIF orientation                       turned and mirrored upright; noted ``orientation``
CMYK                                   Pillow's plain formula, without the embedded profile; noted ``cmyk``
16 bits a channel                      the upper 8 bits; noted ``16-bit``
transparency that shows                composed over white; noted ``transparency``
a crop that overhangs the image        the border pixels are repeated; noted ``overhang``
several images of a camera (MPO)       the first, which is the photograph
nothing there, or no permission        refused: ``missing``, ``unreadable``
no bytes                               refused: ``empty``
no such format (EPS and others too)    refused: ``not an image``
ends too early                         refused: ``truncated``
any other fault the decoder reports    refused: ``damaged``
several frames or pages                refused: ``animated``, because it is not known which one is meant
more than 89 million pixels            refused: ``too large`` (a decompression bomb, or a scan to be reduced first)
LAB, 32 bits, floating point           refused: ``colour space``, because the range of the values is not known
a crop beside the image                refused: ``crop``
=====================================  ===============================================================================

Colour profiles and gamma are not applied. Damage inside a JPEG that its decoder bridges in silence cannot be noticed. An
image is stretched to a square by Pillow's bilinear filter, which is antialiased and within two of 255 levels of
:func:`spbl_nb.data.dataset.resize`. A JPEG of at least four times the wanted side is first reduced by 2, 4 or 8 while it is
decoded, always to at least twice the side.
"""

import io
from pathlib import PurePath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

RULE = 1
SKIPPING = (  # how a message tells to skip images, for each way to ask for it
    "on_broken='skip' (a command: --data-options 'on_broken: skip'; the check: --skip-broken; notebook 08 by papermill: "
    '-p DATA_OPTIONS "on_broken: skip")'
)
NOTES = ("extension", "orientation", "cmyk", "16-bit", "transparency", "overhang")
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
IMAGE_SUFFIXES = tuple(sorted({suffix for suffixes in SUFFIXES.values() for suffix in suffixes}))
PIXEL_LIMIT = 89_478_485  # Pillow's own: an image that unpacks to a quarter of a gigabyte

_FORMATS = tuple(name for name in SUFFIXES if name != "MPO")  # which Pillow opens as a JPEG
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_ORIENTATION = 0x0112


class ImageError(ValueError):
    """An image that is refused: ``kind`` is one of the table's, ``what`` says it in words."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind, self.what = kind, what


def read_bytes(path: str) -> bytes:
    """Return the content of a file. Raises :class:`ImageError` ``missing``, ``unreadable`` or ``empty``."""
    try:
        with open(path, "rb") as handle:
            content = handle.read()
    except FileNotFoundError:
        raise ImageError("missing", "there is no such file") from None
    except OSError as error:
        raise ImageError("unreadable", error.strerror or str(error)) from None
    if not content:
        raise ImageError("empty", "the file has no bytes")
    return content


def decode(
    content: bytes, name: str, size: int, crops: np.ndarray | None = None
) -> list[tuple[np.ndarray, frozenset[str]] | ImageError]:
    """Decode a file's ``content`` once and return it at ``size`` pixels, whole or as each of its ``crops``.

    ``name`` gives the extension; ``crops`` int[K,4] holds boxes (left, top, right, bottom) in pixels of the upright
    image, right and bottom excluded. Returns K entries, one without crops: (uint8[3,size,size], notes), or the
    :class:`ImageError` of that crop. Raises :class:`ImageError` where the whole file is refused.
    """
    image, notes = upright(content, name, None if crops is not None else 2 * size)
    if crops is None:
        return [(_square(image, size), notes)]
    return [_crop(image, notes, size, *(int(side) for side in box)) for box in crops]


def upright(
    content: bytes, name: str, least: int | None = None, *, turn: bool = True
) -> tuple[Image.Image, frozenset[str]]:
    """Return an image file's content as an upright RGB image, and what was converted (of :data:`NOTES`).

    With ``least`` a JPEG may come reduced by 2, 4 or 8, as long as no side falls below it. Without ``turn`` it stays as it
    is stored, whatever its orientation says. Raises :class:`ImageError`.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        if image.width * image.height > PIXEL_LIMIT:
            raise ImageError("too large", _too_large(f"{image.width} x {image.height} pixels"))
        return _upright(image, name, least, turn)
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageError("too large", _too_large("far more")) from None
    except UnidentifiedImageError:
        if content.startswith(_MAGIC):
            raise ImageError("truncated", "it begins like an image, but its header is not whole") from None
        raise ImageError("not an image", f"none of {', '.join(SUFFIXES)}") from None
    except (OSError, EOFError) as error:
        early = ("truncated", "Truncated", "broken data stream", "decoder error -2", "-2 ")
        kind = "truncated" if any(word in str(error) for word in early) or isinstance(error, EOFError) else "damaged"
        raise ImageError(kind, str(error) or "it ends too early") from None
    except Exception as error:  # Pillow's plugins let many types through where a file is damaged
        raise ImageError("damaged", f"{type(error).__name__}: {error}") from None


def _too_large(found: str) -> str:
    return f"{found}; allowed: {PIXEL_LIMIT} pixels, reduce it first"


def _upright(image: Image.Image, name: str, least: int | None, turn: bool) -> tuple[Image.Image, frozenset[str]]:
    notes = set()
    form = image.format or ""
    if PurePath(name).suffix.lower() not in SUFFIXES[form]:
        notes.add("extension")
    frames = getattr(image, "n_frames", 1)
    if form != "MPO" and frames > 1:
        raise ImageError("animated", f"{frames} frames or pages; which one is meant is not known")
    if turn and image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        notes.add("orientation")
    if form == "PNG" and any("16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        notes.add("16-bit")
    if least is not None and form in ("JPEG", "MPO"):
        image.draft(image.mode, (least, least))
    image.load()
    if "orientation" in notes:
        image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and form in ("PNG", "PPM")):
        notes.add("16-bit")
        if "transparency" in image.info:
            raise ImageError("colour space", "16-bit grey with a transparent value")
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            notes.add("transparency")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif mode == "CMYK":
        notes.add("cmyk")
    elif mode not in ("RGB", "L", "P", "1", "YCbCr"):
        raise ImageError("colour space", f"mode {mode}; convert the file to 8-bit RGB or grey first")
    return image.convert("RGB"), frozenset(notes)


def _square(image: Image.Image, size: int) -> np.ndarray:
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _crop(
    image: Image.Image, notes: frozenset[str], size: int, left: int, top: int, right: int, bottom: int
) -> tuple[np.ndarray, frozenset[str]] | ImageError:
    """Cut a box out of an image; where it overhangs, the border pixels are repeated."""
    width, height = image.size
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return ImageError("crop", f"({left}, {top}, {right}, {bottom}) is beside the image of {width} x {height}")
    if (right - left) * (bottom - top) > PIXEL_LIMIT:
        return ImageError("crop", f"({left}, {top}, {right}, {bottom}) has more than {PIXEL_LIMIT} pixels")
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return _square(image.crop((left, top, right, bottom)), size), notes
    rows = np.arange(top, bottom).clip(0, height - 1)
    columns = np.arange(left, right).clip(0, width - 1)
    part = Image.fromarray(np.asarray(image)[rows[:, None], columns])
    return _square(part, size), notes | {"overhang"}
