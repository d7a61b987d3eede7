"""The check of a data set finds what was put in, says how bad it is, and passes what is sound."""

import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
from image_makers import encoded, folder_of, smooth
from PIL import Image
from small_data import blobs

from spbl_nb import check_data, cli, data
from spbl_nb.data.cache import cached_images
from spbl_nb.data.dataset import ImageData
from spbl_nb.environment import FAIL, OK, WARN

pytestmark = pytest.mark.usefixtures("own_cache")

SPLIT = np.tile([0, 0, 0, 1, 2], 12).astype(np.int8)


def _sound(**fields) -> ImageData:
    return blobs([30, 20, 10], **fields)


def _levels(checked) -> dict[str, str]:
    return {finding.what: finding.level for finding in checked.findings}


def _found(checked, what) -> str:
    return next(str(finding) for finding in checked.findings if finding.what == what)


def _files(tmp_path, paths):
    """A data set out of image files, as the readers make it."""
    cached = cached_images(paths, 16, folder=tmp_path / "cache", on_broken="skip")
    kept = [paths[row] for row in cached.kept]
    names = sorted({path.parent.name for path in paths})
    labels = np.array([names.index(path.parent.name) for path in kept])
    return ImageData("files", cached.images, labels, tuple(names), paths=np.array(kept, object), cached=cached)


def test_a_sound_data_set_passes(tmp_path):
    checked = check_data.examine(_sound(), tmp_path / "out")
    assert not checked.wrong
    assert set(_levels(checked).values()) == {OK}
    assert checked.verdict == "blobs: nothing is wrong"
    assert "60 in 3 classes at 16 x 16 pixels" in _found(checked, "images")
    assert "class 2 (7), class 1 (13), class 0 (20) among the 40 training images" in _found(checked, "rarest classes")
    assert [path.name for path in checked.written] == ["class_sizes.png", "contact_sheet.png", "check.json"]
    record = json.loads(checked.written[-1].read_text())
    assert not record["wrong"]
    assert [one["pictures"] for one in record["classes"]] == [30, 20, 10]
    assert [sum(one[part] for part in ("train", "validation", "test")) for one in record["classes"]] == [30, 20, 10]
    for path in checked.written[:2]:
        assert min(Image.open(path).size) > 150
    assert "synthetic images" in _levels(check_data.examine(_sound(synthetic=True), tmp_path))


def test_class_sizes_are_given_by_split(tmp_path):
    split = np.repeat([0, 1, 2, 0, 1, 2, 0, 1, 2], [24, 2, 4, 14, 2, 4, 4, 2, 4]).astype(np.int8)
    sizes = _found(check_data.examine(_sound(split=split), tmp_path), "class sizes")
    assert "train 24 to 4 images (factor 6); validation 2 images each; test 4 images each" in sizes
    split[50:] = 1
    assert "train 24 to 0 images;" in _found(check_data.examine(_sound(split=split), tmp_path), "class sizes")


def test_splits_that_cannot_be_made_or_lack_a_class(tmp_path):
    tiny = check_data.examine(blobs([10, 2]), tmp_path)
    assert _levels(tiny)["split"] == FAIL
    assert "class 1 (class 1) has 2 samples" in _found(tiny, "split")
    assert _found(tiny, "images").endswith("class sizes: 10 to 2 images (factor 5)")
    assert "class 1 (2), class 0 (10) among all 12 images" in _found(tiny, "rarest classes")
    split = np.where(np.arange(60) % 5 == 4, 2, 0)
    split[50:] = 0
    lacking = check_data.examine(_sound(split=split), tmp_path)
    assert _levels(lacking)["classes in splits"] == WARN
    assert "test lacks class 2" in _found(lacking, "classes in splits")


def test_heads_of_the_figures_are_whole_and_say_what_is_counted(monkeypatch, tmp_path):
    source = "/a folder/" + "with many parts/" * 20 + "end; imbalance factor 20 (smallest / largest = 0.05)"
    figures, write = {}, check_data._write

    def writing(path, figure, *rest):
        figures[path.name] = figure
        return write(path, figure, *rest)

    monkeypatch.setattr(check_data, "_write", writing)
    check_data.examine(_sound(source=source), tmp_path)
    for figure in figures.values():
        assert "".join(f"blobs: {source}".split()).replace(";", "") in "".join(figure.get_suptitle().split()), "not cut"
        figure.draw_without_rendering()
        box = figure._suptitle.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= figure.bbox.width
    assert figures["class_sizes.png"].get_suptitle().endswith("\nclass sizes among the 40 training images")
    texts = [text.get_text() for text in figures["class_sizes.png"].axes[0].texts]
    assert texts == ["20", "13", "7"], "the bars are those of the training split"


def test_thumbnails_are_small_and_not_stretched():
    images = np.zeros((1, 3, 50, 200), np.uint8)
    images[:, :, :, 75:125] = 200  # a square
    small = check_data.thumbnails(images)
    assert small.shape == (1, 3, 64, 64)
    bright = np.abs(small[0, 0].astype(int) - 200) < 20
    assert bright.any(axis=0).sum() == bright.any(axis=1).sum() == 16
    assert check_data.thumbnails(images[..., 70:130]).shape == (1, 3, 50, 60), "small ones stay as they are"


@pytest.mark.parametrize(
    ("target", "level", "where"),
    [(4, FAIL, "1 across splits, 0 across classes"), (5, WARN, "0 across splits, 0 across classes"),
     (35, FAIL, "0 across splits, 1 across classes")],
)  # fmt: skip
def test_copies_across_splits_or_classes_fail(tmp_path, target, level, where):
    whole = _sound(split=SPLIT)
    images = whole.images.copy()
    images[target] = images[0]
    checked = check_data.examine(dataclasses.replace(whole, images=images), tmp_path)
    assert _levels(checked)["equal pixels at 16"] == level
    assert checked.wrong == (level == FAIL)
    assert f"copies beyond the first: 1, sets of equal images: 1 ({where})" in _found(checked, "equal pixels at 16")
    names = ["row 0 (class 0)", f"row {target} (class {whole.labels[target]})"]
    assert json.loads((tmp_path / "check.json").read_text())["copies"] == {"equal pixels at 16": [names]}


