"""Is a data set what it should be? Counts, classes, broken files, duplicates, leaks, and images to look at.

The check reads everything once and changes nothing. Each finding is one line with what to do: ``FAIL`` where a result on
these data would be wrong (broken files nobody chose to skip, the same image in training and test, one image under two
classes, a group on both sides of a border), ``WARN`` where one should know, ``OK`` otherwise. Duplicates are found by the
bytes of the files, where there are any, and by the decoded pixels, which also finds an image that was saved again without
loss; an image that was cropped or compressed again is another one.
"""

import hashlib
import os
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spbl_nb import config, files, places
from spbl_nb.data import registry
from spbl_nb.data.dataset import ImageData, resize
from spbl_nb.data.split import Split, group_leaks, make_split
from spbl_nb.environment import FAIL, OK, WARN, Finding
from spbl_nb.plots import figures

_NAMED, _THUMBNAIL, _PER_CLASS, _CLASSES_A_PAGE = 3, 64, 8, 40
_LINE = 110  # characters over a figure
_SPLITS = ("train", "validation", "test")
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
            return (
                f"{self.data.name}: {number[FAIL]} of {len(self.findings)} findings must be corrected before training"
            )
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
    :func:`spbl_nb.data.options_from`; broken files fail the check unless ``skip_broken`` says that they are to be skipped.
    Contact sheet, class sizes and ``check.json`` are written to ``out`` (default: ``data/NAME`` in the runs folder), over
    those of an earlier check. Raises what loading raises, and OSError when ``out`` cannot be written.
    """
    reading = {"on_broken": "skip", "progress": progress}
    asked = {key: value for key, value in reading.items() if key in registry.options(name)}
    data = registry.load(name, root, size, **asked | registry.options_from(options, name))
    folder = Path(out).expanduser() if out else places.runs_dir(runs_dir) / "data" / name
    return examine(data, folder, skip_broken=skip_broken)


def examine(data: ImageData, folder: str | os.PathLike, *, skip_broken: bool = False) -> Checked:
    """Check a data set that is loaded already; see :func:`check`."""
    folder = Path(folder)
    split, made = _split(data)
    findings = [*_sizes(data, split), *_files(data, skip_broken), made, *_classes(data, split)]
    part = np.full(len(data), -1, dtype=np.int8)  # split of each row; -1 for rows in none
    for number, name in enumerate(_SPLITS if split is not None else ()):
        part[getattr(split, name)] = number
    copies = _copies(data)
    reported: set[tuple[int, ...]] = set()  # equal files have equal pixels: one fault, reported once
    for what, sets in copies.items():
        new = [rows for rows in sets if tuple(rows.tolist()) not in reported]
        findings.append(_judged(data, part, new, what, bool(reported)))
        reported |= {tuple(rows.tolist()) for rows in sets}
    findings += [*_groups(data, split), _blank(data)]
    written = [*_draw(data, split, folder), folder / "check.json"]
    _write_record(data, split, part, copies, findings, written)
    return Checked(data, findings, written)


# --- what there is ---------------------------------------------------------------------------------------------------


def _split(data: ImageData) -> tuple[Split | None, Finding]:
    """Return the split of seed 0 that training would use unless its settings say otherwise, and whether one can be made."""
    usual = config.preset("fast")
    try:
        split = make_split(data, usual.validation, usual.test)
    except ValueError as error:
        fix = "collect more, merge classes, or drop the class"
        return None, Finding(FAIL, "split", f"cannot be made: {error}", fix)
    text = ", ".join(f"{name} {len(getattr(split, name))}" for name in _SPLITS)
    return split, Finding(OK, "split", f"{text} ({split.origin})")


def _learned(data: ImageData, split: Split | None) -> tuple[np.ndarray, str]:
    """Return int64[C], the class sizes that a training sees, and what is counted; all images where no split is known."""
    if split is None:
        return data.counts(), f"all {len(data)} images"
    return data.counts(split.train), f"the {len(split.train)} training images"


def _range(counts: np.ndarray) -> str:
    """Return the largest and the smallest class in words, and the imbalance factor."""
    most, least = counts.max(), counts.min()
    if most == least:
        return f"{most} images each"
    return f"{most} to {least} images" + (f" (factor {most / least:.3g})" if least else "")


def _sizes(data: ImageData, split: Split | None) -> list[Finding]:
    text = f"{len(data)} in {data.num_classes} classes at {data.size[0]} x {data.size[1]} pixels"
    if split is None:
        text += f"; class sizes: {_range(data.counts())}"
    counts, counted = _learned(data, split)
    rare = np.argsort(counts, kind="stable")[: _NAMED + 2]
    rarest = ", ".join(f"{data.class_names[index]} ({counts[index]})" for index in rare)
    return [
        Finding(OK, "synthetic images" if data.synthetic else "images", text),
        Finding(OK, "rarest classes", f"{rarest} among {counted}"),
    ]


def _classes(data: ImageData, split: Split | None) -> list[Finding]:
    """Report the class sizes of each split, and classes that one lacks."""
    if split is None:
        return []
    counts = {name: data.counts(getattr(split, name)) for name in _SPLITS}
    sizes = Finding(OK, "class sizes", "; ".join(f"{name} {_range(of)}" for name, of in counts.items()))
    gaps = [
        f"{name} lacks {_some([data.class_names[index] for index in np.flatnonzero(of == 0)])}"
        for name, of in counts.items()
        if of.min() == 0
    ]
    if not gaps:
        return [sizes, Finding(OK, "classes in splits", "each class is in every split")]
    level = FAIL if counts["train"].min() == 0 else WARN
    fix = "what a split lacks cannot be learned or measured there"
    return [sizes, Finding(level, "classes in splits", "; ".join(gaps), fix)]


def _files(data: ImageData, skip_broken: bool) -> list[Finding]:
    """Report what could not be read and what was converted, where images have files of their own."""
    if data.cached is None:
        return []
    report = data.cached.report
    broken = Finding(OK, "broken files", "none")
    if report:
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.kind for one in report).most_common())
        named = _some([f"{_file_name(one.path)} ({one.kind})" for one in report])
        fix = "skipped as asked" if skip_broken else "repair or remove them, or skip them with --skip-broken"
        broken = Finding(WARN if skip_broken else FAIL, "broken files", f"{len(report)}: {kinds}: {named}", fix)
    converted = ", ".join(f"{len(rows)} {note}" for note, rows in data.cached.converted.items())
    return [broken, Finding(OK, "converted files", converted or "none")]


# --- what leaks ------------------------------------------------------------------------------------------------------


def repeated(keys: Iterable[bytes]) -> list[np.ndarray]:
    """Return the rows of every key that occurs more than once: ascending int64 arrays, by their first row."""
    rows: dict[bytes, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [np.array(same) for same in rows.values() if len(same) > 1]


def _copies(data: ImageData) -> dict[str, list[np.ndarray]]:
    """Return the sets of rows with equal files, where there are files, and with equal pixels."""
    copies = {}
    if data.paths is not None:
        first = np.unique(data.paths, return_index=True)[1]  # several crops of one file are no copies
        first.sort()
        same = repeated(hashlib.sha256(Path(data.paths[row]).read_bytes()).digest() for row in first)
        copies["equal files"] = [first[rows] for rows in same]
    pixels = (hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in data.images)
    return copies | {f"equal pixels at {data.size[0]}": repeated(pixels)}


def _judged(data: ImageData, part: np.ndarray, sets: list[np.ndarray], what: str, others: bool) -> Finding:
    """Say how bad equal images are: across splits or classes they spoil a result, elsewhere one should know.

    ``others`` says that some were reported before.
    """
    if not sets:
        return Finding(OK, what, "no further ones" if others else "none")
    across = [rows for rows in sets if len(set(part[rows].tolist()) - {-1}) > 1]
    mixed = [rows for rows in sets if len(set(data.labels[rows].tolist())) > 1]
    extra = sum(len(rows) - 1 for rows in sets)
    worst = (mixed or across or sets)[0]
    text = (
        f"copies beyond the first: {extra}, sets of equal images: {len(sets)} ({len(across)} across splits, {len(mixed)} across "
        f"classes); for instance {' = '.join(_row_name(data, row) for row in worst[:_NAMED].tolist())}"
    )
    if across or mixed:
        return Finding(FAIL, what, text, f"remove the copies, or give them one class and {_GROUP}")
    return Finding(WARN, what, text, f"remove the copies, or give them {_GROUP}, so that all go to one split")


def _groups(data: ImageData, split: Split | None) -> list[Finding]:
    if data.groups is None:
        return [Finding(OK, "groups", "none are given; where images belong together, give groups")]
    number = int(data.groups.max()) + 1
    findings = []
    if split is not None:
        leaks = {border: count for border, count in group_leaks(data, split).items() if count}
        text = ", ".join(f"{count} on both sides of {border}" for border, count in leaks.items())
        fix = "drop the official split and have groups kept whole"
        findings.append(
            Finding(FAIL, "group leaks", f"of {number} groups {text}", fix)
            if leaks
            else Finding(OK, "group leaks", f"none among {number} groups")
        )
    pairs = np.unique(np.stack([data.groups, data.labels]), axis=1)
    mixed = int((np.bincount(pairs[0]) > 1).sum())
    if mixed:
        text = f"{mixed} of {number} groups have images of several classes"
        findings.append(Finding(WARN, "classes in groups", text, "look whether one of the labels is wrong"))
    return findings


def _blank(data: ImageData) -> Finding:
    rows = [row for row, one in enumerate(data.images) if one.min() == one.max()]
    if not rows:
        return Finding(OK, "blank images", "none")
    text = f"{len(rows)}: {_some([_row_name(data, row) for row in rows])}"
    return Finding(WARN, "blank images", text, "look at them")


def _row_name(data: ImageData, row: int) -> str:
    return f"row {row} ({data.class_names[data.labels[row]]})" if data.paths is None else _file_name(data.paths[row])


def _file_name(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f", … ({len(names)} in all)" if len(names) > _NAMED else "")


# --- what it looks like ----------------------------------------------------------------------------------------------


def _draw(data: ImageData, split: Split | None, folder: Path) -> list[Path]:
    """Write class sizes and contact sheets as PNG; classes go by size, forty to a sheet."""
    counts, counted = _learned(data, split)
    figure = figures.class_sizes(counts, data.class_names, sort=True, logarithmic=0 < 50 * counts.min() < counts.max())
    written = [_write(folder / "class_sizes.png", figure, data, f"class sizes among {counted}")]
    counts, rest = data.counts(), "" if split is None else ", training, validation and test together"
    order = np.argsort(-counts, kind="stable")
    pages = [order[start : start + _CLASSES_A_PAGE] for start in range(0, len(order), _CLASSES_A_PAGE)]
    for number, classes in enumerate(pages):
        rows = [np.flatnonzero(data.labels == index) for index in classes]
        rows = [own[np.unique(np.linspace(0, len(own) - 1, _PER_CLASS).round().astype(int))] for own in rows]
        images = thumbnails(np.ascontiguousarray(data.images[np.concatenate(rows)]))
        labels = np.repeat(np.arange(len(classes)), [len(one) for one in rows])
        names = [data.class_names[index] for index in classes]
        figure = figures.contact_sheet(images, labels, names, _PER_CLASS, counts[classes])
        path = folder / f"contact_sheet{f'_{number + 1}' if len(pages) > 1 else ''}.png"
        written.append(_write(path, figure, data, f"in brackets: images of the class{rest}"))
    return written


def _write(path: Path, figure: Figure, data: ImageData, counted: str) -> Path:
    """Write a figure; over it, which grows by as many lines as that takes, what the data are and what is counted."""
    lines = [
        line for one in (*f"{data.name}: {data.source}".split("; "), counted) for line in textwrap.wrap(one, _LINE)
    ]
    figure.set_figheight(figure.get_figheight() + 0.17 * len(lines))
    figure.suptitle("\n".join(lines), fontsize=10)
    with files.replacing(path) as handle:
        figure.savefig(handle, format="png")
    return path


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Return images uint8[N,3,H,W] at 64 pixels a side where they are larger, not stretched but with white at the sides."""
    side = max(images.shape[2:])
    if side <= _THUMBNAIL:
        return images
    gaps = [(side - length) // 2 for length in images.shape[2:]]
    square = np.full((len(images), 3, side, side), 255, dtype=np.uint8)
    square[:, :, gaps[0] : gaps[0] + images.shape[2], gaps[1] : gaps[1] + images.shape[3]] = images
    return resize(square, _THUMBNAIL)


def _write_record(
    data: ImageData,
    split: Split | None,
    part: np.ndarray,
    copies: dict[str, list[np.ndarray]],
    findings: list[Finding],
    written: list[Path],
) -> None:
    """Write everything that was found to ``check.json``, the last of the ``written`` files."""
    counts = {} if split is None else {name: data.counts(part == number) for number, name in enumerate(_SPLITS)}
    cached = data.cached
    record = {
        "name": data.name,
        "source": data.source,
        "synthetic": data.synthetic,
        "pictures": len(data),
        "size": data.size,
        "sha256": data.sha256,
        "classes": [
            {"name": name, "pictures": count} | {part: of[index] for part, of in counts.items()}
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
    files.write_json(written[-1], record)
