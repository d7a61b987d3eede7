"""Every kind of image file: converted as the table says, or refused by its name; never replaced in silence."""

import io

import numpy as np
import pytest
from image_makers import bomb, encoded, smooth
from PIL import Image, ImageOps

from spbl_nb.data import dataset
from spbl_nb.data import decode as rule
from spbl_nb.data.decode import NOTES, ImageError, decode

SIZE = 16
PIXELS = smooth()
BIG = smooth(400, 300)


def _one(content: bytes, name: str = "x.png", size: int = SIZE):
    return decode(content, name, size)[0]


def _expected(pixels: np.ndarray, size: int = SIZE) -> np.ndarray:
    return dataset.resize(np.ascontiguousarray(pixels.transpose(2, 0, 1))[None], size)[0].astype(int)


@pytest.mark.parametrize(
    ("form", "name"),
    [("PNG", "x.png"), ("BMP", "x.bmp"), ("TIFF", "x.TIF"), ("PPM", "x.ppm"), ("WEBP", "x.webp"), ("JPEG", "x.jpeg")],
)
def test_every_format_gives_its_pixels(form, name):
    options = {"quality": 95} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    pixels, notes = _one(encoded(PIXELS, form, **options), name)
    assert pixels.shape == (3, SIZE, SIZE)
    assert pixels.dtype == np.uint8
    assert notes == frozenset()
    assert np.abs(pixels - _expected(PIXELS)).max() <= (8 if form == "JPEG" else 2)


@pytest.mark.parametrize("size", [7, 16, 40, 77])
def test_the_filter_is_that_of_images_resize(size):
    noise = np.random.default_rng(0).integers(0, 256, (41, 53, 3), dtype=np.uint8)
    assert np.abs(_one(encoded(noise), size=size)[0] - _expected(noise, size)).max() <= 2


def test_a_reduced_jpeg_stays_near_the_whole_one():
    content = encoded(BIG, "JPEG", quality=90)
    whole = np.asarray(Image.open(io.BytesIO(content)))
    reduced, _ = rule.upright(content, "x.jpg", 2 * SIZE)
    assert reduced.size == (50, 38)  # an eighth, and no less than twice the side
    difference = np.abs(_one(content, "x.jpg")[0] - _expected(whole))
    assert difference.max() <= 4
    assert difference.mean() <= 1