def test_repeated_against_brute_force():
    keys = np.random.default_rng(0).integers(0, 30, 60).tolist()
    wanted = {tuple(np.flatnonzero(np.array(keys) == key)) for key in set(keys) if keys.count(key) > 1}
    assert {tuple(rows) for rows in check_data.repeated(keys)} == wanted
    assert check_data.repeated([b"a", b"b"]) == []


def test_group_leaks_and_mixed_groups(tmp_path):
    leaking = check_data.examine(_sound(split=SPLIT, groups=np.arange(60) // 5), tmp_path)
    assert _levels(leaking)["group leaks"] == FAIL
    assert "12 on both sides of train/test" in _found(leaking, "group leaks")
    whole = check_data.examine(_sound(groups=np.arange(60) // 3), tmp_path)
    assert _levels(whole)["group leaks"] == OK
    mixed = check_data.examine(_sound(groups=np.arange(60) % 30), tmp_path)
    assert _levels(mixed)["classes in groups"] == WARN


def test_blank_images_are_named(tmp_path):
    images = _sound().images.copy()
    images[7] = 40
    checked = check_data.examine(dataclasses.replace(_sound(), images=images), tmp_path)
    assert _levels(checked)["blank images"] == WARN
    assert "row 7 (class 0)" in _found(checked, "blank images")


@pytest.fixture
def paths(tmp_path):
    return folder_of(tmp_path / "data", 24)


def test_broken_files_fail_unless_they_may_be_skipped(tmp_path, paths):
    paths[3].write_bytes(b"")
    paths[8].write_bytes(paths[8].read_bytes()[:100])
    exif = Image.Exif()
    exif[0x0112] = 6
    paths[2].write_bytes(encoded(smooth(seed=2), "PNG", exif=exif))
    files = _files(tmp_path, paths)
    checked = check_data.examine(files, tmp_path / "out")
    assert _levels(checked)["broken files"] == FAIL
    names = "2: 1 empty, 1 truncated: class_1/0003.png (empty), class_0/0008.png (truncated)"
    assert names in _found(checked, "broken files")
    assert "1 orientation" in _found(checked, "converted files")
    record = json.loads((tmp_path / "out" / "check.json").read_text())
    assert [one["kind"] for one in record["broken"]] == ["empty", "truncated"]
    skipped = check_data.examine(files, tmp_path / "out", skip_broken=True)
    assert _levels(skipped)["broken files"] == WARN
    assert not skipped.wrong


def test_equal_files_and_equal_pixels_are_different_things(tmp_path, paths):
    paths[1].write_bytes(paths[3].read_bytes())
    first = check_data.examine(_files(tmp_path, paths), tmp_path / "out")
    assert _levels(first)["equal files"] in (WARN, FAIL)
    assert _found(first, "equal pixels at 16") == "[  OK  ] equal pixels at 16: no further ones"
    buffer = io.BytesIO()
    Image.open(paths[5]).save(buffer, "PNG", compress_level=0)
    paths[7].write_bytes(buffer.getvalue())
    checked = check_data.examine(_files(tmp_path, paths), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "check.json").read_text())
    assert record["copies"]["equal files"] == [["class_1/0001.png", "class_1/0003.png"]]
    saved_again = ["class_1/0005.png", "class_1/0007.png"]
    assert record["copies"]["equal pixels at 16"] == [["class_1/0001.png", "class_1/0003.png"], saved_again]
    text = _found(checked, "equal pixels at 16")
    assert "sets of equal images: 1 " in text, "equal files are one fault, not two"
    assert " = ".join(saved_again) in text


def test_many_classes_get_several_sheets(tmp_path):
    checked = check_data.examine(blobs([4] * 45, size=8), tmp_path)
    assert [path.name for path in checked.written][1:3] == ["contact_sheet_1.png", "contact_sheet_2.png"]


# --- by name, out of folders and archives, and as a command -----------------------------------------------------------


def test_a_set_by_name_and_the_default_folder(monkeypatch, tmp_path):
    checked = check_data.check("digits", runs_dir=tmp_path / "runs")
    assert "in 10 classes at 28 x 28 pixels" in _found(checked, "images")
    assert not checked.wrong
    assert checked.written[0] == tmp_path / "runs" / "data" / "digits" / "class_sizes.png"


def test_a_folder_by_the_command(tmp_path, paths, capsys):
    line = ["data", "folder", "--data-root", str(tmp_path / "data"), "--size", "16", "--out", str(tmp_path / "out")]
    assert cli.main(line) == 0
    output = capsys.readouterr().out
    assert "[  OK  ] images: 24 in 2 classes at 16 x 16 pixels" in output
    assert "check.json" in output
    paths[3].write_bytes(b"no image")
    assert cli.main(line) == 1
    output = capsys.readouterr().out
    assert "[ FAIL ] broken files: 1: 1 not an image: class_1/0003.png (not an image)" in output
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


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_an_archive_is_as_good_as_its_folder(tmp_path, paths, form):
    archive = shutil.make_archive(str(tmp_path / "images"), form, tmp_path, "data")
    from_archive = data.load("folder", archive, 16)
    assert from_archive.sha256 == data.load("folder", tmp_path / "data", 16).sha256
    assert str(tmp_path / "the cache" / "archives") in from_archive.paths[0]
