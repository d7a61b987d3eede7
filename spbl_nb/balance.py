"""Balance learning: how complex each class is, what weight it gets, and how often its samples are shown.

A class is *complex* when it is rare, or hard, or both: H_c = exp(L_c) / N_c, where L_c is the mean loss of its selected
samples and N_c its size. More complex classes get larger penalty weights, and the curriculum is rearranged so that the
least complex class shows the fewest samples and the most complex the most. The penalty weights come from misclassification
costs: costs that are *consistent* can be replaced exactly by one weight per class (Zhou and Liu 2010).

Eases, complexities and weights are float64[C]; a class of which nothing is selected has neither ease nor complexity
(NaN), keeps the weight 1 and is left as it is.

Taught in: notebooks/04_balance_learning, sections 1 to 5.
"""

import numpy as np

from spbl_nb import checks

ASSIGNMENTS = ("sorted", "released", "proportional")

_RELEASE_SEED = 5489  # MATLAB's default stream, which every call of the release starts anew
_TOLERANCE = 1e-6
_LARGEST_EXPONENT = 709.0  # of e, in float64
_LARGEST_COST = 1e100  # beyond it products of two costs leave the range of numbers


class InconsistentCostError(ValueError):
    """No weight per class can stand in for these costs."""


def class_ease(loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int) -> np.ndarray:
    """Return float64[C], E_c = N_c / exp(mean loss of the selected samples of class c); NaN where none is selected.

    An ease too small for a number, at a mean loss of 745 or more, is 0.

    Parameters
    ----------
    loss : float[N], finite and >= 0, -ln p(true class) of every sample of the pool.
    labels : int[N] in 0..C-1; N_c counts all of them, selected or not.
    selected : bool[N].
    num_classes : C.

    Raises ValueError naming the argument. Source: the SPBL release, step 4b of each pace.

    Taught in: notebooks/04_balance_learning, section 1.
    """
    sizes, mean_loss = _sizes_and_losses(loss, labels, selected, num_classes)
    return np.where(np.isnan(mean_loss), np.nan, sizes * np.exp(-mean_loss))


def class_complexity(loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int) -> np.ndarray:
    """Return float64[C], H_c = exp(mean loss of the selected samples) / N_c, the reciprocal of :func:`class_ease`.

    Parameters and errors as there; also ValueError for a mean loss whose exponential is beyond the range of numbers
    (about 700).

    Taught in: notebooks/04_balance_learning, section 1.
    """
    sizes, mean_loss = _sizes_and_losses(loss, labels, selected, num_classes)
    return _exponential(mean_loss, mean_loss) / np.where(np.isnan(mean_loss), 1, sizes)


def mixed_complexity(mean_loss: np.ndarray, sizes: np.ndarray, difficulty_share: float) -> np.ndarray:
    """Return float64[C], exp(L_c)^(2s) / N_c^(2-2s): complexity with its two parts weighed differently.

    At the share s = 1/2 it is the complexity of :func:`class_complexity`; at 0 only rarity counts, at 1 only difficulty.
    ``mean_loss`` float[C] >= 0 (NaN: nothing selected), ``sizes`` float[C] > 0, ``difficulty_share`` in [0, 1]. Raises
    ValueError naming the argument, also for a complexity beyond the range of numbers.

    This mixture is ours, for the explorer; the paper and its release know the middle only.

    Taught in: notebooks/04_balance_learning, section 2.
    """
    share = checks.real("difficulty_share", difficulty_share, 0, 1)
    sizes = _sizes(sizes)
    mean_loss = _not_negative("mean_loss", mean_loss, len(sizes))
    with np.errstate(over="ignore"):
        exponent = 2 * (share * mean_loss - (1 - share) * np.log(sizes))
    return _exponential(exponent, mean_loss)


