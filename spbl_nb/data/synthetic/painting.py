"""Paint synthetic skin lesions: from the numbers that describe a lesion and a photograph of it to pixels.

Everything is a smooth function of the place in the image, so that the same lesion can be painted at any size. Skin
and lesion are layers of pigment: their optical densities add up, and the image is the light they leave over
(Beer-Lambert). All irregularity comes from *wave fields*, sums of a few plane waves of random direction and phase, which
on a pixel grid is a small matrix product. Images are painted in blocks that fit the processor's cache.

Lengths are in half image sides: an image reaches from -1 to 1 both ways. Inside a block every number that describes
an image has shape [B,1,1] and spreads over the points [B,S,S].
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Table = dict[str, np.ndarray]

WAVES = 12  # plane waves summed in a field
FIELDS: dict[str, float] = {  # field: angular frequency, radians per half image side
    "outline": 3.6,
    "patches": 5.5,
    "mottle": 6.0,
    "notches": 11.0,
    "vessels": 12.0,
    "globules": 20.0,
    "network": 22.0,
    "scales": 30.0,
    "pores": 75.0,
}
_GRAINED = ("globules", "network", "scales")  # fields whose fineness is a trait of the lesion
HAIRS = 5  # most hairs over one lesion

# Numbers that belong to the person, not to the class: name -> (lowest, highest) of a uniform draw.
SKIN_RANGES: dict[str, tuple[float, float]] = {
    "tone": (0.0, 1.0),
    "flush": (0.08, 0.36),
    "sallow": (0.0, 0.15),
    "mottle": (0.02, 0.12),
    "pores": (0.0, 0.07),
    "hairiness": (0.0, 1.0),
}
# Numbers that belong to the single photograph.
VIEW_RANGES: dict[str, tuple[float, float]] = {
    "angle": (0.0, 2 * np.pi),
    "zoom": (0.88, 1.12),
    "shift_x": (-0.13, 0.13),
    "shift_y": (-0.13, 0.13),
    "exposure": (0.86, 1.08),
    "warmth": (-0.05, 0.05),
    "light_angle": (0.0, 2 * np.pi),
    "light_slope": (0.0, 0.14),
    "vignette": (0.0, 0.16),
    "defocus": (0.0, 1.0),
    "grain_x": (0.0, 1.0),
    "grain_y": (0.0, 1.0),
    "extra": (0.0, 1.0),
    "extra_x": (-0.8, 0.8),
    "extra_y": (-0.8, 0.8),
}

# Optical density of one unit of melanin, blood, deep pigment and yellow, in red, green and blue.
_DENSITY = np.array([[0.37, 0.15, 0.82, 0.06], [0.55, 0.74, 0.50, 0.16], [0.71, 0.66, 0.22, 0.78]], dtype=np.float32)
_MELANIN, _BLOOD, _DEEP, _YELLOW = range(4)
_TISSUE = np.array([0.97, 0.88, 0.82], dtype=np.float32)[:, None, None]  # reflection without any pigment
_KERATIN = np.array([0.93, 0.90, 0.85], dtype=np.float32)[:, None, None]  # reflection of scales and pearls
_BLOCK_POINTS = 1 << 16  # points painted at once: one float32 plane of 256 KiB
_STRIP = 32  # rows of points summed at once
_SUPERSAMPLED_BELOW = 96  # pixels; smaller images are averaged from 2 x 2 points a pixel


def uniform(key: tuple[int, ...], rows: int, columns: int) -> np.ndarray:
    """Return float32[rows, columns] in [0, 1) from the random stream named by ``key``.

    They are made from a generator's raw bits, the part of NumPy's random numbers that is the same in all versions. More
    rows of a stream begin with the fewer.
    """
    raw = np.random.PCG64(np.random.SeedSequence(key)).random_raw(rows * columns).reshape(rows, columns)
    return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


_GRAIN = 3.9 * (uniform((0,), 257, 257) + uniform((1,), 257, 257) - 1)  # sensor noise, in grey levels


@dataclass(frozen=True)
class Scenes:
    """All numbers that describe N images; every array has one row an image.

    ``look`` maps each trait of :class:`spbl_nb.data.synthetic.classes.LesionClass` to float32[N]; ``skin`` and ``view`` map the
    names of ``SKIN_RANGES`` and ``VIEW_RANGES`` likewise; ``waves`` float32[N,F,WAVES,2] and ``hairs``
    float32[N,HAIRS,4] are uniform in [0, 1).
    """

    look: Table
    skin: Table
    view: Table
    waves: np.ndarray
    hairs: np.ndarray

    def __len__(self) -> int:
        return len(self.waves)

    def block(self, rows: slice) -> "Scenes":
        """Return some of the images, their numbers shaped [B,1,1]."""
        look, skin, view = (
            {name: values[rows, None, None] for name, values in table.items()}
            for table in (self.look, self.skin, self.view)
        )
        return Scenes(look, skin, view, self.waves[rows], self.hairs[rows])


class _Place:
    """Where the points of a block lie: in the image (``x``, ``y``), from the lesion's centre in the image (``dx``,
    ``dy``), and on the lesion, turned and zoomed with it (``u``, ``v``)."""

    def __init__(self, view: Table, points: int):
        self.pitch = 2 / points
        axis = (np.arange(points, dtype=np.float32) + 0.5) * np.float32(self.pitch) - 1
        self.x, self.y = axis[None, None, :], axis[None, :, None]
        self.dx, self.dy = self.x - view["shift_x"], self.y - view["shift_y"]
        cosine, sine = view["zoom"] * np.cos(view["angle"]), view["zoom"] * np.sin(view["angle"])
        self.u = cosine * self.dx + sine * self.dy
        self.v = cosine * self.dy - sine * self.dx


class _Shape(NamedTuple):
    """Form of the lesions of a block, each float32[B,S,S]."""

    distance: np.ndarray  # 0 in the centre, 1 on the border
    mask: np.ndarray  # 1 inside, 0 outside, soft between
    spokes: np.ndarray  # radial pattern in [-1, 1]
    side: np.ndarray  # -1 to 1 along the lesion's first axis
    patch: np.ndarray  # 1 in the patches of other colour


class Layers(NamedTuple):
    """What lesions add to the skin, each float32[B,S,S] but for the pigments."""

    mask: np.ndarray  # 1 inside, 0 outside, soft between
    pigments: np.ndarray  # float32[B,4,S,S], optical density of melanin, blood, deep pigment and yellow
    keratin: np.ndarray  # opacity of the whitish cover
    relief: np.ndarray  # factor of brightness
    gloss: np.ndarray  # share of white reflection


def paint(scenes: Scenes, size: int) -> np.ndarray:
    """Return uint8[N,3,size,size], the images of ``scenes``."""
    images = np.empty((len(scenes), 3, size, size), dtype=np.uint8)
    points = points_of(size)
    length = max(1, _BLOCK_POINTS // points**2)
    for start in range(0, len(scenes), length):
        rows = slice(start, start + length)
        images[rows] = _paint_block(scenes.block(rows), size, points)
    return images


def _paint_block(scenes: Scenes, size: int, points: int) -> np.ndarray:
    place = _Place(scenes.view, points)
    fields = _wave_fields(scenes, place)
    return _photograph(scenes, place, fields, _lesion_layers(scenes, place, fields, scenes.look["radius"]), size)


def paint_with_layers(scenes: Scenes, size: int, layers: Layers) -> np.ndarray:
    """Return uint8[B,3,size,size], the skin and photographs of a block of scenes, with ``layers`` in place of their lesions."""
    place = _Place(scenes.view, points_of(size))
    return _photograph(scenes, place, _wave_fields(scenes, place), layers, size)


def lesion_layers(scenes: Scenes, size: int) -> Layers:
    """Return what the lesions of a block of scenes add to their skins, at the points of images of ``size`` pixels."""
    place = _Place(scenes.view, points_of(size))
    radius = scenes.look["radius"] / scenes.view["zoom"]
    return _lesion_layers(scenes, place, _wave_fields(scenes, place), radius)


def points_of(size: int) -> int:
    """Return how many points a side are painted for an image of ``size`` pixels."""
    return size * (2 if size < _SUPERSAMPLED_BELOW else 1)


def _lesion_layers(scenes: Scenes, place: _Place, fields: Table, radius: np.ndarray) -> Layers:
    """``radius`` float32[B,1,1] is that of the lesion as the lamp sees it, in half image sides."""
    shape = _shape(scenes.look, place, fields)
    pigments, keratin = _pigments(scenes.look, fields, shape), _keratin(scenes.look, fields, shape)
    return Layers(shape.mask, pigments, keratin, *_relief(scenes, place, fields, shape, radius))


def _photograph(scenes: Scenes, place: _Place, fields: Table, layers: Layers, size: int) -> np.ndarray:
    """Put a block of lesions on its skins, under the lamp and the hairs, and develop the images."""
    pigments = layers.pigments
    _add_skin(pigments, scenes.skin, fields)
    light = _lamp(scenes.view, place)
    light *= layers.relief
    light *= _hair(scenes, place)
    light *= _photographic_extras(scenes.view, place)
    image = _develop(pigments, layers.keratin, light, layers.gloss, scenes.view["warmth"])
    return _to_pixels(image, scenes.view, size)


def _rise(values: np.ndarray) -> np.ndarray:
    """Return a smooth step: 0 below -1, 1 above 1, 3t² - 2t³ in between."""
    t = 0.5 * values
    t += 0.5
    np.clip(t, 0, 1, out=t)
    result = 3 - 2 * t
    result *= t
    result *= t
    return result


def _ridge(field: np.ndarray, width: float) -> np.ndarray:
    """Return 1 on the zero lines of a field, falling to 0 where the field reaches ``width``."""
    return _rise(1 - np.abs(field) * (2 / width))


def _wave_fields(scenes: Scenes, place: _Place) -> Table:
    """Return name -> float32[B,S,S], fields of mean 0 and variance about 1 that turn and move with the lesion.

    A field is the sum of WAVES waves cos(k·x + phase) with directions spread over the half circle and lengths spread
    by a third around the field's own. As cos(a + b) = cos a cos b - sin a sin b, the sum over waves on a grid is the
    product of a [S, 2 WAVES] by a [2 WAVES, S] matrix. Waves finer than a point fade out instead of aliasing.
    """
    zoom, angle, shift_x, shift_y, defocus = (
        scenes.view[name][..., 0] for name in ("zoom", "angle", "shift_x", "shift_y", "defocus")
    )
    turn, start = np.moveaxis(scenes.waves, (3, 1), (0, 1))  # each [F,B,WAVES]
    order = np.arange(WAVES, dtype=np.float32)
    spread = 0.83 + 0.34 * (order * 5 % WAVES + 0.5) / WAVES
    frequency = np.array(list(FIELDS.values()), dtype=np.float32)[:, None, None] * (zoom * spread)
    frequency[[name in _GRAINED for name in FIELDS]] *= scenes.look["grain"][..., 0]
    direction = (order + turn) * np.float32(np.pi / WAVES) + angle
    kx, ky = frequency * np.cos(direction), frequency * np.sin(direction)
    phase = 2 * np.float32(np.pi) * start - kx * shift_x - ky * shift_y
    blur = (0.35 * place.pitch) ** 2 + (0.03 * defocus**2) ** 2
    height = np.float32((2 / WAVES) ** 0.5) * np.exp(-0.5 * blur * frequency**2)[:, :, None, :]
    down = ky[:, :, None, :] * place.y + phase[:, :, None, :]
    along = kx[..., None] * place.x
    left = np.concatenate([height * np.cos(down), -height * np.sin(down)], axis=3)
    right = np.concatenate([np.cos(along), np.sin(along)], axis=2)
    return dict(zip(FIELDS, _single_threaded_product(left, right), strict=True))


def _single_threaded_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return ``left @ right`` in strips too small for the BLAS to share among threads.

    Sharing changes the order of summation, and then images would depend on the number of threads.
    """
    result = np.empty((*left.shape[:-1], right.shape[-1]), dtype=np.float32)
    for top in range(0, left.shape[-2], _STRIP):
        strip = slice(top, top + _STRIP)
        np.matmul(left[..., strip, :], right, out=result[..., strip, :])
    return result


