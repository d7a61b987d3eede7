"""The sets of photographs, each on a small tree of its exact layout: labels, names, groups, parts, and what is refused."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_trees import class_folders, picture, seeds_of

from spbl_nb import data, photo_sets, splits
from spbl_nb.config import preset


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "the cache"))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def _lines(path, *lines, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(end.join([*lines, ""]).encode())
    return path


# --- one's own pictures ----------------------------------------------------------------------------------------------


def test_a_folder_of_class_folders(root):
    class_folders(root, {"nevus": 3, "melanoma": 2})
    picture(root / "nevus" / "deeper" / "x.png", seed=50)
    (root / "nevus" / "notes.txt").write_text("no picture")
    (root / ".hidden").mkdir()
    mine = data.load("folder", root, size=8)
    assert mine.class_names == ("melanoma", "nevus")
    assert mine.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert seeds_of(mine.images) == [3, 4, 0, 1, 2, 50], "class by class, the files of a folder before those below it"
    assert mine.split is None
    assert mine.groups is None
    assert mine.mirror
    assert not mine.synthetic
    assert "6 pictures of the folder pictures" in mine.source
    assert str(root) not in mine.source


def test_the_default_size_of_own_pictures_is_64(root):
    class_folders(root, {"a": 1, "b": 1})
    assert data.load("folder", root).size == (64, 64)


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_a_folder_with_parts(root, validation):
    for part, first in (("train", 0), (validation, 20), ("test", 40)):
        class_folders(root / part, {"b": 1, "a": 2}, first=first)
    mine = data.load("folder", root, size=8)
    assert dict(zip(seeds_of(mine.images), mine.split.tolist(), strict=True)) == {
        1: 0, 2: 0, 0: 0, 21: 1, 22: 1, 20: 1, 41: 2, 42: 2, 40: 2,
    }  # fmt: skip
    assert mine.class_names == ("a", "b")
    assert data.load("folder", root, size=8, official=False).split is None


def test_train_and_val_alone_are_tested_on_val(root):
    for part in ("train", "val"):
        class_folders(root / part, {"a": 2, "b": 2})
    assert sorted(set(data.load("folder", root, size=8).split.tolist())) == [splits.TRAIN, splits.TEST]


def test_a_class_may_be_called_test(root):
    class_folders(root, {"test": 2, "control": 2})
    assert data.load("folder", root, size=8).class_names == ("control", "test")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_with_everything(root, end):
    class_folders(root / "files", {"x": 4})
    head = "\ufeffPath, label ,GROUP,split,remark"
    rows = [
        f"files/x/x_{i:02}.png,{10 * (i % 2) + 2},p{i // 2},{part},-"
        for i, part in enumerate(["train", "0", "test", "2"])
    ]
    _lines(root / "labels.csv", head, rows[0], "", *rows[1:], end=end)
    mine = data.load("folder", root, size=8)
    assert mine.class_names == ("2", "12"), "numbers by value"
    assert mine.labels.tolist() == [0, 1, 0, 1]
    assert mine.groups.tolist() == [0, 0, 1, 1]
    assert mine.split.tolist() == [0, 0, 2, 2]
    assert data.load("folder", root / "labels.csv", size=8).sha256 == mine.sha256


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_tables_of_other_programs(root, delimiter):
    class_folders(root, {"x": 2})
    rows = [["path", "label", "group"], ["x/x_00.png", '"a, b"', "1"], ["x\\x_01.png", "c", "2"]]
    _lines(root / "t.csv", *(delimiter.join(row) for row in rows))
    assert data.load("folder", root / "t.csv", size=8).class_names == ("a, b", "c")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x/x_00.png,a", "x/x_01.png,b"], "first line is 'x/x_00.png,a', without a column 'path'"),
        (["file,label", "x/x_00.png,a"], "without a column 'path'"),
        (["path,class", "x/x_00.png,a"], "without a column 'label'"),
        (["path,label,label", "x/x_00.png,a,b"], "a column stands twice"),
        (["path,label"], "names columns but no picture"),
        (["path,label", "x/x_00.png,a,b"], r"labels.csv, line 2: 3 fields, but the first line names 2"),
        (["path,label", "", "x/x_00.png"], r"line 3: 1 fields"),
        (["path,label", "x/x_00.png,"], "line 2: the label is empty"),
        (["path,label", ",a"], "line 2: no path"),
        (["path,label", "/etc/passwd,a"], "line 2: '/etc/passwd' is an absolute path"),
        (["path,label", r"C:\x.png,a"], "is an absolute path"),
        (["path,label", "~/x.png,a"], "is an absolute path"),
        (["path,label", "x/../../x.png,a"], r"leaves the folder of the pictures by '\.\.'"),
        (["path,label", r"..\x.png,a"], r"leaves the folder of the pictures by '\.\.'"),
        (["path,label", "x/x_00.png,a", "x/x_00.png,a"], "stands twice: labels.csv, line 2; labels.csv, line 3"),
        (["path,label", "x/x_00.png,a", "./x//x_00.png,b"], "with two labels, 'a' and 'b'"),
        (
            ["path,label,split", "x/x_00.png,a,train", "x/x_00.png,a,test"],
            "stands in train and in test, which would test on what was trained",
        ),
        (["path,label,split", "x/x_00.png,a,tset", "x/x_01.png,b,train"], "split is 'tset'.*did you mean 'test'"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,"], "line 3: no split is given, but other pictures"),
        (["path,label,group", "x/x_00.png,a,1", "x/x_01.png,b,"], "line 3: no group is given"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,train"], "no picture to test"),
        (["path,label,split", "x/x_00.png,a,train", "x/x_01.png,b,test"], "class 'b' has pictures to test .* none to train"),
        (["path,label", "x/x_00.png,a", "x/x_01.png,a"], "single class 'a'"),
        (["path,label", 'x/x_00.png,"a'], "is no csv file"),
        (["path,label,groups", "x/x_00.png,a,1", "x/x_01.png,b,2"], "a column 'groups'; name it 'group' if that is meant"),
        (["path,label,group,spilt", "x/x_00.png,a,1,test"], "a column 'spilt'; name it 'split' if that is meant"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(root, lines, message):
    class_folders(root, {"x": 2})
    _lines(root / "labels.csv", *lines)
    with pytest.raises(ValueError, match=message):
        data.load("folder", root, size=8)


def test_files_that_are_no_table(root):
    class_folders(root, {"x": 2})
    for content, message in (
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0", "no text in UTF-8"),
        (b"path,label\n\0", "zero bytes"),
    ):
        (root / "t.csv").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            data.load("folder", root / "t.csv")


def test_missing_pictures_are_named_or_skipped(root):
    class_folders(root, {"x": 3})
    _lines(root / "labels.csv", "path,label", "x/x_00.png,a", "x/gone.png,a", "x/x_01.png,b", "no.png,b")
    with pytest.raises(
        FileNotFoundError, match=r"2 of 4 pictures .* first is x/gone.png \(labels.csv, line 3\).*DATA_OPT"
    ):
        data.load("folder", root, size=8)
    mine = data.load("folder", root, size=8, on_broken="skip")
    assert seeds_of(mine.images) == [0, 1]
    assert "2 of the pictures named are missing" in mine.source
    with pytest.raises(ValueError, match="did you mean 'skip'"):
        data.load("folder", root, on_broken="skp")


def test_broken_pictures_are_named_or_skipped(root):
    class_folders(root, {"a": 3, "b": 2}, suffix=".jpg")
    broken = root / "a" / "a_01.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"a_01.jpg"):
        data.load("folder", root, size=8)
    mine = data.load("folder", root, size=8, on_broken="skip")
    assert mine.labels.tolist() == [0, 0, 1, 1]
    assert "left out, as they cannot be decoded: 1 of these" in mine.source


def test_what_was_converted_is_said(root):
    class_folders(root, {"a": 2, "b": 2})
    (root / "a" / "a_00.png").rename(root / "a" / "a_00.jpg")
    assert "converted: 1 extension" in data.load("folder", root, size=8).source


def test_folders_that_are_refused(root):
    class_folders(root, {"a": 1})
    (root / "b").mkdir()
    with pytest.raises(ValueError, match=r"the class folder .*b holds no picture"):
        data.load("folder", root)
    class_folders(root / "train", {"a": 1})
    with pytest.raises(ValueError, match=r"holds parts \(train\) and another folder \(a\)"):
        data.load("folder", root)


def test_parts_are_never_taken_for_classes(root):
    class_folders(root / "val", {"a": 2, "b": 2})
    class_folders(root / "test", {"a": 2, "b": 2})
    with pytest.raises(ValueError, match="has parts, but no picture to train"):
        data.load("folder", root, size=8)
    picture(root / "train" / "x.png")
    with pytest.raises(ValueError, match=r"holds parts \(test, train, val\), but train no class folders"):
        data.load("folder", root, size=8)


def test_arrays_are_no_folder(root):
    np.savez(root / "x.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.arange(2))
    with pytest.raises(ValueError, match="are read as the data set 'medmnist'"):
        data.load("folder", root / "x.npz")


def test_loose_pictures_are_no_classes(root):
    picture(root / "a.png")
    with pytest.raises(
        FileNotFoundError, match=r"holds no folder; 1 pictures lie in it without a class folder\.\nExpected"
    ):
        data.load("folder", root)


def test_the_hash_tells_two_folders_apart_and_not_where_they_lie(root):
    for name, first in (("one", 0), ("two", 0), ("other", 1)):
        class_folders(root / name, {"a": 2, "b": 2}, first=first)
    one, two, other = (data.load("folder", root / name, size=8).sha256 for name in ("one", "two", "other"))
    assert one == two != other


def test_profile_and_test_share_of_a_folder(root):
    class_folders(root, {"a": 20, "b": 20})
    options = {"size": 8, "profile": "odd_classes", "test": 0.4}
    mine = data.load("folder", root, factor=10, **options)
    assert mine.counts(np.flatnonzero(mine.split == splits.TRAIN)).tolist() == [12, 1]
    assert mine.counts(np.flatnonzero(mine.split == splits.TEST)).tolist() == [8, 8], "the test part stays whole"
    assert data.load("folder", root, factor=0.1, **options).sha256 == mine.sha256
    assert data.load("folder", root, factor=10, seed=1, **options).sha256 != mine.sha256
    assert "odd_classes" in mine.source
    with pytest.raises(ValueError, match="factor is 10, but profile 'natural'"):
        data.load("folder", root, factor=10)
    with pytest.raises(ValueError, match="profile is 'odd'"):
        data.load("folder", root, profile="odd")
    with pytest.raises(ValueError, match="test is 1"):
        data.load("folder", root, test=1.0)
    with pytest.raises(ValueError, match="official is 'no'"):
        data.load("folder", root, official="no")


def test_a_configuration_reaches_the_folder(root):
    class_folders(root, {"a": 20, "b": 20})
    config = preset("fast", size=16, profile="step", factor=4, test=0.4)
    mine = data.load_for(config, "folder", root)
    assert mine.size == (16, 16)
    assert mine.counts(np.flatnonzero(mine.split == splits.TRAIN)).tolist() == [12, 3]
    assert mine.counts(np.flatnonzero(mine.split == splits.TEST)).tolist() == [8, 8]
    assert data.load_for(config, "folder", root, size=8, profile="natural", factor=1).size == (8, 8)
    assert data.load_for(preset("fast"), "folder", root).split is None


def test_groups_stay_whole_when_the_test_part_is_drawn(root):
    class_folders(root, {"x": 60})
    rows = [f"x/x_{i:02}.png,{'ab'[i // 30]},lesion {i // 3}" for i in range(60)]
    _lines(root / "labels.csv", "path,label,group", *rows)
    mine = data.load("folder", root, size=8, test=0.3)
    assert set(splits.group_leaks(mine, data.make_split(mine)).values()) == {0}
    again = data.make_split(dataclasses.replace(mine, split=None), test=0.3)
    assert np.flatnonzero(mine.split == splits.TEST).tolist() == again.test.tolist()


@given(st.binary(max_size=200), st.sampled_from(["", "path,label\n", "path,label,group,split\nx/x_00.png,a,1,train\n"]))
@settings(max_examples=150, deadline=None)
def test_no_table_gives_a_traceback(content, head):
    with tempfile.TemporaryDirectory() as place:
        table = Path(place) / "t.csv"
        table.write_bytes(head.encode() + content)
        with pytest.raises((ValueError, FileNotFoundError), match=r"t\.csv|missing in"):
            photo_sets.folder("folder", table)


@given(st.lists(st.binary(max_size=40), max_size=5), st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]))
@settings(max_examples=150, deadline=None)
def test_no_list_gives_a_traceback(lines, end):
    with tempfile.TemporaryDirectory() as place:
        for name in ("train.txt", "val.txt"):
            (Path(place) / name).write_bytes(end.join([b"a/b.png 0", *lines]))
        with pytest.raises((ValueError, FileNotFoundError), match=r"train\.txt|val\.txt|missing in"):
            photo_sets.clinical("sd198", place)


# --- skin ------------------------------------------------------------------------------------------------------------

HAM = ["HAM_0,ISIC_0,nv,histo,80.0,male,scalp", "HAM_0,ISIC_1,nv,histo,80.0,male,scalp", "HAM_1,ISIC_2,mel,histo,,,back",
       "HAM_2,ISIC_3,mel,consensus,5.0,female,back", "HAM_3,ISIC_4,nv,follow_up,5.0,female,back"]  # fmt: skip
HAM_HEAD = "lesion_id,image_id,dx,dx_type,age,sex,localization"


def _ham(root, rows=HAM, head=HAM_HEAD, name="HAM10000_metadata.csv"):
    for number in range(5):
        picture(root / f"HAM10000_images_part_{1 + number // 3}" / f"ISIC_{number}.png", number)
    _lines(root / name, head, *rows)


@pytest.mark.parametrize("name", photo_sets.HAM_METADATA)
@pytest.mark.parametrize("below", ["", "ham10000"])
def test_ham10000_as_image_folder(root, name, below):
    tab = "\t" if name.endswith("tab") else ","
    _ham(root / below, [row.replace(",", tab) for row in HAM], HAM_HEAD.replace(",", tab), name)
    ham = data.load("ham10000", root, size=8)
    assert ham.class_names == ("mel", "nv")
    assert ham.labels.tolist() == [1, 1, 0, 0, 1]
    assert ham.groups.tolist() == [0, 0, 1, 2, 3]
    assert seeds_of(ham.images) == [0, 1, 2, 3, 4]
    assert ham.split is None
    assert ham.mirror
    assert ham.sha256 == data.load("ham10000", root / below / name, size=8).sha256


def test_ham10000_keeps_its_npz(root):
    np.savez(root / "ham10000_28.npz", images=np.zeros((4, 8, 8, 3), np.uint8), labels=np.array([0, 1, 0, 1]),
             split=np.array([0, 0, 2, 2]))  # fmt: skip
    assert data.load("ham10000", root).split.tolist() == [0, 0, 2, 2]
    assert data.load("ham10000", root, official=False).split is None


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (["HAM_0,ISIC_0,scc,,,,"], HAM_HEAD, r"line 2: dx is 'scc'; allowed: akiec, bcc"),
        ([row.split(",", 1)[1] for row in HAM], HAM_HEAD.split(",", 1)[1], "without a column 'lesion_id'"),
        ([*HAM, HAM[0]], HAM_HEAD, r"ISIC_0.png stands twice: .*line 2; .*line 7"),
        ([*HAM, "HAM_0,../../x,nv,,,,"], HAM_HEAD, "leaves the folder"),
    ],
)
def test_metadata_that_is_refused(root, rows, head, message):
    _ham(root, rows, head)
    with pytest.raises(ValueError, match=message):
        data.load("ham10000", root, size=8)


def test_ham10000_names_what_is_missing_and_what_is_double(root):
    _ham(root, [*HAM, "HAM_9,ISIC_9,nv,,,,"])
    with pytest.raises(FileNotFoundError, match=r"1 of 6 pictures .* ISIC_9.jpg \(HAM10000_metadata.csv, line 7\)"):
        data.load("ham10000", root, size=8)
    assert len(data.load("ham10000", root, size=8, on_broken="skip")) == 5
    picture(root / "copy" / "ISIC_0.jpg")
    with pytest.raises(
        ValueError, match=r"ISIC_0 is there twice: HAM10000_images_part_1/ISIC_0.png and copy/ISIC_0.jpg"
    ):
        data.load("ham10000", root, size=8)


# --- SD-198, SD-260 --------------------------------------------------------------------------------------------------


def _clinical(root, start=0, suffix=".png"):
    paths = class_folders(root / "raw" / "images", {"Acne": 4, "Ganglion": 3, "Impetigo": 3}, suffix)
    numbers = {"Acne": 1, "Ganglion": 0, "Impetigo": 2}
    lines = [f"{path.parent.name}/{path.name} {start + numbers[path.parent.name]}" for path in paths]
    _lines(root / "raw" / "train.txt", *(line for line in lines if "_00" not in line))
    _lines(root / "raw" / "val.txt", *(line for line in lines if "_00" in line))


@pytest.mark.parametrize("name", ["sd198", "sd260"])
@pytest.mark.parametrize("start", [0, 1])
def test_clinical_lists(root, name, start):
    _clinical(root, start)
    skin = data.load(name, root, size=8)
    assert skin.class_names == ("Ganglion", "Acne", "Impetigo"), "in the order of the labels, named by their folders"
    assert skin.counts().tolist() == [3, 4, 3]
    assert skin.counts(np.flatnonzero(skin.split == splits.TEST)).tolist() == [1, 1, 1]
    assert data.load(name, root / "raw", size=8).sha256 == skin.sha256


def test_photographs_are_224_pixels_unless_asked(root):
    _clinical(root)
    assert data.load("sd198", root).size == (224, 224)


def test_cross_validation_of_the_clinical_sets(root):
    _clinical(root)
    whole = data.load("sd198", root, size=8, official=False)
    tests = [data.make_split(whole, 0.3, 1 / 3, fold=fold).test for fold in range(3)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(10))
    with pytest.raises(ValueError, match="has an official split"):
        data.make_split(data.load("sd198", root, size=8), fold=0)


def test_lists_of_another_fold_and_prefixed_paths(root):
    _clinical(root)
    for name in ("train", "val"):
        text = (root / "raw" / f"{name}.txt").read_text()
        lines = [f"images/{line}" for line in text.splitlines()]
        _lines(root / "raw" / f"{name}_2.txt", "\ufeff" + lines[0], "", *lines[1:], "   ", end="\r\n")
    other = data.load("sd198", root, size=8, lists=("train_2.txt", "val_2.txt"))
    assert other.sha256 == data.load("sd198", root, size=8).sha256
    with pytest.raises(ValueError, match=r"lists is 'train.txt'"):
        data.load("sd198", root, lists="train.txt")
    with pytest.raises(FileNotFoundError, match=r"train_2.txt is there, but val_9.txt beside it is not"):
        data.load("sd198", root, lists=("train_2.txt", "val_9.txt"))


def test_classes_without_a_folder_of_their_own_keep_their_number(root):
    for number in range(6):
        picture(root / "raw" / "images" / f"{number}.png", number)
    _lines(root / "raw" / "train.txt", "0.png 0", "1.png 1", "2.png 10", *(f"3.png {9}" for _ in range(1)))
    _lines(root / "raw" / "val.txt", "4.png 0", "5.png 1")
    loaded = data.load("sd198", root, size=8)
    assert loaded.class_names == ("0", "1", "9", "10")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Acne/Acne_00.png", "line 1: 'Acne/Acne_00.png' is no 'path label'"),
        ("Acne/Acne_00.png acne", "is no 'path label'"),
        ("Acne/Acne_00.png -1", "the label is -1; allowed: 0..197"),
        ("Acne/Acne_00.png 199", "the label is 199; allowed: 0..197, or 1..198"),
        ("Acne/Acne_00.png 198", "reach from 0 to 198, but sd198 has 198 classes"),
        ("/Acne/Acne_00.png 1", "absolute path"),
        ("../images/Acne/Acne_00.png 1", "leaves the folder"),
        ("Acne/Acne_01.png 1", "stands in train and in test"),
    ],
)
def test_clinical_lists_that_are_refused(root, line, message):
    _clinical(root)
    _lines(root / "raw" / "val.txt", line)
    with pytest.raises(ValueError, match=message):
        data.load("sd198", root, size=8)


def test_absent_clinical_sets_name_no_mirror(root):
    for name in ("sd198", "sd260"):
        with pytest.raises(FileNotFoundError, match="by request") as caught:
            data.load(name, root)
        assert "http" not in str(caught.value)
        assert "raw/images" in str(caught.value)
        assert "'lesions198'" in str(caught.value)


# --- MIT-67 ----------------------------------------------------------------------------------------------------------


def _mit67(root):
    paths = class_folders(root / "Images", {"bakery": 5, "attic": 5, "cellar": 5})
    lines = [f"{path.parent.name}/{path.name}" for path in paths]
    _lines(root / "TrainImages.txt", *(line for line in lines if line[-5] in "01"))
    _lines(root / "TestImages.txt", *(line for line in lines if line[-5] in "2"))


def test_mit67_lists_and_the_whole(root):
    _mit67(root)
    scenes = data.load("mit67", root, size=8)
    assert scenes.class_names == ("attic", "bakery", "cellar")
    assert scenes.counts(np.flatnonzero(scenes.split == splits.TRAIN)).tolist() == [2, 2, 2]
    assert scenes.counts(np.flatnonzero(scenes.split == splits.TEST)).tolist() == [1, 1, 1]
    assert len(data.load("mit67", root, size=8, official=False)) == 15
    sixty_forty = {"official": False, "test": 0.4, "profile": "odd_classes", "factor": 3}
    reduced = data.load("mit67", root, size=8, **sixty_forty)
    assert reduced.counts(np.flatnonzero(reduced.split == splits.TRAIN)).tolist() == [3, 1, 3]
    assert reduced.counts(np.flatnonzero(reduced.split == splits.TEST)).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("batery/x.png", r"TestImages.txt, line 1: class is 'batery'.*did you mean 'bakery'"),
        ("bakery_00.png", "is no 'class/file'"),
        (
            "bakery/bakery_00.png",
            "which would test on what was trained: TrainImages.txt, line 1; TestImages.txt, line 1",
        ),
    ],
)
def test_mit67_lists_that_are_refused(root, line, message):
    _mit67(root)
    _lines(root / "TestImages.txt", line)
    with pytest.raises(ValueError, match=message):
        data.load("mit67", root, size=8)


def test_mit67_without_its_lists(root):
    _mit67(root)
    (root / "TestImages.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no TestImages.txt \(official=False does without the lists\)"):
        data.load("mit67", root)


def test_the_real_lists_of_mit67(root, real_data):
    for name in ("TrainImages.txt", "TestImages.txt"):
        text = (real_data / "mit67" / name).read_text()
        (root / name).write_text(text)
        for line in text.split("\n"):
            path = root / "Images" / line
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
            path.touch()
    listed = photo_sets.mit67("mit67", root)
    assert np.bincount(listed.split).tolist() == [5360, 0, 1340]
    assert len(listed.class_names) == 67
    assert np.bincount(listed.labels[listed.split == splits.TRAIN]).min() >= 75
    assert listed.paths[0] == root / "Images" / "gameroom" / "bt_132294gameroom2.jpg"
    assert any(" " in path.name for path in listed.paths)


# --- Caltech-101 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "101_ObjectCategories", "caltech101/101_ObjectCategories"])
def test_caltech101_with_and_without_background(root, below):
    class_folders(root / below, {"BACKGROUND_Google": 5, "Faces": 5, "ant": 5})
    whole = data.load("caltech101", root, size=8)
    assert whole.class_names == ("BACKGROUND_Google", "Faces", "ant")
    assert whole.split is None
    assert data.load("caltech101", root, size=8, background=False).class_names == ("Faces", "ant")
    reduced = data.load("caltech101", root, size=8, test=0.4, profile="odd_classes", factor=3)
    assert reduced.counts(np.flatnonzero(reduced.split == splits.TRAIN)).tolist() == [3, 1, 3]


def test_caltech101_is_fetched_only_when_asked(root, monkeypatch):
    import torchvision.datasets

    asked = []
    monkeypatch.setattr(torchvision.datasets, "Caltech101", lambda place, download: asked.append((place, download)))
    with pytest.raises(FileNotFoundError, match="102 folders"):
        data.load("caltech101", root)
    assert asked == []
    with pytest.raises(FileNotFoundError):
        data.load("caltech101", root, download=True)
    assert asked == [(str(root), True)]
