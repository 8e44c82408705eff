"""Generated hostile inputs against every endpoint: no 5xx, no traceback, no hang.

    python -m tests.load.hostile --inputs 10000 --json assets/results/hostile.json

Paths, headers and bodies come from a grammar of what Gradio and this page understand, bent and
broken by hypothesis. Every input counts as a visitor of its own, so that no limit hides a fault.
"""

# ruff: noqa: E501

import argparse
import asyncio
import http.client
import itertools
import json
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from palr.app.api import NAMES, Api, arguments
from palr.settings import load_settings
from tests.hostile import TITLES
from tests.load.app import RunningApp
from tests.load.visitor import Visitor

HANG_SECONDS = 20.0
API = "/gradio_api"

_numbers = itertools.count()  # of visitors; hypothesis seeds `random` alike for every input

_paths = st.sampled_from(
    ["/", "/config", "/theme.css", "/login", "/logout", "/monitoring", "/favicon.ico", "/manifest.json",
     "/healthz", "/readyz", "/metrics", "/static/img/logo.svg", "/assets/x.js", "/svelte/x", "/pwa_icon/9",
     *(f"{API}/{name}" for name in (
        "run/predict", "run/begin", "api/predict", "call/run", "call/v2/run", "queue/join", "queue/data",
        "queue/status", "component_server", "component_server/", "cancel", "reset", "reset/", "upload",
        "upload_progress", "file=/etc/passwd", "file/x", "proxy=http://127.0.0.1/", "heartbeat/abc",
        "stream/x", "stream/x/close", "info", "openapi.json", "startup-events", "dev/reload", "deep_link",
        "token", "user", "app_id", "login_check", "runs", "run-history/buckets", "vibe-edit",
        "process_recording", "theme.css", "custom_component/x/client/y/z", "profiling/traces",
        "mcp", "mcp/", "mcp/sse", "mcp/messages", "call/search", "call/recommend", "call/rank/abc"))]
)  # fmt: skip
_bent = st.sampled_from(
    ["", "/", "//", "/..", "/../..", "/%2e%2e/", "%00", "%ff", "?", "?deep_link=../x", "?page=x", "#",
     "?session_hash=abc", "?session_hash=%00", "?session_hash[]=x", "?__theme=dark", ";x", "%", "\\"]
)  # fmt: skip
_words = st.sampled_from(["movies", "beauty", "auto", "titles", "labels", "", "x" * 70, *TITLES])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | _words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
_file = st.just(
    {
        "path": "/etc/passwd",
        "url": "http://127.0.0.1:1/",
        "meta": {"_type": "gradio.FileData"},
        "is_file": True,
    }
)
_ids = st.lists(st.sampled_from(["1", "2", "50", "nobody"]) | _values, max_size=5)
_picker = st.fixed_dictionaries({"domain": _words, "picks": _ids}) | _file | _values
_call = st.fixed_dictionaries(
    {
        "fn_index": st.integers(-2, 12) | _values,
        "session_hash": st.sampled_from(["abc", "abd", "../x", "\x00"]) | _values,
        "data": st.lists(_picker | _words | st.none(), max_size=6) | _values,
    },
    optional={
        "event_data": _values,
        "trigger_id": _values,
        "event_id": _values,
        "batched": _values,
    },
)
_lookup = st.fixed_dictionaries(
    {
        "component_id": st.integers(0, 20) | _values,
        "fn_name": st.sampled_from(["search", "describe", "preprocess", "__class__", "__init__"]),
        "session_hash": st.sampled_from(["abc", ""]) | _values,
        "data": st.fixed_dictionaries({"domain": _words, "query": _words | _values}) | _values,
    }
)
_rpc = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "1.0"]) | _values, "method": _values},
    optional={"id": _values, "params": _values},
) | st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0"),
        "id": st.integers(0, 9) | _values,
        "method": st.sampled_from(["initialize", "ping", "tools/list", "tools/call", "x"]),
        "params": st.fixed_dictionaries(
            {"name": st.sampled_from(NAMES) | _values, "arguments": _values},
            optional={"_meta": _values, "protocolVersion": _values},
        ),
    }
)
_bodies = (
    (_call | _lookup | _rpc | _values).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
    | st.sampled_from([b"[" * 50_000, b'{"a":' * 9_000, b"", b"null", b"x" * 300_000])
)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            ["application/json", "text/plain", "multipart/form-data; boundary=x", "multipart/form-data"]
        ),
        "Origin": st.sampled_from(["null", "https://evil.example", "http://127.0.0.1", "x"]),
        "Host": st.sampled_from(["evil.example", "", "a b", "[::1", "127.0.0.1"]),
        "X-Forwarded-Host": st.sampled_from(["evil.example", ","]),
        "X-Forwarded-Proto": st.sampled_from(["https", "javascript"]),
        "Range": st.sampled_from(["bytes=0-", "bytes=9-1", "bytes=x-y"]),
        "Cookie": st.sampled_from(["access-token=x", "=;=", "a" * 5000]),
        "Authorization": st.sampled_from(["Basic %", "Bearer x"]),
        "Accept-Encoding": st.sampled_from(["br", "gzip", "identity;q=0", "*"]),
        "Upgrade": st.just("websocket"),
        "Accept": st.sampled_from(["text/event-stream", "application/json", "x", ""]),
        "MCP-Protocol-Version": st.sampled_from(["2025-06-18", "1999-01-01", ""]),
    },
)  # fmt: skip
_methods = st.sampled_from(
    ["GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]
)

_broken = st.tuples(_methods, _paths, _bent, _headers, _bodies)


_ARGUMENTS = {
    "array": st.lists(st.sampled_from(["1", "50", "588", "nobody"]), min_size=1, max_size=4),
    "string": st.sampled_from(["movies", "auto", "titles", "labels"]) | _words,
    "integer": st.integers(0, 60),
    "number": st.floats(0, 1),
    "boolean": st.booleans(),
}


def _in_equal_shares(*kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`st.one_of` would look into each kind, and give most to the one with most alternatives."""
    return st.integers(0, len(kinds) - 1).flatmap(lambda number: kinds[number])


def _kind(schema: dict[str, Any]) -> str:
    """The type of an argument; of one that may be null, the other type."""
    return str(schema["type"] if "type" in schema else schema["anyOf"][0]["type"])


def _api() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Calls of the endpoints for programs, by name and as tools."""

    def values(name: str) -> dict[str, st.SearchStrategy[Any]]:
        properties = arguments(getattr(Api, name)).model_json_schema()["properties"]
        return {key: _ARGUMENTS[_kind(schema)] | _words for key, schema in properties.items()}

    def by_name(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        data = st.tuples(*values(name).values()).map(list)
        return st.tuples(st.just(f"{API}/call/{name}"), st.fixed_dictionaries({"data": data}))

    def tool(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        given = st.fixed_dictionaries({}, optional=values(name))
        call = {"name": st.just(name), "arguments": given}
        meta = st.fixed_dictionaries({"progressToken": st.integers(0, 9)})
        body = {
            "jsonrpc": st.just("2.0"),
            "id": st.integers(0, 9),
            "method": st.just("tools/call"),
            "params": st.fixed_dictionaries(call, optional={"_meta": meta}),
        }
        return st.tuples(st.just(f"{API}/mcp"), st.fixed_dictionaries(body))

    return st.one_of(*map(by_name, NAMES), *map(tool, NAMES))


def sound_but_for_its_content(
    url: str,
) -> st.SearchStrategy[tuple[str, str, str, dict[str, str], bytes]]:
    """Requests of the page's own shapes with hostile words in them: those reach furthest."""
    with urllib.request.urlopen(f"{url}/config", timeout=30) as answer:
        config = json.load(answer)
    kinds = {component["id"]: component["type"] for component in config["components"]}
    picker = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "picker")
    words = (_words | st.text(max_size=20)).map(lambda word: word[:64])
    known = st.sampled_from(["movies", "beauty"]) | words
    selection = st.fixed_dictionaries(
        {
            "domain": known,
            "picks": st.lists(st.sampled_from(["1", "50", "PB0001"]) | words, max_size=6),
        }
    )
    inputs = {
        "html": selection,
        "radio": known | st.sampled_from(["auto", "titles", "sasrec"]),
        "state": st.none(),
        "dropdown": words | st.lists(words, max_size=4) | st.none(),
        "textbox": words | st.text(max_size=300),
    }
    link = {"format": st.just("palr-link"), "domain": known, "picks": st.lists(words, max_size=4)}
    head = {"format": st.just("palr-trace"), "version": st.just(1) | _values}
    trace = {"origin": _values, "trace": _values}
    files = st.fixed_dictionaries(
        link, optional={"retriever": _words | _values, "mode": _words | _values}
    ) | st.fixed_dictionaries(head, optional=trace)
    keeper = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "keeper")
    kinds[keeper] = "keeper"
    inputs["keeper"] = files.map(json.dumps) | words
    sessions = st.integers(0, 100).map(lambda number: f"session{number}")

    def call(dependency: dict[str, Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        values = st.tuples(*(inputs[kinds[number]] for number in dependency["inputs"])).map(list)
        body = {"fn_index": st.just(dependency["id"]), "session_hash": sessions, "data": values}
        path = "queue/join" if dependency["queue"] else "run/predict"
        return st.tuples(st.just(f"{API}/{path}"), st.fixed_dictionaries(body))

    lookup = st.fixed_dictionaries(
        {
            "component_id": st.just(picker),
            "fn_name": st.sampled_from(["search", "describe"]),
            "session_hash": sessions,
            "data": st.fixed_dictionaries(
                {"domain": known, "query": words | st.text(max_size=300)},
                optional={"picks": st.lists(words, max_size=4)},
            ),
        }
    )
    posts = _in_equal_shares(
        st.one_of(*(call(d) for d in config["dependencies"] if d["api_name"] not in NAMES)),
        _api(),
        st.tuples(st.just(f"{API}/component_server/"), lookup),
    )
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    return posts.map(lambda post: ("POST", post[0], "", headers, json.dumps(post[1]).encode()))


def send(
    app: RunningApp, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """Status and the beginning of the answer; a stream is left after its first bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=HANG_SECONDS)
    number = next(_numbers)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    try:
        connection.putrequest(
            method,
            path,
            skip_host="Host" in headers,
            skip_accept_encoding="Accept-Encoding" in headers,
        )
        for name, value in {"X-Forwarded-For": address, **headers}.items():
            connection.putheader(name, value)
        if method not in ("GET", "HEAD"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body if method not in ("GET", "HEAD") else None)
        answer = connection.getresponse()
        stream = "event-stream" in (answer.headers.get("content-type") or "")
        return answer.status, b"" if stream else answer.read(10_000)
    finally:
        connection.close()


def attack(app: RunningApp, inputs: int, start: int = 0) -> dict[str, Any]:
    """Send the inputs; what went wrong is collected, not raised, so that one fault hides no other."""
    statuses: Counter[int] = Counter()
    paths: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    slowest = 0.0

    @seed(start)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_in_equal_shares(_broken, sound_but_for_its_content(app.url)))
    def one(request: tuple[str, str, str, dict[str, str], bytes]) -> None:
        nonlocal slowest
        method, path, bent, headers, body = request
        begin = time.monotonic()
        try:
            status, answer = send(app, method, path + bent, headers, body)
        except (OSError, http.client.HTTPException) as error:
            # A request line that is none may be cut off; a silence is a hang.
            if isinstance(error, TimeoutError) or not app.running:
                faults[f"{type(error).__name__}: {method} {path}{bent}"] += 1
            return
        slowest = max(slowest, time.monotonic() - begin)
        statuses[status] += 1
        paths[path] += 1
        if status >= 500 and b"Queue is full" not in answer:
            faults[f"{status}: {method} {path}{bent}"] += 1
        if b"Traceback" in answer:
            faults[f"traceback: {method} {path}{bent}"] += 1

    one()
    # Afterwards the page is as good as before.
    visitor_ok = asyncio.run(_one_good_visit(app.url))
    tracebacks = app.output().count("Traceback")
    return {
        "inputs": sum(statuses.values()),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "paths": dict(sorted(paths.items())),
        "slowest_s": round(slowest, 2),
        "faults": dict(faults.most_common(20)),
        "verdicts": {
            "no_5xx_and_no_hang": not faults,
            "no_limit_hid_a_fault": statuses[429] == 0,
            "no_traceback_in_the_log": tracebacks == 0,
            "the_page_works_afterwards": visitor_ok,
        },
    }


async def _one_good_visit(url: str) -> bool:
    visitor = Visitor(url, "192.0.2.77")
    try:
        await visitor.open()
        for _ in range(120):
            outcome = await visitor.recommend(["1", "50"])
            if "places in line" not in outcome.notice:
                return outcome.trace is not None and len(outcome.trace["ranking"]["items"]) == 10
            await asyncio.sleep(2)  # runs that the attack has started
        return False
    finally:
        await visitor.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the report here too")
    given_arguments = parser.parse_args()
    with RunningApp(load_settings().home, PALR_LLM_BACKEND="scripted", PALR_RATE="0") as app:
        result = attack(app, given_arguments.inputs, given_arguments.seed)
    text = json.dumps(result, indent=2)
    print(text)
    if given_arguments.json:
        given_arguments.json.write_text(text + "\n")
    return 0 if all(result["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
