"""Is a data set what it should be? Counts, classes, broken files, duplicates, leaks, and pictures to look at.

The check reads everything once and changes nothing. Each finding is one line with what to do: ``FAIL`` where a result on
these data would be wrong (broken files nobody chose to leave out, the same picture in training and test, one picture
under two classes, a group on both sides of a border), ``WARN`` where one should know, ``OK`` otherwise. Duplicates are found
twice: by the bytes of the files, where there are any, and by the decoded pixels at the size asked for, which also finds a
picture that was saved anew without loss; a picture that was cropped or compressed again is another one.

Taught in: notebooks/01_data, section 4.
"""

import hashlib
import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spbl_nb import config, files, places
from spbl_nb.data import registry as data_sets
from spbl_nb.data import split as splits
from spbl_nb.data.dataset import ImageData, resize
from spbl_nb.data.split import Split
from spbl_nb.environment import FAIL, OK, WARN, Finding
from spbl_nb.plots import figures

_NAMED, _THUMBNAIL, _PER_CLASS, _CLASSES_A_PAGE = 3, 64, 8, 40
_LINE = 110  # characters over a picture
_PARTS = ("train", "validation", "test")
_GROUP = "one group (of a folder: column group of labels.csv)"


@dataclass(frozen=True)
class Checked:
    """What a check found: the ``data``, the ``findings``, the ``written`` files, the report among them."""

    data: ImageData
    findings: list[Finding]
    written: list[Path]

    @property
    def wrong(self) -> bool:
        """Whether a finding is a failure."""
        return any(finding.level == FAIL for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        number = Counter(finding.level for finding in self.findings)
        if self.wrong:
            return f"{self.data.name}: {number[FAIL]} of {len(self.findings)} findings must be mended before training"
        return f"{self.data.name}: nothing is wrong" + (f", {number[WARN]} to know of" if number[WARN] else "")


def check(
    name: str,
    root: str | os.PathLike | None = None,
    size: int | None = None,
    *,
    options: str = "",
    skip_broken: bool = False,
    out: str | os.PathLike | None = None,
    runs_dir: str | os.PathLike | None = None,
    progress: bool = False,
) -> Checked:
    """Check a data set and draw it.

    ``name``, ``root`` and ``size`` are those of :func:`spbl_nb.data.load`, ``options`` a line for
    :func:`spbl_nb.data.options_from`; broken files fail the check unless ``skip_broken``
    says that they are to be left out. Contact sheet, class sizes and ``check.json`` are written to ``out`` (default:
    ``data/NAME`` in the runs folder), over those of an earlier check. Raises what loading raises, and OSError when ``out``
    cannot be written.
    """
    reading = {"on_broken": "skip", "progress": progress}
    asked = {key: value for key, value in reading.items() if key in data_sets.options(name)}
    data = data_sets.load(name, root, size, **asked | data_sets.options_from(options, name))
    folder = Path(out).expanduser() if out else places.runs_dir(runs_dir) / "data" / name
    return examine(data, folder, skip_broken=skip_broken)


def examine(data: ImageData, folder: str | os.PathLike, *, skip_broken: bool = False) -> Checked:
    """Check a data set that is loaded already; see :func:`check`."""
    folder = Path(folder)
    split, parts = _split(data)
    findings = [_pictures(data, split), _rarest(data, split), *_files(data, skip_broken), parts]
    if split is not None:
        findings += [_class_sizes(data, split), _missing_classes(data, split)]
    part = _part_of(data, split)
    copies = _copies(data)
    told: set[tuple[int, ...]] = set()  # equal files have equal pixels: one fault, said once
    for what, sets in copies.items():
        findings.append(
            _judged(data, part, [rows for rows in sets if tuple(rows.tolist()) not in told], what, bool(told))
        )
        told |= {tuple(rows.tolist()) for rows in sets}
    findings += [*_groups(data, split), _blank(data)]
    written = [*_draw(data, split, folder), folder / "check.json"]
    files.write_json(written[-1], _record(data, split, part, copies, findings, written))
    return Checked(data, findings, written)


# --- what there is ---------------------------------------------------------------------------------------------------


def _pictures(data: ImageData, split: Split | None) -> Finding:
    height, width = data.size
    text = f"{len(data)} in {data.num_classes} classes at {height} x {width} pixels"
    if split is None:
        text += f"; class sizes: {_range(data.counts())}"
    return Finding(OK, "synthetic pictures" if data.synthetic else "pictures", text)


def _range(counts: np.ndarray) -> str:
    """Return the largest and the smallest class in words, and how many times larger the one is: the imbalance factor."""
    most, least = counts.max(), counts.min()
    if most == least:
        return f"{most} pictures each"
    return f"{most} to {least} pictures" + (f" (factor {most / least:.3g})" if least else "")


def _class_sizes(data: ImageData, split: Split) -> Finding:
    text = "; ".join(f"{part} {_range(data.counts(getattr(split, part)))}" for part in _PARTS)
    return Finding(OK, "class sizes", text)


def _learned(data: ImageData, split: Split | None) -> tuple[np.ndarray, str]:
    """Return int64[C], the class sizes that a training sees, and what is counted; all pictures where no split is known."""
    if split is None:
        return data.counts(), f"all {len(data)} pictures"
    return data.counts(split.train), f"the {len(split.train)} training pictures"


def _rarest(data: ImageData, split: Split | None) -> Finding:
    counts, counted = _learned(data, split)
    rare = np.argsort(counts, kind="stable")[: _NAMED + 2]
    text = ", ".join(f"{data.class_names[index]} ({counts[index]})" for index in rare)
    return Finding(OK, "rarest classes", f"{text} among {counted}")


def _split(data: ImageData) -> tuple[Split | None, Finding]:
    """Return the split of seed 0 that training would use unless its settings say otherwise, and whether one can be made."""
    usual = config.preset("fast")
    try:
        split = splits.make_split(data, usual.validation, usual.test)
    except ValueError as error:
        return None, Finding(
            FAIL, "parts", f"cannot be made: {error}", "collect more, merge classes, or drop the class"
        )
    text = ", ".join(f"{part} {len(getattr(split, part))}" for part in _PARTS)
    return split, Finding(OK, "parts", f"{text} ({split.origin})")


def _missing_classes(data: ImageData, split: Split) -> Finding:
    gaps = []
    for part in _PARTS:
        absent = np.flatnonzero(data.counts(getattr(split, part)) == 0)
        if len(absent):
            gaps.append(f"{part} lacks {_some([data.class_names[index] for index in absent])}")
    if not gaps:
        return Finding(OK, "classes in parts", "each class is in every part")
    level = FAIL if any(gap.startswith("train") for gap in gaps) else WARN
    return Finding(level, "classes in parts", "; ".join(gaps), "what a part lacks cannot be learned or measured there")


def _files(data: ImageData, skip_broken: bool) -> list[Finding]:
    """Report what could not be read and what was converted, where pictures come from files of their own."""
    if data.cached is None:
        return []
    report, converted = data.cached.report, data.cached.converted
    if not report:
        findings = [Finding(OK, "broken files", "none")]
    else:
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in report).most_common())
        named = _some([f"{Path(one.path).parent.name}/{Path(one.path).name} ({one.kind})" for one in report])
        fix = "left out as asked" if skip_broken else "mend or remove them, or leave them out with --skip-broken"
        findings = [Finding(WARN if skip_broken else FAIL, "broken files", f"{len(report)}: {kinds}: {named}", fix)]
    said = ", ".join(f"{len(rows)} {note}" for note, rows in converted.items())
    return [*findings, Finding(OK, "converted files", said or "none")]


