"""The commands: quick help, and messages instead of tracebacks."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest
import tiny_notebooks as tiny

from spbl_nb import cli, environment, places
from spbl_nb.batch import grid


@pytest.fixture
def calls(monkeypatch):
    """Arguments with which the commands would have started the main job."""
    seen = []
    monkeypatch.setattr(grid, "reproduce", lambda wanted, **options: seen.append((wanted, options)) or 0)
    return seen


@pytest.mark.parametrize("command", [[], ["reproduce"]])
def test_help_needs_neither_torch_nor_jupyter(command):
    code = (
        "import sys\nfrom spbl_nb import cli\n"
        f"try:\n    cli.main({[*command, '--help']!r})\n"
        "finally:\n    print('heavy:', [m for m in ('torch', 'numpy', 'papermill', 'distributed') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=places.PACKAGE.parent)
    assert "usage: spbl-nb" in answer.stdout
    assert answer.stdout.endswith("heavy: []\n"), answer.stdout


def test_the_default_grid(calls):
    assert cli.main(["reproduce"]) == 0
    wanted, options = calls[0]
    assert {run.dataset for run in wanted.runs} == {"digits", "lesions"}
    assert {run.method for run in wanted.runs} == {
        "ce", "logit_adjusted", "spbl_released", "spbl_clean", "spbl_intended"
    }  # fmt: skip
    assert {run.seed for run in wanted.runs} == {0, 1, 2}
    assert wanted.config.name == "fast"
    assert wanted.runs_dir == places.PACKAGE.parent / "runs"
    assert options["teaching"]
    assert options["jobs"] is None


def test_all_options_arrive(calls, tmp_path, monkeypatch):
    tiny.experiment(tmp_path / "n")
    monkeypatch.chdir(tmp_path)
    line = (
        "reproduce --datasets digits,lesions --methods ce --seeds 0-2,7 --preset smoke --jobs 3 --scheduler tcp://a:1"
    )
    line += (
        " --runs-dir r --data-root d --time-limit 90 --no-notebooks --notebooks n --device auto --data-options seed:1"
    )
    assert cli.main(line.split()) == 0
    wanted, options = calls[0]
    assert [run.seed for run in wanted.runs if run.dataset == "digits"] == [0, 1, 2, 7]
    assert wanted.config.device == "auto"
    assert (wanted.runs_dir, wanted.notebooks) == (tmp_path / "r", tmp_path / "n")
    assert (wanted.data_root, wanted.data_options, wanted.time_limit) == ("d", "seed:1", 90.0)
    assert options | {"progress": False} == {
        "jobs": 3, "scheduler": "tcp://a:1", "teaching": False, "progress": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reproduce --device gpu", "device is 'gpu'; allowed: cpu, auto, cuda, mps"),
        ("reproduce --seeds ,", "at least one seed is needed"),
        ("reproduce --seeds 0-2,2", "the seed 2"),
        ("reproduce --seeds 0-999999999999", "at most 10000 seeds"),
        ("reproduce --preload", "there is no --preload any more"),
        ("reproduce --memory-limit 3", "there is no --memory-limit any more"),
        ("reproduce --time-limit 1h", "argument --time-limit: invalid float value: '1h'; 'spbl-nb reproduce --help'"),
        ("reproduce --seed 1", "there is no argument --seed 1; did you mean '--seeds'?"),
        (
            "reproduse",
            "no command 'reproduse'; allowed: reproduce, train, lab, check, data, export; did you mean 'reprod",
        ),
        ("train ce digits --seed abc", "spbl-nb train: argument --seed: invalid int value: 'abc'; '"),
        ("train ce", "required: DATASET; 'spbl-nb train --help' says more"),
        ("render --check", "this is now: python -m tools.render"),
        ("lint", "this is now: python -m tools.lint"),
        ("book", "this is now: python -m tools.book"),
    ],
)
def test_mistakes_are_answered_in_one_line(calls, capsys, line, message):
    try:
        status = cli.main(line.split())
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert calls == []


def test_failures_errors_and_interruption_have_their_exit_status(monkeypatch, capsys):
    def answer(outcome):
        def act(*_args, **_options):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(grid, "reproduce", act)
        return cli.main(["reproduce"])

    assert answer(2) == 1
    assert answer(KeyboardInterrupt()) == 130
    assert "give the same command again" in capsys.readouterr().err
    assert answer(OSError(28, "cannot write to the runs folder r")) == 2
    assert "cannot write to the runs folder r" in capsys.readouterr().err
    assert answer(ImportError("no torch")) == 2
    assert "'spbl-nb check' says what to install" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seeds"), [("0-3", [0, 1, 2, 3]), ("0, 2,5", [0, 2, 5]), ("7,0-1", [7, 0, 1])])
def test_seed_lists(text, seeds):
    assert cli._seed_list(text) == seeds


def test_lab_opens_the_notebooks_with_this_python(tmp_path, monkeypatch):
    """The server is told the folder, the first notebook, the cache and what stands after --; Ctrl-C is left to it."""
    started, answers = [], iter([KeyboardInterrupt, 0])

    class Server(contextlib.nullcontext):
        def wait(self):
            answer = next(answers)
            if answer is KeyboardInterrupt:
                raise answer
            return answer

    def start(command, env):
        started.append((command, env))
        server = Server()
        server.enter_result = server
        return server

    tiny.write(tmp_path / "08_experiment.ipynb")
    tiny.write(tmp_path / "00_start_here.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPBL_NB_CACHE", "a cache")
    monkeypatch.setattr(cli.subprocess, "Popen", start)
    assert cli.main(["lab", "--notebooks", str(tmp_path), "--", "--no-browser"]) == 0
    command, variables = started[0]
    assert command == [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.default_url=/lab/tree/00_start_here.ipynb", "--no-browser"
    ]  # fmt: skip
    assert variables["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert variables["SPBL_NB_CACHE"] == str(tmp_path / "a cache")
    assert next(answers, None) is None


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
