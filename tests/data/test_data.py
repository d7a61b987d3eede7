"""Data sets: the embedded ones, the .npz layouts, and everything a broken file can be."""

import io
import re
import zipfile

import numpy as np
import pytest
from scipy.stats import spearmanr

from spbl_nb import data
from spbl_nb.config import preset
from spbl_nb.data import read_arrays
from spbl_nb.data.dataset import ImageData, resize
from spbl_nb.data.synthetic import sd198_sizes


@pytest.fixture
def grey():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 9, 10), dtype=np.uint8), np.arange(12) % 3


def _save(path, **arrays):
    np.savez(path, **arrays)
    return path


# --- embedded sets ---------------------------------------------------------------------------------------------------


def test_digits_have_the_long_tail_and_a_balanced_test_part():
    digits = data.load("digits")
    assert digits.images.shape[1:] == (3, 28, 28)
    assert digits.counts(np.flatnonzero(digits.split == 0)).tolist() == [120, 86, 62, 44, 32, 23, 16, 12, 8, 6]
    assert digits.counts(np.flatnonzero(digits.split == 2)).tolist() == [50] * 10
    assert not digits.synthetic
    assert not digits.mirror, "a mirrored digit is no digit"


def test_digits_keep_their_content_when_enlarged():
    from sklearn.datasets import load_digits

    small = data.load("digits", size=8, profile="natural", largest=None)
    original = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    assert len(small) == 1797
    np.testing.assert_array_equal(small.images[:, 0], original)
    large = data.load("digits", size=32, profile="natural", largest=None)
    back = resize(large.images, 8).reshape(len(large), -1).astype(float)
    same = [
        np.corrcoef(one, other)[0, 1] for one, other in zip(back, small.images.reshape(len(small), -1), strict=True)
    ]
    assert min(same) > 0.9


def test_lesions_are_synthetic_with_rarity_and_difficulty_apart():
    lesions = data.load("lesions", largest=40, factor=10, test_per_class=5, num_classes=12)
    assert lesions.synthetic
    assert lesions.num_classes == 12
    assert lesions.counts(np.flatnonzero(lesions.split == 0))[[0, -1]].tolist() == [40, 4]
    assert lesions.counts(np.flatnonzero(lesions.split == 2)).tolist() == [5] * 12
    assert lesions.difficulty.shape == (12,)
    train, test = (lesions.images[lesions.split == part].reshape(-1, 3 * 32 * 32) for part in (0, 2))
    assert not (train[:, None] == test[None]).all(axis=2).any(), "no test picture is a training picture"


def test_grouped_lesions():
    lesions = data.load("lesions", largest=24, factor=4, test_per_class=8, pictures_per_lesion=4)
    assert np.bincount(lesions.groups).max() <= 4
    parts = [set(lesions.groups[lesions.split == part]) for part in (0, 2)]
    assert not parts[0] & parts[1]


@pytest.mark.parametrize("name", ["lesions", "digits"])
def test_same_options_same_hash(name):
    options = {"largest": 20, "factor": 4, "test_per_class": 5}
    assert data.load(name, **options).sha256 == data.load(name, **options).sha256
    assert data.load(name, **options).sha256 != data.load(name, **options, seed=1).sha256


def test_lesions198_have_the_class_sizes_of_sd198_and_no_disease_names(real_data):
    counted = dict(line.split(",") for line in (real_data / "sd198_class_counts.csv").read_text().split()[1:])
    assert {name: str(size) for name, size in sd198_sizes.SIZES.items()} == counted


def test_lesions198_are_synthetic_and_hard_whatever_their_size():
    drawn = data.load("lesions198", size=16, largest=3)
    assert drawn.counts().tolist() == [3] * 198
    assert drawn.synthetic
    assert "synthetic" in drawn.source
    assert drawn.split is None
    assert not set(drawn.class_names) & set(sd198_sizes.SIZES)
    sizes = list(sd198_sizes.SIZES.values())
    assert (len(sizes), sum(sizes), min(sizes), max(sizes)) == (198, 6584, 10, 60)
    assert abs(spearmanr(sizes, drawn.difficulty).statistic) < 0.05
    assert drawn.sha256 == data.load("lesions198", size=16, largest=3).sha256
    assert drawn.sha256 != data.load("lesions198", size=16, largest=3, seed=1).sha256
    assert len(data.make_split(drawn, 0.3, 1 / 3, fold=2).test) == 198


