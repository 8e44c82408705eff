"""The gate in front of a small application, through a real HTTP client."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import create_model

from palr.serve import asgi, gate, proxies
from palr.serve.asgi import Message, Receive, Scope, Send
from palr.serve.contract import Call, Contract
from palr.serve.gate import Gate, Rules
from palr.serve.limits import Buckets

CONTRACT = Contract(
    {0: Call(("selection",))}, components=frozenset({9}), lookups=frozenset({"search"})
)
RULES = Rules(CONTRACT, files=frozenset({"/gradio_api/file=/fonts/a.woff2"}))
CALL = {"fn_index": 0, "session_hash": "abc", "data": [{"domain": "movies", "picks": []}]}
INLINE = "<html><script>window.a = 1;</script><script src='x.js'></script></html>"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was asked; a page at /, a redirect at /logout."""
    body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
    seen = {"path": scope["path"], "query": scope["query_string"].decode(), "body": body.decode()}
    text, status, headers = json.dumps(seen).encode(), 200, [(b"content-type", b"application/json")]
    if scope["path"] == "/":
        text, headers = INLINE.encode(), [(b"content-type", b"text/html")]
    if scope["path"] == "/logout":
        status, headers = 302, [(b"location", b"https://evil.example//x?y=1")]
    if scope["path"] == "/config":
        raise ZeroDivisionError("secret detail")
    headers.append((b"access-control-allow-origin", b"*"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def ask(
    method: str, path: str, rules: Rules = RULES, app: Any = None, **options: Any
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app or Gate(echo, rules), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://host:7860") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def test_a_call_arrives_reduced_to_its_contract() -> None:
    response = ask("POST", "/gradio_api/run/predict?x=1", json={**CALL, "event_data": {"a": 1}})
    assert response.status_code == 200
    assert response.json()["query"] == ""
    assert json.loads(response.json()["body"])["event_data"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/fonts/../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1:22/",
        "/gradio_api/proxy=http://169.254.169.254/latest/meta-data",
        "/gradio_api/deep_link",
        "/gradio_api/run-history/buckets",
        "/gradio_api/vibe-edit",
        "/gradio_api/call/begin",
        "/gradio_api/api/predict",
        "/gradio_api/stream/x",
        "/gradio_api/process_recording",
        "/gradio_api/dev/reload",
        "/monitoring",
        "/static/../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc/passwd",
        "/assets/%00",
        "/svelte//etc/passwd",
        "/login",
        "/logout",
        "/nowhere",
    ],
)
def test_what_the_page_does_not_ask_for_is_not_there(path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(method, path).status_code in (404, 405)


@pytest.mark.parametrize("path", ["/static/img/logo.svg", "/assets/index-Bx_1.js"])
def test_assets_are_served(path: str) -> None:
    assert ask("GET", path).status_code == 200
    assert ask("GET", "/gradio_api/file=/fonts/a.woff2").status_code == 200
    assert ask("DELETE", path).status_code == 405


def test_query_strings_are_dropped_but_for_the_session() -> None:
    asked = ask("GET", "/manifest.json?deep_link=../../x&page=y").json()
    assert asked["query"] == ""
    asked = ask("GET", "/gradio_api/queue/data?session_hash=abc&x=1").json()
    assert asked["query"] == "session_hash=abc"
    assert ask("GET", "/gradio_api/queue/data?session_hash=../x").status_code == 422
    assert ask("GET", "/gradio_api/heartbeat/..%2fx").status_code == 422


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://host:7860", 200),
        ("https://space.hf.space", 200),
        ("https://evil.example", 403),
        ("http://host:7861", 403),
        ("http://host:7860.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_other_sites_are_refused(origin: str, status: int) -> None:
    rules = Rules(CONTRACT, hosts=frozenset({"space.hf.space"}))
    for path, options in (("/gradio_api/run/predict", {"json": CALL}),):
        response = ask("POST", path, rules, headers={"Origin": origin}, **options)
        assert response.status_code == status
        assert "access-control-allow-origin" not in response.headers
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert ask("OPTIONS", "/gradio_api/run/predict", headers=preflight).status_code == 403


def test_a_redirect_stays_on_this_server() -> None:
    response = ask("GET", "/logout", Rules(CONTRACT, password="x"))
    assert response.headers["location"] == "/x?y=1"


def test_bodies_are_bounded() -> None:
    large = b'{"a": "' + b"x" * asgi.MAX_BODY + b'"}'
    assert ask("POST", "/gradio_api/run/predict", content=large).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from (large[at : at + 1000] for at in range(0, len(large), 1000))

    async def streamed() -> httpx.Response:
        async def body() -> Any:
            for chunk in chunks():
                yield chunk

        transport = httpx.ASGITransport(Gate(echo, RULES))
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return await client.post("/gradio_api/queue/join", content=body())

    assert asyncio.run(streamed()).status_code == 413


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)
    sent: list[Message] = []

    async def silent() -> Message:
        await asyncio.sleep(60)
        return {}

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/gradio_api/run/predict",
        "query_string": b"",
        "headers": [(b"host", b"host")],
        "client": ("192.0.2.1", 1),
    }
    asyncio.run(Gate(echo, RULES)(scope, silent, keep))
    assert sent[0]["status"] == 408


def test_the_page_names_its_scripts_and_allows_no_others() -> None:
    response = ask("GET", "/", Rules(CONTRACT, scripts=("let x;",), framed_by=("https://a.b",)))
    policy = response.headers["content-security-policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in script
    # echo -n 'window.a = 1;' | openssl dgst -sha256 -binary | base64
    assert "'sha256-ShPZs6SyOIfeOg7tsGkUC0BIIQiM/4HlSLumBwNEK6k='" in script
    assert script.count("sha256-") == 2
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self' https://a.b" in policy
    assert response.text == INLINE


def test_every_answer_carries_the_security_headers() -> None:
    for path in ("/", "/manifest.json", "/nowhere", "/config", "/healthz"):
        headers = ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "camera=()" in headers["permissions-policy"]


def test_a_failure_of_the_server_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    response = ask("GET", "/config")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret detail" in caplog.text


def test_too_many_requests_are_turned_away() -> None:
    shared = Gate(echo, RULES, Buckets(1.0, 3, clock=lambda: 0.0))
    codes = [ask("GET", "/manifest.json", app=shared).status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert ask("GET", "/static/img/logo.svg", app=shared).status_code == 200
    assert ask("GET", "/healthz", app=shared).status_code == 200


def test_logins_are_few() -> None:
    shared = Gate(echo, Rules(CONTRACT, password="x"))
    form = {"username": "palr", "password": "guess"}
    codes = [ask("POST", "/login", app=shared, data=form).status_code for _ in range(12)]
    assert codes == [200] * gate.LOGIN_BURST + [429, 429]


def test_a_login_without_a_name_is_told_what_to_write() -> None:
    rules = Rules(CONTRACT, password="x")
    for name in ("", " "):
        form = {"username": name, "password": "x"}
        for sent in ({"data": form}, {"files": {k: (None, v) for k, v in form.items()}}):
            told = ask("POST", "/login", rules, **sent)
            assert told.status_code == 400
            assert told.json()["detail"] == (
                "The name is empty. Write any name, and the password of this page."
            )
    named = ask("POST", "/login", rules, data={"username": "a", "password": "x"})
    assert named.json()["body"] == "username=a&password=x"
    assert ask("POST", "/login", rules, content=b"\xff").status_code == 400


def test_a_stream_of_a_run_that_is_elsewhere_is_not_there() -> None:
    rules = Rules(CONTRACT, unread={"here": 0}.get)
    url = "/gradio_api/queue/data?session_hash="
    assert ask("GET", f"{url}here", rules).status_code == 200
    assert ask("GET", f"{url}elsewhere", rules).status_code == 404


def test_what_a_proxy_must_pass_on_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shared = Gate(echo, RULES)
    for _ in range(3):
        told = ask("GET", "/", app=shared, headers={"Origin": "http://shown.example"})
        assert (told.status_code, told.json()["detail"]) == (403, proxies.OTHER_HOST)
        told = ask("GET", "/palr/", app=shared, headers={"Accept": "text/html"})
        assert (told.status_code, told.text) == (404, f"{proxies.PATH}\n")
    assert caplog.messages == [proxies.OTHER_HOST, proxies.PATH]


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"host": "a.example", "origin": "http://a.example"}, True),
        ({"host": "a.example:80", "origin": "http://a.example"}, True),
        ({"host": "a.example:443", "origin": "https://a.example"}, True),
        ({"host": "a.example:443", "origin": "http://a.example"}, False),
        ({"host": "a.example", "origin": "http://a.example:8080"}, False),
        ({"host": "[::1]:7860", "origin": "http://[::1]:7860"}, True),
        ({"host": "[::1", "origin": "http://[::1]"}, False),
        ({"host": "A.Example", "origin": "http://a.example"}, True),
        ({"host": "x", "x-forwarded-host": "b, a.example", "origin": "https://a.example"}, True),
        ({"host": "x", "origin": "http://a.example", "sec-fetch-site": "same-origin"}, True),
        ({"host": "x", "origin": "http://a.example", "sec-fetch-site": "same-site"}, False),
        ({"host": "x", "origin": "null", "sec-fetch-site": "cross-site"}, False),
        ({"host": "", "origin": "http://"}, False),
    ],
)
def test_the_servers_own_page_is_known_by_its_name(headers: dict[str, str], ours: bool) -> None:
    assert proxies.same_origin(headers) is ours