def test_grey_palette_and_one_bit_are_exact():
    grey = Image.fromarray(PIXELS).convert("L")
    for image in (grey, Image.fromarray(PIXELS).quantize(64), grey.convert("1")):
        pixels, notes = _one(encoded(image), size=48)
        wanted = np.asarray(image.convert("RGB").resize((48, 48), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(pixels.transpose(1, 2, 0), wanted)
        assert notes == frozenset()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(PIXELS, "PNG", exif=exif)
    image, notes = rule.upright(content, "x.png")
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(wanted))
    assert ("orientation" in notes) == (orientation > 1)
    assert image.size == ((48, 40) if orientation < 5 else (40, 48))


def test_transparency_is_composed_over_white():
    alpha = np.zeros((40, 48), np.uint8)
    alpha[:, 24:] = 255
    rgba = Image.fromarray(np.dstack([PIXELS, alpha]))
    paletted = Image.fromarray(PIXELS).quantize(16)
    paletted.info["transparency"] = int(np.asarray(paletted)[0, 0])
    for image in (rgba, rgba.convert("LA")):
        whole, notes = rule.upright(encoded(image), "x.png")
        assert notes == {"transparency"}
        assert (np.asarray(whole)[:, :24] == 255).all()
        np.testing.assert_array_equal(np.asarray(whole)[:, 24:], np.asarray(image.convert("RGB"))[:, 24:])
    whole, notes = rule.upright(encoded(paletted, transparency=paletted.info["transparency"]), "x.png")
    assert notes == {"transparency"}
    hidden = np.asarray(paletted) == paletted.info["transparency"]
    assert (np.asarray(whole)[hidden] == 255).all()
    np.testing.assert_array_equal(np.asarray(whole)[~hidden], np.asarray(paletted.convert("RGB"))[~hidden])
    opaque, notes = rule.upright(encoded(Image.fromarray(PIXELS).convert("RGBA")), "x.png")
    assert notes == frozenset()
    np.testing.assert_array_equal(np.asarray(opaque), PIXELS)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_the_upper_eight(form):
    grey = (np.arange(40 * 48).reshape(40, 48) * 34).astype(np.uint16)
    image, notes = rule.upright(encoded(Image.fromarray(grey), form), f"x.{form.lower()}")
    assert notes == {"16-bit"}
    np.testing.assert_array_equal(np.asarray(image)[..., 1], grey >> 8)


def test_cmyk_is_converted_and_said():
    pixels, notes = _one(encoded(Image.fromarray(PIXELS).convert("CMYK"), "JPEG", quality=95), "x.jpg")
    assert notes == {"cmyk"}
    assert np.abs(pixels - _expected(PIXELS)).mean() < 3


def test_the_content_decides_over_the_extension():
    pixels, notes = _one(encoded(PIXELS), "x.jpg")
    assert notes == {"extension"}
    assert np.abs(pixels - _expected(PIXELS)).max() <= 2


def _frames(form, **options):
    second = Image.fromarray(255 - PIXELS)
    return encoded(Image.fromarray(PIXELS), form, save_all=True, append_images=[second], **options)


REFUSED = {
    "no bytes are no image": (b"", "x.png", "not an image"),
    "text": (b"<html>404 not found</html>", "x.jpg", "not an image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "x.eps", "not an image"),
    "half a png": (encoded(BIG)[: len(encoded(BIG)) // 2], "x.png", "truncated"),
    "half a jpeg": (encoded(BIG, "JPEG")[: len(encoded(BIG, "JPEG")) // 2], "x.jpg", "truncated"),
    "head of a jpeg": (encoded(BIG, "JPEG")[:12], "x.jpg", "truncated"),
    "half a gif": (encoded(BIG, "GIF")[:3000], "x.gif", "truncated"),
    "half a bmp": (encoded(BIG, "BMP")[:3000], "x.bmp", "truncated"),
    "animated gif": (_frames("GIF"), "x.gif", "animated"),
    "animated png": (_frames("PNG"), "x.png", "animated"),
    "animated webp": (_frames("WEBP"), "x.webp", "animated"),
    "two pages": (_frames("TIFF"), "x.tif", "animated"),
    "bomb": (bomb(), "x.png", "too large"),
    "floats": (encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF"), "x.tif", "colour space"),
    "32 bits": (encoded(Image.fromarray(PIXELS[..., 0].astype(np.int32)), "TIFF"), "x.tif", "colour space"),
    "lab": (encoded(Image.fromarray(PIXELS).convert("LAB"), "TIFF"), "x.tif", "colour space"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_broken_is_named(case):
    content, name, kind = REFUSED[case]
    with pytest.raises(ImageError) as caught:
        _one(content, name)
    assert caught.value.kind == kind
    assert caught.value.what


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "TIFF"])
def test_a_file_cut_anywhere_is_refused_or_whole(form):
    """Whatever is cut off: a known kind, or, where only what follows the pixels is gone, the very same pixels."""
    content = encoded(PIXELS, form)
    whole = _one(content, "x")[0]
    kinds = set()
    for length in range(0, len(content), max(1, len(content) // 30)):
        try:
            np.testing.assert_array_equal(_one(content[:length], "x")[0], whole, err_msg=str(length))
        except ImageError as error:
            kinds.add(error.kind)
    assert "truncated" in kinds
    assert kinds <= {"truncated", "damaged", "not an image"}


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    for name, kind in (("none.png", "missing"), ("empty.png", "empty"), (".", "unreadable")):
        with pytest.raises(ImageError) as caught:
            rule.read_bytes(str(tmp_path / name))
        assert caught.value.kind == kind


def test_crops_are_cut_from_one_decoding():
    boxes = np.array([[0, 0, 48, 40], [8, 4, 24, 20], [-5, 30, 11, 46], [48, 0, 60, 9], [0, 0, 10**6, 10**6]])
    whole, inside, over, beside, endless = decode(encoded(PIXELS), "x.png", SIZE, boxes)
    np.testing.assert_array_equal(whole[0], _one(encoded(PIXELS))[0])
    np.testing.assert_array_equal(inside[0], PIXELS[4:20, 8:24].transpose(2, 0, 1))
    assert inside[1] == frozenset()
    rows, columns = np.arange(30, 46).clip(0, 39), np.arange(-5, 11).clip(0, 47)
    np.testing.assert_array_equal(over[0], PIXELS[rows[:, None], columns].transpose(2, 0, 1))
    assert over[1] == {"overhang"}
    assert isinstance(beside, ImageError)
    assert (beside.kind, endless.kind) == ("crop", "crop")


def test_the_table_names_every_note_and_kind():
    for word in (*NOTES, *(kind for _, _, kind in REFUSED.values()), "missing", "unreadable", "empty", "crop"):
        assert f"``{word}``" in rule.__doc__, word