# --- what leaks ------------------------------------------------------------------------------------------------------


def _part_of(data: ImageData, split: Split | None) -> np.ndarray:
    """Return int8[N], the part of each row; -1 for rows in none."""
    part = np.full(len(data), -1, dtype=np.int8)
    for number, name in enumerate(_PARTS if split is not None else ()):
        part[getattr(split, name)] = number
    return part


def pixel_keys(images: np.ndarray) -> np.ndarray:
    """Return V16[N], equal for equal pictures of uint8[N,3,H,W]; a memory map is read a picture at a time."""
    keys = b"".join(hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in images)
    return np.frombuffer(keys, dtype="V16")


def repeated(keys: np.ndarray) -> list[np.ndarray]:
    """Return the rows of every key that stands more than once: ascending int64 arrays, by their first row."""
    order = np.argsort(keys, kind="stable")
    border = np.flatnonzero(keys[order[1:]] != keys[order[:-1]]) + 1
    return sorted((rows for rows in np.split(order, border) if len(rows) > 1), key=lambda rows: rows[0])


def _copies(data: ImageData) -> dict[str, list[np.ndarray]]:
    """Return the sets of rows with equal files, where there are files, and with equal pixels."""
    copies = {}
    if data.cached is not None and data.paths is not None:
        first = np.unique(data.paths, return_index=True)[1]  # several crops of one file are no copies
        digests = np.ascontiguousarray(data.cached.sha256[data.cached.kept][first]).view("V32")[:, 0]
        copies["equal files"] = [first[rows] for rows in repeated(digests)]
    return copies | {f"equal pixels at {data.size[0]}": repeated(pixel_keys(data.images))}


