"""A run's settings from a YAML file, in this package's names or in those of the original READMEs.

The SPBL release is configured by the names of its ``cfg.py`` (``input_size``, ``train_ratio``, …). Its README lists others
(``work_dir``, ``train_cfg.ghmc.bins``, …), which are those of GHM's detector and which SPBL's own code never reads. Whose
names a file uses is read from the names themselves, and a mixture is refused. Names may be nested
(``train_cfg: {ghmc: {bins: 30}}``) or dotted. Relative paths count from the file's folder. What is given on a command
line, or as a notebook's parameter, overrides the file.

Sources: xpwu95/SPBL_Pytorch and libuyu/GHM_Detection, their READMEs and configuration files.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from spbl_nb import checks
from spbl_nb.config import Config, preset

_OWN, _SPBL, _GHM = "this package", "the SPBL release", "its README, from GHM"
DETECTION = ("coco", "voc")  # data sets with boxes: a detector is trained on them


class Name(NamedTuple):
    """One original name: whose it is, what it becomes here (empty: nothing), and what a reader must know of it."""

    family: str
    original: str
    ours: str
    remark: str = ""


NAMES = (
    Name(_SPBL, "input_size", "size, padding", "images are enlarged by 32 pixels and cut at random, as in the release"),
    Name(_SPBL, "lr", "lr, backbone_lr", "below the head a tenth of it; one rate for all in the MNIST network"),
    Name(_SPBL, "batch_size", "batch_size"),
    Name(_SPBL, "workers", "", "the release's loader processes; here images are decoded once, before training"),
    Name(
        _SPBL, "iter_step", "", "the release checks that it is at least 1 and never uses it: add_ratios rules the paces"
    ),
    Name(_SPBL, "gamma", "", "SPaCo's reward for agreeing views; the release hands it to SPBL, which never uses it"),
    Name(_SPBL, "train_ratio", "seed_share"),
    Name(_SPBL, "model", "model, weights", "ImageNet weights, but for the MNIST network"),
    Name(
        _SPBL,
        "dataset",
        "the data set",
        "sd-198, sd-260, mit67, caltech101, mnist (also minist), mlc, or a name of ours",
    ),
    Name(_SPBL, "class_num", "num_classes", "must be the number of classes of the data set"),
    Name(_SPBL, "epochs", "stage_epochs", "passes over the samples of every stage, seed stage and paces alike"),
    Name(_SPBL, "step_size", "milestones", "every so many epochs of a stage the learning rate falls to a tenth"),
    Name(_SPBL, "add_ratios", "add_ratios"),
    Name(_GHM, "work_dir", "the runs folder"),
    Name(_GHM, "datatype", "the data set", "coco or voc (boxes), or a data set of ours (the method ghm_c)"),
    Name(_GHM, "data_root", "the data's folder"),
    Name(
        _GHM,
        "model.pretrained",
        "weights",
        "file of ImageNet weights, or torchvision's name for them; boxes: without it the small network trains",
    ),
    Name(_GHM, "resume_from", "the checkpoint", "training goes on from it"),
    Name(_GHM, "train_cfg.ghmc.bins", "ghm_bins"),
    Name(_GHM, "train_cfg.ghmc.momentum", "ghm_momentum"),
    Name(_GHM, "train_cfg.ghmr.mu", "ghm_r_mu", "boxes only"),
    Name(_GHM, "train_cfg.ghmr.bins", "ghm_r_bins", "boxes only"),
    Name(_GHM, "train_cfg.ghmr.momentum", "ghm_r_momentum", "boxes only"),
    Name(_GHM, "total_epochs", "epochs"),
    Name(_GHM, "lr_config.step", "milestones", "epochs after which the learning rate falls to a tenth"),
)

_RELEASED_SPBL: dict[str, Any] = {  # what the release's cfg.py holds
    "input_size": 224,
    "lr": 0.01,
    "batch_size": 64,
    "model": "resnet50",
    "dataset": "sd-198",
    "epochs": 50,
    "step_size": 40,
    "train_ratio": 0.2,
    "add_ratios": [0.5, 0.75, 0.9, 1.0, 1.0],
}
_RELEASED_GHM: dict[str, Any] = {"datatype": "coco", "total_epochs": 12, "lr_config.step": [8, 11]}
_RELEASED_GHM_RATE = 0.01
_CROP_MARGIN = 16  # the release enlarges images by twice this and cuts at random
_IMAGENET = "IMAGENET1K_V1"
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
_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")  # a number to everyone but YAML 1.1


@dataclass(frozen=True)
class Meaning:
    """What a settings file asks for; None where it says nothing.

    ``settings``; ``dataset`` a name of ours; ``methods``; ``data_root``, ``runs_dir``, ``checkpoint`` as absolute paths;
    ``notes``, a sentence for each name that has no effect here.
    """

    settings: Config
    dataset: str | None = None
    methods: tuple[str, ...] | None = None
    data_root: str | None = None
    runs_dir: str | None = None
    checkpoint: str | None = None
    notes: tuple[str, ...] = ()


def request(path: str | os.PathLike, preset_name: str, **overrides: Any) -> Meaning:
    """Return what a file asks for or, where ``path`` is empty, the settings of a preset.

    ``overrides`` are settings by name; they override the file, and an empty text says nothing.
    """
    overrides = {name: value for name, value in overrides.items() if value != ""}
    if not path:
        return Meaning(preset(preset_name, **overrides))
    asked = read(path)
    return dataclasses.replace(asked, settings=asked.settings.replace(**overrides))


def read(path: str | os.PathLike) -> Meaning:
    """Return what a settings file asks for.

    Raises FileNotFoundError for a missing file; ValueError, naming file and name, for what is no YAML mapping, an unknown
    name (the nearest is suggested), names of several origins, and a value not allowed.
    """
    path = Path(path).expanduser().absolute()
    names = {name: _number(value) for name, value in _flat(_mapping(path))}
    try:
        family = _family_of(names)
        if family == _OWN:
            meaning = Meaning(preset(names.pop("preset", "fast"), **names))
        else:
            meaning = _of_ghm(names) if family == _GHM else _of_spbl(names)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return _from_folder(meaning, path.parent)


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no settings file {path}; give the path of a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split()).replace('in "<unicode string>",', "at")
        raise ValueError(f"{path.name} is no YAML: {problem}") from None
    if not isinstance(content, dict):
        found = "is empty" if content is None else f"holds {type(content).__name__}"
        raise ValueError(f"{path.name} {found}; needed: a mapping, one 'name: value' a line, as 'preset: fast'")
    return content


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names with their values."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [_number(item) for item in value]
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _family_of(names: Mapping[str, Any]) -> str:
    """Return whose names these are.

    Names that :class:`spbl_nb.config.Config` shares with the release (``lr``, ``batch_size``, ``model``, ``epochs``,
    ``add_ratios``) do not decide it.
    """
    owners = {name: {_OWN} for name in preset("fast").to_dict()}
    for row in NAMES:
        owners.setdefault(row.original, set()).add(row.family)
    for name in names:
        if name not in owners:
            advice = checks.nearest(name, sorted(owners)) or (
                "; all settings are in the table of notebooks/00_start_here.ipynb and in spbl_nb.config, the original "
                "names in spbl_nb.config_files"
            )
            raise ValueError(f"{name} is no setting{advice}")
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if len(owners[name]) == 1:
            found.setdefault(min(owners[name]), []).append(name)
    if len(found) > 1:
        parts = "; ".join(f"{', '.join(own)} ({family})" for family, own in found.items())
        raise ValueError(f"mixes names of several origins: {parts}; use those of one only")
    if not found:
        raise ValueError(
            f"{', '.join(names) or 'no name'} does not tell whose names these are; add 'preset: fast' if they are this "
            "package's, or 'dataset: …' if they are those of the SPBL release"
        )
    return next(iter(found))


def _of_spbl(names: Mapping[str, Any]) -> Meaning:
    """Return what names of the SPBL release's ``cfg.py`` mean; what is not named is as in that file."""
    given = {**_RELEASED_SPBL, **names}
    dataset = _dataset("dataset", given["dataset"])
    small = _model(given["model"]) == "mnist_net"
    lr = checks.real("lr", given["lr"], 0, open_low=True)
    epochs = checks.integer("epochs", given["epochs"], 1)
    every = checks.integer("step_size", given["step_size"], 1)
    settings = preset(
        "release",
        model=_model(given["model"]),
        weights=None if small else _IMAGENET,
        size=checks.integer("input_size", given["input_size"], 8, 1024),
        padding=_CROP_MARGIN,
        lr=lr,
        backbone_lr=None if small else lr / 10,
        batch_size=checks.integer("batch_size", given["batch_size"], 2),
        stage_epochs=epochs,
        milestones=tuple(epoch / epochs for epoch in range(every, epochs, every)) or (1.0,),  # 1 is never
        seed_share=checks.real("train_ratio", given["train_ratio"], 0, 1, open_low=True, open_high=True),
        add_ratios=given["add_ratios"],
        **_classes(given, dataset),
    )
    checks.integer("workers", given.get("workers", 0), 0)
    checks.integer("iter_step", given.get("iter_step", 1), 1)
    checks.real("gamma", given.get("gamma", 0), 0)
    notes = tuple(f"{n.original} has no effect: {n.remark}" for n in NAMES if not n.ours and n.original in given)
    return Meaning(settings, dataset, ("spbl_released",), notes=notes)