def scaled_ease(ease: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return float64[C], ease scaled to [min N, max N] and rounded up, as the release does before it ranks classes.

    Only ranks matter afterwards, so the rounding does one thing: it makes ties. Where all eases are equal, for which the
    release divides by zero, every class gets min N. NaN stays NaN. ``ease`` float[C] >= 0, ``sizes`` float[C] > 0 the N_c.
    Raises ValueError naming the argument.

    Source: the SPBL release, step 4c. Taught in: notebooks/04_balance_learning, section 4.
    """
    sizes = _sizes(sizes)
    ease = _not_negative("ease", ease, len(sizes))
    if np.isnan(ease).all():
        return ease.copy()
    low, high = np.nanmin(ease), np.nanmax(ease)
    share = (ease - low) / (high - low) if high > low else ease * 0
    return np.ceil(share * (sizes.max() - sizes.min()) + sizes.min())


def consistent_costs(num_classes: int, max_cost: float = 10, rng: object = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw misclassification costs that weights can express; return (cm float64[C,C], w float64[C]).

    ``cm[i, j]`` is the cost of calling a class-**j** sample i (the release's orientation, the transpose of the paper's),
    and the weights that replace the costs satisfy w_i / w_j = cm[j, i] / cm[i, j]. They ascend from 1 to at most
    ``max_cost`` (1 to 1e100). The smallest cost off the diagonal is 1; the diagonal is 0.

    ``rng`` is None (the release's constant stream), an int, a Generator or a RandomState.

    Source: the SPBL release after Zhou and Liu 2010. Taught in: notebooks/04_balance_learning, section 3.
    """
    num_classes = checks.class_number("num_classes", num_classes, 2)
    spread = checks.real("max_cost", max_cost, 1, _LARGEST_COST) - 1
    rng = np.random.RandomState(_RELEASE_SEED) if rng is None else checks.random_generator(rng)
    weights = 1 + spread * rng.random(num_classes)
    weights = np.sort(weights / weights.min())
    costs = np.zeros((num_classes, num_classes))
    row, column = np.tril_indices(num_classes, -1)
    costs[row, column] = 1 + spread * rng.random(len(row))
    costs[column, row] = costs[row, column] * weights[row] / weights[column]
    return costs / costs[costs > 0].min(), weights


def cost_vector(cm: np.ndarray) -> np.ndarray:
    """Return float64[C], the weights that replace the costs ``cm`` (float[C,C]), the smallest of them 1.

    They solve the C(C-1)/2 equations  cm[i, j] * w_i = cm[j, i] * w_j  of Zhou and Liu (2010), which are linear in w,
    and linear in ln w once divided; the least-squares solution of the latter is a row mean. The costs are consistent
    where it satisfies every equation to a relative 1e-6.

    Raises :class:`InconsistentCostError` naming the worst equation, and ValueError for a matrix that is not square or
    holds a cost off the diagonal that is not positive and finite, or costs so far apart that a weight would be beyond the
    range of numbers. The diagonal is not read.

    Taught in: notebooks/04_balance_learning, section 3.
    """
    costs = checks.float_array("cm", cm).copy()
    if costs.ndim != 2 or costs.shape[0] != costs.shape[1] or len(costs) < 2:
        raise ValueError(f"cm has shape {costs.shape}; allowed: [C, C] with C >= 2, one row and column per class")
    np.fill_diagonal(costs, 1)
    wrong = np.argwhere(~(np.isfinite(costs) & (costs > 0)))
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
    log_weight -= log_weight.min()
    if log_weight.max() > _LARGEST_EXPONENT:
        raise ValueError(
            f"cm wants a weight of e^{log_weight.max():.0f} for class {int(log_weight.argmax())}; allowed: costs whose "
            f"weights stay below e^{_LARGEST_EXPONENT:.0f}"
        )
    return np.exp(log_weight)


def penalty_weights(
    complexity: np.ndarray, assignment: str = "sorted", max_cost: float = 10, rng: object = None
) -> np.ndarray:
    """Return float64[C], a weight of 1 or more for every class.

    ``"sorted"`` draws one cost per class (:func:`consistent_costs`) and hands the costs out ascending in complexity.
    ``"released"`` does what the released code does: the least complex class gets the smallest, the most complex the
    largest, **and all between them get a random permutation** of the rest. ``"proportional"`` draws nothing: complexity
    over the smallest complexity, capped at ``max_cost``.

    Parameters
    ----------
    complexity : float[C], above 0; NaN marks a class without selected samples, which gets 1 and draws nothing. Ties
        count in the order of the classes.
    max_cost : 1 to 1e100, bound of the largest weight over the smallest.
    rng : None (the release's constant stream: each of its calls starts a fresh engine, so its "random" weights never
        change), an int, a Generator or a RandomState.

    Raises ValueError naming the argument, also for infinite complexity. Source: the SPBL release, step 4d.

    Taught in: notebooks/04_balance_learning, section 4.
    """
    checks.one_of("assignment", assignment, ASSIGNMENTS)
    max_cost = checks.real("max_cost", max_cost, 1, _LARGEST_COST)
    rng = np.random.RandomState(_RELEASE_SEED) if rng is None else checks.random_generator(rng)
    complexity = _complexity(complexity)
    weights = np.ones(len(complexity))
    known = np.flatnonzero(~np.isnan(complexity))
    if assignment == "proportional" and len(known):
        with np.errstate(over="ignore"):
            weights[known] = np.minimum(complexity[known] / complexity[known].min(), max_cost)
    elif len(known) > 1:
        _, handed_out = consistent_costs(len(known), max_cost, rng)
        if assignment == "released":
            rank_of_draw = np.argsort(np.argsort(rng.random(len(known) - 2)))
            handed_out[1:-1] = handed_out[1:-1][rank_of_draw]
        weights[known[np.argsort(complexity[known], kind="stable")]] = handed_out
    return weights


def reconstruct_curriculum(
    selected_counts: np.ndarray, complexity: np.ndarray, max_added: int = 100, keep_factor: float = 3
) -> np.ndarray:
    """Return int64[C], how many samples each class shows after the curriculum is rearranged.

    The selected counts, sorted, are handed out by complexity: the least complex class gets the smallest count, the most
    complex the largest. Two caps follow. No class gains more than ``max_added``. With m = ``keep_factor`` *
    ceil(mean count), a class smaller than m loses nothing and no other falls below m.

    Parameters
    ----------
    selected_counts : int[C], 0 or more.
    complexity : float[C], above 0; a class with NaN is left as it is, and neither its count is handed out nor is it
        part of the mean. Ties count in the order of the classes.
    max_added : >= 0. keep_factor : >= 0; 0 lets every class shrink freely.

    Raises ValueError naming the argument, also for infinite complexity. Source: the SPBL release, step 4e.

    Taught in: notebooks/04_balance_learning, section 5.
    """
    complexity = _complexity(complexity)
    counts = checks.integer_array("selected_counts", selected_counts, 0, length=len(complexity))
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

    A class that gains keeps all it has and adds duplicates. A class that loses r of R keeps R - r.

    Parameters
    ----------
    labels : int[N] in 0..C-1.
    change : int[C].
    rng : None (fresh entropy), an int, a Generator or a RandomState.
    replacement : False: nothing is drawn twice before all of the class was drawn once, so a shrunken class holds
        distinct samples; True: every draw is from the whole class, as in the release, where a shrunken class may hold
        a sample twice and miss others for no reason.

    Raises ValueError for a class that is to gain samples and has none, or that would lose all it has.
    Source: the SPBL release, step 4g (with ``replacement``).

    Taught in: notebooks/04_balance_learning, section 5.
    """
    change = checks.integer_array("change", change)
    replacement = checks.boolean("replacement", replacement)
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
    if change.max() > checks.MOST_SAMPLES:
        raise ValueError(
            f"change[{int(change.argmax())}] is {change.max()}; allowed: up to {checks.MOST_SAMPLES:,} more samples"
        )
    positions = []
    for own, delta in zip(np.split(by_class, np.cumsum(counts)[:-1]), change, strict=True):
        drawn = _draw(own, delta if delta > 0 else len(own) + delta, rng, replacement) if delta else own[:0]
        positions.append(np.concatenate([own, drawn]) if delta >= 0 else drawn)
    return np.concatenate(positions)


def _draw(own: np.ndarray, number: int, rng: np.random.Generator | np.random.RandomState, again: bool) -> np.ndarray:
    """Draw ``number`` of ``own``, independently (``again``) or in rounds in each of which every one comes once."""
    if again:
        return rng.choice(own, number)
    rounds = -(-number // len(own))
    return np.concatenate([rng.permutation(own) for _ in range(rounds)])[:number]


def _sizes_and_losses(
    loss: np.ndarray, labels: np.ndarray, selected: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return float64[C] class sizes and mean losses of the selected samples, NaN where nothing is selected."""
    num_classes = checks.class_number("num_classes", num_classes)
    labels = checks.label_array("labels", labels, num_classes)
    loss = checks.finite_array("loss", loss, ndim=1, length=len(labels))
    if loss.min() < 0:
        where = int(np.argmin(loss))
        raise ValueError(f"loss[{where}] is {loss[where]:g}; allowed: [0, inf), e.g. -ln of a probability")
    selected = checks.as_array("selected", selected)
    if selected.shape != labels.shape or selected.dtype != np.bool_:
        raise ValueError(
            f"selected has shape {selected.shape} and dtype {selected.dtype}; allowed: bool[{len(labels)}], one per sample"
        )
    sizes = np.bincount(labels, minlength=num_classes)
    chosen = np.bincount(labels[selected], minlength=num_classes)
    sums = np.bincount(labels[selected], loss[selected], minlength=num_classes)
    return sizes, np.divide(sums, chosen, out=np.full(num_classes, np.nan), where=chosen > 0)


def _exponential(exponent: np.ndarray, mean_loss: np.ndarray) -> np.ndarray:
    """Return e to float64[C], in which NaN stays NaN; refuses what is beyond the range of numbers, naming the loss."""
    if (exponent > _LARGEST_EXPONENT).any():
        where = int(np.nanargmax(exponent))
        raise ValueError(
            f"the mean loss of class {where} is {mean_loss[where]:g}, and its complexity beyond the range of numbers; "
            "allowed: losses in nats, -ln p, of a network that has not diverged, and class sizes of 1 or more"
        )
    return np.exp(exponent)


def _sizes(sizes: np.ndarray) -> np.ndarray:
    array = checks.finite_array("sizes", sizes, ndim=1, per="class")
    if len(array) == 0 or array.min() <= 0:
        found = f"sizes[{int(array.argmin())}] is {array.min():g}" if len(array) else "sizes is empty"
        raise ValueError(f"{found}; allowed: one number above 0 per class")
    return array


def _not_negative(name: str, values: np.ndarray, length: int) -> np.ndarray:
    array = checks.finite_array(name, values, ndim=1, length=length, gaps=True, per="class")
    if (array < 0).any():
        where = int(np.nanargmin(array))
        raise ValueError(f"{name}[{where}] is {array[where]:g}; allowed: 0 or more, or NaN where nothing is selected")
    return array


def _complexity(complexity: np.ndarray) -> np.ndarray:
    array = checks.finite_array("complexity", complexity, ndim=1, gaps=True, per="class")
    if len(array) == 0:
        raise ValueError("complexity is empty; one value per class is needed")
    if (array <= 0).any():
        where = int(np.nanargmin(array))
        raise ValueError(f"complexity[{where}] is {array[where]:g}; allowed: above 0, or NaN where nothing is selected")
    return array