def _judged(data: ImageData, part: np.ndarray, sets: list[np.ndarray], what: str, others: bool) -> Finding:
    """Say how bad equal pictures are: across parts or classes they spoil a result, elsewhere one should know.

    ``others`` says that some were told of before.
    """
    if not sets:
        return Finding(OK, what, "no further ones" if others else "none")
    across = [rows for rows in sets if len(set(part[rows].tolist()) - {-1}) > 1]
    mixed = [rows for rows in sets if len(set(data.labels[rows].tolist())) > 1]
    extra = sum(len(rows) - 1 for rows in sets)
    text = (
        f"copies beyond the first: {extra}, sets of equal pictures: {len(sets)} ({len(across)} across parts, {len(mixed)} across "
        "classes)"
    )
    worst = (mixed or across or sets)[0]
    text += f"; for instance {' = '.join(_row_name(data, row) for row in worst[:_NAMED].tolist())}"
    if across or mixed:
        return Finding(FAIL, what, text, f"remove the copies, or give them one class and {_GROUP}")
    return Finding(WARN, what, text, f"remove the copies, or give them {_GROUP}, so that no split parts them")


def _row_name(data: ImageData, row: int) -> str:
    if data.paths is None:
        return f"row {row} ({data.class_names[data.labels[row]]})"
    path = Path(data.paths[row])
    return f"{path.parent.name}/{path.name}"


def _groups(data: ImageData, split: Split | None) -> list[Finding]:
    if data.groups is None:
        return [Finding(OK, "groups", "none are given; where pictures belong together, give groups")]
    number = int(data.groups.max()) + 1
    findings = []
    if split is not None:
        leaks = {border: count for border, count in splits.group_leaks(data, split).items() if count}
        if leaks:
            text = ", ".join(f"{count} on both sides of {border}" for border, count in leaks.items())
            findings.append(
                Finding(
                    FAIL,
                    "group leaks",
                    f"of {number} groups {text}",
                    "drop the official parts and have groups kept whole",
                )
            )
        else:
            findings.append(Finding(OK, "group leaks", f"none among {number} groups"))
    pairs = np.unique(np.stack([data.groups, data.labels]), axis=1)
    mixed = int((np.bincount(pairs[0]) > 1).sum())
    if mixed:
        text = f"{mixed} of {number} groups have pictures of several classes"
        findings.append(Finding(WARN, "classes in groups", text, "look whether one of the labels is wrong"))
    return findings


def _blank(data: ImageData) -> Finding:
    rows = [row for row, one in enumerate(data.images) if one.min() == one.max()]
    if not rows:
        return Finding(OK, "blank pictures", "none")
    return Finding(
        WARN, "blank pictures", f"{len(rows)}: {_some([_row_name(data, row) for row in rows])}", "look at them"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f", … ({len(names)} in all)" if len(names) > _NAMED else "")


# --- what it looks like ----------------------------------------------------------------------------------------------


