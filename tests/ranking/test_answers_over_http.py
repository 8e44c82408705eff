"""From what a server sends to the ranking that a visitor sees."""

import json

import numpy as np
import pytest

from palr.catalog.catalog import Catalog
from palr.commands.text import run_text
from palr.domains import MOVIES
from palr.llm.base import last
from palr.profile import write_profile
from palr.ranking import rank, ranking_job
from palr.recommender import Recommender
from palr.runs.files import Origin, SavedTrace
from palr.runs.report import markdown
from palr.types import Asked, Candidate, Item
from palr.ui.render import View, ranking_stage
from tests.llm.faulty import begins, connect, event, hangs, replies, server
from tests.llm.test_reasoning import ENDED, ENDLESS

TITLES = ("Heat", "Alien", "Babe", "Jaws", "Fargo", "Dune")
FILMS = [Item(str(n), title, year=1990 + n) for n, title in enumerate(TITLES)]
CANDIDATES = [Candidate(film, n, 1.0 / n) for n, film in enumerate(FILMS, start=1)]


def ranked(*answers, k=3):
    with server(*answers) as up:
        llm = connect(up)
        job = ranking_job(MOVIES, [], None, CANDIDATES, k, llm)
        return last(rank(job, llm))


def titles(ranking):
    return [r.item.title for r in ranking.items]


def streamed(text, size, finish="stop"):
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return replies(b"".join(map(event, pieces)) + event("", finish))


@pytest.mark.parametrize(
    ("text", "size"), [(ENDED[0], 1), (ENDED[0], 1000), *((text, 3) for text in ENDED)]
)
def test_titles_that_reasoning_rejects_are_never_ranked(text, size):
    ranking = ranked(streamed(text, size), k=2)
    assert titles(ranking) == ["Jaws", "Fargo"]
    assert (ranking.completed, ranking.unusable) == (0, "")


@pytest.mark.parametrize("text", ENDLESS)
def test_reasoning_without_an_end_is_no_answer(text):
    ranking = ranked(streamed(text, 7, "length"))
    assert titles(ranking) == ["Heat", "Alien", "Babe"]
    assert ranking.completed == 3
    assert ranking.unusable == (
        "the model's answer holds its reasoning only, cut by the limit of tokens"
    )


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_in_a_field_of_its_own_is_no_text(field):
    def chunk(delta, finish=None):
        choice = {"delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    thought = chunk({"role": "assistant", "content": None, field: 'Not "Heat", "Alien", "Babe".'})
    answer = chunk({"content": '"Jaws", "Fargo", '}) + chunk({"content": '"Dune"'}, "stop")
    assert titles(ranked(replies(thought + answer))) == ["Jaws", "Fargo", "Dune"]
    ranking = ranked(replies(thought + chunk({}, "length")))
    assert ranking.unusable == "the model's answer is empty, cut by the limit of tokens"


def test_parts_of_a_content_that_think_are_no_text():
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": '"Heat", "Alien"'}]},
        {"type": "text", "text": '"Jaws", "Fargo", "Dune"'},
    ]
    whole = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    assert titles(ranked(replies(json.dumps(whole, indent=2).encode()))) == [
        "Jaws",
        "Fargo",
        "Dune",
    ]


def test_a_whole_answer_is_taken_for_a_stream():
    thought = {"content": '"Jaws", "Dune"', "reasoning_content": '"Heat"'}
    whole = {"choices": [{"index": 0, "message": thought, "finish_reason": "stop"}]}
    ranking = ranked(replies(json.dumps(whole).encode()))
    assert titles(ranking) == ["Jaws", "Dune", "Heat"]
    assert ranking.completed == 1


@pytest.mark.parametrize(
    "text", ["I'm sorry, I can't help with that.", "Kill Bill, Brazil", "", " "]
)
def test_an_answer_without_a_candidate_is_unusable(text):
    ranking = ranked(streamed(text, 5))
    assert titles(ranking) == ["Heat", "Alien", "Babe"]
    assert ranking.raw == text
    assert ranking.unusable in (
        "the model's answer names none of the candidates",
        "the model's answer is empty",
    )
    assert ranking.repairs[-1] == "completed 3 of 3 places in the retriever's order"


def test_of_a_cut_answer_counts_what_is_whole():
    ranking = ranked(streamed("1. Jaws (1993)\n2. Dune (1995)\n3. Fargo", 4, "length"))
    assert titles(ranking) == ["Jaws", "Dune", "Heat"]
    assert ranking.repairs == (
        "the answer was cut by the limit of tokens",
        "completed 1 of 3 places in the retriever's order",
    )
    assert (ranking.completed, ranking.unusable) == (1, "")