def _of_ghm(names: Mapping[str, Any]) -> Meaning:
    """Return what the names of the README (those of GHM's detector) mean; what is not named is as in its release.

    For a data set without boxes the method is ``ghm_c``, and settings of the box loss are refused.
    """
    given = {**_RELEASED_GHM, **names}
    boxes = given["datatype"] in DETECTION
    dataset = given["datatype"] if boxes else _dataset("datatype", given["datatype"])
    of_boxes = sorted(name for name in names if name.startswith("train_cfg.ghmr."))
    if of_boxes and not boxes:
        raise ValueError(
            f"{', '.join(of_boxes)}: a loss of boxes, but datatype is {given['datatype']!r}, which has none"
        )
    for name in ("data_root", "work_dir", "resume_from", "model.pretrained"):
        checks.instance(name, given.get(name) or "", str)
    epochs = checks.integer("total_epochs", given["total_epochs"], 1)
    changed = {n.ours: given[n.original] for n in NAMES if n.ours.startswith("ghm_") and n.original in given}
    changed |= {"epochs": epochs, "max_steps": None, "milestones": _milestones(given, names, epochs)}
    if weights := given.get("model.pretrained"):
        changed |= {"model": "resnet50", "weights": weights} | ({"lr": _RELEASED_GHM_RATE} if boxes else {})
    if boxes:
        from spbl_nb import detection

        settings = detection.settings("fast", **changed)
    else:
        settings = preset("fast", **changed)
    return Meaning(
        settings,
        dataset,
        None if boxes else ("ghm_c",),
        given.get("data_root") or None,
        given.get("work_dir") or None,
        given.get("resume_from") or None,
    )


