"""Protocols and layouts: every call of the table works, agrees with what was published, and absent data are explained."""

import numpy as np
import pytest
from picture_trees import class_folders

from spbl_nb import data
from spbl_nb.data import layouts
from spbl_nb.results import published

NEEDS_FILES = sorted(set(data.NAMES) - set(data.EMBEDDED))


def test_the_standing_of_a_protocol_is_that_of_the_published_numbers():
    for experiment in published.PROTOCOLS:
        own = [one for one in layouts.PROTOCOLS if one.data == experiment.dataset]
        assert own, experiment.dataset
        assert experiment.division.standing in {one.standing for one in own}, experiment.dataset


@pytest.mark.parametrize("protocol", layouts.PROTOCOLS, ids=lambda one: f"{one.data}, {one.protocol}")
def test_every_option_of_the_table_is_one(protocol):
    asked = eval(
        f"dict({protocol.load.split('(', 1)[1].replace(repr(protocol.data), 'name=0').replace('root', 'root=0')}"
    )
    assert protocol.load.startswith(f"load({protocol.data!r}")
    assert set(asked) - {"name", "root"} <= set(data.options(protocol.data))
    assert protocol.split in ("make_split(data)", "make_split(data, fold=0)")


def test_the_calls_of_caltech_reduce_the_odd_classes_after_the_cut(tmp_path, monkeypatch):
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "cache"))
    class_folders(tmp_path / "101_ObjectCategories", {"ant": 20, "bass": 30, "crab": 20})
    (call,) = [one for one in layouts.PROTOCOLS if one.data == "caltech101"]
    loaded = eval(f"data.{call.load.replace('root', 'root, 8')}", {"data": data, "root": tmp_path})
    split = eval(f"data.{call.split}".replace("(data)", "(loaded)"), {"data": data, "loaded": loaded})
    assert loaded.counts(split.test).tolist() == [8, 12, 8]
    assert loaded.counts(np.union1d(split.train, split.validation)).tolist() == [12, 2, 12]


@pytest.mark.parametrize("name", NEEDS_FILES)
def test_absent_data_are_explained(tmp_path, name):
    error = str(layouts.absent(name, tmp_path))
    assert f"{name} is not in {tmp_path}" in error
    assert layouts.layout(name) in error
    assert "To obtain it: " in error
    assert "Instead, run '" in error
    assert max(map(len, error.split("\n"))) < 160 + len(str(tmp_path))
    named = [word for word in data.NAMES if f"'{word}'" in error.rsplit("Instead", 1)[1]]
    assert set(named) & {*data.EMBEDDED, "folder"}, "something that needs no files, or pictures of one's own"
