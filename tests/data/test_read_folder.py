"""Images of one's own: class folders and tables, their labels, groups and splits, and what is refused."""

import dataclasses

import numpy as np
import pytest
from image_trees import class_folders, image, seeds_of, write_lines

from spbl_nb import data
from spbl_nb.config import preset
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.data.split import group_leaks

pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_folder_of_class_folders(root):
    class_folders(root, {"nevus": 3, "melanoma": 2})
    image(root / "nevus" / "deeper" / "x.png", seed=50)
    (root / "nevus" / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    mine = data.load("folder", root, size=8)
    assert mine.class_names == ("melanoma", "nevus")
    assert mine.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert seeds_of(mine.images) == [3, 4, 0, 1, 2, 50], "class by class, the files of a folder before those below it"
    assert (mine.split, mine.groups, mine.mirror, mine.synthetic) == (None, None, True, False)
    assert "6 images of the folder images" in mine.source
    assert str(root) not in mine.source
    assert data.load("folder", root).size == (64, 64)


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_a_folder_with_splits(root, validation):
    for part, first in (("train", 0), (validation, 20), ("test", 40)):
        class_folders(root / part, {"b": 1, "a": 2}, first=first)
    mine = data.load("folder", root, size=8)
    assert dict(zip(seeds_of(mine.images), mine.split.tolist(), strict=True)) == {
        1: 0, 2: 0, 0: 0, 21: 1, 22: 1, 20: 1, 41: 2, 42: 2, 40: 2,
    }  # fmt: skip
    assert mine.class_names == ("a", "b")
    assert data.load("folder", root, size=8, official=False).split is None


def test_train_and_val_alone_are_tested_on_val_and_a_class_may_be_called_test(root):
    for part in ("train", "val"):
        class_folders(root / "one" / part, {"a": 2, "b": 2})
    assert sorted(set(data.load("folder", root / "one", size=8).split.tolist())) == [TRAIN, TEST]
    class_folders(root / "other", {"test": 2, "control": 2})
    assert data.load("folder", root / "other", size=8).class_names == ("control", "test")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_everything(root, end, delimiter):
    class_folders(root / "files", {"x": 4})
    head = "\ufeffPath, label ,GROUP,split,remark"
    rows = [
        f'files\\x/x_{i:02}.png,{10 * (i % 2) + 2},p{i // 2},{part},"-"'
        for i, part in enumerate(["train", "0", "test", "2"])
    ]
    lines = [line.replace(",", delimiter) for line in [head, rows[0], "", *rows[1:]]]
    write_lines(root / "labels.csv", *lines, end=end)
    mine = data.load("folder", root, size=8)
    assert mine.class_names == ("2", "12"), "numbers by value"
    assert mine.labels.tolist() == [0, 1, 0, 1]
    assert mine.groups.tolist() == [0, 0, 1, 1]
    assert mine.split.tolist() == [0, 0, 2, 2]
    assert data.load("folder", root / "labels.csv", size=8).sha256 == mine.sha256


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x/x_00.png,a", "x/x_01.png,b"], "first line is 'x/x_00.png,a', without a column 'path'"),
        (["path,class", "x/x_00.png,a"], "without a column 'label'"),
        (["path,label,label", "x/x_00.png,a,b"], "a column is named twice"),
        (["path,label"], "names columns but no image"),
        (["path,label", "x/x_00.png,a,b"], "labels.csv is no csv file .*line 2, saw 3"),
        (["path,label", "", "x/x_00.png"], "line 3: the label is empty"),
        (["path,label", "x/x_00.png,"], "line 2: the label is empty"),
        (["path,label", ",a"], "line 2: no path"),
        (["path,label", "/etc/passwd,a"], "line 2: '/etc/passwd' is an absolute path"),
        (["path,label", r"C:\x.png,a"], "is an absolute path"),
        (["path,label", "x/../../x.png,a"], r"leaves the folder of the images by '\.\.'"),
        (["path,label", "x/x_00.png,a", "x/x_00.png,a"], "is named twice: labels.csv, line 2; labels.csv, line 3"),
        (["path,label", "x/x_00.png,a", "./x//x_00.png,b"], "with two labels, 'a' and 'b'"),
        (
            ["path,label,split", "x/x_00.png,a,train", "x/x_00.png,a,test"],
            "is named in train and in test, which would test on what was trained",
        ),
        (["path,label,split", "x/x_00.png,a,tset", "x/x_01.png,b,train"], "split is 'tset'.*did you mean 'test'"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,"], "line 3: no split is given, but other images"),
        (["path,label,group", "x/x_00.png,a,1", "x/x_01.png,b,"], "line 3: no group is given"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,train"], "no image to test"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,test"], "class 'b' has images to test .* none to train"),
        (["path,label", 'x/x_00.png,"a'], "is no csv file"),
        (["path,label,groups", "x/x_00.png,a,1", "x/x_01.png,b,2"], "a column 'groups'; name it 'group' if that is meant"),
        (["path,label,group,spilt", "x/x_00.png,a,1,test"], "a column 'spilt'; name it 'split' if that is meant"),
        ([], "is empty"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(root, lines, message):
    class_folders(root, {"x": 2})
    write_lines(root / "labels.csv", *lines)
    with pytest.raises(ValueError, match=message):
        data.load("folder", root, size=8)


def test_missing_images_are_named_or_skipped(root):
    class_folders(root, {"x": 3})
    write_lines(root / "labels.csv", "path,label", "x/x_00.png,a", "x/gone.png,a", "x/x_01.png,b", "no.png,b")
    with pytest.raises(
        FileNotFoundError, match=r"2 of 4 images .* first is x/gone.png \(labels.csv, line 3\).*DATA_OPT"
    ):
        data.load("folder", root, size=8)
    mine = data.load("folder", root, size=8, on_broken="skip")
    assert seeds_of(mine.images) == [0, 1]
    assert "2 of the images named are missing and skipped" in mine.source


def test_broken_and_converted_images_are_named(root):
    class_folders(root, {"a": 3, "b": 2}, suffix=".jpg")
    broken = root / "a" / "a_01.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    (root / "a" / "a_00.jpg").rename(root / "a" / "a_00.png")
    with pytest.raises(ValueError, match=r"a_01.jpg"):
        data.load("folder", root, size=8)
    mine = data.load("folder", root, size=8, on_broken="skip")
    assert mine.labels.tolist() == [0, 0, 1, 1]
    assert "skipped, as they cannot be decoded: 1 of these (a/a_01.jpg); converted: 1 extension" in mine.source


def test_folders_that_are_refused(root):
    class_folders(root / "mixed", {"a": 1})
    (root / "mixed" / "b").mkdir()
    with pytest.raises(ValueError, match=r"the class folder .*b holds no image"):
        data.load("folder", root / "mixed")
    class_folders(root / "mixed" / "train", {"a": 1})
    with pytest.raises(ValueError, match=r"holds splits \(train\) and another folder \(a\)"):
        data.load("folder", root / "mixed")
    class_folders(root / "split" / "val", {"a": 2, "b": 2})
    class_folders(root / "split" / "test", {"a": 2, "b": 2})
    with pytest.raises(ValueError, match="has splits, but no image to train"):
        data.load("folder", root / "split", size=8)
    image(root / "split" / "train" / "x.png")
    with pytest.raises(ValueError, match=r"holds splits \(test, train, val\), but train no class folders"):
        data.load("folder", root / "split", size=8)
    np.savez(root / "x.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.arange(2))
    with pytest.raises(ValueError, match="are read as the data set 'medmnist'"):
        data.load("folder", root / "x.npz")
    image(root / "loose" / "a.png")
    with pytest.raises(FileNotFoundError, match=r"no folder; 1 images are in it without a class folder\.\nExpected"):
        data.load("folder", root / "loose")


def test_the_hash_tells_two_folders_apart_and_not_where_they_are(root):
    for name, first in (("one", 0), ("two", 0), ("other", 1)):
        class_folders(root / name, {"a": 2, "b": 2}, first=first)
    one, two, other = (data.load("folder", root / name, size=8).sha256 for name in ("one", "two", "other"))
    assert one == two != other


def test_profile_and_test_share_of_a_folder(root):
    class_folders(root, {"a": 20, "b": 20})
    options = {"size": 8, "profile": "odd_classes", "test": 0.4}
    mine = data.load("folder", root, factor=10, **options)
    assert mine.counts(np.flatnonzero(mine.split == TRAIN)).tolist() == [12, 1]
    assert mine.counts(np.flatnonzero(mine.split == TEST)).tolist() == [8, 8], "the test split stays whole"
    assert data.load("folder", root, factor=0.1, **options).sha256 == mine.sha256
    assert data.load("folder", root, factor=10, seed=1, **options).sha256 != mine.sha256
    assert "odd_classes" in mine.source
    config = preset("fast", size=16, profile="step", factor=4, test=0.4)
    mine = data.load_for(config, "folder", root)
    assert mine.size == (16, 16)
    assert mine.counts(np.flatnonzero(mine.split == TRAIN)).tolist() == [12, 3]
    assert data.load_for(config, "folder", root, size=8, profile="natural", factor=1).size == (8, 8)
    assert data.load_for(preset("fast"), "folder", root).split is None


def test_groups_stay_whole_when_the_test_split_is_drawn(root):
    class_folders(root, {"x": 60})
    rows = [f"x/x_{i:02}.png,{'ab'[i // 30]},lesion {i // 3}" for i in range(60)]
    write_lines(root / "labels.csv", "path,label,group", *rows)
    mine = data.load("folder", root, size=8, test=0.3)
    assert set(group_leaks(mine, data.make_split(mine)).values()) == {0}
    again = data.make_split(dataclasses.replace(mine, split=None), test=0.3)
    assert np.flatnonzero(mine.split == TEST).tolist() == again.test.tolist()
