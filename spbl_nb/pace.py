"""Self-paced selection: which samples a model learns from now, and how that share grows.

Self-paced learning (Kumar, Packer and Koller 2010) gives every sample a weight v in [0, 1] and minimises
v*loss + f(v; age), where the age is the threshold up to which a loss counts as easy. One pace is: weigh, train, raise
the age. Losses are float[N], finite and >= 0; ties go to the lower index. A wrong argument is a ValueError.
"""

import math
from collections.abc import Sequence

import numpy as np

from spbl_nb import checks

FORMS = ("hard", "linear", "logarithmic", "polynomial", "mixture", "logistic")
SCHEDULES = ("linear", "geometric", "root")
MOST_PACES = 100_000


def self_paced_weights(
    loss: np.ndarray,
    age: float,
    form: str = "hard",
    *,
    t: float = 2.0,
    lower_age: float | None = None,
    rescale: bool = False,
) -> np.ndarray:
    """Return float[N] in [0, 1]: the v that minimises v*loss + :func:`self_paced_regularizer` for every sample.

    ============  ===================================================  =================================
    form          weight of a sample with loss l at age a              parameters
    ============  ===================================================  =================================
    hard          1 where l < a, else 0                                a >= 0 (0 selects nothing)
    linear        1 - l/a where l < a, else 0                          a > 0
    logarithmic   ln(l + z) / ln z where l < a, else 0; z = 1 - a      0 < a < 1
    polynomial    (1 - l/a)^(1/(t-1)) where l < a, else 0              a > 0, t > 1 (t = 2 is linear)
    mixture       1 where l <= b, 0 where l >= a, else z/l - z/a;      a = age, b = lower_age, 0 < b < a
                  z = a*b / (a-b)
    logistic      (1 + e^-a) / (1 + e^(l-a))                           a >= 0
    ============  ===================================================  =================================

    ``rescale`` divides the losses by the next float above the largest: ages are then shares of it. Sources: Kumar et al.
    2010 (hard); Jiang et al. 2014 (linear, logarithmic, mixture); Xu et al. 2015 (logistic).
    """
    age, t, lower_age = _form_parameters(form, age, t, lower_age)
    loss = _losses(loss)
    if rescale:
        loss = loss / np.nextafter(loss.max(), math.inf)
    if form == "hard":
        return (loss < age).astype(np.float64)
    if form == "logistic":
        return np.exp(np.minimum(np.log1p(np.exp(-age)) - np.logaddexp(0, loss - age), 0))
    capped = np.minimum(loss, age)  # every form below is 0 at the age itself
    if form == "linear":
        return 1 - capped / age
    if form == "polynomial":
        return (1 - capped / age) ** (1 / (t - 1))
    if form == "logarithmic":
        return np.abs(np.log1p(capped - age) / np.log1p(-age))  # abs: 0 instead of -0 at the age
    between = np.maximum(capped, lower_age)
    return (lower_age / between) * ((age - between) / (age - lower_age))


def self_paced_regularizer(
    weights: np.ndarray, age: float, form: str = "hard", *, t: float = 2.0, lower_age: float | None = None
) -> np.ndarray:
    """Return f(v; age), float[N], for weights v float[N] in [0, 1]: what self-paced learning adds to v*loss.

    ============  ==========================================
    form          f(v) at age a
    ============  ==========================================
    hard          -a*v
    linear        a*(v^2/2 - v)
    logarithmic   z*v - z^v / ln z;  z = 1 - a
    polynomial    a*(v^t/t - v)
    mixture       -z*ln(v + z/a);  z = a*b / (a-b)
    logistic      (c-v)*ln(c-v) + v*ln v - a*v;  c = 1 + e^-a
    ============  ==========================================

    Parameters as in :func:`self_paced_weights`.
    """
    age, t, lower_age = _form_parameters(form, age, t, lower_age)
    v = checks.finite_array("weights", weights, ndim=1)
    if ((v < 0) | (v > 1)).any():
        raise ValueError(f"weights reach from {v.min():g} to {v.max():g}; allowed: [0, 1]")
    if form == "hard":
        return -age * v
    if form == "linear":
        return age * (v**2 / 2 - v)
    if form == "logarithmic":
        log_z = np.log1p(-age)
        return (1 - age) * v - np.exp(v * log_z) / log_z
    if form == "polynomial":
        return age * (v**t / t - v)
    if form == "mixture":
        z = lower_age / (1 - lower_age / age)
        return -z * np.log(v + z / age)
    rest = 1 - v + np.exp(-age)
    return _x_log_x(rest) + _x_log_x(v) - age * v


