"""Self-paced selection: which samples a model learns from now, and how that share grows.

Self-paced learning (Kumar, Packer and Koller 2010) gives every sample a weight v in [0, 1] and minimises
v*loss + f(v; age). The regulariser f rewards taking samples in, and the age says up to which loss a sample still counts
as easy. The best v has a closed form here, so one pace is: weigh, train, raise the age. Chosen over the whole data set,
the easy samples tend to come from the easy classes; diversity, a quota per class and a quota per predicted class each
counter that.

Losses are float[N], finite and >= 0; among equal values the sample with the lower index comes first.

Taught in: notebooks/03_self_paced_selection, sections 1 to 6.
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

    The logistic weight is never 0, only too small for a float where the loss lies more than 745 above the age.

    With ``rescale`` the losses are first divided by the next float above the largest of them. They then lie in [0, 1)
    and keep their ratios, and both ages are shares of the largest loss. The logarithmic form, whose age is below 1,
    is meant for such losses; without ``rescale`` it takes the losses as they are.

    Raises ValueError naming the argument for a loss that is negative or not finite, and for parameters out of range.

    Sources: Kumar et al. 2010 (hard); Jiang et al. 2014, Easy Samples First (linear, logarithmic, mixture); Xu et al.
    2015, Multi-View Self-Paced Learning for Clustering (logistic). The tests minimise each objective by brute force.

    Taught in: notebooks/03_self_paced_selection, sections 1 and 2.
    """
    age, t, lower_age = _checked_parameters(form, age, t, lower_age)
    loss = _checked_losses(loss)
    if checks.boolean("rescale", rescale):
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

    Parameters and errors as in :func:`self_paced_weights`.

    Taught in: notebooks/03_self_paced_selection, section 2.
    """
    age, t, lower_age = _checked_parameters(form, age, t, lower_age)
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

    It minimises  sum(v*loss) - age * sum(v) - diversity * sum over groups of sqrt(number selected in the group).
    Spreading a selection over many groups makes the last sum large, so the second sample of a group must be easier
    than the first to be worth taking: the sample of rank i in its group (1 is the lowest loss) is selected where
    loss < age + diversity / (sqrt(i) + sqrt(i-1)). With ``diversity`` 0 this is the hard form.

    Parameters
    ----------
    loss : float[N], finite and >= 0.
    groups : int[N], >= 0; classes or the clusters of their features. A group of one sample has rank 1 only.
    age, diversity : finite and >= 0, in the unit of the loss.

    Raises ValueError naming the argument. Source: Jiang et al. 2014, Self-Paced Learning with Diversity.

    Taught in: notebooks/03_self_paced_selection, section 5.
    """
    loss = _checked_losses(loss)
    if groups is None:
        raise ValueError("groups is missing (None); allowed: int[N] >= 0, one class or cluster index per sample")
    groups = checks.label_array("groups", groups, length=len(loss))
    age, diversity = checks.real("age", age, 0), checks.real("diversity", diversity, 0)
    return loss < age + diversity * _bonus_of_rank(loss, groups)


def diverse_age(loss: np.ndarray, groups: np.ndarray, fraction: float, diversity: float) -> float:
    """Return the least age at which :func:`diverse_selection` admits ceil(fraction * N) samples, more only under ties.

    The rule solved for the age: loss - diversity / (sqrt(i) + sqrt(i-1)) of the last sample admitted, and a hair above.
    Where the diversity alone admits that many, the age is 0. Parameters and errors as in :func:`diverse_selection`;
    ``fraction`` in [0, 1].

    Taught in: notebooks/03_self_paced_selection, section 5.
    """
    loss = _checked_losses(loss)
    groups = checks.label_array("groups", groups, length=len(loss))
    admitted = math.ceil(checks.real("fraction", fraction, 0, 1) * len(loss))
    if admitted == 0:
        return 0.0
    needed = loss - checks.real("diversity", diversity, 0) * _bonus_of_rank(loss, groups)
    last = float(np.partition(needed, admitted - 1)[admitted - 1])
    return max(0.0, last + 1e-12 * (1 + abs(last)))


def select_easiest(loss: np.ndarray, labels: np.ndarray, fraction: float, num_classes: int | None = None) -> np.ndarray:
    """Return bool[N]: in every class the ceil(fraction * N_c) samples of lowest loss, ties by index.

    The product is taken in float64, as the SPBL release does, so that 0.07 of 100 samples are 8, not 7. A class of one
    sample keeps it at every fraction above 0; a class without samples selects none; fraction 0 selects nothing at all.

    Parameters
    ----------
    loss : float[N], finite and >= 0, such as -ln p(true class).
    labels : int[N] in 0..C-1, the true classes.
    fraction : share of every class to admit, in [0, 1].
    num_classes : C, to check the labels against; the default is as many as the labels name.

    Raises ValueError naming the argument. Source: the SPBL release, step 4a of each pace.

    Taught in: notebooks/03_self_paced_selection, section 4.
    """
    loss = _checked_losses(loss)
    if num_classes is not None:
        num_classes = checks.class_number("num_classes", num_classes)
    labels = checks.label_array("labels", labels, num_classes, length=len(loss))
    fraction = checks.real("fraction", fraction, 0, 1)
    return _lowest_per_class(loss, labels, np.ceil(fraction * np.bincount(labels)))