def _dataset(name: str, value: Any) -> str:
    from spbl_nb import data

    found = checks.one_of(name, value, [*_DATASETS, *(own for own in data.NAMES if own not in _DATASETS)])
    return _DATASETS.get(found, found)


def _model(value: Any) -> str:
    from spbl_nb.training import models

    if value == "inception":
        raise ValueError(
            "model is 'inception', a network of the release that torchvision does not have; take 'inception_v3'"
        )
    allowed = [*_MODELS, *(name for name in models.NAMES if name not in _MODELS.values())]
    found = checks.one_of("model", value, allowed)
    return _MODELS.get(found, found)


def _classes(given: Mapping[str, Any], dataset: str) -> dict[str, int]:
    """Return the setting for ``class_num``, checked against what is known of the data set."""
    if "class_num" not in given:
        return {}
    number = checks.integer("class_num", given["class_num"], 2)
    known = _CLASSES.get(dataset, (number,))
    if number not in known:
        raise ValueError(
            f"class_num is {number}, but {given['dataset']} has {' or '.join(map(str, known))} classes; leave class_num out "
            "or name another dataset"
        )
    return {"num_classes": number}


def _milestones(given: Mapping[str, Any], names: Mapping[str, Any], epochs: int) -> tuple[float, ...]:
    """Return ``lr_config.step`` as shares of the training; 1, which is never, where no step is left."""
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


def _from_folder(meaning: Meaning, folder: Path) -> Meaning:
    """Let relative paths count from the settings file's folder; a checkpoint must be there."""
    changed: dict[str, Any] = {
        name: str(folder / Path(value).expanduser())
        for name in ("data_root", "runs_dir", "checkpoint")
        if (value := getattr(meaning, name)) is not None
    }
    if "checkpoint" in changed and not Path(changed["checkpoint"]).is_file():
        raise FileNotFoundError(
            f"resume_from is {meaning.checkpoint!r}, but there is no file {changed['checkpoint']}; leave it out to start again"
        )
    weights = meaning.settings.weights
    if weights is not None and (os.sep in weights or (folder / weights).is_file()):
        changed["settings"] = meaning.settings.replace(weights=str(folder / Path(weights).expanduser()))
    return dataclasses.replace(meaning, **changed)
