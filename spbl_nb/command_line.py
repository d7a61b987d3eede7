"""The language of the command line: every command with its arguments, and how a mistake in them is answered.

What the commands do stands in :mod:`spbl_nb.cli`. Nothing heavy is imported here, so that ``--help`` is quick.
"""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from spbl_nb import __version__

MOST_SEEDS = 10_000  # that ``--seeds`` may name
_RUNS = "folder of the results (default: runs/ in the checkout, wherever one stands)"


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


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it returns names the ``command`` and has its own ``parser``."""
    parser = _Parser(prog="spbl-nb", description="Self-paced balance learning, taught and reproduced.")
    parser.add_argument("--version", action="version", version=f"spbl-nb {__version__}")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND")

    command = commands.add_parser("reproduce", help="run the grid, the teaching notebooks and the report")
    command.set_defaults(parser=command)
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
    command.set_defaults(parser=command)
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
    command.set_defaults(parser=command)
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")
    command.epilog = "Further options go to JupyterLab, such as --no-browser or --port 8890."

    command = commands.add_parser("check", help="check that everything needed is here, and say how to mend it")
    command.set_defaults(parser=command)
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser("data", help="check a data set and draw it: broken files, copies, leaks, classes")
    command.set_defaults(parser=command)
    command.add_argument("name", metavar="NAME", help="the data set, such as folder or ham10000")
    command.add_argument("--data-root", metavar="PATH", help="its folder, archive or file (embedded sets need none)")
    _add_data_options(command)
    command.add_argument(
        "--size", type=_whole, metavar="N", help="picture side in pixels (default: that of the data set)"
    )
    command.add_argument("--skip-broken", action="store_true", help="leave broken pictures out instead of failing")
    command.add_argument(
        "--out",
        metavar="DIR",
        help="folder of figures and report (default: data/NAME below the runs folder, written over)",
    )
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser(
        "export", help="write the records of all complete runs to one JSON file, to keep or send"
    )
    command.set_defaults(parser=command)
    command.add_argument("file", help="the file to write")
    command.add_argument("--remark", default="", metavar="TEXT", help="what a reader must know and no record tells")
    command.add_argument("--runs-dir", metavar="DIR", help=_RUNS)

    command = commands.add_parser("lint", help="check the notebooks' form, links and names without running them")
    command.set_defaults(parser=command)
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="notebooks, as 03_self_paced_selection (default: all)"
    )
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks (default: that of the checkout)")

    command = commands.add_parser("render", help="run the notebooks and write their outputs into them, to be committed")
    command.set_defaults(parser=command)
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
    command.set_defaults(parser=command)
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


def words(given: list[str] | None) -> list[str]:
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