def test_a_preset_caps_lesions198():
    drawn = data.load_for(preset("smoke", largest=3, size=16), "lesions198")
    assert drawn.counts().max() == 3


def test_presets_set_the_sizes():
    config = preset("smoke", profile="step", factor=8, num_classes=13)
    lesions = data.load_for(config, "lesions")
    assert lesions.counts(np.flatnonzero(lesions.split == 0)).tolist() == [24] * 7 + [3] * 6
    assert data.load_for(config, "digits").num_classes == 10


# --- .npz layouts ----------------------------------------------------------------------------------------------------


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


def test_keras_layout_in_a_folder(tmp_path, grey):
    images, labels = grey
    _save(tmp_path / "mnist.npz", x_train=images[:9], y_train=labels[:9], x_test=images[9:], y_test=labels[9:])
    loaded = data.load("mnist", tmp_path)
    assert loaded.split.tolist() == [0] * 9 + [2] * 3
    assert not loaded.mirror


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


def test_size_and_profile_of_a_file(tmp_path):
    labels = np.repeat([0, 1], [40, 40])
    path = _save(
        tmp_path / "x.npz", images=np.zeros((80, 8, 8), np.uint8), labels=labels, split=np.tile([0, 0, 0, 2], 20)
    )
    loaded = data.load("mnist", path, size=16, profile="odd_classes", factor=10)
    assert loaded.size == (16, 16)
    assert loaded.counts(np.flatnonzero(loaded.split == 0)).tolist() == [30, 3]
    assert loaded.counts(np.flatnonzero(loaded.split == 2)).tolist() == [10, 10]


def test_real_files(real_data):
    ham = data.load("ham10000", real_data / "ham10000_28.npz")
    assert ham.counts().tolist() == [327, 514, 1099, 115, 1113, 6705, 142]
    assert np.bincount(ham.split).tolist() == [6999, 1012, 2004]
    split = data.make_split(ham)
    from spbl_nb.data.split import group_leaks

    assert set(group_leaks(ham, split).values()) == {0}
    mnist = data.load("mnist", real_data, profile="odd_classes", factor=10)
    counts = mnist.counts(np.flatnonzero(mnist.split == 0))
    assert counts[0] == 5923
    assert counts[1] == 674


# --- bad files -------------------------------------------------------------------------------------------------------

IMAGES, LABELS = np.zeros((6, 8, 8), np.uint8), np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES, "labels": LABELS - 1}, r"labels\[0\] is -1"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "dtype float64; allowed: integers"),
        ({"images": IMAGES, "labels": LABELS * 2}, r"gaps: no sample of class 1, yet labels reach 4"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])}, r"labels.* is 2; allowed: 0..1"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(list("abcd"))}, r"no sample of class 3 \(d\)"),
        ({"images": IMAGES, "labels": LABELS * 0}, "single class"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "5 entries; 6 are needed"),
        ({"images": IMAGES, "labels": np.eye(6, dtype=int)}, "several labels per picture"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "dtype float64; allowed: uint8"),
        ({"images": IMAGES[0], "labels": LABELS}, r"shape \(8, 8\)"),
        ({"images": np.zeros((6, 8, 8, 4), np.uint8), "labels": LABELS}, r"shape \(6, 8, 8, 4\)"),
        ({"images": IMAGES[:, :0], "labels": LABELS}, "shape"),
        ({"images": IMAGES}, "no array 'labels'"),
        ({"pictures": IMAGES}, "holds pictures; expected images and labels"),
        ({"images": IMAGES, "labels": LABELS, "split": np.full(6, 3)}, "split of"),
        ({"images": IMAGES, "labels": LABELS, "split": np.zeros(6, int)}, "empty test part"),
        ({"images": IMAGES, "labels": LABELS, "groups": np.zeros(5)}, "groups of"),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:, :4], "test_labels": LABELS},
            "mixes picture shapes",
        ),
    ],
)
def test_wrong_content_is_named(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message):
        read_arrays.read_npz(_save(tmp_path / "x.npz", **arrays))


