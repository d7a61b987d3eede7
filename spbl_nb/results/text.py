"""The report in words, for its page and the alternative texts of its figures: what was found, and what seeds cannot show."""

import math
from collections.abc import Iterable, Mapping, Sequence

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
    """Return a data set's name, followed by "(synthetic pictures)" where its images were drawn by a program."""
    mine = (run.result for run in kept if run.result["fingerprint"]["dataset"] == dataset)
    return f"{dataset} (synthetic pictures)" if any(result.get("synthetic") for result in mine) else dataset


def format_signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign and a true minus; a small one has more digits, up to 6, so that it does not read as 0."""
    if abs(value) < 0.5 * 10.0**-_MOST_DIGITS:
        value = 0.0  # what rounding leaves of differences that cancel
    while value and abs(value) < 0.5 * 10.0**-digits and digits < _MOST_DIGITS:
        digits += 1
    return f"{value:+.{digits}f}".replace("-", "−")


def format_interval(found: significance.Interval) -> str:
    """Return the ends of an interval and how it was made: "+0.001 to +0.020 (BCa)", or "none"."""
    if math.isnan(found.low):
        return "none"
    kind = "t" if found.method.startswith("Student") else "BCa"
    return f"{format_signed(found.low)} to {format_signed(found.high)} ({kind})"


def _describe_interval(found: significance.Interval) -> str:
    """Return an interval in words, or the reason why there is none."""
    level = f"{100 * found.level:g} % interval"
    return f"no interval, because {found.reason}" if math.isnan(found.low) else f"{level} {format_interval(found)}"


def _describe_attainable(one: significance.Comparison) -> str:
    """Return in a sentence the smallest adjusted p that a comparison of its family can reach, whatever the data."""
    return significance.attainable_sentence(len(one.seeds), one.comparisons, report.ALPHA)


def describe_verdict(found: report.Differences) -> str:
    """Return what the comparison declared beforehand says on one data set, and what so many seeds can say at most."""
    one = found.primary
    if one is None:
        reason = (
            found.reason or f"{report.PRIMARY}, which was declared beforehand, was not run with the seeds of the others"
        )
        return f"Nothing to conclude: {reason}."
    numbers = (
        f"`{one.method}` − `{one.baseline}` in {report.TITLES[report.METRIC]}: {format_signed(one.mean)}, "
        f"{_describe_interval(one.interval)}, p = {one.adjusted_p:.3g}."
    )
    if one.adjusted_p <= report.ALPHA:
        better = one.method if one.mean > 0 else one.baseline
        return f"{numbers} Chance alone would rarely make such a difference: `{better}` is better here."
    if one.smallest_p > report.ALPHA:
        return f"{numbers} Neither is shown to be better, and could not be: {_describe_attainable(one)}"
    return f"{numbers} Chance alone may well make such a difference: neither is shown to be better."


def describe_highest(table: pd.DataFrame, dataset: str) -> str:
    """Return the two highest means of a data set with their deviations, in words that claim no more than that."""
    mine = report.competing(table[table["dataset"] == dataset]).dropna(subset=report.METRIC)
    groups = sorted(mine.groupby("method"), key=lambda pair: -pair[1][report.METRIC].mean())[:2]
    means = [
        f"`{method}`{' †' if group['selected_on_test'].any() else ''} {tables.plus_minus(group[report.METRIC])} "
        f"({len(group)} seed{'s' * (len(group) > 1)})"
        for method, group in groups
    ]
    return f"Highest mean {report.TITLES[report.METRIC]}: {', then '.join(means)}." if means else ""


def describe_leak(table: pd.DataFrame, dataset: str) -> str:
    """Return in words the difference of the released and the clean code on a data set, an empty text where they were not run."""
    both = {metric: report.leak(table, dataset, metric) for metric in ("accuracy", "f1")}
    found = {report.TITLES[metric]: one for metric, one in both.items() if one is not None}
    if not found:
        return ""
    effects = [
        f"{metric} {format_signed(one.mean)}, {_describe_interval(one.interval)}, p = {one.test.p:.3g}"
        for metric, one in found.items()
    ]
    few = [one for one in found.values() if one.smallest_p > report.ALPHA]
    doubt = f" Neither gain nor loss is shown: {_describe_attainable(few[0])}" if few else ""
    return (
        f"**`{report.LEAKING}` minus `{report.PRIMARY}`** on {dataset}, two effects in one: choosing on the test images, and "
        f"another draw of the penalty weights: {'; '.join(effects)}.{doubt}"
    )


def describe_differences(found: report.Differences) -> str:
    """Return all differences of a data set as a list in words."""
    effects = [
        f"{one.method} {format_signed(one.mean)}, {_describe_interval(one.interval)}" for one in found.comparisons
    ]
    return f"Mean difference from {report.BASELINE} in {report.TITLES[report.METRIC]}: {'; '.join(effects)}."


def describe_limits(found: report.Differences) -> str:
    """Return what so many seeds and comparisons can show at best, and what had to be left out."""
    families = {one.family: one for one in sorted(found.comparisons, key=lambda one: one.family != "primary")}
    names = {"primary": "Primary", "secondary": "Secondary", "all": "All comparisons"}
    sentences = [f"{names[family]}: {_describe_attainable(one)}" for family, one in families.items()]
    if found.primary is None:
        sentences.append(f"{report.PRIMARY}, declared beforehand, is not among them.")
    if found.left_out:
        sentences.append(f"Left out, because not all have it: {found.left_out}.")
    return "  \n".join(sentences)


def describe_classes(found: report.Classes) -> str:
    """Return each method's lowest recall and its class in words."""
    parts = [f"{method} {recall.min():.2f} ({recall.idxmin()})" for method, recall in found.recall.items()]
    return f"Recall per class on {found.dataset}, largest class first. Lowest of each method: {', '.join(parts)}."


