"""What a forge reads: the workflow runs the same script as everywhere, and the citation names software and paper."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import spbl_nb

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def job():
    """The one job of the workflow."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads the key "on" as a truth value
    (job,) = workflow["jobs"].values()
    return job


def test_the_workflow_runs_the_script_of_the_repository(job):
    (run,) = [step["run"] for step in job["steps"] if "run" in step]
    script = ROOT / run
    assert script.is_file()
    assert os.access(script, os.X_OK)
    assert "<!-- test command -->" in script.read_text(encoding="utf-8")
    assert "<!-- test command -->" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_workflow_runs_on_the_oldest_python_and_a_newer_one(job):
    versions = job["strategy"]["matrix"]["python-version"]
    assert all(isinstance(version, str) for version in versions), "3.10 without quotes is 3.1"
    wanted = re.search(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert len(versions) == 2
    assert all(f"{version}.1" in SpecifierSet(wanted) for version in versions)
    assert wanted == f">={versions[0]}"


def test_packages_are_cached_by_what_asks_for_them_and_failed_notebooks_are_kept(job):
    by_use = {step["uses"].split("@")[0]: step for step in job["steps"] if "uses" in step}
    setup = by_use["actions/setup-python"]["with"]
    assert setup["cache"] == "pip"
    assert (ROOT / setup["cache-dependency-path"]).is_file()
    assert setup["python-version"] == "${{ matrix.python-version }}"
    upload = by_use["actions/upload-artifact"]
    assert upload["if"] == "failure()"
    assert upload["with"]["path"] == "${{ env.SPBL_NB_KEEP }}"
    assert job["env"]["SPBL_NB_KEEP"].startswith("${{ github.workspace }}/")


def test_a_failing_test_leaves_its_notebooks_where_it_is_told(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "keeping.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_two.py").write_text(
        "def test_bad(tmp_path):\n    (tmp_path / 'x.failed.ipynb').write_text('{}')\n    assert False\n\n"
        "def test_good(tmp_path):\n    (tmp_path / 'y.ipynb').write_text('{}')\n",
        encoding="utf-8",
    )
    kept = tmp_path / "kept"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, env=os.environ | {"SPBL_NB_KEEP": str(kept)}, capture_output=True, text=True)
    assert "1 failed, 1 passed" in done.stdout
    assert [path.name for path in kept.rglob("*.ipynb")] == ["x.failed.ipynb"]


def test_the_citation_is_valid_and_names_the_software_and_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)  # what version 1.2.0 of the format requires
    assert cited["cff-version"] == "1.2.0"
    assert str(cited["version"]) == spbl_nb.__version__
    assert cited["type"] == "software"
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'license = "{cited["license"]}"' in pyproject
    paper = cited["preferred-citation"]
    assert {"type", "title", "authors"} <= set(paper)
    assert paper["type"] == "article"
    assert all(set(author) == {"given-names", "family-names"} for author in paper["authors"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert paper["doi"] in readme
    assert paper["title"].split(" for ")[0] in " ".join(readme.split())
