"""The lint: the real notebooks keep to the form of the series, and each rule finds the fault it is there for."""

import json
import re

import pytest

from spbl_nb import cli, places
from tools import glossary_lint, series
from tools import lint as notebook_lint

OPENING = """# 01 Data: a title

After this notebook you can do something.

| you will learn | you need |
|---|---|
| a thing | about 30 seconds on two CPU cores (preset `fast`) |"""
PARAMETERS = """PRESET: str = "fast"  # size of everything: smoke, fast or full
SEED: int = 0  # seed of everything random, 0 or more
DEVICE: str = "cpu"  # cpu, auto, cuda or mps
AGE: float = 0.75  # a loss, above 0"""
CLOSING = """## What you learned

- A thing.

## Where this sits in the paper, and what we do differently

Nowhere.

**Previous:** [00 Start](00_start.ipynb). **Next:** [02 More](02_more.ipynb)."""


def _cells():
    """Return the cells of a notebook without a fault."""
    texts = [
        ("markdown", OPENING),
        ("code", "import numpy as np\n\nfrom spbl_nb import pace"),
        ("code", PARAMETERS),
        ("markdown", "## 1. First\n\nAt age 0.75, see [section 2](#2.-Second) and [the others](02_more.ipynb)."),
        ("code", "print(pace.FORMS, np.pi)"),
        ("markdown", "## 2. Second\n\nThis is `pace.select_easiest` of `spbl_nb.pace`.\n\n### Exercise 1.1 - try it"),
        ("markdown", "## 3. Third"),
        ("markdown", CLOSING),
    ]
    cells = []
    for index, (kind, source) in enumerate(texts):
        tags = ["parameters"] if source == PARAMETERS else []
        cells.append({"cell_type": kind, "id": f"c{index}", "metadata": {"tags": tags}, "source": source})
        if kind == "code":
            cells[-1] |= {"outputs": [], "execution_count": None}
    return cells


def _write(folder, cells, **metadata):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}} | metadata
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    for name in ("00_start", "02_more", "08_experiment"):
        (folder / f"{name}.ipynb").write_text(json.dumps(content | {"cells": []}), encoding="utf-8")
    (folder / "01_data.ipynb").write_text(json.dumps(content), encoding="utf-8")
    return [fault.what for fault in notebook_lint.lint(folder, ["01_data"])]


def test_the_notebooks_of_the_series_keep_to_its_form():
    faults = [str(fault) for fault in notebook_lint.lint()]
    if not (places.notebooks_dir() / "06_gradient_harmonizing.ipynb").exists():  # the chapter is being written
        faults = [fault for fault in faults if "06_gradient_harmonizing" not in fault]
    assert faults == []


def test_a_good_notebook_has_no_fault(tmp_path):
    assert _write(tmp_path, _cells()) == []


REPLACED = [
    ("# 01 Data", "# 1 Data", "begin with the title '# 01 …'"),
    ("After this notebook you can do something.\n\n", "", "one line of promise"),
    ("| you will learn | you need |", "| learn | need |", "you will learn"),
    ("about 30 seconds", "a moment", "how long it takes"),
    ("  # seed of everything random, 0 or more", "", "SEED has no meaning"),
    ('DEVICE: str = "cpu"', 'PLACE: str = "cpu"', "add the parameters DEVICE"),
    ("AGE: float = 0.75", "AGE = 0.75", "each line must read"),
    ("print(pace.FORMS, np.pi)", "import json", "move the import"),
    ("print(pace.FORMS, np.pi)", "print(", "is no Python"),
    ("print(pace.FORMS, np.pi)", "print()\n" * 31, "31 lines of code"),
    ("print(pace.FORMS, np.pi)", "   ", "delete the empty cell"),
    ("## 2. Second", "## 3. Second", "is number 2 of this notebook"),
    ("## 2. Second", "#### 2. Second", "leave none out"),
    ("## 2. Second", "# 2. Second", "second title"),
    ("## 3. Third", "Third", "2 numbered sections"),
    ("Exercise 1.1 - try", "Exercise 1.2 - try", "call 'Exercise 1.2 - try it' 'Exercise 1.1 - name'"),
    ("- A thing.", "A thing.", "as bullets"),
    ("## What you learned", "## What I learned", "add the section '## What you learned'"),
    ("in the paper,", "anywhere,", "add the section '## Where this sits in the paper'"),
    ("**Next:** [02 More](02_more.ipynb)", "", "end with '**Next:** [NN Title](02_more.ipynb)'"),
    ("(00_start.ipynb)", "(02_more.ipynb)", "end with '**Previous:**"),
    ("[the others](02_more.ipynb)", "[the others](03_none.ipynb)", "03_none.ipynb leads nowhere"),
    ("#2.-Second", "#2.-Secnd", "no heading #2.-Secnd; did you mean '2.-Second'?"),
    ("## 3. Third", "## 3. Third\n\n![](02_more.ipynb)", "describe the picture"),
    ("At age 0.75", "The accuracy is 0.913 at age 0.75", "0.913 is typed into prose"),
    ("At age 0.75", "It rose by 12 % at age 0.75", "12 is typed into prose"),
    ("print(pace.FORMS, np.pi)", 'open("/home/me/data.npz")', "absolute path"),
]


