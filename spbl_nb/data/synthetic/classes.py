"""The classes of synthetic lesions: what a typical image of each looks like, and how hard each is to recognise.

A class is a point in a space of looks: amounts of pigment, outline, texture, relief. The first twelve classes are
designed by hand, the others combine a colour, a texture and a shape. Classes come in pairs of *siblings* that share most
of their look (0 and 1, 2 and 3, …). Names describe what is seen; they are no names of diseases.
"""

import csv
import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from spbl_nb import checks


def _trait(default: float, spread: float, low: float, high: float, meaning: str) -> Any:
    """Return a field of a look: its default, its spread inside a class, its bounds and its meaning."""
    return dataclasses.field(default=default, metadata={"spread": spread, "range": (low, high), "meaning": meaning})


@dataclass(frozen=True)
class LesionClass:
    """The typical look of one class. Lengths are in half image sides, amounts of pigment in optical density."""

    name: str
    # outline
    radius: float = _trait(0.52, 0.09, 0.2, 0.85, "radius of a circle of the same area")
    elongation: float = _trait(1.15, 0.12, 1.0, 2.2, "long axis over short axis")
    waviness: float = _trait(0.12, 0.05, 0.0, 0.6, "slow deviations of the outline from an ellipse")
    raggedness: float = _trait(0.05, 0.03, 0.0, 0.5, "fine notches of the outline")
    softness: float = _trait(0.07, 0.02, 0.02, 0.4, "width of the transition from lesion to skin")
    scatter: float = _trait(0.0, 0.04, 0.0, 1.0, "breaking up into separate spots")
    # pigments, over the skin's own
    melanin: float = _trait(0.3, 0.12, -0.6, 3.5, "brown pigment (negative: paler than the skin)")
    blood: float = _trait(0.15, 0.1, -0.4, 2.5, "red pigment")
    deep: float = _trait(0.0, 0.05, 0.0, 2.5, "pigment deep in the skin, which looks blue-grey")
    yellow: float = _trait(0.0, 0.05, 0.0, 2.0, "yellow of wax and crusts")
    lopsided: float = _trait(0.0, 0.12, -0.9, 0.9, "change of pigment from one side to the other")
    rim: float = _trait(0.0, 0.1, -1.0, 1.0, "pigment gathers at the border (positive) or in the centre (negative)")
    # patches of other colour
    patch_melanin: float = _trait(0.0, 0.1, -2.0, 2.5, "patches: brown")
    patch_blood: float = _trait(0.0, 0.08, -1.0, 2.0, "patches: red")
    patch_deep: float = _trait(0.0, 0.05, 0.0, 2.0, "patches: blue-grey")
    patch_white: float = _trait(0.0, 0.04, 0.0, 0.9, "patches: whitish, opacity")
    # texture
    grain: float = _trait(1.0, 0.12, 0.5, 1.8, "fineness of the texture: number of elements across")
    globules: float = _trait(0.0, 0.06, 0.0, 3.0, "brown globules")
    lacunae: float = _trait(0.0, 0.05, 0.0, 3.0, "blood-red lobes")
    pearls: float = _trait(0.0, 0.03, 0.0, 0.9, "whitish pearls, opacity")
    network: float = _trait(0.0, 0.05, 0.0, 2.5, "brown net")
    streaks: float = _trait(0.0, 0.04, 0.0, 1.5, "dark streaks that leave the border radially")
    scales: float = _trait(0.0, 0.04, 0.0, 1.0, "whitish scales, opacity")
    vessels: float = _trait(0.0, 0.06, 0.0, 2.0, "fine red vessels")
    ulcer: float = _trait(0.0, 0.03, 0.0, 1.0, "raw centre under a crust")
    # surroundings and relief
    halo: float = _trait(0.0, 0.08, -1.0, 1.2, "ring around the lesion: reddened (positive) or pale (negative)")
    dome: float = _trait(0.15, 0.08, 0.0, 1.0, "height of the relief, seen by its shading")
    shine: float = _trait(0.1, 0.06, 0.0, 1.0, "brightness of the reflection")


TRAITS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(LesionClass) if field.name != "name")

