"""The environment check: a sound environment passes, and each thing that can be wrong is found."""

import json
import subprocess
from collections import namedtuple

import pytest

from spbl_nb import environment
from spbl_nb.environment import FAIL, OK, WARN


def find(findings, what):
    """Return the one finding about ``what``."""
    (found,) = [finding for finding in findings if finding.what == what]
    return found


@pytest.mark.slow
def test_a_sound_environment(tmp_path):
    """The environment of the tests has everything, so nothing may be found missing."""
    findings = environment.check(tmp_path / "a" / "b")
    assert [finding for finding in findings if finding.level == FAIL] == []
    assert {"Python", "torch with torchvision", "Jupyter kernel python3", "widgets in JupyterLab", "runs folder",
            "disk", "processor", "GPU"} <= {finding.what for finding in findings}  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_missing_old_and_optional_packages(monkeypatch):
    needed = ["numpy>=99", "no-such-package>=1", "numpy>=1", 'pytest>=99; extra == "test"']
    monkeypatch.setattr(environment.metadata, "requires", lambda _name: needed)
    findings = list(environment._packages())
    assert [finding.level for finding in findings] == [FAIL, FAIL, OK]
    assert ">=99 is needed" in findings[0].found
    assert findings[0].fix.endswith('-m pip install "numpy>=99"')
    assert findings[1].found == "not installed"


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (
            "RuntimeError: operator torchvision::nms does not exist\n",
            "they do not belong together, e.g. a CPU-only torch",
        ),
        ("ModuleNotFoundError: No module named 'torchvision'\n", "No module named 'torchvision'"),
        ("", "died without a word"),
    ],
)
def test_torch_that_does_not_import_is_explained(monkeypatch, errors, words):
    answer = subprocess.CompletedProcess("python", 1, stdout="", stderr=errors)
    monkeypatch.setattr(subprocess, "run", lambda *_command, **_options: answer)
    (found,) = environment._torch_pair()
    assert found.level == FAIL
    assert words in found.found
    assert "install --force-reinstall torch torchvision" in found.fix


def test_a_kernelspec_that_runs_another_python(monkeypatch, tmp_path):
    spec = tmp_path / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/elsewhere/bin/python"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    found = environment._kernel()
    assert found.level == WARN
    assert "runs /elsewhere/bin/python, not" in found.found
    assert "spbl-nb lab" in found.fix


def test_widgets_without_their_front_end(monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_parts: [str(tmp_path)])
    found = environment._widgets()
    assert found.level == FAIL
    assert "jupyterlab_widgets" in found.fix


@pytest.mark.parametrize(("free", "level"), [(10**8, FAIL), (10**9, WARN), (10**10, OK)])
def test_free_disk(monkeypatch, tmp_path, free, level):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _folder: usage(0, 0, free))
    assert find(environment._disk(tmp_path / "not" / "yet"), "disk").level == level
    (tmp_path / "file").write_text("")
    unwritable = find(environment._disk(tmp_path / "file"), "runs folder")
    assert unwritable.level == FAIL
    assert "--runs-dir" in unwritable.fix