def _shape(look: Table, place: _Place, fields: Table) -> _Shape:
    """Return the form: an ellipse whose border is bent by two wave fields and drawn out by streaks."""
    stretch = np.sqrt(look["elongation"])
    u, v = place.u / (look["radius"] * stretch), place.v * (stretch / look["radius"])
    square = u * u + v * v
    spokes = np.sin(14 * np.arctan2(v, u) + 2.2 * fields["outline"] + 0.5 * fields["notches"])
    spokes *= 0.3 + 0.7 * _rise(1.5 * fields["patches"] + 0.5)
    bumps = look["waviness"] * fields["outline"] + look["raggedness"] * fields["notches"]
    bumps -= 0.09 * look["streaks"] * spokes
    distance = np.sqrt(square) + bumps * square * np.exp(1 - square)  # bends the border, not centre or surroundings
    mask = _rise((1 - distance) * (look["radius"] / look["softness"]))
    islands = _rise(2.6 * fields["notches"] + 0.1 - 5 * np.maximum(distance - 0.6, 0))
    mask *= 1 - look["scatter"] * (1 - islands)
    patch = _rise(1.4 * fields["patches"] + 1.2 * np.clip(v, -1, 1) - 0.3)
    return _Shape(distance, mask, spokes, np.clip(u, -1, 1), patch)


