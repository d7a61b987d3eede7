"""One JupyterLab and one Chromium for all browser tests; without a Chromium they are skipped with a message."""

import contextlib

import lab_page
import pytest


@pytest.fixture(scope="session")
def lab_and_browser(tmp_path_factory):
    """A running JupyterLab and a running Chromium."""
    if lab_page.chromium_path() is None:
        pytest.skip("no Chromium found: the browser tests do not run (Debian: apt-get install chromium)")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the browser tests do not run")
    with lab_page.jupyterlab(tmp_path_factory.mktemp("lab")) as lab, lab_page.chromium() as browser:
        yield lab, browser


@pytest.fixture
def open_notebook(lab_and_browser):
    """A function that opens a notebook file, runs it and returns its :class:`lab_page.NotebookPage`."""
    with contextlib.ExitStack() as pages:
        yield lambda path: pages.enter_context(lab_page.opened(*lab_and_browser, path))