def test_health_and_readiness() -> None:
    assert ask("GET", "/healthz").status_code == 200
    assert ask("GET", "/readyz").status_code == 200
    loading = ask("GET", "/readyz", Rules(CONTRACT, ready=lambda: "the model: loading"))
    assert (loading.status_code, loading.text) == (503, "the model: loading\n")


def test_metrics_are_for_those_with_the_password() -> None:
    assert "palr_requests_total{" in ask("GET", "/metrics").text
    rules = Rules(CONTRACT, password="pässword")
    assert ask("GET", "/metrics", rules).status_code == 401
    assert ask("GET", "/metrics", rules, auth=("any", "guess")).status_code == 401
    assert ask("GET", "/metrics", rules, auth=("any", "pässword")).status_code == 200
    assert ask("GET", "/metrics", rules, headers={"Authorization": "Basic %"}).status_code == 401


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    async def nothing() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(Gate(echo, RULES)({"type": "websocket", "path": "/"}, nothing, keep))
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def tools(scope: Scope, receive: Receive, send: Send) -> None:
    """In the place of the tools: answers with the body."""
    text = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"tools " + text})


def test_tools_are_posted_to_and_nothing_else() -> None:
    rules = Rules(CONTRACT, mcp=tools)
    for path in (gate.MCP_PATH, f"{gate.MCP_PATH}/"):
        assert ask("POST", path, rules, content=b"{}").text == "tools {}"
        assert ask("GET", path, rules).status_code == 405
    assert ask("POST", f"{gate.MCP_PATH}/sse", rules, content=b"{}").status_code == 404
    assert ask("POST", gate.MCP_PATH, RULES, content=b"{}").status_code == 404
    evil = {"Origin": "https://evil.example"}
    assert ask("POST", gate.MCP_PATH, rules, content=b"{}", headers=evil).status_code == 403
    large = b" " * (asgi.MAX_BODY + 1)
    assert ask("POST", gate.MCP_PATH, rules, content=large).status_code == 413


