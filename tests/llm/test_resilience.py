"""What is asked again, and a server that is left alone for a while, on a real one on loopback."""

import threading
from http.server import BaseHTTPRequestHandler

import pytest

from palr.errors import LLMError
from palr.llm.http import HTTPLLM
from tests.llm.faulty import PARIS, Time, ask, begins, connect, dies, event, hangs, replies, server

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
