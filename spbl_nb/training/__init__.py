from spbl_nb.training.devices import accelerator_for, broadcast_from_main, is_main_process, process_count, torch_threads
from spbl_nb.training.loop import (
    Fit,
    Loss,
    Prediction,
    cache_features,
    fit,
    generator_for,
    learning_rate_factor,
    predict,
    step_budget,
)
