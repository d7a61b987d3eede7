"""The configuration names of the original READMEs, and what each of them means here.

The SPBL release is configured by the names of its ``cfg.py`` (``input_size``, ``train_ratio``, ``add_ratios``, …). Its
README lists others (``work_dir``, ``datatype``, ``train_cfg.ghmc.bins``, …), which are those of GHM's detector and which
SPBL's own code never reads. Both may stand in a file as they are; :mod:`spbl_nb.config_files` reads it and asks this
module what the names mean.

Sources: xpwu95/SPBL_Pytorch and libuyu/GHM_Detection, their READMEs and configuration files.

Taught in: notebooks/08_experiment, section 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spbl_nb import checks
from spbl_nb.config import Config, preset

OWN, SPBL, GHM = "own", "spbl", "ghm"


@dataclass(frozen=True)
class Name:
    """One original name: whose it is, what it becomes here (empty: nothing), and what a reader must know of it."""

    family: str
    original: str
    ours: str
    remark: str


NAMES = (
    Name(
        SPBL, "input_size", "size, padding", "pictures are enlarged by 32 pixels and cut at random, as in the release"
    ),
    Name(SPBL, "lr", "lr, backbone_lr", "below the head a tenth of it; one rate for all in the MNIST network"),
    Name(SPBL, "batch_size", "batch_size", ""),
    Name(SPBL, "workers", "", "the release's loader processes; here pictures are decoded once, before training"),
    Name(
        SPBL, "iter_step", "", "the release checks that it is at least 1 and never uses it: add_ratios rules the paces"
    ),
    Name(SPBL, "gamma", "", "SPaCo's reward for agreeing views; the release hands it to SPBL, which never uses it"),
    Name(SPBL, "train_ratio", "seed_share", ""),
    Name(SPBL, "model", "model, weights", "ImageNet weights, but for the MNIST network"),
    Name(
        SPBL,
        "dataset",
        "the data set",
        "sd-198, sd-260, mit67, caltech101, mnist (also minist), mlc, or a name of ours",
    ),
    Name(SPBL, "class_num", "num_classes", "must be the number of classes of the data set"),
    Name(SPBL, "epochs", "stage_epochs", "passes over the samples of every stage, seed stage and paces alike"),
    Name(SPBL, "step_size", "milestones", "every so many epochs of a stage the learning rate falls to a tenth"),
    Name(SPBL, "add_ratios", "add_ratios", ""),
    Name(GHM, "work_dir", "the runs folder", ""),
    Name(GHM, "datatype", "the data set", "coco or voc (boxes), or a data set of ours (the method ghm_c)"),
    Name(GHM, "data_root", "the data's folder", ""),
    Name(
        GHM,
        "model.pretrained",
        "weights",
        "file of ImageNet weights, or torchvision's name for them; boxes: without it the small network trains",
    ),
    Name(GHM, "resume_from", "the checkpoint", "training goes on from it"),
    Name(GHM, "train_cfg.ghmc.bins", "ghm_bins", ""),
    Name(GHM, "train_cfg.ghmc.momentum", "ghm_momentum", ""),
    Name(GHM, "train_cfg.ghmr.mu", "ghm_r_mu", "boxes only"),
    Name(GHM, "train_cfg.ghmr.bins", "ghm_r_bins", "boxes only"),
    Name(GHM, "train_cfg.ghmr.momentum", "ghm_r_momentum", "boxes only"),
    Name(GHM, "total_epochs", "epochs", ""),
    Name(GHM, "lr_config.step", "milestones", "epochs after which the learning rate falls to a tenth"),
)

_DATASETS = {
    "sd-198": "sd198",
    "sd-260": "sd260",
    "mit67": "mit67",
    "mit-67": "mit67",
    "caltech101": "caltech101",
    "caltech-101": "caltech101",
    "mnist": "mnist",
    "minist": "mnist",  # spelt so in the README
    "mlc": "mlc",
}
_CLASSES = {"sd198": (198,), "sd260": (260,), "mit67": (67,), "caltech101": (101, 102), "mnist": (10,), "mlc": (9,)}
_MODELS = {"mnist": "mnist_net"} | {f"vgg{depth}": f"vgg{depth}_bn" for depth in (11, 13, 16, 19)}
DETECTION = ("coco", "voc")  # data sets with boxes: a detector is trained on them
_RELEASED_GHM_RATE = 0.01
_CROP_MARGIN = 16  # the release enlarges pictures by twice this and cuts at random
_IMAGENET = "IMAGENET1K_V1"


@dataclass(frozen=True)
class Meaning:
    """What a file of original names asks for; None where it says nothing.

    ``settings``; ``dataset`` a name of ours; ``methods``; ``data_root``, ``runs_dir``, ``checkpoint`` as they stand;
    ``notes``, a sentence for each name that has no effect here, or another one than a reader may expect.
    """

    settings: Config
    dataset: str | None = None
    methods: tuple[str, ...] | None = None
    data_root: str | None = None
    runs_dir: str | None = None
    checkpoint: str | None = None
    notes: tuple[str, ...] = ()


def family_of(names: Mapping[str, Any], where: str) -> str:
    """Return whose names these are: "own", "spbl" or "ghm".

    Names that :class:`spbl_nb.config.Config` shares with the release (``lr``, ``batch_size``, ``model``, ``epochs``,
    ``add_ratios``) tell nothing. Raises ValueError for an unknown name (the nearest is suggested), for names of several
    families, and for names that tell nothing; ``where`` is the file, for the message.
    """
    known = {OWN: set(preset("fast").to_dict())}
    known |= {family: {name.original for name in NAMES if name.family == family} for family in (SPBL, GHM)}
    everything = sorted(set().union(*known.values()))
    for name in checks.instance(where, names, Mapping):
        if not isinstance(name, str) or name not in everything:
            raise ValueError(f"{where}: {name} is no setting{checks.nearest(name, everything) or _LISTED}")
    telling = {
        family: sorted(name for name in names if not any(name in known[other] for other in known if other != family))
        for family in known
    }
    found = {family: own for family, own in telling.items() if own}
    if len(found) > 1:
        told = "; ".join(f"{', '.join(own)} ({_FAMILIES[family]})" for family, own in found.items())
        raise ValueError(f"{where} mixes names of several origins: {told}; use those of one only")
    if not found:
        raise ValueError(
            f"{where} holds {', '.join(names) or 'no name'}, which does not tell whose names these are; add "
            "'preset: fast' if they are this package's, or 'dataset: …' if they are those of the SPBL release"
        )
    return next(iter(found))


_LISTED = (
    "; all settings stand in the table of notebooks/00_start_here.ipynb and in spbl_nb.config, the original names in "
    "spbl_nb.original_names"
)
_FAMILIES = {OWN: "this package", SPBL: "the SPBL release", GHM: "its README, from GHM"}


def of_spbl(names: Mapping[str, Any]) -> Meaning:
    """Return what names of the SPBL release's ``cfg.py`` mean; what is not named stands as in that file."""
    given = {
        "input_size": 224,
        "lr": 0.01,
        "batch_size": 64,
        "model": "resnet50",
        "dataset": "sd-198",
        "epochs": 50,
        "step_size": 40,
        "train_ratio": 0.2,
        "add_ratios": [0.5, 0.75, 0.9, 1.0, 1.0],
    } | dict(checks.instance("names", names, Mapping))
    dataset = _dataset("dataset", given["dataset"])
    model = _model(given["model"])
    small = model == "mnist_net"
    lr = checks.real("lr", given["lr"], 0, open_low=True)
    epochs = checks.integer("epochs", given["epochs"], 1)
    settings = preset(
        "release",
        model=model,
        weights=None if small else _IMAGENET,
        size=checks.integer("input_size", given["input_size"], 8, 1024),
        padding=_CROP_MARGIN,
        lr=lr,
        backbone_lr=None if small else lr / 10,
        batch_size=checks.integer("batch_size", given["batch_size"], 2),
        stage_epochs=epochs,
        milestones=_falls(checks.integer("step_size", given["step_size"], 1), epochs),
        seed_share=checks.real("train_ratio", given["train_ratio"], 0, 1, open_low=True, open_high=True),
        add_ratios=given["add_ratios"],
        **_classes(given, dataset),
    )
    for name, low in (("workers", 0), ("iter_step", 1)):
        if name in given:
            checks.integer(name, given[name], low)
    if "gamma" in given:
        checks.real("gamma", given["gamma"], 0)
    notes = tuple(f"{n.original} has no effect: {n.remark}" for n in NAMES if not n.ours and n.original in given)
    return Meaning(settings, dataset, ("spbl_released",), notes=notes)


