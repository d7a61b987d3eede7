"""Two processes that share every batch against one that has it whole."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import two_processes

from spbl_nb import training

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5  # on parameters and logits of size 1; 24 steps in float32, summed in another order


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Run all tasks once by two processes, as a user would; return (name, process) -> the arrays it wrote."""
    folder = tmp_path_factory.mktemp("launched")
    launch = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --main_process_port 0"
    command = [sys.executable, *launch.split(), "--mixed_precision", "no", "--dynamo_backend", "no"]
    tests = Path(__file__).parents[1] / "helpers"
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, tests / "two_processes.py", folder],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return lambda task, rank=0: dict(np.load(folder / f"{task}-{rank}.npz")), folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Run a task in this process."""
    return lambda task: two_processes.TASKS[task](tmp_path_factory.mktemp("alone"))


def apart(one, other):
    """Return the largest difference over all arrays of two tasks, and their names must agree."""
    other = {key: value for key, value in other.items() if key != "processes"}
    assert one.keys() == other.keys()
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)


def test_without_batch_norm_two_processes_learn_what_one_learns(launched, alone):
    read, _ = launched
    assert read("plain")["processes"] == 2
    expected = alone("plain")
    assert apart(expected, read("plain")) < TOLERANCE
    start = two_processes.models.build("small_plain", 3, 16).state_dict()["head.weight"].numpy()
    assert np.abs(expected["state head.weight"] - start).max() > 100 * TOLERANCE


@pytest.mark.parametrize("task", [task for task in two_processes.TASKS if task not in ("error", "odd")])
def test_all_processes_end_with_the_same_network_and_the_same_scores(launched, task):
    read, _ = launched
    assert apart({key: value for key, value in read(task, 1).items() if key != "processes"}, read(task)) == 0


def test_a_checkpoint_is_written_and_read_by_the_main_process_alone(launched):
    read, folder = launched
    assert (folder / "of-0" / "fit").is_file()
    assert not (folder / "of-1").exists()
    for interrupted, whole in (("resumed", "saved"), ("spbl_clean again", "spbl_clean"), ("saved", "normed")):
        assert apart({k: v for k, v in read(whole).items() if k != "processes"}, read(interrupted)) == 0


def test_spbl_as_a_whole(launched, alone):
    read, _ = launched
    expected, found = alone("spbl_clean"), read("spbl_clean")
    np.testing.assert_array_equal(found["counts"], expected["counts"])
    np.testing.assert_array_equal(found["predicted"], expected["predicted"])
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)


@pytest.mark.parametrize(
    ("task", "message"),
    [("error", "met in process 0"), ("odd", "a batch of 5 cannot be shared by 2 processes")],
)
def test_errors_reach_all_processes(launched, task, message):
    read, _ = launched
    assert all(message in str(read(task, rank)["message"]) for rank in (0, 1))


def test_alone_a_process_does_everything_itself():
    assert training.process_count() == 1
    assert training.is_main_process()
    assert training.broadcast_from_main(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        training.broadcast_from_main(lambda: 1 / 0)
