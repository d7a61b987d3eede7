"""One JupyterLab and one Chromium for all browser tests; without a Chromium they are skipped with a message."""

import contextlib
from importlib import metadata

import lab_page
import pytest
from packaging.version import Version


@pytest.fixture(scope="session")
def browser():
    """A running Chromium."""
    if lab_page.chromium_path() is None:
        pytest.skip("no Chromium found: the browser tests do not run (Debian: apt-get install chromium)")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the browser tests do not run")
    with lab_page.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab_and_browser(tmp_path_factory, browser):
    """A running JupyterLab and a running Chromium; skips where the kernel is known to fall asleep under load."""
    if Version(metadata.version("ipykernel")) < Version("7.4"):
        pytest.skip(
            "ipykernel before 7.4, the last for Python 3.10, can sleep on what JupyterLab sends: no test drives it"
        )
    with lab_page.jupyterlab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab, browser


@pytest.fixture
def open_page(browser):
    """A function that opens a file in a page of some width and colour scheme; whatever it asks of a network is refused."""
    with contextlib.ExitStack() as pages:
        yield lambda path, **options: pages.enter_context(_opened(browser, path, **options))


@contextlib.contextmanager
def _opened(browser, path, width=1280, scheme="light"):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(1000 * lab_page.PATIENCE)
    asked = []

    def only_files(route):
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", only_files)
    page.goto(path.as_uri())
    page.asked = asked
    yield page
    page.close()


@pytest.fixture
def open_notebook(lab_and_browser):
    """A function that opens a notebook file, runs it and returns its :class:`lab_page.NotebookPage`."""
    with contextlib.ExitStack() as pages:
        yield lambda path: pages.enter_context(lab_page.opened(*lab_and_browser, path))
