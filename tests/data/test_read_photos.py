"""The sets of photographs, each on a small tree of its exact layout: labels, names, groups, split, and what is refused."""

import numpy as np
import pytest
from image_trees import class_folders, image, seeds_of, write_lines

from spbl_nb import data
from spbl_nb.data import read_photos
from spbl_nb.data.dataset import TEST, TRAIN

pytestmark = pytest.mark.usefixtures("own_cache")

HAM = ["HAM_0,ISIC_0,nv,histo,80.0,male,scalp", "HAM_0,ISIC_1,nv,histo,80.0,male,scalp", "HAM_1,ISIC_2,mel,histo,,,back",
       "HAM_2,ISIC_3,mel,consensus,5.0,female,back", "HAM_3,ISIC_4,nv,follow_up,5.0,female,back"]  # fmt: skip
HAM_HEAD = "lesion_id,image_id,dx,dx_type,age,sex,localization"


def _ham(root, rows=HAM, head=HAM_HEAD, name="HAM10000_metadata.csv"):
    for number in range(5):
        image(root / f"HAM10000_images_part_{1 + number // 3}" / f"ISIC_{number}.png", number)
    write_lines(root / name, head, *rows)


def _clinical(root, start=0):
    paths = class_folders(root / "raw" / "images", {"Acne": 4, "Ganglion": 3, "Impetigo": 3})
    numbers = {"Acne": 1, "Ganglion": 0, "Impetigo": 2}
    lines = [f"{path.parent.name}/{path.name} {start + numbers[path.parent.name]}" for path in paths]
    write_lines(root / "raw" / "train.txt", *(line for line in lines if "_00" not in line))
    write_lines(root / "raw" / "val.txt", *(line for line in lines if "_00" in line))


def _mit67(root):
    paths = class_folders(root / "Images", {"bakery": 5, "attic": 5, "cellar": 5})
    lines = [f"{path.parent.name}/{path.name}" for path in paths]
    write_lines(root / "TrainImages.txt", *(line for line in lines if line[-5] in "01"))
    write_lines(root / "TestImages.txt", *(line for line in lines if line[-5] in "2"))


def _sizes(loaded, split):
    return loaded.counts(np.flatnonzero(loaded.split == split)).tolist()


@pytest.mark.parametrize("name", read_photos.HAM_METADATA)
@pytest.mark.parametrize("below", ["", "ham10000"])
def test_ham10000_as_image_folder(root, name, below):
    tab = "\t" if name.endswith("tab") else ","
    _ham(root / below, [row.replace(",", tab) for row in HAM], HAM_HEAD.replace(",", tab), name)
    ham = data.load("ham10000", root, size=8)
    assert ham.class_names == ("mel", "nv")
    assert ham.labels.tolist() == [1, 1, 0, 0, 1]
    assert ham.groups.tolist() == [0, 0, 1, 2, 3]
    assert seeds_of(ham.images) == [0, 1, 2, 3, 4]
    assert (ham.split, ham.mirror) == (None, True)
    assert ham.sha256 == data.load("ham10000", root / below / name, size=8).sha256


def test_ham10000_keeps_its_npz(root):
    np.savez(root / "ham10000_28.npz", images=np.zeros((4, 8, 8, 3), np.uint8), labels=np.array([0, 1, 0, 1]),
             split=np.array([0, 0, 2, 2]))  # fmt: skip
    assert data.load("ham10000", root).split.tolist() == [0, 0, 2, 2]
    assert data.load("ham10000", root, official=False).split is None


def test_ham10000_names_what_is_missing_and_what_is_double(root):
    _ham(root, [*HAM, "HAM_9,ISIC_9,nv,,,,"])
    with pytest.raises(FileNotFoundError, match=r"1 of 6 images .* ISIC_9.jpg \(HAM10000_metadata.csv, line 7\)"):
        data.load("ham10000", root, size=8)
    assert len(data.load("ham10000", root, size=8, on_broken="skip")) == 5
    image(root / "copy" / "ISIC_0.jpg")
    with pytest.raises(ValueError, match=r"ISIC_0 is there twice: HAM10000_images_part_1/ISIC_0.png and copy/"):
        data.load("ham10000", root, size=8)


@pytest.mark.parametrize("name", ["sd198", "sd260"])
@pytest.mark.parametrize("start", [0, 1])
def test_clinical_lists(root, name, start):
    _clinical(root, start)
    skin = data.load(name, root, size=8)
    assert skin.class_names == ("Ganglion", "Acne", "Impetigo"), "in the order of the labels, named by their folders"
    assert (skin.counts().tolist(), _sizes(skin, TEST)) == ([3, 4, 3], [1, 1, 1])
    assert data.load(name, root / "raw", size=8).sha256 == skin.sha256
    assert data.load(name, root).size == (224, 224)
    whole = data.load(name, root, size=8, official=False)
    tests = [data.make_split(whole, 0.3, 1 / 3, fold=fold).test for fold in range(3)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(10))
    for file in ("train", "val"):
        lines = [f"images/{line}" for line in (root / "raw" / f"{file}.txt").read_text().splitlines()]
        write_lines(root / "raw" / f"{file}_2.txt", "\ufeff" + lines[0], "", *lines[1:], "   ", end="\r\n")
    assert data.load(name, root, size=8, lists=("train_2.txt", "val_2.txt")).sha256 == skin.sha256