def of_ghm(names: Mapping[str, Any]) -> Meaning:
    """Return what the names of the README (those of GHM's detector) mean; what is not named stands as in its release.

    For a data set without boxes the method is ``ghm_c``. Raises ValueError for settings of the box loss there.
    """
    given = {"datatype": "coco", "total_epochs": 12, "lr_config.step": [8, 11]} | dict(
        checks.instance("names", names, Mapping)
    )
    named = given["datatype"]
    dataset = named if isinstance(named, str) and named in DETECTION else _dataset("datatype", named)
    boxes = dataset in DETECTION
    of_boxes = sorted(name for name in names if str(name).startswith("train_cfg.ghmr."))
    if of_boxes and not boxes:
        raise ValueError(
            f"{', '.join(of_boxes)}: a loss of boxes, but datatype is {given['datatype']!r}, which has none"
        )
    epochs = checks.integer("total_epochs", given["total_epochs"], 1)
    changed: dict[str, Any] = {"epochs": epochs, "max_steps": None, "milestones": _steps(given, names, epochs)}
    weights = given.get("model.pretrained")
    changed |= {
        name.ours: given[name.original] for name in NAMES if name.ours.startswith("ghm_") and name.original in given
    }
    if weights is not None:
        changed |= {"model": "resnet50", "weights": _text("model.pretrained", weights)}
    if boxes and weights is not None:
        changed |= {"lr": _RELEASED_GHM_RATE}
    places = {
        name: _text(name, given[name]) for name in ("data_root", "work_dir", "resume_from") if _stands(given.get(name))
    }
    return Meaning(
        _of_detection(changed) if boxes else preset("fast", **changed),
        dataset,
        None if boxes else ("ghm_c",),
        places.get("data_root"),
        places.get("work_dir"),
        places.get("resume_from"),
    )


