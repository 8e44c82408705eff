"""Pages that are built once: for the same name the same page, and for nobody else."""

import asyncio
import gzip
from typing import Any

import pytest

from palr.serve.asgi import Message, Receive, Scope, Send
from palr.serve.pages import Built, Pages

HOST = (b"host", b"runtime.example")


class Gradio:
    """Tells each visitor the host that was asked, and counts the pages that it built."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.built = 0
        self._status = status
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.built += 1
        await asyncio.sleep(0)
        headers = dict(scope["headers"])
        assert b"accept-encoding" not in headers
        names = [headers.get(b"host", b""), headers.get(b"x-forwarded-proto", b"http")]
        body = b"<p>" + b" ".join(names)
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


def test_a_crowd_gets_one_page() -> None:
    app = Gradio()
    answers = visits(app, *[{"headers": [HOST, (b"accept-encoding", b"gzip")]}] * 20)
    assert app.built == 1
    assert {built.body for built in answers} == {b"<p>runtime.example http"}
    assert gzip.decompress(answers[0].gzipped) == answers[0].body


def test_nobody_gets_the_page_of_another_name() -> None:
    app = Gradio()
    evil, safe = [(b"host", b"evil.example")], [HOST, (b"x-forwarded-proto", b"https")]
    others = [{"headers": evil}, {"headers": safe}, {}, {"headers": evil}, {"path": "/config"}]
    answers = [built.body for built in visits(app, *others)]
    assert app.built == 4
    assert answers[0] == answers[3] == b"<p>evil.example http"
    assert answers[1] == b"<p>runtime.example https"
    assert answers[2] == b"<p>runtime.example http"


def test_few_pages_are_kept() -> None:
    app = Gradio()
    names = [{"headers": [(b"host", str(n).encode())]} for n in range(100)]
    visits(app, {}, *names, {})
    assert app.built == 102


@pytest.mark.parametrize(
    ("app", "keep"),
    [(Gradio(), False), (Gradio(500), True), (Gradio(**{"set-cookie": "a=b"}), True)],
    ids=["password", "failure", "cookie"],
)
def test_what_is_for_one_visitor_is_built_for_each(app: Gradio, keep: bool) -> None:
    visits(app, {}, {}, keep=keep)
    assert app.built == 2
