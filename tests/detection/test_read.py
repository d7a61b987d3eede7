"""COCO and VOC folders: read as their layouts say, and every fault is named."""

import detection_trees as trees
import numpy as np
import pytest
from PIL import Image

from spbl_nb import detection
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.detection import evaluate
from spbl_nb.detection.dataset import Detections


def test_coco_is_read_with_gaps_closed_crowds_marked_and_images_letterboxed(tmp_path):
    data = detection.load("coco", trees.coco(tmp_path), 64)
    assert data.class_names == ("train", "stop sign", "toothbrush")
    assert data.split.tolist() == [TRAIN] * 3 + [TEST] * 3
    assert data.labels.tolist() == [0, 1, 2] * 2
    assert data.ignored.tolist() == [True, False, False] * 2
    assert data.areas[:3].tolist() == [99, 200, 150]
    np.testing.assert_allclose(data.scale[:3], [64 / 80, 64 / 60, 64 / 50])
    np.testing.assert_allclose(data.truth(0).boxes, np.array([[10, 10, 30, 20]]) * 64 / 80)
    assert len(data.truth(0)) == 1
    assert len(data.truth(0, ignored=True)) == 1
    assert len(data.truth(2)) == 0
    first = data.images[0]
    assert first.shape == (3, 64, 64)
    assert abs(first[:, :32].astype(int) - 200).max() < 5
    np.testing.assert_array_equal(first[:, 33:, 0], np.tile([[124], [116], [104]], 31))
    np.testing.assert_array_equal(data.images[np.array([5, 0])][1], first)
    assert len(data.sha256) == 64


def test_coco_is_found_below_the_data_folder_and_an_image_is_decoded_once(tmp_path):
    trees.coco(tmp_path / "data" / "coco")
    data = detection.load("coco", tmp_path, 64)
    first = data.images[np.arange(6)]
    for path in data.images.paths:
        path.unlink()
    np.testing.assert_array_equal(data.images[:], first)


def test_options_choose_among_the_images(tmp_path):
    trees.coco(tmp_path)
    data = detection.load("coco", tmp_path, empty="drop")
    assert data.split.tolist() == [TRAIN] * 2 + [TEST] * 3, "images without boxes are dropped from training alone"
    data = detection.load("coco", tmp_path, limit=1)
    assert [path.name for path in data.images.paths] == ["000000000001.jpg", "000000000011.jpg"]


