"""The commands: ``spbl-nb reproduce``, ``train``, ``lab``, ``check``, ``data``, ``export`` and, for those who write the
course, ``lint``, ``render`` and ``book``; also ``python -m spbl_nb``.

What a person gets wrong is answered with one line on standard error and exit status 2, never with a traceback. Nothing
heavy is imported before a command needs it. The arguments of each command stand in :mod:`spbl_nb.command_line`.
"""

import argparse
import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spbl_nb import command_line

if TYPE_CHECKING:
    from spbl_nb import original_names

_INTERRUPTED = 130
_RUNS_WORTH_A_SERVER = 6  # by two workers: their servers start in the time of as many kernels


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 all well, 1 something failed, 2 a mistake in the command."""
    options, unknown = command_line.parser().parse_known_args(arguments)
    if unknown and options.command != "lab":
        options.parser.error(f"there is no argument {' '.join(unknown)}{options.parser.nearest_option(unknown)}")
    options.unknown = unknown
    try:
        return _COMMANDS[options.command](options)
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
    from spbl_nb import checks, original_names
    from spbl_nb.batch import grid, reproduce

    if options.jobs is not None:
        checks.integer("--jobs", options.jobs, 1)  # before anything is read, or printed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a line per finished notebook, also into a pipe
    asked = _asked(options)
    if asked.dataset in original_names.DETECTION and not options.datasets:
        return _detect(options, asked)
    cells = grid.cells(
        command_line.words(options.datasets) or ([asked.dataset] if asked.dataset else reproduce.DATASETS),
        command_line.words(options.methods) or asked.methods or reproduce.METHODS,
        asked.settings.seeds if options.seeds is None else command_line.seed_list(options.seeds),
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
    from spbl_nb import places
    from spbl_nb.detection import run as detection_runs

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
    seeds = [0] if options.seeds is None else command_line.seed_list(options.seeds)
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
    """Return what a settings file, or a preset and a device, ask for; options of the command line override the file."""
    from spbl_nb import config_files

    if options.config and options.preset:
        raise ValueError(f"--preset {options.preset} and --config {options.config} are given; leave one of them out")
    given = {name: getattr(options, name) for name in ("device", "precision")}
    overrides = {name: value for name, value in given.items() if value is not None}
    asked = config_files.request(options.config or "", options.preset or "fast", **overrides)
    for note in asked.notes:
        print(f"note: {note}")
    return asked


def _train(options: argparse.Namespace) -> int:
    from spbl_nb.batch import single_run

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


def _moved(options: argparse.Namespace) -> int:
    print(f"this is now: python -m tools.{options.command}", file=sys.stderr)
    return 2


_COMMANDS = {
    "reproduce": _reproduce,
    "train": _train,
    "lab": _lab,
    "check": _check,
    "data": _data,
    "export": _export,
    "lint": _moved,
    "render": _moved,
    "book": _moved,
}
