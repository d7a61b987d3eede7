"""Balance learning: how complex each class is, what weight it gets, and how often its samples are shown.

A class is *complex* when it is rare, or hard, or both: H_c = exp(L_c) / N_c, with L_c the mean loss of its selected
samples and N_c its size. Complex classes get larger penalty weights and show more samples. A class of which nothing is
selected has the complexity NaN, keeps the weight 1 and is left as it is. Ties count in the order of the classes.
``rng`` is None, an int, a Generator or a RandomState. A wrong argument is a ValueError.
"""

import numpy as np

from spbl_nb import checks

ASSIGNMENTS = ("sorted", "released", "proportional")

_RELEASE_SEED = 5489  # MATLAB's default stream, which every call of the release starts again
_TOLERANCE = 1e-6
_LARGEST_EXPONENT = 709.0  # of e, in float64
_LARGEST_COST = 1e100  # beyond it products of two costs leave the range of numbers


class InconsistentCostError(ValueError):
    """No weight per class can replace these costs."""


def class_ease(loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int) -> np.ndarray:
    """Return float64[C], E_c = N_c / exp(mean loss of the selected samples of class c); NaN where none is selected.

    ``loss`` float[N] >= 0, -ln p(true class); ``labels`` int[N] in 0..C-1, of which N_c counts all, selected or not;
    ``selected`` bool[N]. Source: the SPBL release, step 4b of each pace.
    """
    sizes, mean_loss = _class_statistics(loss, labels, selected, num_classes)
    return np.where(np.isnan(mean_loss), np.nan, sizes * np.exp(-mean_loss))


def class_complexity(loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int) -> np.ndarray:
    """Return float64[C], H_c = exp(mean loss of the selected samples) / N_c, the reciprocal of :func:`class_ease`.

    Parameters as there. A mean loss above 709, whose exponential is beyond the range of numbers, is a ValueError.
    """
    sizes, mean_loss = _class_statistics(loss, labels, selected, num_classes)
    return _exponential(mean_loss, mean_loss) / np.where(np.isnan(mean_loss), 1, sizes)


def mixed_complexity(mean_loss: np.ndarray, sizes: np.ndarray, difficulty_share: float) -> np.ndarray:
    """Return float64[C], exp(L_c)^(2s) / N_c^(2-2s): complexity with its two parts weighed differently.

    At the share s = 1/2 it is :func:`class_complexity`; at 0 only rarity counts, at 1 only difficulty. ``mean_loss``
    float[C] >= 0 or NaN, ``sizes`` float[C] > 0. This mixture is ours, for the explorer.
    """
    share = checks.real("difficulty_share", difficulty_share, 0, 1)
    sizes = checks.finite_array("sizes", sizes, ndim=1, low=0, open_low=True, per="class")
    mean_loss = checks.finite_array("mean_loss", mean_loss, ndim=1, length=len(sizes), low=0, gaps=True, per="class")
    with np.errstate(over="ignore"):
        exponent = 2 * (share * mean_loss - (1 - share) * np.log(sizes))
    return _exponential(exponent, mean_loss)