def test_classes_without_a_folder_of_their_own_keep_their_number(root):
    for number in range(6):
        image(root / "raw" / "images" / f"{number}.png", number)
    write_lines(root / "raw" / "train.txt", "0.png 0", "1.png 1", "2.png 10", "3.png 9")
    write_lines(root / "raw" / "val.txt", "4.png 0", "5.png 1")
    assert data.load("sd198", root, size=8).class_names == ("0", "1", "9", "10")


def test_mit67_lists_and_the_whole(root):
    _mit67(root)
    scenes = data.load("mit67", root, size=8)
    assert scenes.class_names == ("attic", "bakery", "cellar")
    assert (_sizes(scenes, TRAIN), _sizes(scenes, TEST)) == ([2, 2, 2], [1, 1, 1])
    sixty_forty = {"official": False, "test": 0.4, "profile": "odd_classes", "factor": 3}
    reduced = data.load("mit67", root, size=8, **sixty_forty)
    assert (_sizes(reduced, TRAIN), _sizes(reduced, TEST)) == ([3, 1, 3], [2, 2, 2])


def test_the_real_lists_of_mit67(root, real_data):
    for name in ("TrainImages.txt", "TestImages.txt"):
        text = (real_data / "mit67" / name).read_text()
        (root / name).write_text(text)
        for line in text.split("\n"):
            (root / "Images" / line).parent.mkdir(parents=True, exist_ok=True)
            (root / "Images" / line).touch()
    listed = read_photos.mit67("mit67", root)
    assert np.bincount(listed.split).tolist() == [5360, 0, 1340]
    assert len(listed.class_names) == 67
    assert np.bincount(listed.labels[listed.split == TRAIN]).min() >= 75
    assert listed.paths[0] == root / "Images" / "gameroom" / "bt_132294gameroom2.jpg"
    assert any(" " in path.name for path in listed.paths)


@pytest.mark.parametrize(
    ("name", "file", "line", "message"),
    [
        ("ham10000", "HAM10000_metadata.csv", "HAM_0,ISIC_0,scc,,,,", r"line 2: dx is 'scc'; allowed: akiec, bcc"),
        ("ham10000", "HAM10000_metadata.csv", "HAM_0,../../x,nv,,,,", "leaves the folder"),
        ("sd198", "raw/val.txt", "Acne/Acne_00.png", "line 1: 'Acne/Acne_00.png' is no 'path label'"),
        ("sd198", "raw/val.txt", "Acne/Acne_00.png -1", "the label is -1; allowed: 0..197"),
        ("sd198", "raw/val.txt", "Acne/Acne_00.png 199", "the label is 199; allowed: 0..197, or 1..198"),
        ("sd198", "raw/val.txt", "Acne/Acne_00.png 198", "reach from 0 to 198, but sd198 has 198 classes"),
        ("sd198", "raw/val.txt", "/Acne/Acne_00.png 1", "absolute path"),
        ("sd198", "raw/val.txt", "Acne/Acne_01.png 1", "is named in train and in test"),
        ("mit67", "TestImages.txt", "batery/x.png", r"line 1: class is 'batery'.*did you mean 'bakery'"),
        ("mit67", "TestImages.txt", "bakery_00.png", "is no 'class/file'"),
        ("mit67", "TestImages.txt", "bakery/bakery_00.png", "would test on what was trained: TrainImages.txt, line 1"),
    ],
)
def test_lists_that_are_refused(root, name, file, line, message):
    {"ham10000": _ham, "sd198": _clinical, "mit67": _mit67}[name](root)
    write_lines(root / file, *([HAM_HEAD] if name == "ham10000" else []), line)
    with pytest.raises(ValueError, match=message):
        data.load(name, root, size=8)


def test_lists_that_are_not_there(root):
    _clinical(root)
    with pytest.raises(ValueError, match=r"lists is 'train.txt'"):
        data.load("sd198", root, lists="train.txt")
    with pytest.raises(FileNotFoundError, match=r"train.txt is there, but val_9.txt beside it is not"):
        data.load("sd198", root, lists=("train.txt", "val_9.txt"))
    _mit67(root)
    (root / "TestImages.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no TestImages.txt \(official=False does without the lists\)"):
        data.load("mit67", root)


@pytest.mark.parametrize("below", ["", "101_ObjectCategories", "caltech101/101_ObjectCategories"])
def test_caltech101_with_and_without_background(root, below):
    class_folders(root / below, {"BACKGROUND_Google": 5, "Faces": 5, "ant": 5})
    whole = data.load("caltech101", root, size=8)
    assert (whole.class_names, whole.split) == (("BACKGROUND_Google", "Faces", "ant"), None)
    assert data.load("caltech101", root, size=8, background=False).class_names == ("Faces", "ant")
    reduced = data.load("caltech101", root, size=8, test=0.4, profile="odd_classes", factor=3)
    assert _sizes(reduced, TRAIN) == [3, 1, 3]


def test_caltech101_is_fetched_only_when_asked(root, monkeypatch):
    import torchvision.datasets

    asked = []
    monkeypatch.setattr(torchvision.datasets, "Caltech101", lambda place, download: asked.append((place, download)))
    for download, wanted in ((False, []), (True, [(str(root), True)])):
        with pytest.raises(FileNotFoundError, match="102 folders"):
            data.load("caltech101", root, download=download)
        assert asked == wanted
