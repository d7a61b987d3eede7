"""Notebook lint: what every notebook of the series has in common, checked without running anything.

A rule is a function that takes a :class:`series.Notebook` and yields each :class:`series.Fault` it finds, with the cell and
what to do about it. The skeleton is that of the series: title and promise, a table of what one learns and needs, imports, one
cell of parameters, numbered sections, what was learned, where it sits in the paper, the way on. Whether names agree with the
library and with the glossary is asked by :mod:`tools.glossary_lint`. Neither Jupyter nor a network is needed.

Taught in: notebooks/00_start_here, section 2.
"""

import ast
import os
import re
import statistics
from collections.abc import Callable, Iterable, Iterator

from spbl_nb import checks, places
from spbl_nb.batch import notebook_errors, parameters
from tools import glossary_lint, series
from tools.series import Cell, Fault, Notebook

LONGEST_CELL, LONGEST_MEDIAN = 30, 10  # lines of a code cell; style asks for a median of about 6, rarely over 25
MARKER = "<!-- no result -->"  # in a paragraph whose numbers are given or defined, not found by a run
_FEW_SECTIONS = 3
_EXPERIMENT = 8  # from this chapter on a notebook is a tool and not a lesson
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(?:/(?:home|root|Users|tmp|var|opt|mnt|work|usr)/|[A-Za-z]:\\\\?\w)")
_NUMBER = re.compile(r"(?<![\w.,/])(\d+\.\d+|\d+(?:\.\d+)?(?=\s?(?:%|per cent)))(?![\w.]*\d)")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_CITED = re.compile(r"et al\.|\((?:19|20)\d\d\)|\bdoi\b|published|paper|release")
_REQUIRED = ("PRESET", "SEED", "DEVICE")


Rule = Callable[[Notebook], Iterable[Fault]]


def lint(folder: str | os.PathLike | None = None, names: Iterable[str] = ()) -> list[Fault]:
    """Return every fault of the notebooks in ``folder`` (default: that of the checkout), best empty.

    ``names`` are stems such as ``03_self_paced_selection`` and choose some; links between library and notebooks are
    checked only when all are. Raises ValueError for a name that does not exist, FileNotFoundError for no notebooks.
    """
    where = places.notebooks_dir(folder)
    every = series.read_series(where)
    if not every:
        raise FileNotFoundError(f"there is no notebook in {where}")
    chosen = [checks.one_of("name", name.removesuffix(".ipynb"), every) for name in names] or list(every)
    faults = [fault for name in chosen for rule in RULES for fault in rule(every[name])]
    if len(chosen) == len(every):
        faults += glossary_lint.faults(every)
    return faults