def co_select(probability: np.ndarray, predicted: np.ndarray, class_counts: np.ndarray, fraction: float) -> np.ndarray:
    """Return bool[N]: in every predicted class c the ceil(class_counts[c] * fraction) most probable, ties by index.

    This is the selection step of self-paced co-training (SPaCo), which has no labels for its pool: it takes the
    predicted class for the true one, and the class sizes from the labelled set. A class with fewer predicted samples
    than its quota gives all it has; a quota of 0 selects none.

    Parameters
    ----------
    probability : float[N], finite; the confidence in the predicted class. Values may exceed 1: SPaCo adds 0.3 to the
        samples that the other view has selected.
    predicted : int[N] in 0..C-1.
    class_counts : float[C], finite and >= 0; how many samples each class has in the labelled set.
    fraction : in [0, 1]. To admit more than the labelled counts, enlarge ``class_counts``.

    Raises ValueError naming the argument. Source: Ma et al. 2017, Self-paced Co-training, and its release.

    Taught in: notebooks/03_self_paced_selection, section 6.
    """
    probability = checks.finite_array("probability", probability, ndim=1)
    counts = checks.finite_array("class_counts", class_counts, ndim=1)
    if (counts < 0).any():
        where = int(np.argmin(counts))
        raise ValueError(f"class_counts[{where}] is {counts[where]:g}; allowed: 0 or more samples")
    predicted = checks.label_array("predicted", predicted, len(counts), length=len(probability))
    fraction = checks.real("fraction", fraction, 0, 1)
    return _lowest_per_class(-probability, predicted, np.ceil(counts * fraction))


def keep_at_least(weights: np.ndarray, loss: np.ndarray, labels: np.ndarray, least: int) -> np.ndarray:
    """Return float[N], the weights with the ``least`` easiest samples of every class raised from 0 to 1.

    A young age may admit nothing at all, or nothing of a hard class; a class that never trains can never become easy.
    Samples that have a weight already keep it. ``weights`` float[N] in [0, 1]; ``loss`` float[N], finite and >= 0;
    ``labels`` int[N] in 0..C-1; ``least`` >= 0.

    Taught in: notebooks/03_self_paced_selection, section 4.
    """
    loss = _checked_losses(loss)
    weights = checks.finite_array("weights", weights, ndim=1, length=len(loss))
    labels = checks.label_array("labels", labels, length=len(loss))
    quota = np.full(int(labels.max()) + 1, checks.integer("least", least, 0))
    return np.where((weights == 0) & _lowest_per_class(loss, labels, quota), 1.0, weights)


def quantile_age(loss: np.ndarray, fraction: float) -> float:
    """Return the smallest age at which the hard form admits ceil(fraction * N) of these losses, more only under ties.

    It lies one float above the last admitted loss, because the hard form asks for a loss *below* the age; fraction 0
    gives age 0, which admits nothing. ``loss`` float[N], finite and >= 0; ``fraction`` in [0, 1].

    Taught in: notebooks/03_self_paced_selection, section 1.
    """
    loss = _checked_losses(loss)
    admitted = math.ceil(checks.real("fraction", fraction, 0, 1) * len(loss))
    if admitted == 0:
        return 0.0
    return float(np.nextafter(np.partition(loss, admitted - 1)[admitted - 1], math.inf))


