"""The check of a data set finds what was put in, says how bad it is, and passes what is sound."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from picture_makers import encoded, folder_of, smooth
from PIL import Image
from small_data import blobs

from spbl_nb import check_data, cli, data
from spbl_nb.data.cache import cached_pictures
from spbl_nb.data.dataset import ImageData
from spbl_nb.environment import FAIL, OK, WARN

pytestmark = pytest.mark.usefixtures("own_cache")


def _sound(**fields) -> ImageData:
    return blobs([30, 20, 10], **fields)


def _levels(checked) -> dict[str, str]:
    return {finding.what: finding.level for finding in checked.findings}


def _found(checked, what) -> str:
    return next(str(finding) for finding in checked.findings if finding.what == what)


def _files(tmp_path, paths, on_broken="skip", **fields):
    """A data set out of picture files, as the readers make it."""
    cached = cached_pictures(paths, 16, folder=tmp_path / "cache", on_broken=on_broken)
    kept = [paths[row] for row in cached.kept]
    names = sorted({path.parent.name for path in paths})
    labels = np.array([names.index(path.parent.name) for path in kept])
    return ImageData(
        "files", cached.images, labels, tuple(names), paths=np.array(kept, object), cached=cached, **fields
    )


def test_a_sound_data_set_passes(tmp_path):
    checked = check_data.examine(_sound(), tmp_path / "out")
    assert not checked.wrong
    assert set(_levels(checked).values()) == {OK}
    assert checked.verdict == "blobs: nothing is wrong"
    assert "60 in 3 classes at 16 x 16 pixels" in _found(checked, "pictures")
    assert "class 2 (7), class 1 (13), class 0 (20) among the 40 training pictures" in _found(checked, "rarest classes")
    assert [path.name for path in checked.written] == ["class_sizes.png", "contact_sheet.png", "check.json"]
    record = json.loads(checked.written[-1].read_text())
    assert not record["wrong"]
    assert [one["pictures"] for one in record["classes"]] == [30, 20, 10]
    assert [sum(one[part] for part in ("train", "validation", "test")) for one in record["classes"]] == [30, 20, 10]
    for path in checked.written[:2]:
        assert min(Image.open(path).size) > 150


def test_class_sizes_are_told_by_part(tmp_path):
    split = np.repeat([0, 1, 2, 0, 1, 2, 0, 1, 2], [24, 2, 4, 14, 2, 4, 4, 2, 4]).astype(np.int8)
    checked = check_data.examine(_sound(split=split), tmp_path)
    assert "train 24 to 4 pictures (factor 6); validation 2 pictures each; test 4 pictures each" in _found(
        checked, "class sizes"
    )
    lacking = split.copy()
    lacking[50:] = 1
    assert "train 24 to 0 pictures;" in _found(check_data.examine(_sound(split=lacking), tmp_path), "class sizes")


def test_class_sizes_are_those_of_all_pictures_where_no_parts_can_be_made(tmp_path):
    checked = check_data.examine(blobs([10, 2]), tmp_path)
    assert _found(checked, "pictures").endswith("class sizes: 10 to 2 pictures (factor 5)")
    assert "class 1 (2), class 0 (10) among all 12 pictures" in _found(checked, "rarest classes")
    assert "class sizes" not in _levels(checked)


def _drawn(monkeypatch, data, folder):
    """Return the figures of a check by file."""
    figures, write = {}, check_data._write
    monkeypatch.setattr(
        check_data, "_write", lambda path, figure: figures.update({path.name: figure}) or write(path, figure)
    )
    check_data.examine(data, folder)
    return figures


@pytest.mark.parametrize(("last", "scale"), [(0, "linear"), (1, "log")])
def test_long_tails_are_drawn_in_logarithms_unless_a_class_has_nothing_to_learn_from(
    monkeypatch, tmp_path, last, scale
):
    split = np.repeat([0, 1, 2, 0, 1, 2], [160, 1, 1, last, 1, 1]).astype(np.int8)
    figures = _drawn(monkeypatch, blobs([162, last + 2], split=split), tmp_path)
    (axes,) = figures["class_sizes.png"].axes
    assert axes.get_yscale() == scale


def test_the_heads_of_the_pictures_are_whole_and_say_what_is_counted(monkeypatch, tmp_path):
    source = "/a folder/" + "with many parts/" * 20 + "end; imbalance factor 20 (smallest / largest = 0.05)"
    figures = _drawn(monkeypatch, _sound(source=source), tmp_path)
    heads = {name: figure.get_suptitle() for name, figure in figures.items()}
    for name, head in heads.items():
        assert "".join(f"blobs: {source}".split()).replace(";", "") in "".join(head.split()), "not cut off"
        figures[name].draw_without_rendering()
        box = figures[name]._suptitle.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figures[name].bbox.width
    assert heads["class_sizes.png"].endswith("\nclass sizes among the 40 training pictures")
    assert heads["contact_sheet.png"].endswith(
        "in brackets: pictures of the class, training, validation and test together"
    )
    texts = [text.get_text() for text in figures["class_sizes.png"].axes[0].texts]
    assert texts == ["20", "13", "7"], "the bars are those of the training part"


def test_thumbnails_are_small_and_not_stretched():
    images = np.zeros((1, 3, 50, 200), np.uint8)
    images[:, :, :, 75:125] = 200  # a square
    small = check_data.thumbnails(images)
    assert small.shape == (1, 3, 64, 64)
    bright = np.abs(small[0, 0].astype(int) - 200) < 20
    assert bright.any(axis=0).sum() == bright.any(axis=1).sum() == 16
    assert check_data.thumbnails(images[..., 70:130]).shape == (1, 3, 50, 60), "small ones stay as they are"


SPLIT = np.tile([0, 0, 0, 1, 2], 12).astype(np.int8)


def _with_copy(source, target, **fields):
    data = _sound(split=SPLIT, **fields)
    images = data.images.copy()
    images[target] = images[source]
    return dataclasses.replace(data, images=images)


def test_a_picture_in_training_and_test_fails(tmp_path):
    checked = check_data.examine(_with_copy(0, 4), tmp_path)
    assert _levels(checked)["equal pixels at 16"] == FAIL
    assert checked.wrong
    text = _found(checked, "equal pixels at 16")
    assert "copies beyond the first: 1, sets of equal pictures: 1 (1 across parts, 0 across classes)" in text
    assert "row 0 (class 0) = row 4 (class 0)" in text
    assert json.loads((tmp_path / "check.json").read_text())["copies"] == {
        "equal pixels at 16": [["row 0 (class 0)", "row 4 (class 0)"]]
    }


def test_a_copy_inside_a_part_is_only_told(tmp_path):
    checked = check_data.examine(_with_copy(0, 5), tmp_path)
    assert _levels(checked)["equal pixels at 16"] == WARN
    assert not checked.wrong
    assert checked.verdict.endswith("nothing is wrong, 1 to know of")


def test_one_picture_under_two_classes_fails(tmp_path):
    checked = check_data.examine(_with_copy(0, 35), tmp_path)
    assert _levels(checked)["equal pixels at 16"] == FAIL
    assert "(0 across parts, 1 across classes)" in _found(checked, "equal pixels at 16")


def test_repeated_against_brute_force():
    keys = np.random.default_rng(0).integers(0, 30, 60)
    wanted = {tuple(np.flatnonzero(keys == key)) for key in set(keys.tolist()) if (keys == key).sum() > 1}
    assert {tuple(rows) for rows in check_data.repeated(keys)} == wanted
    assert check_data.repeated(np.arange(5)) == []


def test_group_leaks_and_mixed_groups(tmp_path):
    leaking = check_data.examine(_sound(split=SPLIT, groups=np.arange(60) // 5), tmp_path)
    assert _levels(leaking)["group leaks"] == FAIL
    assert "12 on both sides of train/test" in _found(leaking, "group leaks")
    whole = check_data.examine(_sound(groups=np.arange(60) // 3), tmp_path)
    assert _levels(whole)["group leaks"] == OK
    mixed = check_data.examine(_sound(groups=np.arange(60) % 30), tmp_path)
    assert _levels(mixed)["classes in groups"] == WARN


def test_parts_that_cannot_be_made_or_lack_a_class(tmp_path):
    tiny = check_data.examine(blobs([10, 2]), tmp_path)
    assert _levels(tiny)["parts"] == FAIL
    assert "class 1 (class 1) has 2 samples" in _found(tiny, "parts")
    split = np.where(np.arange(60) % 5 == 4, 2, 0)
    split[50:] = 0
    lacking = check_data.examine(_sound(split=split), tmp_path)
    assert _levels(lacking)["classes in parts"] == WARN
    assert "test lacks class 2" in _found(lacking, "classes in parts")


def test_blank_pictures_are_told(tmp_path):
    data = _sound()
    images = data.images.copy()
    images[7] = 40
    checked = check_data.examine(dataclasses.replace(data, images=images), tmp_path)
    assert _levels(checked)["blank pictures"] == WARN
    assert "row 7 (class 0)" in _found(checked, "blank pictures")


@pytest.fixture
def paths(tmp_path):
    return folder_of(tmp_path / "data", 24)


def test_broken_files_fail_unless_they_may_be_skipped(tmp_path, paths):
    paths[3].write_bytes(b"")
    paths[8].write_bytes(paths[8].read_bytes()[:100])
    data = _files(tmp_path, paths)
    checked = check_data.examine(data, tmp_path / "out")
    assert _levels(checked)["broken files"] == FAIL
    assert "2: 1 empty, 1 truncated: class_1/0003.png (empty), class_0/0008.png (truncated)" in _found(
        checked, "broken files"
    )
    record = json.loads((tmp_path / "out" / "check.json").read_text())
    assert [one["kind"] for one in record["broken"]] == ["empty", "truncated"]
    skipped = check_data.examine(data, tmp_path / "out", skip_broken=True)
    assert _levels(skipped)["broken files"] == WARN
    assert not skipped.wrong


def test_equal_files_and_equal_pixels_are_different_things(tmp_path, paths):
    paths[1].write_bytes(paths[3].read_bytes())
    buffer = io.BytesIO()
    Image.open(paths[5]).save(buffer, "PNG", compress_level=0)
    paths[7].write_bytes(buffer.getvalue())
    checked = check_data.examine(_files(tmp_path, paths), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "check.json").read_text())
    assert record["copies"]["equal files"] == [["class_1/0001.png", "class_1/0003.png"]]
    saved_anew = ["class_1/0005.png", "class_1/0007.png"]
    assert record["copies"]["equal pixels at 16"] == [["class_1/0001.png", "class_1/0003.png"], saved_anew]
    assert _levels(checked)["equal files"] in (WARN, FAIL)
    told = _found(checked, "equal pixels at 16")
    assert "sets of equal pictures: 1 " in told, "equal files are one fault, not two"
    assert " = ".join(saved_anew) in told


def test_a_copied_file_is_told_once(tmp_path, paths):
    paths[1].write_bytes(paths[3].read_bytes())
    checked = check_data.examine(_files(tmp_path, paths), tmp_path / "out")
    assert _levels(checked)["equal files"] in (WARN, FAIL)
    assert _found(checked, "equal pixels at 16") == "[  OK  ] equal pixels at 16: no further ones"


def test_converted_files_are_told(tmp_path, paths):
    exif = Image.Exif()
    exif[0x0112] = 6
    paths[2].write_bytes(encoded(smooth(seed=2), "PNG", exif=exif))
    checked = check_data.examine(_files(tmp_path, paths), tmp_path / "out")
    assert "1 orientation" in _found(checked, "converted files")


def test_many_classes_get_several_sheets(tmp_path):
    checked = check_data.examine(blobs([4] * 45, size=8), tmp_path)
    assert [path.name for path in checked.written] == [
        "class_sizes.png",
        "contact_sheet_1.png",
        "contact_sheet_2.png",
        "check.json",
    ]


def test_an_embedded_set_by_name(tmp_path):
    checked = check_data.check("digits", out=tmp_path)
    assert "in 10 classes at 28 x 28 pixels" in _found(checked, "pictures")
    assert not checked.wrong
    assert "synthetic pictures" in _levels(check_data.examine(_sound(synthetic=True), tmp_path))


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(check_data.places, "runs_dir", lambda path=None: path or tmp_path)
    checked = check_data.check("digits")
    assert checked.written[0] == tmp_path / "data" / "digits" / "class_sizes.png"
    assert Path(checked.written[-1]).is_file()
    checked = check_data.check("digits", runs_dir=tmp_path / "others")
    assert checked.written[0].parent == tmp_path / "others" / "data" / "digits"


# --- by name, out of folders and archives, and as a command -----------------------------------------------------------


def test_a_folder_by_the_command(tmp_path, paths, capsys):
    line = ["data", "folder", "--data-root", str(tmp_path / "data"), "--size", "16", "--out", str(tmp_path / "out")]
    assert cli.main(line) == 0
    output = capsys.readouterr().out
    assert "[  OK  ] pictures: 24 in 2 classes at 16 x 16 pixels" in output
    assert "check.json" in output
    assert "files: nothing is wrong" not in output
    paths[3].write_bytes(b"no picture")
    assert cli.main(line) == 1
    output = capsys.readouterr().out
    assert "[ FAIL ] broken files: 1: 1 not a picture: class_1/0003.png (not a picture)" in output
    assert "--skip-broken" in output
    assert "1 of " in output.splitlines()[-1]
    assert cli.main([*line, "--skip-broken"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 24, "one screen"
    assert cli.main(["data", "foldr"]) == 2
    assert "did you mean 'folder'" in capsys.readouterr().err
    assert cli.main(["data", "folder", "--data-root", str(tmp_path / "nowhere")]) == 2
    assert "Expected:" in capsys.readouterr().err


def test_files_that_a_table_names_and_that_are_not_there(tmp_path, paths):
    rows = [f"{path.relative_to(tmp_path / 'data').as_posix()},{path.parent.name}" for path in paths]
    table = tmp_path / "data" / "labels.csv"
    table.write_text("\n".join(["path,label", *rows, "class_0/gone.png,class_0"]))
    checked = check_data.check("folder", tmp_path / "data", 16, out=tmp_path / "out")
    assert _levels(checked)["broken files"] == FAIL
    assert "1 missing: class_0/gone.png (missing)" in _found(checked, "broken files")


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_an_archive_is_as_good_as_its_folder(tmp_path, paths, suffix):
    form = {"zip": "zip", "tar.gz": "gztar"}[suffix]
    shutil.make_archive(str(tmp_path / "pictures"), form, tmp_path, "data")
    from_folder = data.load("folder", tmp_path / "data", 16)
    from_archive = data.load("folder", tmp_path / f"pictures.{suffix}", 16)
    assert from_archive.sha256 == from_folder.sha256
    assert from_archive.cached.folder == from_folder.cached.folder, "the same files, so the same cache"
    assert str(tmp_path / "the cache" / "archives") in from_archive.paths[0]
    checked = check_data.check("folder", tmp_path / f"pictures.{suffix}", 16, out=tmp_path / "out")
    assert not checked.wrong


def test_an_npz_file(tmp_path):
    made = _sound()
    arrays = {"images": made.images.transpose(0, 2, 3, 1), "labels": made.labels}
    np.savez(tmp_path / "mine.npz", **arrays)
    checked = check_data.check("medmnist", tmp_path / "mine.npz", out=tmp_path / "out")
    assert not checked.wrong
    assert "broken files" not in _levels(checked)


def test_rows_taken_keep_their_files(tmp_path, paths):
    whole = data.load("folder", tmp_path / "data", 16)
    part = whole.take(np.array([1, 5, 20]))
    assert part.paths.tolist() == whole.paths[[1, 5, 20]].tolist()