def scaled_ease(ease: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return float64[C], ease scaled to [min N, max N] and rounded up, as the release does before it ranks classes.

    Where all eases are equal every class gets min N (the release divides by zero). ``ease`` float[C] >= 0 (NaN stays),
    ``sizes`` float[C] > 0: the N_c. Source: the SPBL release, step 4c.
    """
    sizes = checks.finite_array("sizes", sizes, ndim=1, low=0, open_low=True, per="class")
    ease = checks.finite_array("ease", ease, ndim=1, length=len(sizes), low=0, gaps=True, per="class")
    if np.isnan(ease).all():
        return ease.copy()
    low, high = np.nanmin(ease), np.nanmax(ease)
    share = (ease - low) / (high - low) if high > low else ease * 0
    return np.ceil(share * (sizes.max() - sizes.min()) + sizes.min())


def consistent_costs(num_classes: int, max_cost: float = 10, rng: object = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw misclassification costs that weights can express; return (cm float64[C,C], w float64[C]).

    ``cm[i, j]`` is the cost of calling a class-**j** sample i (the transpose of the paper's); the weights satisfy
    w_i / w_j = cm[j, i] / cm[i, j] and ascend from 1 to at most ``max_cost`` (1 to 1e100). With ``rng`` None the release's
    constant stream is drawn from. Source: the SPBL release after Zhou and Liu 2010.
    """
    num_classes = checks.integer("num_classes", num_classes, 2, checks.MOST_CLASSES)
    max_cost = checks.real("max_cost", max_cost, 1, _LARGEST_COST)
    return _drawn_costs(num_classes, max_cost, _generator(rng))


def cost_vector(cm: np.ndarray) -> np.ndarray:
    """Return float64[C], the weights that replace the costs ``cm`` (float[C,C]), the smallest of them 1.

    They solve  cm[i, j] * w_i = cm[j, i] * w_j  (Zhou and Liu 2010), which is linear in ln w, by least squares. Where an
    equation fails by more than a relative 1e-6, :class:`InconsistentCostError` names the worst. Costs off the diagonal
    are above 0; the diagonal is not read.
    """
    costs = checks.finite_array("cm", cm, ndim=2, gaps=True, per="class").copy()
    if costs.shape[0] != costs.shape[1] or len(costs) < 2:
        raise ValueError(f"cm has shape {costs.shape}; allowed: [C, C] with C >= 2, one row and column per class")
    np.fill_diagonal(costs, 1)
    wrong = np.argwhere(~(costs > 0))
    if len(wrong):
        i, j = wrong[0]
        raise ValueError(f"cm[{i}, {j}] is {costs[i, j]:g}; allowed: a finite cost above 0 for every pair of classes")
    log_ratio = np.log(costs.T) - np.log(costs)  # [i, j]: ln w_i - ln w_j
    log_weight = log_ratio.mean(axis=1)
    off = np.abs(log_ratio - (log_weight[:, None] - log_weight))
    i, j = np.unravel_index(off.argmax(), off.shape)
    if off[i, j] > _TOLERANCE:
        raise InconsistentCostError(
            f"cm is not consistent: classes {i} and {j} want w_{i}/w_{j} = cm[{j}, {i}]/cm[{i}, {j}] = "
            f"{np.exp(log_ratio[i, j]):.6g}, all pairs together {np.exp(log_weight[i] - log_weight[j]):.6g}; "
            "no weight per class can replace these costs"
        )
    return np.exp(log_weight - log_weight.min())


def penalty_weights(
    complexity: np.ndarray, assignment: str = "sorted", max_cost: float = 10, rng: object = None
) -> np.ndarray:
    """Return float64[C], a weight of 1 or more for every class.

    ============  ==================================================================================================
    sorted        one cost drawn per class (:func:`consistent_costs`), handed out ascending in complexity
    released      the least complex class gets the smallest, the most complex the largest, all between a permutation
    proportional  complexity over the smallest complexity, capped at ``max_cost``; nothing is drawn
    ============  ==================================================================================================

    ``complexity`` float[C] > 0, or NaN; ``max_cost``, 1 to 1e100, bounds the weights. With ``rng`` None every call starts
    the release's constant stream again. Source: the SPBL release, step 4d.
    """
    checks.one_of("assignment", assignment, ASSIGNMENTS)
    max_cost = checks.real("max_cost", max_cost, 1, _LARGEST_COST)
    rng = _generator(rng)
    complexity = _complexity(complexity)
    weights = np.ones(len(complexity))
    known = np.flatnonzero(~np.isnan(complexity))
    if assignment == "proportional" and len(known):
        with np.errstate(over="ignore"):
            weights[known] = np.minimum(complexity[known] / complexity[known].min(), max_cost)
    elif len(known) > 1:
        _, handed_out = _drawn_costs(len(known), max_cost, rng)
        if assignment == "released":
            rank_of_draw = np.argsort(np.argsort(rng.random(len(known) - 2)))
            handed_out[1:-1] = handed_out[1:-1][rank_of_draw]
        weights[known[np.argsort(complexity[known], kind="stable")]] = handed_out
    return weights


def reconstruct_curriculum(
    selected_counts: np.ndarray, complexity: np.ndarray, max_added: int = 100, keep_factor: float = 3
) -> np.ndarray:
    """Return int64[C], how many samples each class shows after the curriculum is rearranged.

    The selected counts (int[C] >= 0), sorted, are handed out by complexity (float[C] > 0, or NaN): the least complex class
    gets the smallest. No class gains more than ``max_added``, and none falls below ``keep_factor`` * ceil(mean count)
    or, where it was below that, loses any. Source: the SPBL release, step 4e.
    """
    complexity = _complexity(complexity)
    counts = _integers("selected_counts", selected_counts, 0)
    if len(counts) != len(complexity):
        raise ValueError(f"selected_counts has {len(counts)} entries; {len(complexity)} are needed, one per class")
    max_added = checks.integer("max_added", max_added, 0)
    keep_factor = checks.real("keep_factor", keep_factor, 0)
    known = np.flatnonzero(~np.isnan(complexity))
    if len(known) == 0:
        return counts
    order = known[np.argsort(complexity[known], kind="stable")]
    new = counts.copy()
    new[order] = np.sort(counts[known])
    largest = counts[known].max()  # no cap needs to be larger
    floor = int(min(np.ceil(min(keep_factor, float(largest)) * np.ceil(counts[known].mean())), largest))
    gained = np.minimum(new - counts, min(max_added, int(largest)))
    lost = np.minimum(0, np.maximum(new, floor) - counts)
    return counts + np.where(new > counts, gained, lost)


def resample(labels: np.ndarray, change: np.ndarray, rng: object = None, *, replacement: bool = False) -> np.ndarray:
    """Return int64[M], positions into ``labels`` after class c has gained or lost ``change[c]`` samples.

    A class that gains keeps all it has and adds duplicates. Without ``replacement`` nothing is drawn twice before all of
    the class was drawn once; with it every draw is from the whole class, as in the release (step 4g). ``labels`` int[N]
    in 0..C-1, ``change`` int[C]; ``rng`` None is fresh entropy. No class gains from nothing or loses all.
    """
    change = _integers("change", change)
    labels = checks.label_array("labels", labels, len(change))
    rng = checks.random_generator(rng)
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=len(change))
    wrong = np.flatnonzero((change != 0) & (counts + np.minimum(change, 0) < 1))
    if len(wrong):
        c = wrong[0]
        raise ValueError(
            f"change[{c}] is {change[c]}, and class {c} has {counts[c]} sample{'s' if counts[c] != 1 else ''}; "
            "allowed: at least one sample before and after, or 0 for an empty class"
        )
    positions = []
    for own, delta in zip(np.split(by_class, np.cumsum(counts)[:-1]), change, strict=True):
        drawn = _draw(own, delta if delta > 0 else len(own) + delta, rng, replacement) if delta else own[:0]
        positions.append(np.concatenate([own, drawn]) if delta >= 0 else drawn)
    return np.concatenate(positions)


