"""The report in words: sentences that say what was found, what was not, and what so many seeds cannot show.

They go onto the page, and into the alternative texts of its pictures.

Taught in: notebooks/09_reproduction_report.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from spbl_nb import significance
from spbl_nb.results import report, tables
from spbl_nb.results.store import Run

_MOST_DIGITS = 6
PAGE_STYLE = """<style>
.spbl-code-switch { display: none; }
body.jp-Notebook .spbl-code-switch { display: block; text-align: right; color: #555; }
body.jp-Notebook:not(:has(#spbl-show-code:checked))
  :is(.celltag_report-code, .celltag_parameters, .celltag_injected-parameters) .jp-Cell-inputWrapper { display: none; }
</style>
<label class="spbl-code-switch"><input type="checkbox" id="spbl-show-code"> show the code of this page</label>"""


def label(kept: Iterable[Run], dataset: str) -> str:
    """Return a data set's name, followed by "(synthetic pictures)" where its pictures were drawn by a program."""
    mine = (run.result for run in kept if run.result["fingerprint"]["dataset"] == dataset)
    return f"{dataset} (synthetic pictures)" if any(result.get("synthetic") for result in mine) else dataset


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign and a true minus; a small one has more digits, up to 6, so that it does not read as 0."""
    if abs(value) < 0.5 * 10.0**-_MOST_DIGITS:
        value = 0.0  # what rounding leaves of differences that cancel
    while value and abs(value) < 0.5 * 10.0**-digits and digits < _MOST_DIGITS:
        digits += 1
    return f"{value:+.{digits}f}".replace("-", "−")


def interval(found: significance.Interval) -> str:
    """Return the ends of an interval and how it was made: "+0.001 to +0.020 (BCa)", or "none"."""
    if math.isnan(found.low):
        return "none"
    kind = "t" if found.method.startswith("Student") else "BCa"
    return f"{signed(found.low)} to {signed(found.high)} ({kind})"


def between(found: significance.Interval) -> str:
    """Return an interval in words, or the reason why there is none."""
    level = f"{100 * found.level:g} % interval"
    return f"no interval, for {found.reason}" if math.isnan(found.low) else f"{level} {interval(found)}"


def verdict(found: report.Differences) -> str:
    """Return what the comparison declared beforehand says on one data set, and what so many seeds can say at most."""
    one = found.primary
    if one is None:
        reason = (
            found.reason or f"{report.PRIMARY}, which was declared beforehand, was not run with the seeds of the others"
        )
        return f"Nothing to conclude: {reason}."
    told = (
        f"`{one.method}` − `{one.baseline}` in {report.TITLES[report.METRIC]}: {signed(one.mean)}, "
        f"{between(one.interval)}, p = {one.adjusted_p:.3g}. "
    )
    if one.adjusted_p <= report.ALPHA:
        better = one.method if one.mean > 0 else one.baseline
        return told + f"Chance alone would rarely make such a difference: `{better}` is better here."
    if one.smallest_p > report.ALPHA:
        return told + f"Neither is shown to be better, and could not be: {attainable(one)}"
    return told + "Chance alone may well make such a difference: neither is shown to be better."


def attainable(one: significance.Comparison) -> str:
    """Return in a sentence the smallest adjusted p that a comparison of its family can reach, whatever the data."""
    return significance.attainable_sentence(len(one.seeds), one.comparisons, report.ALPHA)


def highest(table: pd.DataFrame, dataset: str) -> str:
    """Return the two highest means of a data set with their deviations, in words that claim no more than that."""
    mine = report.competing(table[table["dataset"] == dataset]).dropna(subset=report.METRIC)
    groups = sorted(mine.groupby("method"), key=lambda pair: -pair[1][report.METRIC].mean())[:2]
    told = [
        f"`{method}`{' †' if group['selected_on_test'].any() else ''} {tables.plus_minus(group[report.METRIC])} "
        f"({len(group)} seed{'s' * (len(group) > 1)})"
        for method, group in groups
    ]
    return f"Highest mean {report.TITLES[report.METRIC]}: {', then '.join(told)}." if told else ""


def leak(table: pd.DataFrame, dataset: str) -> str:
    """Return in words the difference of the released and the clean code on a data set, an empty text where they were not run."""
    found = {metric: report.leak(table, dataset, metric) for metric in ("accuracy", "f1")}
    told = [
        f"{report.TITLES[metric]} {signed(one.mean)}, {between(one.interval)}, p = {one.test.p:.3g}"
        for metric, one in found.items()
        if one is not None
    ]
    few = [one for one in found.values() if one is not None and one.smallest_p > report.ALPHA]
    doubt = f" Neither gain nor loss is shown: {attainable(few[0])}" if few else ""
    if not told:
        return ""
    return (
        f"**`{report.LEAKING}` minus `{report.PRIMARY}`** on {dataset}, two effects in one: choosing on the test pictures, and "
        f"another draw of the penalty weights: {'; '.join(told)}.{doubt}"
    )


def spoken(found: report.Differences) -> str:
    """Return all differences of a data set as a list in words."""
    told = [f"{one.method} {signed(one.mean)}, {between(one.interval)}" for one in found.comparisons]
    return f"Mean difference from {report.BASELINE} in {report.TITLES[report.METRIC]}: {'; '.join(told)}."


def limits(found: report.Differences) -> str:
    """Return what so many seeds and comparisons can show at best, and what had to be left out."""
    families = {one.family: one for one in sorted(found.comparisons, key=lambda one: one.family != "primary")}
    told = [
        f"{family if family != 'all' else 'all comparisons'}: {attainable(one)}" for family, one in families.items()
    ]
    if found.primary is None:
        told.append(f"{report.PRIMARY}, declared beforehand, is not among them.")
    if found.left_out:
        told.append(f"left out, for not all have it: {found.left_out}.")
    return "  \n".join(sentence[0].upper() + sentence[1:] for sentence in told)


def spoken_classes(found: report.Classes) -> str:
    """Return each method's lowest recall and its class in words."""
    told = []
    for method, recall in found.recall.items():
        lowest = int(np.nanargmin(recall))
        told.append(f"{method} {recall[lowest]:.2f} ({found.names[lowest]})")
    return f"Recall per class on {found.dataset}, largest class first. Lowest of each method: {', '.join(told)}."


def spoken_pair(found: report.Classes) -> str:
    """Return on how many classes one of two methods recognises more than the other, in words."""
    first, second = report.pair(found)
    gain = found.recall[second] - found.recall[first]
    return (
        f"Recall of each class on {found.dataset} by {first} and {second}: the second is higher on "
        f"{int((gain > 0).sum())} of {len(found.names)} classes and lower on {int((gain < 0).sum())}."
    )


def spoken_costs(dataset: str, parts: Mapping[str, Mapping[str, float]]) -> str:
    """Return the seconds of each method in words."""
    told = ", ".join(f"{method} {sum(mine.values()):.1f}" for method, mine in parts.items())
    return f"Seconds a run on {dataset}: {told}."


def origin(kept: Sequence[Run]) -> str:
    """Return in lines: machines, hours, versions and states of the library that made the runs."""
    results = [run.result for run in kept]
    times = [result["timing"] for result in results]
    machines = {
        f"{time.get('system', 'unknown')} {time.get('machine', '')}, {time.get('cores', '?')} cores"
        + (f", {time['gpu']}" if time.get("gpu") else "")
        for time in times
    }
    versions: dict[str, set[str]] = {}
    for result in results:
        for name, version in (result.get("versions") or {}).items():
            versions.setdefault(name, set()).add(version)
    states = {result.get("library_sha256", "unknown")[:12] for result in results}
    made = ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in sorted(versions.items()))
    lines = [
        f"sum of the runs' times: {sum(time.get('seconds', 0.0) for time in times) / 60:.1f} minutes (some ran side by side)",
        f"machines: {'; '.join(sorted(machines)) or 'none'}",
        f"versions: {made or 'none'}",
        f"states of the library that made these runs (SHA-256 of its source, not git's): {', '.join(sorted(states)) or 'none'}",
    ]
    if len(states) > 1:
        lines.append("they were made by several states of the library: a difference may be one of these")
    return "\n".join(lines)
