"""What programs call: gradio_client, curl and MCP clients against the real app."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from palr.app.api import NAMES
from palr.runs.files import read_trace
from palr.types import Wish

from ..load.app import RunningApp

README = Path(__file__).parents[2] / "palr" / "README.md"
MCP = "/gradio_api/mcp"


@pytest.fixture(scope="module")
def client(live_app: RunningApp) -> Iterator[Client]:
    client = Client(live_app.url, verbose=False)
    yield client
    client.close()


def rpc(app: RunningApp, method: str, params: object = None, **more: object) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **more}
    headers = {"Accept": "application/json, text/event-stream"}
    return httpx.post(app.url + MCP, json=body, headers=headers, timeout=120)


def tool(app: RunningApp, name: str, **arguments: object) -> Any:
    return rpc(app, "tools/call", {"name": name, "arguments": arguments}).json()


def section() -> str:
    return README.read_text().partition("## For programs")[2].partition("\n## ")[0]


def test_the_readmes_example_runs_as_it_stands(live_app: RunningApp) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", section(), re.DOTALL)
    assert [name for name in NAMES if f'"/{name}"' not in code] == []
    shown = StringIO()
    with redirect_stdout(shown):
        exec(code.replace("http://localhost:7860", live_app.url), {})
    assert len(shown.getvalue().splitlines()) >= 10


def test_the_readmes_mcp_configuration_names_the_address(live_app: RunningApp) -> None:
    (configuration,) = re.findall(r"```json\n(.*?)```", section(), re.DOTALL)
    (server,) = json.loads(configuration)["mcpServers"].values()
    url = server["url"].replace("http://localhost:7860", live_app.url)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    tools = httpx.post(url, json=body).json()["result"]["tools"]
    assert [tool["name"] for tool in tools] == list(NAMES)


def test_only_the_five_are_public(live_app: RunningApp) -> None:
    info = httpx.get(f"{live_app.url}/gradio_api/info").json()
    assert sorted(info["named_endpoints"]) == sorted(f"/{name}" for name in NAMES)
    assert info["unnamed_endpoints"] == {}
    assert httpx.post(f"{live_app.url}/gradio_api/call/begin", json={}).status_code == 404


def test_a_run_with_its_trace_and_its_progress(client: Client) -> None:
    job = client.submit(["1", "588"], k=3, n_candidates=12, trace=True, api_name="/recommend")
    *progress, answer = list(job)
    assert {"progress": "Ranking"} in progress
    saved = read_trace(json.dumps(answer["trace"]))
    assert [r["id"] for r in answer["recommendations"]] == [
        r.item.id for r in saved.trace.ranking.items
    ]
    assert [r["retriever_rank"] for r in answer["recommendations"]] == [12, 11, 10]


def test_the_parts_agree_with_the_whole(client: Client, live_app: RunningApp) -> None:
    whole = client.predict(["1", "588"], api_name="/recommend")
    profile = client.predict(["1", "588"], api_name="/profile")
    assert profile["profile"] == whole["profile"]
    keywords = [keyword["text"] for keyword in profile["keywords"]]
    found = client.predict(["1", "588"], keywords=keywords, api_name="/retrieve")
    assert len(found["candidates"]) == 50
    ids = [candidate["id"] for candidate in found["candidates"]]
    given = {"profile": profile["profile"], "keywords": keywords}
    ranked = client.predict(["1", "588"], ids, **given, api_name="/rank")
    by_rank = [r["id"] for r in ranked["recommendations"]]
    assert by_rank == [r["id"] for r in whole["recommendations"]]
    assert [r["retriever_rank"] for r in ranked["recommendations"]] == [*range(50, 40, -1)]
    chosen = client.predict(["1", "588"], ["1", *ids[:3]], k=9, api_name="/rank")
    assert {r["id"] for r in chosen["recommendations"]} == set(ids[:3])
    assert chosen["notes"] == ["left out: 1 of the edited candidates are among the picks"]
    by_tool = tool(live_app, "recommend", picks=["1", "588"])["result"]["structuredContent"]
    assert [r["id"] for r in by_tool["recommendations"]] == by_rank


def test_every_part_of_a_wish_arrives(client: Client, live_app: RunningApp) -> None:
    asked: dict[str, Any] = {
        "wish": "more laughs",
        "more": ["western"],
        "less": ["drama"],
        "years": [1960, 1996],
        "seen": ["50"],
        "liked": ["588"],
        "disliked": ["181"],
        "strength": 0.75,
        "profile": "No war, please.",
        "keywords": ["animation"],
        "profile_weight": 0.25,
    }
    found = client.predict(["1"], **asked, trace=True, api_name="/recommend")
    by_tool = tool(live_app, "recommend", picks=["1"], **asked)["result"]["structuredContent"]
    for run in (found, by_tool):
        assert (run["wish"]["more"], run["wish"]["less"]) == (
            ["western", "comedy"],
            ["drama", "war"],
        )
        assert run["wish"]["years"] == [1960, 1996]
        sources = {shift["source"] for shift in run["moved"]}
        assert sources == {"more", "less", "liked", "disliked", "profile"}
        assert run["profile"] == "No war, please."
    trace = read_trace(json.dumps(found["trace"])).trace
    assert trace.asked.profile_weight == 0.25
    assert trace.asked.wish == Wish(
        ("western",),
        ("drama",),
        (1960, 1996),
        seen=("50",),
        liked=("588",),
        disliked=("181",),
        words="more laughs",
        strength=0.75,
    )


def test_words_alone_are_enough(client: Client, live_app: RunningApp) -> None:
    found = client.predict(wish="more westerns", api_name="/recommend")
    by_tool = tool(live_app, "recommend", wish="more westerns")["result"]["structuredContent"]
    assert found["retriever"] == by_tool["retriever"] == "popularity"
    assert found["recommendations"] == by_tool["recommendations"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("recommend", {"picks": ["nobody"]}, "not in the catalog of movies: nobody"),
    ("recommend", {"picks": ["999999", "Toy Story (1995)", "Alein"]}, "999999, Toy Story (1995), "
     "Alein; for 'Toy Story (1995)' write its id, 1 (Toy Story (1995)); for 'Alein' write its id, "
     "183 (Alien (1979))"),
    ("recommend", {"picks": []}, "pick at least one movie, or say what you would like"),
    ("retrieve", {}, "pick at least one movie, or say what you would like"),
    ("profile", {"picks": []}, "at least 1 item"),
    ("recommend", {"picks": [1]}, "valid string"),
    ("recommend", {"picks": ["x" * 65]}, "at most 64 characters"),
    ("recommend", {"picks": ["1"] * 1001}, "at most 1000 items"),
    ("recommend", {"picks": ["1"], "domain": "books"}, "unknown domain 'books'"),
    ("recommend", {"picks": ["1"], "mode": "magic"}, "unknown mode 'magic'"),
    ("recommend", {"picks": ["1"], "k": True}, "valid integer"),
    ("retrieve", {"picks": ["1"], "n_candidates": 201}, "less than or equal to 200"),
    ("retrieve", {"picks": ["1"], "retriever": "magic"}, "unknown retriever 'magic'"),
    ("recommend", {"picks": ["1"], "wish": "x" * 5001}, "at most 5000 characters"),
    ("recommend", {"picks": ["1"], "strength": 1.5}, "less than or equal to 1"),
    ("recommend", {"picks": ["1"], "profile_weight": -0.5}, "greater than or equal to 0"),
    ("recommend", {"picks": ["1"], "years": [1990]}, "the first and the last year"),
    ("retrieve", {"picks": ["1"], "seen": ["nobody"]}, "not in the catalog of movies: nobody"),
    ("retrieve", {"picks": ["1"], "more": ["war"], "less": ["war"]}, "both more and less"),
    ("rank", {"picks": ["1"], "candidates": ["2"]}, "at least 2 items"),
    ("rank", {"picks": ["1"], "candidates": ["2", "3"], "profile": "x" * 1001}, "at most 1000"),
    ("search", {"query": {"a": 1}}, "valid string"),
    ("search", {"query": "a", "limit": 1e3}, "valid integer"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "why"), WRONG)
def test_wrong_arguments_are_refused_with_the_reason(
    client: Client, live_app: RunningApp, name: str, arguments: dict[str, Any], why: str
) -> None:
    with pytest.raises((AppError, ValueError), match=re.escape(why)):
        client.predict(**arguments, api_name=f"/{name}")
    answer = tool(live_app, name, **arguments)
    told = (
        answer["error"]["message"] if "error" in answer else answer["result"]["content"][0]["text"]
    )
    assert why in told
    assert "error" in answer or answer["result"]["isError"]


def test_by_name_for_curl(live_app: RunningApp) -> None:
    url = f"{live_app.url}/gradio_api/call/search"
    event = httpx.post(url, json={"data": ["alien", "movies", 1]}).json()["event_id"]
    answer = httpx.get(f"{url}/{event}").text
    assert "event: complete" in answer
    assert "Alien (1979)" in answer
    assert httpx.get(f"{url}/{event}").status_code == 404
    assert httpx.post(url, json={"data": ["alien", "movies", 51]}).status_code == 422


def test_mcp_tells_of_progress_where_it_is_asked_to(live_app: RunningApp) -> None:
    params = {"name": "recommend", "arguments": {"picks": ["1"]}, "_meta": {"progressToken": "t"}}
    lines = rpc(live_app, "tools/call", params).text.splitlines()
    messages = [json.loads(line.removeprefix("data: ")) for line in lines if line[:5] == "data:"]
    *progress, last = messages
    assert {m["method"] for m in progress} == {"notifications/progress"}
    assert {m["params"]["progressToken"] for m in progress} == {"t"}
    assert len(last["result"]["structuredContent"]["recommendations"]) == 10


def test_an_official_client_of_mcp_finds_and_calls_the_tools(live_app: RunningApp) -> None:
    mcp = pytest.importorskip("mcp")

    async def talk() -> tuple[list[str], Any]:
        async with mcp.Client(live_app.url + MCP) as session:
            tools = await session.list_tools()
            found = await session.call_tool("search", {"query": "toy story", "limit": 1})
            return [entry.name for entry in tools.tools], found

    names, found = asyncio.run(talk())
    assert names == list(NAMES)
    assert json.loads(found.content[0].text)["items"][0]["label"] == "Toy Story (1995)"


def test_every_answer_names_its_data_set_and_ids_of_another_one_are_refused(
    live_app: RunningApp, client: Client
) -> None:
    asked: dict[str, dict[str, Any]] = {
        "search": {"query": "alien"},
        "profile": {"picks": ["1"]},
        "retrieve": {"picks": ["1"]},
        "rank": {"picks": ["1"], "candidates": ["50", "100"]},
        "recommend": {"picks": ["1"]},
    }
    assert set(asked) == set(NAMES)
    for name, arguments in asked.items():
        answer = tool(live_app, name, **arguments, dataset="ml-100k")["result"]
        assert answer["structuredContent"]["dataset"] == "ml-100k", name
        refused = tool(live_app, name, **arguments, dataset="ml-1m")["result"]
        assert refused["isError"], name
        assert "the data set here is ml-100k, and not ml-1m" in refused["content"][0]["text"]
    assert client.predict(query="alien", api_name="/search")["dataset"] == "ml-100k"
    with pytest.raises(AppError, match="find them with search"):
        client.predict(query="alien", dataset="ml-1m", api_name="/search")
