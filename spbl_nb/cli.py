"""The commands: ``spbl-nb reproduce``, ``train``, ``lab``, ``check``, ``data``, ``export`` and, for those who write the
course, ``lint``, ``render`` and ``book``; also ``python -m spbl_nb``.

What a person gets wrong is answered with one line on standard error and exit status 2, never with a traceback. Nothing
heavy is imported before a command needs it, so that ``--help`` is quick.
"""

import argparse
import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from spbl_nb import __version__

if TYPE_CHECKING:
    from spbl_nb import original_names

_INTERRUPTED = 130
_RUNS_WORTH_A_SERVER = 6  # by two workers: their servers start in the time of as many kernels
_RUNS = "folder of the results (default: runs/ in the checkout, wherever one stands)"
MOST_SEEDS = 10_000  # that ``--seeds`` may name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 all well, 1 something failed, 2 a mistake in the command."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown and options.command is not _lab:
        options.parser.error(f"there is no argument {' '.join(unknown)}{options.parser.nearest_option(unknown)}")
    options.unknown = unknown
    try:
        return options.command(options)
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


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake in one line, in the words of the other messages, and takes no half names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and exit with status 2."""
        if wrong := re.match(r"argument COMMAND: invalid choice: '(.*?)'.*choose from (.*)\)", message):
            from spbl_nb import checks

            allowed = wrong[2].replace("'", "").split(", ")
            message = (
                f"there is no command {wrong[1]!r}; allowed: {', '.join(allowed)}{checks.nearest(wrong[1], allowed)}"
            )
        stop = "" if message.endswith("?") else ";"
        self.exit(2, f"{self.prog}: {message}{stop} '{self.prog} --help' says more\n")

    def nearest_option(self, given: Sequence[str]) -> str:
        """Return the option that may have been meant by the first one given, as a question, or an empty text."""
        from spbl_nb import checks

        known = [name for action in self._actions for name in action.option_strings]
        wrong = next((word.partition("=")[0] for word in given if word.startswith("-")), "")
        return checks.nearest(wrong, known) if wrong else ""


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="spbl-nb", description="Self-paced balance learning, taught and reproduced.")
    parser.add_argument("--version", action="version", version=f"spbl-nb {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("reproduce", help="run the grid, the teaching notebooks and the report")
    command.set_defaults(command=_reproduce, parser=command)
    command.add_argument("--datasets", nargs="+", metavar="NAME", help="data sets (default: digits lesions)")
    command.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME",
        help="methods (default: ce, logit_adjusted and the three variants of SPBL)",
    )
    command.add_argument("--seeds", metavar="SEEDS", help="as 0-5 or 0,1,2 (default: those of the preset)")
    command.add_argument("--preset", help="smoke, fast, full, release or paper (default: fast)")
    command.add_argument(
        "--config",
        metavar="FILE",
        help="settings in YAML, by our names or those of the original READMEs; in place of a preset",
    )
    command.add_argument("--device", help="cpu, auto, cuda or mps (default: as the preset or the file says)")
    command.add_argument("--precision", help="fp32, bf16 or fp16 (default: as the preset or the file says)")
    command.add_argument("--jobs", type=_whole, metavar="N", help="notebooks at a time (default: the number of cores)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="use a running Dask scheduler, e.g. tcp://host:8786")
    command.add_argument(
        "--memory-limit",
        type=_number,
        metavar="GIB",
        help="memory that a notebook may take (default: its worker's share)",
    )
    command.add_argument(
        "--preload",
        action=argparse.BooleanOptionalAction,
        help="fork kernels that have their imports behind them (not on Windows; default: for larger grids without "
        "--scheduler, on the CPU under Linux)",
    )
    command.add_argument("--data-root", metavar="PATH", help="file or folder of data sets that are not embedded")
    _add_data_options(command)
    command.add_argument("--time-limit", type=_number, metavar="SECONDS", help="per run (default: one hour)")
    command.add_argument("--no-notebooks", action="store_true", help="leave the teaching notebooks out")
    _add_places(command)

    command = commands.add_parser("train", help="one run without a notebook; under accelerate launch on several GPUs")
    command.set_defaults(command=_train, parser=command)
    command.add_argument("method", metavar="METHOD", help="as ce or spbl_clean; the README has a table of them")
    command.add_argument("dataset", metavar="DATASET", help="as digits, lesions (embedded) or folder (your own)")
    command.add_argument("--seed", type=_whole, default=0, help="seed of everything random (default: 0)")
    command.add_argument("--preset", default="fast", help="smoke, fast, full, release or paper (default: fast)")
    command.add_argument("--device", help="cpu, auto, cuda or mps (default: as the preset says)")
    command.add_argument("--precision", help="fp32, bf16 or fp16 (default: as the preset says)")
    command.add_argument("--weights", metavar="FILE", help="starting weights (default: as the preset says)")
    command.add_argument("--data-root", metavar="PATH", help="file or folder of data sets that are not embedded")
    _add_data_options(command)
    command.add_argument("--checkpoint", metavar="FILE", help="where an interrupted run goes on from")
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser("lab", help="open the notebooks in JupyterLab with this Python")
    command.set_defaults(command=_lab, parser=command)
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")
    command.epilog = "Further options go to JupyterLab, such as --no-browser or --port 8890."

    command = commands.add_parser("check", help="check that everything needed is here, and say how to mend it")
    command.set_defaults(command=_check, parser=command)
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser("data", help="check a data set and draw it: broken files, copies, leaks, classes")
    command.set_defaults(command=_data, parser=command)
    command.add_argument("name", metavar="NAME", help="the data set, such as folder or ham10000")
    command.add_argument("--data-root", metavar="PATH", help="its folder, archive or file (embedded sets need none)")
    _add_data_options(command)
    command.add_argument(
        "--size", type=_whole, metavar="N", help="picture side in pixels (default: that of the data set)"
    )
    command.add_argument("--skip-broken", action="store_true", help="leave broken pictures out instead of failing")
    command.add_argument("--out", metavar="DIR", help="folder of figures and report (default: runs/data/NAME)")

    command = commands.add_parser(
        "export", help="write the records of all complete runs to one JSON file, to keep or send"
    )
    command.set_defaults(command=_export, parser=command)
    command.add_argument("file", help="the file to write")
    command.add_argument("--remark", default="", metavar="TEXT", help="what a reader must know and no record tells")
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser("lint", help="check the notebooks' form, links and names without running them")
    command.set_defaults(command=_lint, parser=command)
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="notebooks, as 03_self_paced_selection (default: all)"
    )
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")

    command = commands.add_parser("render", help="run the notebooks and write their outputs into them, to be committed")
    command.set_defaults(command=_render, parser=command)
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="notebooks, as 03_self_paced_selection (default: all)"
    )
    command.add_argument("--check", action="store_true", help="run nothing; say which committed pages are stale")
    command.add_argument(
        "--readme", action="store_true", help="run nothing; renew what README.md shows of pages and results"
    )
    command.add_argument("--jobs", type=_whole, metavar="N", help="notebooks at a time (default: the number of cores)")
    _add_places(command)

    command = commands.add_parser("book", help="build a static site from the executed notebooks")
    command.set_defaults(command=_book, parser=command)
    command.add_argument("--out", metavar="DIR", help="folder of the site (default: book beside the notebooks)")
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")
    return parser


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-options",
        default="",
        metavar="OPTIONS",
        help="options of data.load, as 'profile: odd_classes, factor: 10' (default: none)",
    )


def _reproduce(options: argparse.Namespace) -> int:
    from spbl_nb import checks, grid, original_names, reproduce

    if options.jobs is not None:
        checks.integer("--jobs", options.jobs, 1)  # before anything is read, or printed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a line per finished notebook, also into a pipe
    asked = _asked(options)
    if asked.dataset in original_names.DETECTION and not options.datasets:
        return _detect(options, asked)
    cells = grid.cells(
        _words(options.datasets) or ([asked.dataset] if asked.dataset else reproduce.DATASETS),
        _words(options.methods) or asked.methods or reproduce.METHODS,
        asked.settings.seeds if options.seeds is None else seed_list(options.seeds),
        asked.settings,
        options.config or "",
    )
    failures = reproduce.reproduce(
        cells,
        runs_dir=options.runs_dir or asked.runs_dir,
        notebooks=options.notebooks,
        data_root=options.data_root or asked.data_root,
        data_options=options.data_options,
        jobs=options.jobs,
        scheduler=options.scheduler,
        memory_limit=options.memory_limit,
        preload=_preload(options, len(cells), asked.settings.device),
        time_limit=options.time_limit,
        teaching=not options.no_notebooks,
        progress=sys.stderr.isatty(),
    )
    return 1 if failures else 0


def _preload(options: argparse.Namespace, runs: int, device: str) -> bool:
    """Say whether kernels are forked: as asked for, else where it pays and a fork is known to do no harm."""
    if options.preload is not None:
        if options.preload and sys.platform == "win32":
            raise ValueError("--preload: Windows cannot fork processes; leave it out")
        return options.preload
    pays = runs >= _RUNS_WORTH_A_SERVER or not options.no_notebooks
    return pays and sys.platform == "linux" and options.scheduler is None and device == "cpu"


def _detect(options: argparse.Namespace, asked: "original_names.Meaning") -> int:
    """Train a detector for every seed, as a settings file with boxes asks for."""
    from spbl_nb import detection_runs, places

    grid_only = {
        "--methods": options.methods,
        "--scheduler": options.scheduler,
        "--jobs": options.jobs,
        "--memory-limit": options.memory_limit,
        "--time-limit": options.time_limit,
        "--preload" if options.preload else "--no-preload": options.preload,
        "--data-options": options.data_options or None,
        "--notebooks": options.notebooks,
        "--no-notebooks": options.no_notebooks or None,
    }
    if given := [name for name, value in grid_only.items() if value is not None]:
        raise ValueError(f"{options.config} asks for a detector; only a grid of runs can have {', '.join(given)}")
    seeds = [0] if options.seeds is None else seed_list(options.seeds)
    if asked.checkpoint and len(seeds) > 1:
        raise ValueError(f"resume_from names one checkpoint, but --seeds names {len(seeds)} runs; ask for one")
    for seed in seeds:
        folder, record = detection_runs.run(
            asked.dataset or "",
            asked.settings,
            seed,
            runs_dir=places.runs_dir(options.runs_dir or asked.runs_dir),
            data_root=options.data_root or asked.data_root,
            checkpoint=asked.checkpoint,
            progress=sys.stderr.isatty(),
        )
        print(f"seed {seed}: {folder}\n{detection_runs.told(record)}")
    return 0


def _asked(options: argparse.Namespace) -> "original_names.Meaning":
    """Return what a settings file, or a preset and a device, ask for; options of the command line go before the file."""
    from spbl_nb import settings_file

    if options.config and options.preset:
        raise ValueError(f"--preset {options.preset} and --config {options.config} are given; leave one of them out")
    given = {name: getattr(options, name) for name in ("device", "precision")}
    overrides = {name: value for name, value in given.items() if value is not None}
    asked = settings_file.request(options.config or "", options.preset or "fast", **overrides)
    for note in asked.notes:
        print(f"note: {note}")
    return asked


def _train(options: argparse.Namespace) -> int:
    from spbl_nb import single_run

    overrides = {key: getattr(options, key) for key in ("device", "precision", "weights")}
    single_run.train(
        options.method,
        options.dataset,
        options.preset,
        options.seed,
        options.data_root,
        options.runs_dir,
        options.checkpoint,
        sys.stderr.isatty(),
        options.data_options,
        **{key: value for key, value in overrides.items() if value is not None},
    )
    return 0


def _words(given: list[str] | None) -> list[str]:
    """Accept names apart or joined by commas."""
    return [name for part in given or () for name in part.split(",") if name]


def seed_list(text: str) -> list[int]:
    """Return the seeds meant by ``0-5``, ``0,1,2`` or a mixture such as ``0-2,7``.

    Raises ValueError for what is no such list, for a range that runs backwards, for more than :data:`MOST_SEEDS`, and for
    no seed at all.
    """
    from spbl_nb import checks

    seeds: list[int] = []
    for part in filter(None, checks.instance("--seeds", text, str).replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        if not _is_seed(first) or (dash and not _is_seed(last)):
            raise ValueError(f"--seeds is {text!r:.60}; allowed: seeds from 0 on, as 0-5 or 0,1,2")
        if dash and int(last) < int(first):
            raise ValueError(f"--seeds is {text!r:.60}; the range {part} runs backwards, write {last}-{first}")
        meant = range(int(first), int(last or first) + 1)
        if len(seeds) + len(meant) > MOST_SEEDS:
            raise ValueError(
                f"--seeds is {text!r:.60}, which is more than {MOST_SEEDS} seeds; allowed: at most that many"
            )
        seeds += meant
    if not seeds:
        raise ValueError(f"--seeds is {text!r:.60}; at least one seed is needed, as 0-5 or 0,1,2")
    return seeds


def _is_seed(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18  # int() would read other scripts' digits too


def _lab(options: argparse.Namespace) -> int:
    from spbl_nb import places

    folder = places.notebooks_dir(options.notebooks)
    extra = [option for option in options.unknown if option != "--"]
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += (
        ["--LabApp.default_url=/lab/tree/00_start_here.ipynb"] if (folder / "00_start_here.ipynb").exists() else []
    )
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
    from spbl_nb import data_check

    checked = data_check.check(
        options.name,
        options.data_root,
        options.size,
        options=options.data_options,
        skip_broken=options.skip_broken,
        out=options.out,
        progress=sys.stderr.isatty(),
    )
    for finding in checked.findings:
        print(finding)
    print(f"{checked.written[0].parent}: {', '.join(path.name for path in checked.written)}")
    print(checked.verdict)
    return 1 if checked.wrong else 0


def _export(options: argparse.Namespace) -> int:
    from spbl_nb import grid, places, result_files

    number = result_files.export(places.runs_dir(options.runs_dir), options.file, options.remark)
    print(f"{number} runs written to {options.file}")
    trials = sum(bool(grid.watermark(record["config_name"])) for record in result_files.read(options.file))
    if trials:
        print(f"{trials} of them are trial runs at preset smoke, whose numbers are no results")
    return 0


def _lint(options: argparse.Namespace) -> int:
    from spbl_nb import notebook_lint

    faults = notebook_lint.lint(options.notebooks, options.names)
    for fault in faults:
        print(fault)
    print(
        f"{len(faults)} fault{'s' * (len(faults) > 1)} to mend"
        if faults
        else "the notebooks keep to the form of the series"
    )
    return 1 if faults else 0


def _render(options: argparse.Namespace) -> int:
    from spbl_nb import front_page, rendering

    if options.check:
        problems = rendering.check(options.names, options.notebooks) + front_page.stale(options.notebooks)
        for problem in problems:
            print(problem)
        print(f"{len(problems)} found" if problems else "the committed pages show the present notebooks and library")
        return 1 if problems else 0
    problems = []
    if not options.readme:
        problems = rendering.render(
            options.names, folder=options.notebooks, runs_dir=options.runs_dir, jobs=options.jobs
        )
    for name in front_page.update(options.notebooks):
        print(f"{name} is renewed")
    return 1 if problems else 0


def _book(options: argparse.Namespace) -> int:
    if absent := [name for name in ("sphinx", "myst_nb", "furo") if importlib.util.find_spec(name) is None]:
        raise ValueError(
            f"a book needs {', '.join(absent)}; pip install -e '.[book]' in the checkout brings what is missing"
        )
    from spbl_nb import book

    page, warnings = book.build(options.out, options.notebooks)
    for warning in warnings:
        print(f"note: {warning}")
    print(page)
    return 0
