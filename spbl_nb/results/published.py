"""Every number of SPBL that its authors have published and that could be had, beside our own numbers.

The numbers and what is known of their protocols are in ``published.yaml``, from the README of the released code (Yang et
al. 2020, IEEE TNNLS 31(8), 2832-2846, doi 10.1109/TNNLS.2019.2917524). The paper's tables are not available to us, and
nothing but what is in that file may be called published. Ours are set beside them only for the same images, by the same
definitions, with a :class:`Badge` for each difference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spbl_nb.results.store import Run
from spbl_nb.results.tables import plus_minus, selected_on_test

STAGES = 6  # a seed stage and five paces
VARIANTS = ("spbl_released", "spbl_clean", "spbl_intended")  # ours of the method, nearest to the released code first
_ALL = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Fact:
    """A statement on a published protocol, and its ``standing``: release, inferred or recalled."""

    text: str
    standing: str

    def __str__(self) -> str:
        return f"{self.text} [{self.standing}]"


@dataclass(frozen=True)
class Badge:
    """A short mark on a number: ``kind`` "definition" or "protocol", a few words, and their ``meaning`` in a sentence."""

    kind: str
    label: str
    meaning: str

    def __str__(self) -> str:
        return f"[{self.kind}: {self.label}]"


@dataclass(frozen=True)
class Column:
    """A column of the published table, and the ``metric`` of :class:`spbl_nb.metrics.Report` with the same definition."""

    name: str
    metric: str
    badge: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Value:
    """A published number in per cent: mean, and deviation where one is given; ``source`` says where it was published."""

    dataset: str
    column: str
    mean: float
    deviation: float | None = None
    source: str = _ALL["source"]

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


@dataclass(frozen=True)
class Protocol:
    """What is known of the experiment behind the published numbers of one data set.

    ``dataset`` is its name in :mod:`spbl_nb.data`; ``division`` says who trained and who was tested, ``repeats`` over
    what the deviation runs. ``model``, ``side`` (pixels) and ``stage_epochs`` are our names and values of the same
    settings. ``images`` is the size of the whole set, ``training`` about how many of them trained, ``odd_share`` the
    share of the odd classes' training images that was kept. None: not known to us, or not part of the protocol.
    """

    dataset: str
    title: str
    classes: int
    division: Fact
    network: Fact
    images: int | None = None
    repeats: Fact | None = None
    model: str | None = None
    side: int | None = None
    stage_epochs: int | None = None
    training: int | None = None
    odd_share: float | None = None


@dataclass(frozen=True)
class DetectionValue:
    """A published average precision in per cent of a RetinaNet with these losses. None of them was run here.

    ``classification`` and ``regression`` are names of :mod:`spbl_nb.detection.retinanet`.
    """

    classification: str
    regression: str
    average_precision: float
    source: str = _ALL["detection"]["source"]
    standing: str = "not run here"


def _protocol(entry: dict[str, Any]) -> Protocol:
    facts = {key: Fact(**value) for key, value in entry.items() if key in ("division", "network", "repeats")}
    return Protocol(**{key: value for key, value in entry.items() if key != "values"} | facts)


COLUMNS = tuple(Column(**entry) for entry in _ALL["columns"])
PROTOCOLS = tuple(_protocol(entry) for entry in _ALL["protocols"])
VALUES = tuple(
    Value(entry["dataset"], column, *numbers)
    for entry in _ALL["protocols"]
    for column, numbers in entry["values"].items()
)
SELECTION = Fact(**_ALL["selection"])
DETECTION_PROTOCOL = Fact(**_ALL["detection"]["protocol"])
DETECTION = tuple(DetectionValue(**entry) for entry in _ALL["detection"]["values"])


def protocol_of(dataset: str) -> Protocol | None:
    """Return what is known of the published experiment on a data set of ours, None where nothing was published.

    Only the same images count: ``lesions198`` has the class sizes of SD-198, but drawn images, and has none.
    """
    return next((protocol for protocol in PROTOCOLS if protocol.dataset == dataset), None)


def value_of(dataset: str, column: str) -> Value | None:
    """Return the published number of a data set in one column, None where it is not available."""
    return next((value for value in VALUES if (value.dataset, value.column) == (dataset, column)), None)


@dataclass(frozen=True)
class Ours:
    """What one variant of ours reached on the same images: ``values`` ``{column: "mean ± deviation"}`` in per cent.

    ``badges`` name every difference of definition and protocol that the result files show.
    """

    method: str
    seeds: int
    values: dict[str, str]
    badges: tuple[Badge, ...]


def beside(kept: Iterable[Run], protocol: Protocol) -> list[Ours]:
    """Return what :data:`VARIANTS` reached on the images of a published experiment; empty where none was run."""
    results = [run.result for run in kept if run.result["fingerprint"]["dataset"] == protocol.dataset]
    found = []
    for method in VARIANTS:
        mine = [result for result in results if result["fingerprint"]["method"] == method]
        if mine:
            values = {
                column.name: plus_minus([one["report"].get(column.metric) for one in mine], 1, 100)
                for column in COLUMNS
            }
            spread = Badge(
                "definition",
                f"± over {len(mine)} seeds" if len(mine) > 1 else "one seed, no ±",
                f"published: {protocol.repeats or 'over repetitions that are not known to us'}",
            )
            found.append(Ours(method, len(mine), values, (*protocol_badges(mine[0], protocol), spread)))
    return found


def definition_badges(dataset: str) -> tuple[Badge, ...]:
    """Return a badge for each published number of a data set whose name may mislead."""
    return tuple(
        Badge("definition", column.badge, column.meaning)
        for column in COLUMNS
        if column.badge and value_of(dataset, column.name)
    )


def protocol_badges(result: dict[str, Any], protocol: Protocol) -> tuple[Badge, ...]:
    """Return a badge for each difference between the content of a ``result.json`` and a published protocol."""
    settings = result["fingerprint"].get("config") or {}
    sizes = {split: np.array(counts) for split, counts in result["class_counts"].items()}
    origin = result.get("split_origin") or "unknown"
    training, total = int(sizes["train"].sum()), sum(int(counts.sum()) for counts in sizes.values())
    found: list[tuple[str, object]] = []
    if result["fingerprint"]["method"] == "spbl_intended":
        found.append(("variant intended", Fact("the released code, which departs from the abstract", "inferred")))
    if not selected_on_test(result):
        found.append(("epochs not chosen on the test", SELECTION))
    if settings.get("model") != protocol.model:
        found.append((f"network {settings.get('model', 'unknown')}", protocol.network))
    elif "ImageNet" in protocol.network.text and not settings.get("weights"):
        found.append(("random starting weights", protocol.network))
    if settings.get("size") not in (None, protocol.side):
        found.append((f"{settings['size']} pixels", protocol.network))
    if protocol.stage_epochs not in (None, settings.get("stage_epochs")):
        budget = Fact(f"{protocol.stage_epochs} epochs in each of {STAGES} stages", "release")
        found.append((f"budget of {result['steps']:,} steps", budget))
    if any(word in protocol.division.text and word not in origin for word in ("fold", "official")):
        found.append((f"division: {origin}", protocol.division))
    if protocol.training and not 0.95 < training / protocol.training < 1.05:
        found.append((f"{training:,} training images", protocol.division))
    elif not protocol.training and protocol.images and not protocol.odd_share and total != protocol.images:
        found.append((f"{total:,} images in all", f"{protocol.images:,}"))
    if protocol.odd_share is not None:
        share = sizes["train"][1::2].mean() / sizes["train"][::2].mean()
        if abs(share - protocol.odd_share) > 0.01:
            found.append((f"odd classes at {share:.0%} of the even ones", protocol.division))
    if "validation" in sizes and sizes["validation"].sum():
        found.append(
            (f"{int(sizes['validation'].sum()):,} images held out for validation", "no such split is known to us")
        )
    return tuple(Badge("protocol", label, f"published: {published}") for label, published in found)
