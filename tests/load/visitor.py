"""A visitor without a browser: speaks to the page's server as the page does."""

import html
import json
import random
import re
import string
from dataclasses import dataclass
from typing import Any

import httpx
from gradio_client.utils import apply_diff

from palr.ui.request import AUTOMATIC, Choices

_TRACE = re.compile(r'<pre id="trace-json"[^>]*>(.*?)</pre>', re.DOTALL)
_NOTICE = re.compile(r'<div class="notice[^"]*" role="alert">(.*?)</div>', re.DOTALL)
_PLACE = re.compile(r"(?:Next|\d+\w\w) in line[^<]*")
NOTICE, PROFILE, HOOD = 1, 2, 5  # places in a page, in the order of its outputs


def _settings(mode: str) -> list[str]:
    """The page's settings, but for the mode left to the app."""
    return [mode if name == "mode" else AUTOMATIC for name in Choices.names()]


@dataclass
class Outcome:
    """How a run ended: its trace as JSON, or what the visitor was told instead."""

    trace: dict[str, Any] | None
    notice: str
    places: tuple[str, ...]


class Visitor:
    """One browser tab; ``address`` is the visitor's, as a proxy on this machine tells it."""

    def __init__(self, url: str, address: str, timeout: float = 600) -> None:
        self.session = "".join(random.choices(string.ascii_lowercase + string.digits, k=11))
        self.client = httpx.AsyncClient(
            base_url=url, headers={"X-Forwarded-For": address}, timeout=timeout
        )
        self._numbers: dict[str, int] = {}
        self._picker = -1

    async def log_in(self, password: str) -> int:
        """The status of the answer."""
        form = {"username": "visitor", "password": password}
        return (await self.client.post("/login", data=form)).status_code

    async def open(self) -> str:
        """Load the page; returns its HTML."""
        page = await self._checked(await self.client.get("/"))
        config = (await self._checked(await self.client.get("/config"))).json()
        for call in config["dependencies"]:
            self._numbers.setdefault(call["api_name"], call["id"])
        self._picker = next(
            c["id"] for c in config["components"] if c["props"].get("elem_id") == "picker"
        )
        return page.text

    async def search(self, query: str, domain: str = "movies") -> list[dict[str, Any]]:
        """Suggestions for what was typed."""
        answer = await self.lookup("search", {"domain": domain, "query": query})
        return list(answer["items"])

    async def lookup(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        body = {
            "component_id": self._picker,
            "session_hash": self.session,
            "fn_name": name,
            "data": data,
        }
        response = await self.client.post("/gradio_api/component_server/", json=body)
        return dict((await self._checked(response)).json())

    async def recommend(self, picks: list[str], mode: str = "titles") -> Outcome:
        """Press the button, and wait for the end of the run."""
        selection = {"domain": "movies", "picks": picks}
        await self.call("begin", [selection, *_settings(mode), "", None])
        body = self._body("run", [selection, None])
        join = await self.client.post("/gradio_api/queue/join", json=body)
        event = (await self._checked(join)).json()["event_id"]
        page: list[Any] = []
        places: list[str] = []
        query = {"session_hash": self.session}
        async with self.client.stream("GET", "/gradio_api/queue/data", params=query) as stream:
            stream.raise_for_status()
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("event_id") != event:
                    continue
                if message["msg"] == "process_generating":
                    page = _merged(page, message["output"]["data"])
                    places += [p for p in _PLACE.findall(str(page[PROFILE])) if p not in places]
                elif message["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"the run failed: {message['output']}")
                    break
        trace = _TRACE.search(_text(page, HOOD))
        notice = _NOTICE.search(_text(page, NOTICE))
        return Outcome(
            json.loads(html.unescape(trace[1])) if trace else None,
            html.unescape(notice[1]) if notice else "",
            tuple(places),
        )

    async def is_stale(self, picks: list[str]) -> bool:
        """Whether the server says that the results it keeps for this session are of other picks."""
        selection = {"domain": "movies", "picks": picks}
        answer = await self.call("changed", [selection, *_settings("titles"), "", None])
        return "Picks changed" in str(answer[0])

    async def call(self, name: str, data: list[Any]) -> list[Any]:
        response = await self.client.post("/gradio_api/run/predict", json=self._body(name, data))
        return list((await self._checked(response)).json()["data"])

    async def close(self) -> None:
        await self.client.aclose()

    def _body(self, name: str, data: list[Any]) -> dict[str, Any]:
        return {"fn_index": self._numbers[name], "session_hash": self.session, "data": data}

    @staticmethod
    async def _checked(response: httpx.Response) -> httpx.Response:
        if response.is_error:
            raise RuntimeError(f"{response.url.path} answered {response.status_code}")
        return response


def _merged(page: list[Any], update: list[Any]) -> list[Any]:
    """The first update is whole; the others hold, for each part, how it differs."""
    if not page:
        return update
    return [
        apply_diff(old, change) if isinstance(change, list) else change
        for old, change in zip(page, update, strict=True)
    ]


def _text(page: list[Any], place: int) -> str:
    """HTML of a part, whether it came as a value or as an update that holds one."""
    part = page[place] if page else ""
    return str(part.get("value", "") if isinstance(part, dict) else part)
