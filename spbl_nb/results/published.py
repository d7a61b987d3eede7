"""Every number of SPBL that its authors have published and that could be had, and what is known of how it came about.

They stand in the README of the released code. The paper's body could not be had, so its comparison tables and ablations are
not available to us, and nothing but what stands here may be called published. Each fact carries its standing: *release*
(the released code or its README), *inferred* (reasoned from these), or *recalled* (background knowledge, unconfirmed).
Beside them go our own numbers on the same pictures, by the same definitions, with a badge for each difference. At the end
stand the figures that the authors of gradient harmonizing (GHM) published for their detectors; none was run here.

Taught in: notebooks/09_reproduction_report, section 7, and notebooks/06_gradient_harmonizing, section 6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spbl_nb.results.store import Run
from spbl_nb.results.tables import Badge, plus_minus, selected_on_test

PAPER = "Yang et al. 2020, IEEE TNNLS 31(8), 2832-2846, doi 10.1109/TNNLS.2019.2917524"
SOURCE = "README of the released code, github.com/xpwu95/SPBL_Pytorch"
STAGES = 6  # a seed stage and five paces
VARIANTS = ("spbl_released", "spbl_clean", "spbl_intended")  # ours of the method, nearest to the released code first


@dataclass(frozen=True)
class Fact:
    """A statement on a published protocol, and its ``standing``: release, inferred or recalled."""

    text: str
    standing: str

    def __str__(self) -> str:
        return f"{self.text} [{self.standing}]"


@dataclass(frozen=True)
class Column:
    """A column of the published table.

    ``metric`` is the figure of :class:`spbl_nb.metrics.Report` with the same definition. Where the published name may
    mislead, ``badge`` says so in a few words and ``meaning`` in a sentence.
    """

    name: str
    metric: str
    badge: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Value:
    """A published number in per cent: mean, and deviation where one is given; ``source`` says where it stands."""

    dataset: str
    column: str
    mean: float
    deviation: float | None
    source: str = SOURCE

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


@dataclass(frozen=True)
class Protocol:
    """What is known of the experiment behind the published numbers of one data set.

    ``dataset`` is its name in :mod:`spbl_nb.data`; ``division`` says who trained and who was tested, ``repeats`` over
    what the deviation runs (None: not known to us). ``model``, ``side`` (pixels) and ``stage_epochs`` are our names and
    values of the same settings, None where they are not known. ``pictures`` is the size of the whole set, and
    ``training`` about how many of them trained, where the protocol thins them. ``odd_share`` is the share of the odd
    classes' training pictures that was kept.
    """

    dataset: str
    title: str
    classes: int
    pictures: int | None
    division: Fact
    network: Fact
    repeats: Fact | None = None
    model: str | None = None
    side: int | None = None
    stage_epochs: int | None = None
    training: int | None = None
    odd_share: float | None = None


COLUMNS = (
    Column("precision", "precision"),
    Column("recall", "recall"),
    Column("F1", "f1"),
    Column(
        "G-mean",
        "g_mean_corrected",
        "G-mean with 0.001 for dead classes",
        "the release puts 0.001 in the place of a recall of 0; so does our number here. The usual G-mean is then 0",
    ),
    Column(
        "“MAUC”",
        "weighted_harmonic",
        "“MAUC” is no AUC",
        "what the release prints is the harmonic mean of support-weighted precision and recall; so is our number here. "
        "The MAUC of Hand & Till stands in section 2",
    ),
    Column("accuracy", "accuracy"),
)

SELECTION = Fact("the weights of the epoch with the best accuracy on the test pictures", "release")
_RESNET = Fact("ResNet-50 with ImageNet weights, pictures of 224 pixels, 50 epochs a stage", "release")
_SAME_NETWORK = Fact("ResNet-50 with ImageNet weights, pictures of 224 pixels", "inferred")
_FOLDS = Fact("over 5 folds", "inferred")

PROTOCOLS = (
    Protocol(
        "sd198", "SD-198", 198, 6_584, Fact("cross-validation over 5 folds", "inferred"), _RESNET, _FOLDS,
        model="resnet50", side=224, stage_epochs=50,
    ),
    Protocol(
        "sd260", "SD-260", 260, 20_600, Fact("as SD-198", "inferred"), _RESNET, _FOLDS,
        model="resnet50", side=224, stage_epochs=50,
    ),
    Protocol(
        "mit67", "MIT-67", 67, 15_620,
        Fact("the official lists, or 60 % for training with a tenth of the odd classes", "recalled"), _SAME_NETWORK,
        model="resnet50", side=224, odd_share=0.1,
    ),
    Protocol(
        "caltech101", "Caltech-101", 102, 9_144,
        Fact("60 % for training, with a tenth of the odd classes", "recalled"), _SAME_NETWORK,
        model="resnet50", side=224, odd_share=0.1,
    ),
    Protocol(
        "mnist", "MNIST", 10, 70_000,
        Fact("the official parts, with a tenth of the odd digits: about 33,000 for training", "recalled"),
        Fact("the MNIST net of the release, pictures of 28 pixels", "release"),
        model="mnist_net", side=28, training=33_000, odd_share=0.1,
    ),
    Protocol(
        "mlc", "MLC (corals)", 9, None,
        Fact("patches around points; 2008 for training, 2009 for the test", "inferred"), _SAME_NETWORK,
        model="resnet50", side=224,
    ),
)  # fmt: skip

_FULL = {
    "sd198": ((71.4, 1.7), (65.7, 1.6), (66.2, 1.6), (42.8, 4.0), (68.5, 1.6), (67.8, 1.8)),
    "sd260": ((59.9, 1.6), (48.2, 1.1), (51.0, 0.9), (19.6, 1.1), (64.8, 1.2), (65.1, 0.8)),
}
_ACCURACY = {"mit67": (64.1, 0.5), "caltech101": (88.6, 0.4), "mnist": (99.0, 0.1), "mlc": (72.0, None)}

VALUES = (
    *(
        Value(dataset, column.name, *pair)
        for dataset, pairs in _FULL.items()
        for column, pair in zip(COLUMNS, pairs, strict=True)
    ),
    *(Value(dataset, "accuracy", *pair) for dataset, pair in _ACCURACY.items()),
)


def protocol_of(dataset: str) -> Protocol | None:
    """Return what is known of the published experiment on a data set of ours, None where nothing was published.

    Only the same pictures count: ``lesions198`` has the class sizes of SD-198, but drawn pictures, and has none.
    """
    return next((protocol for protocol in PROTOCOLS if protocol.dataset == dataset), None)


def value_of(dataset: str, column: str) -> Value | None:
    """Return the published number of a data set in one column, None where it is not available."""
    return next((value for value in VALUES if (value.dataset, value.column) == (dataset, column)), None)


@dataclass(frozen=True)
class DetectionValue:
    """A published average precision in per cent of a RetinaNet with these losses, and where it stands.

    ``classification`` and ``regression`` are names of :mod:`spbl_nb.detection.retinanet`. None of them was run here.
    """

    classification: str
    regression: str
    average_precision: float
    source: str = "release of GHM, github.com/libuyu/GHM_Detection"
    standing: str = "not run here"


DETECTION_PROTOCOL = Fact("COCO minival, RetinaNet with ResNet-50-FPN", "release")
DETECTION = (
    DetectionValue("focal", "smooth_l1", 35.6),
    DetectionValue("ghm_c", "smooth_l1", 35.8),
    DetectionValue("ghm_c", "ghm_r", 37.0),
)


@dataclass(frozen=True)
class Ours:
    """What one variant of ours reached on the same pictures: ``values`` ``{column: "mean ± deviation"}`` in per cent.

    ``badges`` name every difference of definition and protocol that the result files show.
    """

    method: str
    seeds: int
    values: dict[str, str]
    badges: tuple[Badge, ...]


def beside(kept: Iterable[Run], protocol: Protocol) -> list[Ours]:
    """Return what :data:`VARIANTS` reached on the pictures of a published experiment; empty where none was run."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for run in kept:
        if run.result["fingerprint"]["dataset"] == protocol.dataset:
            cells.setdefault(run.result["fingerprint"]["method"], []).append(run.result)
    return [
        Ours(
            method,
            len(cells[method]),
            {
                column.name: plus_minus([one["report"].get(column.metric) for one in cells[method]], 1, 100)
                for column in COLUMNS
            },
            (*protocol_badges(cells[method][0], protocol), _spread_badge(len(cells[method]), protocol)),
        )
        for method in VARIANTS
        if method in cells
    ]


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
    sizes = {part: np.array(counts) for part, counts in result["class_counts"].items()}
    found: list[tuple[str, str]] = []

    def differs(label: str, published: object) -> None:
        found.append((label, f"published: {published}"))

    if result["fingerprint"]["method"] == "spbl_intended":
        differs("variant intended", Fact("the released code, which departs from the abstract", "inferred"))
    if not selected_on_test(result):
        differs("epochs not chosen on the test", SELECTION)
    if settings.get("model") != protocol.model:
        differs(f"network {settings.get('model', 'unknown')}", protocol.network)
    elif "ImageNet" in protocol.network.text and not settings.get("weights"):
        differs("random starting weights", protocol.network)
    if settings.get("size") not in (None, protocol.side):
        differs(f"{settings['size']} pixels", protocol.network)
    if protocol.stage_epochs not in (None, settings.get("stage_epochs")):
        differs(
            f"budget of {result['steps']:,} steps",
            f"{protocol.stage_epochs} epochs in each of {STAGES} stages [release]",
        )
    origin = result.get("split_origin") or "unknown"
    if any(word in protocol.division.text and word not in origin for word in ("fold", "official")):
        differs(f"division: {origin}", protocol.division)
    training, total = int(sizes["train"].sum()), sum(int(counts.sum()) for counts in sizes.values())
    if protocol.training and not 0.95 < training / protocol.training < 1.05:
        differs(f"{training:,} training pictures", protocol.division)
    elif not protocol.training and protocol.pictures and not protocol.odd_share and total != protocol.pictures:
        differs(f"{total:,} pictures in all", f"{protocol.pictures:,}")
    if protocol.odd_share is not None:
        share = sizes["train"][1::2].mean() / sizes["train"][::2].mean()
        if abs(share - protocol.odd_share) > 0.01:
            differs(f"odd classes at {share:.0%} of the even ones", protocol.division)
    if "validation" in sizes and sizes["validation"].sum():
        differs(f"{int(sizes['validation'].sum()):,} pictures held out for validation", "no such part is known to us")
    return tuple(Badge("protocol", *pair) for pair in found)


def _spread_badge(seeds: int, protocol: Protocol) -> Badge:
    published = protocol.repeats or "over repetitions that are not known to us"
    here = f"± over {seeds} seeds" if seeds > 1 else "one seed, no ±"
    return Badge("definition", here, f"published: {published}")
