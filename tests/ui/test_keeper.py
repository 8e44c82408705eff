"""What comes back to the page from a file or a link."""

import json
import re
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs

import hypothesis
import pytest
from hypothesis import strategies as st

from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog
from palr.domains import DOMAINS
from palr.errors import PalrError
from palr.runs.files import SavedTrace, TraceError, read_trace
from palr.types import Asked, Item, Wish
from palr.ui import keeper
from palr.ui.handlers import DomainState, Handlers
from palr.ui.handlers import told as notice_only
from palr.ui.refine import Refinement
from palr.ui.render import View
from palr.ui.request import Choices, PageRequest

from ..hostile import TITLES
from .test_hostile import Outline

AUTO = ["auto"] * len(Choices.names())  # every setting left to the app


@pytest.fixture(scope="module")
def runtime(settings):
    return Runtime(settings.model_copy(update={"llm_backend": "scripted"}))


@pytest.fixture(scope="module")
def saved(runtime):
    catalog = runtime.catalog("movies")
    picks = catalog.persona_picks(catalog.domain.personas[0])
    return SavedTrace(runtime.origin("movies"), runtime.recommender("movies").recommend(picks))


def link(**changes):
    asked = {"format": "palr-link", "domain": "movies", "dataset": "ml-100k", "picks": ["1", "588"]}
    return json.dumps({**asked, "retriever": "semantic", "mode": "labels", **changes})


def fragment_of(request, runtime):
    """A link as the browser hands it back."""
    words = unescape(re.search('data-link="(.*?)"', keeper.link(request, runtime))[1])
    asked = {name: values[0] for name, values in parse_qs(words).items()}
    return {"format": "palr-link", **asked, "picks": asked["picks"].split(",")}


def test_a_saved_run_opens_as_it_was_and_says_where_it_is_from(saved, runtime):
    domain, state, told = keeper.opened(saved.to_json(), runtime)
    assert domain == "movies"
    assert state.picks == tuple(item.id for item in saved.trace.history)
    assert state.view.phase == "done"
    assert state.view.trace.ranking == saved.trace.ranking
    assert state.view.trace.notes[-1] == keeper.OPENED
    picked = {"domain": domain, "picks": list(state.picks)}
    same = PageRequest.parse(picked, *AUTO, state.refinement.payload())
    assert state.stale_reasons(same) == []
    assert saved.trace.run_id in told
    again = SavedTrace(saved.origin, state.view.trace).to_json()
    assert keeper.opened(again, runtime)[1].view.trace == state.view.trace


def test_what_is_not_in_the_catalog_is_left_out_and_named(saved, runtime):
    text = saved.to_json().replace(f'"id": "{saved.trace.picks[0].id}"', '"id": "<nobody>"')
    _, state, told = keeper.opened(text, runtime)
    assert len(state.picks) == len(saved.trace.picks) - 1
    assert "left out: <nobody>" in told


def test_a_link_brings_picks_and_settings_and_no_results(runtime):
    domain, state, told = keeper.opened(link(picks=["1", "nobody", "588", "1"]), runtime)
    assert (domain, state.picks) == ("movies", ("588", "1"))
    assert (state.choices.retriever, state.choices.mode) == ("semantic", "labels")
    assert state.view == View()
    assert told == "Not in this catalog, and left out: nobody."


ASKED = Refinement(
    "movies",
    Wish(more=("western",), years=(1950, 1989), seen=("1",), strength=0.8),
    0.7,
    "This viewer likes it quiet.",
    ("drama",),
)


def test_a_link_brings_what_was_asked_for(runtime):
    picked = {"domain": "movies", "picks": ["588", "1"]}
    asking = PageRequest.parse(picked, *AUTO, ASKED.payload())
    came = fragment_of(asking, runtime)
    domain, state, _ = keeper.opened(json.dumps(came), runtime)
    assert (domain, state.picks, state.refinement) == ("movies", ("588", "1"), ASKED)
    page = Handlers(runtime).restore(domain, state, "", PageRequest.parse(picked), {})
    assert Refinement.parse(page.refine, "movies") == ASKED
    plain = keeper.link(PageRequest.parse(picked, *AUTO, ""), runtime)
    assert "ask=" not in plain


@pytest.mark.parametrize("ask", [7, "", "{", ASKED.payload().replace("movies", "beauty")])
def test_a_link_that_asks_for_nothing_readable_asks_for_nothing(runtime, ask):
    _, state, _ = keeper.opened(link(ask=ask), runtime)
    assert not state.refinement


