"""Requests and answers as ASGI passes them: what is read, refused and sent, in bounds."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 256 * 1024
BODY_SECONDS = 30.0


class Refusal(Exception):  # noqa: N818 (an answer, not a fault)
    """Answer this instead."""

    def __init__(
        self, status: int, text: str, kind: str = "application/json", **headers: str
    ) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {"content-type": kind, **headers}
        is_json = kind == "application/json"
        self.body = (json.dumps({"detail": text}) if is_json else text).encode()


def only(method: str, *allowed: str) -> None:
    """Raises Refusal where the method is another."""
    if method not in allowed:
        raise Refusal(405, "That method is not allowed here.", allow=", ".join(allowed))


async def body_of(receive: Receive, scope: Scope) -> bytes:
    """The whole body, in bounded time and size; raises Refusal."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > MAX_BODY:
        raise Refusal(413, f"The body may have {MAX_BODY} bytes.")

    async def read() -> bytes:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "The request broke off.")
            body += bytes(message.get("body", b""))
            if len(body) > MAX_BODY:
                raise Refusal(413, f"The body may have {MAX_BODY} bytes.")
            if not message.get("more_body"):
                return body

    try:
        return await asyncio.wait_for(read(), BODY_SECONDS)
    except TimeoutError as error:
        raise Refusal(408, "The request took too long to arrive.") from error


def with_body(scope: Scope, receive: Receive, body: bytes, kind: bytes) -> tuple[Scope, Receive]:
    """The request with this body in the place of the one that was read."""
    replaced = (b"content-length", b"content-type", b"transfer-encoding")
    headers = [pair for pair in scope["headers"] if pair[0] not in replaced]
    headers += [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return {**scope, "headers": headers, "query_string": b""}, replay


async def respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs: Iterable[tuple[str, str]] = {**headers, "content-length": str(len(body))}.items()
    encoded = [(name.encode(), value.encode()) for name, value in pairs]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