def test_a_stray_label_asks_for_no_endless_names(tmp_path):
    labels = LABELS.copy()
    labels[3] = 10**13
    with pytest.raises(ValueError, match=r"labels\[3\] is 10000000000000; allowed: 0..999999"):
        read_arrays.read_npz(_save(tmp_path / "x.npz", images=IMAGES, labels=labels))


def test_half_layouts_are_refused(tmp_path):
    part = {"images": IMAGES, "labels": LABELS}
    only_test = {f"test_{key}": value for key, value in part.items()}
    with pytest.raises(ValueError, match="no training pictures"):
        read_arrays.read_npz(_save(tmp_path / "x.npz", **only_test))
    no_test = {f"{name}_{key}": value for name in ("train", "val") for key, value in part.items()}
    with pytest.raises(ValueError, match="none to test"):
        read_arrays.read_npz(_save(tmp_path / "y.npz", **no_test))


@pytest.mark.parametrize("factor", [0, -5, float("nan"), "10", 100])
def test_factor_of_a_file_is_checked(tmp_path, factor):
    path = _save(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    with pytest.raises(ValueError, match="factor is"):
        data.load("mnist", path, factor=factor)


def test_files_that_are_no_npz(tmp_path):
    good = _save(tmp_path / "good.npz", images=IMAGES, labels=LABELS).read_bytes()
    cases = {
        "truncated.npz": good[: len(good) // 2],
        "empty.npz": b"",
        "text.npz": b"hello",
        "picture.npz": b"\x89PNG\r\n",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            read_arrays.read_npz(tmp_path / name)
    np.save(tmp_path / "single.npy", IMAGES)
    with pytest.raises(ValueError, match="single array"):
        read_arrays.read_npz(tmp_path / "single.npy")


def test_an_unknown_compression_method_is_refused(tmp_path):
    path = _save(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + method] = 99
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz is truncated or no \.npz file"):
        read_arrays.read_npz(path)


@pytest.mark.parametrize("position", [0.3, 0.6, 0.9])
def test_flipped_bytes_never_pass_silently(tmp_path, position):
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=rng.integers(0, 256, (50, 8, 8), dtype=np.uint8), labels=np.arange(50) % 3)
    content = bytearray(buffer.getvalue())
    place = int(len(content) * position)
    content[place : place + 4] = bytes(255 - byte for byte in content[place : place + 4])
    (tmp_path / "flipped.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"flipped\.npz"):
        read_arrays.read_npz(tmp_path / "flipped.npz")


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


def test_absent_data_say_where_and_how(tmp_path):
    for name in set(data.NAMES) - set(data.EMBEDDED):
        with pytest.raises(
            FileNotFoundError, match=r"root .*is not set(.|\n)*Expected:\n  root(.|\n)*To obtain it:(.|\n)*run '"
        ):
            data.load(name)
        with pytest.raises(FileNotFoundError, match=re.escape(f"{name} is not in {tmp_path}")):
            data.load(name, tmp_path)
        with pytest.raises(FileNotFoundError, match="that does not exist"):
            data.load(name, tmp_path / "nowhere")


def test_names_and_options_suggest_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'digits'"):
        data.load("digit")
    with pytest.raises(ValueError, match="did you mean 'factor'"):
        data.load("digits", facto=3)
    with pytest.raises(ValueError, match="did you mean 'exponential'"):
        data.load("digits", profile="exponentia")
    with pytest.raises(ValueError, match="size is 2000"):
        data.load("digits", size=2000)
    with pytest.raises(ValueError, match="test_per_class is 500"):
        data.load("digits", test_per_class=500)
    with pytest.raises(ValueError, match="factor is 0"):
        data.load("digits", factor=0)


def test_pictures_must_be_uint8_channels_first():
    with pytest.raises(ValueError, match=r"uint8\[N,3,H,W\] is needed"):
        ImageData("x", IMAGES, LABELS, ("a", "b", "c"))


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


@pytest.mark.parametrize(
    "line", ["profile", "profile=step", "a: [", "}, {", "profile:step", "factor: ", "- 3", "{a: 1}: 2"]
)
def test_lines_that_are_no_options(line):
    with pytest.raises(ValueError, match=r"write 'option: value', joined by commas"):
        data.options_from(line, "mnist")


def test_an_unknown_option_of_a_line():
    with pytest.raises(ValueError, match=r"option of mlc.*'train_years'"):
        data.options_from("train_year: [2008]", "mlc")