def spoil(path, value):
    """Return a change that sets one entry of an annotation file."""

    def change(content):
        *way, last = path
        for key in way:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: [1], "instances_train2017.json cannot be read: TypeError"),
        (spoil(["images", 0, "height"], None), r"images\[0\] cannot be read: TypeError.*height and width"),
        (spoil(["images", 1, "width"], 0), "sides of at least 1"),
        (spoil(["annotations", 0, "category_id"], 8), "category_id 8, which the file does not list"),
        (spoil(["annotations", 0, "image_id"], 8), "image_id 8, which the file does not list"),
        (spoil(["annotations", 0, "bbox"], [1, 2, 3]), r"images\[1\] cannot be read: ValueError"),
        (spoil(["annotations", 0, "bbox"], [1, 2, -3, 4]), r"box 0 \(1, 2, -2, 6\) is inverted"),
        (spoil(["images", 0, "file_name"], "../secret.jpg"), "leaves the folder of the images"),
        (spoil(["images", 0, "file_name"], "gone.jpg"), "gone.jpg is named but does not exist"),
    ],
)
def test_a_fault_of_coco_is_named(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        detection.load("coco", trees.coco(tmp_path, change))


def test_broken_entries_are_skipped_where_asked(tmp_path):
    def change(content):
        content["images"][0]["file_name"] = "gone.jpg"
        content["annotations"][0]["bbox"] = [1, 2, 0, 4]

    data = detection.load("coco", trees.coco(tmp_path, change), broken="skip")
    assert len(data) == 5
    assert len(data.skipped) == 2
    assert "gone.jpg" in data.skipped[0]
    assert "is empty" in data.skipped[1]


def test_a_folder_that_is_not_there_is_asked_for_with_its_layout(tmp_path):
    trees.coco(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"(?s)nowhere: that does not exist.*instances_train2017.json.*'synthetic'"
    ):
        detection.load("coco", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"VOCdevkit, .*data/VOCdevkit"):
        detection.load("voc", tmp_path)


def test_an_image_of_another_size_or_that_cannot_be_decoded_is_refused(tmp_path):
    data = detection.load("coco", trees.coco(tmp_path))
    trees.image(data.images.paths[0], 10, 10)
    with pytest.raises(ValueError, match=r"has 10 x 10 pixels, but its annotation says 80 x 40"):
        data.images[0]
    data.images.paths[1].write_bytes(data.images.paths[1].read_bytes()[:200])
    with pytest.raises(ValueError, match="cannot be decoded"):
        data.images[1]


def test_an_image_is_read_as_it_is_stored_because_its_boxes_are_so(tmp_path):
    data = detection.load("coco", trees.coco(tmp_path), 80)
    path, pixels = data.images.paths[0], np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    assert data.images[0][:, :40, :30].min() > 240
    assert data.images[0][:, :40, 50:].max() < 15


def test_voc_is_read_with_both_years_and_difficult_objects_ignored(tmp_path):
    data = detection.load("voc", trees.voc(tmp_path / "VOCdevkit").parent, 80)
    assert [path.stem for path in data.images.paths] == ["2007_000001", "2012_000001", "2012_000002", "2007_000002"]
    assert data.split.tolist() == [TRAIN] * 3 + [TEST]
    assert data.num_classes == 20
    assert data.class_names[data.truth(0).labels[0]] == "dog"
    assert data.truth(0).boxes.tolist() == [[0, 0, 20, 30]]
    assert data.class_names[data.truth(0, ignored=True).labels[0]] == "cat"
    assert len(data.truth(3)) == 0


def test_voc_without_a_test_list_takes_train_and_val_and_other_classes_are_named_in_order(tmp_path):
    trees.voc(tmp_path, (2012,), ("train", "val"))
    path = tmp_path / "VOC2012" / "Annotations" / "2012_000001.xml"
    path.write_text(path.read_text().replace("dog", "zebra"))
    data = detection.load("voc", tmp_path)
    assert data.split.tolist() == [TRAIN, TEST]
    assert data.class_names == ("cat", "zebra")


ENTITY = '<!DOCTYPE a [<!ENTITY secret SYSTEM "file://{}">]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation><size>", "cannot be read: ParseError"),
        (trees.voc_xml(40, 80, [("&secret;", 0, 1, 1, 20, 30)], ENTITY.format(__file__)), "without a document type"),
        ("<annotation/>", "the root <annotation>"),
        (trees.voc_xml(40, 80, [("dog", 0, "x", 1, 20, 30)]), "cannot be read: ValueError.*'x'"),
        (trees.voc_xml(40, 80, [("", 0, 1, 1, 20, 30)]), r"cannot be read: KeyError\('name'\)"),
        (trees.voc_xml(40, 80, [("dog", 0, 20, 1, 10, 30)]), "is inverted"),
    ],
)
def test_a_fault_of_voc_is_named(tmp_path, text, words):
    trees.voc(tmp_path)
    (tmp_path / "VOC2007" / "Annotations" / "2007_000001.xml").write_text(text)
    with pytest.raises(ValueError, match=words):
        detection.load("voc", tmp_path)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"emty": "keep"}, "did you mean 'empty'"),
        ({"broken": "ignore"}, "broken is 'ignore'"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_wrong_options_are_refused(tmp_path, call, words):
    with pytest.raises(ValueError, match=words):
        detection.load("coco", tmp_path, **call)


def test_coco_mini(real_data):
    data = detection.load("coco", real_data / "coco_mini", 128)
    assert (len(data.rows_of(TRAIN)), len(data.rows_of(TEST)), data.num_classes) == (96, 48, 80)
    assert data.counts().sum() == 1072
    rows = data.rows_of(TEST)
    truth = [data.truth(row) for row in rows]
    assert evaluate.coco_numbers(data, rows, truth)["AP"] == pytest.approx(1)
    moved = [Detections(np.clip(one.boxes + 12, 0, 128), one.scores, one.labels) for one in truth]
    assert evaluate.coco_numbers(data, rows, moved)["AP"] < 0.5
    assert data.images[rows[:4]].std() > 20
