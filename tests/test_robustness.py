"""Malformed arguments to every function a user calls, and changed files to every reader: a clear refusal or an answer.

Quick and the same in every run. The variable ``SPBL_NB_FUZZ=N`` makes N cases of each (300 take about half an hour), and
``python tests/fuzz_sweep.py N [NAME ...]`` runs the same with figures, and lists what was accepted.
"""

import importlib
import os
import pkgutil
from pathlib import Path

import fuzz
import numpy as np
import pytest
from fuzz_calls import LABELS, LOSS
from fuzz_files import READERS
from fuzz_sweep import CALLS, sweep, sweep_files

import spbl_nb
from spbl_nb import checks

EXAMPLES = int(os.environ.get("SPBL_NB_FUZZ", "16"))

# Modules whose functions are called by other modules with values already checked, or that work on files: READERS has these.
LEFT_OUT = {
    "the engine of batch work, kernels and notebooks": "batch cluster forked_kernels kernel_memory kernel_server kernels "
    "notebook_runner processes reproduce single_run uninterrupted",
    "pages, reports and lint: what they are given, this package has made": "accessible book controls detection_runs drawing "
    "fingerprints front_page glossary_lint loss_columns notebook_lint provenance published rank_plots rendering report "
    "report_plots report_tables report_words tables widgets",
    "checkers' own tools: the checkers themselves are swept": "exercise_checks checks.as_array checks.class_number "
    "checks.instance checks.sequence checks.texts",
    "stages of a training, on a checked job": "cached_head.CachedHead co_training decoupled jobs rivals spbl_variants svm",
    "drawing of pictures, behind lesions.draw and data.load": "embedded lesion_painting lesions.checked_difficulty "
    "lesions.scenes_of_class data.options",
    "readers and files: swept as READERS, with changed files": "archives cache_building checkpoints corals data_check "
    "detection_readers files idx_files letterbox listings photo_sets picture_cache picture_files protocols readers "
    "result_files series settings_file source_hashes staging",
    "places, versions and checks of the machine": "environment places",
    "tensors on their way through a network or a loss": "batches loss_inputs gradient_harmonizing.GradientDensity "
    "gradient_harmonizing.count_in_bins gradient_harmonizing.harmonized_weights",
    "behind boxes.checked and DetectionData": "average_precision.per_class boxes.areas boxes.clipped boxes.described "
    "boxes.overlap detectors.BatchTransform detectors.Head detectors.Losses detectors.SmallBackbone",
    "tensors and figures of a detector's training, behind detection_data.load and detectors.build": "detection.fit "
    "detection.moved detection.predict",
    "behind ImageData and DetectionData": "images.official_parts",
    "stages of a run behind methods.run and spbl.run": "self_paced.feature_clusters self_paced.run_paces self_paced.train_spl "
    "self_paced.train_spld self_paced.weigh self_paced.weighted_loss spbl.first_kept_epoch spbl.run_paces "
    "spbl.steps_of_stages spbl.train_spbl training.accelerator_for training.cache_features training.learning_rate_factor "
    "training.step_budget training.torch_threads",
    "records that the package itself fills in": "balance_explorers.Balanced ghm_explorers.Harmonized grid.Cell grid.Plan "
    "images.PictureRows lesion_classes.LesionClass lesion_groups.LesionGroups lesions.Lesions methods.Result metrics.PerClass "
    "metrics.Report models.Classifier original_names.Meaning original_names.Name pace_exercises.Reward "
    "pace_explorers.Selection parameters.Kind parameters.Parameter ranking.Ranking runs.Run runs.Saved runs.Scan "
    "self_paced.SelfPacedRecord spbl.PaceRecord statistics.Comparison statistics.Interval statistics.SignFlipTest "
    "training.Fit training.Prediction",
    "errors": "balance.InconsistentCostError parameters.ParameterError runs.BrokenRun runs.OtherVersion runs.RunConflict",
    "of a whole data set, figure, grid or notebook, which are checked where they are made": "splits.group_leaks "
    "plots.difficulty_bar plots.draw_confusion plots.png_bundle plots.show plots.show_png plots.to_png "
    "spbl_explorers.loop_diagram spbl_explorers.pace_table grid.plan grid.run_grid html_pages.heading "
    "html_pages.to_html html_pages.write_index parameters.of_file cli.main command_line.parser command_line.words "
    "runs.differences runs.fingerprint runs.load "
    "runs.publish runs.record_sha256 runs.scan runs.standing",
    "small helpers": "lesion_classes.sibling models.published_weights original_names.table",
}


def _public():
    """Return the names of all public functions and classes, as module.name."""
    for found in pkgutil.iter_modules(spbl_nb.__path__):
        module = importlib.import_module(f"spbl_nb.{found.name}")
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and not name.startswith("_") and callable(value):
                yield f"{found.name}.{name}"


