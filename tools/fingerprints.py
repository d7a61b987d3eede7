"""What a committed page depends on, as one number: the notebook's own cells and the library that it imports.

Comments, docstrings and blank lines do not count, so that explaining something better makes no page stale. Source text is
compared, and not syntax trees, whose printed form differs between versions of Python.

Taught in: notebooks/00_start_here, section 2.
"""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterable
from pathlib import Path

from spbl_nb import files
from spbl_nb.places import PACKAGE
from tools import series

_NAME = PACKAGE.name
MEASURED = re.compile(r"about \d+ (?:s|seconds|minutes?)\b")  # how long a page takes, written by the rendering itself


def of_notebook(notebook: series.Notebook, package: Path = PACKAGE) -> str:
    """Return the SHA-256 (hex) of a notebook's cells and of all modules it imports, those that these import included."""
    cells = [[cell.kind, list(cell.tags), MEASURED.sub("", cell.source)] for cell in notebook.cells]
    used = sorted(modules_of((cell.source for cell in notebook.of_kind("code")), package))
    sources = [[name, bare_source(package / f"{name}.py")] for name in used]
    return files.sha256_of(files.to_json([cells, sources]))


def modules_of(sources: Iterable[str], package: Path = PACKAGE) -> set[str]:
    """Return the modules of the package that pieces of code import, directly or through each other."""
    found: set[str] = set()
    waiting = {name for source in sources for name in _imported(source)}
    while waiting:
        name = waiting.pop()
        path = package / f"{name}.py"
        if name not in found and path.is_file():
            found.add(name)
            waiting |= imports_of_file(path) - found
    return found


@functools.cache
def imports_of_file(path: Path) -> frozenset[str]:
    """Return the modules of the package that a file imports anywhere, inside functions too."""
    return frozenset(_imported(path.read_text(encoding="utf-8")))


def _imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == _NAME:
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_NAME}."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith(f"{_NAME}."))
    return found


@functools.cache
def bare_source(path: Path) -> str:
    """Return a module's source without comments, docstrings, blank lines and spaces at the end of a line."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            lines[text.lineno - 1 : text.end_lineno] = [""] * ((text.end_lineno or text.lineno) - text.lineno + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())