def _pigments(look: Table, fields: Table, shape: _Shape) -> np.ndarray:
    """Return the lesion's melanin, blood, deep pigment and yellow, float32[B,4,S,S]."""
    gather = np.clip(1 + look["rim"] * (2.4 * np.minimum(shape.distance, 1.2) - 1.7), 0.12, 2.2)
    gather *= 1 + look["lopsided"] * shape.side
    gather *= 1 + 0.12 * fields["patches"] + 0.07 * fields["notches"]
    globule, lobe = _rise(2.1 * fields["globules"] - 1.9), _rise(2.2 * fields["globules"] - 0.4)
    vein = _ridge(fields["vessels"], 0.42) * _rise(1.5 * fields["patches"] + 0.6)
    fringe = _rise(1.4 * shape.spokes) * _rise(4 * (shape.distance - 0.55))
    raw = look["ulcer"] * _rise((0.55 + 0.16 * fields["notches"] - shape.distance) * 6)
    crust = raw * _rise(1.6 * fields["globules"] + 0.2)

    brown = look["melanin"] * gather + look["patch_melanin"] * shape.patch + look["globules"] * globule
    brown += look["network"] * _ridge(fields["network"], 1.2) + look["streaks"] * fringe
    red = look["blood"] * gather + look["patch_blood"] * shape.patch + look["lacunae"] * lobe + look["vessels"] * vein
    pigments = np.empty((len(gather), len(_DENSITY[0]), *gather.shape[1:]), dtype=np.float32)
    pigments[:, _MELANIN] = np.maximum(brown, -0.6) * (1 - raw) + 0.5 * crust
    pigments[:, _BLOOD] = red + 1.3 * raw
    pigments[:, _DEEP] = look["deep"] * gather + look["patch_deep"] * shape.patch
    pigments[:, _YELLOW] = look["yellow"] * gather + 1.1 * crust
    pigments *= shape.mask[:, None]
    pigments[:, _BLOOD] += 0.6 * look["halo"] * _rise((1.25 - shape.distance) * 5) * (1 - shape.mask)
    return pigments


