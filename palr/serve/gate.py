"""The gate in front of Gradio's server: an allow list, bounds, security headers, health, metrics.

Gradio serves far more than this page needs: uploads, a proxy, file and stream endpoints, deep
links, run histories, monitoring. Here everything is refused that the page does not ask for, so
that a weakness in what it does not use is out of reach.
"""

import base64
import hmac
import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from palr.serve import proxies, telemetry
from palr.serve.asgi import App, Receive, Refusal, Scope, Send, body_of, only, respond, with_body
from palr.serve.contract import ArgumentsError, Contract, ContractError, session
from palr.serve.headers import Answer, policy, security_headers
from palr.serve.limits import Buckets, client_of
from palr.serve.pages import Pages, hash_of

REQUESTS_PER_SECOND, REQUEST_BURST = 50.0, 500  # a computer room may share one address
LOGINS_PER_SECOND, LOGIN_BURST = 0.1, 10
MAX_UNREAD = 100  # messages to one session; a page that reads them has none left a moment later
STREAMS_OF_ONE, STREAMS_OF_ALL = 128, 4096

LOG_IN = "Write any name, and the password of this page."

_API = "/gradio_api"
MCP_PATH = f"{_API}/mcp"
_CALL = re.compile(rf"{_API}/call/([a-z_]{{1,32}})(?:/([A-Za-z0-9_-]{{1,64}}))?/?")
_ASSET = re.compile(r"/(assets|static|svelte)(/[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)+")
_PAGES = {"/", "/config", "/theme.css", f"{_API}/theme.css", "/favicon.ico", "/robots.txt"}
_PAGES |= {"/manifest.json", f"{_API}/info", f"{_API}/startup-events", f"{_API}/login_check"}
_PAGES.add(f"{_API}/app_id")  # a page that has lost the server asks for it until it is back
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What the gate lets through.

    ``files`` are paths that the page's style sheet asks for. ``ready`` says why the server is not
    ready, "" once it is. ``hosts`` are further names of this server, beside the one it is asked
    by. ``framed_by`` may embed the page. ``scripts`` are the inline scripts that Gradio adds.
    ``mcp`` answers what is posted to `MCP_PATH`. ``pending`` says whether an event is one that
    somebody may still ask about; ``unread`` counts what waits to be read by a session, and is None
    where this process has never had anything for it.
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
    unread: Callable[[str], int | None] = lambda session: 0


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
        self._told: set[str] = set()
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
        answer = Answer(send, security_headers(self._rules.framed_by), _route(path))
        client = client_of((scope.get("client") or (None,))[0])
        streams = path.startswith((f"{_API}/heartbeat/", f"{_API}/queue/data"))
        streams |= path.startswith(MCP_PATH)
        streams |= path.startswith(f"{_API}/call/") and scope["method"] == "GET"
        try:
            scope, receive = await self._admit(scope, receive, client)
            if streams:
                self._open_stream(client)
            try:
                if path in ("/", "/config") and scope["method"] == "GET":
                    await self._page(scope, receive, answer)
                elif self._rules.mcp and path.rstrip("/") == MCP_PATH:
                    await self._rules.mcp(scope, receive, answer)
                else:
                    await self._app(scope, receive, answer)
            finally:
                if streams:
                    self._close_stream(client)
        except Refusal as refusal:
            await respond(answer, refusal.status, refusal.headers, refusal.body)
        except Exception:
            if answer.status:
                raise  # too late for another answer
            _log.exception("the server failed", extra={"fields": {"route": _route(path)}})
            body = json.dumps({"detail": "The server failed; its log tells why."}).encode()
            await respond(answer, 500, {"content-type": "application/json"}, body)

    async def _admit(self, scope: Scope, receive: Receive, client: str) -> tuple[Scope, Receive]:
        """The request as Gradio may see it; raises Refusal."""
        path, method = scope["path"], scope["method"]
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        self._own_answers(path, method, headers, client)
        self._same_origin(headers)
        if _ASSET.fullmatch(path) or path in self._rules.files:
            only(method, "GET", "HEAD")
            return {**scope, "query_string": b""}, receive
        wait = self._requests.take(client)
        if wait:
            raise Refusal(
                429, "Too many requests from your address: slow down.", **{"retry-after": "2"}
            )
        if path in _PAGES:
            only(method, "GET", "HEAD")
            return {**scope, "query_string": b""}, receive
        if path.startswith(f"{_API}/heartbeat/"):
            only(method, "GET")
            _named(path.removeprefix(f"{_API}/heartbeat/"))
            return {**scope, "query_string": b""}, receive
        if path == f"{_API}/queue/data":
            only(method, "GET")
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            name = _named((asked.get("session_hash") or [""])[0])
            if self._rules.unread(name) is None:
                raise Refusal(404, "That run is not here: was the server started anew?")
            return {**scope, "query_string": f"session_hash={name}".encode()}, receive
        if self._rules.mcp and path.rstrip("/") == MCP_PATH:
            only(method, "POST")
            self._knows_the_password(headers, client)
            return with_body(scope, receive, await body_of(receive, scope), b"application/json")
        if self._rules.password and path in ("/login", "/login/", "/logout"):
            return await self._login(scope, receive, client)
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
                only(scope["method"], "GET")
                if not self._rules.pending(by_name[2]):
                    raise Refusal(404, "There is no such event, or it was told already.")
                return {**scope, "query_string": b""}, receive
            checks = {path: lambda body: contract.named(by_name[1], body)}
        if path not in checks:
            if "text/html" in dict(scope["headers"]).get(b"accept", b"").decode("latin-1"):
                self._tell(proxies.PATH)
                raise Refusal(404, f"{proxies.PATH}\n", "text/plain; charset=utf-8")
            raise Refusal(404, "Not found.")
        only(scope["method"], "POST")
        try:
            body = checks[path](await body_of(receive, scope))
        except ArgumentsError as error:
            refusal = Refusal(422, f"{error}.")
            refusal.body = _for_gradios_client(str(error))
            raise refusal from error
        except ContractError as error:
            raise Refusal(422, f"{error}.") from error
        return with_body(scope, receive, body, b"application/json")

    def _joined(self, body: bytes) -> bytes:
        """Gradio keeps what a run says until it is read, however much that is."""
        body = self._rules.contract.call(body, queued=True)
        if (self._rules.unread(json.loads(body)["session_hash"]) or 0) > MAX_UNREAD:
            raise Refusal(409, "This page does not read its answers: reload it.")
        return body

    async def _login(self, scope: Scope, receive: Receive, client: str) -> tuple[Scope, Receive]:
        if scope["path"] == "/logout":
            only(scope["method"], "GET")
            return {**scope, "query_string": b""}, receive
        only(scope["method"], "POST")
        if self._logins.take(client):
            raise Refusal(429, "Too many tries: wait a minute.", **{"retry-after": "60"})
        body = await body_of(receive, scope)
        kind = dict(scope["headers"]).get(b"content-type", b"")
        if not await _names_somebody(*with_body(scope, receive, body, kind)):
            # Gradio's form shows this status as a failed login, and nothing for any other.
            raise Refusal(400, f"The name is empty. {LOG_IN}")
        return with_body(scope, receive, body, kind)

    def _own_answers(self, path: str, method: str, headers: dict[str, str], client: str) -> None:
        """Raises the Refusal that answers a health check or a scrape."""
        if path not in ("/healthz", "/readyz", "/metrics"):
            return
        only(method, "GET", "HEAD")
        if path == "/healthz":
            raise Refusal(200, "ok\n", "text/plain; charset=utf-8")
        if path == "/readyz":
            why = self._rules.ready()
            raise Refusal(503 if why else 200, f"{why or 'ok'}\n", "text/plain; charset=utf-8")
        self._knows_the_password(headers, client)
        raise Refusal(200, telemetry.exposition().decode(), "text/plain; version=0.0.4")

    def _knows_the_password(self, headers: dict[str, str], client: str) -> None:
        """For those that log in with each request, by the name of any user; raises Refusal."""
        if not self._rules.password:
            return
        _, _, given = headers.get("authorization", "").partition(" ")
        try:
            _, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            password = ""
        if not hmac.compare_digest(password.encode(), self._rules.password.encode()):
            if given and self._logins.take(client):
                raise Refusal(429, "Too many tries: wait a minute.", **{"retry-after": "60"})
            raise Refusal(401, "Wrong password.", **{"www-authenticate": "Basic"})

    def _same_origin(self, headers: dict[str, str]) -> None:
        """Refuse what another site's page sends; only browsers tell an origin."""
        if "host" not in headers:
            self._tell(proxies.NO_HOST)
            raise Refusal(400, proxies.NO_HOST)
        if not proxies.same_origin(headers, self._rules.hosts):
            self._tell(proxies.OTHER_HOST)
            raise Refusal(403, proxies.OTHER_HOST)

    def _tell(self, what: str) -> None:
        """Once, for whoever runs the server: it may be the proxy, and every visitor meets it."""
        if what not in self._told:
            self._told.add(what)
            _log.warning("%s", what)

    def _open_stream(self, client: str) -> None:
        if self._streams[client] >= STREAMS_OF_ONE:
            raise Refusal(429, "Too many open pages from your address.", **{"retry-after": "10"})
        if self._streams.total() >= STREAMS_OF_ALL:
            raise Refusal(503, "Too many visitors: try again soon.", **{"retry-after": "30"})
        self._streams[client] += 1

    def _close_stream(self, client: str) -> None:
        self._streams[client] -= 1
        if self._streams[client] <= 0:
            del self._streams[client]

    async def _page(self, scope: Scope, receive: Receive, answer: Answer) -> None:
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
            own = policy(f"{built.scripts} {self._script_hashes}", self._rules.framed_by)
            given[b"content-security-policy"] = own.encode()
            answer.headers = [h for h in answer.headers if h[0] != b"content-security-policy"]
        await answer(
            {"type": "http.response.start", "status": built.status, "headers": list(given.items())}
        )
        await answer({"type": "http.response.body", "body": body})


def _for_gradios_client(text: str) -> bytes:
    """A refusal in the only form whose words `gradio_client` passes on."""
    where, _, what = text.partition(": ")
    told = {"__type__": "validate", "is_valid": False, "parameter_name": where, "message": what}
    return json.dumps({"detail": [told]}).encode()


async def _names_somebody(scope: Scope, receive: Receive) -> bool:
    """Whether a form of the login has a name in it; what is no form is left to Gradio."""
    try:
        form = await Request(scope, receive).form()
    except (HTTPException, MultiPartException):
        return True
    name = form.get("username")
    return isinstance(name, str) and bool(name.strip())


def _named(value: str) -> str:
    try:
        return session(value)
    except ContractError as error:
        raise Refusal(422, f"{error}.") from error


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
