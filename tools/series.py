"""The notebooks of the series as data: files in order, their cells and headings, read as JSON; nothing is run."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spbl_nb import checks


@dataclass(frozen=True)
class Cell:
    """One cell: its index from 0 on, its kind ("code", "markdown", "raw"), its text and its tags."""

    index: int
    kind: str
    source: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Notebook:
    """A notebook: its file, its cells, and the whole content as JSON holds it."""

    path: Path
    cells: tuple[Cell, ...]
    content: dict[str, Any] = field(repr=False)

    def of_kind(self, kind: str) -> list[Cell]:
        """Return all cells of one kind."""
        return [cell for cell in self.cells if cell.kind == kind]

    def headings(self) -> list[tuple[int, str]]:
        """Return (level, text) of every heading, in order; code blocks are passed over."""
        prose = "\n".join(cell.source for cell in self.of_kind("markdown"))
        prose = re.sub(r"^```.*?^```", "", prose, flags=re.S | re.M)
        return [(len(marks), text.strip()) for marks, text in re.findall(r"^(#{1,6})\s+(.+)$", prose, re.M)]


def read_series(folder: Path) -> dict[str, Notebook]:
    """Return the numbered notebooks of a folder by stem, in order."""
    return {path.stem: read(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}


def read(path: Path) -> Notebook:
    """Return one notebook; ValueError names the file when it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(
            Cell(index, one["cell_type"], "".join(one["source"]), tuple(one["metadata"].get("tags", ())))
            for index, one in enumerate(content["cells"])
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no notebook: {error!r}") from None
    return Notebook(path, cells, content)


def choose(folder: Path, names: Iterable[str]) -> dict[str, Notebook]:
    """Return the notebooks of the given names, with or without ``.ipynb``, or all; ValueError names the nearest."""
    every = read_series(folder)
    chosen = [checks.one_of("name", Path(name).name.removesuffix(".ipynb"), every) for name in names]
    return {name: every[name] for name in chosen or every}
