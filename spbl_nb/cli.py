"""The commands: ``spbl-nb reproduce``, ``train``, ``lab``, ``check``, ``data`` and ``export``; also ``python -m spbl_nb``.

What a person gets wrong is answered with one line on standard error and exit status 2, never with a traceback. Nothing
heavy is imported before a command needs it, so that ``--help`` is quick.
"""

import argparse
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from spbl_nb import __version__

if TYPE_CHECKING:
    from spbl_nb import config_files

_INTERRUPTED = 130
_TOOLS = ("render", "lint", "book")
_MOST_SEEDS = 10_000
_GONE = {
    "--memory-limit": "Dask and the operating system can limit memory (dask worker --memory-limit)",
    "--preload": "each notebook starts a kernel of its own",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 all well, 1 something failed, 2 a mistake in the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _TOOLS:
        print(f"this is now: python -m tools.{given[0]}", file=sys.stderr)
        return 2
    options, unknown = _parser().parse_known_args(given)
    if unknown and options.command != "lab":
        options.parser.refuse(unknown)
    options.unknown = unknown
    try:
        return options.act(options)
    except KeyboardInterrupt:
        print("\ninterrupted: what is complete stays; give the same command again to go on", file=sys.stderr)
        return _INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"spbl-nb: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(
            f"spbl-nb: a package is missing or broken ({error}); 'spbl-nb check' says what to install", file=sys.stderr
        )
        return 2


def _reproduce(options: argparse.Namespace) -> int:
    from spbl_nb import checks, config_files, places
    from spbl_nb.batch import grid

    if options.jobs is not None:
        checks.integer("--jobs", options.jobs, 1)  # before anything is read, or printed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a line per finished notebook, also into a pipe
    asked = _asked(options)
    if asked.dataset in config_files.DETECTION and not options.datasets:
        return _detect(options, asked)
    runs = grid.list_runs(
        _words(options.datasets) or ([asked.dataset] if asked.dataset else grid.DATASETS),
        _words(options.methods) or asked.methods or grid.METHODS,
        asked.settings.seeds if options.seeds is None else _seed_list(options.seeds),
        asked.settings,
    )
    wanted = grid.Grid(
        runs,
        places.runs_dir(options.runs_dir or asked.runs_dir),
        places.notebooks_dir(options.notebooks),
        config_file=os.path.abspath(os.path.expanduser(options.config)) if options.config else "",
        data_root=options.data_root or asked.data_root,
        data_options=options.data_options,
        time_limit=options.time_limit,
    )
    failures = grid.reproduce(
        wanted,
        teaching=not options.no_notebooks,
        jobs=options.jobs,
        scheduler=options.scheduler,
        progress=sys.stderr.isatty(),
    )
    return 1 if failures else 0


def _detect(options: argparse.Namespace, asked: "config_files.Meaning") -> int:
    """Train a detector for every seed, as a settings file with boxes asks for."""
    from spbl_nb import places
    from spbl_nb.detection import plot, run

    grid_only = ("methods", "scheduler", "jobs", "time_limit", "data_options", "notebooks", "no_notebooks")
    if given := [f"--{name.replace('_', '-')}" for name in grid_only if getattr(options, name)]:
        raise ValueError(f"{options.config} asks for a detector; only a grid of runs can have {', '.join(given)}")
    seeds = [0] if options.seeds is None else _seed_list(options.seeds)
    if asked.checkpoint and len(seeds) > 1:
        raise ValueError(f"resume_from names one checkpoint, but --seeds names {len(seeds)} runs; ask for one")
    for seed in seeds:
        folder, record = run.run(
            asked.dataset or "",
            asked.settings,
            seed,
            runs_dir=places.runs_dir(options.runs_dir or asked.runs_dir),
            data_root=options.data_root or asked.data_root,
            checkpoint=asked.checkpoint,
            progress=sys.stderr.isatty(),
            draw=plot.predictions,
        )
        print(f"seed {seed}: {folder}\n{run.describe_numbers(record)}")
    return 0


def _asked(options: argparse.Namespace) -> "config_files.Meaning":
    """Return what a settings file, or a preset and a device, ask for; options of the command line override the file."""
    from spbl_nb import config_files

    if options.config and options.preset:
        raise ValueError(f"--preset {options.preset} and --config {options.config} are given; leave one of them out")
    asked = config_files.request(options.config, options.preset or "fast", **_overrides(options, "device", "precision"))
    for note in asked.notes:
        print(f"note: {note}")
    return asked


