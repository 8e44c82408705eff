"""The page and its configuration, built once for each name that this server is asked by.

Gradio copies the whole configuration for each visitor who opens the page, a tenth of a second of
Python in which nobody else is served, and arrives at the same bytes every time.
"""

import asyncio
import base64
import gzip
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

from palr.serve.asgi import App, Message, Receive, Scope

# What Gradio reads the server's own address from, which the page holds.
_NAMING = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")
_KEPT = 8
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)

_Key = tuple[object, ...]


@dataclass(frozen=True)
class Built:
    """One answer as it was built, uncompressed."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, 5)

    @cached_property
    def scripts(self) -> str:
        """The inline scripts, by hash, as a policy names them."""
        found = (hash_of(text) for text in _INLINE_SCRIPT.findall(self.body))
        return " ".join(dict.fromkeys(found))

    @property
    def is_for_everyone(self) -> bool:
        return self.status == 200 and b"set-cookie" not in {name for name, _ in self.headers}


class Pages:
    """Asks ``app`` for pages; with ``keep`` one is built once and then taken from here.

    Whoever sends a strange name gets a page for that name, and nobody else does.
    """

    def __init__(self, app: App, keep: bool) -> None:
        self._app = app
        self._keep = keep
        self._built: OrderedDict[_Key, Built] = OrderedDict()
        self._building = asyncio.Lock()

    async def get(self, scope: Scope, receive: Receive) -> Built:
        if not self._keep:
            return await self._build(scope, receive)
        key = _key(scope)
        async with self._building:  # a crowd that comes at once waits for one page
            if key not in self._built:
                built = await self._build(scope, receive)
                if not built.is_for_everyone:
                    return built
                self._built[key] = built
                while len(self._built) > _KEPT:
                    self._built.popitem(last=False)
            self._built.move_to_end(key)
            return self._built[key]

    async def _build(self, scope: Scope, receive: Receive) -> Built:
        started: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start":
                started = message
            else:
                body += message.get("body", b"")

        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self._app({**scope, "headers": headers}, receive, collect)
        pairs = tuple((name.lower(), value) for name, value in started["headers"])
        return Built(started["status"], pairs, body)


def hash_of(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def _key(scope: Scope) -> _Key:
    naming = tuple(pair for pair in scope["headers"] if pair[0] in _NAMING)
    address = scope.get("server")
    return scope["path"], scope.get("scheme"), scope.get("root_path"), address, naming
