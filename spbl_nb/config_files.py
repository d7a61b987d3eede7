"""A run's settings from a YAML file, in this package's names or in those of the original READMEs.

The SPBL release is configured by the names of its ``cfg.py`` (``input_size``, ``train_ratio``, …). Its README lists others
(``work_dir``, ``train_cfg.ghmc.bins``, …), which are those of GHM's detector. ``config_files.yaml`` has them all. Whose
names a file uses is read from the names themselves, and a mixture is refused. Names may be nested
(``train_cfg: {ghmc: {bins: 30}}``) or dotted. Relative paths count from the file's folder.
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
_TABLES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
_RELEASED_GHM_RATE = 0.01
_CROP_MARGIN = 16  # the release enlarges images by twice this and cuts at random
_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")  # a number to everyone but YAML 1.1


class Name(NamedTuple):
    """One original name: whose it is, what it becomes here (empty: nothing), and what a reader must know of it."""

    family: str
    original: str
    ours: str = ""
    remark: str = ""
    released: Any = None  # its value in the released configuration


NAMES = tuple(
    Name(family, original, **row) for family, rows in _TABLES["names"].items() for original, row in rows.items()
)


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


def _with_released(names: Mapping[str, Any], family: str) -> dict[str, Any]:
    """Return the names with those that are not given as in the released configuration."""
    released = {row.original: row.released for row in NAMES if row.family == family and row.released is not None}
    return released | dict(names)


def _of_spbl(names: Mapping[str, Any]) -> Meaning:
    """Return what names of the SPBL release's ``cfg.py`` mean; what is not named is as in that file."""
    given = _with_released(names, _SPBL)
    dataset, model = _dataset("dataset", given["dataset"]), _model(given["model"])
    small = model == "mnist_net"
    lr = checks.real("lr", given["lr"], 0, open_low=True)
    epochs = checks.integer("epochs", given["epochs"], 1)
    every = checks.integer("step_size", given["step_size"], 1)
    number = given.get("class_num")
    known = _TABLES["classes"].get(dataset, [number])
    if number is not None and number not in known:
        raise ValueError(
            f"class_num is {number}, but {given['dataset']} has {' or '.join(map(str, known))} classes; leave class_num out "
            "or name another dataset"
        )
    settings = preset(
        "release",
        model=model,
        weights=None if small else "IMAGENET1K_V1",
        size=given["input_size"],
        padding=_CROP_MARGIN,
        lr=lr,
        backbone_lr=None if small else lr / 10,
        batch_size=given["batch_size"],
        stage_epochs=epochs,
        milestones=tuple(epoch / epochs for epoch in range(every, epochs, every)) or (1.0,),  # 1 is never
        seed_share=checks.real("train_ratio", given["train_ratio"], 0, 1, open_low=True, open_high=True),
        add_ratios=given["add_ratios"],
        **({} if number is None else {"num_classes": number}),
    )
    notes = tuple(f"{n.original} has no effect: {n.remark}" for n in NAMES if not n.ours and n.original in given)
    return Meaning(settings, dataset, ("spbl_released",), notes=notes)


def _of_ghm(names: Mapping[str, Any]) -> Meaning:
    """Return what the names of the README (those of GHM's detector) mean; what is not named is as in its release.

    For a data set without boxes the method is ``ghm_c``, and settings of the box loss are refused.
    """
    given = _with_released(names, _GHM)
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

    aliases = _TABLES["data sets"]
    found = checks.one_of(name, value, [*aliases, *(own for own in data.NAMES if own not in aliases)])
    return aliases.get(found, found)


def _model(value: Any) -> str:
    from spbl_nb.training import models

    if value == "inception":
        raise ValueError(
            "model is 'inception', a network of the release that torchvision does not have; take 'inception_v3'"
        )
    aliases = _TABLES["models"]
    found = checks.one_of("model", value, [*aliases, *(own for own in models.NAMES if own not in aliases.values())])
    return aliases.get(found, found)


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
