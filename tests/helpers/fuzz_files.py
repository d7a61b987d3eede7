"""Readers, a small valid file for each, and changes to files by byte and by structure, for ``test_robustness.py``."""

import csv
import gzip
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import detection_trees
import fuzz
import numpy as np
import picture_trees
import report_runs
import tiny_notebooks
import yaml
from hypothesis import strategies as st
from picture_makers import encoded, smooth
from test_settings_file import RELEASED

from spbl_nb import (
    archives,
    checkpoints,
    corals,
    detection_readers,
    idx_files,
    parameters,
    photo_sets,
    picture_files,
    readers,
    result_files,
    runs,
    series,
    settings_file,
    splits,
)  # fmt: skip

_TURNED = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6


class Reader(NamedTuple):
    """``make`` writes into a folder and returns the file that is changed; ``read`` reads the folder again."""

    make: object
    read: object
    cost: int = 1


def _npz(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


def _medmnist(folder):
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 255, (4, 6, 6), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.array([[0], [1], [0], [1]], dtype=np.uint8)
    return _npz(folder, **arrays)


def _plain(folder):
    images = np.zeros((4, 6, 6, 3), np.uint8)
    return _npz(
        folder, images=images, labels=np.array([0, 1, 0, 1]), class_names=np.array(["a", "b"]), lesion_id=np.arange(4)
    )


def _mnist(folder, name="train-images-idx3-ubyte", zipped=False):
    for prefix in ("train", "t10k"):
        pictures = bytes((0, 0, 8, 3)) + struct.pack(">3I", 10, 4, 4) + bytes(160)
        labels = bytes((0, 0, 8, 1)) + struct.pack(">I", 10) + bytes(range(10))
        for stem, content in ((f"{prefix}-images-idx3-ubyte", pictures), (f"{prefix}-labels-idx1-ubyte", labels)):
            if zipped:
                (folder / f"{stem}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / stem).write_bytes(content)
    return folder / (f"{name}.gz" if zipped else name)


def _table(folder):
    picture_trees.class_folders(folder, {"a": 3, "b": 3})
    rows = [
        f"{name}/{name}_{at:02}.png,{name},g{at},{part}"
        for name in "ab"
        for at, part in enumerate(("train", "val", "test"))
    ]
    (folder / "labels.csv").write_text("path,label,group,split\n" + "\n".join(rows) + "\n")
    return folder / "labels.csv"


def _ham(folder):
    lines = ["lesion_id,image_id,dx,dx_type,age,sex,localization"]
    for at, name in enumerate(photo_sets.HAM_CLASSES):
        picture_trees.picture(folder / "HAM10000_images_part_1" / f"ISIC_{at:07}.jpg", at)
        lines.append(f"HAM_{at:07},ISIC_{at:07},{name},histo,40,male,back")
    (folder / "HAM10000_metadata.csv").write_text("\n".join(lines) + "\n")
    return folder / "HAM10000_metadata.csv"


def _clinical(folder):
    names = [picture_trees.picture(folder / "images" / f"{at}.jpg", at).name for at in range(4)]
    (folder / "train.txt").write_text("".join(f"{name} {at % 2}\n" for at, name in enumerate(names[:2])))
    (folder / "val.txt").write_text("".join(f"{name} {at % 2}\n" for at, name in enumerate(names[2:])))
    return folder / "train.txt"


def _mit67(folder):
    for at, name in enumerate(["airport/a.jpg", "airport/b.jpg", "bar/a.jpg", "bar/b.jpg"]):
        picture_trees.picture(folder / "Images" / name, at)
    (folder / "TrainImages.txt").write_text("airport/a.jpg\nbar/a.jpg\n")
    (folder / "TestImages.txt").write_text("airport/b.jpg\nbar/b.jpg\n")
    return folder / "TrainImages.txt"


def _reef(folder):
    for year in (2008, 2009):
        picture = picture_trees.picture(folder / str(year) / f"mcr_{year}.png", size=(60, 40))
        codes = ("CCA", "Turf", "macro", "Sand", "ACROP", "Pavon", "Monti", "Pocill", "Porit")
        lines = ["# Row; Col; Label", *(f"10; {5 * at + 8}; {code}" for at, code in enumerate(codes))]
        Path(f"{picture}.txt").write_text("\n".join(lines) + "\n")
    return folder / "2008" / "mcr_2008.png.txt"


def _coco(folder):
    detection_trees.coco(folder)
    return folder / "annotations" / "instances_train2017.json"


def _voc(folder):
    detection_trees.voc(folder)
    return folder / "VOC2007" / "Annotations" / "2007_000001.xml"


def _zip(folder):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/a.txt", "hello" * 50)
        archive.writestr("x/b.txt", "b")
    return folder / "a.zip"


def _tar(folder, ending="tar.gz", mode="w:gz"):
    import tarfile

    (folder / "one").write_bytes(b"hello" * 50)
    with tarfile.open(folder / f"a.{ending}", mode) as archive:
        archive.add(folder / "one", "x/one")
        archive.add(folder / "one", "x/two")
    return folder / f"a.{ending}"


def _unpack(folder, name):
    return sorted(path.name for path in archives.extract(folder / name, folder / "out").rglob("*"))


def _text(name, content):
    def make(folder):
        (folder / name).write_text(content)
        return folder / name

    return make


def _picture(form, **options):
    def make(folder):
        (folder / f"a.{form.lower()}").write_bytes(encoded(smooth(), form, **options))
        return folder / f"a.{form.lower()}"

    return make


def _decoded(form):
    return lambda folder: picture_files.decode((folder / f"a.{form.lower()}").read_bytes(), f"a.{form.lower()}", 16)


def _run(name):
    def make(folder):
        return report_runs.save(folder) / name

    return make


def _load_run(folder):
    found = runs.scan(folder)
    assert found.complete or found.broken
    return [runs.load(path) for path, _ in found.broken]


OWNER = {"run": "a", "seed": 0}


def _checkpoint(folder):
    import torch

    checkpoints.save(folder / "a.pt", {"weights": {"w": torch.ones(3)}, "step": 3, "history": [{"epoch": 1}]}, OWNER)
    return folder / "a.pt"


def _checkpoint_arrays(folder):
    checkpoints.save_arrays(folder / "a.npz", {"a": np.ones(3)}, OWNER)
    return folder / "a.npz"


def _exported(folder):
    report_runs.save(folder / "runs")
    result_files.export(folder / "runs", folder / "a.json")
    return folder / "a.json"


def _manifest(folder):
    splits.Split(np.arange(3), np.arange(3, 5), np.arange(5, 8), "0" * 64, "made up").save(folder / "a.json")
    return folder / "a.json"


OWN = "preset: fast\nlr: 0.1\nmilestones: [0.5, 0.8]\nseeds: [0, 1]\n"
GHM = "datatype: coco\ndata_root: coco\ntotal_epochs: 2\nlr_config: {step: [1]}\ntrain_cfg:\n  ghmc: {bins: 10, momentum: 0.5}\n"

READERS = {
    "npz, MedMNIST": Reader(_medmnist, lambda folder: readers.read_npz(folder / "a.npz")),
    "npz, images": Reader(_plain, lambda folder: readers.read_npz(folder / "a.npz")),
    "idx pictures": Reader(_mnist, lambda folder: idx_files.read_mnist(folder, "mnist")),
    "idx labels": Reader(
        lambda folder: _mnist(folder, "train-labels-idx1-ubyte"), lambda folder: idx_files.read_mnist(folder, "mnist")
    ),
    "idx, gzip": Reader(lambda folder: _mnist(folder, zipped=True), lambda folder: idx_files.read_mnist(folder, "mnist")),
    "csv of a folder": Reader(_table, lambda folder: photo_sets.folder("folder", folder), 2),
    "HAM metadata": Reader(_ham, lambda folder: photo_sets.ham10000("ham10000", folder), 2),
    "SD lists": Reader(_clinical, lambda folder: photo_sets.clinical("sd198", folder), 2),
    "MIT lists": Reader(_mit67, lambda folder: photo_sets.mit67("mit67", folder), 2),
    "coral points": Reader(_reef, lambda folder: corals.mlc("mlc", folder), 2),
    "COCO": Reader(_coco, lambda folder: detection_readers.read_coco(folder, 64), 4),
    "VOC": Reader(_voc, lambda folder: detection_readers.read_voc(folder, 64), 4),
    "zip": Reader(_zip, lambda folder: _unpack(folder, "a.zip"), 2),
    "tar.gz": Reader(_tar, lambda folder: _unpack(folder, "a.tar.gz"), 2),
    "tar": Reader(lambda folder: _tar(folder, "tar", "w"), lambda folder: _unpack(folder, "a.tar"), 2),
    "tar.xz": Reader(lambda folder: _tar(folder, "tar.xz", "w:xz"), lambda folder: _unpack(folder, "a.tar.xz"), 2),
    "settings of the release": Reader(_text("a.yaml", RELEASED), lambda folder: settings_file.read(folder / "a.yaml")),
    "settings of GHM": Reader(_text("a.yaml", GHM), lambda folder: settings_file.read(folder / "a.yaml")),
    "own settings": Reader(_text("a.yaml", OWN), lambda folder: settings_file.read(folder / "a.yaml")),
    **{
        form: Reader(_picture(form, **options), _decoded(form))
        for form, options in (("PNG", {}), ("JPEG", {"exif": _TURNED}),
                              ("BMP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {}), ("PPM", {}))
    },
    "result.json": Reader(_run("result.json"), _load_run, 3),
    "scores.npz": Reader(_run("scores.npz"), _load_run, 3),
    "history.jsonl": Reader(_run("history.jsonl"), _load_run, 3),
    "exported results": Reader(_exported, lambda folder: result_files.read(folder / "a.json"), 2),
    "split manifest": Reader(_manifest, lambda folder: splits.Split.load(folder / "a.json")),
    "checkpoint": Reader(_checkpoint, lambda folder: checkpoints.load(folder / "a.pt", OWNER)),
    "checkpoint of arrays": Reader(_checkpoint_arrays, lambda folder: checkpoints.load_arrays(folder / "a.npz", OWNER)),
    "notebook's parameters": Reader(
        lambda folder: tiny_notebooks.write(folder / "a.ipynb", "1"), lambda folder: parameters.of_file(folder / "a.ipynb")
    ),
    "notebook": Reader(
        lambda folder: tiny_notebooks.write(folder / "00_a.ipynb", "1"), lambda folder: series.read(folder / "00_a.ipynb")
    ),
}  # fmt: skip


# --- changes -----------------------------------------------------------------------------------------------------------


@st.composite
def changed(draw, content: bytes, name: str):
    """Draw (what was done, a changed file): a few bytes, a block, or a value of its JSON, YAML or csv structure."""
    if name.endswith((".json", ".ipynb", ".yaml", ".jsonl")) and draw(st.booleans()):
        return "structure", _structure(draw, content, name)
    if name.endswith((".csv", ".txt")) and draw(st.booleans()):
        return "fields", _fields(draw, content)
    if name.endswith(".npz") and draw(st.booleans()):
        return "arrays", _arrays(draw, content)
    kind = draw(
        st.sampled_from(["flip", "flip", "head", "cut", "insert", "repeat", "swap", "zero", "huge", "drawn", "empty"])
    )
    at = draw(st.integers(0, max(0, len(content) - 1)))
    size = draw(st.integers(1, max(1, len(content) // 3)))
    block = content[at : at + size]
    if kind in ("flip", "head"):
        found = bytearray(content)
        for _ in range(draw(st.integers(1, 4))):
            where = draw(st.integers(0, min(len(content) - 1, 60 if kind == "head" else len(content))))
            found[where] = draw(st.integers(0, 255))
        return kind, bytes(found)
    other = draw(st.binary(min_size=1, max_size=16))
    far = draw(st.integers(0, len(content)))
    return kind, {
        "cut": content[:at],
        "insert": content[:at] + other + content[at:],
        "repeat": content[:far] + block + content[far:],
        "swap": content[:at] + content[at + size :] + block,
        "zero": content[:at] + bytes(len(block)) + content[at + size :],
        "huge": content[:at] + b"\xff" * min(4, len(block)) + content[at + 4 :],
        "drawn": other,
        "empty": b"",
    }[kind]


_VALUES = [None, True, -1, 0, 1.5, 1e308, 10**12, 10**30, float("nan"), float("inf"), "", "x", "\0", "../x", "/etc/passwd",
           [], {}, [[]], [None], {"a": 1}, [1, 2, 3], "9" * 5000]  # fmt: skip


def _structure(draw, content, name):
    lines = content.decode().splitlines() if name.endswith(".jsonl") else [content.decode()]
    at = draw(st.integers(0, len(lines) - 1))
    is_yaml = name.endswith(".yaml")
    value = yaml.safe_load(lines[at]) if is_yaml else json.loads(lines[at])
    value = _edited(draw, value)
    lines[at] = yaml.safe_dump(value) if is_yaml else json.dumps(value)
    return "\n".join(lines).encode(errors="surrogatepass")


def _edited(draw, value):
    """Change one place of nested dicts and lists."""
    if isinstance(value, (dict, list)) and value and draw(st.integers(0, 4)):
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        place = draw(st.sampled_from(places))
        value = value.copy()
        change = draw(st.sampled_from(["inside", "inside", "inside", "less", "twice"]))
        if change == "less":
            del value[place]
        elif change == "twice" and isinstance(value, list):
            value.append(value[place])
        else:
            value[place] = _edited(draw, value[place])
        return value
    return draw(st.sampled_from(_VALUES))


def _fields(draw, content):
    text = content.decode()
    delimiter = "," if text.startswith(("path", "lesion")) else ";" if ";" in text else " "
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    row = draw(st.integers(0, len(rows) - 1))
    change = draw(st.sampled_from(["field", "field", "less", "more", "row", "column"]))
    if change == "row" or not rows[row]:
        rows.append(rows[row])
    elif change == "column":
        rows = [one[:-1] for one in rows]
    else:
        at = draw(st.integers(0, len(rows[row]) - 1))
        if change == "less":
            del rows[row][at]
        elif change == "more":
            rows[row].insert(at, "x")
        else:
            rows[row][at] = draw(st.sampled_from([str(value) for value in _VALUES]) | st.text(max_size=9))
    return "\n".join(delimiter.join(one) for one in rows).encode(errors="surrogatepass")


def _arrays(draw, content):
    """Write the archive again with one array gone wrong, lacking, of objects, or with a head that promises 10^12 rows."""
    import io

    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    key = draw(st.sampled_from(list(arrays)))
    change = draw(st.sampled_from(["value", "value", "less", "name", "objects", "promise", "no array"]))
    value = arrays.pop(key)
    members = {}
    if change == "value":
        made = draw(fuzz.malformed(value))[1] if value.dtype.kind in "biuf" else np.zeros(2)
        try:
            arrays[key] = np.asarray(made)
        except Exception:
            arrays[key] = np.zeros(0)
    elif change == "name":
        arrays[draw(st.sampled_from(["x", "images", "labels", "split", "../y"]))] = value
    elif change == "objects":
        arrays[key] = np.array([{"a": 1}, None], dtype=object)
    elif change == "promise":
        shape = (10**12, *value.shape[1:])
        head = repr({"descr": value.dtype.str, "fortran_order": False, "shape": shape}).encode()
        head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
        members[key] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + value.tobytes()
    elif change == "no array":
        members[key] = draw(st.sampled_from([b"", b"\x93NUMPY", pickle.dumps([1]), os.urandom(0) + b"abc"]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=True)
            archive.writestr(f"{name}.npy", buffer.getvalue())
        for name, raw in members.items():
            archive.writestr(f"{name}.npy", raw)
    return out.getvalue()
