"""Packaging: the environment file agrees with pyproject, imports are light, the README's commands are there."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import spbl_nb

ROOT = Path(__file__).parents[1]
JUPYTER = (
    "IPython",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "jupyterlab",
    "nbclient",
    "nbconvert",
    "nbformat",
    "papermill",
)
WITHOUT_NOTEBOOKS = ("checks", "files", "pace", "metrics", "config", "lesions", "imbalance", "splits", "images", "readers",
                "picture_cache", "listings", "photo_sets",
                "corals", "data", "models", "training", "methods", "runs", "single_run", "detection_runs")  # fmt: skip
WITHOUT_TORCH = ("checks", "files", "pace", "metrics", "config", "lesions", "imbalance", "splits", "images", "readers",
                 "picture_cache", "listings", "photo_sets",
                 "corals", "data", "runs", "cli", "command_line")  # fmt: skip


def _pyproject() -> dict:
    tomllib = pytest.importorskip("tomllib", reason="tomllib comes with Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _normal(requirement: str) -> tuple:
    parsed = Requirement(requirement)
    return re.sub(r"[-_.]+", "-", parsed.name).lower(), tuple(sorted(parsed.extras)), str(parsed.specifier)


def _environment() -> tuple[dict, list[str]]:
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return content, next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))


def test_environment_and_pyproject_agree():
    _, pip = _environment()
    assert pip[0] == "-e ."
    assert sorted(map(_normal, pip[1:])) == sorted(map(_normal, _pyproject()["project"]["dependencies"]))


def test_the_package_is_found_in_the_folder_that_holds_the_checkout(tmp_path):
    """Where a person stands after cloning, a folder of the package's name lies on Python's path before the package."""
    (tmp_path / "spbl_nb" / "runs").mkdir(parents=True)
    code = "import spbl_nb.results.store; print(spbl_nb.__version__, spbl_nb.results.store.RESULT)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert answer.stdout.split() == [spbl_nb.__version__, "result.json"], answer.stderr


def test_environment_pins_python_to_a_minor_version_that_is_allowed():
    content, _ = _environment()
    assert any(re.fullmatch(r"python=3\.1\d", entry) for entry in content["dependencies"] if isinstance(entry, str))


def test_every_dependency_says_where_it_is_used_and_is_used_there():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if re.match(r"\s+- [a-z].*>=", line)]
    assert listed
    files = [*(ROOT / "spbl_nb").glob("*.py"), *(ROOT / "notebooks").glob("*.ipynb")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    modules = {
        "scikit-learn": "sklearn",
        "imbalanced-learn": "imblearn",
        "pyyaml": "yaml",
        "dask": "distributed",
        "pillow": "PIL",
        "ipython": "IPython",
    }
    for line in listed:
        assert "# used " in line, line
        for named in re.findall(r"spbl_nb/(\w+)\.py", line):
            assert (ROOT / "spbl_nb" / f"{named}.py").is_file(), line
        distribution = _normal(line.split("#")[0].strip(" -"))[0]
        module = modules.get(distribution, distribution.replace("-", "_"))
        assert re.search(rf"\b(import|from) {module}\b|-m\",? ?\"?{module}|\"{module}\"", sources), (
            f"{module} is not used"
        )


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [(WITHOUT_NOTEBOOKS, (*JUPYTER, "dask", "distributed")), (WITHOUT_TORCH, ("torch", "accelerate"))],
)
def test_light_modules_import_without_heavy_packages(modules, forbidden):
    """Import with the heavy packages made unimportable, as on a machine that lacks them."""
    code = textwrap.dedent(
        f"""
        import importlib, sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {forbidden!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}} (made absent by the test)", name=name)

        sys.meta_path.insert(0, Absent())
        for name in {modules!r}:
            importlib.import_module(f"spbl_nb.{{name}}")
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_package_import_brings_neither_torch_nor_jupyter():
    code = "import sys, spbl_nb; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    for name in ("torch", "numpy", "pandas", *JUPYTER):
        assert f"'{name}'" not in loaded


def test_readme_has_exactly_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for marker in ("main command", "test command"):
        commands = re.findall(rf"<!-- {marker} -->\s*```bash\n(.+?)\n```", text, re.S)
        assert len(commands) == 1, marker
        assert "\n" not in commands[0], "one line to paste"
        assert "-m venv" in commands[0]
