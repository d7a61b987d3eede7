"""The repository: clean under ruff and mypy, one list of dependencies, light imports, README's commands, workflow, citation."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import spbl_nb

ROOT = Path(__file__).parents[1]
JUPYTER = ("IPython", "ipykernel", "ipywidgets", "jupyter_client", "jupyterlab", "nbclient", "nbconvert", "nbformat")
CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS)
def test_is_clean(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)} finds:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


def test_no_line_is_excused_from_the_type_checker():
    sources = [*(ROOT / "spbl_nb").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    assert not [path.name for path in sources if "type: " + "ignore" in path.read_text(encoding="utf-8")]


def test_environment_and_pyproject_agree():
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    needed = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    content = yaml.safe_load(text("environment.yml"))
    pip = next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    assert pip[0] == "-e ."
    assert sorted(str(Requirement(one)) for one in pip[1:]) == sorted(str(Requirement(one)) for one in needed)


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (
            ("methods", "results.store", "results.report", "training", "data"),
            (*JUPYTER, "papermill", "dask", "distributed"),
        ),
        (("pace", "metrics", "balance", "data", "results.store", "cli"), ("torch", "accelerate")),
    ],
)
def test_light_modules_import_without_heavy_packages(modules, forbidden):
    """Import with the heavy packages made unimportable, as on a machine that lacks them."""
    code = f"import importlib, sys\nsys.modules.update(dict.fromkeys({forbidden!r}))\n"
    code += f"for name in {modules!r}: importlib.import_module('spbl_nb.' + name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_package_import_brings_neither_torch_nor_jupyter():
    code = "import sys, spbl_nb; print({name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert not [name for name in ("torch", "numpy", "pandas", *JUPYTER) if f"'{name}'" in loaded]


def test_the_package_is_found_in_the_folder_that_holds_the_checkout(tmp_path):
    """Where a person stands after cloning, a folder of the package's name lies on Python's path before the package."""
    (tmp_path / "spbl_nb" / "runs").mkdir(parents=True)
    code = "import spbl_nb.files; print(spbl_nb.__version__)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert answer.stdout.strip() == spbl_nb.__version__, answer.stderr


@pytest.mark.parametrize("marker", ["main command", "test command"])
def test_readme_has_each_command_once_in_one_line(marker):
    (command,) = re.findall(rf"<!-- {marker} -->\s*```bash\n(.+?)\n```", text("README.md"), re.S)
    assert "\n" not in command
    assert "-m venv" in command


def test_links_of_readme_and_docs_lead_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert target.startswith("http") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_workflow_runs_the_script_of_the_repository_on_the_oldest_python():
    workflow = yaml.safe_load(text(".github/workflows/tests.yml"))
    (job,) = workflow["jobs"].values()
    (run,) = [step["run"] for step in job["steps"] if "run" in step]
    assert os.access(ROOT / run, os.X_OK)
    oldest = job["strategy"]["matrix"]["python-version"][0]
    assert f'requires-python = ">={oldest}"' in text("pyproject.toml")


def test_the_citation_names_the_software_and_the_paper():
    cited = yaml.safe_load(text("CITATION.cff"))
    assert str(cited["version"]) == spbl_nb.__version__
    assert f'license = "{cited["license"]}"' in text("pyproject.toml")
    assert cited["preferred-citation"]["doi"] in text("README.md")