@pytest.mark.parametrize("lead", ["", "Sure!\nBased on your history, the top movies are:\n\n"])
def test_a_list_is_enough_once_it_is_long_enough(lead):
    endless = event(lead) + event("1. Jaws\n2. Dune\n") + event("3. Fargo\n4. ")
    with server(begins(endless, then=hangs)) as up:
        llm = connect(up)
        ranking = last(rank(ranking_job(MOVIES, [], None, CANDIDATES, 3, llm), llm))
        assert titles(ranking) == ["Jaws", "Dune", "Fargo"]
        assert up.gone.wait(5)


def test_a_ranking_only_grows_while_it_is_written():
    with server(streamed("Sure!\n1. Jaws - like Heat\n2. Dune\n3. Fargo", 2)) as up:
        llm = connect(up)
        job = ranking_job(MOVIES, [], None, CANDIDATES, 3, llm)
        grown = [titles(ranking) for ranking in rank(job, llm) if ranking]
    assert grown[-1] == ["Jaws", "Dune", "Fargo"]
    assert all(seen == grown[-1][: len(seen)] for seen in grown)


class Popularity:
    name = "popularity"

    def __init__(self, items):
        self.items = tuple(items)

    def score(self, histories):
        return np.tile(-np.arange(len(self.items), dtype=np.float32), (len(histories), 1))


def run(answer):
    catalog = Catalog("made-up", MOVIES, tuple(FILMS))
    with server(answer) as up:
        llm = connect(up)
        recommender = Recommender(
            catalog, lambda name: Popularity(FILMS), lambda: llm, "popularity"
        )
        return recommender.recommend(FILMS[:1], Asked(k=3))


def shown(trace):
    """The page, the terminal and the report."""
    page = ranking_stage(View(trace=trace, phase="done"))
    return page, run_text(trace), markdown(SavedTrace(Origin("", ""), trace))


def test_an_answer_of_which_nothing_was_used_looks_like_a_fallback():
    trace = run(streamed("I'm sorry, I can't.", 5))
    assert trace.fallback == "the model's answer names none of the candidates"
    assert trace.ranking.raw == "I'm sorry, I can't."
    assert titles(trace.ranking) == ["Alien", "Babe", "Jaws"]
    for text in shown(trace):
        assert "Fallback" in text
        assert trace.fallback in text.replace("&#x27;", "'").replace("&#39;", "'")


def test_what_the_retriever_completed_is_said_with_its_count():
    trace = run(streamed('"Dune (1995)"', 5))
    assert (trace.fallback, trace.ranking.completed) == ("", 2)
    page, terminal, saved = shown(trace)
    assert "Its answer fills 1 of 3 places; the others follow in the retriever" in page
    assert "completed 2 of 3 places in the retriever's order" in terminal
    assert "completed 2 of 3 places in the retriever's order" in saved
    assert "Fallback" not in page + terminal + saved


def profile_of(answer):
    picks = [
        Item(str(n), title, year=1995, keywords=("crime", "drama"))
        for n, title in enumerate(TITLES[:3])
    ]
    with server(answer) as up:
        return last(write_profile(picks, Catalog("made-up", MOVIES, tuple(picks)), connect(up)))


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_the_profile_is_written_without_reasoning(size):
    said = "This viewer likes crime stories above all else."
    text = f"<think>The user hates drama of every sort and kind. Drama!</think>{said}"
    profile = profile_of(streamed(text, size))
    assert profile.text == said
    assert [keyword.text for keyword in profile.keywords] == ["crime", "drama"]
    assert "the model named 1 supported keywords; the rest are the picks' own" in profile.repairs


def test_a_profile_may_follow_on_long_reasoning_and_is_bounded_itself():
    said = "This viewer likes crime stories above all else. "
    thought = b"".join(event("so ") for _ in range(1000))
    endless = b"".join(event(word + " ") for word in (said * 100).split())
    answer = begins(event("<think>") + thought + event("</think>") + endless, then=hangs)
    assert profile_of(answer).text.startswith(said.strip())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            streamed("<think>The user likes crime stories a lot.", 9, "length"),
            "its reasoning only, c",
        ),
        (streamed("", 9), "is empty"),
        (streamed("I'm sorry, but I can't help with that request.", 9), "it is about the model"),
    ],
)
def test_a_profile_that_was_not_written_says_so(answer, why):
    profile = profile_of(answer)
    assert profile.text == ""
    assert any(why in repair for repair in profile.repairs)
