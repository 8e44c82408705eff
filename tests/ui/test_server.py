"""The real server, in a process of its own: known weaknesses of such pages are tried on it."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..load.app import RunningApp
from ..load.visitor import Visitor

PASSWORD = "correct horse"


class Canary(BaseHTTPRequestHandler):
    """Counts who comes by; also an LLM server whose chat hangs, once it has been found."""

    hits: list[str] = []  # noqa: RUF012 (one canary for the module)
    released = threading.Event()

    def do_GET(self) -> None:
        self.hits.append(self.path)
        body = json.dumps({"data": [{"id": "hanging"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.hits.append(self.path)
        self.released.wait(60)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def canary() -> Iterator[str]:
    Canary.released.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Canary.released.set()
    server.shutdown()
    server.server_close()


def raw(app: RunningApp, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """A request whose path no client has tidied up: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=assets/fonts/../../requirements.txt",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=C:\\windows\\win.ini",
        "/gradio_api/file=//etc/passwd",
        "/gradio_api/file=%00/etc/passwd",
        "/file=/etc/passwd",
        "/file/etc/passwd",
        "/static/../../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/svelte/....//....//etc/passwd",
        "/theme.css/../../etc/passwd",
        "/gradio_api/custom_component/x/client/../../etc/passwd",
    ],
)
def test_no_file_but_the_pages_own_can_be_read(live_app: RunningApp, path: str) -> None:
    status, _, body = raw(live_app, "GET", path)
    assert status in (400, 403, 404)
    assert b"root:" not in body
    assert b"gradio==" not in body


def test_the_server_fetches_nothing_for_a_visitor(live_app: RunningApp, canary: str) -> None:
    Canary.hits.clear()
    for path in (
        f"/gradio_api/file={canary}/a",
        f"/gradio_api/proxy={canary}/b",
        f"/file={canary}",
    ):
        assert raw(live_app, "GET", path)[0] == 404
    file = {"path": f"{canary}/c", "url": f"{canary}/d", "meta": {"_type": "gradio.FileData"}}
    config = httpx.get(f"{live_app.url}/config").json()
    for call in config["dependencies"]:
        body = {"session_hash": "ssrf", "fn_index": call["id"]}
        body["data"] = [{**file, "domain": "movies", "picks": []} for _ in call["inputs"]]
        for path in ("/gradio_api/run/predict", "/gradio_api/queue/join"):
            httpx.post(f"{live_app.url}{path}", json=body)
    assert Canary.hits == []


def test_nothing_can_be_uploaded(live_app: RunningApp) -> None:
    files = {"files": ("x.html", b"<script>alert(1)</script>")}
    assert httpx.post(f"{live_app.url}/gradio_api/upload", files=files).status_code == 404
    lookup = {"component_id": "1", "session_hash": "x", "fn_name": "search"}
    url = f"{live_app.url}/gradio_api/component_server/"
    assert httpx.post(url, files=files, data=lookup).status_code == 422


def test_redirects_do_not_leave_the_server(live_app: RunningApp) -> None:
    elsewhere = {"X_Forwarded_Host": "evil.example", "Host": "evil.example"}
    for path in (
        "/login",
        "/login/",
        "/logout",
        "/config/",
        "/gradio_api/info/",
        "//evil.example/",
    ):
        for method in ("GET", "POST"):
            status, headers, _ = raw(live_app, method, path, **elsewhere)
            assert status not in range(300, 400) or "evil" not in headers.get("location", "")


def test_pages_of_other_sites_are_refused(live_app: RunningApp) -> None:
    body = {"fn_index": 0, "session_hash": "abc", "data": []}
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        for path in ("/gradio_api/run/predict", "/gradio_api/queue/join"):
            answer = httpx.post(f"{live_app.url}{path}", json=body, headers={"Origin": origin})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
    own = {"Origin": live_app.url}
    answer = httpx.post(f"{live_app.url}/gradio_api/run/predict", json=body, headers=own)
    assert answer.status_code == 422


def test_the_page_says_what_a_browser_may_do_with_it(live_app: RunningApp) -> None:
    headers = httpx.get(live_app.url).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"].split("style-src")[0]
    assert headers["x-content-type-options"] == "nosniff"
    # The page itself names no other host that a browser would ask.
    page = httpx.get(live_app.url).text
    assert "cdnjs" not in page
    assert 'src="http' not in page


def test_a_request_without_a_host_or_with_a_broken_one_is_refused(live_app: RunningApp) -> None:
    for head in ("GET / HTTP/1.0\r\nOrigin: http://x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"):
        connection = http.client.HTTPConnection("127.0.0.1", live_app.port, timeout=30)
        connection.connect()
        connection.sock.sendall(head.encode())
        assert connection.sock.recv(100).split()[1] == b"400"
        connection.close()


