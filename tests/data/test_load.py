"""``data.load``: embedded sets, arrays, options, absent data, and the table of protocols."""

import io
import re
import struct
import zipfile

import numpy as np
import pytest
from image_trees import class_folders
from scipy.stats import spearmanr

from spbl_nb import data
from spbl_nb.config import preset
from spbl_nb.data import layouts, read_arrays
from spbl_nb.data.split import group_leaks
from spbl_nb.data.synthetic.classes import sd198_sizes
from spbl_nb.results import published


def _save(path, **arrays):
    np.savez(path, **arrays)
    return path


# --- embedded sets ---------------------------------------------------------------------------------------------------


def test_digits_have_the_long_tail_and_a_balanced_test_split():
    digits = data.load("digits")
    assert digits.images.shape[1:] == (3, 28, 28)
    assert digits.counts(np.flatnonzero(digits.split == 0)).tolist() == [120, 86, 62, 44, 32, 23, 16, 12, 8, 6]
    assert digits.counts(np.flatnonzero(digits.split == 2)).tolist() == [50] * 10
    assert not digits.synthetic
    assert not digits.mirror, "a mirrored digit is no digit"


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    small = data.load("digits", size=8, profile="natural", largest=None)
    np.testing.assert_array_equal(small.images[:, 0], (load_digits().images * (255 / 16)).round().astype(np.uint8))


def test_lesions_are_synthetic_with_rarity_and_difficulty_apart():
    lesions = data.load("lesions", largest=40, factor=10, test_per_class=5, num_classes=12)
    assert lesions.synthetic
    assert lesions.counts(np.flatnonzero(lesions.split == 0))[[0, -1]].tolist() == [40, 4]
    assert lesions.counts(np.flatnonzero(lesions.split == 2)).tolist() == [5] * 12
    assert lesions.difficulty.shape == (12,)
    train, test = (lesions.images[lesions.split == part].reshape(-1, 3 * 32 * 32) for part in (0, 2))
    assert not (train[:, None] == test[None]).all(axis=2).any(), "no test image is a training image"
    grouped = data.load("lesions", largest=24, factor=4, test_per_class=8, pictures_per_lesion=4)
    assert np.bincount(grouped.groups).max() <= 4
    assert not set(grouped.groups[grouped.split == 0]) & set(grouped.groups[grouped.split == 2])


def test_lesions198_have_the_class_sizes_of_sd198(real_data):
    counted = dict(line.split(",") for line in (real_data / "sd198_class_counts.csv").read_text().split()[1:])
    assert {name: str(size) for name, size in sd198_sizes().items()} == counted


def test_lesions198_are_synthetic_and_hard_whatever_their_size():
    drawn = data.load("lesions198", size=16, largest=3)
    assert drawn.counts().tolist() == [3] * 198
    assert drawn.synthetic
    assert "synthetic" in drawn.source
    assert drawn.split is None
    assert not set(drawn.class_names) & set(sd198_sizes()), "no names of diseases"
    sizes = list(sd198_sizes().values())
    assert (len(sizes), sum(sizes), min(sizes), max(sizes)) == (198, 6584, 10, 60)
    assert abs(spearmanr(sizes, drawn.difficulty).statistic) < 0.05
    assert len(data.make_split(drawn, 0.3, 1 / 3, fold=2).test) == 198


def test_presets_set_the_sizes():
    config = preset("smoke", profile="step", factor=8, num_classes=13)
    lesions = data.load_for(config, "lesions")
    assert lesions.counts(np.flatnonzero(lesions.split == 0)).tolist() == [24] * 7 + [3] * 6
    assert data.load_for(config, "digits").num_classes == 10
    assert data.load_for(preset("smoke", largest=3, size=16), "lesions198").counts().max() == 3


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def grey():
    return np.random.default_rng(0).integers(0, 256, (12, 9, 10), dtype=np.uint8), np.arange(12) % 3


def test_medmnist_layout(tmp_path, grey):
    images, labels = grey
    arrays = {}
    for part, rows in (("train", slice(0, 6)), ("val", slice(6, 9)), ("test", slice(9, 12))):
        arrays |= {f"{part}_images": images[rows], f"{part}_labels": labels[rows, None]}
    loaded = data.load("medmnist", _save(tmp_path / "some.npz", **arrays))
    assert loaded.images.shape == (12, 3, 9, 10)
    np.testing.assert_array_equal(loaded.images[:, 2], images)
    np.testing.assert_array_equal(loaded.labels, labels)
    assert loaded.split.tolist() == [0] * 6 + [1] * 3 + [2] * 3


