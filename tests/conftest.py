"""Fixtures shared by all tests: small data sets made on the spot, and the folder of real data where there is one."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from keeping import pytest_runtest_makereport as pytest_runtest_makereport
from small_data import blobs

from spbl_nb import splits

# The same examples every time and no clock, so that a slow machine or a lucky draw decides nothing;
# ``--hypothesis-profile=default`` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


# Files that take longest, which begin first, so that several workers end at about the same time.
LONGEST = [
    "browser",
    "notebooks",
    "test_batch",
    "test_experiment_and_report",
    "test_chaos",
    "test_methods",
    "test_forked_kernels",
    "test_static",
    "test_spbl",
    "test_training",
    "test_processes",
    "test_cluster",
    "test_reproduce",
    "test_grid",
]


def _unit(nodeid: str) -> str:
    """Return the folder or file of tests that share what is costly to make."""
    parts = Path(nodeid.split("::")[0]).with_suffix("").parts
    return parts[1] if len(parts) > 2 else parts[-1]


def pytest_collection_modifyitems(config, items):
    """On a worker of pytest-xdist, put the files that take longest first."""
    if hasattr(config, "workerinput"):
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(_unit(item.nodeid), len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker whole files, so that a cluster or a JupyterLab that several tests share is started once."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return _unit(nodeid)

    config.option.loadscopereorder = False
    return Files(config, log)


@pytest.fixture(name="blobs")
def blobs_fixture():
    """The function :func:`small_data.blobs`."""
    return blobs


@pytest.fixture
def data(blobs):
    """Ninety pictures of three classes, 60, 20 and 10."""
    return blobs([60, 20, 10])


@pytest.fixture
def split(data):
    """A split of them: 15 % for validation, 30 % for the test."""
    return splits.make_split(data, 0.15, 0.3)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A picture cache of the test's own."""
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "the cache"))


@pytest.fixture
def root(tmp_path):
    """An empty folder for pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def real_data() -> Path:
    """Folder of real data files named by SPBL_NB_DATA; skips, saying so, when it is not set."""
    folder = os.environ.get("SPBL_NB_DATA")
    if not folder:
        pytest.skip("SPBL_NB_DATA is not set: tests on real data files do not run")
    return Path(folder)
