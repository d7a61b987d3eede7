"""Answers to the exercises: plausible wrong ones, each a real misconception, and right ones written in another way.

Every entry is (checker, what it gets wrong or how it is written, the function, words that the verdict must hold).
"""

import itertools
import math

import numpy as np

from spbl_nb import exercises


def _tail(count, largest, factor, rounding, steps=None):
    factor = max(factor, 1 / factor)
    return np.array([rounding(largest * factor ** (-c / (steps or count - 1))) for c in range(count)]).astype(int)


def _thinned(sizes, factor, first=1, rounding=np.round):
    kept = sizes.astype(float)
    kept[first::2] = rounding(kept[first::2] / factor)
    return kept.max() / kept.min()


def _moved(pictures, mean, std, mirrored, axis=-1):
    batch = (pictures.astype(float) - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    batch[mirrored] = np.flip(batch[mirrored], axis)
    return batch


def _mean_on_last_axis(pictures, mean, std, rng):
    return (
        (pictures - mean) / std
        if pictures.shape[-1] == 3
        else _moved(pictures, mean, std, rng.random(len(pictures)) < 0.5)
    )


def _all_alike(labels, rng, shuffle=True, exact=True):
    counts = np.bincount(labels)
    repeated = [np.repeat(np.flatnonzero(labels == c), -(-counts.max() // counts[c])) for c in range(len(counts))]
    if exact:
        repeated = [rows[: counts.max()] for rows in repeated]
    return rng.permutation(np.concatenate(repeated)) if shuffle else np.concatenate(repeated)


def _drawn(labels, rng):
    counts = np.bincount(labels)
    chance = 1 / counts[labels]
    return rng.choice(len(labels), len(counts) * counts.max(), p=chance / chance.sum())


def _rounds(labels, rng, blocks=False):
    counts = np.bincount(labels)
    shuffled = [np.resize(rng.permutation(np.flatnonzero(labels == c)), counts.max()) for c in range(len(counts))]
    return np.concatenate(shuffled) if blocks else rng.permutation(np.ravel(shuffled))


def _precision_and_recall(confusion):
    right = np.diag(confusion)
    return right / confusion.sum(axis=0), right / confusion.sum(axis=1)


def _f1_of(confusion):
    return 2 * np.diag(confusion) / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)


def _harmonic_of_means(confusion):
    here = confusion.sum(axis=1) > 0
    precision, recall = (np.nan_to_num(values)[here].mean() for values in _precision_and_recall(confusion))
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _f1_by_loops(confusion):
    values = []
    for c, row in enumerate(confusion.tolist()):
        if sum(row):
            values.append(row[c] / (row[c] + 0.5 * (sum(row) - row[c] + confusion[:, c].sum() - row[c])))
    return sum(values) / len(values)


def _by_class(loss, labels, quota):
    selected = np.zeros(len(loss), dtype=bool)
    for c in set(labels.tolist()):
        own = sorted(np.flatnonzero(labels == c), key=lambda i: (loss[i], i))
        selected[own[: quota(len(own))]] = True
    return selected


def _up_to_the_limit(loss, labels, percent):
    selected = _by_class(loss, labels, lambda n: -(-percent * n // 100))
    limits = {c: loss[selected & (labels == c)].max(initial=-1) for c in set(labels.tolist())}
    return loss <= np.array([limits[c] for c in labels.tolist()])


def _spld(loss, groups, threshold, by=None):
    by = loss if by is None else by
    rank = [1 + sum(by[k] < by[i] for k in range(len(loss)) if groups[k] == groups[i]) for i in range(len(loss))]
    return np.array([loss[i] < threshold(rank[i]) for i in range(len(loss))])


def _best_of_all(loss, groups, age, reward):
    """Every selection tried."""
    everything = np.array([*itertools.product((0, 1), repeat=len(loss))])
    taken = np.stack([everything @ (groups == g) for g in np.unique(groups)])
    cost = everything @ (loss - age) - sum(reward(number) for number in taken)
    return everything[np.argmin(cost)] == 1


def _complexities(loss, labels, selected, num_classes, value):
    found = []
    for c in range(num_classes):
        own, chosen = loss[labels == c], loss[(labels == c) & selected]
        found.append(value(own, chosen) if len(chosen) else np.nan)
    return np.array(found)


def _first_column(cm, transposed=False, check=True, smallest=True):
    costs = (cm.T if transposed else cm) + np.eye(len(cm))
    weights = costs[0] / costs[:, 0]
    if check and not np.allclose(costs.T / costs, weights[:, None] / weights):
        return None
    return weights / weights.min() if smallest else weights


def _by_least_squares(cm):
    pairs = [*itertools.combinations(range(len(cm)), 2)]
    system = np.zeros((len(pairs) + 1, len(cm)))
    for row, (i, j) in enumerate(pairs):
        system[row, i], system[row, j] = 1, -1
    system[-1, 0] = 1
    wanted = np.array([math.log(cm[j, i] / cm[i, j]) for i, j in pairs] + [0.0])
    logs, *_ = np.linalg.lstsq(system, wanted, rcond=None)
    return np.exp(logs - logs.min()).tolist() if np.abs(system @ logs - wanted).max() < 1e-6 else None


def _handed_out(counts, complexity, max_added, keep_factor, order=np.argsort, caps=True, protect=True):
    new = np.array(counts)
    for place, c in enumerate(order(complexity)):
        new[c] = sorted(counts)[place]
    m = math.ceil(keep_factor * math.ceil(sum(counts) / len(counts)))
    for c, count in enumerate(counts if caps else []):
        if new[c] > count:
            new[c] = min(new[c], count + max_added)
        elif count >= m:
            new[c] = max(new[c], m)
        elif protect:
            new[c] = count
    return new


def _softmax_loss(values, label):
    return math.log(sum(math.exp(value) for value in values)) - values[label]


def _say(total):
    return np.asarray(total) / sum(total)


def _promised(validation, test, first, last=True, by_own=False):
    epochs = range(first - 1, len(test))

    def best(accuracy):
        return max(epochs, key=lambda e: (accuracy[e], e if last else -e))

    return test[best(test)] - (validation if by_own else test)[best(validation)]


def _harmonized(logits, target, valid, bins, filled=True, counting=None, edge=True, norm=None):
    norms = [abs(1 / (1 + math.exp(-z)) - y) if z > -700 else abs(0.0 - y) for z, y in zip(logits, target, strict=True)]
    norms = norms if norm is None else norm(logits)
    bin_of = [min(int(g * bins), bins - 1) for g in norms]
    crowd = [b for b, counts in zip(bin_of, valid if counting is None else counting, strict=True) if counts]
    parts = len(set(crowd)) if filled else bins
    shown = [ok and (edge or g < 1) for ok, g in zip(valid, norms, strict=True)]
    return np.array([len(crowd) / (parts * crowd.count(b)) if ok else 0.0 for b, ok in zip(bin_of, shown, strict=True)])


def _smoothed(counts, momentum, corrected=True, own=True, keeps=True):
    found = []
    for column in counts.T.tolist():
        steps = [count for count in column if count or not keeps]
        value = 0.0
        for count in steps:
            value = momentum * value + (1 - momentum) * count
        number = len(steps) if own else len(column)
        found.append(value / (1 - momentum**number) if corrected and number else value)
    return np.array(found)


def _recalls(confusion):
    return [row[c] / sum(row) for c, row in enumerate(confusion.tolist()) if sum(row)]


def _geometric(values):
    return 0.0 if min(values) == 0 else math.exp(sum(math.log(value) for value in values) / len(values))


def _mean_of_logs(values, dead):
    return np.exp(np.log(np.where(values == 0, dead, values)).mean())


def _duels_won(own, other, tie):
    return sum(1.0 if a > b else tie if a == b else 0.0 for a in own for b in other) / (len(own) * len(other))


def _flipped(differences, far):
    ways = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(far(way, sum(differences)) for way in ways) / len(ways)


def _by_seed(ours, theirs):
    return [ours[seed] - theirs[seed] for seed in sorted(ours)]


def _unpaired(ours, theirs):
    pooled, n = [*ours.values(), *theirs.values()], len(ours)
    gap = abs(sum(ours.values()) - sum(theirs.values()))
    ways = [abs(2 * sum(part) - sum(pooled)) for part in itertools.combinations(pooled, n)]
    return sum(way >= gap - 1e-9 for way in ways) / len(ways)


WRONG = [
    (exercises.check_class_counts, "rounds half to even", lambda c, n, f: _tail(c, n, f, round), "a half fall"),
    (exercises.check_class_counts, "truncates", lambda c, n, f: _tail(c, n, f, int), "2.7 samples"),
    (
        exercises.check_class_counts,
        "takes a factor below 1 as it stands",
        lambda c, n, f: np.array([int(n * f ** (-k / (c - 1)) + 0.5) for k in range(c)]),
        "A tail falls",
    ),
    (
        exercises.check_class_counts,
        "divides by C instead of C - 1",
        lambda c, n, f: _tail(c, n, f, lambda x: int(x + 0.5), steps=c),
        "the last class be",
    ),
    (
        exercises.check_class_counts,
        "leaves floats",
        lambda c, n, f: _tail(c, n, f, lambda x: int(x + 0.5)).astype(float),
        "int is wanted",
    ),
    (exercises.check_achieved_factor, "believes the table", lambda sizes, factor: factor, "asked for"),
    (exercises.check_achieved_factor, "counts classes from 1", lambda s, f: _thinned(s, f, first=0), "from 0"),
    (
        exercises.check_achieved_factor,
        "keeps parts of a sample",
        lambda s, f: _thinned(s, f, rounding=lambda x: x),
        "a part of a sample",
    ),
    (exercises.check_achieved_factor, "multiplies the factors", lambda s, f: f * s.max() / s.min(), "thinned"),
    (
        exercises.check_clean_training_rows,
        "compares rows, not lesions",
        lambda g, a, b: np.setdiff1d(a, b),
        "which *lesions* are",
    ),
    (
        exercises.check_clean_training_rows,
        "compares rows with lesions",
        lambda g, a, b: a[~np.isin(a, g[b])],
        "row numbers with group numbers",
    ),
    (
        exercises.check_clean_training_rows,
        "takes rows of neither part",
        lambda g, a, b: np.flatnonzero(~np.isin(g, g[b])),
        "never training rows",
    ),
    (
        exercises.check_clean_training_rows,
        "returns lesions",
        lambda g, a, b: g[a][~np.isin(g[a], g[b])],
        "Which rows are they in",
    ),
    (
        exercises.check_prepare,
        "one coin for the batch",
        lambda p, m, s, rng: _moved(p, m, s, np.full(len(p), rng.random() < 0.5)),
        "a coin for each",
    ),
    (
        exercises.check_prepare,
        "turns pictures upside down",
        lambda p, m, s, rng: _moved(p, m, s, rng.random(len(p)) < 0.5, axis=-2),
        "on its head",
    ),
    (
        exercises.check_prepare,
        "coins that nobody can throw again",
        lambda p, m, s, rng: _moved(p, m, s, np.random.default_rng().random(len(p)) < 0.5),
        "With the same generator",
    ),
    (
        exercises.check_prepare,
        "the same coins for ever",
        lambda p, m, s, rng: _moved(p, m, s, np.random.default_rng(0).random(len(p)) < 0.5),
        "asked at all",
    ),
    (exercises.check_prepare, "means along the width", _mean_on_last_axis, "was wanted at index 0"),
    (
        exercises.check_prepare,
        "never turns the last ones",
        lambda p, m, s, rng: _moved(p, m, s, rng.random(len(p)) < 0.05),
        "a fair one",
    ),
    (exercises.check_balanced_order, "equal on average only", _drawn, "should come"),
    (
        exercises.check_balanced_order,
        "repeats whole classes",
        lambda labels, rng: _all_alike(labels, rng, exact=False),
        "should come",
    ),
    (exercises.check_balanced_order, "cuts off the last rows", _all_alike, "of the same class"),
    (
        exercises.check_balanced_order,
        "class after class",
        lambda labels, rng: _rounds(labels, rng, blocks=True),
        "in the first half",
    ),
    (
        exercises.check_balanced_order,
        "its own generator",
        lambda labels, rng: _rounds(labels, np.random.default_rng(0)),
        "asked at all",
    ),
    (
        exercises.check_balanced_order,
        "a fresh generator",
        lambda labels, rng: _rounds(labels, np.random.default_rng()),
        "same generator",
    ),
    (exercises.check_macro_f1, "F1 of the means", _harmonic_of_means, "the mean of the F1s"),
    (exercises.check_macro_f1, "weighs by samples", lambda m: m.sum(axis=1) / m.sum() @ _f1_of(m), "the same say"),
    (
        exercises.check_macro_f1,
        "divides by 0 where a class is never called",
        lambda m: np.mean(2 / (1 / _precision_and_recall(m)[0] + 1 / _precision_and_recall(m)[1])),
        "NaN",
    ),
    (exercises.check_macro_f1, "micro", lambda m: np.trace(m) / m.sum(), "What is it called"),
    (
        exercises.check_macro_f1,
        "counts absent classes",
        lambda m: _f1_of(m).mean(),
        "without samples",
    ),
    (exercises.check_root_weights, "no bound at 1", lambda loss, age: (age / loss) ** 2, "larger than 1"),
    (exercises.check_root_weights, "the hard form", lambda loss, age: 1.0 * (loss < age), "Try a small v"),
    (exercises.check_root_weights, "the linear form", lambda loss, age: np.clip(1 - loss / age, 0, 1), "linear form"),
    (
        exercises.check_root_weights,
        "forgets the square",
        lambda loss, age: np.minimum(1, age / np.maximum(loss, 1e-12)),
        "derivative",
    ),
    (
        exercises.check_root_weights,
        "a grid",
        lambda loss, age: (
            np.array([np.argmin(np.arange(101) / 100 * l - 2 * age * np.arange(101) ** 0.5 / 10) for l in loss]) / 100
        ),
        "right is",
    ),
    (
        exercises.check_exact_quota,
        "one quota for all classes",
        lambda loss, labels, percent: _by_class(loss, labels * 0, lambda n: -(-percent * n // 100)),
        "the easiest of all",
    ),
    (
        exercises.check_exact_quota,
        "rounds down",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: percent * n // 100),
        "Rounded down",
    ),
    (
        exercises.check_exact_quota,
        "a float just above a whole number",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: math.ceil(percent / 100 * n)),
        "0.28 * 25",
    ),
    (exercises.check_exact_quota, "lets ties in", _up_to_the_limit, "Which come first"),
    (
        exercises.check_exact_quota,
        "row numbers instead of a mask",
        lambda loss, labels, percent: np.flatnonzero(_by_class(loss, labels, lambda n: -(-percent * n // 100))),
        "right is",
    ),
    (
        exercises.check_exact_quota,
        "0 and 1 instead of a mask",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: -(-percent * n // 100)).astype(int),
        "bool is wanted",
    ),
    (exercises.check_diverse_selection, "no reward", lambda l, g, age, r: l < age, "the first sample of a group earn"),
    (
        exercises.check_diverse_selection,
        "SPLD's own threshold",
        lambda l, g, age, r: _spld(l, g, lambda i: age + r(1) / (i**0.5 + (i - 1) ** 0.5)),
        "square root",
    ),
    (
        exercises.check_diverse_selection,
        "the whole reward for every sample",
        lambda l, g, age, r: _spld(l, g, lambda i: age + r(i)),
        "*add*",
    ),
    (
        exercises.check_diverse_selection,
        "ranks over all groups",
        lambda l, g, age, r: _spld(l, g * 0, lambda i: age + r(i) - r(i - 1)),
        "other groups",
    ),
    (
        exercises.check_diverse_selection,
        "in the order of the array",
        lambda l, g, age, r: _spld(l, g, lambda i: age + r(i) - r(i - 1), by=np.arange(len(l))),
        "In which order",
    ),
    (
        exercises.check_complexity,
        "N counts the selected",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(chosen.mean()) / len(chosen)),
        "become rarer",
    ),
    (
        exercises.check_complexity,
        "the loss of all",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(own.mean()) / len(own)),
        "have a say",
    ),
    (
        exercises.check_complexity,
        "mean of exponentials",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(chosen).mean() / len(own)),
        "exponential of the mean",
    ),
    (
        exercises.check_complexity,
        "0 where nothing is selected",
        lambda *a: np.nan_to_num(_complexities(*a, lambda own, chosen: np.exp(chosen.mean()) / len(own))),
        "right is",
    ),
    (
        exercises.check_cost_weights,
        "the paper's orientation",
        lambda cm: _first_column(cm, transposed=True),
        "worth more",
    ),
    (
        exercises.check_cost_weights,
        "never looks at other pairs",
        lambda cm: _first_column(cm, check=False),
        "*every* pair",
    ),
    (
        exercises.check_cost_weights,
        "the first weight is 1",
        lambda cm: _first_column(cm, smallest=False),
        "should be 1",
    ),
    (exercises.check_cost_weights, "sums of costs", lambda cm: cm.sum(axis=0) / cm.sum(axis=0).min(), "Check a pair"),
    (exercises.check_reconstruction, "no caps", lambda *a: _handed_out(*a, caps=False), "Where are the two caps"),
    (
        exercises.check_reconstruction,
        "argsort taken for a rank",
        lambda *a: _handed_out(*a, order=lambda values: np.argsort(np.argsort(values))),
        "which class comes at each place",
    ),
    (
        exercises.check_reconstruction,
        "most to the easy",
        lambda *a: _handed_out(*a, order=lambda v: np.argsort(-v)),
        "Who should show",
    ),
    (exercises.check_reconstruction, "small classes lose", lambda *a: _handed_out(*a, protect=False), "smaller than m"),
    (
        exercises.check_vote_loss,
        "margins instead of votes",
        lambda m, y: _softmax_loss(m.sum(axis=1), y),
        "Double all margins",
    ),
    (
        exercises.check_vote_loss,
        "shares instead of a softmax",
        lambda m, y: -np.log((m > 0).sum(axis=1)[y] / (m > 0).sum()),
        "no softmax",
    ),
    (exercises.check_vote_loss, "counts the lost duels", lambda m, y: _softmax_loss((m < 0).sum(axis=1), y), "Who won"),
    (
        exercises.check_vote_loss,
        "votes behind the winner",
        lambda m, y: float((m > 0).sum(axis=1).max() - (m > 0)[y].sum()),
        "really 0",
    ),
    (exercises.check_balanced_share, "no shares", lambda b, a, w: a * w / b, "who has gained"),
    (exercises.check_balanced_share, "forgets the duplicates", lambda b, a, w: _say(b * w) / _say(b), "the duplicates"),
    (exercises.check_balanced_share, "forgets the weights", lambda b, a, w: _say(a) / _say(b), "the penalty weights"),
    (
        exercises.check_balanced_share,
        "duplicates weigh 1",
        lambda b, a, w: _say(b * w + a - b) / _say(b),
        "weigh less than the sample",
    ),
    (
        exercises.check_leak,
        "keeps the first of the best",
        lambda v, t, f: _promised(v, t, f, last=False),
        "equally good",
    ),
    (exercises.check_leak, "any epoch", lambda v, t, f: _promised(v, t, 1), "From which epoch"),
    (
        exercises.check_leak,
        "validation accuracy as the honest one",
        lambda v, t, f: _promised(v, t, f, by_own=True),
        "test pictures too",
    ),
    (exercises.check_leak, "counts epochs from 0", lambda v, t, f: _promised(v, t, min(f + 1, len(t))), "count from 1"),
    (exercises.check_g_mean, "arithmetic", lambda m, dead: sum(_recalls(m)) / len(_recalls(m)), "a product"),
    (
        exercises.check_g_mean,
        "absent classes count",
        lambda m, dead: math.prod(r or dead for r in _recalls(m)) ** (1 / len(m)),
        "a class without samples gives none",
    ),
    (
        exercises.check_g_mean,
        "a product that is too small for a float",
        lambda m, dead: math.prod(r or dead for r in _recalls(m)) ** (1 / len(_recalls(m))),
        "to a float",
    ),
    (
        exercises.check_g_mean,
        "raises low recalls",
        lambda m, dead: _geometric([max(r, dead) for r in _recalls(m)]),
        "low recall dead",
    ),
    (
        exercises.check_g_mean,
        "precision",
        lambda m, dead: _geometric([r or dead for r in _recalls(m.T)]),
        "Rows are true",
    ),
    (
        exercises.check_g_mean,
        "precision, and absent classes divide by 0",
        lambda m, dead: _mean_of_logs(np.diag(m) / m.sum(axis=0), dead),
        "Rows are true",
    ),
    (
        exercises.check_g_mean,
        "a product of precisions, without dead",
        lambda m, dead: (np.diag(m) / m.sum(axis=0)).prod() ** (1 / len(m)),
        "Rows are true",
    ),
    (
        exercises.check_g_mean,
        "a product without dead",
        lambda m, dead: math.prod(_recalls(m)) ** (1 / len(_recalls(m))),
        "dead class count as",
    ),
    (
        exercises.check_g_mean,
        "without dead, and absent classes divide by 0",
        lambda m, dead: _mean_of_logs(np.diag(m) / m.sum(axis=1), 0),
        "dead class count as",
    ),
    (
        exercises.check_g_mean,
        "leaves dead classes out",
        lambda m, dead: _geometric([r for r in _recalls(m) if r]),
        "dead class count as",
    ),
    (
        exercises.check_g_mean,
        "absent classes divide by 0",
        lambda m, dead: _mean_of_logs(np.diag(m) / m.sum(axis=1), dead),
        "can a class without samples be recognised",
    ),
    (
        exercises.check_g_mean,
        "a product in which absent classes are dead",
        lambda m, dead: math.prod(r or dead for r in np.diag(m) / np.maximum(m.sum(axis=1), 1)) ** (1 / len(m)),
        "not in the test at all",
    ),
    (exercises.check_rank_auc, "a tie is lost", lambda own, other: _duels_won(own, other, 0.0), "What is a tie worth"),
    (exercises.check_rank_auc, "a tie is won", lambda own, other: _duels_won(own, other, 1.0), "What is a tie worth"),
    (
        exercises.check_rank_auc,
        "ties broken by order",
        lambda own, other: (
            (np.argsort(np.argsort([*other, *own], kind="stable"))[len(other) :].sum() - len(own) * (len(own) - 1) / 2)
            / len(own)
            / len(other)
        ),
        "What is a tie worth",
    ),
    (exercises.check_rank_auc, "the other way round", lambda own, other: _duels_won(other, own, 0.5), "Whose higher"),
    (
        exercises.check_paired_p,
        "pairs by place",
        lambda a, b: _flipped(
            [x - y for x, y in zip(a.values(), b.values(), strict=True)], lambda way, seen: abs(way) >= abs(seen) - 1e-9
        ),
        "the same seed",
    ),
    (
        exercises.check_paired_p,
        "one-sided",
        lambda a, b: _flipped(_by_seed(a, b), lambda way, seen: way >= seen - 1e-9),
        "the opposite",
    ),
    (
        exercises.check_paired_p,
        "only what is farther",
        lambda a, b: _flipped(_by_seed(a, b), lambda way, seen: abs(way) > abs(seen) + 1e-9),
        "Are they counted",
    ),
    (
        exercises.check_paired_p,
        "trusts equal floats",
        lambda a, b: _flipped(_by_seed(a, b), lambda way, seen: abs(way) >= abs(seen)),
        "right is",
    ),
    (exercises.check_paired_p, "no pairs", _unpaired, "right is"),
    (
        exercises.check_harmonized_weights,
        "divides by all bins",
        lambda z, y, valid, bins: _harmonized(z, y, valid, bins, filled=False),
        "some bins are empty",
    ),
    (
        exercises.check_harmonized_weights,
        "what is not valid crowds the bins",
        lambda z, y, valid, bins: _harmonized(z, y, valid, bins, counting=np.ones(len(z))),
        "more crowded",
    ),
    (
        exercises.check_harmonized_weights,
        "loses the last edge",
        lambda z, y, valid, bins: _harmonized(z, y, valid, bins, edge=False),
        "a norm of exactly 1",
    ),
    (
        exercises.check_harmonized_weights,
        "bins of probabilities",
        lambda z, y, valid, bins: _harmonized(z, y, valid, bins, norm=lambda z: 1 / (1 + np.exp(-z))),
        "the gradient norm of a yes",
    ),
    (
        exercises.check_smoothed_counts,
        "no correction",
        lambda counts, momentum: _smoothed(counts, momentum, corrected=False),
        "After one update",
    ),
    (
        exercises.check_smoothed_counts,
        "counts steps, not updates",
        lambda counts, momentum: _smoothed(counts, momentum, own=False),
        "How often was a bin updated",
    ),
    (
        exercises.check_smoothed_counts,
        "empty bins fade",
        lambda counts, momentum: _smoothed(counts, momentum, keeps=False),
        "that is empty at this step",
    ),
    (exercises.check_smoothed_counts, "a plain mean", lambda counts, momentum: counts.mean(axis=0), "count most"),
]

RIGHT = [
    (
        exercises.check_class_counts,
        "by a loop over powers, as a list",
        lambda c, n, f: [int(np.floor(n / max(f, 1 / f) ** (k / (c - 1)) + 0.5)) for k in range(c)],
    ),
    (
        exercises.check_achieved_factor,
        "by a loop",
        lambda sizes, factor: (lambda kept: max(kept) / min(kept))(
            [int(n / factor + 0.5) if c % 2 else int(n) for c, n in enumerate(sizes)]
        ),
    ),
    (
        exercises.check_clean_training_rows,
        "by sets",
        lambda g, a, b: [row for row in a.tolist() if g[row] not in set(g[b].tolist())],
    ),
    (exercises.check_prepare, "by assignment", lambda p, m, s, rng: _moved(p, m, s, rng.integers(0, 2, len(p)) == 1)),
    (
        exercises.check_prepare,
        "picture by picture, in float32",
        lambda p, m, s, rng: np.stack(
            [(one[..., :: rng.choice([-1, 1])] - m[:, None, None]) / s[:, None, None] for one in p]
        ).astype(np.float32),
    ),
    (exercises.check_balanced_order, "by stacking", _rounds),
    (exercises.check_macro_f1, "from right and wrong answers", _f1_by_loops),
    (exercises.check_root_weights, "by cases", lambda loss, age: [1 if l <= age else (age / l) ** 2 for l in loss]),
    (
        exercises.check_exact_quota,
        "by sorting pairs, and a ceiling of whole numbers",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: (percent * n + 99) // 100),
    ),
    (
        exercises.check_exact_quota,
        "a division of whole numbers by floats",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: math.ceil(percent * n / 100)).tolist(),
    ),
    (exercises.check_diverse_selection, "all selections tried", _best_of_all),
    (
        exercises.check_complexity,
        "by loops",
        lambda *a: _complexities(*a, lambda own, chosen: math.exp(sum(chosen) / len(chosen)) / len(own)),
    ),
    (exercises.check_cost_weights, "by least squares of logarithms", _by_least_squares),
    (exercises.check_reconstruction, "class by class", _handed_out),
    (exercises.check_vote_loss, "by loops", lambda m, y: _softmax_loss([sum(x > 0 for x in row) for row in m], y)),
    (
        exercises.check_balanced_share,
        "sample by sample",
        lambda b, a, w: [
            sum([w[c]] * a[c]) / sum(w[k] for k in range(len(w)) for _ in range(a[k])) / (b[c] / sum(b))
            for c in range(len(b))
        ],
    ),
    (exercises.check_leak, "by a key", _promised),
    (exercises.check_g_mean, "by loops", lambda m, dead: _geometric([r or dead for r in _recalls(m)])),
    (exercises.check_rank_auc, "pair by pair", lambda own, other: _duels_won(own, other, 0.5)),
    (
        exercises.check_paired_p,
        "in whole hundredths",
        lambda a, b: _flipped([round(100 * d) for d in _by_seed(a, b)], lambda way, seen: abs(way) >= abs(seen)),
    ),
    (exercises.check_harmonized_weights, "element by element", _harmonized),
    (exercises.check_smoothed_counts, "bin by bin", _smoothed),
]