_DESIGNED = (
    LesionClass("brown globular", melanin=1.05, globules=1.7, grain=1.15, waviness=0.08, softness=0.06, radius=0.56),
    LesionClass("brown netted", melanin=0.5, network=1.2, softness=0.18, radius=0.62, dome=0.0, shine=0.03),
    LesionClass(
        "black patchwork",
        melanin=1.9,
        patch_melanin=-0.9,
        patch_deep=0.9,
        patch_white=0.08,
        waviness=0.26,
        raggedness=0.14,
        lopsided=0.35,
        radius=0.58,
        elongation=1.35,
    ),
    LesionClass("black streaked", melanin=1.9, streaks=1.0, rim=0.1, radius=0.46, waviness=0.05, globules=0.4),
    LesionClass(
        "red scaly ring",
        melanin=0.1,
        blood=0.95,
        rim=0.95,
        scales=0.35,
        radius=0.62,
        softness=0.12,
        dome=0.05,
        shine=0.02,
    ),
    LesionClass(
        "red scaly plaque",
        melanin=0.15,
        blood=0.9,
        scales=0.85,
        radius=0.6,
        raggedness=0.12,
        waviness=0.2,
        dome=0.2,
        shine=0.02,
        halo=0.15,
    ),
    LesionClass(
        "pink pearly veined",
        melanin=-0.1,
        blood=0.4,
        vessels=1.1,
        pearls=0.15,
        dome=0.75,
        shine=0.7,
        radius=0.46,
        waviness=0.06,
    ),
    LesionClass(
        "pink eroded",
        melanin=0.0,
        blood=0.5,
        ulcer=0.95,
        dome=0.5,
        shine=0.25,
        radius=0.58,
        yellow=0.15,
        raggedness=0.1,
        halo=0.3,
    ),
    LesionClass(
        "violet lobed",
        melanin=0.15,
        blood=1.1,
        deep=0.35,
        lacunae=1.5,
        grain=0.75,
        radius=0.44,
        softness=0.04,
        dome=0.4,
        shine=0.3,
    ),
    LesionClass(
        "blue smooth dome",
        melanin=0.2,
        deep=1.5,
        radius=0.42,
        waviness=0.04,
        raggedness=0.02,
        dome=0.55,
        shine=0.5,
        softness=0.06,
    ),
    LesionClass(
        "tan waxy pearled",
        melanin=0.55,
        yellow=0.75,
        pearls=0.6,
        grain=1.1,
        softness=0.03,
        raggedness=0.06,
        dome=0.35,
        shine=0.15,
        radius=0.54,
    ),
    LesionClass(
        "tan speckled cluster",
        melanin=0.8,
        yellow=0.5,
        scatter=0.97,
        raggedness=0.1,
        waviness=0.15,
        softness=0.05,
        dome=0.0,
        shine=0.02,
        radius=0.78,
    ),
)

_COLOURS: dict[str, dict[str, float]] = {
    "brown": {"melanin": 0.9, "blood": 0.1},
    "tan": {"melanin": 0.4, "yellow": 0.35},
    "black": {"melanin": 2.1},
    "red": {"melanin": 0.1, "blood": 1.0},
    "pink": {"melanin": -0.1, "blood": 0.45},
    "violet": {"melanin": 0.2, "blood": 0.9, "deep": 0.6},
    "blue": {"melanin": 0.3, "deep": 1.4},
    "yellow": {"melanin": 0.05, "yellow": 1.1},
    "pale": {"melanin": -0.4, "blood": -0.25, "patch_white": 0.3},
}
_TEXTURES: dict[str, dict[str, float]] = {
    "smooth": {"shine": 0.35},
    "globular": {"globules": 1.4, "grain": 0.9},
    "netted": {"network": 1.3, "shine": 0.03},
    "lobed": {"lacunae": 1.5, "grain": 0.75},
    "pearled": {"pearls": 0.75},
    "scaly": {"scales": 0.8, "shine": 0.02},
    "veined": {"vessels": 1.1},
    "patched": {"patch_melanin": 0.8, "patch_deep": 0.5},
}
_SHAPES: dict[str, dict[str, float]] = {
    "round": {"radius": 0.48, "elongation": 1.0, "waviness": 0.04, "softness": 0.04, "dome": 0.2},
    "oval": {"radius": 0.5, "elongation": 1.75, "waviness": 0.06},
    "ragged": {"radius": 0.58, "waviness": 0.3, "raggedness": 0.2},
    "ring": {"radius": 0.62, "rim": 0.95, "softness": 0.1},
    "dome": {"radius": 0.42, "waviness": 0.04, "dome": 0.8, "shine": 0.5},
    "star": {"radius": 0.44, "streaks": 0.9},
    "cluster": {"radius": 0.76, "scatter": 0.95, "raggedness": 0.1},
    "crater": {"radius": 0.5, "ulcer": 0.85, "dome": 0.4},
}