def _draw(data: ImageData, split: Split | None, folder: Path) -> list[Path]:
    """Write class sizes and contact sheets as PNG; classes go by size, forty to a sheet."""
    counts, counted = _learned(data, split)
    figure = figures.class_sizes(counts, data.class_names, sort=True, logarithmic=0 < 50 * counts.min() < counts.max())
    _head(figure, data, f"class sizes among {counted}")
    written = [_write(folder / "class_sizes.png", figure)]
    counts, rest = data.counts(), "" if split is None else ", training, validation and test together"
    order = np.argsort(-counts, kind="stable")
    pages = [order[start : start + _CLASSES_A_PAGE] for start in range(0, len(order), _CLASSES_A_PAGE)]
    for number, classes in enumerate(pages):
        rows = [_spread(np.flatnonzero(data.labels == index)) for index in classes]
        chosen = np.concatenate(rows)
        pictures = thumbnails(np.ascontiguousarray(data.images[chosen]))
        labels = np.repeat(np.arange(len(classes)), [len(one) for one in rows])
        names = [data.class_names[index] for index in classes]
        figure = figures.contact_sheet(pictures, labels, names, _PER_CLASS, scale=0.85, counts=counts[classes])
        _head(figure, data, f"in brackets: pictures of the class{rest}")
        suffix = f"_{number + 1}" if len(pages) > 1 else ""
        written.append(_write(folder / f"contact_sheet{suffix}.png", figure))
    return written


def _head(figure: Figure, data: ImageData, counted: str) -> None:
    """Write what the data are and what is counted over a figure, which grows by as many lines as that takes."""
    parts = [*f"{data.name}: {data.source}".split("; "), counted]
    lines = [line for part in parts for line in textwrap.wrap(part, _LINE)]
    figure.set_figheight(figure.get_figheight() + 0.17 * len(lines))
    figure.suptitle("\n".join(lines), fontsize=10)


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Return pictures uint8[N,3,H,W] at 64 pixels a side where they are larger, not stretched but with white at the sides."""
    side = max(images.shape[2:])
    if side <= _THUMBNAIL:
        return images
    gaps = [(side - length) // 2 for length in images.shape[2:]]
    square = np.full((len(images), 3, side, side), 255, dtype=np.uint8)
    square[:, :, gaps[0] : gaps[0] + images.shape[2], gaps[1] : gaps[1] + images.shape[3]] = images
    return resize(square, _THUMBNAIL)


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return at most eight of the rows, evenly spread from the first to the last."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _PER_CLASS)).round().astype(int))]


def _write(path: Path, figure: Figure) -> Path:
    with files.replacing(path) as handle:
        figure.savefig(handle, format="png")  # in full colour, which the small PNGs of a notebook do without
    return path


def _record(
    data: ImageData,
    split: Split | None,
    part: np.ndarray,
    copies: dict[str, list[np.ndarray]],
    findings: list[Finding],
    written: list[Path],
) -> dict[str, Any]:
    """Return everything that was found, for ``check.json``."""
    parts = {name: data.counts(np.flatnonzero(part == number)) for number, name in enumerate(_PARTS)}
    cached = data.cached
    return {
        "name": data.name,
        "source": data.source,
        "synthetic": data.synthetic,
        "pictures": len(data),
        "size": data.size,
        "sha256": data.sha256,
        "classes": [
            {"name": name, "pictures": count} | {part: parts[part][index] for part in _PARTS if split is not None}
            for index, (name, count) in enumerate(zip(data.class_names, data.counts().tolist(), strict=True))
        ],
        "split": None if split is None else {"origin": split.origin, "sha256": split.sha256},
        "broken": [] if cached is None else [vars(one) for one in cached.report],
        "converted": {} if cached is None else {note: len(rows) for note, rows in cached.converted.items()},
        "copies": {what: [[_row_name(data, row) for row in rows] for rows in sets] for what, sets in copies.items()},
        "findings": [vars(finding) for finding in findings],
        "wrong": any(finding.level == FAIL for finding in findings),
        "figures": [path.name for path in written[:-1]],
    }