def _overrides(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return those of the options that were given, as settings by name."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _train(options: argparse.Namespace) -> int:
    from spbl_nb import config
    from spbl_nb.batch import grid

    grid.train(
        options.method,
        options.dataset,
        config.preset(options.preset, **_overrides(options, "device", "precision", "weights")),
        options.seed,
        options.data_root,
        options.runs_dir,
        options.checkpoint,
        options.data_options,
    )
    return 0


def _lab(options: argparse.Namespace) -> int:
    from spbl_nb import places

    folder = places.notebooks_dir(options.notebooks)
    extra = [option for option in options.unknown if option != "--"]
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    if (folder / "00_start_here.ipynb").exists():
        command.append("--LabApp.default_url=/lab/tree/00_start_here.ipynb")
    environment = os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"} | places.cache_variable()
    with subprocess.Popen([*command, *extra], env=environment) as server:
        before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            while True:
                try:
                    return server.wait()
                except KeyboardInterrupt:
                    continue  # JupyterLab has received it too, and asks whether to stop
        finally:
            signal.signal(signal.SIGTERM, before)


def _check(options: argparse.Namespace) -> int:
    from spbl_nb import environment

    findings = environment.check(options.runs_dir)
    for finding in findings:
        print(finding)
    failed = sum(finding.level == environment.FAIL for finding in findings)
    print(f"{failed} of {len(findings)} requirements are not met" if failed else "everything needed is here")
    return 1 if failed else 0


def _data(options: argparse.Namespace) -> int:
    from spbl_nb import check_data

    checked = check_data.check(
        options.name,
        options.data_root,
        options.size,
        options=options.data_options,
        skip_broken=options.skip_broken,
        out=options.out,
        runs_dir=options.runs_dir,
        progress=sys.stderr.isatty(),
    )
    for finding in checked.findings:
        print(finding)
    print(f"{checked.written[0].parent}: {', '.join(path.name for path in checked.written)}")
    print(checked.verdict)
    return 1 if checked.wrong else 0


def _export(options: argparse.Namespace) -> int:
    from spbl_nb import config, places
    from spbl_nb.results import store

    number = store.write_records(places.runs_dir(options.runs_dir), options.file, options.remark)
    print(f"{number} runs written to {options.file}")
    trials = sum(bool(config.watermark(record["config_name"])) for record in store.read_records(options.file))
    if trials:
        print(f"{trials} of them are trial runs at preset smoke, whose numbers are no results")
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake in one line, in the words of the other messages, and takes no half names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with status 2."""
        from spbl_nb import checks  # brings NumPy, which --help does without

        if wrong := re.match(r"argument COMMAND: invalid choice: '(.*?)'.*choose from (.*)\)", message):
            allowed = wrong[2].replace("'", "").split(", ")
            message = (
                f"there is no command {wrong[1]!r}; allowed: {', '.join(allowed)}{checks.nearest(wrong[1], allowed)}"
            )
        stop = "" if message.endswith("?") else ";"
        self.exit(2, f"{self.prog}: {message}{stop} '{self.prog} --help' says more\n")

    def refuse(self, given: Sequence[str]) -> NoReturn:
        """Refuse arguments that the command does not have, naming the option that may have been meant."""
        from spbl_nb import checks

        wrong = next((word.partition("=")[0] for word in given if word.startswith("-")), "")
        gone = _GONE.get(wrong.replace("--no-", "--")) if self.prog.endswith("reproduce") else None
        if gone:
            self.error(f"there is no {wrong} any more: {gone}")
        known = [name for action in self._actions for name in action.option_strings]
        self.error(f"there is no argument {' '.join(given)}{checks.nearest(wrong, known) if wrong else ''}")


_PRESET = "smoke, fast, full, release or paper (default: fast)"
_OPTIONS: dict[str, dict[str, Any]] = {  # options that several commands have
    "--runs-dir": {"metavar": "DIR", "help": "folder of the results (default: runs/ in the checkout)"},
    "--notebooks": {"metavar": "DIR", "help": "folder of the notebooks (default: that of the checkout)"},
    "--data-root": {"metavar": "PATH", "help": "file or folder of data sets that are not embedded"},
    "--data-options": {
        "metavar": "OPTIONS",
        "default": "",
        "help": "options of data.load, as 'profile: odd_classes, factor: 10' (default: none)",
    },
    "--device": {"help": "cpu, auto, cuda or mps (default: as the preset or the file says)"},
    "--precision": {"help": "fp32, bf16 or fp16 (default: as the preset or the file says)"},
}


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it returns has its own ``parser`` and the function to ``act``."""
    parser = _Parser(prog="spbl-nb", description="Self-paced balance learning, taught and reproduced.")
    parser.add_argument("--version", action="version", version=f"spbl-nb {__version__}")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")

    def add(name: str, act: Callable[[argparse.Namespace], int], help: str, *shared: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help)
        command.set_defaults(parser=command, act=act)
        for option in shared:
            command.add_argument(option, **_OPTIONS[option])
        return command

    command = add("reproduce", _reproduce, "run the grid, the teaching notebooks and the report", *_OPTIONS)
    command.add_argument("--datasets", nargs="+", metavar="NAME", help="data sets (default: digits lesions)")
    methods = "methods (default: ce, logit_adjusted and the three variants of SPBL)"
    command.add_argument("--methods", nargs="+", metavar="NAME", help=methods)
    command.add_argument("--seeds", metavar="SEEDS", help="as 0-5 or 0,1,2 (default: those of the preset)")
    command.add_argument("--preset", help=_PRESET)
    config = "settings in YAML, by our names or those of the original READMEs; in place of a preset"
    command.add_argument("--config", metavar="FILE", default="", help=config)
    command.add_argument("--jobs", type=int, metavar="N", help="notebooks at a time (default: the number of cores)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="use a running Dask scheduler, e.g. tcp://host:8786")
    command.add_argument("--time-limit", type=float, metavar="SECONDS", help="per run (default: one hour)")
    command.add_argument("--no-notebooks", action="store_true", help="skip the teaching notebooks")

    shared = ["--runs-dir", "--data-root", "--data-options"]
    what = "one run without a notebook; under accelerate launch on several GPUs"
    command = add("train", _train, what, *shared, "--device", "--precision")
    command.add_argument("method", metavar="METHOD", help="as ce or spbl_clean; the README has a table of them")
    command.add_argument("dataset", metavar="DATASET", help="as digits, lesions (embedded) or folder (your own)")
    command.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    command.add_argument("--preset", default="fast", help=_PRESET)
    command.add_argument("--weights", metavar="FILE", help="starting weights (default: as the preset says)")
    command.add_argument("--checkpoint", metavar="FILE", help="where an interrupted run goes on from")

    command = add("lab", _lab, "open the notebooks in JupyterLab with this Python", "--notebooks")
    command.epilog = "Further options go to JupyterLab, such as --no-browser or --port 8890."

    add("check", _check, "check that everything needed is here, and say how to fix it", "--runs-dir")

    command = add("data", _data, "check a data set and draw it: broken files, copies, leaks, classes", *shared)
    command.add_argument("name", metavar="NAME", help="the data set, such as folder or ham10000")
    command.add_argument("--size", type=int, metavar="N", help="image side in pixels (default: that of the data set)")
    command.add_argument("--skip-broken", action="store_true", help="skip broken images instead of failing")
    out = "folder of figures and report (default: data/NAME below the runs folder, written over)"
    command.add_argument("--out", metavar="DIR", help=out)

    command = add("export", _export, "write the records of all complete runs to one JSON file", "--runs-dir")
    command.add_argument("file", help="the file to write")
    command.add_argument("--remark", default="", metavar="TEXT", help="what a reader must know and no record tells")
    return parser


def _words(given: list[str] | None) -> list[str]:
    """Accept names apart or joined by commas."""
    return [name for part in given or () for name in part.split(",") if name]


def _seed_list(text: str) -> list[int]:
    """Return the seeds meant by ``0-5``, ``0,1,2`` or a mixture such as ``0-2,7``.

    Raises ValueError for what is no such list, a range that runs backwards, more than 10,000 seeds, and no seed at all.
    """
    seeds: list[int] = []
    for part in filter(None, text.replace(" ", "").split(",")):
        match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part)
        if not match:
            raise ValueError(f"--seeds is {text!r:.60}; allowed: seeds from 0 on, as 0-5 or 0,1,2")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"--seeds is {text!r:.60}; the range {part} runs backwards, write {last}-{first}")
        if len(seeds) + last - first >= _MOST_SEEDS:
            raise ValueError(f"--seeds is {text!r:.60}; allowed: at most {_MOST_SEEDS} seeds")
        seeds += range(first, last + 1)
    if not seeds:
        raise ValueError(f"--seeds is {text!r:.60}; at least one seed is needed, as 0-5 or 0,1,2")
    return seeds


if __name__ == "__main__":
    sys.exit(main())
