"""Faults of a server, each caused by a small real one on loopback."""

import socket
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest

from palr.domains import MOVIES
from palr.errors import LLMError
from palr.llm.base import TokenLLM, last
from palr.llm.http import HTTPLLM
from palr.llm.resilience import Patience
from palr.ranking import rank, ranking_job
from palr.types import Candidate, Item
from tests.llm.conftest import free_port
from tests.llm.faulty import (
    DONE,
    PARIS,
    Server,
    Time,
    ask,
    begins,
    connect,
    dies,
    dribbles,
    event,
    hangs,
    replies,
    server,
)


def test_the_servers_context_length_is_used():
    with server(PARIS) as up:
        assert HTTPLLM(up.url, "m").context_length == 2048
        assert HTTPLLM(up.url, "unknown").context_length == 4096


def test_a_server_that_is_not_there_names_the_remedy():
    time = Time()
    with pytest.raises(LLMError, match=r"PALR_LLM_URL.*tried 3 times"):
        connect(Server(f"http://127.0.0.1:{free_port()}/v1"), time)
    assert time.now == pytest.approx(0.5 + 1.0)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://host/v1", "http://a\nb", "http://"]
)
def test_an_address_that_is_none_names_the_setting(url):
    with pytest.raises(LLMError, match="PALR_LLM_URL"):
        HTTPLLM(url, "m")


@pytest.mark.parametrize("key", ["sk\u2013dash", "sk-new\nline"])
def test_a_key_that_is_none_names_the_setting_and_is_not_shown(key):
    with pytest.raises(LLMError, match="PALR_LLM_API_KEY") as caught:
        HTTPLLM("http://127.0.0.1:9/v1", "m", key)
    assert "sk" not in str(caught.value)


def test_a_password_in_the_address_is_not_shown():
    with pytest.raises(LLMError, match=r"http://127\.0\.0\.1") as caught:
        HTTPLLM(f"http://me:secret@127.0.0.1:{free_port()}", "m", sleep=lambda _: None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"data": [{"id": "m", "max_model_len": "many"}]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_server_that_is_no_llm_is_refused(body):
    with (
        server(PARIS, models=replies(body)) as up,
        pytest.raises(LLMError, match="not an OpenAI model list"),
    ):
        connect(up)


def test_a_refused_key_names_the_setting():
    with (
        server(PARIS, models=replies(b"", 401)) as up,
        pytest.raises(LLMError, match="PALR_LLM_API_KEY"),
    ):
        connect(up)
    with server(replies(b"", 403)) as up, pytest.raises(LLMError, match="PALR_LLM_API_KEY"):
        ask(connect(up))


def test_a_server_without_a_model_list_still_serves():
    with server(PARIS, models=replies(b"", 500)) as up:
        llm = connect(up)
        assert llm.context_length == 4096
        assert ask(llm) == "Paris"


def test_a_server_that_is_still_starting_is_not_taken_for_one_without_a_list():
    with (
        server(PARIS, models=replies(b"starting", 503)) as up,
        pytest.raises(LLMError, match="answered 503: starting"),
    ):
        connect(up)


def test_a_server_that_comes_up_a_little_later_is_found():
    port = free_port()
    with ExitStack() as later:
        time = Time()

        def sleep(seconds: float) -> None:
            if time.now == 0:
                later.enter_context(server(PARIS, port=port))
            time.sleep(seconds)

        url = f"http://127.0.0.1:{port}/v1"
        assert ask(HTTPLLM(url, "m", clock=time.clock, sleep=sleep)) == "Paris"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (replies(b'{"error": "no such model"}', 404), "answered 404.*no such model"),
        (replies(b"", 307, location="/v2"), "answered 307"),
        (replies(b"data: {broken\n\n"), "not a chat chunk"),
        (replies(b'data: {"choices": [1]}\n\n'), "not a chat chunk"),
        (replies(b'data: {"choices": [{"delta": {"content": [1]}}]}\n\n'), "not a chat chunk"),
        (replies(b"data: " + b"[" * 100_000 + b"\n\n"), "not a chat chunk"),
        (replies(b"data: \xff\n\n"), "not a chat chunk"),
        (replies(b'data: {"error": {"message": "out of memory"}}\n\n'), "out of memory"),
        (replies(b"<html>Welcome</html>"), "did not answer with a chat stream: <html>Welcome"),
        (replies(b"x" * 1_100_000), "a line without end"),
        (replies(b"no gzip", content_encoding="gzip"), "broke off.*DecodingError"),
    ],
)
def test_a_failing_server_is_told_apart_and_not_asked_again(answer, message):
    with server(answer) as up:
        llm = connect(up)
        with pytest.raises(LLMError, match=message):
            ask(llm)
        assert up.posts == 1


def test_a_server_that_speaks_no_http_is_told_apart():
    def garbage(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\x00\x01\x02")

    with server(garbage) as up, pytest.raises(LLMError, match="RemoteProtocolError"):
        ask(connect(up))


def test_line_separators_of_unicode_do_not_cut_an_event():
    with server(replies(event("a\u2028b\x85c\u2029d") + DONE)) as up:
        assert ask(connect(up)) == "a\u2028b\x85c\u2029d"


@pytest.mark.parametrize("end", [DONE, event("", "stop"), event("!", "length")])
def test_an_answer_ends_with_its_last_event_even_if_the_server_then_hangs(end):
    with server(begins(event("Paris") + end, then=hangs)) as up:
        assert ask(connect(up)).startswith("Paris")
        assert up.gone.wait(5)


# Once something has been yielded, nothing is asked again.


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (begins(event("Par"), then=dies), "broke off in the middle"),
        (replies(event("Par")), "broke off in the middle.*ended early"),
        (replies(event("Par") + b"data: {\n\n"), "not a chat chunk"),
        (begins(event("Par"), then=hangs), r"silent for 0\.2 s"),
    ],
    ids=["reset", "an early end", "garbage", "silence"],
)
def test_a_server_that_fails_in_the_middle_ends_the_answer(answer, message):
    with server(answer, PARIS) as up:
        pieces = filter(None, connect(up, silence=0.2).generate("x", max_tokens=5))
        assert next(pieces) == "Par"
        with pytest.raises(LLMError, match=message):
            next(pieces)
        assert up.posts == 1