def _class_statistics(
    loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return float64[C] class sizes and mean losses of the selected samples, NaN where nothing is selected."""
    num_classes = checks.integer("num_classes", num_classes, 1, checks.MOST_CLASSES)
    labels = checks.label_array("labels", labels, num_classes)
    loss = checks.finite_array("loss", loss, ndim=1, length=len(labels), low=0)
    selected = np.asarray(selected)
    if selected.shape != labels.shape or selected.dtype != np.bool_:
        found = f"selected has shape {selected.shape} and dtype {selected.dtype}"
        raise ValueError(f"{found}; allowed: bool[{len(labels)}], one per sample")
    sizes = np.bincount(labels, minlength=num_classes)
    chosen = np.bincount(labels[selected], minlength=num_classes)
    sums = np.bincount(labels[selected], loss[selected], minlength=num_classes)
    return sizes, np.divide(sums, chosen, out=np.full(num_classes, np.nan), where=chosen > 0)


def _exponential(exponent: np.ndarray, mean_loss: np.ndarray) -> np.ndarray:
    """Return e to the power of float64[C]; refuse what is beyond the range of numbers, naming the loss."""
    if (exponent > _LARGEST_EXPONENT).any():
        where = int(np.nanargmax(exponent))
        raise ValueError(
            f"the mean loss of class {where} is {mean_loss[where]:g}, and its complexity beyond the range of numbers; "
            "allowed: losses in nats, -ln p, of a network that has not diverged, and class sizes of 1 or more"
        )
    return np.exp(exponent)


def _drawn_costs(
    num_classes: int, max_cost: float, rng: np.random.Generator | np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    spread = max_cost - 1
    weights = 1 + spread * rng.random(num_classes)
    weights = np.sort(weights / weights.min())
    costs = np.zeros((num_classes, num_classes))
    row, column = np.tril_indices(num_classes, -1)
    costs[row, column] = 1 + spread * rng.random(len(row))
    costs[column, row] = costs[row, column] * weights[row] / weights[column]
    return costs / costs[costs > 0].min(), weights


def _draw(own: np.ndarray, number: int, rng: np.random.Generator | np.random.RandomState, again: bool) -> np.ndarray:
    """Draw ``number`` of ``own``, independently (``again``) or in rounds in each of which every one comes once."""
    if again:
        return rng.choice(own, number)
    rounds = -(-number // len(own))
    return np.concatenate([rng.permutation(own) for _ in range(rounds)])[:number]


def _generator(rng: object) -> np.random.Generator | np.random.RandomState:
    return np.random.RandomState(_RELEASE_SEED) if rng is None else checks.random_generator(rng)


def _complexity(complexity: np.ndarray) -> np.ndarray:
    return checks.finite_array("complexity", complexity, ndim=1, low=0, open_low=True, gaps=True, per="class")


def _integers(name: str, values: np.ndarray, low: int = -(2**62)) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}; allowed: integers, one per class")
    if array.min() < low:
        raise ValueError(
            f"{name}[{array.argmin()}] is {array.min()}; allowed: integers of {low} or more, one per class"
        )
    return array.astype(np.int64)
