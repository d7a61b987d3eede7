"""A run's settings from a YAML file, in this package's names or in those of the original READMEs.

Which names a file uses is told from the names themselves, and a mixture is refused. Names may be nested
(``train_cfg: {ghmc: {bins: 30}}``) or dotted (``train_cfg.ghmc.bins: 30``). Relative paths count from the file's folder,
for a notebook may run elsewhere. What is given on a command line, or as a notebook's parameter, overrides the file.

Taught in: notebooks/08_experiment, section 1.
"""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import yaml

from spbl_nb import original_names
from spbl_nb.config import preset
from spbl_nb.original_names import GHM, OWN, Meaning

_MOST_BYTES = 100_000
_MOST_NAMES = 500
_DEEPEST = 5
_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d+")  # a number to everyone but YAML 1.1


def read(path: str | os.PathLike) -> Meaning:
    """Return what a settings file asks for.

    Raises FileNotFoundError for a missing file; ValueError, naming file and name, for what is no YAML mapping, a name
    that stands twice or is unknown (the nearest is suggested), names of several origins, and a value not allowed.
    """
    path = Path(path).expanduser().absolute()
    names = _flat(_mapping(path), path.name)
    family = original_names.family_of(names, path.name)
    try:
        if family == OWN:
            base = names.pop("preset", "fast")
            meaning = Meaning(preset(base, **names))
        elif family == GHM:
            meaning = original_names.of_ghm(names)
        else:
            meaning = original_names.of_spbl(names)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return _from_folder(meaning, path.parent)


def request(path: str | os.PathLike, preset_name: str, **overrides: Any) -> Meaning:
    """Return what a file asks for or, where ``path`` is empty, the settings of a preset.

    ``overrides`` are settings by name; they override the file, and an empty text says nothing.
    """
    overrides = {name: value for name, value in overrides.items() if value != ""}
    if not path:
        return Meaning(preset(preset_name, **overrides))
    asked = read(path)
    return dataclasses.replace(asked, settings=asked.settings.replace(**overrides))


def _mapping(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file, which must be a mapping in which no name stands twice."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no settings file {path}; give the path of a YAML file")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; a settings file has at most {_MOST_BYTES}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_twice(yaml.compose(text, Loader=yaml.SafeLoader), path.name)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        problem = " ".join(str(error).split()).replace('in "<unicode string>",', "at")
        raise ValueError(f"{path.name} is no YAML: {problem}") from None
    if content is None:
        raise ValueError(f"{path.name} is empty; needed: a mapping, one 'name: value' a line, as 'preset: fast'")
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds {type(content).__name__}; needed: a mapping, one 'name: value' a line")
    return content


def _refuse_twice(node: yaml.Node | None, where: str, depth: int = 0) -> None:
    """Refuse a name that stands twice in one mapping, which YAML readers pass over in silence, and bottomless nesting."""
    if not isinstance(node, yaml.MappingNode):
        return
    if depth >= _DEEPEST:
        raise ValueError(f"{where} nests deeper than {_DEEPEST} levels; no setting does")
    names = [key.value for key, _ in node.value]
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise ValueError(f"{where}: {twice[0]} stands twice; name each once")
    for _, value in node.value:
        _refuse_twice(value, where, depth + 1)


def _flat(content: dict[str, Any], where: str) -> dict[str, Any]:
    """Return dotted names with their values."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                add(f"{prefix}.{key}", inner)
            return
        if prefix in flat:
            raise ValueError(f"{where}: {prefix} stands twice; name each once")
        if len(flat) >= _MOST_NAMES:
            raise ValueError(f"{where} holds more than {_MOST_NAMES} names")
        flat[prefix] = [_number(part) for part in value] if isinstance(value, list) else _number(value)

    for key, value in content.items():
        add(str(key), value)
    return flat


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _from_folder(meaning: Meaning, folder: Path) -> Meaning:
    """Let relative paths count from the settings file's folder; a checkpoint must be there."""
    changed: dict[str, Any] = {
        name: str(folder / Path(value).expanduser())
        for name in ("data_root", "runs_dir", "checkpoint")
        if (value := getattr(meaning, name)) is not None
    }
    if "checkpoint" in changed and not Path(changed["checkpoint"]).is_file():
        raise FileNotFoundError(
            f"resume_from is {meaning.checkpoint!r}, but there is no file {changed['checkpoint']}; leave it out to start anew"
        )
    weights = meaning.settings.weights
    if weights is not None and (os.sep in weights or (folder / weights).is_file()):
        weights = str(folder / Path(weights).expanduser())
        changed_settings = meaning.settings.replace(weights=weights)
        meaning = dataclasses.replace(meaning, settings=changed_settings)
    return dataclasses.replace(meaning, **changed)
