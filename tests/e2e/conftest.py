"""The real app in a process of its own, and a real browser that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ..load.app import RunningApp

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Visit = Callable[..., Page]
expect.set_options(timeout=20_000)  # two cores shared with other work answer late


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_app(port: int, home: Path, log: IO[str]) -> subprocess.Popen[str]:
    given = {"PALR_HOME": str(home), "PALR_HOST": "127.0.0.1", "PALR_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")],
        env={**os.environ, **given},
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(url: str, app: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and app.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the app did not come up in {START_SECONDS} s:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def app_url(palr_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("app") / "app.log"
    port = free_port()
    with log.open("w") as stream:
        app = start_app(port, palr_home, stream)
        try:
            wait_for(f"http://localhost:{port}", app, log)
            yield f"http://localhost:{port}"
        finally:
            app.terminate()
            app.wait(timeout=30)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Closed with this package: until then its event loop runs in this thread, and asyncio could
    run no other."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, app_url: str) -> Iterator[Visit]:
    """Open the page of the default app, see `_visits`."""
    yield from _visits(chromium, app_url)


@pytest.fixture
def visit_scripted(chromium: Browser, live_app: RunningApp) -> Iterator[Visit]:
    """Open the page of the app whose model follows a script and is quick, see `_visits`."""
    yield from _visits(chromium, live_app.url)


def _visits(chromium: Browser, app_url: str) -> Iterator[Visit]:
    """Open the page; afterwards, nothing may have gone wrong in the console or left localhost."""
    faults: list[str] = []
    contexts = []

    def open_page(
        width: int = 1280,
        height: int = 900,
        mode: str = "light",
        scale: float = 1,
        fragment: str = "",
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if mode == "dark" else "light",
            device_scale_factor=scale,
            has_touch=width < 600,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("request", lambda r: None if _local(r.url, app_url) else faults.append(r.url))
        page.goto(app_url + fragment)
        page.wait_for_selector(".visitor")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def show(page: Page, domain: str) -> None:
    """Turn to a catalog and wait until its picks and its visitors stand there."""
    page.get_by_role("radio", name=domain).check()
    noun = {"Movies": "movies", "Beauty": "products"}[domain]
    expect(page.get_by_role("combobox", name=f"Or search {noun}")).to_be_visible()


def picks(page: Page) -> list[str]:
    """The labels of the picks, once the server has told the last of them."""
    labels = page.locator("#picker .pick-label")
    expect(labels.filter(has_text="\N{HORIZONTAL ELLIPSIS}")).to_have_count(0)
    return labels.all_inner_texts()


def run_shown(page: Page) -> str:
    """The id of the run that can be saved; empty where none can."""
    return str(page.evaluate("document.querySelector('#run-file')?.dataset.id ?? ''"))


def recommend(page: Page, timeout_ms: float = 120_000) -> list[str]:
    """Press the button; the labels of the ten, once this run and no run before it is laid out."""
    before = run_shown(page)
    page.locator("#recommend").click()
    expect(page.locator(f"#run-file:not([data-id='{before}'])")).to_be_attached(timeout=timeout_ms)
    expect(page.locator("#ranking .stage-done")).to_be_visible()
    expect(page.locator(".card")).to_have_count(10)
    return page.locator(".card h3").all_inner_texts()


def _local(url: str, app_url: str) -> bool:
    return url.startswith((f"{app_url}/", "data:", "blob:"))


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where screenshots go: the folder named by SCREENSHOTS_DIR, for a person to look at."""
    given = os.environ.get("SCREENSHOTS_DIR")
    folder = Path(given) if given else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
