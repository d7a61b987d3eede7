"""The layers of the library: no module imports one that stands above it, and no imports form a circle."""

import ast
import functools
from collections.abc import Iterable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "spbl_nb"

LAYERS = (
    {"checks", "files", "places"},
    {"pace", "balance", "losses", "ghm", "imbalance", "metrics", "significance", "svm", "config"},
    {"data"},
    {"training"},
    {"methods"},
    {"results"},
    {"plots"},
    {"explorers", "detection"},
    {"exercises"},
    {"environment", "config_files", "check_data"},  # beside batch, which may read them
    {"batch"},
    {"cli"},
    {"__main__"},
)
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}


def source_files() -> dict[str, Path]:
    """Each module of spbl_nb by its full name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, modules: Iterable[str]) -> set[str]:
    """The names that one file imports, in functions and for types too; `from package import module` is the module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                found.add(inner if inner in modules else origin)
    return found


@functools.cache
def imports() -> dict[str, set[str]]:
    """For each module the modules of the project that it imports."""
    modules = source_files()
    result = {}
    for name, path in modules.items():
        named = imports_of(name, path, modules)
        result[name] = {other for other in named if other.split(".")[0] in ("spbl_nb", "tools")} - {name}
    return result


def room_of(module: str) -> str:
    return module.split(".")[1]


def against_the_layers() -> set[tuple[str, str]]:
    """Each (module, what it imports) in which the second stands above the first; the tools stand above everything."""
    top = len(LAYERS)
    wrong = set()
    for module, imported in imports().items():
        for other in imported:
            height = LAYER[room_of(other)] if other.startswith("spbl_nb.") else top if other[:5] == "tools" else 0
            if module != "spbl_nb" and height > LAYER[room_of(module)]:
                wrong.add((module, "tools" if height == top else other))
    return wrong


def test_every_room_has_a_layer() -> None:
    rooms = {room_of(module) for module in source_files() if module != "spbl_nb"}
    assert rooms == set(LAYER), "a room is new or gone: give it its place in LAYERS, or take it out"


def test_no_module_imports_against_the_layers() -> None:
    wrong = sorted(against_the_layers())
    assert not wrong, f"imports that climb: {wrong}"


def test_the_package_itself_imports_nothing() -> None:
    assert not imports()["spbl_nb"]


def test_no_imports_form_a_circle() -> None:
    waiting = {module: imported & set(imports()) for module, imported in imports().items()}
    while free := [module for module, imported in waiting.items() if not imported & set(waiting)]:
        for module in free:
            del waiting[module]
    assert not waiting, f"modules on a circle, or above one: {sorted(waiting)}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import spbl_nb.batch.grid", "spbl_nb.batch.grid"),
        ("from spbl_nb.batch.grid import plan", "spbl_nb.batch.grid"),
        ("from ..batch import grid", "spbl_nb.batch.grid"),
        ("if TYPE_CHECKING:\n    from ..batch.grid import plan", "spbl_nb.batch.grid"),
        ("from .. import pace", "spbl_nb.pace"),
        ("from . import split", "spbl_nb.data.split"),
        ("from tools import render", "tools"),
    ],
)
def test_every_form_of_import_is_seen(text: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert imports_of("spbl_nb.data.module", path, source_files()) == {name}
