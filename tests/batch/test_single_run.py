"""One run without a notebook: the same result file as notebook 08's, by one process or by several."""

import subprocess
import sys

import pytest
from free_port import free_port

from spbl_nb import cli, config, data, methods, metrics
from spbl_nb.batch import single_run
from spbl_nb.results import store


def test_a_run_from_the_command_line_is_that_of_the_library(tmp_path, capsys):
    command = ["train", "spbl_clean", "digits", "--preset", "smoke", "--seed", "3", "--runs-dir", str(tmp_path)]
    assert cli.main([*command, "--checkpoint", str(tmp_path / "going-on" / "here")]) == 0
    told = capsys.readouterr().out
    settings = config.preset("smoke")
    pictures = data.load_for(settings, "digits")
    split = data.make_split(pictures, settings.validation, settings.test, seed=3)
    expected = methods.run("spbl_clean", pictures, split, settings, 3)
    run = store.load(tmp_path / "smoke" / "digits" / "spbl_clean" / "seed-3")
    assert (run.scores == expected.scores).all()
    report = metrics.report(pictures.labels[split.test], expected.scores, 10, expected.predicted)
    assert run.result["report"]["accuracy"] == report.accuracy
    assert f"written: {run.folder}" in told
    assert "by one process" in told
    assert cli.main(command) == 0
    again = capsys.readouterr().out
    assert f"; complete already: {run.folder}" in again
    assert (
        again.splitlines()[:-2] == told.splitlines()[:-2] == [f"digits: {pictures.source}", *str(report).splitlines()]
    )
    assert again.splitlines()[-1] == told.splitlines()[-1] == config.watermark("smoke")
    assert again.splitlines()[-2].split(" s;")[0] == told.splitlines()[-2].split(" s by")[0], "steps and seconds"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "spbl", "digits"], "did you mean"),
        (["train", "ce", "digit"], "did you mean 'digits'"),
        (["train", "digits", "spbl_clean"], "METHOD comes first: train spbl_clean digits"),
        (["train", "digit", "spbl_clean"], "METHOD comes first: train spbl_clean digit"),
        (["train", "digits", "spbl"], "METHOD comes first: train spbl digits"),
        (["train", "digits", "digits"], "method is 'digits'; allowed"),
        (["train", "ce", "ce"], "data set is 'ce'; allowed"),
        (["train", "ce", "digits", "--preset", "papers"], "did you mean 'paper'"),
        (["train", "ce", "digits", "--seed", "-1"], "seed is -1"),
        (["train", "ce", "digits", "--device", "gpu"], "device is 'gpu'"),
        (
            ["train", "ce", "lesions", "--preset", "smoke", "--weights", "IMAGENET1K_V1"],
            "small_cnn has no published weights",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(tmp_path, capsys, arguments, message):
    assert cli.main([*arguments, "--runs-dir", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_notebook_launches_several_processes(tmp_path):
    """In a process of its own, for one that has trained already cannot launch others."""
    port = free_port()
    options = f"('ce', 'digits', 'smoke', 0, None, {str(tmp_path)!r}), num_processes=2, use_port='{port}'"
    code = f"import accelerate, spbl_nb.batch.single_run as s; accelerate.notebook_launcher(s.train, {options})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "by 2 process" in done.stdout
    assert done.stdout.count("written:") == 1
    assert len(store.scan(tmp_path).complete) == 1
    assert single_run.train("ce", "digits", "smoke", 0, None, tmp_path).is_dir()
