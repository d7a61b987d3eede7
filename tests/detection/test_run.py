"""A detector from a settings file: the README's names run as they stand, and what was found is kept whole."""

import json

import pytest
from PIL import Image

from spbl_nb import cli, detection
from spbl_nb.detection import run, train
from spbl_nb.results import store

NAMES = """
datatype: coco
data_root: coco
work_dir: work
total_epochs: 2
lr_config: {step: [1]}
train_cfg:
  ghmc: {bins: 10, momentum: 0.5}
  ghmr: {mu: 0.05, bins: 5, momentum: 0.0}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a settings file and synthetic images in COCO's layout."""
    place = tmp_path_factory.mktemp("boxes")
    data = detection.load("synthetic", count=20, num_classes=3)
    categories = [{"id": 10 * index + 7, "name": name} for index, name in enumerate(data.class_names)]
    (place / "coco" / "annotations").mkdir(parents=True)
    for word, split in (("train", 0), ("val", 2)):
        (place / "coco" / f"{word}2017").mkdir()
        images, annotations = [], []
        for row in data.rows_of(split):
            Image.fromarray(data.images[row].transpose(1, 2, 0)).save(place / "coco" / f"{word}2017" / f"{row}.png")
            images.append({"id": int(row), "file_name": f"{row}.png", "width": 96, "height": 96})
            for index in (data.owner == row).nonzero()[0]:
                left, top, right, bottom = data.boxes[index].tolist()
                box = [left, top, right - left, bottom - top]
                annotations.append({"id": len(annotations) + 1, "image_id": int(row), "bbox": box, "iscrowd": 0,
                                    "category_id": 10 * int(data.labels[index]) + 7, "area": box[2] * box[3]})  # fmt: skip
        text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
        (place / "coco" / "annotations" / f"instances_{word}2017.json").write_text(text)
    (place / "settings.yaml").write_text(NAMES)
    return place


@pytest.fixture(scope="module")
def folder(place):
    """The run that the file asks for."""
    assert cli.main(["reproduce", "--config", str(place / "settings.yaml"), "--seeds", "1"]) == 0
    (folder,) = (place / "work").glob("*/coco/detector-1")
    return folder


def test_the_readme_names_run_as_they_stand(place, folder):
    record = json.loads((folder / "detection.json").read_text())
    settings = record["fingerprint"]["config"]
    assert (settings["ghm_bins"], settings["ghm_momentum"], settings["ghm_r_mu"]) == (10, 0.5, 0.05)
    assert record["pictures"] == {"train": 15, "test": 5}
    assert record["steps"] == 2
    assert set(record["numbers"]) >= {"AP", "AR_100"}
    assert len(record["per_class"]) == 3
    assert not list((place / "work" / ".checkpoints").iterdir())
    assert len((folder / "history.jsonl").read_text().splitlines()) == 2
    assert Image.open(folder / "predictions.png").size[0] > 300


def test_the_settings_reach_the_losses(monkeypatch):
    seen = []
    monkeypatch.setattr(run, "build", lambda *args, **options: seen.append((args, options)))
    run.detector(detection.settings("smoke", ghm_bins=7, ghm_r_mu=0.5, ghm_r_bins=3, ghm_r_momentum=0.2), 4)
    run.detector(detection.settings("smoke", weights="IMAGENET1K_V2"), 4)
    (small, options), (large, pretrained) = seen
    assert small == ("small", 4)
    assert options["ghmc"]["bins"] == 7
    assert options["ghmr"] == {"mu": 0.5, "bins": 3, "momentum": 0.2, "bias_correction": True}
    assert large == ("resnet50_fpn", 4)
    assert pretrained["weights_backbone"] == "IMAGENET1K_V2"


def test_a_trial_run_says_so(folder):
    record = json.loads((folder / "detection.json").read_text())
    assert len(run.describe_numbers(record).splitlines()) == 12
    record["fingerprint"]["config"]["preset"] = "smoke"
    assert run.describe_numbers(record).splitlines()[12:] == ["preset smoke: numbers are no results"]


def test_a_complete_run_is_not_made_again(place, folder, monkeypatch, capsys):
    monkeypatch.setattr(train, "fit", None)
    assert cli.main(["reproduce", "--config", str(place / "settings.yaml"), "--seeds", "1"]) == 0
    assert "recall of small objects" in capsys.readouterr().out


def test_something_else_in_the_folder_is_left_alone(place, folder):
    asked = (place / "work", place / "coco")
    path = folder / "detection.json"
    before = path.read_text()
    settings = detection.settings("smoke")
    other = folder.parent.parent.parent / settings.name / "coco" / "detector-1"
    other.mkdir(parents=True)
    (other / "detection.json").write_text(before)
    with pytest.raises(store.RunConflict, match=r"config\.ghm_bins: 10 there, 30 now"):
        run.run("coco", settings, 1, runs_dir=asked[0], data_root=asked[1])
    (other / "detection.json").write_text("{")
    with pytest.raises(store.BrokenRun, match="cannot be read"):
        run.run("coco", settings, 1, runs_dir=asked[0], data_root=asked[1])
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--methods", "ce"], "can have --methods"),
        (["--jobs", "2", "--no-notebooks"], "can have --jobs, --no-notebooks"),
        (["--seeds", "0-1"], "--seeds names 2 runs"),
    ],
)
def test_what_is_no_request_for_a_detector(place, tmp_path, capsys, more, message):
    (tmp_path / "last.pt").write_bytes(b"")
    path = tmp_path / "settings.yaml"
    path.write_text(NAMES + "resume_from: last.pt\n")
    assert cli.main(["reproduce", "--config", str(path), *more]) == 2
    assert message in capsys.readouterr().err
