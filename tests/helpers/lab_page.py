"""A JupyterLab of its own and a notebook page in a real Chromium, for browser tests and benchmarks.

The server gets folders of its own for settings, data, runtime and IPython, so that nothing of the user's is read or
changed; it listens on localhost alone and asks for a token.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from free_port import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 300  # seconds for anything that happens at once, on a machine that is slow and busy
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}

# Cells that run before the kernel has answered once are, in one page load of four, never run.
_READY = """async () => {
  const panel = window.jupyterapp?.shell.currentWidget;
  if (!panel?.context?.isReady) return false;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) return false;
  await kernel.info;
  await kernel.requestKernelInfo();
  return kernel.status === 'idle';
}"""
_FINISHED = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.widgets.filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim());
  const outputs = cells.flatMap(cell => cell.model.sharedModel.outputs);
  if (outputs.some(output => output.output_type === 'error')) return true;
  return cells.every(cell => cell.model.executionCount) && panel.sessionContext.session.kernel.status === 'idle';
}"""
_RUN_ALL = "() => { void window.jupyterapp.commands.execute('notebook:run-all-cells') }"
_SHUT_DOWN = "() => window.jupyterapp?.serviceManager.sessions.shutdownAll()"


def chromium_path() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its notebook ``folder``, ``address`` and ``token``."""

    folder: Path
    address: str
    token: str


@contextlib.contextmanager
def jupyterlab(home: Path):
    """Run a JupyterLab with every folder under ``home``; yield a :class:`Lab`."""
    folders = {
        name: home / name for name in ("notebooks", "config", "data", "runtime", "ipython", "settings", "workspaces")
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    (folders["settings"] / "overrides.json").write_text(json.dumps(_SETTINGS), encoding="utf-8")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folders["config"]),
        "JUPYTER_DATA_DIR": str(folders["data"]),
        "JUPYTER_RUNTIME_DIR": str(folders["runtime"]),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(folders["ipython"]),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    port = free_port()
    lab = Lab(folders["notebooks"], f"http://127.0.0.1:{port}", secrets.token_hex(16))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        f"--IdentityProvider.token={lab.token}",
        f"--ServerApp.root_dir={lab.folder}",
        "--ServerApp.port_retries=0",
    ]
    command += ["--LabApp.expose_app_in_browser=True", f"--LabApp.app_settings_dir={folders['settings']}"]
    command += [f"--LabApp.workspaces_dir={folders['workspaces']}"]
    with open(home / "log", "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=home)
        try:
            _wait_for_answer(f"{lab.address}/api?token={lab.token}", server, home / "log")
            yield lab
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _wait_for_answer(url: str, server: subprocess.Popen, log: Path, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=PATIENCE).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start within {seconds:g} s:\n{log.read_text(encoding='utf-8')}")


@contextlib.contextmanager
def chromium():
    """Run a headless Chromium; yield the browser."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=_FLAGS, timeout=1000 * PATIENCE)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(lab: Lab, browser, notebook: Path, seconds: float = 2 * PATIENCE):
    """Open a copy of ``notebook`` in JupyterLab, run all its cells, and yield the :class:`NotebookPage`."""
    shutil.copy(notebook, lab.folder / notebook.name)
    page = browser.new_page(viewport={"width": 1300, "height": 1400})
    page.set_default_timeout(1000 * PATIENCE)
    try:
        page.goto(f"{lab.address}/lab/tree/{notebook.name}?token={lab.token}&reset")
        _until(page, _READY, PATIENCE)
        page.evaluate(_RUN_ALL)
        _until(page, _FINISHED, seconds)
        yield NotebookPage(page)
    finally:
        page.evaluate(_SHUT_DOWN)
        page.close()


def ending(text: str) -> re.Pattern[str]:
    """Return a pattern of what ends with this text."""
    return re.compile(re.escape(text) + "$")


def _until(page, condition: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready within {seconds:g} s; the page shows:\n{page.inner_text('body')[:2000]}")
        time.sleep(0.1)


class NotebookPage:
    """What a person sees and does in a notebook that holds explorers; ``place`` says which of them is meant."""

    def __init__(self, page, place: int = 0) -> None:
        self.page = page
        self.explorer = page.locator(".spbl-explorer").nth(place)

    def explorers(self) -> list["NotebookPage"]:
        """Return the same page once for each explorer in it."""
        return [NotebookPage(self.page, place) for place in range(self.page.locator(".spbl-explorer").count())]

    def sliders(self) -> list[str]:
        """Return the labels of all sliders."""
        return self.explorer.locator(".widget-slider .widget-label").all_inner_texts()

    def slider(self, label: str):
        """Return the handle of the slider with that label, which takes the arrow keys, Home and End."""
        rows = self.explorer.locator(".widget-slider")
        return rows.filter(has=self.page.get_by_text(label, exact=True)).locator(".noUi-handle")

    def field(self, label: str):
        """Return the number field with that accessible name."""
        return self.explorer.get_by_role("spinbutton", name=label, exact=True)

    def button(self, name: str):
        """Return the button with that name."""
        return self.explorer.get_by_role("button", name=name, exact=True)

    def image(self):
        """Return the element of the explorer's image."""
        return self.explorer.locator("img.widget-image")

    def bytes(self) -> str:
        """Return the bytes of the explorer's image as text, to compare."""
        return self.image().evaluate(
            "async image => new Uint8Array(await (await fetch(image.src)).arrayBuffer()).join()"
        )

    def status(self):
        """Return the element that holds the explorer's text."""
        return self.explorer.locator("[role=status]")

    def caption(self) -> str:
        """Return the explorer's text."""
        return self.status().inner_text()

    def changed(self, act) -> bool:
        """Call ``act`` and say whether the image then differs from the one before."""
        before = self.bytes()
        act()
        deadline = time.monotonic() + PATIENCE
        while self.bytes() == before:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def press(self, locator, key: str) -> bool:
        """Press a key in a control as a person without a mouse does; say whether the image changed."""
        locator.focus()
        return self.changed(lambda: self.page.keyboard.press(key))

    def errors(self) -> list[str]:
        """Return all errors that the page shows: of cells, on standard error, of widgets and of explorers."""
        kinds = ("stderr", "error")
        places = [f".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.{kind}']" for kind in kinds]
        places += ["[data-spbl-error]", ".jupyter-widgets-error-widget"]
        return self.page.locator(", ".join(places)).all_inner_texts()