def together(url: str, *visits: Callable[[Visitor], Awaitable[Any]], password: str = "") -> Any:
    """Each visit by a visitor of its own, at the same time."""

    async def one(number: int, visit: Callable[[Visitor], Awaitable[Any]]) -> Any:
        visitor = Visitor(url, f"198.51.100.{number + 1}")
        try:
            if password:
                assert await visitor.log_in(password) == 200
            await visitor.open()
            return await visit(visitor)
        finally:
            await visitor.close()

    async def every() -> Any:
        return await asyncio.gather(*(one(n, visit) for n, visit in enumerate(visits)))

    return asyncio.run(every())


def test_visitors_wait_in_line_and_get_their_own_results(live_app: RunningApp) -> None:
    async def visit(visitor: Visitor, query: str) -> tuple[bool, bool, bool, int]:
        picks = [item["id"] for item in await visitor.search(query)][:3]
        outcome = await visitor.recommend(picks)
        assert outcome.trace is not None
        own = [pick["id"] for pick in outcome.trace["picks"]] == picks
        kept, stale = await visitor.is_stale(picks), await visitor.is_stale(picks[:1])
        return own, kept, stale, len(outcome.places)

    queries = ["star", "man", "love", "the"]
    results = together(live_app.url, *(lambda v, q=query: visit(v, q) for query in queries))
    assert [result[:3] for result in results] == [(True, False, True)] * 4
    assert max(result[3] for result in results) > 0  # somebody had to wait, and was told


def test_health_and_metrics(live_app: RunningApp) -> None:
    assert httpx.get(f"{live_app.url}/healthz").text == "ok\n"
    assert httpx.get(f"{live_app.url}/readyz").text == "ok\n"
    assert 'palr_runs_total{outcome="done"}' in httpx.get(f"{live_app.url}/metrics").text


def test_logs_name_the_run_and_not_the_picks(live_app: RunningApp) -> None:
    (outcome,) = together(live_app.url, lambda visitor: visitor.recommend(["1"]))
    assert outcome.trace is not None
    deadline = time.monotonic() + 10
    while outcome.trace["run_id"] not in live_app.output() and time.monotonic() < deadline:
        time.sleep(0.1)
    line = next(x for x in live_app.output().splitlines() if outcome.trace["run_id"] in x)
    assert json.loads(line)["outcome"] == "done"
    assert "Toy Story" not in live_app.output()


def test_a_hanging_model_costs_a_visitor_some_seconds_and_the_others_a_clear_answer(
    palr_home: Path, canary: str
) -> None:
    """One app for all that a hanging model, a password and a short line have to show."""
    settings = {
        "PALR_LLM_BACKEND": "http",
        "PALR_LLM": "hanging",
        "PALR_LLM_URL": f"{canary}/v1",
        "PALR_LLM_SECONDS": "2",
        "PALR_QUEUE": "1",
        "PALR_RATE": "2",
        "PALR_PASSWORD": PASSWORD,
    }
    app = RunningApp(palr_home, **settings)
    app.start()
    try:
        app.wait("/healthz")
        assert httpx.get(f"{app.url}/config").status_code == 401
        assert httpx.get(f"{app.url}/metrics").status_code == 401
        body = {"fn_index": 0, "session_hash": "a", "data": []}
        url = f"{app.url}/gradio_api/run/predict"
        assert httpx.post(url, json=body).status_code in (401, 422)

        async def run(visitor: Visitor) -> Any:
            assert await visitor.log_in("guess") == 400
            begin = time.monotonic()
            outcome = await visitor.recommend(["1"])
            return outcome, time.monotonic() - begin

        # Four runs at once behind HTTP, and one place in line: the rest is turned away.
        results = together(app.url, *(run for _ in range(8)), password=PASSWORD)
        served = [outcome for outcome, _ in results if outcome.trace]
        refused = [(outcome, seconds) for outcome, seconds in results if not outcome.trace]
        assert len(served) == 5
        assert len(refused) == 3
        for outcome in served:
            assert "silent for 2 s" in outcome.trace["fallback"]
            ranks = [item["retriever_rank"] for item in outcome.trace["ranking"]["items"]]
            assert ranks == list(range(1, 11))
        for outcome, seconds in refused:
            assert "all 1 places in line are taken" in outcome.notice
            assert seconds < min(s for o, s in results if o.trace)
        ready = httpx.get(f"{app.url}/readyz")
        assert ready.status_code == 503
        assert "the language model: the last 5 runs failed" in ready.text
        assert "silent for 2 s" in ready.text

        async def hurry(visitor: Visitor) -> list[str]:
            return [(await visitor.recommend(["1"])).notice for _ in range(3)]

        (notices,) = together(app.url, hurry, password=PASSWORD)
        assert "more than 2 runs in a minute" in notices[-1]

        def cut_short() -> None:
            with suppress(httpx.HTTPError, RuntimeError, AssertionError):
                together(app.url, *[lambda v: v.recommend(["2"])] * 3, password=PASSWORD)

        threading.Thread(target=cut_short).start()
        time.sleep(1)
        assert app.stop() < 15  # with a run that hangs
        assert app.process is not None
        assert app.process.returncode == 0
        assert "Traceback" not in app.output()
    finally:
        if app.running:
            app.kill()
        app.log.unlink()
