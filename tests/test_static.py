"""The package is clean under ruff and mypy. What they ask for stands in pyproject.toml; no line is excused from types."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spbl_nb"
COMMANDS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_is_clean(command):
    pytest.importorskip(command[0])
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)} finds:\n{done.stdout[-4000:]}{done.stderr[-2000:]}"


def test_no_line_is_excused_from_the_type_checker():
    excused = [path.name for path in PACKAGE.glob("*.py") if "type: " + "ignore" in path.read_text(encoding="utf-8")]
    assert not excused
