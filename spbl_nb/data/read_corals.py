"""Moorea Labeled Corals: photographs of the reef with labelled points, from which patches are cut.

Each photograph has a text file of points, ``row; column; label``. A patch is a square around a point; near a border it
is shifted inside the photograph, so that it holds no invented pixels and its point is off its centre.

No file of the archive (package knb-lter-mcr.5006.3 of the Environmental Data Initiative; 671, 695 and 689 photographs of
2008, 2009 and 2010 with about 200 points each) was at hand when this was written: a folder per year with ``<file>`` and
``<file>.txt`` side by side is how others describe it. Which codes are the benchmark's nine classes (Beijbom et al.,
*Automated Annotation of Coral Reef Survey Images*, CVPR 2012), and training on 2008 and testing on 2009, is inferred.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from spbl_nb import checks
from spbl_nb.data import decode, layouts
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.data.layouts import Root, homes, images_below
from spbl_nb.data.read_photos import Listing, read_lines

CLASSES = {  # code in the annotations, in any case -> class; all other codes are skipped
    "cca": "CCA",
    "turf": "Turf",
    "macro": "Macroalgae",
    "sand": "Sand",
    "acrop": "Acropora",
    "pavon": "Pavona",
    "monti": "Montipora",
    "pocill": "Pocillopora",
    "porit": "Porites",
}
Box = tuple[int, int, int, int]
YEARS = (2008, 2009, 2010)
_ORIENTATION = 0x0112


def mlc(
    name: str,
    root: Root,
    official: bool = True,
    patch: int = 224,
    train_years: Sequence[int] = (2008,),
    test_years: Sequence[int] = (2009,),
    on_broken: str = "refuse",
) -> Listing:
    """List the patches of ``patch`` pixels around the labelled points; groups are the photographs.

    ``official`` True trains on the points of ``train_years`` and tests on those of ``test_years``; False takes all three
    years, without a split. Points whose code is none of :data:`CLASSES` (off the frame, rarer corals) are skipped and
    counted in ``source``. With ``on_broken="skip"`` so are photographs that cannot be read or have no points, and points
    outside their photograph; with ``"refuse"`` each is an error that names it.
    """
    patch = checks.integer("patch", patch, 8)
    wanted = dict.fromkeys(_years("train_years", train_years), TRAIN)
    for year in _years("test_years", test_years):
        if wanted.setdefault(year, TEST) == TRAIN:
            raise ValueError(f"the year {year} is in train_years and in test_years; a year trains or tests")
    if not official:
        wanted = dict.fromkeys(YEARS, TRAIN)
    points: list[tuple[Path, str, Box, int]] = []
    other, broken = Counter[str](), 0
    for year, split in wanted.items():
        home = None if root is None else _year_folder(Path(root).expanduser(), name, year)
        if home is None:
            raise layouts.absent(name, root, f"there is no folder {year} with images")
        for one in images_below(home):
            for point in _points(home / one, patch):
                if isinstance(point, str):
                    if on_broken == "refuse":
                        raise ValueError(f"{point}; repair it, or skip it with {decode.SKIPPING}")
                    broken += 1
                elif point[0] in CLASSES:
                    points.append((home / one, *point, split))
                else:
                    other[point[0]] += 1
    if not points:
        raise ValueError(f"no point has a label of the nine classes ({', '.join(CLASSES)})")
    paths, codes, boxes, splits = zip(*points, strict=True)
    present, labels = np.unique([list(CLASSES).index(code) for code in codes], return_inverse=True)
    numbers = {path: number for number, path in enumerate(dict.fromkeys(paths))}
    skipped = ", ".join(f"{number} {code}" for code, number in other.most_common(4))
    source = f"{len(paths)} patches of {len(numbers)} photographs"
    source += f"; skipped: {skipped}{', …' if len(other) > 4 else ''}" if skipped else ""
    source += f"; {broken} broken photographs or points skipped" if broken else ""
    return Listing(
        paths=list(paths),
        labels=labels,
        class_names=tuple(list(CLASSES.values())[index] for index in present),
        groups=np.array([numbers[path] for path in paths]),
        split=np.array(splits, dtype=np.int8) if official else None,
        crops=np.array(boxes, dtype=np.int64),
        source=source,
    )


def _years(name: str, values: Sequence[int]) -> list[int]:
    years = [checks.integer(name, value) for value in ([values] if isinstance(values, int) else values)]
    if not years:
        raise ValueError(f"{name} is empty; name at least one year")
    return years


def _year_folder(root: Path, name: str, year: int) -> Path | None:
    """Return the folder of a year: in the root, or inside the folder that an archive was unpacked to."""
    places = [place for home in homes(root, name) for place in (home / str(year), *sorted(home.glob(f"*/{year}")))]
    return next((place for place in places if place.is_dir() and images_below(place)), None)


def _points(path: Path, patch: int) -> Iterator[str | tuple[str, Box]]:
    """Yield of every labelled point of a photograph its code and the box around it, or what is broken in words."""
    texts = (path.with_name(path.name + ".txt"), path.with_suffix(".txt"))
    text = next((one for one in texts if one.is_file()), None)
    if text is None:
        yield f"{path} has no {path.name}.txt with labelled points beside it"
        return
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5  # the cache decodes images upright
            width, height = image.size[::-1] if turned else image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        yield f"{path} cannot be read as an image ({error})"
        return
    side = min(patch, width, height)
    for line_of, line in read_lines(text):
        place = f"{text.parent.name}/{line_of}"
        fields = [field.strip() for field in line.split(";")]
        if line.lstrip().startswith("#"):
            continue
        if len(fields) != 3 or not (fields[0].isdigit() and fields[1].isdigit() and fields[2]):
            raise ValueError(f"{place}: {line!r} is no 'row; column; label' with whole numbers")
        row, column, code = int(fields[0]), int(fields[1]), fields[2].casefold()
        if code in CLASSES and (row > height or column > width):
            yield f"{place}: the point ({row}; {column}) is outside its photograph, {height} x {width}"
            continue
        left, top = min(max(column - side // 2, 0), width - side), min(max(row - side // 2, 0), height - side)
        yield code, (left, top, left + side, top + side)
