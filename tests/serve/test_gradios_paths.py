"""The gate's open paths against what Gradio's page asks for, in all its states."""

import asyncio
import re
from importlib.metadata import files

import httpx
import pytest

from palr.serve.gate import Gate, Rules

from .test_gate import CALL, CONTRACT, echo

_FRONTEND = "gradio/templates/frontend/assets/index-"
_CLOSED = {
    "upload": "nothing is uploaded",
    "login": "there is no password here",
    "host": "of huggingface.co",
    "runtime": "of huggingface.co",
    "sleeptime": "of huggingface.co",
}
_POSTED = {
    "queue/join": {**CALL, "fn_index": 1},
    "component_server": {
        **CALL,
        "component_id": 9,
        "fn_name": "search",
        "data": {"domain": "movies", "query": "x"},
    },
    "reset": {"event_id": "abc"},
    "cancel": {"event_id": "abc", "session_hash": "abc", "fn_index": 0},
}
_OTHERS = (
    "/",
    "/config",
    "/theme.css",
    "/manifest.json",
    "/favicon.ico",
    "/robots.txt",
    "/static/img/logo_nosize.svg",
    "/static/js/iframeResizer.contentWindow.min.js",
    "/static/fonts/IBMPlexMono/IBMPlexMono-Regular.woff2",
    "/gradio_api/startup-events",
    "/gradio_api/login_check",
)


def clients_paths() -> list[str]:
    """The paths that Gradio's client knows: the constants before its first message."""
    for file in files("gradio") or ():
        if str(file).startswith(_FRONTEND) and file.suffix == ".js":
            head, found, _ = file.read_text("utf-8").partition("=`This application is currently")
            if found:
                constants = re.search(r"((?:\w+=`[a-z_/]+`,)+)\w+$", head)
                assert constants
                return re.findall(r"`([a-z_/]+)`", constants[1])
    raise AssertionError("Gradio's client has moved: find its paths again")


@pytest.fixture(scope="module")
def gate() -> Gate:
    contract = CONTRACT
    calls = {**contract.calls, 1: type(contract.calls[0])(("selection",), queued=True)}
    return Gate(echo, Rules(type(contract)(calls, contract.components, contract.lookups)))


def status(gate: Gate, path: str, body: object = None) -> int:
    async def send() -> int:
        transport = httpx.ASGITransport(gate, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            asked = client.get(path) if body is None else client.post(path, json=body)
            return (await asked).status_code

    return asyncio.run(send())


def test_what_gradios_client_asks_for_is_open_or_closed_on_purpose(gate: Gate) -> None:
    paths = clients_paths()
    assert {"app_id", "heartbeat", "queue/data"} <= set(paths)
    for path in paths:
        ending = {"heartbeat": "/abc", "queue/data": "?session_hash=abc"}.get(path, "")
        prefix = "" if path in ("config", "login") else "/gradio_api"
        answer = status(gate, f"{prefix}/{path}{ending}", _POSTED.get(path))
        # The application behind the gate fails on /config, which shows that it was let in.
        expected = 404 if path in _CLOSED else 500 if path == "config" else 200
        assert answer == expected, path


@pytest.mark.parametrize("path", _OTHERS)
def test_what_the_page_itself_asks_for_is_open(gate: Gate, path: str) -> None:
    assert status(gate, path) in (200, 500)