def test_an_opened_run_brings_what_it_was_asked_for(runtime):
    catalog = runtime.catalog("movies")
    picks = catalog.persona_picks(catalog.domain.personas[0])
    refinement = replace(ASKED, profile="")  # without words, no sentence model is loaded
    asked = refinement.applied(Asked())
    trace = runtime.recommender("movies").recommend(picks, asked)
    opened = keeper.opened(SavedTrace(runtime.origin("movies"), trace).to_json(), runtime)
    domain, state, _ = opened
    assert state.refinement == refinement
    page = Handlers(runtime).restore(domain, state, "", PageRequest.parse({}), {})
    assert Refinement.parse(page.refine, "movies") == refinement


@pytest.mark.parametrize(
    "wrong", [{"retriever": 7}, {"mode": "magic"}, {"picks": "x"}, {"domain": 1}]
)
def test_a_forged_link_is_read_as_far_as_it_goes(runtime, wrong):
    _, state, _ = keeper.opened(link(**wrong), runtime)
    assert isinstance(state.choices.retriever, str)
    assert state.choices.mode in ("labels", "auto", "magic")


@pytest.mark.parametrize("text", ["", "{}", "[" * 9999, '{"format": "palr-trace"}', "null"])
def test_what_is_neither_is_refused(runtime, text):
    with pytest.raises(TraceError):
        keeper.opened(text, runtime)


def test_restoring_shows_the_domain_and_puts_the_other_away(saved, runtime):
    handlers = Handlers(runtime)
    domain, state, told = keeper.opened(saved.to_json(), runtime)
    there = {"domain": "beauty", "picks": ["PB0001"]}
    request = PageRequest.parse(there)
    page = handlers.restore(domain, state, told, request, {"movies": DomainState(("1",))})
    assert page.states["beauty"].picks == ("PB0001",)
    assert page.states["movies"] is state
    assert told in page.notice
    assert page.picker == {"domain": "movies", "picks": list(state.picks), "dataset": "ml-100k"}
    assert [choice["value"] for choice in page.choices.values()] == AUTO
    assert page.domain == "movies"
    notice_alone = notice_only("the file is no trace").parts
    assert notice_alone.keys() == {"notice"}
    assert "the file is no trace." in notice_alone["notice"]


@pytest.mark.parametrize(
    ("wish", "label"),
    [
        (Wish(more=("western", "war")), "User asks for more western and war."),
        (Wish(less=("drama",)), "User asks for less drama."),
    ],
)
def test_a_run_of_words_alone_is_kept_by_what_was_asked_for(runtime, wish, label):
    trace = runtime.recommender("movies").recommend([], Asked(wish=wish, profile_weight=0.4))
    html = keeper.saved(runtime, trace)
    assert f'data-label="{label}"' in html


def linked(picks, *choices):
    return PageRequest.parse({"domain": "movies", "picks": picks}, *choices)


def test_what_is_saved_can_be_read_out_of_the_page(saved, runtime):
    html = keeper.saved(runtime, saved.trace)
    assert f'data-id="{saved.trace.run_id}"' in html
    assert keeper.saved(runtime, None) == ""
    assert "&lt;" not in keeper.link(linked(["1", "2"], "auto", "titles", "auto"), runtime)
    fragment = keeper.link(linked(["1", '">&'], "auto", "titles", "auto"), runtime)
    assert 'data-link="domain=movies&amp;dataset=ml-100k&amp;picks=1,%22%3E%26&amp;' in fragment


def test_a_run_of_another_data_set_is_refused_with_the_reason(saved, runtime):
    other = saved.to_json().replace(f'"dataset": "{saved.trace.dataset}"', '"dataset": "beauty"')
    assert read_trace(other)
    with pytest.raises(PalrError, match="was made with"):
        keeper.opened(other, runtime)


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_a_hostile_run_is_kept_as_text_and_comes_back_whole(title, saved, runtime):
    pick, *others = saved.trace.picks
    hostile = replace(
        saved.trace,
        picks=(*others, replace(pick, title=title)),
        notes=(title,),
        run_id=title,
        fallback=title,
    )
    kept = keeper.saved(runtime, hostile)
    outline = Outline(kept)
    assert outline.elements == Outline(keeper.saved(runtime, saved.trace)).elements
    assert outline.open == []
    file = unescape(re.search(r'id="run-file"[^>]*>(.*?)</pre>', kept, re.DOTALL)[1])
    assert read_trace(file).trace == hostile
    beyond = Refinement("movies", Wish(more=(title,), liked=(title,)), None, title, (title,))
    asked = keeper.link(linked([title], title, title, title, beyond.payload()), runtime)
    assert Outline(asked).elements == [("span", "hidden", "data-link")]


def test_words_alone_are_saved_and_opened(runtime):
    asked = Asked(wish=Wish(words="funny <b>cartoons</b> from the nineties"))
    trace = runtime.recommender("movies").recommend([], asked)
    page = keeper.saved(runtime, trace)
    assert 'data-label="funny &lt;b&gt;cartoons&lt;/b&gt; from the nineties"' in page
    content = unescape(re.search(r'<pre id="run-file"[^>]*>(.*?)</pre>', page, re.DOTALL)[1])
    domain, state, _ = keeper.opened(content, runtime)
    assert (domain, state.picks, state.view.phase) == ("movies", (), "done")
    assert state.view.trace.candidates == trace.candidates
    assert state.view.trace.ranking == trace.ranking
    again = state.refinement.applied(state.choices.asked())
    assert again.wish == replace(trace.wish, words="")
    assert again.profile_weight == 0.0