def describe_pair(found: report.Classes) -> str:
    """Return on how many classes one of two methods recognises more than the other, in words."""
    first, second = report.methods_to_contrast(found)
    gain = found.recall[second] - found.recall[first]
    return (
        f"Recall of each class on {found.dataset} by {first} and {second}: the second is higher on "
        f"{int((gain > 0).sum())} of {len(found.recall)} classes and lower on {int((gain < 0).sum())}."
    )


def describe_costs(dataset: str, parts: Mapping[str, Mapping[str, float]]) -> str:
    """Return the seconds of each method in words."""
    seconds = ", ".join(f"{method} {sum(mine.values()):.1f}" for method, mine in parts.items())
    return f"Seconds a run on {dataset}: {seconds}."


def describe_origin(kept: Sequence[Run]) -> str:
    """Return in lines: machines, hours, versions and states of the library that made the runs."""
    results = [run.result for run in kept]
    times = [result["timing"] for result in results]
    machines = {
        f"{time.get('system', 'unknown')} {time.get('machine', '')}, {time.get('cores', '?')} cores"
        + (f", {time['gpu']}" if time.get("gpu") else "")
        for time in times
    }
    versions = {pair for result in results for pair in (result.get("versions") or {}).items()}
    names = sorted({name for name, _ in versions})
    made = [f"{name} {' and '.join(sorted(one for other, one in versions if other == name))}" for name in names]
    states = {result.get("library_sha256", "unknown")[:12] for result in results}
    lines = [
        f"sum of the runs' times: {sum(time.get('seconds', 0.0) for time in times) / 60:.1f} minutes (some ran side by side)",
        f"machines: {'; '.join(sorted(machines)) or 'none'}",
        f"versions: {', '.join(made) or 'none'}",
        f"states of the library that made these runs (SHA-256 of its source, not git's): {', '.join(sorted(states)) or 'none'}",
    ]
    if len(states) > 1:
        lines.append("they were made by several states of the library: a difference may be one of these")
    return "\n".join(lines)
