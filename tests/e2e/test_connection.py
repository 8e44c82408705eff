"""The connection breaks, the server is started anew, or another one answers: the page goes on."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..load.app import ROOT, RunningApp
from ..load.cable import Cable
from ..load.kills import prepared_copy
from ..load.nginx import NGINX, bare, documented, nginx
from .conftest import picks, recommend

pytestmark = pytest.mark.timeout(600)
RECOVERY_MS = 10_000
LOST = "The connection to the server was lost"


@contextmanager
def opened(chromium: Browser, url: str) -> Iterator[Page]:
    """The page with a ready-made visitor's picks. Lost connections are errors of the console."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(url)
    page.wait_for_selector(".visitor")
    page.locator(".visitor").nth(1).click()
    expect(page.locator("#link [data-link*='labels=']")).to_be_attached()
    yield page
    context.close()


def press(page: Page) -> None:
    page.locator("#recommend").click()
    expect(page.locator("#recommend")).to_have_text("Working")


def goes_on(page: Page, chosen: list[str]) -> None:
    """The picks are there, with a word on what happened, and one press gives recommendations."""
    expect(page.locator("#notice")).to_contain_text(LOST, timeout=RECOVERY_MS)
    expect(page.locator("#notice")).to_contain_text("Your picks are kept")
    assert picks(page) == chosen
    expect(page.locator("#recommend")).to_be_enabled()
    recommend(page)


def is_found_again(app: RunningApp, page: Page, chosen: list[str]) -> None:
    """The page notices that its server is gone; started anew, it is found, and goes on."""
    expect(page.get_by_text("Attempting reconnection")).to_be_visible(timeout=RECOVERY_MS)
    app.start()
    app.wait()
    Hanging.released.set()
    goes_on(page, chosen)


@pytest.mark.parametrize(
    ("seconds", "at"),
    [
        (0.2, b"/queue/data"),
        pytest.param(3, b"/queue/data", marks=pytest.mark.long),
        pytest.param(3, b"/queue/join", marks=pytest.mark.long),
        pytest.param(3, b"/run/predict", marks=pytest.mark.long),
    ],
)
def test_a_connection_that_is_cut_during_a_run_comes_back(
    chromium: Browser, live_app: RunningApp, seconds: float, at: bytes
) -> None:
    with Cable(live_app.port) as cable, opened(chromium, cable.url) as page:
        chosen = picks(page)
        cable.hold(after=at)
        page.locator("#recommend").click()
        cable.wait_held()
        cable.cut()
        time.sleep(seconds)
        cable.join()
        goes_on(page, chosen)


@pytest.mark.long
def test_a_connection_that_falls_silent_is_taken_for_lost(
    chromium: Browser, live_app: RunningApp
) -> None:
    with Cable(live_app.port) as cable, opened(chromium, cable.url) as page:
        chosen = picks(page)
        cable.hold(after=b"/queue/data")
        press(page)
        expect(page.get_by_text("Attempting reconnection")).to_be_visible(timeout=RECOVERY_MS)
        cable.cut()
        cable.join()
        goes_on(page, chosen)


@pytest.mark.long
def test_a_run_that_is_refused_leaves_the_button_free(
    chromium: Browser, live_app: RunningApp
) -> None:
    with opened(chromium, live_app.url) as page:
        refusal = {"status": 429, "json": {"detail": "Too many requests: slow down."}}
        page.route("**/queue/join*", lambda route: route.fulfill(**refusal))
        page.locator("#recommend").click()
        expect(page.get_by_text("Too many requests: slow down.")).to_be_visible()
        expect(page.locator("#notice")).to_contain_text("Your picks are kept")
        page.unroute("**/queue/join*")
        recommend(page)


class Hanging(BaseHTTPRequestHandler):
    """A model behind HTTP that begins to think and never answers, until it is let go."""

    released = threading.Event()

    def do_GET(self) -> None:
        self._answer(b'{"data": [{"id": "hanging"}]}')

    def do_POST(self) -> None:
        self.released.wait(120)
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hanging_model() -> Iterator[str]:
    Hanging.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hanging)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    Hanging.released.set()
    server.shutdown()
    server.server_close()


@pytest.mark.long
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_server_that_is_started_anew_during_a_run_is_found_again(
    chromium: Browser, palr_home: Path, hanging_model: str, how: str
) -> None:
    settings = {"PALR_LLM_BACKEND": "http", "PALR_LLM": "hanging", "PALR_LLM_URL": hanging_model}
    with RunningApp(palr_home, **settings) as app, opened(chromium, app.url) as page:
        chosen = picks(page)
        press(page)
        getattr(app, how)()
        is_found_again(app, page, chosen)