@pytest.mark.parametrize(("old", "new", "expected"), REPLACED, ids=[expected for *_, expected in REPLACED])
def test_a_fault_is_found(tmp_path, old, new, expected):
    cells = _cells()
    hit = [cell for cell in cells if old in cell["source"]]
    assert hit
    hit[0]["source"] = hit[0]["source"].replace(old, new)
    assert any(expected in what for what in _write(tmp_path, cells))


@pytest.mark.parametrize(
    "prose",
    [
        "The accuracy is 0.913 (Yang et al. 2020).",
        "**Predict before you run:** is it 0.913?",
        "It is `0.913`, or $0.913$, or 2019.",
        "Version 3.10 of 2.1.4 <!-- no result -->",
        "At 75 % of 0.75.",
    ],
)
def test_a_number_that_is_no_result_may_stand_in_prose(tmp_path, prose):
    cells = _cells()
    cells[6]["source"] += "\n\n" + prose
    assert _write(tmp_path, cells) == []


def test_what_a_run_left_behind_is_found(tmp_path):
    cells = _cells()
    cells[4]["outputs"] = [
        {"output_type": "stream", "name": "stderr", "text": "Warning: /root/x.py"},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []},
        {"output_type": "execute_result", "data": {"text/plain": ["at ", "/tmp/x"]}, "metadata": {}},
    ]
    found = " | ".join(_write(tmp_path, cells, kernelspec={"name": "mine"}, widgets={}))
    for part in ("standard error", "ValueError: no", "(/tmp/", "python3", "widget state"):
        assert part in found


def test_ids_and_parameters_are_single(tmp_path):
    cells = _cells()
    cells[3]["id"] = cells[4]["id"]
    cells[4]["metadata"]["tags"] = ["parameters"]
    found = " | ".join(_write(tmp_path, cells))
    assert "an id of its own" in found
    assert "2 cells carry the tag" in found


GLOSSARY = """| term | symbol | Python name | slider label | meaning |
|---|---|---|---|---|
| pace | $t$ | `pace` | Pace (t) | one round |
"""
MODULE = '''"""A module.

Taught in: notebooks/01_data, sections 1 and 2, and notebooks/02_more.
"""

pace = 1
CONTROL = Slider("pace", "Pace (t)")
'''


def _disagreements(tmp_path, glossary=GLOSSARY, module=MODULE, prose=""):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "lessons.py").write_text(module, encoding="utf-8")
    cells = _cells()
    cells[1]["source"] = "from spbl_nb import lessons"
    cells[5]["source"] = "## 2. Second" + prose
    cells[6]["source"] += "\n\n" + glossary
    _write(tmp_path, cells)
    notebooks = series.read_series(tmp_path)
    first = {name: notebooks[name] for name in ("01_data", "00_start", "02_more")}
    return [fault.what for fault in glossary_lint.faults(first, glossary_lint.Library(tmp_path / "package"))]


def test_names_that_agree_have_no_fault(tmp_path):
    assert _disagreements(tmp_path, prose="\n\nThis is `lessons.pace` of `spbl_nb.lessons`, and `np.pi`.") == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"glossary": GLOSSARY.replace("`pace`", "`pase`")}, "`pase` (pace) is no name in the library"),
        ({"glossary": GLOSSARY.replace("Pace (t)", "Pace (n)")}, "did you mean 'Pace (t)'?"),
        ({"glossary": GLOSSARY.replace("Pace (t)", "")}, "the slider 'Pace (t)' (`pace` in lessons.py) is not in"),
        ({"glossary": GLOSSARY + "| pace | | `pace` | | again |\n"}, "has the term 'pace' twice"),
        ({"glossary": ""}, "there is no glossary"),
        ({"module": MODULE.replace("and 2", "and 4")}, "section 4”, which does not exist"),
        ({"module": MODULE.replace("sections 1 and 2", "sections 2 to 4")}, "section 4”, which does not exist"),
        ({"module": MODULE.replace("02_more", "02_mor")}, "did you mean '02_more'?"),
        ({"prose": " `spbl_nb.lesson`"}, "spbl_nb.lesson is no module of the library; did you mean 'lessons'?"),
        ({"prose": " `lessons.pase(1)`"}, "lessons.pase is not in the library; did you mean 'pace'?"),
    ],
)
def test_names_that_disagree_are_found(tmp_path, change, expected):
    found = _disagreements(tmp_path, **change)
    assert any(expected in what for what in found), found


def test_the_command_lists_faults_and_ends_with_status_1(tmp_path, capsys):
    cells = _cells()
    cells[3]["source"] += " It is 0.913."
    _write(tmp_path, cells)
    assert cli.main(["lint", "01_data", "--notebooks", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("01_data.ipynb, cell 3: 0.913 is typed into prose")
    assert lines[1] == "1 fault to mend"
    assert cli.main(["lint", "01_dat", "--notebooks", str(tmp_path)]) == 2
    assert "did you mean '01_data'" in capsys.readouterr().err


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "01_data.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape("01_data.ipynb is no notebook")):
        series.read_series(tmp_path)


def test_every_control_of_the_library_is_seen():
    seen = {control.label for control in glossary_lint.Library(places.PACKAGE).controls}
    assert {"Pace (t)", "Imbalance profile", "Bound of the penalty"} <= seen
