"""What is asked for beyond the picks: as a browser sends it, as a run had it, and as it is read."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from palr.app.runtime import Runtime
from palr.errors import CatalogError
from palr.settings import Settings
from palr.types import NO_WISH, Asked, Edits, Recommendation, Wish
from palr.ui.refine import NO_REFINEMENT, Refinement, refine

from ..hostile import TITLES

FULL = Refinement(
    "movies",
    Wish(
        more=("western",),
        less=("crime",),
        years=(1980, 1989),
        popularity=-0.5,
        variety=0.25,
        seen=("1",),
        liked=("2",),
        disliked=("3",),
        strength=0.8,
    ),
    0.7,
    "My own words.",
    ("western", "war"),
)


def run(domain: str = "movies", wish: Wish = NO_WISH, **asked: Any) -> Recommendation:
    """A run that was steered by a wish."""
    return Recommendation(domain, "any", (), wish=wish, asked=Asked(**asked))


def test_what_is_asked_for_survives_the_round_trip() -> None:
    assert Refinement.parse(FULL.payload(), "movies") == FULL
    assert Refinement.parse(Refinement("beauty").payload(), "beauty") == NO_REFINEMENT


@pytest.mark.parametrize(
    "sent",
    [
        None,
        7,
        "",
        "{",
        "[]",
        '{"domain": "movies", "wish": 7}',
        '{"domain": "movies", "wish": {"more": "western"}}',
        '{"domain": "movies", "wish": {"years": [1980]}}',
        '{"domain": "movies", "keywords": [1]}',
        '{"domain": "movies", "profile_weight": "much"}',
        "[" * 100_000,
    ],
)
def test_what_does_not_parse_asks_nothing(sent: object) -> None:
    found = Refinement.parse(sent, "movies")
    assert not found
    assert found.domain == "movies"


def test_what_is_asked_of_another_domain_asks_nothing_here() -> None:
    assert Refinement.parse(FULL.payload(), "beauty") == Refinement("beauty")


def test_the_domain_alone_asks_for_nothing() -> None:
    assert not Refinement("beauty")
    assert Refinement(wish=Wish(more=("war",)))
    assert Refinement(profile_weight=0.0)
    assert Refinement(profile="")
    assert Refinement(keywords=())


def test_a_run_is_asked_for_what_the_page_shows() -> None:
    asked = FULL.applied(Asked(retriever="semantic", k=5))
    assert (asked.wish, asked.profile_weight) == (FULL.wish, 0.7)
    assert (asked.edits.profile, asked.edits.keywords) == ("My own words.", ("western", "war"))
    assert (asked.retriever, asked.k) == ("semantic", 5)


@pytest.mark.parametrize(("domain", "weight"), [("movies", 0.4), ("beauty", 0.15)])
def test_the_profile_counts_as_the_domain_has_it_unless_it_is_said(
    domain: str, weight: float
) -> None:
    assert Refinement(domain).applied(Asked()).profile_weight == weight
    assert Refinement(domain, profile_weight=0.0).applied(Asked()).profile_weight == 0.0


def test_a_run_tells_what_it_was_asked_for() -> None:
    trace = replace(run(wish=FULL.wish), asked=FULL.applied(Asked()))
    assert Refinement.of_run(trace) == FULL
    assert Refinement.of_run(trace).domain == "movies"


def test_the_words_of_a_run_come_back_as_they_were_read() -> None:
    read = Wish(more=("western",), words="more westerns")
    asked = Asked(wish=Wish(words="more westerns"), profile_weight=0.4)
    trace = replace(run(wish=read), asked=asked)
    assert Refinement.of_run(trace) == Refinement(wish=Wish(more=("western",)))


def test_what_a_profile_was_read_as_is_no_wish_of_its_own() -> None:
    trace = run(wish=Wish(more=("western",)), edits=Edits(profile="More westerns."))
    trace = replace(trace, asked=replace(trace.asked, profile_weight=0.4))
    assert Refinement.of_run(trace) == Refinement(profile="More westerns.")


def test_the_domains_own_weight_is_left_to_the_domain() -> None:
    assert Refinement.of_run(run("beauty", profile_weight=0.15)).profile_weight is None
    assert Refinement.of_run(run("beauty", profile_weight=0.4)).profile_weight == 0.4


@pytest.fixture(scope="module")
def component(settings: Settings) -> dict[str, Callable[[object], dict[str, Any]]]:
    """The functions that the page calls, by name."""
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    return functions(runtime)


def functions(runtime: Any) -> dict[str, Callable[[object], dict[str, Any]]]:
    made = refine(runtime, "movies")
    return {function.__name__: function for function in made.server_fns}


def test_words_are_read_into_chips(component) -> None:
    found = component["read"]({"domain": "movies", "query": "more westerns, no crime, zorp"})
    assert found["chips"] == [
        {"side": "more", "value": "western", "words": "westerns"},
        {"side": "less", "value": "crime", "words": "crime"},
    ]
    assert found["unread"] == ["zorp"]
    assert (found["years"], found["popularity"]) == (None, 0)
    json.dumps(found)


def test_years_popularity_and_titles_are_read(component) -> None:
    words = "something like Fargo from the 80s, little known"
    found = component["read"]({"domain": "movies", "query": words})
    assert (tuple(found["years"]), found["popularity"]) == ((1980, 1989), -1)
    (liked,) = (chip["value"] for chip in found["chips"] if chip["side"] == "liked")
    assert found["labels"] == {liked: "Fargo (1996)"}


def test_what_a_catalog_does_not_know_is_said(component) -> None:
    found = component["read"]({"domain": "beauty", "query": "lipstick from the 80s, well known"})
    assert [chip["value"] for chip in found["chips"]] == ["lipstick"]
    assert found["unread"] == []
    assert "these products have no years" in found["notes"]
    assert "this catalog does not tell how well known its products are" in found["notes"]
    assert (found["years"], found["popularity"]) == (None, 0)


def test_a_keyword_that_the_catalog_lacks_names_the_nearest(component) -> None:
    found = component["read"]({"domain": "movies", "query": "more fantasia"})
    assert found["chips"] == []
    assert found["unread"] == ["fantasia"]
    (note,) = found["notes"]
    assert note == '"fantasia" is no keyword of this catalog; the nearest is fantasy'


def test_too_many_words_are_an_error_in_words(component) -> None:
    found = component["read"]({"domain": "movies", "query": "x" * 5001})
    assert found == {"error": "the wish has 5,001 characters: shorten it to 5,000"}


@pytest.mark.parametrize("request_", [None, 7, {}, {"query": 7}, {"domain": "cars", "query": ""}])
def test_a_forged_request_is_read_as_far_as_it_goes(component, request_: object) -> None:
    assert component["read"](request_)["chips"] == []
    assert component["describe"](request_)["weight"] == 0.4  # of the first domain


CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x08")
STEERING = [title for title in TITLES if set(title) & CONTROLS]


@pytest.mark.parametrize("title", STEERING, ids=lambda title: ascii(title[:30]))
def test_control_characters_of_a_wish_do_not_come_back(component, title: str) -> None:
    found = component["read"]({"domain": "movies", "query": title})
    told = "".join([*found["unread"], *found["notes"], *found["labels"].values()])
    assert not set(told) & CONTROLS


def test_a_domain_is_described_as_its_controls_need_it(component) -> None:
    movies = component["describe"]({"domain": "movies", "picks": ["1", "gone"]})
    assert movies["years"] == [1922, 1998]
    assert movies["popularity"] is True
    assert movies["labels"] == {"1": "Toy Story (1995)"}
    beauty = component["describe"]({"domain": "beauty", "picks": []})
    assert (beauty["years"], beauty["popularity"], beauty["weight"]) == (None, False, 0.15)


@pytest.mark.parametrize("domain", ["movies", "beauty"])
def test_the_example_can_be_asked_for(component, domain: str) -> None:
    example = component["describe"]({"domain": domain})["example"]
    found = component["read"]({"domain": domain, "query": example})
    assert found["chips"]
    assert (found["unread"], found["notes"]) == ([], [])


def test_a_catalog_that_cannot_be_read_is_an_error_in_words() -> None:
    class Broken:
        def catalog(self, domain: str) -> None:
            raise CatalogError("the database cannot be read")

        def read_wish(self, domain: str, words: str) -> None:
            self.catalog(domain)

    broken = functions(Broken())
    assert broken["read"]({"query": "war"}) == {"error": "the database cannot be read"}
    assert broken["describe"]({}) == {"error": "the database cannot be read"}
