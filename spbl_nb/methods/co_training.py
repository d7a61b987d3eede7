"""Self-paced co-training (SPaCo): two networks teach each other with the samples they are sure of.

Only a share of the training rows keeps its labels. Each network admits the unlabelled samples it is most confident of,
leaning towards those that the other has admitted, and trains on with their pseudo labels.
"""

import numpy as np

from spbl_nb import pace, training
from spbl_nb.methods.job import Job, Result, part_of_each_class, shares_of, stage_of

AGREEMENT = 0.3  # added to the confidence in samples that the other view has selected
RATIO_STEP = 0.5  # growth of the admitted share from one view's training to the next


def train_spaco(job: Job) -> Result:
    """Train two networks by self-paced co-training (Ma et al. 2017, and its release), within one common step budget.

    The labelled rows are ceil(``labelled_share`` * N_c) of each class. In each of ``paces`` rounds each view in turn
    takes, per predicted class c, the ceil(count_c * ratio) samples it is surest of, count_c counted on the labelled
    rows and the ratio growing by one half each time; pseudo labels are the argmax of the summed probabilities.
    """
    config, data = job.config, job.data
    labelled, unlabelled = part_of_each_class(data.labels, job.split.train, config.labelled_share, job.seed)
    if len(unlabelled) == 0:
        raise ValueError(
            f"labelled_share is {config.labelled_share:g}, which leaves none of {len(labelled)} rows unlabelled; "
            "take a smaller share"
        )
    counts = data.counts(labelled)
    views = [job.network(config.model), job.network(config.second_model)]
    result = Result(job.method, views)
    steps = iter(shares_of(training.step_budget(config, len(job.split.train)), 2 * (config.paces + 1)))

    def train(view: int, stage: str, rows: np.ndarray, labels: np.ndarray) -> None:
        name, stage_config = f"{stage}-view-{view + 1}", stage_of(config, next(steps))
        result.add(training.fit(views[view], data, rows, stage_config, **job.options(name), labels=labels), name)

    for view in range(2):
        train(view, "start", labelled, data.labels[labelled])
    selected = [np.zeros(len(unlabelled), dtype=bool) for _ in views]
    probability = [training.predict(model, data, unlabelled, config).probability for model in views]
    ratio, admitted = 0.0, []
    for index in range(1, config.paces + 1):
        for view in range(2):
            ratio += RATIO_STEP
            predicted = (probability[0] + probability[1]).argmax(axis=1)
            confidence = probability[view][np.arange(len(unlabelled)), predicted] + AGREEMENT * selected[1 - view]
            selected[view] = pace.co_select(confidence, predicted, counts * ratio, 1.0)
            chosen = selected[view]
            rows = np.concatenate([labelled, unlabelled[chosen]])
            labels = np.concatenate([data.labels[labelled], predicted[chosen]])
            train(view, f"round-{index}", rows, labels)
            probability[view] = training.predict(views[view], data, unlabelled, config).probability
            admitted.append({"round": index, "view": view + 1, "ratio": ratio, "selected": int(chosen.sum())})
    result.details |= {"labelled": len(labelled), "unlabelled": len(unlabelled), "rounds": admitted}
    return result
