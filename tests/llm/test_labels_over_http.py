"""Labels read from servers that tell log-probabilities, each in its own dialect."""

import json
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from palr.domains import MOVIES
from palr.errors import LLMError, PalrError
from palr.llm.base import LabelLLM, last
from palr.llm.http import HTTPLLM
from palr.ranking import rank, ranking_job
from palr.types import Candidate, Item
from tests.llm.faulty import Answer, Server, connect, dies, replies, server

FILMS = [Item(str(n), f"Film {n}", year=1990) for n in range(6)]
CANDIDATES = [Candidate(film, n, 0.0) for n, film in enumerate(FILMS, start=1)]


def ranked(up: Server, k: int = 4):
    llm = connect(up)
    job = ranking_job(MOVIES, FILMS[:1], None, CANDIDATES, k, llm, "labels")
    return job.prompt, last(rank(job, llm))


def speaks(asked: list, known: str | None, most: int, tells: dict[str, float]) -> Answer:
    """A server that refuses choices it does not know, and more log-probabilities than it tells."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        request = handler.asked
        asked.append(request)
        fields = {"structured_outputs", "guided_choice"} & set(request)
        if fields - {known} or request["top_logprobs"] > most:
            replies(b'{"error": "no such field"}', 400)(handler)
            return
        top = [{"token": token, "logprob": value} for token, value in tells.items()]
        first = {**top[0], "top_logprobs": top[:most]}
        choice = {"message": {"content": top[0]["token"]}, "logprobs": {"content": [first]}}
        replies(json.dumps({"choices": [choice]}).encode())(handler)

    return answer


TELLS = {" C": -0.1, "A": -1.0, "Sure": -1.5, "F": -2.0, "C": -3.0, "B": -4.0, "E": -5.0}


@pytest.mark.parametrize(
    ("known", "refused"), [("structured_outputs", 0), ("guided_choice", 1), (None, 2)]
)
def test_the_servers_way_of_restricting_an_answer_is_found_and_kept(known, refused):
    asked: list = []
    with server(speaks(asked, known, 20, TELLS)) as up:
        llm = connect(up)
        for _ in range(2):
            *_, told = llm.label_logprobs("x", ["A", "B", "C"])
            assert told == {"C": -0.1, "A": -1.0, "B": -4.0}
        assert len(asked) == refused + 2
    labels = ["A", "B", "C"]
    wanted = {"structured_outputs": {"choice": labels}, "guided_choice": labels}
    if known:
        assert asked[-1][known] == wanted[known]
    assert asked[-1]["max_tokens"] == 1
    assert asked[-1]["logprobs"] is True


def test_the_labels_that_are_told_rank_and_the_rest_is_completed_and_reported():
    with server(speaks([], "structured_outputs", 20, TELLS)) as up:
        prompt, ranking = ranked(up, k=6)
    assert 'C: "Film 2 (1990)"' in prompt.text
    assert [r.item.id for r in ranking.items] == ["2", "0", "5", "1", "4", "3"]
    assert [r.logprob for r in ranking.items] == [-0.1, -1.0, -2.0, -4.0, -5.0, None]
    assert ranking.repairs == (
        "the server reported the log-probabilities of 5 of 6 labels",
        "completed 1 of 6 places in the retriever's order",
    )


def test_a_server_that_tells_five_at_most_is_asked_for_five():
    asked: list = []
    with server(speaks(asked, None, 5, TELLS)) as up:
        _, ranking = ranked(up, k=2)
    assert [request["top_logprobs"] for request in asked] == [20, 20, 20, 5]
    assert [r.item.id for r in ranking.items] == ["2", "0"]


def test_a_refusal_in_the_middle_of_another_one_drops_no_other_dialect():
    asked: list = []
    entered, go = threading.Event(), threading.Event()
    answer = speaks(asked, "guided_choice", 20, TELLS)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        entered.set()
        go.wait(10)  # until the other run knows better
        answer(handler)

    with server(slow, answer) as up:
        llm = connect(up)
        late = threading.Thread(target=lambda: list(llm.label_logprobs("x", ["A", "B"])))
        late.start()
        assert entered.wait(10)
        list(llm.label_logprobs("x", ["A", "B"]))
        go.set()
        late.join(20)
        list(llm.label_logprobs("x", ["A", "B"]))
    assert len(asked) == 5  # each of the two was refused once
    assert "guided_choice" in asked[-1]


def test_a_prompt_that_no_dialect_makes_acceptable_costs_the_server_none():
    asked: list = []
    known = speaks(asked, "structured_outputs", 20, TELLS)
    too_long = replies(b"the prompt is too long", 400)
    with server(*[too_long] * 4, known) as up:
        llm = connect(up)
        with pytest.raises(LLMError, match="too long"):
            list(llm.label_logprobs("x", ["A", "B"]))
        list(llm.label_logprobs("x", ["A", "B"]))
    assert "structured_outputs" in asked[-1]


def test_a_server_that_tells_no_label_names_the_remedy():
    for tells in ({"Sure": -0.1}, {"": -0.1}):
        with (
            server(speaks([], None, 20, tells)) as up,
            pytest.raises(LLMError, match="choose the ranking 'titles'"),
        ):
            ranked(up)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"choices": []}', b"\xff", b"[" * 99_999])
def test_an_answer_that_is_no_completion_is_told_apart(body):
    with server(replies(body)) as up, pytest.raises(LLMError, match="no chat completion"):
        ranked(up)


def test_a_connection_that_breaks_is_made_again():
    with server(dies, speaks([], "structured_outputs", 20, TELLS)) as up:
        assert ranked(up)[1].items
        assert up.posts == 2


def test_a_refusal_of_every_dialect_shows_the_servers_words():
    with server(replies(b"no such model", 404)) as up:
        with pytest.raises(LLMError, match="answered 404: no such model"):
            ranked(up)
        assert up.posts == 4


def test_the_likelihood_of_whole_titles_is_beyond_any_server():
    with server(replies(b"")) as up:
        llm = connect(up)
        assert isinstance(llm, LabelLLM)
        with pytest.raises(PalrError, match="choose 'titles'"):
            ranking_job(MOVIES, FILMS[:1], None, CANDIDATES, 3, llm, "likelihood")


def test_transformers_serve_tells_none_and_says_what_to_choose(server_url, palr_home):
    llm = HTTPLLM(server_url, str(palr_home / "models" / "smollm2-135m"))
    with pytest.raises(LLMError, match="choose the ranking 'titles'"):
        list(llm.label_logprobs("Answer A or B.", ["A", "B"]))
