"""Faults of a server, each caused by a small real one on loopback."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from palr.domains import MOVIES
from palr.errors import LLMError
from palr.llm.base import TokenLLM
from palr.llm.http import HTTPLLM
from palr.llm.resilience import Patience
from palr.ranking import fit_ranking_prompt, rank
from palr.types import Candidate, Item
from tests.llm.conftest import free_port

MODELS = b'{"data": [{"id": "m", "max_model_len": 2048}]}'
DONE = b"data: [DONE]\n\n"

Answer = Callable[[BaseHTTPRequestHandler], None]


def event(text: str, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def replies(body: bytes, status: int = 200, **headers: str) -> Answer:
    """A whole answer; ``retry_after="3"`` becomes the header Retry-After."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response_only(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def begins(body: bytes, then: Answer) -> Answer:
    """The beginning of a chunked answer; what comes ``then`` decides how it goes on."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        if body:  # an empty chunk would end the answer
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(body), body))
        then(handler)

    return answer


def dies(handler: BaseHTTPRequestHandler) -> None:
    """Reset the connection, as the kernel does for a process that was killed."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the client leaves."""
    handler.connection.settimeout(20)
    assert handler.connection.recv(1) == b""


def dribbles(handler: BaseHTTPRequestHandler) -> None:
    """Keep the connection alive, and never come to the point."""
    while True:
        handler.wfile.write(b"1\r\n:\r\n")
        time.sleep(0.02)


PARIS = replies(event("Par") + event("is") + DONE)
LISTS = replies(MODELS)


@dataclass
class Server:
    url: str
    posts: int = 0  # answers asked for
    gone: threading.Event = field(default_factory=threading.Event)  # an answer's connection ended


