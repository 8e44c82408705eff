"""The gate in front of Gradio's server: an allow list, bounds, security headers, health, metrics.

Gradio serves far more than this page needs: uploads, a proxy, file and stream endpoints, deep
links, run histories, monitoring. Here everything is refused that the page does not ask for, so
that a weakness in what it does not use is out of reach.
"""

import asyncio
import base64
import hmac
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from palr import metrics
from palr.serve.contract import ArgumentsError, Contract, ContractError, session
from palr.serve.limits import Buckets, visitor_of
from palr.serve.pages import App, Message, Pages, Receive, Scope, Send, hash_of

MAX_BODY = 256 * 1024
BODY_SECONDS = 30.0
REQUESTS_PER_SECOND, REQUEST_BURST = 50.0, 500  # a computer room may share one address
LOGINS_PER_SECOND, LOGIN_BURST = 0.1, 10
MAX_UNREAD = 100  # messages to one session; a page that reads them has none left a moment later
STREAMS_OF_ONE, STREAMS_OF_ALL = 128, 4096

_API = "/gradio_api"
MCP_PATH = f"{_API}/mcp"
_CALL = re.compile(rf"{_API}/call/([a-z_]{{1,32}})(?:/([A-Za-z0-9_-]{{1,64}}))?/?")
_ASSET = re.compile(r"/(assets|static|svelte)(/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)+")
_PAGES = {"/", "/config", "/theme.css", f"{_API}/theme.css", "/favicon.ico", "/robots.txt"}
_PAGES |= {"/manifest.json", f"{_API}/info", f"{_API}/startup-events", f"{_API}/login_check"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What the gate lets through.

    ``files`` are paths that the page's style sheet asks for. ``ready`` says why the server is not
    ready, "" once it is. ``hosts`` are further names of this server, beside the one it is asked
    by. ``framed_by`` may embed the page. ``scripts`` are the inline scripts that Gradio adds.
    ``mcp`` answers what is posted to `MCP_PATH`. ``pending`` says whether an event is one that
    somebody may still ask about; ``unread`` counts what waits to be read by a session.
    """

    contract: Contract
    files: frozenset[str] = frozenset()
    ready: Callable[[], str] = lambda: ""
    password: str = ""
    hosts: frozenset[str] = frozenset()
    framed_by: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    mcp: App | None = None
    pending: Callable[[str], bool] = lambda event: True
    unread: Callable[[str], int] = lambda session: 0


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


@dataclass
class _Answer:
    """Watches one answer on its way out."""

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
            message = {**message, "headers": kept + self.headers}
            metrics.REQUESTS.labels(self.route, self.status).inc()
        await self.send(message)


class Gate:
    """An ASGI application around ``app``."""

    def __init__(self, app: App, rules: Rules, requests: Buckets | None = None) -> None:
        self._app = app
        self._rules = rules
        if requests is None:
            requests = Buckets(REQUESTS_PER_SECOND, REQUEST_BURST)
        self._requests = requests
        self._logins = Buckets(LOGINS_PER_SECOND, LOGIN_BURST)
        self._streams: Counter[str] = Counter()
        self._script_hashes = " ".join(hash_of(script.encode()) for script in rules.scripts)
        # Behind a password the page names its visitor.
        self._pages = Pages(app, keep=not rules.password)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        answer = _Answer(send, self._security_headers(scope), _route(path))
        visitor = visitor_of((scope.get("client") or (None,))[0])
        streams = path.startswith((f"{_API}/heartbeat/", f"{_API}/queue/data"))
        streams |= path.startswith(MCP_PATH)
        streams |= path.startswith(f"{_API}/call/") and scope["method"] == "GET"
        try:
            scope, receive = await self._admit(scope, receive, visitor)
            if streams:
                self._open_stream(visitor)
            try:
                if path in ("/", "/config") and scope["method"] == "GET":
                    await self._page(scope, receive, answer)
                elif self._rules.mcp and path.rstrip("/") == MCP_PATH:
                    await self._rules.mcp(scope, receive, answer)
                else:
                    await self._app(scope, receive, answer)
            finally:
                if streams:
                    self._close_stream(visitor)
        except Refusal as refusal:
            await _respond(answer, refusal.status, refusal.headers, refusal.body)
        except Exception:
            if answer.status:
                raise  # too late for another answer
            _log.exception("the server failed", extra={"fields": {"route": _route(path)}})
            body = json.dumps({"detail": "The server failed; its log tells why."}).encode()
            await _respond(answer, 500, {"content-type": "application/json"}, body)

    async def _admit(self, scope: Scope, receive: Receive, visitor: str) -> tuple[Scope, Receive]:
        """The request as Gradio may see it; raises Refusal."""
        path, method = scope["path"], scope["method"]
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        self._own_answers(path, method, headers, visitor)
        self._same_origin(headers)
        if _ASSET.fullmatch(path) or path in self._rules.files:
            _only(method, "GET", "HEAD")
            return {**scope, "query_string": b""}, receive
        wait = self._requests.take(visitor)
        if wait:
            raise Refusal(
                429, "Too many requests from your address: slow down.", **{"retry-after": "2"}
            )
        if path in _PAGES:
            _only(method, "GET", "HEAD")
            return {**scope, "query_string": b""}, receive
        if path.startswith(f"{_API}/heartbeat/"):
            _only(method, "GET")
            _named(path.removeprefix(f"{_API}/heartbeat/"))
            return {**scope, "query_string": b""}, receive
        if path == f"{_API}/queue/data":
            _only(method, "GET")
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            name = _named((asked.get("session_hash") or [""])[0])
            return {**scope, "query_string": f"session_hash={name}".encode()}, receive
        if self._rules.mcp and path.rstrip("/") == MCP_PATH:
            _only(method, "POST")
            self._knows_the_password(headers, visitor)
            return _with_body(scope, receive, await _body(receive, scope), b"application/json")
        if self._rules.password and path in ("/login", "/login/", "/logout"):
            return await self._login(scope, receive, visitor)
        return await self._call(scope, receive)

    async def _call(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        contract = self._rules.contract
        checks: dict[str, Callable[[bytes], bytes]] = {
            f"{_API}/run/predict": lambda body: contract.call(body, queued=False),
            f"{_API}/queue/join": self._joined,
            f"{_API}/component_server": contract.lookup,
            f"{_API}/reset": contract.cancel,
            f"{_API}/cancel": contract.cancel,
        }
        path = scope["path"].rstrip("/")
        by_name = _CALL.fullmatch(path)
        if by_name and by_name[1] in contract.names:
            if by_name[2]:
                _only(scope["method"], "GET")
                if not self._rules.pending(by_name[2]):
                    raise Refusal(404, "There is no such event, or it was told already.")
                return {**scope, "query_string": b""}, receive
            checks = {path: lambda body: contract.named(by_name[1], body)}
        if path not in checks:
            raise Refusal(404, "Not found.")
        _only(scope["method"], "POST")
        try:
            body = checks[path](await _body(receive, scope))
        except ArgumentsError as error:
            refusal = Refusal(422, f"{error}.")
            refusal.body = _for_gradios_client(str(error))
            raise refusal from error
        except ContractError as error:
            raise Refusal(422, f"{error}.") from error
        return _with_body(scope, receive, body, b"application/json")

    def _joined(self, body: bytes) -> bytes:
        """Gradio keeps what a run says until it is read, however much that is."""
        body = self._rules.contract.call(body, queued=True)
        if self._rules.unread(json.loads(body)["session_hash"]) > MAX_UNREAD:
            raise Refusal(409, "This page does not read its answers: reload it.")
        return body

    async def _login(self, scope: Scope, receive: Receive, visitor: str) -> tuple[Scope, Receive]:
        if scope["path"] == "/logout":
            _only(scope["method"], "GET")
            return {**scope, "query_string": b""}, receive
        _only(scope["method"], "POST")
        if self._logins.take(visitor):
            raise Refusal(429, "Too many tries: wait a minute.", **{"retry-after": "60"})
        body = await _body(receive, scope)
        kind = dict(scope["headers"]).get(b"content-type", b"")
        return _with_body(scope, receive, body, kind)

    def _own_answers(self, path: str, method: str, headers: dict[str, str], visitor: str) -> None:
        """Raises the Refusal that answers a health check or a scrape."""
        if path not in ("/healthz", "/readyz", "/metrics"):
            return
        _only(method, "GET", "HEAD")
        if path == "/healthz":
            raise Refusal(200, "ok\n", "text/plain; charset=utf-8")
        if path == "/readyz":
            why = self._rules.ready()
            raise Refusal(503 if why else 200, f"{why or 'ok'}\n", "text/plain; charset=utf-8")
        self._knows_the_password(headers, visitor)
        raise Refusal(200, metrics.exposition().decode(), "text/plain; version=0.0.4")

    def _knows_the_password(self, headers: dict[str, str], visitor: str) -> None:
        """For those that log in with each request, by the name of any user; raises Refusal."""
        if not self._rules.password:
            return
        _, _, given = headers.get("authorization", "").partition(" ")
        try:
            _, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            password = ""
        if not hmac.compare_digest(password.encode(), self._rules.password.encode()):
            if given and self._logins.take(visitor):
                raise Refusal(429, "Too many tries: wait a minute.", **{"retry-after": "60"})
            raise Refusal(401, "Wrong password.", **{"www-authenticate": "Basic"})

    def _same_origin(self, headers: dict[str, str]) -> None:
        """Refuse what another site's page sends; only browsers tell an origin."""
        origin = headers.get("origin")
        if "host" not in headers:
            raise Refusal(400, "A request must name its host.")
        if origin is None:
            return
        ours = {headers["host"], headers.get("x-forwarded-host", ""), *self._rules.hosts}
        if urlsplit(origin).netloc.lower() not in {host.lower() for host in ours if host}:
            raise Refusal(403, "Requests of other sites are refused.")

    def _open_stream(self, visitor: str) -> None:
        if self._streams[visitor] >= STREAMS_OF_ONE:
            raise Refusal(429, "Too many open pages from your address.", **{"retry-after": "10"})
        if self._streams.total() >= STREAMS_OF_ALL:
            raise Refusal(503, "Too many visitors: try again soon.", **{"retry-after": "30"})
        self._streams[visitor] += 1

    def _close_stream(self, visitor: str) -> None:
        self._streams[visitor] -= 1
        if self._streams[visitor] <= 0:
            del self._streams[visitor]

    async def _page(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Answer with the page's configuration, or with the page under a policy that names its
        inline scripts, and no others, by hash."""
        built = await self._pages.get(scope, receive)
        given = dict(built.headers)
        body = built.body
        if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
            body = built.gzipped
            given[b"content-encoding"] = b"gzip"
        given |= {b"content-length": str(len(body)).encode(), b"vary": b"Accept-Encoding"}
        if scope["path"] == "/":
            policy = self._policy(f"{built.scripts} {self._script_hashes}")
            given[b"content-security-policy"] = policy.encode()
            answer.headers = [h for h in answer.headers if h[0] != b"content-security-policy"]
        await answer(
            {"type": "http.response.start", "status": built.status, "headers": list(given.items())}
        )
        await answer({"type": "http.response.body", "body": body})

    def _policy(self, scripts: str = "") -> str:
        """Gradio compiles templates, which needs 'unsafe-eval', and styles elements one by one.

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
                " ".join(("frame-ancestors 'self'", *self._rules.framed_by)),
            )
        )

    def _security_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        headers = {
            "content-security-policy": self._policy(),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-site",
            "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        }
        return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _body(receive: Receive, scope: Scope) -> bytes:
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


def _with_body(scope: Scope, receive: Receive, body: bytes, kind: bytes) -> tuple[Scope, Receive]:
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


async def _respond(answer: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs: Iterable[tuple[str, str]] = {**headers, "content-length": str(len(body))}.items()
    encoded = [(name.encode(), value.encode()) for name, value in pairs]
    await answer({"type": "http.response.start", "status": status, "headers": encoded})
    await answer({"type": "http.response.body", "body": body})


def _only(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Refusal(405, "That method is not allowed here.", allow=", ".join(allowed))


def _for_gradios_client(text: str) -> bytes:
    """A refusal in the only form whose words `gradio_client` passes on."""
    where, _, what = text.partition(": ")
    told = {"__type__": "validate", "is_valid": False, "parameter_name": where, "message": what}
    return json.dumps({"detail": [told]}).encode()


def _named(value: str) -> str:
    try:
        return session(value)
    except ContractError as error:
        raise Refusal(422, f"{error}.") from error


def _on_this_server(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Redirects stay here: Gradio builds them from headers that anybody can send."""
    if name.lower() != b"location":
        return name, value
    parts = urlsplit(value.decode("latin-1"))
    path = "/" + parts.path.lstrip("/\\")
    return name, (f"{path}?{parts.query}" if parts.query else path).encode("latin-1")


def _route(path: str) -> str:
    """The path without what is in it: a metric must not have one label for each visitor."""
    if _ASSET.fullmatch(path) or path.startswith(f"{_API}/file="):
        return "assets"
    if path.startswith(f"{_API}/heartbeat/"):
        return "heartbeat"
    short = path.removeprefix(_API).strip("/")
    known = {"run/predict", "queue/join", "queue/data", "component_server", "cancel", "reset"}
    known |= {"healthz", "readyz", "metrics", "config", "login", "logout"}
    if path == "/":
        return "page"
    if short.startswith("call/"):
        return "call"
    known.add("mcp")
    return short if short in known else "other"