@pytest.mark.long
@pytest.mark.parametrize("path", [b"/queue/join", b"/queue/data"])
def test_of_two_servers_without_stickiness_the_wrong_one_says_so(
    chromium: Browser, palr_home: Path, live_app: RunningApp, path: bytes
) -> None:
    with RunningApp(palr_home, PALR_LLM_BACKEND="scripted", PALR_RATE="0") as other:
        astray = [path]

        def route(head: bytes) -> int:
            if astray and astray[0] in head.partition(b"\r\n")[0]:
                astray.clear()
                return other.port
            return live_app.port

        with Cable(live_app.port, route) as cable, opened(chromium, cable.url) as page:
            chosen = picks(page)
            page.locator("#recommend").click()
            goes_on(page, chosen)
            assert not astray


needs_nginx = pytest.mark.skipif(NGINX is None, reason="no nginx (Debian: apt-get install nginx)")


@needs_nginx
@pytest.mark.long
@pytest.mark.parametrize("server", [documented(), bare()], ids=["documented", "bare"])
def test_behind_nginx_and_in_a_frame_the_page_is_whole(
    chromium: Browser, live_app: RunningApp, tmp_path: Path, server: str
) -> None:
    faults: list[str] = []
    with nginx(server, live_app.port, tmp_path) as root, opened(chromium, f"{root}/palr/") as page:
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith(root) else faults.append(r.url))
        recommend(page)
        frame = '<iframe src="/palr/" width="1200" height="900"></iframe>'
        page.route(f"{root}/around", lambda r: r.fulfill(body=frame, content_type="text/html"))
        page.goto(f"{root}/around")
        inside = page.frame_locator("iframe")
        inside.locator(".visitor").nth(0).click()
        inside.locator("#recommend").click()
        expect(inside.locator(".card")).to_have_count(10, timeout=60_000)
    assert faults == []


@needs_nginx
@pytest.mark.long
def test_behind_nginx_a_server_that_is_killed_is_found_again(
    chromium: Browser, palr_home: Path, hanging_model: str, tmp_path: Path
) -> None:
    """Without a setting nginx speaks HTTP/1.0 to the server, where a cut stream seems to end."""
    settings = {"PALR_LLM_BACKEND": "http", "PALR_LLM": "hanging", "PALR_LLM_URL": hanging_model}
    with (
        RunningApp(palr_home, **settings) as app,
        nginx(bare(), app.port, tmp_path) as root,
        opened(chromium, f"{root}/palr/") as page,
    ):
        chosen = picks(page)
        press(page)
        page.wait_for_timeout(1000)
        app.kill()
        is_found_again(app, page, chosen)


@pytest.mark.long
def test_picks_keep_their_titles_where_another_data_set_is_served(
    chromium: Browser, palr_home: Path, official_data: Path, tmp_path: Path
) -> None:
    home = prepared_copy(palr_home, tmp_path)
    install = [sys.executable, "-m", "palr", "data", "install"]
    environment = {**os.environ, "PALR_HOME": str(home)}
    subprocess.run([*install, "beauty-starter"], check=True, cwd=ROOT, env=environment)
    official = [*install, "ml-100k", "--from", str(home / "downloads" / "ml-100k")]
    subprocess.run(official, check=True, cwd=ROOT, env=environment)
    scripted = {"PALR_LLM_BACKEND": "scripted", "PALR_RETRIEVER": "popularity"}
    with RunningApp(home, **scripted) as app, opened(chromium, app.url) as page:
        page.locator("#picker input").fill("star wars")
        page.get_by_role("option", name="Star Wars (1977)").click()
        chosen = picks(page)
        link = page.locator("#link [data-link*='Star']").get_attribute("data-link")
        app.stop()
        larger = [*install, "ml-1m", "--from", str(official_data)]
        subprocess.run(larger, check=True, cwd=ROOT, env=environment)
        app.start()
        app.wait()

        # The page is still that of the data set before: it says so, and takes no other items.
        page.locator("#picker input").fill("alien")
        expect(page.locator("#picker")).to_contain_text("by now MovieLens-1M is served: reload it")
        page.locator("#recommend").click()
        expect(page.locator("#notice")).to_contain_text("by now MovieLens-1M is served: reload it")
        page.reload()
        for back in (page, page.context.new_page()):
            if back is not page:
                back.goto(f"{app.url}#{link}")
            told = "These picks are of MovieLens-100K, and this is MovieLens-1M"
            expect(back.locator("#notice")).to_contain_text(told, timeout=20_000)
            notice = back.locator("#notice").inner_text()
            assert "Star Wars (1977)" in notice  # which has another title there
            assert picks(back) == [label for label in chosen if label not in notice]
