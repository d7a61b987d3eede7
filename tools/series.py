"""The notebooks of the series as data: files in order, their cells, headings and metadata, read as JSON.

Used by whatever looks at notebooks without running them: the lint, the rendering, the book. Neither Jupyter nor a kernel is
needed.

Taught in: notebooks/00_start_here, section 2.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What is wrong: in which ``notebook`` (a file name), in which ``cell`` (None: the whole file), and what to do."""

    notebook: str
    cell: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.notebook}{'' if self.cell is None else f', cell {self.cell}'}: {self.what}"


@dataclass(frozen=True)
class Cell:
    """One cell: its place from 0 on, its kind ("code", "markdown", "raw"), its text and its tags."""

    index: int
    kind: str
    source: str
    tags: tuple[str, ...]

    def headings(self) -> list[tuple[int, str]]:
        """Return (level, text) of every heading of a markdown cell."""
        prose = re.sub(r"^```.*?^```", "", self.source, flags=re.S | re.M) if self.kind == "markdown" else ""
        return [(len(marks), text.strip()) for marks, text in re.findall(r"^(#{1,6})\s+(.+)$", prose, re.M)]


@dataclass(frozen=True)
class Notebook:
    """A notebook as its rules see it: file, cells, metadata, outputs per cell, and its neighbours in the series."""

    path: Path
    cells: tuple[Cell, ...]
    metadata: dict[str, Any]
    content: dict[str, Any] = field(repr=False)
    previous: str = ""
    following: str = ""

    @property
    def number(self) -> int:
        """The chapter."""
        return int(self.path.stem[:2])

    def of_kind(self, kind: str) -> list[Cell]:
        """Return all cells of one kind."""
        return [cell for cell in self.cells if cell.kind == kind]

    def headings(self) -> list[tuple[Cell, int, str]]:
        """Return (cell, level, text) of all headings in order."""
        return [(cell, *heading) for cell in self.cells for heading in cell.headings()]

    def fault(self, cell: Cell | None, what: str) -> Fault:
        """Return a fault in a cell, or in the whole notebook."""
        return Fault(self.path.name, None if cell is None else cell.index, what)


def read_series(folder: Path) -> dict[str, Notebook]:
    """Return the numbered notebooks of a folder by stem, in order, each knowing its neighbours."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    beside = ["", *(path.name for path in paths), ""]
    return {path.stem: read(path, beside[place], beside[place + 2]) for place, path in enumerate(paths)}


def read(path: Path, previous: str = "", following: str = "") -> Notebook:
    """Return one notebook; ValueError names the file when it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(
            Cell(index, one["cell_type"], "".join(one["source"]), tuple(one["metadata"].get("tags", ())))
            for index, one in enumerate(content["cells"])
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no notebook: {error!r}") from None
    return Notebook(path, cells, content.get("metadata", {}), content, previous, following)
