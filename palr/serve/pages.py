"""The page and its configuration, built once, whatever name and path this server is asked by.

Gradio copies the whole configuration for each visitor who opens the page, a tenth of a second of
Python in which nobody else is served, and arrives at the same bytes every time, but for one thing:
it writes the address of the server into them. Behind a proxy it cannot know that address, and the
page would stay blank. So it is asked under a name that stands for none, and each browser puts its
own address in the place of that name.
"""

import asyncio
import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from palr.serve.asgi import App, Message, Receive, Scope

# What Gradio reads the server's own address from, which the page holds.
_NAMING = frozenset((b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server"))
_NOBODY = b"address.invalid"
_ROOT = b"http://%s" % _NOBODY
_ADDRESS_BAR = b'new URL(".", location.href).href.slice(0, -1)'
_PLACES = {
    # In the page's scripts it is a string, or a part of one: there is an expression instead.
    "/": (
        (b'"%s"' % _ROOT, _ADDRESS_BAR),
        (_ROOT, b'"+%s+"' % _ADDRESS_BAR),
        (b'href="/manifest.json"', b'href="./manifest.json"'),
    ),
    # A program knows by which address it asked: Gradio's clients take an empty one so.
    "/config": ((_ROOT, b""),),
}
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


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
    """Asks ``app`` for pages; with ``keep`` one is built once and then taken from here."""

    def __init__(self, app: App, keep: bool) -> None:
        self._app = app
        self._keep = keep
        self._built: dict[str, Built] = {}
        self._building = asyncio.Lock()

    async def get(self, scope: Scope, receive: Receive) -> Built:
        if not self._keep:
            return await self._build(scope, receive)
        path = scope["path"]
        async with self._building:  # a crowd that comes at once waits for one page
            if path not in self._built:
                built = await self._build(scope, receive)
                if not built.is_for_everyone:
                    return built
                self._built[path] = built
            return self._built[path]

    async def _build(self, scope: Scope, receive: Receive) -> Built:
        started: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal started, body
            if message["type"] == "http.response.start":
                started = message
            else:
                body += message.get("body", b"")

        left_out = {b"accept-encoding", *_NAMING}
        headers = [pair for pair in scope["headers"] if pair[0] not in left_out]
        nameless = {**scope, "scheme": "http", "headers": [(b"host", _NOBODY), *headers]}
        await self._app(nameless, receive, collect)
        for nobody, place in _PLACES.get(scope["path"], ()):
            body = body.replace(nobody, place)
        pairs = tuple((name.lower(), value) for name, value in started["headers"])
        return Built(started["status"], pairs, body)


def hash_of(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