def table() -> list[dict[str, str]]:
    """Return a row for each original name: whose it is, what it is here, and what to know of it."""
    return [
        {
            "name": f"`{name.original}`",
            "of": _FAMILIES[name.family],
            "here": name.ours or "no effect",
            "remark": name.remark,
        }
        for name in NAMES
    ]


def _of_detection(changed: dict[str, Any]) -> Config:
    from spbl_nb import detection

    return detection.settings("fast", **changed)


def _dataset(name: str, value: Any) -> str:
    from spbl_nb import data

    allowed = [*_DATASETS, *(own for own in data.NAMES if own not in _DATASETS)]
    found = checks.one_of(name, value, allowed)
    return _DATASETS.get(found, found)


def _model(value: Any) -> str:
    from spbl_nb.training import models

    allowed = [*_MODELS, *(name for name in models.NAMES if name not in _MODELS.values())]
    if isinstance(value, str) and value == "inception":
        raise ValueError(
            "model is 'inception', a network of the release that torchvision does not have; take 'inception_v3'"
        )
    found = checks.one_of("model", value, allowed)
    return _MODELS.get(found, found)


def _classes(given: Mapping[str, Any], dataset: str) -> dict[str, int]:
    """Return the setting for ``class_num``, checked against what is known of the data set."""
    if "class_num" not in given:
        return {}
    number = checks.integer("class_num", given["class_num"], 2)
    known = _CLASSES.get(dataset)
    if known is not None and number not in known:
        raise ValueError(
            f"class_num is {number}, but {given['dataset']} has {' or '.join(map(str, known))} classes; leave class_num out "
            "or name another dataset"
        )
    return {"num_classes": number}


def _falls(every: int, epochs: int) -> tuple[float, ...]:
    """Return the shares of a training at which its rate falls, every so many epochs; 1, which is never, if it is too short."""
    return tuple(epoch / epochs for epoch in range(every, epochs, every)) or (1.0,)


def _steps(given: Mapping[str, Any], names: Mapping[str, Any], epochs: int) -> tuple[float, ...]:
    steps = given["lr_config.step"]
    steps = steps if isinstance(steps, list) else [steps]
    steps = [checks.integer(f"lr_config.step[{index}]", step, 1) for index, step in enumerate(steps)]
    late = [step for step in steps if step >= epochs]
    if late and "lr_config.step" in names:
        raise ValueError(
            f"lr_config.step holds {late[0]}, but total_epochs is {epochs}, so the rate would never fall there; give epochs "
            "before the last"
        )
    return tuple(step / epochs for step in steps if step < epochs) or (1.0,)


def _stands(value: Any) -> bool:
    """Tell whether a place is named; None and "" name none."""
    return value is not None and not (isinstance(value, str) and not value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is {value!r}; allowed: a text")
    return value