def title_and_promise(notebook: Notebook) -> Iterator[Fault]:
    """It opens with ``# NN Title``, a line that promises something, and the table of what one learns and needs."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.kind != "markdown" or not re.match(rf"# {notebook.number:02d} \S", first.source):
        yield notebook.fault(first, f"begin with the title '# {notebook.number:02d} …' in a markdown cell")
        return
    paragraphs = [part.strip() for part in first.source.split("\n\n")]
    if len(paragraphs) < 2 or re.match(r"[|#>*-]", paragraphs[1]):
        yield notebook.fault(first, "write one line of promise below the title: what the reader can do afterwards")
    opening = "\n\n".join(cell.source for cell in notebook.cells[:2] if cell.kind == "markdown")
    if not re.search(r"^\| you will learn \| you need \|$", opening, re.M):
        yield notebook.fault(first, "add the table '| you will learn | you need |'")
    elif not re.search(r"about \d+ (s|seconds|minutes?)\b", opening):
        yield notebook.fault(first, "say in the table how long it takes: 'about N seconds on two CPU cores'")


def imports_and_parameters(notebook: Notebook) -> Iterator[Fault]:
    """One cell of imports, one of parameters with type and meaning each, both before the first section."""
    section = next((cell.index for cell, level, _ in notebook.headings() if level == 2), len(notebook.cells))
    tagged = [cell for cell in notebook.cells if "parameters" in cell.tags]
    if len(tagged) != 1 or tagged[0].kind != "code":
        yield notebook.fault(None, f"{len(tagged)} cells carry the tag 'parameters'; exactly one code cell has it")
    for cell in tagged[:1]:
        if cell.index > section:
            yield notebook.fault(cell, "move the parameters before the first section")
        try:
            known = parameters.declared(notebook.content)
        except ValueError as error:
            yield notebook.fault(cell, str(error))
        else:
            required = _REQUIRED if notebook.number < _EXPERIMENT else _REQUIRED[:1]
            missing = [name for name in required if name not in known]
            if missing:
                yield notebook.fault(cell, f"add the parameters {', '.join(missing)}, which every chapter has")
    importing = [cell for cell in notebook.of_kind("code") if _imports(cell)]
    if not importing or importing[0].index > section:
        yield notebook.fault(None, "put a cell of imports before the first section")
    for cell in importing[1:]:
        yield notebook.fault(cell, "move the import into the first cell of code, where a reader looks for it")


def _imports(cell: Cell) -> bool:
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return False  # reported by code_cells
    return any(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in tree.body)


def headings_in_order(notebook: Notebook) -> Iterator[Fault]:
    """One title, no level left out, sections numbered 1, 2, 3 … and at least three of them in a lesson."""
    before, numbers, exercises = 0, [], 0
    for cell, level, text in notebook.headings():
        if level > before + 1:
            yield notebook.fault(cell, f"the heading '{text}' has level {level} below level {before}; leave none out")
        if level == 1 and before:
            yield notebook.fault(cell, f"'{text}' is a second title; make it '## {text}'")
        before = level
        found = re.match(r"(\d+)\. ", text) if level == 2 else None
        if found:
            numbers.append(int(found[1]))
            if numbers[-1] != len(numbers):
                yield notebook.fault(cell, f"section '{text}' is number {len(numbers)} of this notebook; renumber it")
        if level == 3 and text.startswith("Exercise"):
            exercises += 1
            if not re.match(rf"Exercise {notebook.number}\.{exercises} - \S", text):
                yield notebook.fault(cell, f"call '{text}' 'Exercise {notebook.number}.{exercises} - name'")
    if len(numbers) < _FEW_SECTIONS:
        yield notebook.fault(
            None, f"{len(numbers)} numbered sections ('## 1. …'); a notebook has {_FEW_SECTIONS} or more"
        )


def closing_parts(notebook: Notebook) -> Iterator[Fault]:
    """What was learned as bullets, where it sits in the paper, and the way to the neighbours."""
    texts = {text: cell for cell, level, text in notebook.headings() if level == 2}
    for start, need in (("What you learned", True), ("Where this sits in the paper", notebook.number < _EXPERIMENT)):
        found = next((cell for text, cell in texts.items() if text.startswith(start)), None)
        if need and found is None:
            yield notebook.fault(None, f"add the section '## {start}'")
    if "What you learned" in texts:
        told = texts["What you learned"].source.partition("## What you learned")[2].strip()
        if not told.startswith("- "):
            yield notebook.fault(texts["What you learned"], "write what was learned as bullets ('- …')")
    last = notebook.of_kind("markdown")[-1:]
    for word, target in (("Previous", notebook.previous), ("Next", notebook.following)):
        if target and last and not re.search(rf"\*\*{word}:\*\*[^\n]*\({re.escape(target)}\)", last[0].source):
            yield notebook.fault(last[0], f"end with '**{word}:** [NN Title]({target})'")


def code_cells(notebook: Notebook) -> Iterator[Fault]:
    """Cells are short and can be parsed; what is long belongs into the library."""
    cells = notebook.of_kind("code")
    lengths = [len(cell.source.splitlines()) for cell in cells]
    if lengths and statistics.median(lengths) > LONGEST_MEDIAN:
        yield notebook.fault(None, f"half of the code cells are longer than {LONGEST_MEDIAN} lines; split them")
    for cell, length in zip(cells, lengths, strict=True):
        if length > LONGEST_CELL and not _imports(cell):
            yield notebook.fault(
                cell, f"{length} lines of code; split it, or move plumbing into the library ({LONGEST_CELL})"
            )
        if not cell.source.strip():
            yield notebook.fault(cell, "delete the empty cell")
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield notebook.fault(cell, f"line {error.lineno} is no Python ({error.msg}); magics belong nowhere here")


def links(notebook: Notebook) -> Iterator[Fault]:
    """Links to files and headings lead somewhere, and pictures have a description."""
    for cell in notebook.of_kind("markdown"):
        for picture, words, target in _LINK.findall(_without_code(cell.source)):
            if picture and not words.strip():
                yield notebook.fault(cell, f"describe the picture {target} in its brackets")
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = notebook.path.parent / file if file else notebook.path
            if not there.exists():
                yield notebook.fault(
                    cell, f"the link to {target} leads nowhere; there is no such file beside the notebook"
                )
            elif anchor and there.suffix == ".ipynb":
                known = {text.replace(" ", "-") for _, _, text in series.read(there).headings()}
                if anchor not in known:
                    guess = checks.nearest(anchor, known)
                    yield notebook.fault(cell, f"{there.name} has no heading #{anchor}{guess}")


def typed_results(notebook: Notebook) -> Iterator[Fault]:
    """A number in prose is given by the code of the notebook, asked about, cited or marked; code prints results.

    What looks like a result has a decimal point or a per cent sign. Headings and exercises are free.
    """
    given = {number for cell in notebook.of_kind("code") for number in _literals(cell.source)}
    for cell in notebook.of_kind("markdown"):
        if re.search(r"^### Exercise|<details>", cell.source, re.M):
            continue
        prose = re.sub(r"^#+ .*$", "", _without_code(cell.source), flags=re.M)
        for paragraph in re.split(r"\n\s*\n", prose):
            if MARKER in paragraph or _CITED.search(paragraph) or "**Predict" in paragraph:
                continue
            typed = [text for text in _NUMBER.findall(paragraph) if not {float(text), float(text) / 100} & given]
            for text in dict.fromkeys(typed):
                yield notebook.fault(
                    cell,
                    f"{text} is typed into prose: print it by code, cite its source, or mark the paragraph {MARKER}",
                )


def _literals(source: str) -> Iterator[float]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            yield float(node.value)


def _without_code(text: str) -> str:
    """Return markdown without code, formulas and the targets that only look like numbers."""
    for pattern in (r"^```.*?^```", r"`[^`]*`", r"\$\$.*?\$\$", r"\$[^$\n]*\$"):
        text = re.sub(pattern, " ", text, flags=re.S | re.M)
    return text


def nothing_private(notebook: Notebook) -> Iterator[Fault]:
    """No absolute path in source or outputs, the kernel of everybody, ids that differ, no trace of an error."""
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield notebook.fault(None, "set the kernelspec's name to python3, which every Jupyter has")
    if "widgets" in notebook.metadata:
        yield notebook.fault(None, "widget state is stored; run 'spbl-nb render', which keeps a picture instead")
    ids = [one.get("id") for one in notebook.content["cells"]]
    if None in ids or len(set(ids)) < len(ids):
        yield notebook.fault(None, "every cell needs an id of its own (nbformat 4.5)")
    for cell, one in zip(notebook.cells, notebook.content["cells"], strict=True):
        texts = [cell.source]
        for output in one.get("outputs", ()):
            if output.get("name") == "stderr":
                yield notebook.fault(cell, "there is text on standard error; mend its cause and run 'spbl-nb render'")
            data = output.get("data", {})
            texts += ["".join(value) for kind, value in data.items() if kind.startswith("text/")]
            texts.append("".join(output.get("text", "")))
        for found in dict.fromkeys(match for text in texts for match in ABSOLUTE_PATH.findall(text)):
            yield notebook.fault(
                cell, f"an absolute path ({found}…) means nothing on another machine; write it relative"
            )
    for error in notebook_errors.find_errors(notebook.content):
        yield notebook.fault(None, f"an error is stored: {error}; mend it and run 'spbl-nb render'")


RULES: tuple[Rule, ...] = (
    title_and_promise,
    imports_and_parameters,
    headings_in_order,
    closing_parts,
    code_cells,
    links,
    typed_results,
    nothing_private,
)