def diverse_selection(loss: np.ndarray, groups: np.ndarray, age: float, diversity: float) -> np.ndarray:
    """Return bool[N]: the samples that self-paced learning with diversity (SPLD) selects.

    The sample of rank i in its group (1 is the lowest loss) is selected where loss < age + diversity / (sqrt(i) +
    sqrt(i-1)). ``groups`` int[N] >= 0 are classes or clusters; ``age`` and ``diversity`` are >= 0. Source: Jiang et al.
    2014, Self-Paced Learning with Diversity.
    """
    loss = _losses(loss)
    groups = checks.label_array("groups", groups, length=len(loss))
    age, diversity = checks.real("age", age, 0), checks.real("diversity", diversity, 0)
    return loss < age + diversity * _bonus_of_rank(loss, groups)


def diverse_age(loss: np.ndarray, groups: np.ndarray, fraction: float, diversity: float) -> float:
    """Return the least age at which :func:`diverse_selection` admits ceil(fraction * N) samples, more only under ties.

    It is 0 where the diversity alone admits that many. ``fraction`` in [0, 1]; other parameters as there.
    """
    loss = _losses(loss)
    groups = checks.label_array("groups", groups, length=len(loss))
    admitted = math.ceil(checks.real("fraction", fraction, 0, 1) * len(loss))
    diversity = checks.real("diversity", diversity, 0)
    if admitted == 0:
        return 0.0
    needed = loss - diversity * _bonus_of_rank(loss, groups)
    last = float(np.partition(needed, admitted - 1)[admitted - 1])
    return max(0.0, last + 1e-12 * (1 + abs(last)))  # a hair above: the loss must lie below the age


def select_easiest(loss: np.ndarray, labels: np.ndarray, fraction: float, num_classes: int | None = None) -> np.ndarray:
    """Return bool[N]: in every class the ceil(fraction * N_c) samples of lowest loss, ties by index.

    The product is float64, as in the SPBL release (step 4a), so 0.07 of 100 samples are 8, not 7. ``labels`` int[N] in
    0..C-1; ``fraction`` in [0, 1]; ``num_classes`` is C, only to check the labels against.
    """
    loss = _losses(loss)
    labels = checks.label_array("labels", labels, num_classes, length=len(loss))
    fraction = checks.real("fraction", fraction, 0, 1)
    quota = np.ceil(fraction * np.bincount(labels))
    return _rank_in_class(loss, labels) < quota[labels]


def co_select(probability: np.ndarray, predicted: np.ndarray, class_counts: np.ndarray, fraction: float) -> np.ndarray:
    """Return bool[N]: in every predicted class c the ceil(class_counts[c] * fraction) most probable, ties by index.

    ``probability`` float[N] of the predicted class may exceed 1 (SPaCo adds 0.3 to what the other view selected);
    ``predicted`` int[N] in 0..C-1; ``class_counts`` float[C] >= 0; ``fraction`` in [0, 1]. Source: Ma et al. 2017.
    """
    probability = checks.finite_array("probability", probability, ndim=1)
    counts = checks.finite_array("class_counts", class_counts, ndim=1, low=0, per="class")
    predicted = checks.label_array("predicted", predicted, len(counts), length=len(probability))
    quota = np.ceil(counts * checks.real("fraction", fraction, 0, 1))
    return _rank_in_class(-probability, predicted) < quota[predicted]


def keep_at_least(weights: np.ndarray, loss: np.ndarray, labels: np.ndarray, least: int) -> np.ndarray:
    """Return float[N], the weights with the ``least`` (>= 0) easiest samples of every class raised from 0 to 1.

    A low age may admit nothing of a hard class, which then never becomes easy. ``weights`` float[N], ``labels`` int[N].
    """
    loss = _losses(loss)
    labels = checks.label_array("labels", labels, length=len(loss))
    weights = checks.finite_array("weights", weights, ndim=1, length=len(loss))
    least = checks.integer("least", least, 0)
    return np.where((weights == 0) & (_rank_in_class(loss, labels) < least), 1.0, weights)


def quantile_age(loss: np.ndarray, fraction: float) -> float:
    """Return the smallest age at which the hard form admits ceil(fraction * N) of these losses, more only under ties.

    It is one float above the last admitted loss, since the hard form asks for a loss *below* the age; 0 at fraction 0.
    """
    loss = _losses(loss)
    admitted = math.ceil(checks.real("fraction", fraction, 0, 1) * len(loss))
    if admitted == 0:
        return 0.0
    return float(np.nextafter(np.partition(loss, admitted - 1)[admitted - 1], math.inf))


