"""Settings from a file: both READMEs' names as they are, our own, mixtures refused."""

import json

import pytest

from spbl_nb import cli, config_files, places
from spbl_nb.batch import grid
from spbl_nb.config import preset

RELEASED = """
input_size: 224
lr: 0.01
batch_size: 64
workers: 8
iter_step: 5
gamma: 0.3
train_ratio: 0.2
model: resnet50
dataset: sd-198
class_num: 198
epochs: 50
step_size: 40
add_ratios: [0.5, 0.75, 0.9, 1.0, 1.0]
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_released_file_as_it_is(file):
    asked = config_files.read(file(RELEASED))
    settings = asked.settings
    assert (asked.dataset, asked.methods) == ("sd198", ("spbl_released",))
    assert (settings.model, settings.weights, settings.size) == ("resnet50", "IMAGENET1K_V1", 224)
    assert (settings.lr, settings.backbone_lr, settings.batch_size) == (0.01, 0.001, 64)
    assert (settings.stage_epochs, settings.milestones, settings.seed_share) == (50, (0.8,), 0.2)
    assert settings.add_ratios == (0.5, 0.75, 0.9, 1.0, 1.0)
    assert (settings.enlarge, settings.padding, settings.flip) == (True, 16, True)
    assert [note.split()[0] for note in asked.notes] == ["workers", "iter_step", "gamma"]
    short = config_files.read(file("dataset: sd-198\nclass_num: 198\n"))
    assert (short.settings, short.notes) == (settings, ()), "what is not named is as in the release"


def test_the_mnist_network_of_the_release(file):
    asked = config_files.read(file("model: mnist\ndataset: minist\ninput_size: 28\nepochs: 90\nstep_size: 40\n"))
    assert (asked.dataset, asked.settings.model, asked.settings.weights) == ("mnist", "mnist_net", None)
    assert asked.settings.backbone_lr is None
    assert asked.settings.milestones == (40 / 90, 80 / 90)  # it falls at every multiple of step_size
    late = config_files.read(file("dataset: mit67\nepochs: 10\nstep_size: 40\n"))
    assert late.settings.milestones == (1.0,), "a step beyond the end never comes"


def test_names_nested_or_dotted(file, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"")
    common = "work_dir: results\ndatatype: digits\ndata_root: /data\nresume_from: last.pt\ntotal_epochs: 12\n"
    dotted = "train_cfg.ghmc.bins: 20\ntrain_cfg.ghmc.momentum: 0.5\nlr_config.step: [8, 11]\n"
    nested = "train_cfg: {ghmc: {bins: 20, momentum: 0.5}}\nlr_config: {step: [8, 11]}\n"
    asked = config_files.read(file(common + nested))
    assert asked == config_files.read(file(common + dotted))
    assert (asked.dataset, asked.methods, asked.data_root) == ("digits", ("ghm_c",), "/data")
    assert asked.runs_dir == str(tmp_path / "results")
    assert asked.checkpoint == str(tmp_path / "last.pt")
    assert (asked.settings.ghm_bins, asked.settings.ghm_momentum) == (20, 0.5)
    assert (asked.settings.epochs, asked.settings.milestones) == (12, (8 / 12, 11 / 12))


def test_our_own_names(file):
    asked = config_files.read(file("preset: smoke\nmodel: small_resnet\nlr: 1e-2\n"))
    assert asked.settings == preset("smoke", model="small_resnet", lr=0.01)
    assert (asked.dataset, asked.methods) == (None, None)


def test_an_override_goes_before_the_file_and_an_empty_one_says_nothing(file):
    path = file("preset: smoke\nprecision: bf16\ndevice: auto\nmodel: small_resnet\n")
    assert config_files.request(path, "fast", device="", precision="", model="") == config_files.read(path)
    assert config_files.request(path, "fast", device="cpu").settings.device == "cpu"
    assert config_files.request(path, "fast", precision="fp32").settings.precision == "fp32"
    assert config_files.request("", "paper", precision="").settings == preset("paper")
    assert config_files.request(path, "fast", device="auto").settings.device == "auto"
    assert config_files.request("", "fast", device="auto").settings == preset("fast", device="auto")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: fast\ntrain_ratio: 0.2\n", "mixes names of several origins: preset (.*); train_ratio"),
        ("lr: 0.1\nmodel: resnet50\n", "does not tell whose names"),
        ("preset: fast\nepoch: 3\n", r"epoch is no setting; did you mean 'epochs'\?$"),
        ("train_ration: 0.2\n", "did you mean 'train_ratio'"),
        ("dataset: sd-198\nclass_num: 10\n", "class_num is 10, but sd-198 has 198 classes"),
        ("dataset: mnist\ntrain_ratio: 1\n", "train_ratio is 1; allowed"),
        ("dataset: mnist\nmodel: inception\n", "take 'inception_v3'"),
        ("datatype: digits\ntrain_cfg: {ghmr: {mu: 0.02}}\n", "a loss of boxes, but datatype is 'digits'"),
        ("total_epochs: 8\nlr_config: {step: [8, 11]}\n", "total_epochs is 8"),
        ("datatype: digits\nresume_from: nowhere.pt\n", "there is no file"),
        ("datatype: digits\ntrain_cfg: {ghmc: {bins: 0}}\n", "ghm_bins is 0"),
        ("- a\n- b\n", "holds list; needed: a mapping"),
        ("", r"^settings\.yaml is empty; needed: a mapping"),
        ("xyzzy: 1\n", r"xyzzy is no setting; all settings are in the table of notebooks/00_start_here\.ipynb"),
        ("a: [1\n", "is no YAML: while parsing .* at line 1, column 4: a: "),
    ],
)
def test_what_is_refused(file, text, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        config_files.read(file(text))


def test_every_original_name_becomes_a_setting_or_a_place():
    settings = preset("fast").to_dict()
    assert len({name.original for name in config_files.NAMES}) == len(config_files.NAMES) == 25
    for name in config_files.NAMES:
        for ours in name.ours.split(", "):
            assert not ours or ours in settings or ours.startswith("the "), name


@pytest.fixture
def calls(monkeypatch):
    """Grids that the command would have run, with their options."""
    seen = []
    monkeypatch.setattr(grid, "reproduce", lambda wanted, **_options: seen.append(wanted) or 0)
    return seen


def test_a_grid_of_a_file(file, calls, capsys):
    path = file("dataset: mnist\nmodel: mnist\ninput_size: 28\ngamma: 0.3\nepochs: 2\nstep_size: 1\n")
    assert cli.main(["reproduce", "--config", str(path), "--seeds", "3", "--data-root", "mnist.npz"]) == 0
    assert "note: gamma has no effect" in capsys.readouterr().out
    (run,) = calls[0].runs
    assert (run.dataset, run.method, run.seed, run.config.stage_epochs) == ("mnist", "spbl_released", 3, 2)
    assert calls[0].data_root == "mnist.npz"
    task = grid._task(run, calls[0])
    assert task.values["CONFIG"] == str(path)
    assert f"--config {path}" in task.repeat
    assert "--preset" not in task.repeat


def test_the_command_line_goes_before_the_file(file, calls):
    path = file("datatype: digits\nwork_dir: there\ndata_root: data\ntotal_epochs: 1\nlr_config: {step: []}\n")
    line = f"reproduce --config {path} --datasets lesions --methods ce --seeds 0"
    assert cli.main(line.split()) == 0
    assert cli.main([*line.split(), "--runs-dir", "/here"]) == 0
    (run,) = calls[0].runs
    assert (run.dataset, run.method) == ("lesions", "ce")
    assert [grid.runs_dir for grid in calls] == [path.parent / "there", places.Path("/here")]
    assert calls[0].data_root == str(path.parent / "data")


def test_a_preset_beside_a_file_is_refused(file, capsys):
    assert cli.main(["reproduce", "--preset", "fast", "--config", str(file(RELEASED))]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_one_checkpoint_is_not_for_a_grid(file, tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"")
    path = file("datatype: digits\nresume_from: last.pt\n")
    assert cli.main(["reproduce", "--config", str(path)]) == 2
    assert "resume_from names one checkpoint, but the grid has 3 runs" in capsys.readouterr().err


@pytest.mark.notebooks
@pytest.mark.slow
def test_the_experiment_takes_a_file_by_plain_papermill(file, tmp_path):
    import papermill

    path = file("datatype: digits\ntotal_epochs: 1\nlr_config.step: []\nwork_dir: runs\n")
    papermill.execute_notebook(
        str(places.notebooks_dir() / "08_experiment.ipynb"),
        str(tmp_path / "out.ipynb"),
        {"CONFIG": str(path), "INTERACTIVE": False},
        kernel_name="python3",
        progress_bar=False,
    )
    (result,) = (tmp_path / "runs").rglob("result.json")
    record = json.loads(result.read_text(encoding="utf-8"))
    assert record["fingerprint"]["method"] == "ghm_c"
    assert record["fingerprint"]["config"]["epochs"] == 1


def test_boxes_are_a_detectors(file):
    asked = config_files.read(
        file("datatype: voc\ntrain_cfg: {ghmr: {mu: 0.05, bins: 5, momentum: 0.1}, ghmc: {bins: 7}}\n")
    )
    assert (asked.dataset, asked.methods) == ("voc", None)
    settings = asked.settings
    assert (settings.ghm_bins, settings.ghm_r_mu, settings.ghm_r_bins, settings.ghm_r_momentum) == (7, 0.05, 5, 0.1)
    assert (settings.epochs, settings.milestones) == (12, (8 / 12, 11 / 12))
