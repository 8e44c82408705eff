"""Faults of a server, each caused by a small real one on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from palr.domains import MOVIES
from palr.errors import LLMError
from palr.llm.base import TokenLLM
from palr.llm.http import HTTPLLM
from palr.ranking import fit_ranking_prompt, rank
from palr.types import Candidate, Item

MODELS = b'{"data": [{"id": "m", "max_model_len": 2048}]}'


@contextmanager
def server(
    answer: bytes, status: int = 200, models: bytes = MODELS, models_status: int = 200
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def reply(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.reply(models_status, models)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(status, answer)

        def log_message(self, *_: object) -> None:
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/v1"
    finally:
        httpd.shutdown()


def test_the_servers_context_length_is_used():
    with server(b"") as url:
        assert HTTPLLM(url, "m").context_length == 2048
        assert HTTPLLM(url, "unknown").context_length == 4096


def test_a_server_that_is_not_there_names_the_remedy():
    with pytest.raises(LLMError, match="PALR_LLM_URL"):
        HTTPLLM("http://127.0.0.1:9/v1", "m")


def test_a_server_that_is_no_llm_is_refused():
    with (
        server(b"", models=b"<html>") as url,
        pytest.raises(LLMError, match="not an OpenAI model list"),
    ):
        HTTPLLM(url, "m")


def test_a_refused_key_names_the_setting():
    with server(b"", models_status=401) as url, pytest.raises(LLMError, match="PALR_LLM_API_KEY"):
        HTTPLLM(url, "m")


def test_a_server_without_a_model_list_still_serves():
    with server(b"", models_status=500) as url:
        assert HTTPLLM(url, "m").context_length == 4096


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (b'{"error": "no such model"}', 404, "answered 404.*no such model"),
        (b"boom", 500, "answered 500"),
        (b"data: {broken\n\n", 200, "not a chat chunk"),
        (b'data: {"choices": [1]}\n\n', 200, "not a chat chunk"),
    ],
)
def test_a_failing_server_is_told_apart(answer, status, message):
    with server(answer, status) as url:
        llm = HTTPLLM(url, "m")
        with pytest.raises(LLMError, match=message):
            list(llm.generate("x", max_tokens=5))


def test_a_server_that_dies_names_the_remedy():
    with server(b"") as url:
        llm = HTTPLLM(url, "m")
    with pytest.raises(LLMError, match="does not answer"):
        list(llm.generate("x", max_tokens=5))


def test_a_real_server_ranks_ten_distinct_candidates(server_url, palr_home):
    llm = HTTPLLM(server_url, str(palr_home / "models" / "smollm2-135m"))
    assert not isinstance(llm, TokenLLM)
    films = [Item(str(n), f"Film {n}", year=1990) for n in range(25)]
    candidates = [Candidate(film, n, 0.0) for n, film in enumerate(films[5:], start=1)]
    prompt, names = fit_ranking_prompt(MOVIES, films[:5], None, candidates, 10, llm)
    *_, ranking = rank(prompt, names, candidates, llm, 10)
    assert len({ranked.item.id for ranked in ranking.items}) == 10
    assert ranking.raw
