"""Whatever a server sends ends in a ranking or in an error that names the server."""

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from palr.domains import MOVIES
from palr.errors import LLMError
from palr.llm.base import last
from palr.llm.http import HTTPLLM
from palr.ranking import rank, ranking_job
from palr.types import Candidate, Item
from tests.llm.faulty import DONE, connect, event, server

TITLES = ("Heat", "Alien", "Babe", "Amélie", "1984", "The Matrix")
CANDIDATES = [Candidate(Item(str(n), t, year=1990), n, 0.0) for n, t in enumerate(TITLES, 1)]
EXAMPLES = pytest.mark.parametrize("examples", [60, pytest.param(2000, marks=pytest.mark.long)])

texts = st.lists(
    st.one_of(
        st.sampled_from(
            [*TITLES, "<think>", "</think>", "[", "]", "{", '"', "\n", "1. ", "- ", ", "]
        ),
        st.text(max_size=8),
    ),
    max_size=12,
).map("".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "text", "type", "error", "title"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
choices = st.fixed_dictionaries(
    {}, optional={"delta": values, "message": values, "finish_reason": values, "text": values}
)
events = st.one_of(
    texts.map(event),
    values.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n"),
    st.lists(choices, max_size=2).map(
        lambda found: b"data: " + json.dumps({"choices": found}).encode() + b"\r\n\r\n"
    ),
    values.map(lambda value: json.dumps(value, indent=1).encode()),
    st.binary(max_size=30),
    st.sampled_from([b": ping\n\n", b"event: message\n", DONE, b"\xef\xbb\xbf", b"data:\n\n"]),
)


class Sends:
    """An answer that an example sets, in chunks that it cuts."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def set(self, body: bytes, cuts: list[int]) -> None:
        places = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
        self.chunks = [body[a:b] for a, b in pairwise(places)]

    def __call__(self, handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for chunk in self.chunks:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")


def ranked(llm: HTTPLLM):
    return last(rank(ranking_job(MOVIES, [], None, CANDIDATES, 3, llm), llm))


def fuzz(examples: int, *given_by):
    return lambda test: hypothesis_settings(
        max_examples=examples, deadline=None, suppress_health_check=[*HealthCheck]
    )(given(*given_by)(test))


CUTS = st.lists(st.integers(0, 5000), max_size=6)


@EXAMPLES
def test_any_bytes_end_in_a_ranking_or_in_an_error(examples):
    sends = Sends()
    with server(sends) as up:
        llm = connect(up, failures=10**9, retries=0)

        @fuzz(examples, st.lists(events, max_size=6), CUTS)
        def ends_well(parts, cuts):
            sends.set(b"".join(parts), cuts)
            error = ""
            try:
                ranking = ranked(llm)
            except LLMError as failed:
                error = str(failed)
            if error:
                assert "the LLM server" in error or up.url in error
                return
            assert len({r.item.id for r in ranking.items}) == 3
            assert ranking.completed <= 3
            assert bool(ranking.unusable) == (ranking.completed == 3 or not ranking.raw.strip())

        ends_well()


@EXAMPLES
def test_any_text_is_read_alike_however_it_is_cut(examples):
    sends = Sends()
    with server(sends) as up:
        llm = connect(up, failures=10**9)

        @fuzz(
            examples, st.lists(texts, min_size=1, max_size=4), CUTS, st.sampled_from([DONE, None])
        )
        @example(["1. Amélie\n2. Babe"], list(range(0, 120)), DONE)
        def reads_alike(pieces, cuts, end):
            text = "".join(pieces)
            body = b"".join(map(event, pieces)) + (end or event("", "stop"))
            sends.set(body, cuts)
            found = ranked(llm)
            sends.set(event(text) + DONE, [])
            whole = ranked(llm)
            assert text.startswith(found.raw)
            assert [r.item.id for r in found.items] == [r.item.id for r in whole.items]
            assert found.unusable == whole.unusable

        reads_alike()
