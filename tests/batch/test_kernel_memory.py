"""The memory limit of a notebook: what counts, what does not, and what is said."""

import pytest
import tiny_notebooks as tiny

from spbl_nb.batch import execute as runner

pytestmark = pytest.mark.notebooks

GREEDY = "import time\nhoard = [bytearray(10**8) for _ in range(6)]\ntime.sleep(900)"
BY_A_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {GREEDY!r}])"
MAPPED = """\
import numpy as np
with open("pictures.bin", "wb") as file:
    file.truncate(6 * 10**8)
print(np.memmap("pictures.bin", np.uint8, "r").sum())
import time; time.sleep(0.5)"""


@pytest.fixture
def run(tmp_path):
    """Execute one cell under a limit of 0.4 GiB."""

    def execute(code, **options):
        source = tiny.write(tmp_path / "tiny.ipynb", code)
        return runner.execute(source, tmp_path / "out.ipynb", **{"memory_limit": 0.4} | options)

    return execute


@pytest.mark.parametrize("code", [GREEDY, BY_A_CHILD], ids=["itself", "a child"])
def test_a_greedy_notebook_is_stopped_and_the_limit_named(run, code):
    message = (
        r"tiny.ipynb took 0\.\d+ GiB of memory, more than its limit of 0.4 GiB, and was stopped \(what was executed"
    )
    with pytest.raises(runner.MemoryLimitError, match=message):
        run(code)


def test_a_file_that_is_mapped_does_not_count(run):
    assert tiny.printed(run(MAPPED)) == "0\n"


def test_an_error_under_a_limit_stays_that_error(run):
    with pytest.raises(runner.NotebookError, match="ZeroDivisionError") as caught:
        run("1/0")
    assert not isinstance(caught.value, runner.MemoryLimitError)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), "8"])
def test_what_is_no_limit_is_refused(run, limit):
    with pytest.raises(ValueError, match="memory_limit is"):
        run("1", memory_limit=limit)