def test_plain_layout_with_groups_names_and_split(tmp_path, grey):
    images, labels = grey
    colour = np.stack([images] * 3, axis=-1)
    colour[..., 1] //= 2
    path = _save(
        tmp_path / "x.npz",
        images=colour,
        labels=labels.astype(np.uint8),
        split=np.tile([0, 0, 2], 4)[np.argsort(labels, kind="stable")],
        class_names=np.array(["a", "b", "c"]),
        lesion_id=np.array([f"L{i // 2}" for i in range(12)]),
    )
    loaded = data.load("ham10000", path)
    assert loaded.class_names == ("a", "b", "c")
    assert loaded.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    np.testing.assert_array_equal(loaded.images[:, 1], images // 2)


def test_keras_layout_in_a_folder_with_size_and_profile(tmp_path):
    images, labels = np.zeros((80, 8, 8), np.uint8), np.tile([0, 1], 40)
    _save(tmp_path / "mnist.npz", x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])
    loaded = data.load("mnist", tmp_path, size=16, profile="odd_classes", factor=10)
    assert loaded.size == (16, 16)
    assert not loaded.mirror
    assert loaded.counts(np.flatnonzero(loaded.split == 0)).tolist() == [30, 3]
    assert loaded.counts(np.flatnonzero(loaded.split == 2)).tolist() == [10, 10]


def test_real_files(real_data):
    ham = data.load("ham10000", real_data / "ham10000_28.npz")
    assert ham.counts().tolist() == [327, 514, 1099, 115, 1113, 6705, 142]
    assert np.bincount(ham.split).tolist() == [6999, 1012, 2004]
    assert set(group_leaks(ham, data.make_split(ham)).values()) == {0}
    mnist = data.load("mnist", real_data, profile="odd_classes", factor=10)
    assert mnist.counts(np.flatnonzero(mnist.split == 0))[:2].tolist() == [5923, 674]


IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    halves = [(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10) for n in (40, 20)]
    return [array for half in halves for array in half]


def _write_idx(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX, arrays, strict=True):
        head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / name).write_bytes(head + array.tobytes())


@pytest.mark.parametrize(("name", "folder"), read_arrays.TORCHVISION.items())
def test_torchvisions_files(tmp_path, arrays, name, folder):
    _write_idx(tmp_path / folder / "raw", arrays)
    loaded = data.load(name, tmp_path)
    assert loaded.split.tolist() == [0] * 40 + [2] * 20
    assert not loaded.mirror
    assert (loaded.class_names[9], folder in loaded.source) == ("9" if name == "mnist" else "Ankle boot", True)
    np.testing.assert_array_equal(loaded.images[:, 1], np.concatenate(arrays[::2]))
    for below in (folder, f"{folder}/raw"):
        assert data.load(name, tmp_path / below).sha256 == loaded.sha256
    (tmp_path / folder / "raw" / IDX[0]).write_bytes(b"\0\0\x08\x03")
    with pytest.raises(ValueError, match=f"the files of {name} in .* are damaged"):
        data.load(name, tmp_path)
    x, y = arrays[:2]
    _save(tmp_path / f"{name}.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:30], y_test=y[20:30])
    assert len(data.load(name, tmp_path)) == 30, "an .npz goes first"


def test_nothing_is_fetched_unless_asked(tmp_path, arrays, monkeypatch):
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "download", lambda self: _write_idx(tmp_path / "MNIST" / "raw", arrays))
    with pytest.raises(FileNotFoundError, match=r"download=True in Python\) lets torchvision fetch it"):
        data.load("mnist", tmp_path)
    assert len(data.load("mnist", tmp_path, download=True)) == 60