def test_every_public_name_is_swept_or_left_out_for_a_reason():
    left_out = {name for names in LEFT_OUT.values() for name in names.split()}
    public = set(_public())
    swept = {name.partition(" ")[0] for name in CALLS}
    assert sorted(name for name in public - swept if not {name, name.partition(".")[0]} & left_out) == []
    known = public | {name.partition(".")[0] for name in public}
    assert sorted(name for name in left_out - known) == [], "left out, but not there"


@pytest.mark.parametrize("name", CALLS)
def test_a_malformed_argument_is_refused_in_words_or_answered(name):
    assert sweep(CALLS[name], EXAMPLES) == {}


@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_refused_in_words_or_read(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "the cache"))
    assert sweep_files(READERS[name], tmp_path, EXAMPLES) == {}


def test_the_sweep_finds_faults():
    """A negative control: what is no clear refusal counts as a fault, and what is one does not."""

    def wrong(call, **options):
        return fuzz.fault(call, **options)[1]

    assert wrong(lambda: [][1]).startswith("IndexError")
    assert wrong(lambda: np.zeros(3) + np.zeros(2)).startswith("ValueError"), "raised by NumPy, not by us"
    assert wrong(lambda: np.ones(3) / 0).startswith("RuntimeWarning")
    assert wrong(lambda: np.empty(10**12)).startswith("MemoryError")
    assert wrong(lambda: np.empty(10**12), huge=True) is None
    assert wrong(lambda: checks.real("x", "y")) is None
    assert wrong(lambda: Path("there is no such file").read_text()) is None
    assert not fuzz.alike([np.ones(2), 1.5], [np.ones(2), 1.0])


@pytest.mark.parametrize("values", [np.array([1 + 2j]), ["1.5"], np.ma.masked_array([1.0], [True]), [10**400]])
def test_what_would_be_read_as_other_numbers_is_refused(values):
    with pytest.raises(ValueError, match="x "):
        checks.float_array("x", values)


ARRAYS = np.array([np.zeros(2), *range(len(LABELS) - 1)], dtype=object)
FOUND = {  # by sweeps of hundreds of cases: (call, argument, value, what the refusal says, or None for an answer)
    "a cap without bounds": ("balance.reconstruct_curriculum", "keep_factor", 1.7e308, None),
    "a ragged selection": ("balance.class_ease", "selected", [[1.0], [2.0, 3.0]], "selected "),
    "all losses at the end of the floats": ("pace_explorers.select", "loss", np.full(len(LOSS), 1.7e308), "a mean of loss"),
    "all losses 0": ("pace_explorers.PaceExplorer", "loss", np.zeros(len(LOSS)), None),
    "labels in a list": ("metric_explorers.MetricExplorer", "labels", LABELS.tolist(), None),
    "no logits": ("rivals.OneVsAllGHMC", "logits", None, "logits is a NoneType"),
    "no prior": ("losses.logit_adjusted", "prior", None, "prior is None"),
    "groups of two kinds": ("images.ImageData", "groups", np.array([None, *range(len(LABELS) - 1)]), "put in order"),
    "a split of records": ("images.ImageData", "split", np.zeros(len(LABELS), [("a", float)]), "must hold 0"),
    "arrays within a split": ("images.ImageData", "split", ARRAYS, "must hold 0"),
    "ragged sizes": ("boxed_images.DetectionData", "sizes", [[48, 48], "x"], "sizes"),
    "a setting that GHM-R lacks": ("detectors.build", "ghmr", {"nonsense": 5}, "setting of ghmr is 'nonsense'"),
    "classes without samples": ("plots.class_sizes", "counts", np.zeros(4, dtype=int), None),
    "recall where no class has samples": ("plots.recall_against_size", "counts", np.zeros(4, dtype=int), "nothing above 0"),
    "weights that may not be written": ("training.fit", "weights", fuzz.SAME["read-only"](np.ones(12)), None),
    "a difficulty below 0": ("plots.recall_against_size", "difficulty", -np.ones(4), "from 0 to 1"),
    "labels of fewer pictures": ("spbl_explorers.PacePlayer", "labels", LABELS[:-1], "labels has 23 entries"),
    "an array for a network's name": ("original_names.of_spbl", "names", {"model": np.array(["a", "b"])}, "model is"),
    "half a character": ("plots.seeds_and_means", "label", "\ud800", "half a character"),
    "an array for a data set's name": ("original_names.of_ghm", "names", {"datatype": np.array(["coco", "voc"])}, "datatype is"),
    "an array for a place": ("original_names.of_ghm", "names", {"data_root": np.array(["a", "b"])}, "data_root is"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_long_sweeps_have_found_stays_mended(case):
    name, argument, value, message = FOUND[case]
    call = CALLS[name]
    assert argument in call.arguments

    def asked():
        return call.function(**{**call.arguments, argument: value}, **call.fixed)

    answer, wrong = fuzz.fault(asked)
    assert wrong is None
    if message is None:
        assert answer is not None
    else:
        with pytest.raises(ValueError, match=message):
            asked()
