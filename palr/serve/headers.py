"""The headers of every answer: what a browser must refuse, without those of Gradio that tell or
allow too much."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from palr.serve import telemetry
from palr.serve.asgi import Message, Send

_STREAM = b"text/event-stream"
# A proxy must pass on what a stream says when it is said; nginx gathers it otherwise.
_UNHELD = (b"x-accel-buffering", b"no")


@dataclass
class Answer:
    """One answer on its way out: ``headers`` are added, and it is counted under ``route``."""

    send: Send
    headers: list[tuple[bytes, bytes]]
    route: str
    status: int = 0
    drop: frozenset[bytes] = field(
        default=frozenset({b"server", b"access-control-allow-origin"})
        | {b"access-control-allow-credentials"}
    )

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in self.drop]
            kept = [_on_this_server(name, value) for name, value in kept]
            if any(n.lower() == b"content-type" and v.startswith(_STREAM) for n, v in kept):
                kept.append(_UNHELD)
            message = {**message, "headers": kept + self.headers}
            telemetry.REQUESTS.labels(self.route, self.status).inc()
        await self.send(message)


def policy(scripts: str = "", framed_by: Sequence[str] = ()) -> str:
    """The content security policy of a page whose inline ``scripts`` are named by hash.

    Gradio compiles templates, which needs 'unsafe-eval', and styles elements one by one.

    Inline scripts and handlers do not run unless they are named by hash, so that even HTML
    that slipped through unescaped stays inert, and nothing may be fetched from elsewhere.
    """
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-eval' {scripts}".strip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            " ".join(("frame-ancestors 'self'", *framed_by)),
        )
    )


def security_headers(framed_by: Sequence[str] = ()) -> list[tuple[bytes, bytes]]:
    """What goes with every answer; ``framed_by`` may embed the page."""
    headers = {
        "content-security-policy": policy(framed_by=framed_by),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-site",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _on_this_server(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Redirects stay here: Gradio builds them from headers that anybody can send."""
    if name.lower() != b"location":
        return name, value
    parts = urlsplit(value.decode("latin-1"))
    path = "/" + parts.path.lstrip("/\\")
    return name, (f"{path}?{parts.query}" if parts.query else path).encode("latin-1")