class Elsewhere:
    """A runtime that serves another data set."""

    def __init__(self, dataset, *items):
        self._catalog = Catalog(dataset, DOMAINS["movies"], items)

    def catalog(self, domain):
        return self._catalog


def test_a_link_means_the_same_titles_where_another_data_set_is_served(runtime):
    refinement = Refinement("movies", Wish(liked=("50",), seen=("1", "71")))
    picked = {"domain": "movies", "picks": ["1", "50", "100"]}
    came = fragment_of(PageRequest.parse(picked, *AUTO, refinement.payload()), runtime)
    assert came["dataset"] == "ml-100k"
    there = Elsewhere(
        "ml-1m",
        Item("1", "GoldenEye", year=1995),
        Item("50", "The Usual Suspects", year=1995),
        Item("260", "Star Wars", year=1977),
        Item("608", "Fargo", year=1996),
    )
    _, state, told = keeper.opened(json.dumps(came), there)
    assert state.picks == ("260", "608")
    assert (state.refinement.wish.liked, state.refinement.wish.seen) == (("260",), ())
    assert told == (
        "These picks are of MovieLens-100K, and this is MovieLens-1M: 2 of 4 were found by title "
        "and year. Not in this catalog, and left out: Toy Story (1995), The Lion King (1994)."
    )


def test_an_old_link_says_that_its_data_set_is_not_known(runtime):
    old = json.loads(link())
    del old["dataset"]
    _, state, told = keeper.opened(json.dumps(old), runtime)
    assert state.picks == ("1", "588")
    assert told.startswith("Which data set these picks are of is not known.")


def test_a_page_of_another_data_set_is_told_so_and_keeps_its_link(runtime):
    handlers = Handlers(runtime)
    picked = {"domain": "movies", "picks": ["1"], "dataset": "ml-1m"}
    request = PageRequest.parse(picked, *AUTO, "")
    told = handlers.begin(request, {})
    assert "made for MovieLens-1M, and by now MovieLens-100K is served" in told.notice
    assert told.states["movies"].view.phase == "idle"
    for use in (lambda: keeper.link(request, runtime), lambda: handlers.changed(request, {})):
        with pytest.raises(PalrError, match="reload it"):
            use()


def test_a_page_that_was_lost_comes_back_with_a_word(runtime):
    _, state, told = keeper.opened(link(lost=True), runtime)
    assert (state.picks, told) == (("1", "588"), keeper.LOST)


_WORDS = st.text(max_size=12) | st.sampled_from(["movies", "beauty", "ml-100k", "ml-1m", "1", ""])
_VALUES = st.recursive(
    _WORDS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=8,
)
_JSON = _VALUES.map(lambda value: json.dumps(value)) | st.text(max_size=40)
_ASK = st.fixed_dictionaries(
    {"domain": _WORDS | _VALUES},
    optional={
        "wish": st.fixed_dictionaries({}, optional=dict.fromkeys(("liked", "seen"), _VALUES)),
        "profile": _VALUES,
        "keywords": _VALUES,
    },
).map(json.dumps)
_LINKS = st.fixed_dictionaries(
    {"format": st.just("palr-link")},
    optional={
        "domain": _WORDS | _VALUES,
        "dataset": _WORDS | _VALUES,
        "picks": st.lists(_WORDS, max_size=30) | _VALUES,
        "labels": st.dictionaries(_WORDS, _WORDS).map(json.dumps) | _JSON | _VALUES,
        "ask": _ASK | _JSON | _VALUES,
        "lost": _VALUES,
        **dict.fromkeys(Choices.names(), _WORDS | _VALUES),
    },
)


@pytest.mark.parametrize("n", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_whatever_a_link_says_it_opens_or_says_why_not(runtime, n):
    handlers = Handlers(runtime)

    @hypothesis.settings(max_examples=n, deadline=None, database=None)
    @hypothesis.given(_LINKS.map(json.dumps) | _JSON)
    def opens(text):
        try:
            domain, state, told = keeper.opened(text, runtime)
        except PalrError as error:
            domain, state, told = "movies", DomainState(), str(error)
        for pick in state.picks:
            runtime.catalog(domain).item(pick)
        page = handlers.restore(domain, state, told, PageRequest.parse({}), {})
        assert Outline(page.notice).open == []
        if not told:  # then nothing was lost
            assert set(json.loads(text)["picks"]) == set(state.picks)

    opens()
