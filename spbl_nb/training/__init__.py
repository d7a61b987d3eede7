from spbl_nb.training.loop import (
    Fit,
    Loss,
    Prediction,
    accelerator_for,
    cache_features,
    fit,
    generator_for,
    learning_rate_factor,
    predict,
    step_budget,
    torch_threads,
)

__all__ = [
    "Fit",
    "Loss",
    "Prediction",
    "accelerator_for",
    "cache_features",
    "fit",
    "generator_for",
    "learning_rate_factor",
    "predict",
    "step_budget",
    "torch_threads",
]
