"""Moorea Labeled Corals on a small tree of its layout: patches around points, years, codes, borders, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from spbl_nb import data
from spbl_nb.data import read_corals
from spbl_nb.data.split import group_leaks

pytestmark = pytest.mark.usefixtures("own_cache")

CODES = ["CCA", "Turf", "macro", "Sand", "ACROP", "Pavon", "Monti", "Pocill", "Porit"]


def _photograph(path, size=(60, 40), **options):
    """An image whose red is the column and whose green is the row, so that a patch tells where it was cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.uint8)
    Image.fromarray(np.stack([columns, rows, np.zeros_like(rows)], axis=-1)).save(path, **options)
    return path


def _points(path, *lines, end="\r\n"):
    path.write_bytes(end.join(["# Row; Col; Label", *lines, ""]).encode())


@pytest.fixture
def root(tmp_path):
    for year in (2008, 2009, 2010):
        for number in range(2):
            path = _photograph(tmp_path / "corals" / str(year) / f"mcr_{number}_{year}.png")
            lines = [f"{10 + number}; {5 * at + 8}; {code}" for at, code in enumerate(CODES)]
            text = path.with_name(path.name + ".txt") if number else path.with_suffix(".txt")
            _points(text, *lines, "1; 2; Off", "3; 4; Mille", "", end="\n" if number else "\r\n")
    return tmp_path / "corals"


def test_years_classes_groups_patches_and_what_is_skipped(root):
    reef = data.load("mlc", root, size=8, patch=8)
    assert reef.class_names == tuple(read_corals.CLASSES.values())
    assert reef.counts().tolist() == [4] * 9
    assert np.bincount(reef.split).tolist() == [18, 0, 18]
    assert reef.groups.tolist() == np.repeat(range(4), 9).tolist()
    assert "36 patches of 4 photographs; skipped: 4 off, 4 mille" in reef.source
    assert set(group_leaks(reef, data.make_split(reef, 0.5)).values()) == {0}
    first = reef.images[reef.labels == 3][0]  # Sand at row 10, column 23 of the first photograph
    assert first[0, 0].tolist() == list(range(19, 27)), "columns"
    assert first[1, :, 0].tolist() == list(range(6, 14)), "rows"
    whole = data.load("mlc", root, size=8, patch=8, official=False)
    assert (len(whole), whole.split) == (54, None)
    later = data.load("mlc", root, size=8, patch=8, train_years=[2008, 2009], test_years=[2010])
    assert np.bincount(later.split).tolist() == [36, 0, 18]
    (root / "LabeledCorals_2008").mkdir()
    (root / "2008").rename(root / "LabeledCorals_2008" / "2008")
    assert data.load("mlc", root, size=8, patch=8).sha256 == reef.sha256


@pytest.mark.parametrize(
    ("row", "column", "patch", "box"),
    [
        (0, 0, 16, [0, 0, 16, 16]),
        (40, 60, 16, [44, 24, 60, 40]),
        (20, 30, 16, [22, 12, 38, 28]),
        (3, 58, 16, [44, 0, 60, 16]),
        (3, 58, 224, [20, 0, 60, 40]),
    ],
)
def test_patches_at_a_border_are_shifted_inside(tmp_path, row, column, patch, box):
    for year in (2008, 2009):
        path = _photograph(tmp_path / str(year) / "a.png")
        _points(path.with_name("a.png.txt"), f"{row}; {column}; Sand", "5; 5; Turf")
    listed = read_corals.mlc("mlc", tmp_path, patch=patch)
    assert listed.crops[0].tolist() == box
    assert listed.class_names == ("Turf", "Sand")


def test_a_photograph_that_a_camera_has_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for year in (2008, 2009):
        path = _photograph(tmp_path / str(year) / "a.jpg", exif=exif)
        _points(path.with_name("a.jpg.txt"), "59; 39; Sand", "5; 5; Turf")
    assert read_corals.mlc("mlc", tmp_path, patch=16).crops[0].tolist() == [24, 44, 40, 60]


@pytest.mark.parametrize("line", ["1; 2", "1; 2; ", "a; 2; Sand", "1.5; 2; Sand"])
def test_lines_that_are_no_points(root, line):
    _points(root / "2009" / "mcr_0_2009.txt", line)
    with pytest.raises(ValueError, match=r"2009/mcr_0_2009.txt, line 2: .* is no 'row; column; label'"):
        data.load("mlc", root)


def test_broken_photographs_and_points_are_named_or_skipped(root):
    (root / "2008" / "mcr_0_2008.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"mcr_0_2008.png cannot be read as an image .*on_broken='skip' .*DATA_OPT"):
        data.load("mlc", root, size=8)
    (root / "2009" / "mcr_0_2009.txt").unlink()
    _points(root / "2009" / "mcr_1_2009.png.txt", "41; 5; Sand", *(f"1; 2; {code}" for code in CODES))
    reef = data.load("mlc", root, size=8, on_broken="skip")
    assert len(reef) == 18
    assert "3 broken photographs or points skipped" in reef.source
    _photograph(root / "2008" / "mcr_0_2008.png")
    with pytest.raises(ValueError, match=r"has no mcr_0_2009.png.txt with labelled points"):
        data.load("mlc", root, size=8)
    _points(root / "2009" / "mcr_0_2009.txt", "1; 61; Sand")
    with pytest.raises(ValueError, match=r"the point \(1; 61\) is outside its photograph, 40 x 60"):
        data.load("mlc", root, size=8)


def test_options_that_are_refused(root):
    for options, message in (
        ({"patch": 4}, "patch is 4"),
        ({"train_years": ()}, "train_years is empty"),
        ({"test_years": 2008}, "the year 2008 is in train_years and in test_years"),
    ):
        with pytest.raises(ValueError, match=message):
            data.load("mlc", root, **options)
    with pytest.raises(FileNotFoundError, match=r"there is no folder 2011 with images(.|\n)*5006\.3"):
        data.load("mlc", root, test_years=2011)
    for path in root.glob("200*/*.txt"):
        _points(path, "1; 2; Off")
    with pytest.raises(ValueError, match="no point has a label of the nine classes"):
        data.load("mlc", root)