# Every wait has a bound.


@pytest.mark.parametrize("answer", [hangs, begins(b"", then=hangs), begins(b":", then=hangs)])
def test_a_silent_server_ends_in_an_error_and_is_not_asked_again(answer):
    with server(answer) as up:
        llm = connect(up, silence=0.2)
        begin = time.monotonic()
        with pytest.raises(LLMError, match=r"silent for 0\.2 s"):
            ask(llm)
        assert time.monotonic() - begin < 2
        assert up.posts == 1
        assert up.gone.wait(5)


def test_a_server_whose_model_list_hangs_ends_in_an_error():
    with server(PARIS, models=hangs) as up, pytest.raises(LLMError, match="silent"):
        connect(up, silence=0.2)


@pytest.mark.parametrize("start", [b":", event("Par")])
def test_a_server_that_only_keeps_the_connection_alive_ends_in_an_error(start):
    with server(begins(start, then=dribbles)) as up:
        llm = HTTPLLM(up.url, "m", patience=Patience(total=0.3))
        begin = time.monotonic()
        with pytest.raises(LLMError, match=r"did not end its answer within 0\.3 s"):
            ask(llm)
        assert time.monotonic() - begin < 2
        assert up.posts == 1


def test_a_server_that_is_silent_until_the_deadline_is_called_silent():
    with server(hangs) as up:
        llm = HTTPLLM(up.url, "m", patience=Patience(silence=0.3, total=0.3))
        with pytest.raises(LLMError, match=r"silent for 0\.3 s"):
            ask(llm)
        assert up.posts == 1


def test_an_answer_cannot_be_begun_on_a_server_that_does_not_accept():
    with socket.socket() as full:  # its queue of connections is full, and nobody empties it
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            with pytest.raises(LLMError, match=r"does not answer \(ConnectTimeout\)"):
                connect(Server(f"http://127.0.0.1:{address[1]}"), connect=0.1)
        finally:
            for one in waiting:
                one.close()


def test_closing_the_iterator_closes_the_connection_at_once():
    with server(begins(event("Par"), then=hangs)) as up:
        pieces = connect(up).generate("x", max_tokens=5)
        assert next(pieces) == "Par"
        assert not up.gone.is_set()
        begin = time.monotonic()
        pieces.close()
        assert up.gone.wait(5)
        assert time.monotonic() - begin < 1


@pytest.mark.parametrize("answer", [hangs, begins(b"", then=hangs)], ids=["no head", "no body"])
def test_an_answer_that_has_not_begun_can_be_called_off_at_once(answer):
    with server(answer) as up:
        llm = connect(up, failures=1)
        begin = time.monotonic()
        pieces = llm.generate("x", max_tokens=5)
        assert next(pieces) == next(pieces) is None
        pieces.close()
        assert up.gone.wait(5)
        assert time.monotonic() - begin < 2
        assert next(llm.generate("x", max_tokens=5)) is None  # it says nothing against the server


def test_the_wait_for_another_attempt_can_be_called_off():
    with server(replies(b"", 503)) as up:
        llm = connect(up)
        pieces = llm.generate("x", max_tokens=5)
        assert next(pieces) is None
        pieces.close()
        assert up.posts == 1


@pytest.mark.parametrize("mode", ["titles", "labels"])
def test_a_silent_server_keeps_no_run_from_being_cancelled(mode):
    candidates = [Candidate(Item(str(n), f"Film {n}"), n, 0.0) for n in range(1, 5)]
    with server(hangs) as up:
        llm = connect(up)
        job = ranking_job(MOVIES, [], None, candidates, 3, llm, mode)
        rankings = rank(job, llm)
        assert next(rankings) is None
        rankings.close()
        assert up.gone.wait(5)


def test_a_server_that_dies_names_the_remedy():
    with server(PARIS) as up:
        llm = connect(up)
    with pytest.raises(LLMError, match="does not answer"):
        ask(llm)


def test_a_server_that_dies_during_a_ranking_ends_it_with_what_was_ranked():
    films = [Item(str(n), f"Film {n}", year=1990) for n in range(4)]
    candidates = [Candidate(film, n, 0.0) for n, film in enumerate(films, start=1)]
    with server(begins(event('"Film 2 (1990)", "Fi'), then=dies)) as up:
        llm = connect(up)
        job = ranking_job(MOVIES, films[:1], None, candidates, 3, llm)
        rankings = rank(job, llm)
        assert [ranked.item.id for ranked in next(rankings).items] == ["2"]
        with pytest.raises(LLMError, match="broke off in the middle"):
            next(rankings)


def test_a_real_server_ranks_ten_distinct_candidates(server_url, palr_home):
    llm = HTTPLLM(server_url, str(palr_home / "models" / "smollm2-135m"))
    assert not isinstance(llm, TokenLLM)
    films = [Item(str(n), f"Film {n}", year=1990) for n in range(25)]
    candidates = [Candidate(film, n, 0.0) for n, film in enumerate(films[5:], start=1)]
    job = ranking_job(MOVIES, films[:5], None, candidates, 10, llm)
    ranking = last(rank(job, llm))
    assert len({ranked.item.id for ranked in ranking.items}) == 10
    assert ranking.raw
