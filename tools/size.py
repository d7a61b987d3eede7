"""How large the house is: lines, modules, long functions, words of the README, each beside its limit.

``python -m tools.size`` prints one table; CI prints it after the tests. Limits are those that the project has set
itself; nothing fails when one is passed, so that a feature is never dropped for a number.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORE = ("pace", "balance", "losses", "ghm", "imbalance", "metrics", "significance", "svm", "config")
LONGEST, MOST_PARAMETERS = 60, 8  # lines of a function; parameters without self and cls
_SHORT_INIT = 5  # lines of an __init__.py that is no module of its own


def table(root: Path = ROOT) -> list[tuple[str, int, int]]:
    """Return (what, measured, limit) rows for the checkout in ``root``."""
    library, tools, tests = (sorted((root / name).rglob("*.py")) for name in ("spbl_nb", "tools", "tests"))
    modules = [path for path in library if path.name != "__init__.py" or _lines(path) > _SHORT_INIT]
    top = [path for path in modules if path.parent.name == "spbl_nb"]
    core = [path for path in library if path.stem in CORE and path in top]
    core += [path for path in library if path.parent.name in ("methods", "training")]
    functions = [one for path in library for one in _functions(path)]
    return [
        ("lines of spbl_nb/", sum(map(_lines, library)), 13_500),
        ("lines of tools/", sum(map(_lines, tools)), 700),
        ("modules of spbl_nb/", len(modules), 85),
        ("modules at its top level", len(top), 18),
        ("lines of the flat core, methods/ and training/", sum(map(_lines, core)), 3_500),
        (f"functions longer than {LONGEST} lines", sum(_length(one) > LONGEST for one in functions), 3),
        (f"functions with more than {MOST_PARAMETERS} parameters", sum(_parameters(one) > 8 for one in functions), 6),
        ("lines of tests/", sum(map(_lines, tests)), 10_000),
        ("words of README.md", words((root / "README.md").read_text(encoding="utf-8")), 700),
    ]


def words(markdown: str) -> int:
    """Count the words of the rendered text, tables included; code blocks, addresses and table bars do not count."""
    text = re.sub(r"^```.*?^```", " ", markdown, flags=re.S | re.M)
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", " ", text)
    return len(re.findall(r"\S*\w\S*", text.replace("|", " ")))


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    found = function.args
    names = [one.arg for one in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def main() -> None:
    """Print the table."""
    for what, measured, limit in table():
        print(f"{what:<52}{measured:>7,}   at most {limit:,}{'' if measured <= limit else '   ABOVE'}")


if __name__ == "__main__":
    main()
