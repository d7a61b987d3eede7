"""Fixtures shared by all tests: small data sets made on the spot, and the folder of real data where there is one."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from keeping import pytest_runtest_makereport as pytest_runtest_makereport
from small_data import blobs

from spbl_nb.data import split as splits

# The same examples every time and no clock, so that a slow machine or a lucky draw decides nothing;
# ``--hypothesis-profile=default`` looks for new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker of pytest-xdist whole files, so that what the tests of a file share is made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.fixture(name="blobs")
def blobs_fixture():
    """The function :func:`small_data.blobs`."""
    return blobs


@pytest.fixture
def data(blobs):
    """Ninety images of three classes, 60, 20 and 10."""
    return blobs([60, 20, 10])


@pytest.fixture
def split(data):
    """A split of them: 15 % for validation, 30 % for the test."""
    return splits.make_split(data, 0.15, 0.3)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An image cache of the test's own."""
    monkeypatch.setenv("SPBL_NB_CACHE", str(tmp_path / "the cache"))


@pytest.fixture
def root(tmp_path):
    """An empty folder for images."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def real_data() -> Path:
    """Folder of real data files named by SPBL_NB_DATA; skips, saying so, when it is not set."""
    folder = os.environ.get("SPBL_NB_DATA")
    if not folder:
        pytest.skip("SPBL_NB_DATA is not set: tests on real data files do not run")
    return Path(folder)