def growing_ages(first: float, factor: float, paces: int) -> np.ndarray:
    """Return float[paces]: ``first`` > 0, then each age ``factor`` >= 1 times the one before (Kumar et al. 2010).

    Taught in: notebooks/03_self_paced_selection, section 1.
    """
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

    With s = ``start`` and t running evenly from 0 to 1: ``"linear"`` s + (1-s)*t; ``"geometric"`` s^(1-t);
    ``"root"`` (s^p + (1 - s^p)*t)^(1/p), p = ``power``; or a list of shares, one for each pace, such as the release's
    0.5, 0.75, 0.9, 1, 1. The geometric schedule admits new samples ever faster, the root one (p > 1) ever more slowly.

    ``paces`` >= 1 (a single pace admits all); ``start`` in [0, 1], above 0 for ``"geometric"``; ``power`` > 0.
    Raises ValueError naming the argument, also for a list that falls, leaves [0, 1] or does not end at 1.

    Taught in: notebooks/03_self_paced_selection, section 1.
    """
    paces = checks.integer("paces", paces, 1, MOST_PACES)
    if not isinstance(schedule, str):
        return _checked_schedule(schedule, paces)
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


def _checked_losses(loss: np.ndarray) -> np.ndarray:
    loss = checks.finite_array("loss", loss, ndim=1)
    if len(loss) == 0:
        raise ValueError("loss is empty; at least one sample is needed")
    if loss.min() < 0:
        where = int(np.argmin(loss))
        raise ValueError(f"loss[{where}] is {loss[where]:g}; allowed: [0, inf), e.g. -ln of a probability")
    return loss


def _checked_parameters(form: str, age: float, t: float, lower_age: float | None) -> tuple[float, float, float]:
    """Return age, t and lower age as floats (none: NaN); the last two are checked for the form that uses them."""
    checks.one_of("form", form, FORMS)
    below = 1.0 if form == "logarithmic" else math.inf
    age = checks.real("age", age, 0, below, open_low=form not in ("hard", "logistic"), open_high=True)
    if form == "polynomial":
        t = checks.real("t", t, 1, open_low=True)
    if form == "mixture":
        if lower_age is None:
            raise ValueError(
                f"lower_age is missing (None); the mixture form needs it: allowed: a number in (0, {age:g})"
            )
        lower_age = checks.real("lower_age", lower_age, 0, age, open_low=True, open_high=True)
    return age, t, math.nan if lower_age is None else lower_age


def _checked_schedule(schedule: Sequence[float], paces: int) -> np.ndarray:
    fractions = checks.finite_array("schedule", schedule, ndim=1)
    if len(fractions) != paces:
        raise ValueError(f"schedule has {len(fractions)} entries; {paces} are needed, one per pace")
    if fractions.min() < 0 or fractions[-1] != 1 or (np.diff(fractions) < 0).any():
        raise ValueError(f"schedule is {fractions.tolist()}; allowed: shares in [0, 1] that never fall and end at 1")
    return fractions


def _lowest_per_class(values: np.ndarray, labels: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Mark, in each class c, the ``quota[c]`` lowest values, all of them where it has fewer; ties by index.

    Each class needs its quota-th lowest value only, which a partition finds without sorting. Everything below that
    limit is in; of the samples level with it, the first ones are.
    """
    counts = np.bincount(labels, minlength=len(quota))
    quota = np.minimum(quota, counts).astype(np.int64)
    narrow = labels.astype(np.min_scalar_type(len(quota)))  # NumPy sorts integers of up to 16 bits in linear time
    grouped = values[np.argsort(narrow, kind="stable")]
    limit = np.full(len(quota), -math.inf)
    for index, end in enumerate(np.cumsum(counts)):
        if quota[index]:
            last = quota[index] - 1
            limit[index] = np.partition(grouped[end - counts[index] : end], last)[last]
    selected = values < limit[labels]
    open_places = quota - np.bincount(labels[selected], minlength=len(quota))
    level = np.flatnonzero(values == limit[labels])
    level = level[np.argsort(labels[level], kind="stable")]
    selected[level[_rank_in_runs(labels[level]) < open_places[labels[level]]]] = True
    return selected


def _bonus_of_rank(loss: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return float[N], 1 / (sqrt(i) + sqrt(i-1)) for the sample of rank i (1 is the lowest loss) in its group."""
    order = _order_in_groups(loss, groups)
    rank = _rank_in_runs(groups[order])
    bonus = np.empty(len(loss))
    bonus[order] = 1 / (np.sqrt(rank + 1) + np.sqrt(rank))
    return bonus


def _order_in_groups(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return int64[N], the order by group, then value, then index: ``np.lexsort((values, groups))`` in a third of its time.

    NumPy's quick sort is many times as fast as its stable one, but leaves ties in any order; they are put right by
    sorting (rank of the value, index) as one number.
    """
    order = np.argsort(values)
    ordered = values[order]
    stable = np.zeros(len(values), dtype=np.int64)
    np.cumsum(ordered[1:] != ordered[:-1], out=stable[1:])
    stable *= len(values)
    stable += order
    stable.sort()
    stable %= len(values)
    narrow = groups[stable].astype(np.min_scalar_type(int(groups.max())))  # up to 16 bits are sorted in linear time
    return stable[np.argsort(narrow, kind="stable")]


def _rank_in_runs(sorted_keys: np.ndarray) -> np.ndarray:
    """Return int[N]: each element's position, from 0, in its run of equal keys."""
    position = np.arange(len(sorted_keys))
    is_first = np.append(True, sorted_keys[1:] != sorted_keys[:-1])[: len(sorted_keys)]
    return position - np.maximum.accumulate(np.where(is_first, position, 0))


def _x_log_x(x: np.ndarray) -> np.ndarray:
    """Return x ln x, which tends to 0 where x does."""
    return x * np.log(np.where(x > 0, x, 1))