def _keratin(look: Table, fields: Table, shape: _Shape) -> np.ndarray:
    """Return the opacity of the whitish cover, float32[B,S,S]: scales with cracks, pearls, pale patches."""
    flake = look["scales"] * _rise(fields["patches"] + 0.5 * fields["scales"] + 0.4 * fields["notches"] + 0.2)
    flake *= 1 - 0.5 * _ridge(fields["scales"], 0.8)
    pearl = look["pearls"] * _rise(1.6 * fields["globules"] - 1.9)
    return np.maximum(np.maximum(flake, pearl), look["patch_white"] * (1 - shape.patch)) * shape.mask


def _add_skin(pigments: np.ndarray, skin: Table, fields: Table) -> None:
    """Add, in place, the pigments of the skin itself: tones from very fair to very dark, mottled, with pores."""
    tone = 0.05 + 2.1 * skin["tone"] ** 1.7
    pigments[:, _MELANIN] += tone * (1 + skin["mottle"] * fields["mottle"]) + skin["pores"] * fields["pores"]
    pigments[:, _BLOOD] += skin["flush"] * (1 - 1.2 * skin["mottle"] * fields["mottle"])
    pigments[:, _YELLOW] += skin["sallow"]


def _lamp(view: Table, place: _Place) -> np.ndarray:
    """Return the brightness of the photograph, float32[B,S,S]: exposure, a lamp from one side, vignette."""
    cosine, sine = np.cos(view["light_angle"]), np.sin(view["light_angle"])
    light = view["exposure"] * (1 + view["light_slope"] * (cosine * place.x + sine * place.y))
    light *= 1 - 0.5 * view["vignette"] * (place.x**2 + place.y**2)
    return light