IMAGES, LABELS = np.zeros((6, 8, 8), np.uint8), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES, "labels": LABELS * 2}, r"gaps: no sample of class 1, yet labels reach 4"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])}, r"labels.* is 2; allowed: 0..1"),
        ({"images": IMAGES, "labels": np.eye(6, dtype=int)}, "several labels per image"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "dtype float64; allowed: uint8"),
        ({"images": IMAGES}, "no array 'labels'"),
        ({"pictures": IMAGES}, "holds pictures; expected images and labels"),
        ({"test_images": IMAGES, "test_labels": LABELS}, "no training images"),
        ({"train_images": IMAGES, "train_labels": LABELS, "val_images": IMAGES, "val_labels": LABELS}, "none to test"),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:, :4], "test_labels": LABELS},
            "mixes image shapes",
        ),
    ],
)
def test_wrong_content_is_named(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        read_arrays.read_npz(_save(tmp_path / "x.npz", **arrays))


def test_files_that_are_no_npz(tmp_path):
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=rng.integers(0, 256, (50, 8, 8), dtype=np.uint8), labels=np.arange(50) % 3)
    good = buffer.getvalue()
    flipped = (
        good[: len(good) // 2] + bytes(255 - byte for byte in good[len(good) // 2 :][:4]) + good[len(good) // 2 + 4 :]
    )
    for content in (good[: len(good) // 2], b"", b"hello", flipped):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.npz"):
            read_arrays.read_npz(tmp_path / "x.npz")
    np.save(tmp_path / "single.npy", IMAGES)
    with pytest.raises(ValueError, match="single array"):
        read_arrays.read_npz(tmp_path / "single.npy")


def test_pickle_is_refused_and_never_runs(tmp_path):
    ran = tmp_path / "ran"

    class Touch:
        def __reduce__(self):
            return open, (str(ran), "w")

    objects = np.empty(1, dtype=object)
    objects[0] = Touch()
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=objects)
    with pytest.raises(ValueError, match="needs pickle"):
        read_arrays.read_npz(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive:
        archive.writestr("images.npy", b"not an array")
    with pytest.raises(ValueError, match=r"y\.npz"):
        read_arrays.read_npz(tmp_path / "y.npz")
    assert not ran.exists()


# --- names, options, absent data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"on_broken": "skp"}, "did you mean 'skip'"),
        ({"factor": 10}, "factor is 10, but profile 'natural'"),
        ({"official": "no"}, "official is 'no'"),
        ({"workers": 0}, "workers is 0"),
        ({"prepared": 3}, "prepared is 3"),
    ],
)
def test_options_are_checked_before_anything_is_read(asked, message):
    with pytest.raises(ValueError, match=message):
        data.load("folder", "/nowhere", **asked)


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("", {}),
        ("profile: odd_classes, factor: 10", {"profile": "odd_classes", "factor": 10}),
        ("official: false, test: 0.25,", {"official": False, "test": 0.25}),
    ],
)
def test_options_of_a_line(line, options):
    assert data.options_from(line, "mnist") == options


@pytest.mark.parametrize("line", ["profile", "profile=step", "a: [", "factor: ", "- 3", "{a: 1}: 2"])
def test_lines_that_are_no_options(line):
    with pytest.raises(ValueError, match=r"write 'option: value', joined by commas"):
        data.options_from(line, "mnist")
    with pytest.raises(ValueError, match=r"option of mlc.*'train_years'"):
        data.options_from("train_year: [2008]", "mlc")


@pytest.mark.parametrize("name", sorted(set(data.NAMES) - set(data.EMBEDDED)))
def test_absent_data_are_explained(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"root .*is not set(.|\n)*Expected:\n  root(.|\n)*To obtain it:"):
        data.load(name)
    with pytest.raises(FileNotFoundError, match="that does not exist"):
        data.load(name, tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=re.escape(f"{name} is not in {tmp_path}")) as caught:
        data.load(name, tmp_path)
    error = str(caught.value)
    assert layouts.layout(name) in error
    named = [word for word in data.NAMES if f"'{word}'" in error.rsplit("Instead, run", 1)[1]]
    assert set(named) & {*data.EMBEDDED, "folder"}, "something that needs no files"


def test_the_standing_of_a_protocol_is_that_of_the_published_numbers():
    for experiment in published.PROTOCOLS:
        own = [one for one in layouts.PROTOCOLS if one.data == experiment.dataset]
        standings = tuple(f"[{one.standing}]" for one in own)
        assert experiment.division.endswith(standings), experiment.dataset


@pytest.mark.parametrize("protocol", layouts.PROTOCOLS, ids=lambda one: f"{one.data}, {one.protocol}")
def test_every_option_of_the_table_is_one(protocol):
    call = protocol.load.split("(", 1)[1].replace(repr(protocol.data), "name=0").replace("root", "root=0")
    assert protocol.load.startswith(f"load({protocol.data!r}")
    assert set(eval(f"dict({call}")) - {"name", "root"} <= set(data.options(protocol.data))
    assert protocol.split in ("make_split(data)", "make_split(data, fold=0)")


@pytest.mark.usefixtures("own_cache")
def test_the_calls_of_caltech_reduce_the_odd_classes_after_the_cut(tmp_path):
    class_folders(tmp_path / "101_ObjectCategories", {"ant": 20, "bass": 30, "crab": 20})
    (call,) = [one for one in layouts.PROTOCOLS if one.data == "caltech101"]
    loaded = eval(f"data.{call.load.replace('root', 'root, 8')}", {"data": data, "root": tmp_path})
    split = data.make_split(loaded)
    assert loaded.counts(split.test).tolist() == [8, 12, 8]
    assert loaded.counts(np.union1d(split.train, split.validation)).tolist() == [12, 2, 12]
