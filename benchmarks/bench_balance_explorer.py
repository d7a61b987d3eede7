"""Speed of the balance explorer's head against plain ``SVC.fit`` on duplicated rows, and of its picture against a new figure.

Run with: ``python -m pytest benchmarks/bench_balance_explorer.py -s --benchmark-disable-gc``
"""

import balance_at_lesions_size
import bench_widgets
import numpy as np
import pytest
import stopwatch
from sklearn.svm import SVC

from spbl_nb import balance, pace
from spbl_nb.plots import style as drawing

CELLS = {
    "explorer": "balance_at_lesions_size.explorer()",
    "interact": "%matplotlib inline\nbalance_at_lesions_size.under_interact()",
}
SETTINGS = {
    "sorted": {},
    "released": {"assignment": "released"},
    "half admitted": {"share": 0.5},
    "free to shrink": {"keep_factor": 0.0},
}
PENALTIES = np.linspace(1.5, 49.5, 17).tolist()


@pytest.mark.parametrize("name", SETTINGS)
def bench_refit_against_svc(benchmark, name):
    explorer = balance_at_lesions_size.explorer()
    cached = explorer.cached

    def plain(max_cost):
        """What a slider step costs without the cached kernel: fit on the duplicated rows, predict the validation rows."""
        settings = explorer.settings(max_cost=max_cost, **SETTINGS[name])
        selected = pace.select_easiest(cached.loss, cached.labels, settings["share"])
        before = np.bincount(cached.labels[selected])
        complexity = balance.class_complexity(cached.loss, cached.labels, selected, len(cached.names))
        weights = balance.penalty_weights(complexity, settings["assignment"], max_cost)
        after = balance.reconstruct_curriculum(before, complexity, settings["max_added"], settings["keep_factor"])
        rows = np.flatnonzero(selected)[balance.resample(cached.labels[selected], after - before, 0)]
        svc = SVC(gamma="auto").fit(cached.features[rows], cached.labels[rows], weights[cached.labels[rows]])
        return svc.predict(cached.validation_features)

    def ours(max_cost):
        return explorer.solve(**explorer.settings(max_cost=max_cost, **SETTINGS[name]))

    recall = ours(20.0).balanced.recall
    predicted = plain(20.0)
    rival_recall = np.mean([(predicted == c)[cached.validation_labels == c].mean() for c in range(len(cached.names))])
    assert recall == pytest.approx(rival_recall), "both must judge the same head"
    quick, slow = stopwatch.median_ms(ours, PENALTIES), stopwatch.median_ms(plain, PENALTIES)
    benchmark.pedantic(ours, args=(10.0,), rounds=10, warmup_rounds=1)
    benchmark.extra_info["ratio"] = slow / quick
    print(f"\n{name}: refit {quick:.1f} ms; SVC on duplicated rows {slow:.1f} ms; {slow / quick:.1f} times as fast")


@pytest.mark.parametrize("name", SETTINGS)
def bench_render_against_a_new_figure(benchmark, name):
    explorer = balance_at_lesions_size.explorer()
    stopwatch.compare_rendering(benchmark, name, explorer, "max_cost", PENALTIES, **SETTINGS[name])


def bench_labels_against_texts(benchmark):
    """Draw forty short texts as one artist and as one artist each."""
    figure = drawing.new_figure(9, 5)
    axes = figure.subplots()
    places, words = np.linspace(0.05, 0.95, 40), [f"{number}\n+{number}" for number in range(40)]
    labels = drawing.Labels(axes)
    labels.put(places, places, words)
    texts = [axes.text(x, x, word, ha="center", va="bottom", fontsize=8) for x, word in zip(places, words, strict=True)]
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    rival = stopwatch.median_ms(lambda _: [text.draw(renderer) for text in texts], PENALTIES)
    ours = stopwatch.median_ms(lambda _: labels.draw(renderer), PENALTIES)
    benchmark.pedantic(labels.draw, args=(renderer,), rounds=20, warmup_rounds=1)
    benchmark.extra_info["ratio"] = rival / ours
    print(f"\nforty texts: one artist {ours:.1f} ms; one each {rival:.1f} ms; {rival / ours:.1f} times as fast")


@pytest.mark.browser
def bench_key_to_picture_against_interact(benchmark, tmp_path):
    """Press the arrow keys in both, on the slider of the largest penalty, and wait for the picture each time."""
    bench_widgets.compare_in_the_browser(benchmark, tmp_path, "balance_at_lesions_size", CELLS)
