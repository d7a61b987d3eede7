"""The exercises of the notebooks: task, stub with its check, folded hint and solution."""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"


@dataclass(frozen=True)
class ExerciseCells:
    """One exercise. ``checker`` and ``function`` are the names in ``exercises.checker(function)``, its last line."""

    number: str
    notebook: str
    task: str
    stub: str
    checker: str
    function: str
    hint: str
    solution: str
    imports: str  # the import cell of the notebook

    def solved(self) -> dict:
        """Return the names that the solution defines, run with the imports of its notebook."""
        names: dict = {}
        exec(self.imports, names)
        exec(self.solution, names)
        return names


def in_notebook(path: Path) -> list[ExerciseCells]:
    """Return the exercises of one notebook; a malformed one fails an assertion that says what is missing."""
    cells = nbformat.read(path, as_version=4).cells
    imports = next(cell.source for cell in cells if cell.cell_type == "code")
    found = []
    for index, cell in enumerate(cells):
        heading = re.match(r"### Exercise (\d+\.\d+) - \S", cell.source)
        if cell.cell_type != "markdown" or not heading:
            continue
        where = f"{path.stem}, exercise {heading[1]}"
        stub, answers = cells[index + 1], cells[index + 2]
        assert (stub.cell_type, answers.cell_type) == ("code", "markdown"), f"{where}: stub and answers must follow"
        check = re.search(r"\nexercises\.(check_\w+)\((\w+)\)$", stub.source)
        assert check, f"{where}: the stub's cell must end with exercises.check_…(function)"
        folded = re.fullmatch(
            r"<details><summary>Hint</summary>\n\n(.+)\n\n</details>\n\n"
            r"<details><summary>Solution</summary>\n\n```python\n(.+?)\n```\n\n(?:.+\n\n)?</details>",
            answers.source,
            flags=re.DOTALL,
        )
        assert folded, f"{where}: a folded hint and a folded solution must follow, blank lines around their contents"
        found.append(
            ExerciseCells(heading[1], path.stem, cell.source, stub.source, *check.groups(), *folded.groups(), imports)
        )
    return found


ALL = [exercise for path in sorted(FOLDER.glob("*.ipynb")) for exercise in in_notebook(path)]