_STEP = 241  # shares no factor with the number of combinations, so that stepping by it visits all of them, well mixed


def class_prototypes(num_classes: int = 12) -> tuple[LesionClass, ...]:
    """Return the typical looks of ``num_classes`` classes, 2 to ``MAX_CLASSES``.

    The first classes of a larger set are the classes of a smaller one, and they do not depend on any seed: a name
    means the same look in every data set.
    """
    return _catalogue()[: checks.integer("num_classes", num_classes, 2, MAX_CLASSES)]


def sibling(index: int, num_classes: int) -> int:
    """Return the class that class ``index`` is confused with: 0 and 1, 2 and 3, … are siblings of each other.

    With an odd number of classes the last one leans on the one before it.
    """
    partner = index ^ 1
    return partner if partner < num_classes else index - 1


def default_difficulty(num_classes: int = 12) -> np.ndarray:
    """Return float64[C], difficulties evenly spread over [0, 1] and, in rank, all but uncorrelated with the class index.

    With counts that fall with the index, rarity and difficulty are thereby independent. The order is that of the multiples
    of the golden ratio modulo 1; only below ten classes a correlation of up to 0.8 (four classes) remains.
    """
    num_classes = checks.integer("num_classes", num_classes, 2, MAX_CLASSES)
    golden = (5**0.5 - 1) / 2
    start = 0.12  # the start with the smallest correlation at ten, twelve and twenty classes
    position = (start + np.arange(num_classes) * golden) % 1
    rank = np.argsort(np.argsort(position))
    return 1.0 - rank / (num_classes - 1)


def sd198_sizes() -> dict[str, int]:
    """Return how many photographs SD-198 has of each of its 198 classes, largest first.

    SD-198 itself (Sun, Yang, Sun, Wang 2016) comes from its owners by request; of it, only these numbers are here. Class c
    of ``lesions198`` shares the *size* of the c-th class and nothing else.
    """
    with resources.files(__package__).joinpath("sd198_sizes.csv").open(encoding="utf-8") as handle:
        return {row["class"]: int(row["images"]) for row in csv.DictReader(handle)}


@lru_cache(maxsize=1)
def _catalogue() -> tuple[LesionClass, ...]:
    """Return the designed classes followed by combinations of colour, texture and shape, two siblings at a time."""
    combinations = [(c, t, s) for c in _COLOURS for t in _TEXTURES for s in _SHAPES]
    mixed = [combinations[k * _STEP % len(combinations)] for k in range(len(combinations))]
    taken = {tuple(prototype.name.split()) for prototype in _DESIGNED}
    unused = [combination for combination in mixed if combination not in taken]
    classes = list(_DESIGNED)
    while unused:
        first = unused.pop(0)
        second = next((other for other in unused if _shared(first, other) == 2), None)
        if second is None:
            break
        unused.remove(second)
        classes += [_combine(first), _combine(second)]
    return tuple(classes)


def _shared(first: tuple[str, str, str], second: tuple[str, str, str]) -> int:
    return sum(a == b for a, b in zip(first, second, strict=True))


def _combine(words: tuple[str, str, str]) -> LesionClass:
    colour, texture, shape = words
    return LesionClass(" ".join(words), **{**_COLOURS[colour], **_TEXTURES[texture], **_SHAPES[shape]})


MAX_CLASSES: int = len(_catalogue())