def _relief(
    scenes: Scenes, place: _Place, fields: Table, shape: _Shape, radius: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the brightness that a lesion's relief adds, a factor, and its white gloss, a share, each float32[B,S,S]."""
    look, view = scenes.look, scenes.view
    cosine, sine = np.cos(view["light_angle"]), np.sin(view["light_angle"])
    towards = np.clip((cosine * place.dx + sine * place.dy) / radius, -1.2, 1.2)
    relief = 1 + 0.32 * look["dome"] * shape.mask * towards * np.minimum(shape.distance, 1)
    from_spot = (place.dx - 0.42 * radius * cosine) ** 2 + (place.dy - 0.42 * radius * sine) ** 2
    spot = np.exp(from_spot * (-1 / (0.22 * radius) ** 2))
    sheen = _rise(1.5 * fields["globules"] - 1.5) * np.maximum(towards, 0)
    return relief, look["shine"] * shape.mask * (0.75 * spot + 0.25 * sheen)


def _hair(scenes: Scenes, place: _Place) -> np.ndarray:
    """Return the light that hairs let through, float32[B,S,S]: up to HAIRS thin arcs over a quarter of the images."""
    through = np.ones_like(place.u)
    count = np.ceil((scenes.skin["hairiness"][:, 0, 0] - 0.72) / 0.28 * HAIRS)
    for index in range(HAIRS):
        rows = np.flatnonzero(count > index)
        if not rows.size:
            break
        turn, offset, bend, thickness = np.moveaxis(scenes.hairs[rows, index], 1, 0)[..., None, None]
        cosine, sine = np.cos(np.pi * turn), np.sin(np.pi * turn)
        along = cosine * place.u[rows] + sine * place.v[rows]
        across = cosine * place.v[rows] - sine * place.u[rows] - (1.7 * offset - 0.85) - (0.6 * bend - 0.3) * along**2
        width = 0.008 + 0.014 * thickness
        drawn = np.sqrt(width**2 + (0.5 * place.pitch) ** 2)  # never thinner than a point, but fainter instead
        through[rows] *= 1 - 0.8 * width / drawn * np.exp(-((across / drawn) ** 2))
    return through


def _photographic_extras(view: Table, place: _Place) -> np.ndarray:
    """Return a factor of brightness, float32[B,S,S]: now and then a ruler, a gel bubble or the rim of a lens."""
    factor = np.ones_like(place.u)
    ruler, bubble, lens = (
        np.flatnonzero((low <= view["extra"]) & (view["extra"] < high))
        for low, high in ((0, 0.06), (0.06, 0.12), (0.12, 0.2))
    )
    if ruler.size:
        tick = _rise(8 * np.cos(16 * np.pi * place.x) - 6.4) * _rise((np.abs(place.y) - 0.86) * 30)
        factor[ruler] -= 0.7 * tick * (place.y * view["extra_y"][ruler] > 0)
    if bubble.size:
        radius = np.hypot(place.x - view["extra_x"][bubble], place.y - view["extra_y"][bubble])
        factor[bubble] += 0.25 * np.exp(-(((radius - 0.12) / 0.03) ** 2)) - 0.06 * _rise((0.12 - radius) * 20)
    if lens.size:
        opening = 1.12 + 0.1 * view["extra_x"][lens]
        factor[lens] -= 0.93 * _rise((np.hypot(place.x, place.y) - opening) * 14)
    return factor


def _develop(
    pigments: np.ndarray, keratin: np.ndarray, light: np.ndarray, gloss: np.ndarray, warmth: np.ndarray
) -> np.ndarray:
    """Return the image float32[B,3,S,S] in 0..1: light left over by the pigments, whitish cover, lamp and gloss."""
    density = sum(column[:, None, None] * pigments[:, layer, None] for layer, column in enumerate(_DENSITY.T))
    image = _TISSUE * np.exp(-density)
    image += keratin[:, None] * (_KERATIN - image)
    image *= light[:, None]
    image *= 1 + warmth[:, None] * np.array([1, 0, -1], dtype=np.float32)[:, None, None]
    image += gloss[:, None] * (1 - image)
    return image


def _to_pixels(image: np.ndarray, view: Table, size: int) -> np.ndarray:
    """Return uint8[B,3,size,size]: average the points of a pixel, add the sensor's grain, round."""
    if image.shape[-1] != size:
        image = image[:, :, 0::2] + image[:, :, 1::2]
        image = 0.25 * (image[..., 0::2] + image[..., 1::2])
    axis = np.arange(size)
    rows = ((view["grain_y"] * len(_GRAIN)).astype(np.int64) + axis[:, None]) % len(_GRAIN)
    columns = ((view["grain_x"] * len(_GRAIN)).astype(np.int64) + axis) % len(_GRAIN)
    image = image * 255 + _GRAIN[rows, columns][:, None]
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