def growing_ages(first: float, factor: float, paces: int) -> np.ndarray:
    """Return float[paces]: ``first`` > 0, then each age ``factor`` >= 1 times the one before (Kumar et al. 2010)."""
    first = checks.real("first", first, 0, open_low=True)
    factor = checks.real("factor", factor, 1)
    exponents = np.arange(checks.integer("paces", paces, 1, MOST_PACES))
    with np.errstate(over="ignore"):
        ages = first * factor**exponents
    if not np.isfinite(ages[-1]):
        raise ValueError(f"factor is {factor:g}; over {paces} paces the age grows beyond any float: use a smaller one")
    return ages


def pace_fractions(
    paces: int, schedule: str | Sequence[float] = "linear", *, start: float = 0.5, power: float = 2.0
) -> np.ndarray:
    """Return float[paces]: the share of samples admitted at each pace, never falling, 1 at the last pace.

    With s = ``start`` in [0, 1] and t from 0 to 1 in equal steps: ``"linear"`` s + (1-s)*t; ``"geometric"`` s^(1-t),
    s > 0; ``"root"`` (s^p + (1 - s^p)*t)^(1/p), p = ``power`` > 0; or a list of one share per pace that ends at 1.
    """
    paces = checks.integer("paces", paces, 1, MOST_PACES)
    if not isinstance(schedule, str):
        return _listed_fractions(schedule, paces)
    checks.one_of("schedule", schedule, SCHEDULES)
    start = checks.real("start", start, 0, 1, open_low=schedule == "geometric")
    power = checks.real("power", power, 0, open_low=True)
    to_go = np.linspace(0, 1, paces)[::-1]  # 1 - t: counted from the end, so that a single pace is the last one
    if schedule == "geometric":
        fractions = start**to_go
    else:
        power = 1.0 if schedule == "linear" else power
        fractions = (start**power * to_go + (1 - to_go)) ** (1 / power)
    return np.maximum.accumulate(fractions)  # rounding could let it fall by one float where start is nearly 1


def _losses(loss: np.ndarray) -> np.ndarray:
    return checks.finite_array("loss", loss, ndim=1, low=0)


def _form_parameters(form: str, age: float, t: float, lower_age: float | None) -> tuple[float, float, float]:
    """Return age, t and lower age as floats (none: NaN); the last two are checked for the form that uses them."""
    checks.one_of("form", form, FORMS)
    below = 1.0 if form == "logarithmic" else math.inf
    age = checks.real("age", age, 0, below, open_low=form not in ("hard", "logistic"), open_high=True)
    if form == "polynomial":
        t = checks.real("t", t, 1, open_low=True)
    if form == "mixture":
        if lower_age is None:
            raise ValueError(f"lower_age is missing (None); the mixture form needs a number in (0, {age:g})")
        lower_age = checks.real("lower_age", lower_age, 0, age, open_low=True, open_high=True)
    return age, t, math.nan if lower_age is None else lower_age


def _listed_fractions(schedule: Sequence[float], paces: int) -> np.ndarray:
    fractions = checks.finite_array("schedule", schedule, ndim=1, length=paces, per="pace")
    if fractions.min() < 0 or fractions[-1] != 1 or (np.diff(fractions) < 0).any():
        raise ValueError(f"schedule is {fractions.tolist()}; allowed: shares in [0, 1] that never fall and end at 1")
    return fractions


def _rank_in_class(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return int64[N]: 0 for the lowest value of each class, 1 for the next; ties by index."""
    order = np.argsort(values, kind="stable")
    counts = np.bincount(labels)
    small = labels.astype(np.int16) if len(counts) < 2**15 else labels  # NumPy sorts 16 bits by radix
    order = order[np.argsort(small[order], kind="stable")]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - (np.cumsum(counts) - counts)[labels[order]]
    return rank


def _bonus_of_rank(loss: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return float[N], 1 / (sqrt(i) + sqrt(i-1)) for the sample of rank i (1 is the lowest loss) in its group."""
    rank = _rank_in_class(loss, groups)
    return 1 / (np.sqrt(rank + 1) + np.sqrt(rank))


def _x_log_x(x: np.ndarray) -> np.ndarray:
    """Return x ln x, which tends to 0 where x does."""
    return x * np.log(np.where(x > 0, x, 1))
