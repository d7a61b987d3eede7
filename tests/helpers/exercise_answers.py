"""Wrong answers to the exercises, each a real misconception: (checker, words that the verdict must hold, the function)."""

import math

import numpy as np

from spbl_nb import exercises


def _tail(count, largest, factor, rounding):
    factor = max(factor, 1 / factor)
    return np.array([rounding(largest * factor ** (-c / (count - 1))) for c in range(count)]).astype(int)


def _thinned(sizes, factor, first=1, rounding=np.round):
    kept = sizes.astype(float)
    kept[first::2] = rounding(kept[first::2] / factor)
    return kept.max() / kept.min()


def _moved(images, mean, std, mirrored, axis=-1):
    batch = (images.astype(float) - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    batch[mirrored] = np.flip(batch[mirrored], axis)
    return batch


def _rounds(labels, rng, blocks=False):
    counts = np.bincount(labels)
    rows = [np.resize(rng.permutation(np.flatnonzero(labels == c)), counts.max()) for c in range(len(counts))]
    return np.concatenate(rows) if blocks else rng.permutation(np.ravel(rows))


def _first_ones(labels, rng):
    counts = np.bincount(labels)
    repeated = [np.repeat(np.flatnonzero(labels == c), -(-counts.max() // counts[c])) for c in range(len(counts))]
    return rng.permutation(np.concatenate([rows[: counts.max()] for rows in repeated]))


def _f1_of(confusion):
    return 2 * np.diag(confusion) / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)


def _harmonic_of_means(confusion):
    here = confusion.sum(axis=1) > 0
    right = np.diag(confusion)
    precision, recall = (np.nan_to_num(right / confusion.sum(axis=axis))[here].mean() for axis in (0, 1))
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _by_class(loss, labels, quota):
    selected = np.zeros(len(loss), dtype=bool)
    for c in set(labels.tolist()):
        own = sorted(np.flatnonzero(labels == c), key=lambda i: (loss[i], i))
        selected[own[: quota(len(own))]] = True
    return selected


def _spld(loss, groups, threshold):
    rank = [1 + sum(loss[k] < loss[i] for k in range(len(loss)) if groups[k] == groups[i]) for i in range(len(loss))]
    return np.array([loss[i] < threshold(rank[i]) for i in range(len(loss))])


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
    def best(accuracy):
        return max(range(first - 1, len(test)), key=lambda e: (accuracy[e], e if last else -e))

    return test[best(test)] - (validation if by_own else test)[best(validation)]


def _harmonized(logits, target, valid, bins, filled=True, counted=None, edge=True):
    norms = [abs(1 / (1 + math.exp(-z)) - y) if z > -700 else y for z, y in zip(logits, target, strict=True)]
    bin_of = [min(int(g * bins), bins - 1) for g in norms]
    crowd = [b for b, counts in zip(bin_of, valid if counted is None else counted, strict=True) if counts]
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


def _root(values, degree):
    return 0.0 if min(values) == 0 else math.exp(sum(math.log(value) for value in values) / degree)


def _pairs_won(own, other, tie):
    return sum(1.0 if a > b else tie if a == b else 0.0 for a in own for b in other) / (len(own) * len(other))


def _flipped(differences, far):
    ways = [0.0]
    for difference in differences:
        ways = [way + sign * difference for way in ways for sign in (1, -1)]
    return sum(far(way, sum(differences)) for way in ways) / len(ways)


def _by_seed(ours, theirs):
    return [ours[seed] - theirs[seed] for seed in sorted(ours)]


def _by_place(ours, theirs):
    return np.subtract([*ours.values()], [*theirs.values()])


def _as_far(way, seen):
    return abs(way) >= abs(seen) - 1e-9


WRONG = [
    (exercises.check_class_counts, "a half fall", lambda c, n, f: _tail(c, n, f, round)),
    (exercises.check_class_counts, "2.7 samples", lambda c, n, f: _tail(c, n, f, int)),
    (
        exercises.check_class_counts,
        "A tail falls",
        lambda c, n, f: np.array([int(n * f ** (-k / (c - 1)) + 0.5) for k in range(c)]),
    ),
    (exercises.check_achieved_factor, "asked for", lambda sizes, factor: factor),
    (exercises.check_achieved_factor, "from 0", lambda s, f: _thinned(s, f, first=0)),
    (exercises.check_achieved_factor, "a part of a sample", lambda s, f: _thinned(s, f, rounding=lambda x: x)),
    (exercises.check_clean_training_rows, "which *lesions* are", lambda g, a, b: np.setdiff1d(a, b)),
    (exercises.check_clean_training_rows, "numbers with group numbers", lambda g, a, b: a[~np.isin(a, g[b])]),
    (exercises.check_clean_training_rows, "never training rows", lambda g, a, b: np.flatnonzero(~np.isin(g, g[b]))),
    (
        exercises.check_prepare,
        "a coin for each",
        lambda p, m, s, rng: _moved(p, m, s, np.full(len(p), rng.random() < 0.5)),
    ),
    (exercises.check_prepare, "on its head", lambda p, m, s, rng: _moved(p, m, s, rng.random(len(p)) < 0.5, axis=-2)),
    (
        exercises.check_prepare,
        "same generator",
        lambda p, m, s, rng: _moved(p, m, s, np.random.default_rng().random(len(p)) < 0.5),
    ),
    (
        exercises.check_prepare,
        "asked at all",
        lambda p, m, s, rng: _moved(p, m, s, np.random.default_rng(0).random(len(p)) < 0.5),
    ),
    (exercises.check_balanced_order, "every class should come", lambda labels, rng: rng.permutation(len(labels))),
    (exercises.check_balanced_order, "of the same class", _first_ones),
    (exercises.check_balanced_order, "order random", lambda labels, rng: _rounds(labels, rng, blocks=True)),
    (exercises.check_balanced_order, "asked at all", lambda labels, rng: _rounds(labels, np.random.default_rng(0))),
    (exercises.check_macro_f1, "the mean of the F1s", _harmonic_of_means),
    (exercises.check_macro_f1, "What is it called", lambda m: np.trace(m) / m.sum()),
    (exercises.check_macro_f1, "without samples", lambda m: _f1_of(m).mean()),
    (exercises.check_root_weights, "larger than 1", lambda loss, age: (age / loss) ** 2),
    (exercises.check_root_weights, "Try a small v", lambda loss, age: 1.0 * (loss < age)),
    (exercises.check_root_weights, "derivative", lambda loss, age: np.minimum(1, age / np.maximum(loss, 1e-12))),
    (
        exercises.check_exact_quota,
        "the easiest of all",
        lambda loss, labels, percent: _by_class(loss, labels * 0, lambda n: -(-percent * n // 100)),
    ),
    (
        exercises.check_exact_quota,
        "Rounded down",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: percent * n // 100),
    ),
    (
        exercises.check_exact_quota,
        "0.28 * 25",
        lambda loss, labels, percent: _by_class(loss, labels, lambda n: math.ceil(percent / 100 * n)),
    ),
    (exercises.check_diverse_selection, "the first sample of a group earn", lambda l, g, age, r: l < age),
    (
        exercises.check_diverse_selection,
        "square root",
        lambda l, g, age, r: _spld(l, g, lambda i: age + r(1) / (i**0.5 + (i - 1) ** 0.5)),
    ),
    (exercises.check_diverse_selection, "*add*", lambda l, g, age, r: _spld(l, g, lambda i: age + r(i))),
    (
        exercises.check_complexity,
        "become rarer",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(chosen.mean()) / len(chosen)),
    ),
    (
        exercises.check_complexity,
        "have a say",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(own.mean()) / len(own)),
    ),
    (
        exercises.check_complexity,
        "exponential of the mean",
        lambda *a: _complexities(*a, lambda own, chosen: np.exp(chosen).mean() / len(own)),
    ),
    (exercises.check_cost_weights, "worth more", lambda cm: _first_column(cm, transposed=True)),
    (exercises.check_cost_weights, "*every* pair", lambda cm: _first_column(cm, check=False)),
    (exercises.check_cost_weights, "should be 1", lambda cm: _first_column(cm, smallest=False)),
    (
        exercises.check_reconstruction,
        "which class comes at each place",
        lambda *a: _handed_out(*a, order=lambda values: np.argsort(np.argsort(values))),
    ),
    (exercises.check_reconstruction, "Where are the two caps", lambda *a: _handed_out(*a, caps=False)),
    (exercises.check_reconstruction, "smaller than m", lambda *a: _handed_out(*a, protect=False)),
    (exercises.check_vote_loss, "Double all margins", lambda m, y: _softmax_loss(m.sum(axis=1), y)),
    (exercises.check_vote_loss, "no softmax", lambda m, y: -np.log((m > 0).sum(axis=1)[y] / (m > 0).sum())),
    (exercises.check_vote_loss, "Who won", lambda m, y: _softmax_loss((m < 0).sum(axis=1), y)),
    (exercises.check_balanced_share, "who has gained", lambda b, a, w: a * w / b),
    (exercises.check_balanced_share, "the duplicates", lambda b, a, w: _say(b * w) / _say(b)),
    (exercises.check_balanced_share, "the penalty weights", lambda b, a, w: _say(a) / _say(b)),
    (exercises.check_leak, "equally good", lambda v, t, f: _promised(v, t, f, last=False)),
    (exercises.check_leak, "From which epoch", lambda v, t, f: _promised(v, t, 1)),
    (exercises.check_leak, "test images too", lambda v, t, f: _promised(v, t, f, by_own=True)),
    (exercises.check_harmonized_weights, "some bins are empty", lambda *a: _harmonized(*a, filled=False)),
    (exercises.check_harmonized_weights, "a norm of exactly 1", lambda *a: _harmonized(*a, edge=False)),
    (exercises.check_harmonized_weights, "more crowded", lambda *a: _harmonized(*a, counted=np.ones(len(a[0])))),
    (exercises.check_smoothed_counts, "After one update", lambda *a: _smoothed(*a, corrected=False)),
    (exercises.check_smoothed_counts, "How often was a bin updated", lambda *a: _smoothed(*a, own=False)),
    (exercises.check_smoothed_counts, "that is empty at this step", lambda *a: _smoothed(*a, keeps=False)),
    (exercises.check_g_mean, "one dead class do to a product", lambda m, dead: np.mean(_recalls(m))),
    (exercises.check_g_mean, "Of how many factors", lambda m, dead: _root([r or dead for r in _recalls(m)], len(m))),
    (
        exercises.check_g_mean,
        "to a float",
        lambda m, dead: math.prod(r or dead for r in _recalls(m)) ** (1 / len(_recalls(m))),
    ),
    (exercises.check_rank_auc, "What is a tie worth", lambda own, other: _pairs_won(own, other, 0.0)),
    (exercises.check_rank_auc, "What is a tie worth", lambda own, other: _pairs_won(own, other, 1.0)),
    (exercises.check_rank_auc, "Whose higher", lambda own, other: _pairs_won(other, own, 0.5)),
    (exercises.check_paired_p, "the same seed", lambda a, b: _flipped(_by_place(a, b), _as_far)),
    (
        exercises.check_paired_p,
        "the opposite",
        lambda a, b: _flipped(_by_seed(a, b), lambda way, seen: way >= seen - 1e-9),
    ),
    (
        exercises.check_paired_p,
        "Are they counted",
        lambda a, b: _flipped(_by_seed(a, b), lambda way, seen: abs(way) > abs(seen) + 1e-9),
    ),
]
