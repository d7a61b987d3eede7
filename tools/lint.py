"""Notebook lint: one parameters cell, links that lead somewhere, nothing private, no stored error.

``python -m tools.lint [NAME …]`` reads the notebooks and runs nothing; exit status 1 when it finds a fault.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from spbl_nb import places
from spbl_nb.batch import execute, parameters
from tools import series

ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(?:/(?:home|root|Users|tmp|var|opt|mnt|work|usr)/|[A-Za-z]:\\\\?\w)")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def faults(notebook: series.Notebook) -> Iterator[str]:
    """Yield what is wrong with one notebook, each in a line that begins with the file's name."""
    name = notebook.path.name
    try:
        parameters.declared(notebook.path)
    except ValueError as error:
        yield f"{name}: {error}"
    if notebook.content["metadata"].get("kernelspec", {}).get("name") != "python3":
        yield f"{name}: set the kernelspec's name to python3, which every Jupyter has"
    if "widgets" in notebook.content["metadata"]:
        yield f"{name}: widget state is stored; run 'python -m tools.render', which keeps an image instead"
    for cell in notebook.cells:
        for found in ABSOLUTE_PATH.findall(cell.source):
            yield f"{name}, cell {cell.index}: an absolute path ({found}…) means nothing on another machine"
    for cell in notebook.of_kind("markdown"):
        prose = re.sub(r"^```.*?^```|`[^`]*`", " ", cell.source, flags=re.S | re.M)
        for image, words, target in _LINK.findall(prose):
            if image and not words.strip():
                yield f"{name}, cell {cell.index}: describe the image {target} in its brackets"
            if (problem := _broken_link(notebook.path, target)) is not None:
                yield f"{name}, cell {cell.index}: {problem}"
    for stored in execute.find_errors(notebook.content):
        yield f"{name}: an error is stored: {stored}"


def _broken_link(path: Path, target: str) -> str | None:
    """Return what is wrong with a link to a file or a heading, None where it leads somewhere or to the web."""
    file, _, anchor = target.partition("#")
    if re.match(r"[a-z]+:", target):
        return None
    there = path.parent / file if file else path
    if not there.exists():
        return f"the link to {target} leads nowhere; there is no such file"
    if anchor and there.suffix == ".ipynb":
        known = {text.replace(" ", "-") for _, text in series.read(there).headings()}
        if anchor not in known:
            return f"{there.name} has no heading #{anchor}"
    return None


def main(arguments: list[str] | None = None) -> int:
    """Print every fault of the chosen notebooks; return 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tools.lint", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks, such as 03_self_paced_selection")
    parser.add_argument("--notebooks", metavar="DIR", help="their folder")
    options = parser.parse_args(arguments)
    chosen = series.choose(places.notebooks_dir(options.notebooks), options.names)
    found = [fault for notebook in chosen.values() for fault in faults(notebook)]
    for fault in found:
        print(fault)
    print(f"{len(found)} found" if found else "no faults found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
