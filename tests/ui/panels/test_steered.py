"""Each panel after a run with a wish, and after words alone: it works, or says why it cannot."""

import asyncio
import re
from collections.abc import Callable
from html import unescape
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from palr.app.runtime import Runtime
from palr.settings import Settings
from palr.types import Asked, Recommendation, Wish
from palr.ui.handlers import DomainState, Handlers
from palr.ui.panels import compare, edit, plots, sure, why, whynot
from palr.ui.panels.edit import Fields, Visit
from palr.ui.panels.host import PanelHost
from palr.ui.picker import Selection
from palr.ui.queued_run import Turns
from palr.ui.render import View

from ..test_queued_run import REQUEST

Build = Callable[[PanelHost], None]
PICKS = {
    "movies": ("Pulp Fiction (1994)", "The Godfather (1972)", "Fargo (1996)"),
    "beauty": ("opi nail lacquer, big apple red", "seche vite dry fast top coat"),
}
WISHES = {"movies": "more westerns, no drama", "beauty": "more fragrance, no lipstick"}


@pytest.fixture(scope="module")
def runtime(settings: Settings) -> Runtime:
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    runtime.llm()
    return runtime


@pytest.fixture(scope="module")
def run(runtime: Runtime) -> Callable[..., Recommendation]:
    """A finished run of a domain with its wish, with the picks or with words alone."""
    done: dict[tuple[str, bool], Recommendation] = {}

    def make(domain: str, picked: bool) -> Recommendation:
        if (domain, picked) not in done:
            recommender = runtime.recommender(domain)
            find = recommender.catalog.find
            picks = [find(title) for title in PICKS[domain]] if picked else []
            wish = Wish(words=WISHES[domain])
            asked = Asked(mode="relevance", wish=wish, profile_weight=0.4)
            done[domain, picked] = recommender.recommend(picks, asked)
        return done[domain, picked]

    return make


@pytest.fixture
def press(runtime: Runtime) -> Callable[..., str]:
    """What a panel's button leaves on the page, tags dropped."""

    def pressed(build: Build, trace: Recommendation, *values: Any) -> str:
        handlers = Handlers(runtime)
        states = {trace.domain: DomainState(view=View(trace, "done"))}
        event = SimpleNamespace(then=lambda *a, **k: None)
        with gr.Blocks() as demo:
            parts = gr.Radio(["movies", "beauty"]), gr.HTML(), gr.State({})
            turns = Turns(handlers, runtime.settings)
            build(PanelHost(runtime, handlers, turns, *parts, {}, {}, event, (event,)))
        functions = {fn.fn.__name__: fn.fn for fn in demo.fns.values() if fn.fn}
        going, *_ = functions["begin"](trace.domain, states)

        async def pages() -> list[Any]:
            asked = functions["run"](going, trace.domain, states, REQUEST, *values)
            return [page async for page in asked]

        *_, last = asyncio.run(pages())
        shown = [part for part in last if isinstance(part, str)]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", " ".join(shown))).split())

    return pressed


every_run = pytest.mark.parametrize("picked", [True, False], ids=["picks", "words-alone"])
every_domain = pytest.mark.parametrize("domain", ["movies", "beauty"])


@every_domain
@every_run
def test_why_this_pick(press: Any, run: Any, domain: str, picked: bool) -> None:
    told = press(why.build, run(domain, picked))
    assert "You asked for" in told
    if picked:
        assert "Language model: each pick's influence" in told
    else:
        assert "This run has no picks to leave out: it follows from what was asked for" in told
        assert "No single pick" not in told


@every_domain
@every_run
def test_how_sure(press: Any, run: Any, domain: str, picked: bool) -> None:
    told = press(sure.build, run(domain, picked))
    assert "On average a recommendation stays in the top 10" in told


@every_domain
@every_run
def test_map_and_plots(press: Any, run: Any, domain: str, picked: bool) -> None:
    told = press(plots.build, run(domain, picked))
    assert "The catalog, and this run in it" in told
    assert ("Nearest picks" in told) == picked
    if domain == "beauty" and not picked:
        assert "All items score the same: what was asked for alone made the order." in told
    else:
        assert "These are its own scores, before wish and profile moved them." in told


@pytest.mark.parametrize(
    ("title", "why_not"),
    [
        ("Titanic (1997)", "Wish and profile lower it: less drama "),
        ("Toy Story (1995)", "You asked for more western: it has none of that."),
    ],
)
@every_run
def test_why_not(press: Any, run: Any, title: str, why_not: str, picked: bool) -> None:
    told = press(whynot.build, run("movies", picked), title)
    assert why_not in told
    assert "What would bring it in" in told
    if not picked:
        assert "This run has no picks to which one could be added; asking for" in told
    beauty = press(whynot.build, run("beauty", picked), "mac lipstick")
    assert "less lipstick" in beauty


@pytest.mark.parametrize(
    ("wish", "why_not"),
    [
        ({"years": (1960, 1989)}, "you asked for the years 1960 to 1989, and it is of 1995."),
        ({"seen": ("1",)}, "you have seen it."),
        ({"disliked": ("1",)}, "you asked for less like it."),
    ],
)
def test_why_not_names_what_the_wish_rules_out(
    press: Any, runtime: Runtime, wish: dict[str, Any], why_not: str
) -> None:
    recommender = runtime.recommender("movies")
    picks = [recommender.catalog.find(title) for title in PICKS["movies"]]
    trace = recommender.recommend(picks, Asked(wish=Wish(**wish)))
    told = press(whynot.build, trace, "Toy Story (1995)")
    assert f"Your wish leaves it out: {why_not} SASRec alone would rank it " in told
    assert "What would bring it in" not in told


@every_domain
def test_a_run_is_compared_with_one_without_the_wish(press: Any, run: Any, domain: str) -> None:
    trace = run(domain, True)
    told = press(compare.build, trace, "unasked", "same")
    assert "Without the wish" in told
    assert "of the top 10 in both" in told
    assert "100% of the top 10 in both" not in told
    assert "come to the same run" in press(compare.build, trace, "with", "same")


@pytest.mark.parametrize("variant", ["unasked", "retriever semantic", "history 5", "without"])
def test_words_alone_say_what_cannot_be_compared(press: Any, run: Any, variant: str) -> None:
    told = press(compare.build, run("movies", False), variant, "same")
    assert "this run has words alone, and '" in told
    assert "needs picks: choose another one" in told


def test_words_alone_are_compared(press: Any, run: Any) -> None:
    told = press(compare.build, run("movies", False), "alone", "same")
    assert "of the top 10 in both" in told


@every_run
def test_edit_and_run_again(press: Any, run: Any, picked: bool) -> None:
    trace = run("movies", picked)
    fields = Fields.of(trace)
    chosen = Selection("movies", fields.candidates).payload()
    boxes = [list(fields.keywords), fields.instruction, chosen, fields.prompt]
    visits = {"movies": Visit((trace,))}
    told = press(edit.build, trace, visits, "Now I want war films, no comedy.", *boxes)
    assert "of the top 10 in both" in told
    assert "profile" in told
    same = press(edit.build, trace, visits, fields.profile, *boxes)
    assert "nothing was edited since the run that is shown" in same
