"""Names: what notebooks, glossary, sliders and docstrings say of each other must agree.

The glossary of notebook 00 has one row a concept: term, symbol, Python name, slider label, meaning. The library is read as
source and never imported, so that this is quick and needs nothing installed.

Taught in: notebooks/00_start_here, section 5.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spbl_nb import checks, places
from tools.series import Fault, Notebook

_HEADER = "| term | symbol | Python name | slider label | meaning |"
_CONTROLS = ("Slider", "Player", "Choice", "Toggle")
_NUMBERS = ("Slider", "Player")
_TAUGHT = re.compile(r"notebooks/(\d\d_\w+)(?:[^.]*?,\s+sections?\s+(\d+)(?:\s+(to|and)\s+(\d+))?)?")


@dataclass(frozen=True)
class Entry:
    """One row of the glossary: its term, Python names, slider labels, and the notebook cell it stands in."""

    term: str
    names: tuple[str, ...]
    labels: tuple[str, ...]
    cell: int


@dataclass(frozen=True)
class Control:
    """A slider or list as the library declares it: kind, Python name, label and module."""

    kind: str
    name: str
    label: str
    module: str


class Library:
    """The modules of a package as syntax trees."""

    def __init__(self, folder: Path = places.PACKAGE) -> None:
        self.trees = {
            path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[!_]*.py"))
        }

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name, argument, attribute and text constant that is one word."""
        found: set[str] = set()
        for node in (node for tree in self.trees.values() for node in ast.walk(tree)):
            values = (getattr(node, kind, None) for kind in ("id", "arg", "attr", "name", "value"))
            found.update(value for value in values if isinstance(value, str))
        return frozenset(found)

    @cached_property
    def controls(self) -> list[Control]:
        """Every control that is declared with a literal name and label."""
        found = []
        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CONTROLS:
                    texts = [str(one.value) for one in node.args[:2] if isinstance(one, ast.Constant)]
                    if len(texts) == 2:
                        found.append(Control(node.func.id, texts[0], texts[1], module))
        return found

    def top_level(self, module: str) -> set[str]:
        """Return the names that a module defines or imports at its top level."""
        names: set[str] = set()
        for node in ast.walk(self.trees[module]):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names.update((one.asname or one.name).split(".")[0] for one in node.names)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
        return names

    def docstrings(self) -> Iterator[tuple[str, str]]:
        """Yield (where, docstring) of every module, class and function that has one."""
        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and (text := ast.get_docstring(node)):
                    yield f"{module}.py" + (f", {node.name}" if not isinstance(node, ast.Module) else ""), text


def faults(notebooks: Mapping[str, Notebook], library: Library | None = None) -> list[Fault]:
    """Return every disagreement between the notebooks of the series and the library (default: this package's source)."""
    library = library or Library()
    return [
        *_taught_in(notebooks, library),
        *_modules_named(notebooks, library),
        *_glossary(notebooks, library),
    ]


def glossary(notebook: Notebook) -> list[Entry]:
    """Return the rows of the glossary in a notebook; several names or labels in one place are parted by commas or ;."""
    entries = []
    for cell in notebook.of_kind("markdown"):
        for line in cell.source.partition(_HEADER)[2].splitlines()[2:]:
            parts = [part.strip() for part in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            if len(parts) != 5:
                break
            labels = tuple(label.strip() for label in parts[3].split(";") if label.strip())
            entries.append(Entry(parts[0], tuple(re.findall(r"`([^`]+)`", parts[2])), labels, cell.index))
    return entries


def _taught_in(notebooks: Mapping[str, Notebook], library: Library) -> Iterator[Fault]:
    """A docstring's “Taught in” names a notebook and sections that exist."""
    sections = {
        name: {int(text.split(".")[0]) for _, level, text in notebook.headings() if level == 2 and text[0].isdigit()}
        for name, notebook in notebooks.items()
    }
    for where, text in library.docstrings():
        _, _, told = text.partition("Taught in:")
        for name, first, word, last in _TAUGHT.findall(" ".join(told.split("\n\n")[0].split())):
            if name not in sections:
                guess = checks.nearest(name, sections)
                yield Fault(where, None, f"is “taught in notebooks/{name}”, which does not exist{guess}")
                continue
            ends = {int(number) for number in (first, last) if number}
            wanted = set(range(min(ends), max(ends) + 1)) if word == "to" else ends
            for number in sorted(wanted - sections[name]):
                yield Fault(where, None, f"is “taught in notebooks/{name}, section {number}”, which does not exist")


def _modules_named(notebooks: Mapping[str, Notebook], library: Library) -> Iterator[Fault]:
    """What a notebook calls ``spbl_nb.module`` or, having imported the module, ``module.name``, is in the library."""
    for notebook in notebooks.values():
        imported = {
            name
            for cell in notebook.of_kind("code")
            for line in re.findall(r"^from spbl_nb import \(?([\w\s,]+)", cell.source, re.M)
            for name in re.findall(r"\w+", line)
        }
        for cell in notebook.of_kind("markdown"):
            spans = " ".join(re.findall(r"`([^`]+)`", cell.source))
            for module in sorted(set(re.findall(r"\bspbl_nb\.(\w+)", spans)) - set(library.trees)):
                guess = checks.nearest(module, library.trees)
                yield notebook.fault(cell, f"spbl_nb.{module} is no module of the library{guess}")
            for module, name in sorted(set(re.findall(r"(?<![\w.])(?:spbl_nb\.)?(\w+)\.(\w+)", spans))):
                if module in imported & set(library.trees) and name not in library.top_level(module):
                    guess = checks.nearest(name, library.top_level(module))
                    yield notebook.fault(cell, f"{module}.{name} is not in the library{guess}")


def _glossary(notebooks: Mapping[str, Notebook], library: Library) -> Iterator[Fault]:
    """Glossary and library agree: Python names exist, sliders are listed, and a name has one label."""
    start = next(iter(notebooks.values()))
    entries = glossary(start)
    if not entries:
        yield start.fault(None, f"there is no glossary; it begins with the line '{_HEADER}'")
        return
    where = start.cells[entries[0].cell]
    terms = [entry.term for entry in entries]
    for term in sorted({term for term in terms if terms.count(term) > 1}):
        yield start.fault(where, f"the glossary has the term '{term}' twice; one row a concept")
    for entry in entries:
        for name in entry.names:
            word = re.split(r"[.=(\[]", name)[0]
            if word not in library.words:
                yield start.fault(where, f"`{name}` ({entry.term}) is no name in the library")
        for label in entry.labels:
            if label not in library.words:
                guess = checks.nearest(label, {control.label for control in library.controls})
                yield start.fault(where, f"the slider label '{label}' ({entry.term}) is in no explorer{guess}")
    listed = {label for entry in entries for label in entry.labels}
    for control in library.controls:
        if control.kind in _NUMBERS and control.label not in listed:
            yield start.fault(
                where, f"the slider '{control.label}' (`{control.name}` in {control.module}.py) is not in the glossary"
            )
