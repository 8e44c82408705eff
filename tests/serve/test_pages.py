"""Pages that are built once: for the same name the same page, and for nobody else."""

import asyncio
import gzip
from typing import Any

import pytest

from palr.serve.asgi import Message, Receive, Scope, Send
from palr.serve.pages import Built, Pages

HOST = (b"host", b"runtime.example")


class Gradio:
    """Writes the address that was asked into the page, and counts the pages that it built."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.built = 0
        self._status = status
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.built += 1
        await asyncio.sleep(0)
        headers = dict(scope["headers"])
        assert b"accept-encoding" not in headers
        host = headers.get(b"x-forwarded-host", headers[b"host"])
        scheme = headers.get(b"x-forwarded-proto", scope["scheme"].encode())
        address = b"%s://%s" % (scheme, host)
        body = b'{"root":"%s","code":"ask %s"}' % (address, address)
        await send(
            {"type": "http.response.start", "status": self._status, "headers": self._headers}
        )
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})


async def nothing() -> Message:
    return {"type": "http.request", "body": b""}


def visits(app: Gradio, *visitors: dict[str, Any], keep: bool = True) -> list[Built]:
    """What visitors get who all come at once; each is told by what differs."""

    async def together() -> list[Built]:
        pages = Pages(app, keep)
        scopes = [{"path": "/", "scheme": "http", "headers": [HOST], **v} for v in visitors]
        return await asyncio.gather(*(pages.get(scope, nothing) for scope in scopes))

    return asyncio.run(together())


def test_a_crowd_gets_one_page_that_holds_no_address() -> None:
    app = Gradio()
    names = [(b"host", b"evil.example")], [HOST, (b"x-forwarded-proto", b"https")]
    others = [{"headers": [*headers, (b"accept-encoding", b"gzip")]} for headers in names * 10]
    answers = visits(app, {}, {"scheme": "https"}, *others)
    assert app.built == 1
    here = b'new URL(".", location.href).href.slice(0, -1)'
    assert {built.body for built in answers} == {b'{"root":%s,"code":"ask "+%s+""}' % (here, here)}
    assert gzip.decompress(answers[0].gzipped) == answers[0].body


def test_a_program_gets_the_address_by_which_it_asked() -> None:
    (answer,) = visits(Gradio(), {"path": "/config"})
    assert answer.body == b'{"root":"","code":"ask "}'  # which Gradio's clients take so


@pytest.mark.parametrize(
    ("app", "keep"),
    [(Gradio(), False), (Gradio(500), True), (Gradio(**{"set-cookie": "a=b"}), True)],
    ids=["password", "failure", "cookie"],
)
def test_what_is_for_one_visitor_is_built_for_each(app: Gradio, keep: bool) -> None:
    visits(app, {}, {}, keep=keep)
    assert app.built == 2
