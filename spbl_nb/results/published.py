"""Every number of SPBL that its authors have published and that could be had, beside our own numbers.

The numbers and what is known of their protocols are in ``published.yaml``, from the README of the released code (Yang et
al. 2020, IEEE TNNLS 31(8), 2832-2846, doi 10.1109/TNNLS.2019.2917524). The paper's tables are not available to us, and
nothing but what is in that file may be called published. Ours are set beside them only for the same images, by the same
definitions, with a :class:`Badge` for each difference.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from spbl_nb.results.store import Run
from spbl_nb.results.tables import plus_minus, selected_on_test

VARIANTS = ("spbl_released", "spbl_clean", "spbl_intended")  # ours of the method, nearest to the released code first


class Badge(NamedTuple):
    """A short mark on a number: ``kind`` "definition" or "protocol", a few words, and their ``meaning`` in a sentence."""

    kind: str
    label: str
    meaning: str


class Value(NamedTuple):
    """A published number in per cent: mean, and deviation where one is given."""

    mean: float
    deviation: float | None = None

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


@dataclass(frozen=True)
class Protocol:
    """What is known of the experiment behind the published ``values`` of one data set, ``{column: Value}``.

    ``division`` says who trained and who was tested, ``repeats`` over what the deviation runs, each with its standing in
    brackets. ``model``, ``size`` (pixels) and ``stage_epochs`` are settings of :class:`spbl_nb.config.Config`. ``images``
    is the size of the whole set, ``training`` about how many of them trained, ``odd_share`` the share of the odd classes'
    training images that was kept. None: not known to us, or not part of the protocol.
    """

    dataset: str
    title: str
    classes: int
    division: str
    network: str
    values: dict[str, Value]
    model: str
    size: int
    repeats: str = "over repetitions that are not known to us"
    stage_epochs: int | None = None
    images: int | None = None
    training: int | None = None
    odd_share: float | None = None


class Ours(NamedTuple):
    """What one variant of ours reached on the same images: ``values`` ``{column: "mean ± deviation"}`` in per cent."""

    method: str
    seeds: int
    values: dict[str, str]
    badges: tuple[Badge, ...]


_ALL = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
SOURCE: str = _ALL["source"]
COLUMNS: dict[str, str] = _ALL["columns"]  # published name: our metric by the same definition
MISLEADING = {name: Badge("definition", *words) for name, words in _ALL["misleading"].items()}
DETECTION: dict[str, Any] = _ALL["detection"]
PROTOCOLS = tuple(
    Protocol(**entry | {"values": {column: Value(*numbers) for column, numbers in entry["values"].items()}})
    for entry in _ALL["protocols"]
)


def protocol_of(dataset: str) -> Protocol | None:
    """Return what is known of the published experiment on a data set of ours, None where nothing was published.

    Only the same images count: ``lesions198`` has the class sizes of SD-198, but drawn images, and has none.
    """
    return next((protocol for protocol in PROTOCOLS if protocol.dataset == dataset), None)


def beside(kept: Iterable[Run], protocol: Protocol) -> list[Ours]:
    """Return what :data:`VARIANTS` reached on the images of a published experiment; empty where none was run."""
    results = [run.result for run in kept if run.result["fingerprint"]["dataset"] == protocol.dataset]
    found = []
    for method in VARIANTS:
        mine = [result for result in results if result["fingerprint"]["method"] == method]
        if mine:
            values = {
                column: plus_minus([one["report"].get(metric) for one in mine], 1, 100)
                for column, metric in COLUMNS.items()
            }
            spread = f"± over {len(mine)} seeds" if len(mine) > 1 else "one seed, no ±"
            badges = [Badge("protocol", *words) for words in _departures(mine[0], protocol)]
            badges.append(Badge("definition", spread, f"published: {protocol.repeats}"))
            found.append(Ours(method, len(mine), values, tuple(badges)))
    return found


def _departures(result: dict[str, Any], protocol: Protocol) -> Iterator[tuple[str, str]]:
    """Yield (label, what was published) for each difference between a ``result.json`` and a published protocol."""
    settings = result["fingerprint"].get("config") or {}
    sizes = {split: np.array(counts) for split, counts in result["class_counts"].items()}
    origin = result.get("split_origin") or "unknown"
    training, total = sizes["train"].sum(), sum(counts.sum() for counts in sizes.values())
    held_out = np.sum(sizes.get("validation", 0))
    network, division = f"published: {protocol.network}", f"published: {protocol.division}"
    if result["fingerprint"]["method"] == "spbl_intended":
        yield "variant intended", "published: the released code, which departs from the abstract [inferred]"
    if not selected_on_test(result):
        yield "epochs not chosen on the test", f"published: {_ALL['selection']}"
    if settings.get("model") != protocol.model:
        yield f"network {settings.get('model', 'unknown')}", network
    elif "ImageNet" in network and not settings.get("weights"):
        yield "random starting weights", network
    if settings.get("size") not in (None, protocol.size):
        yield f"{settings['size']} pixels", network
    if protocol.stage_epochs not in (None, settings.get("stage_epochs")):
        budget = f"published: {protocol.stage_epochs} epochs in each of 6 stages [release]"  # a seed stage, five paces
        yield f"budget of {result['steps']:,} steps", budget
    if any(word in division and word not in origin for word in ("fold", "official")):
        yield f"division: {origin}", division
    if protocol.training and not 0.95 < training / protocol.training < 1.05:
        yield f"{training:,} training images", division
    if protocol.images and not protocol.odd_share and total != protocol.images:
        yield f"{total:,} images in all", f"published: {protocol.images:,}"
    if protocol.odd_share:
        share = sizes["train"][1::2].mean() / sizes["train"][::2].mean()
        if abs(share - protocol.odd_share) > 0.01:
            yield f"odd classes at {share:.0%} of the even ones", division
    if held_out:
        yield f"{held_out:,} images held out for validation", "published: no such split is known to us"