@contextmanager
def server(*answers: Answer, models: Answer = LISTS, port: int = 0) -> Iterator[Server]:
    """The n-th request for an answer meets the n-th of ``answers``, or the last one."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            models(self)

        def do_POST(self) -> None:
            self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                answer = answers[min(state.posts, len(answers) - 1)]
                state.posts += 1
            try:
                answer(self)
            except OSError:
                pass  # the client left
            finally:
                state.gone.set()

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    httpd.daemon_threads = True
    state = Server(f"http://127.0.0.1:{httpd.server_port}/v1")
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield state
    finally:
        httpd.shutdown()
        httpd.server_close()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def connect(to: Server, time: Time | None = None, **patience: float) -> HTTPLLM:
    """A client without randomness, whose waits take no time."""
    time = time or Time()
    bounds = Patience(**patience)  # type: ignore[arg-type]
    return HTTPLLM(
        to.url, "m", patience=bounds, clock=time.clock, sleep=time.sleep, jitter=lambda: 1.0
    )


def ask(llm: HTTPLLM) -> str:
    return "".join(llm.generate("What is the capital of France?", max_tokens=5))


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


# While nothing has been yielded, the request is made again.


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_or_failing_server_is_asked_again(status):
    time = Time()
    with server(replies(b"", status), replies(b"", status), PARIS) as up:
        assert ask(connect(up, time)) == "Paris"
        assert up.posts == 3
    assert time.now == pytest.approx(0.5 + 1.0)


@pytest.mark.parametrize(
    "answer",
    [
        dies,
        begins(b": ping\n\n", then=dies),
        begins(b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n', then=dies),
        replies(b""),
    ],
    ids=["reset", "reset after a comment", "reset after a role", "an empty answer"],
)
def test_a_connection_that_breaks_before_the_first_word_is_made_again(answer):
    with server(answer, PARIS) as up:
        assert ask(connect(up)) == "Paris"
        assert up.posts == 2


def test_a_server_that_keeps_failing_is_given_up_with_its_own_words():
    with server(replies(b"boom", 500)) as up:
        with pytest.raises(LLMError, match=r"answered 500: boom \(tried 3 times\)"):
            ask(connect(up))
        assert up.posts == 3


def test_the_wait_is_random_by_half():
    for jitter, waits in ((0.0, 0.25 + 0.5), (0.5, 0.375 + 0.75)):
        time = Time()
        with server(replies(b"", 503)) as up:
            llm = HTTPLLM(
                up.url, "m", clock=time.clock, sleep=time.sleep, jitter=lambda jitter=jitter: jitter
            )
            with pytest.raises(LLMError, match="503"):
                ask(llm)
        assert time.now == pytest.approx(waits)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "3"}, 3.5),
        ({"retry_after": "Wed, 21 Oct 2099 07:28:04 GMT"}, None),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:04 GMT"}, 0.5),
        (
            {
                "retry_after": "Wed, 21 Oct 2015 07:28:04 GMT",
                "date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            4.5,
        ),
        ({"retry_after": "120"}, None),
        ({"retry_after": "9" * 400}, None),
        ({"retry_after": "soon"}, 0.5),
        ({"retry_after": "nan"}, 0.5),
        ({"retry_after": "-1"}, 0.5),
    ],
)
def test_retry_after_is_honoured_within_bounds(headers, wait):
    time = Time()
    with server(replies(b"", 429, **headers), PARIS) as up:
        llm = connect(up, time)
        if wait is None:
            with pytest.raises(LLMError, match="asks to be left alone for"):
                ask(llm)
            assert up.posts == 1
        else:
            assert ask(llm) == "Paris"
            assert time.now == pytest.approx(wait)


def test_repetitions_end_with_the_time_of_the_answer():
    time = Time()
    with server(replies(b"", 503)) as up:
        with pytest.raises(LLMError, match="503"):
            ask(connect(up, time, total=1.2))
        assert up.posts == 2
    assert time.now == pytest.approx(0.5)


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
        assert next(pieces) == next(pieces) == ""
        pieces.close()
        assert up.gone.wait(5)
        assert time.monotonic() - begin < 2
        assert next(llm.generate("x", max_tokens=5)) == ""  # it says nothing against the server


def test_the_wait_for_another_attempt_can_be_called_off():
    with server(replies(b"", 503)) as up:
        llm = connect(up)
        pieces = llm.generate("x", max_tokens=5)
        assert next(pieces) == ""
        pieces.close()
        assert up.posts == 1


@pytest.mark.parametrize("mode", ["titles", "labels"])
def test_a_silent_server_keeps_no_run_from_being_cancelled(mode):
    candidates = [Candidate(Item(str(n), f"Film {n}"), n, 0.0) for n in range(1, 5)]
    with server(hangs) as up:
        llm = connect(up)
        prompt, names = fit_ranking_prompt(MOVIES, [], None, candidates, 3, llm, mode)
        rankings = rank(prompt, names, candidates, llm, 3, mode)
        assert next(rankings).items == ()
        rankings.close()
        assert up.gone.wait(5)


# The circuit breaker.


def test_a_server_that_keeps_failing_is_left_alone_and_then_tried_once():
    time = Time()
    with server(*[replies(b"boom", 500)] * 3, PARIS) as up:
        llm = connect(up, time, retries=0, failures=2)
        for _ in range(2):
            with pytest.raises(LLMError, match="boom"):
                ask(llm)
        with pytest.raises(LLMError, match=r"failed 2 times in a row.* in 30 s.*boom"):
            ask(llm)
        time.now += 29
        with pytest.raises(LLMError, match="in 1 s"):
            ask(llm)
        assert up.posts == 2

        time.now += 1  # the probe fails, and is not repeated
        with pytest.raises(LLMError, match="answered 500"):
            ask(llm)
        with pytest.raises(LLMError, match="in 30 s"):
            ask(llm)
        assert up.posts == 3

        time.now += 30
        assert ask(llm) == ask(llm) == "Paris"


def test_the_circuit_opens_between_two_attempts():
    with server(replies(b"boom", 500)) as up:
        llm = connect(up, failures=2)
        with pytest.raises(LLMError, match=r"boom \(tried 2 times\)"):
            ask(llm)
        assert up.posts == 2


@pytest.mark.parametrize(
    "answer", [begins(event("Par"), then=dies), hangs, dies, replies(b"<html>")]
)
def test_every_kind_of_failure_opens_the_circuit(answer):
    with server(answer) as up:
        llm = connect(up, retries=0, failures=2, silence=0.1)
        for _ in range(2):
            with pytest.raises(LLMError):
                ask(llm)
        with pytest.raises(LLMError, match="in a row"):
            ask(llm)
        assert up.posts == 2


@pytest.mark.parametrize("status", [400, 404, 429])
def test_a_refusal_is_no_failure_of_the_server(status):
    with server(*[replies(b"", status)] * 4, PARIS) as up:
        llm = connect(up, retries=0, failures=2)
        for _ in range(4):
            with pytest.raises(LLMError, match=str(status)):
                ask(llm)
        assert ask(llm) == "Paris"


def test_an_answer_that_is_closed_early_counts_as_a_success():
    boom = replies(b"", 500)
    with server(boom, PARIS, boom, PARIS) as up:
        llm = connect(up, retries=0, failures=2)
        for _ in range(2):
            with pytest.raises(LLMError, match="500"):
                ask(llm)
            pieces = llm.generate("x", max_tokens=5)
            next(pieces)
            pieces.close()


def test_a_refused_probe_leaves_the_next_call_to_be_one():
    time = Time()
    with server(replies(b"", 500), replies(b"busy", 429), PARIS) as up:
        llm = connect(up, time, retries=0, failures=1)
        with pytest.raises(LLMError, match="500"):
            ask(llm)
        time.now += 30
        with pytest.raises(LLMError, match="busy"):
            ask(llm)
        assert ask(llm) == "Paris"


def test_of_many_threads_one_is_the_probe():
    time = Time()
    released = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        released.wait(20)
        PARIS(handler)

    with server(replies(b"", 500), slow) as up:
        llm = connect(up, time, retries=0, failures=1)
        with pytest.raises(LLMError, match="500"):
            ask(llm)
        time.now += 30
        said: list[str] = []

        def visit() -> None:
            try:
                said.append(ask(llm))
            except LLMError as error:
                said.append(str(error))
            if len(said) == 7:
                released.set()

        visitors = [threading.Thread(target=visit) for _ in range(8)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join(20)
        assert up.posts == 2
        assert said[-1] == "Paris"
        assert all("tried again just now" in words for words in said[:-1])
        assert ask(llm) == "Paris"


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
        prompt, names = fit_ranking_prompt(MOVIES, films[:1], None, candidates, 3, llm)
        rankings = rank(prompt, names, candidates, llm, 3)
        assert [ranked.item.id for ranked in next(rankings).items] == ["2"]
        with pytest.raises(LLMError, match="broke off in the middle"):
            next(rankings)


def test_a_real_server_ranks_ten_distinct_candidates(server_url, palr_home):
    llm = HTTPLLM(server_url, str(palr_home / "models" / "smollm2-135m"))
    assert not isinstance(llm, TokenLLM)
    films = [Item(str(n), f"Film {n}", year=1990) for n in range(25)]
    candidates = [Candidate(film, n, 0.0) for n, film in enumerate(films[5:], start=1)]
    prompt, names = fit_ranking_prompt(MOVIES, films[:5], None, candidates, 10, llm)
    *_, ranking = rank(prompt, names, candidates, llm, 10)
    assert len({ranked.item.id for ranked in ranking.items}) == 10
    assert ranking.raw
