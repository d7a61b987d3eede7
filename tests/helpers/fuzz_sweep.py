"""The sweep of ``test_robustness.py``: draws malformed arguments for every call and gathers what is at fault.

``python tests/fuzz_sweep.py EXAMPLES [NAME ...]`` runs it long and prints the figures.
"""

import collections
import contextlib
import io
import itertools
import shutil
import sys
import tempfile
import time
from pathlib import Path

import fuzz
import fuzz_calls
import fuzz_files
import fuzz_more_calls
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CALLS = (
    fuzz_calls.ARRAYS | fuzz_calls.CHECKS | fuzz_calls.TENSORS | fuzz_calls.PICTURE_CALLS | fuzz_more_calls.FIGURES
    | fuzz_more_calls.EXPLORERS | fuzz_more_calls.EXERCISES | fuzz_more_calls.WORK
)  # fmt: skip


def sweep(call, examples: int, counts=None):
    """Return {fault: the first case that shows it}; ``counts`` gathers how many cases were refused, answered, at fault."""
    faults: dict[str, str] = {}
    counts = collections.Counter() if counts is None else counts

    def answer(arguments, huge=False):
        with contextlib.redirect_stdout(io.StringIO()):
            return fuzz.fault(lambda: call.function(**arguments, **call.fixed), huge)

    valid, wrong = answer(call.arguments)
    if wrong or valid is None:
        faults[f"the valid call: {wrong}"] = "as in the table"

    @settings(
        max_examples=max(3, examples // call.cost), derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data):
        name = data.draw(st.sampled_from(list(call.arguments)))
        kind, value = data.draw(fuzz.malformed(call.arguments[name]))
        found, wrong = answer(
            {**call.arguments, name: value}, huge=any(one in kind for one in ("huge", "2^63", "int", "drawn", "places"))
        )
        if wrong and any(text in wrong for text in call.known):
            counts["known"] += 1
            return
        if wrong is None and kind.startswith("same") and not fuzz.alike(valid, found):
            wrong = f"another answer for {kind}" if found is not None else None
        counts["at fault" if wrong else "refused" if found is None else "answered"] += 1
        if not wrong and found is not None and not kind.startswith("same"):
            counts[f"answered {name}: {kind}"] += 1
        if wrong:
            faults.setdefault(wrong, f"{name} with {kind}: {value!r:.200}")

    run()
    return faults


def sweep_files(reader, folder, examples: int, counts=None):
    """Return {fault: the first case that shows it} of a reader on changed files."""
    faults: dict[str, str] = {}
    counts = collections.Counter() if counts is None else counts
    pristine = Path(folder) / "pristine"
    pristine.mkdir()
    target = reader.make(pristine)
    content, place = target.read_bytes(), target.relative_to(pristine)
    answer, wrong = fuzz.fault(lambda: reader.read(pristine))
    if wrong or answer is None:
        faults[f"the valid file: {wrong}"] = "as in the table"
    number = itertools.count()

    @settings(
        max_examples=max(3, examples // reader.cost), derandomize=True, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data):
        kind, spoilt = data.draw(fuzz_files.changed(content, place.name))
        case = Path(folder) / f"case-{next(number)}"
        shutil.copytree(pristine, case, ignore=shutil.ignore_patterns("out"))
        (case / place).write_bytes(spoilt)
        found, wrong = fuzz.fault(lambda: reader.read(case))
        counts["at fault" if wrong else "refused" if found is None else "answered"] += 1
        if wrong:
            faults.setdefault(wrong.replace(str(case), "…"), f"{kind}: {spoilt[:300]!r}")
        shutil.rmtree(case)

    run()
    shutil.rmtree(pristine)
    return faults


if __name__ == "__main__":
    total, chosen = collections.Counter(), sys.argv[2:] or [*CALLS, *fuzz_files.READERS]
    kinds, begun = collections.Counter(), time.time()
    for name, one in {**CALLS, **fuzz_files.READERS}.items():
        if not any(name.startswith(start) for start in chosen) and not (
            "readers" in chosen and name in fuzz_files.READERS
        ):
            continue
        counts, start = collections.Counter(), time.time()
        if name in CALLS:
            found = sweep(one, int(sys.argv[1]), counts)
        else:
            with tempfile.TemporaryDirectory() as folder:
                found = sweep_files(one, folder, int(sys.argv[1]), counts)
        summary = {key: counts[key] for key in ("refused", "answered", "known", "at fault")}
        total.update(summary)
        print(f"== {name} {summary} {time.time() - start:.1f} s", flush=True)
        accepted = [f"{key[9:]} ({count})" for key, count in sorted(counts.items()) if key.startswith("answered ")]
        print("   ok:", "; ".join(accepted)[:1500])
        for wrong, case in found.items():
            kinds[wrong.split(" at ")[0]] += 1
            print(f"   FAULT {wrong}\n         {case}")
    print(dict(total), sum(total.values()), "cases;", dict(kinds), f"distinct faults; {time.time() - begun:.0f} s")
