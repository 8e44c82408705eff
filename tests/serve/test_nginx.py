"""Behind the real nginx, as documented and as people set it up: it works or says what to set."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from palr.serve import proxies

from ..load.app import RunningApp
from ..load.nginx import NGINX, bare, documented, nginx
from ..load.visitor import Visitor

pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx (Debian: apt-get install nginx)")
AT_THE_ROOT = documented().replace("/palr/", "/")
HOST_ALONE = documented().replace("$http_host", "$host")
FORWARDED = (
    documented()
    .replace("proxy_set_header X-Forwarded-Proto", "proxy_set_header X-Forwarded-Host $host;\n$&")
    .replace("$&", "proxy_set_header X-Forwarded-Proto")
)


@pytest.mark.parametrize(
    ("server", "path"),
    [
        pytest.param(documented(), "/palr/", id="documented"),
        pytest.param(bare(), "/palr/", id="bare", marks=pytest.mark.long),
        pytest.param(AT_THE_ROOT, "/", id="root", marks=pytest.mark.long),
        pytest.param(HOST_ALONE, "/palr/", id="host", marks=pytest.mark.long),
        pytest.param(FORWARDED, "/palr/", id="forwarded-host", marks=pytest.mark.long),
    ],
)
def test_the_page_its_parts_and_a_run_come_through(
    live_app: RunningApp, tmp_path: Path, server: str, path: str
) -> None:
    with nginx(server, live_app.port, tmp_path) as root:
        url = root + path
        embedded = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin"}
        page = httpx.get(url, headers=embedded)
        assert page.status_code == 200
        assert '"root":new URL(".", location.href)' in page.text
        for address in (root, live_app.url, "address.invalid", 'href="/'):
            assert address not in page.text
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
        assert "x-frame-options" not in page.headers
        for part in re.findall(r'(?:src|href)="(\./[^"]+)"', page.text):
            if part != "./":
                assert httpx.get(url + part).status_code == 200, part
        assert httpx.get(f"{url}config").json()["root"] == ""
        # nginx gathers what is small, unless it is told not to.
        with httpx.stream("GET", f"{url}gradio_api/heartbeat/abc", timeout=2) as stream:
            assert next(stream.iter_lines()) == "data: ALIVE"
            assert stream.headers.get("x-accel-buffering") is None  # nginx keeps it to itself

        async def run() -> int:
            visitor = Visitor(url, "192.0.2.1")
            await visitor.open()
            outcome = await visitor.recommend(["1", "50"])
            await visitor.close()
            return len(outcome.trace["ranking"]["items"]) if outcome.trace else 0

        assert asyncio.run(run()) == 10


def pressed(root: str, **headers: str) -> httpx.Response:
    body = {"fn_index": 0, "session_hash": "abc", "data": []}
    url = f"{root}/palr/gradio_api/run/predict"
    return httpx.post(url, json=body, headers={"Origin": root, **headers})


def test_a_name_that_is_not_passed_on_is_said(live_app: RunningApp, tmp_path: Path) -> None:
    arrives = 422  # the call itself is none of the page's
    with nginx(documented(), live_app.port, tmp_path) as root:
        assert pressed(root).status_code == arrives
    for server in (bare(), HOST_ALONE):
        with nginx(server, live_app.port, tmp_path) as root:
            told = pressed(root)
            assert told.status_code == 403
            assert told.json()["detail"] == proxies.OTHER_HOST
            assert "proxy_set_header Host $http_host" in proxies.OTHER_HOST
            # A browser says itself that it is the server's own page, where it may.
            assert pressed(root, **{"Sec-Fetch-Site": "same-origin"}).status_code == arrives
            assert pressed(root, **{"Sec-Fetch-Site": "same-site"}).status_code == 403
    nameless = (
        documented().replace("Host $http_host", 'Host ""').replace("version 1.1", "version 1.0")
    )
    with nginx(nameless, live_app.port, tmp_path) as root:
        told = httpx.get(f"{root}/palr/")
        assert (told.status_code, told.json()["detail"]) == (400, proxies.NO_HOST)
    assert live_app.output().count(proxies.OTHER_HOST) == 1
    assert live_app.output().count(proxies.NO_HOST) == 1


def test_a_path_that_is_left_on_is_said(live_app: RunningApp, tmp_path: Path) -> None:
    left_on = documented().replace(":7860/;", ":7860;")
    with nginx(left_on, live_app.port, tmp_path) as root:
        told = httpx.get(f"{root}/palr/", headers={"Accept": "text/html,*/*"})
    assert (told.status_code, told.text) == (404, f"{proxies.PATH}\n")
    assert "proxy_pass http://127.0.0.1:7860/;" in told.text
    assert live_app.output().count(proxies.PATH) == 1