def test_tools_ask_for_the_password_and_guesses_are_few() -> None:
    shared = Gate(echo, Rules(CONTRACT, mcp=tools, password="secret"))
    assert ask("POST", gate.MCP_PATH, app=shared, content=b"{}").status_code == 401
    right = ask("POST", gate.MCP_PATH, app=shared, content=b"{}", auth=("any", "secret"))
    assert right.text == "tools {}"
    guesses = [
        ask("POST", gate.MCP_PATH, app=shared, content=b"{}", auth=("any", "guess")).status_code
        for _ in range(12)
    ]
    assert guesses == [401] * gate.LOGIN_BURST + [429, 429]


def test_endpoints_are_called_by_name() -> None:
    arguments = create_model("Arguments", __config__={"strict": True}, word=(str, ...), n=(int, 3))
    calls = {0: Call(("selection",)), 7: Call(queued=True, arguments=arguments)}
    contract = Contract(calls, frozenset({9}), frozenset({"search"}), {"rank": 7})
    rules = Rules(contract, pending=lambda event: event == "known")
    url = "/gradio_api/call/rank"
    seen = ask("POST", url, rules, json={"data": ["a", None], "session_hash": "x"}).json()
    assert json.loads(seen["body"]) == {"data": ["a", 3]}
    half = ask("POST", url, rules, content=b'{"data": ["\\ud800", 3]}').json()
    assert json.loads(half["body"]) == {"data": ["?", 3]}
    for data in (["a"], ["a", "3"], [None, 3], [["a"], 3]):
        body = json.dumps({"data": data})
        assert ask("POST", url, rules, content=body).status_code == 422
        queued = json.dumps({"data": data, "fn_index": 7, "session_hash": "x"})
        refused = ask("POST", "/gradio_api/queue/join", rules, content=queued)
        assert refused.status_code == 422
    assert ask("GET", f"{url}/known", rules).status_code == 200
    assert ask("GET", f"{url}/unknown", rules).status_code == 404
    assert ask("POST", "/gradio_api/call/begin", rules, json={"data": []}).status_code == 404


def test_a_session_that_reads_no_answers_gets_no_more_of_them() -> None:
    joined = Contract({0: Call(("selection",), queued=True)}, frozenset(), frozenset())
    rules = Rules(joined, unread={"abc": gate.MAX_UNREAD + 1, "abd": gate.MAX_UNREAD}.__getitem__)
    body = {"fn_index": 0, "data": [{"domain": "movies", "picks": []}]}
    answers = [
        ask("POST", "/gradio_api/queue/join", rules, json={**body, "session_hash": name})
        for name in ("abc", "abd")
    ]
    assert [answer.status_code for answer in answers] == [409, 200]
    assert "does not read" in answers[0].text
