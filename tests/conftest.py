"""Fixtures shared by all tests: small data sets made on the spot, and the folder of real data where there is one."""

import os
from pathlib import Path

import pytest
from small_data import blobs


@pytest.fixture(name="blobs")
def blobs_fixture():
    """The function :func:`small_data.blobs`."""
    return blobs


@pytest.fixture
def real_data() -> Path:
    """Folder of real data files named by SPBL_NB_DATA; skips, saying so, when it is not set."""
    folder = os.environ.get("SPBL_NB_DATA")
    if not folder:
        pytest.skip("SPBL_NB_DATA is not set: tests on real data files do not run")
    return Path(folder)
