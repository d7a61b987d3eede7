"""The commands: quick help, and messages instead of tracebacks."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest
import tiny_notebooks as tiny

from spbl_nb import cli, command_line, environment, places
from spbl_nb.batch import reproduce


@pytest.fixture
def calls(monkeypatch):
    """Arguments with which the commands would have started the main job."""
    seen = []
    monkeypatch.setattr(reproduce, "reproduce", lambda cells, **options: seen.append((cells, options)) or 0)
    return seen


@pytest.mark.parametrize("command", [[], ["reproduce"], ["lab"], ["check"]])
def test_help_needs_neither_torch_nor_jupyter(command):
    code = (
        "import sys\nfrom spbl_nb import cli\n"
        f"try:\n    cli.main({[*command, '--help']!r})\n"
        "finally:\n    print('heavy:', [m for m in ('torch', 'numpy', 'papermill', 'distributed') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=places.PACKAGE.parent)
    assert "usage: spbl-nb" in answer.stdout
    assert answer.stdout.endswith("heavy: []\n"), answer.stdout


def test_every_command_that_is_parsed_is_carried_out():
    actions = command_line.parser()._subparsers._group_actions[0]
    assert set(actions.choices) == set(cli._COMMANDS)


def test_python_m_is_the_same_command():
    answer = subprocess.run(
        [sys.executable, "-m", "spbl_nb", "--version"], capture_output=True, text=True, cwd=places.PACKAGE.parent
    )
    assert answer.stdout.startswith("spbl-nb ")


def test_a_relative_cache_folder_is_the_same_for_jupyterlab(monkeypatch, tmp_path):
    class Pretended(contextlib.nullcontext):
        def __init__(self, command, env):
            self.cache = env["SPBL_NB_CACHE"]
            super().__init__(self)

        def wait(self):
            return 0 if self.cache == str(tmp_path / "a cache") else 1

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPBL_NB_CACHE", "a cache")
    monkeypatch.setattr(subprocess, "Popen", Pretended)
    assert cli.main(["lab"]) == 0


def test_the_default_grid(calls):
    assert cli.main(["reproduce"]) == 0
    cells, options = calls[0]
    assert {cell.dataset for cell in cells} == {"digits", "lesions"}
    assert {cell.method for cell in cells} == {"ce", "logit_adjusted", "spbl_released", "spbl_clean", "spbl_intended"}
    assert {cell.seed for cell in cells} == {0, 1, 2}
    assert {cell.config.name for cell in cells} == {"fast"}
    assert options["teaching"]
    assert options["jobs"] is None


def test_all_options_arrive(calls):
    line = (
        "reproduce --datasets digits,lesions --methods ce --seeds 0-2,7 --preset smoke --jobs 3 --scheduler tcp://a:1"
    )
    line += " --memory-limit 3.5 --preload --runs-dir r --data-root d --time-limit 90 --no-notebooks --notebooks n --device auto"
    line += " --data-options seed:1"
    assert cli.main(line.split()) == 0
    cells, options = calls[0]
    assert [cell.seed for cell in cells if cell.dataset == "digits"] == [0, 1, 2, 7]
    assert cells[0].config.device == "auto"
    assert options | {"progress": False} == {
        "runs_dir": "r", "notebooks": "n", "data_root": "d", "data_options": "seed:1", "jobs": 3, "scheduler": "tcp://a:1",
        "time_limit": 90.0, "memory_limit": 3.5, "preload": True, "teaching": False, "progress": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("platform", "arguments", "expected"),
    [
        ("linux", "", True),
        ("linux", "--no-notebooks", True),
        ("linux", "--no-notebooks --methods ce --datasets digits", False),
        ("linux", "--no-notebooks --methods ce --datasets digits --preload", True),
        ("linux", "--no-preload", False),
        ("linux", "--scheduler tcp://a:1", False),
        ("linux", "--device cuda", False),
        ("linux", "--device auto", False),
        ("linux", "--device cuda --preload", True),
        ("darwin", "", False),
        ("darwin", "--preload", True),
        ("win32", "", False),
    ],
)
def test_kernels_are_forked_where_that_pays_and_does_no_harm(calls, monkeypatch, platform, arguments, expected):
    monkeypatch.setattr(sys, "platform", platform)
    assert cli.main(["reproduce", *arguments.split()]) == 0
    assert calls[0][1]["preload"] is expected


def test_windows_cannot_fork(calls, monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert cli.main(["reproduce", "--preload"]) == 2
    assert "--preload: Windows cannot fork" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--datasets", "digit"], "did you mean 'digits'"),
        (["--methods", "overample"], "did you mean 'oversample'"),
        (["--methods", "spbl"], "did you mean 'spbl_released' or 'spbl_clean' or 'spbl_intended' or"),
        (["--preset", "fats"], "did you mean 'fast'"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--device", "gpu"], "device is 'gpu'; allowed: cpu, auto, cuda, mps"),
        (["--seeds", ""], "at least one seed is needed"),
        (["--seeds", "0,1,0"], "the seed 0 stands twice"),
        (["--seeds", "0-2,2"], "the seed 2 stands twice"),
        (["--seeds", "-3"], "--seeds"),
        (["--seeds", "one"], "allowed: seeds from 0 on"),
        (["--seeds", "5-2"], "runs backwards, write 2-5"),
    ],
)
def test_mistakes_are_answered_in_one_line(calls, capsys, arguments, message):
    try:
        status = cli.main(["reproduce", *arguments])
    except SystemExit as error:  # argparse's own mistakes
        status = error.code
    told = capsys.readouterr().err
    assert status == 2
    assert message in told
    assert "Traceback" not in told
    assert calls == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduse"], "spbl-nb: there is no command 'reproduse'; allowed: reproduce, train, "),
        (["reproduse"], "did you mean 'reproduce'? 'spbl-nb --help' says more"),
        (["train", "ce", "digits", "--seed", "abc"], "spbl-nb train: argument --seed: 'abc' is no whole number; '"),
        (["reproduce", "--time-limit", "1h"], "argument --time-limit: '1h' is no number; 'spbl-nb reproduce --help'"),
        (["train", "ce"], "required: DATASET; 'spbl-nb train --help' says more"),
        (
            ["data", "digits", "--outt", "x"],
            "spbl-nb data: there is no argument --outt x; did you mean '--out'? 'spbl-nb data",
        ),
        (["reproduce", "--seed", "1"], "there is no argument --seed 1; did you mean '--seeds'?"),
        (["check", "digits"], "spbl-nb check: there is no argument digits; 'spbl-nb check --help'"),
    ],
)
def test_what_cannot_be_parsed_is_answered_in_one_line_too(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in told
    assert told.count("\n") == 1


def test_errors_of_the_job_become_messages(monkeypatch, capsys):
    def fail(*_args, **_options):
        raise OSError(28, "cannot write to the runs folder r (No space left on device)")

    monkeypatch.setattr(reproduce, "reproduce", fail)
    assert cli.main(["reproduce"]) == 2
    assert "cannot write to the runs folder r (No space left on device)" in capsys.readouterr().err


def test_failures_and_interruption_have_their_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(reproduce, "reproduce", lambda *_args, **_options: 2)
    assert cli.main(["reproduce"]) == 1

    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "reproduce", interrupt)
    assert cli.main(["reproduce"]) == 130
    assert "give the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("4", [4]), ("0, 2,5", [0, 2, 5]), ("1-1", [1]), ("7,0-1", [7, 0, 1])]
)
def test_seed_lists(text, seeds):
    assert command_line.seed_list(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-999999999999", "more than 10000 seeds"),
        ("0-5000,0-5000", "more than 10000 seeds"),
        ("²", "allowed: seeds from 0 on"),
        ("٣", "allowed: seeds from 0 on"),
        ("9" * 5000, "allowed: seeds from 0 on"),
        (None, "allowed: str"),
    ],
)
def test_seed_lists_that_mean_no_seeds_are_refused(text, message):
    with pytest.raises(ValueError, match=rf"--seeds is .*{message}"):
        command_line.seed_list(text)


def test_a_long_list_is_not_told_whole():
    with pytest.raises(ValueError, match="the range 9-8 runs backwards") as caught:
        command_line.seed_list("1," * 4000 + "9-8")
    assert len(str(caught.value)) < 200


def test_as_many_seeds_as_may_be_named():
    assert len(command_line.seed_list("0-9999")) == command_line.MOST_SEEDS


def test_lab_opens_the_notebooks_with_this_python(tmp_path, monkeypatch):
    """The server is told the folder, the first notebook and what stands after --; Ctrl-C is left to it."""
    started = []

    class Server:
        waits = 0

        def __init__(self, command, env):
            started.append((command, env))

        def __enter__(self):
            return self

        def __exit__(self, *_reason):
            return None

        def wait(self):
            Server.waits += 1
            if Server.waits == 1:
                raise KeyboardInterrupt
            return 0

    tiny.experiment(tmp_path)
    tiny.write(tmp_path / "00_start_here.ipynb")
    monkeypatch.setattr(cli.subprocess, "Popen", Server)
    assert cli.main(["lab", "--notebooks", str(tmp_path), "--", "--no-browser"]) == 0
    command, variables = started[0]
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert command[3:] == [
        f"--ServerApp.root_dir={tmp_path}", "--LabApp.default_url=/lab/tree/00_start_here.ipynb", "--no-browser"
    ]  # fmt: skip
    assert variables["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert Server.waits == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_lab_ends_with_the_command_that_started_it(tmp_path):
    """A JupyterLab that went on would keep its port, and the next one would silently take another."""
    tiny.experiment(tmp_path)
    (tmp_path / "jupyterlab.py").write_text("import os, time; print(os.getpid(), flush=True); time.sleep(900)")
    command = [sys.executable, "-m", "spbl_nb", "lab", "--notebooks", str(tmp_path)]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(places.PACKAGE.parent)])}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, cwd=tmp_path) as lab:
        server = psutil.Process(int(lab.stdout.readline()))
        lab.terminate()
        assert lab.wait(60) != 0
    assert not server.is_running()


def test_lab_without_notebooks_says_where_it_looked(tmp_path, capsys):
    assert cli.main(["lab", "--notebooks", str(tmp_path)]) == 2
    assert f"there is no 08_experiment.ipynb in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["render", "lint", "book"])
def test_commands_that_moved_say_where(command, capsys):
    assert cli.main([command]) == 2
    assert capsys.readouterr().err == f"this is now: python -m tools.{command}\n"


def test_check_prints_findings_and_fails_with_one(monkeypatch, capsys):
    findings = [
        environment.Finding(environment.OK, "Python", "3.11"),
        environment.Finding(environment.WARN, "disk", "1 GB"),
    ]
    monkeypatch.setattr(environment, "check", lambda _folder: findings)
    assert cli.main(["check"]) == 0
    findings.append(environment.Finding(environment.FAIL, "torch", "not installed", "install it"))
    assert cli.main(["check"]) == 1
    told = capsys.readouterr().out
    assert "[ WARN ] disk: 1 GB" in told
    assert "[ FAIL ] torch: not installed\n         -> install it" in told
    assert "1 of 3 requirements are not met" in told


def test_runs_folder_defaults_to_the_checkout(monkeypatch, tmp_path):
    assert places.runs_dir("") == places.PACKAGE.parent / "runs"
    assert places.runs_dir("~/x") == places.Path(os.path.expanduser("~/x"))
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "site-packages" / "spbl_nb")
    monkeypatch.chdir(tmp_path)
    assert places.runs_dir() == tmp_path / "runs"
