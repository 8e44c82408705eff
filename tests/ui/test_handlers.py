"""What visitors get when a run goes well, goes wrong, or is called off; no browser, no model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from palr.app.own_items import OwnItems
from palr.app.runtime import LLMStatus, Runtime
from palr.catalog.own_items import new_own_item
from palr.domains import DOMAINS
from palr.errors import LLMError, UnknownItemError
from palr.llm.scripted import ScriptedLLM, reversed_candidates
from palr.ranking import DEFAULT_MODE
from palr.settings import Settings
from palr.types import Item, RankedItem, Ranking, Recommendation, Wish
from palr.ui.handlers import MAX_UNDO, DomainState, Handlers
from palr.ui.refine import Refinement
from palr.ui.render import View
from palr.ui.request import AUTOMATIC, Choices, PageRequest
from palr.ui.update import Update

TITLES = DEFAULT_MODE
ITEM = Item("1", "Toy Story", year=1995)
PICKED = {"domain": "movies", "picks": ["1"]}


def request(
    picked: object = PICKED, session: str = "", asked: Refinement | None = None, **choices: str
) -> PageRequest:
    """What the page sends with these picks, the mode `titles` unless another is chosen."""
    chosen = Choices(**{"mode": TITLES, **choices})
    beyond = asked.payload() if asked else ""
    return PageRequest.parse(picked, *asdict(chosen).values(), beyond, session=session)


def more(*keywords: str) -> Refinement:
    """What the page asks for with these keywords as chips."""
    return Refinement("movies", Wish(more=keywords))


class OneFilm:
    """A catalog of one film, and the runtime and recommender around it."""

    domain = DOMAINS["movies"]
    dataset = "ml-100k"
    items = (ITEM,)
    has_interactions = True

    def __init__(self, run: Callable[[Sequence[Item]], Iterator[Recommendation]]):
        self.stream = lambda picks, asked, patience=None, earlier=None: run(picks)
        self.settings = Settings()
        self.own_items = OwnItems()
        self.read_ahead: list[tuple[str, list[Item], str | None, str | None]] = []
        self.llm_status = LLMStatus("ready", "scripted")

    def item(self, id: str) -> Item:
        if id != ITEM.id:
            raise UnknownItemError(id)
        return ITEM

    def catalog(self, domain: str) -> "OneFilm":
        return self

    def prefetch(
        self, domain: str, picks: list[Item], mode: str | None, adapter: str | None
    ) -> None:
        self.read_ahead.append((domain, picks, mode, adapter))

    def adapters(self, domain: str) -> dict[str, str]:
        return {"ml-v1": "PALR_v1", "ml-v2": "PALR_v2"}

    def default_adapter(self, domain: str) -> str | None:
        return "ml-v2"

    zero_shot = "zero-shot"

    def recommender(self, domain: str) -> Any:
        return SimpleNamespace(stream=self.stream)

    def retrievers(self, domain: str) -> list[str]:
        return ["popularity"]


def good_run(picks: Sequence[Item]) -> Iterator[Recommendation]:
    trace = Recommendation("movies", "ml-100k", tuple(picks), tuple(picks))
    yield trace
    ranking = Ranking((RankedItem(Item("2", "Aladdin"), 1, 3),))
    seconds = {"profile": 1.0, "candidates": 1.0, "ranking": 1.0}
    yield Recommendation(
        "movies", "ml-100k", tuple(picks), tuple(picks), ranking=ranking, seconds=seconds
    )


def bad_run(error: Exception) -> Callable[[Sequence[Item]], Iterator[Recommendation]]:
    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        yield Recommendation("movies", "ml-100k", tuple(picks), tuple(picks))
        raise error

    return run


def press(handlers: Handlers, picked: object = PICKED) -> dict[str, Any]:
    """Press Recommend; the page afterwards, each part as it was last sent."""
    page = handlers.begin(request(picked), {}).parts
    for update in handlers.run(request(picked), page["states"]):
        page |= update.parts if update else {}
    return page


def handlers_for(run: Callable[[Sequence[Item]], Iterator[Recommendation]]) -> Handlers:
    return Handlers(cast(Runtime, OneFilm(run)))


def test_a_run_ends_with_its_recommendations() -> None:
    page = press(handlers_for(good_run))
    assert "Aladdin" in page["ranking"]
    assert "up 2 from 3" in page["ranking"]
    assert page["notice"] == ""


def test_no_picks_keep_the_page_as_it_was() -> None:
    page = press(handlers_for(good_run), {"domain": "movies", "picks": []})
    assert "Pick at least one movie first, or ask for something." in page["notice"]
    assert page["states"]["movies"].view.phase == "idle"


def test_unknown_ids_are_reported_and_the_rest_is_run() -> None:
    page = press(handlers_for(good_run), {"domain": "movies", "picks": ["PB0001", "1"]})
    assert "left out: 1 pick." in page["notice"]
    assert "Aladdin" in page["ranking"]


def test_an_expected_error_is_shown_escaped() -> None:
    page = press(handlers_for(bad_run(LLMError("no <model>; run `python -m palr setup`"))))
    assert "no &lt;model&gt;; run `python -m palr setup`" in page["notice"]
    assert "Failed" in page["ranking"]


def test_an_unexpected_error_shows_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    page = press(handlers_for(bad_run(ZeroDivisionError("secret detail"))))
    assert "Your picks are kept" in page["notice"]
    assert "secret detail" not in page["notice"]
    assert "secret detail" in caplog.text


def test_cancel_reaches_a_run_that_has_not_begun() -> None:
    asked: list[int] = []

    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        asked.append(1)
        yield from good_run(picks)

    handlers = handlers_for(run)
    begun = handlers.begin(request(), {})
    handlers.cancelled(request(), begun.states)
    updates = list(handlers.run(request(), begun.states))
    assert len(updates) == 1
    assert "Cancelled" in updates[0].ranking
    assert asked == []


def test_each_domain_keeps_its_picks_and_results() -> None:
    handlers = handlers_for(good_run)
    states = press(handlers)["states"]
    away = handlers.switch("beauty", request(), states)
    assert "Aladdin" not in away.ranking
    back = handlers.switch("movies", request({"domain": "beauty", "picks": ["x"]}), away.states)
    assert "Aladdin" in back.ranking
    assert back.states["beauty"].picks == ("x",)
    assert back.picker == {**PICKED, "dataset": "ml-100k"}


def test_results_are_stale_once_picks_or_retriever_differ() -> None:
    handlers = handlers_for(good_run)
    states: dict[str, DomainState] = press(handlers)["states"]
    assert handlers.changed(request(), states) == ""
    nothing = {**PICKED, "picks": []}
    assert "Picks changed" in handlers.changed(request(nothing), states)
    assert "Model changed" in handlers.changed(request(adapter="palr-v1"), states)
    assert "Ranking changed" in handlers.changed(request(mode="labels"), states)
    assert "Retriever changed" in handlers.changed(request(retriever="popularity"), states)


def test_picks_are_read_ahead_but_not_those_of_a_run_under_way() -> None:
    films = OneFilm(good_run)
    handlers = Handlers(cast(Runtime, films))
    handlers.changed(request({**PICKED, "picks": ["1", "gone"]}, mode="labels"), {})
    assert films.read_ahead == [("movies", [ITEM], "labels", None)]
    begun = handlers.begin(request(), {})
    handlers.changed(request(), begun.states)
    assert len(films.read_ahead) == 1


def test_a_visitors_own_items_are_read_ahead_too() -> None:
    films = OneFilm(good_run)
    own = new_own_item("Night Train (2031)", "crime, trains")
    films.own_items.add("session", "movies", own)
    picked = {**PICKED, "picks": ["1", own.id]}
    Handlers(cast(Runtime, films)).changed(request(picked, "session"), {})
    Handlers(cast(Runtime, films)).changed(request(picked, "another"), {})
    assert [picks for _, picks, *_ in films.read_ahead] == [[ITEM, own], [ITEM]]


def test_a_run_with_nothing_new_sends_nothing_but_can_be_cancelled() -> None:
    def run(picks: Sequence[Item]) -> Iterator[Recommendation | None]:
        trace = Recommendation("movies", "ml-100k", tuple(picks), tuple(picks))
        yield trace
        for _ in range(20):
            asked.append(1)
            if len(asked) == 10:
                begun.states["movies"].stop.set()
            yield None

    asked: list[int] = []
    handlers = handlers_for(run)
    begun = handlers.begin(request(), {})
    updates = [update for update in handlers.run(request(), begun.states) if update]
    assert len(updates) == 3  # before the run, its one trace, cancelled
    assert "Cancelled" in updates[-1].ranking
    assert len(asked) == 10


def test_a_stopped_run_keeps_quiet_once_another_has_begun() -> None:
    handlers = handlers_for(good_run)
    begun = handlers.begin(request(), {})
    run = handlers.run(request(), begun.states)
    first = next(run)
    assert first is not None
    cancelled = handlers.cancelled(request(), first.states)
    again = handlers.begin(request(), cancelled.states)
    assert [update.parts for update in run if update] == [{}]
    assert not again.states["movies"].stop.is_set()


def test_forged_words_are_taken_for_the_first_choice() -> None:
    handlers = handlers_for(good_run)
    assert handlers.status("no-such-domain")[0] == handlers.status("movies")[0]
    forged = request(retriever="nobody", mode="nothing", adapter="none")
    page = handlers.switch("<script>", forged, {})
    assert [choice["value"] for choice in page.choices.values()] == [AUTOMATIC] * len(
        Choices.names()
    )
    assert page.picker["domain"] == "movies"


def test_adapters_can_be_chosen_the_best_first() -> None:
    handlers = handlers_for(good_run)
    films = cast(Runtime, OneFilm(good_run))
    assert Choices.offered(films, "movies")["adapter"] == [
        ("Automatic", AUTOMATIC),
        ("PALR_v2", "ml-v2"),
        ("PALR_v1", "ml-v1"),
        ("Zero-shot", "zero-shot"),
    ]
    ways = [way for _, way in Choices.offered(films, "movies")["writing"]]
    assert ways == [AUTOMATIC, "grounded", "free"]
    assert Choices(writing="free").asked().writing == "free"
    assert "scripted, PALR_v2" in handlers.status("movies")[0]
    assert "scripted, PALR_v1" in handlers.status("movies", "ml-v1")[0]
    assert "scripted, zero-shot" in handlers.status("movies", "zero-shot")[0]
    assert "scripted, PALR_v2" in handlers.status("movies", "no-such-adapter")[0]


def test_the_status_is_that_of_the_adapter_a_domain_was_left_with() -> None:
    handlers = handlers_for(good_run)
    there = {"movies": DomainState(choices=Choices(adapter="ml-v1"))}
    assert "scripted, PALR_v1" in handlers.switch("movies", request(), there).status


def test_a_run_in_line_and_a_run_that_was_not_let_in() -> None:
    handlers = handlers_for(good_run)
    states = handlers.begin(request(), {}).states
    waiting = handlers.waiting(request(), states, "3rd in line, about 10 s")
    assert "3rd in line, about 10 s" in waiting.profile
    assert waiting.cancel["visible"] is True
    refused = handlers.refused(request(), waiting.states, "All places are taken")
    assert "All places are taken." in refused.notice
    assert refused.recommend["interactive"] is True
    assert refused.cancel["visible"] is False


def test_only_what_changed_is_sent() -> None:
    before = Update(notice="a", ranking="b", states={"movies": 1})
    assert Update(notice="a", ranking="c").since(before).parts == {"ranking": "c"}
    assert Update(profile="d").since(before).parts == {"profile": "d"}


def test_parts_are_sent_by_component() -> None:
    components = {"notice": object(), "ranking": object()}
    assert Update(ranking="x").for_gradio(components) == {components["ranking"]: "x"}
    choice = {"mode": object()}
    assert Update(choices={"mode": "y"}).for_gradio(choice) == {choice["mode"]: "y"}
    # Nothing at all would be taken for a value.
    (only,) = Update().for_gradio(components)
    assert only is components["notice"]


def done(*keywords: str, picks: Sequence[Item] = (ITEM,)) -> View:
    """A view of a finished run that was asked for these keywords."""
    *_, trace = good_run(picks)
    return View(replace(trace, run_id=" ".join(keywords) or "plain"), "done")


def shown(state: DomainState, view: View) -> DomainState:
    """A state once its run has ended in this view."""
    way_back = replace(view, before=state.view.before, undoable=state.view.undoable)
    return replace(state, view=way_back)


def test_a_change_keeps_the_run_before_it_in_view_and_the_way_back() -> None:
    first = shown(DomainState().next_run(request()), done())
    changed = first.next_run(request(asked=more("war")))
    assert changed.view.phase == "waiting"
    assert changed.view.undoable
    assert changed.view.before == first.view.trace
    assert changed.refinement == more("war")
    assert [earlier.view for earlier in changed.earlier] == [first.view]
    assert changed.undone() == first
    # The profile stays in view while the rest is made again.
    kept = changed.view.trace
    assert kept is not None
    assert (kept.run_id, kept.ranking) == ("plain", None)
    assert set(kept.seconds) == {"profile"}


def test_each_change_can_be_undone_in_turn_as_far_as_the_first_run() -> None:
    states = [shown(DomainState().next_run(request()), done())]
    for words in (["war"], ["war", "crime"], ["crime"]):
        begun = states[-1].next_run(request(asked=more(*words)))
        states.append(shown(begun, done(*words)))
    state = states.pop()
    while states:
        state = state.undone()
        assert state == states.pop()
    assert state.undone() is state
    assert not state.view.undoable


def test_the_way_back_has_an_end() -> None:
    state = shown(DomainState().next_run(request()), done())
    for n in range(MAX_UNDO + 5):
        state = shown(state.next_run(request(asked=more(f"word{n}"))), done(f"word{n}"))
    assert len(state.earlier) == MAX_UNDO
    for _ in range(MAX_UNDO):
        state = state.undone()
    assert state.refinement == more("word4")
    assert state.undone() is state


def test_a_change_to_a_run_that_never_ended_goes_back_to_the_one_before_it() -> None:
    first = shown(DomainState().next_run(request()), done())
    begun = first.next_run(request(asked=more("war")))
    for phase in ("waiting", "running", "failed", "cancelled"):
        unfinished = replace(begun, view=replace(begun.view, phase=phase))
        again = unfinished.next_run(request(asked=more("war", "crime")))
        assert again.undone() == first


def test_other_picks_begin_anew_and_other_settings_keep_the_way_back() -> None:
    first = shown(DomainState().next_run(request()), done())
    changed = shown(first.next_run(request(asked=more("war"))), done("war"))
    other = changed.next_run(request({**PICKED, "picks": ["1", "2"]}, asked=more("war")))
    assert (other.earlier, other.view.before, other.view.undoable) == ((), None, False)
    labels = changed.next_run(request(asked=more("crime"), mode="labels"))
    assert labels.view.before is None  # it is not the change alone that moves things
    back = labels.undone()
    assert back == changed
    assert back.stale_reasons(request(asked=more("war"), mode="labels")) == ["ranking"]


def test_the_same_again_is_run_from_the_beginning() -> None:
    first = shown(DomainState().next_run(request()), done())
    changed = shown(first.next_run(request(asked=more("war"))), done("war"))
    back = changed.next_run(request())
    assert len(back.earlier) == 2
    again = first.next_run(request())
    assert (again.view.before, again.view.trace, again.earlier) == (None, None, ())


@pytest.fixture(scope="module")
def written(settings: Settings) -> tuple[Handlers, list[str]]:
    """The real app with a model that follows a script, and the prompts that it was given."""
    runtime = Runtime(settings.model_copy(update={"llm_backend": "scripted"}))
    prompts: list[str] = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        return reversed_candidates(prompt) if "candidates are" in prompt else "action"

    runtime._llm = ScriptedLLM(reply)
    return Handlers(runtime), prompts


def ran(handlers: Handlers, asking: PageRequest, states: Any) -> dict[str, Any]:
    """Begin a run and follow it to its end; the page afterwards."""
    page = handlers.begin(asking, states).parts
    for update in handlers.run(asking, page["states"]):
        page |= update.parts if update else {}
    return page


def ten(page: dict[str, Any]) -> list[str]:
    return [ranked.item.label for ranked in page["states"]["movies"].view.trace.ranking.items]


PICKS = {"domain": "movies", "picks": ["50", "172", "181"]}


def test_a_change_takes_the_profile_that_was_written_and_makes_the_rest_again(written) -> None:
    handlers, prompts = written
    first = ran(handlers, request(PICKS), {})
    profiles = [prompt for prompt in prompts if "candidates are" not in prompt]
    assert profiles
    prompts.clear()
    asked = request(PICKS, asked=more("western"))
    changed = ran(handlers, asked, first["states"])
    assert all("candidates are" in prompt for prompt in prompts)
    assert any("more western" in prompt for prompt in prompts)
    before, after = (page["states"]["movies"].view.trace for page in (first, changed))
    assert after.profile == before.profile
    assert after.candidates != before.candidates
    assert "Since your change" in changed["ranking"]
    # The same picks without a change are a new run from the beginning.
    prompts.clear()
    ran(handlers, request(PICKS), first["states"])
    assert not all("candidates are" in prompt for prompt in prompts)


def test_undo_shows_the_exact_earlier_ten_and_what_they_were_asked_for(written) -> None:
    handlers, _ = written
    first = ran(handlers, request(PICKS), {})
    changed = ran(handlers, request(PICKS, asked=more("western")), first["states"])
    assert ten(changed) != ten(first)
    update = handlers.undo(request(PICKS, asked=more("western")), changed["states"])
    assert ten(update.parts) == ten(first)
    assert update.ranking == first["ranking"]
    assert update.refine == Refinement("movies").payload()
    assert handlers.changed(request(PICKS), update.states) == ""
    assert handlers.undo(request(PICKS), update.states).parts == {}
    assert handlers.undo(request(PICKS), {}).parts == {}


def test_undo_stops_the_run_that_is_under_way(written) -> None:
    handlers, _ = written
    first = ran(handlers, request(PICKS), {})
    asked = request(PICKS, asked=more("western"))
    begun = handlers.begin(asked, first["states"])
    steps = handlers.run(asked, begun.states)
    next(steps)
    undone = handlers.undo(asked, begun.states)
    assert [update.parts for update in steps if update] == [{}]
    assert ten(undone.parts) == ten(first)
    assert undone.cancel["visible"] is False


def test_words_alone_run_without_picks(written) -> None:
    handlers, _ = written
    asked = request({"domain": "movies", "picks": []}, asked=more("western"))
    page = ran(handlers, asked, {})
    assert len(ten(page)) == 10
    assert page["notice"] == ""


def test_a_wish_that_leaves_nothing_fails_in_words_and_can_be_undone(written) -> None:
    handlers, _ = written
    first = ran(handlers, request(PICKS), {})
    asked = Refinement("movies", Wish(years=(1900, 1901)))
    page = ran(handlers, request(PICKS, asked=asked), first["states"])
    assert "no movie is left: widen the years" in page["notice"]
    assert "Your change could not be followed." in page["ranking"]
    update = handlers.undo(request(PICKS, asked=asked), page["states"])
    assert ten(update.parts) == ten(first)


def test_a_change_that_is_not_let_in_leaves_what_was_shown(written) -> None:
    handlers, _ = written
    first = ran(handlers, request(PICKS), {})
    asked = request(PICKS, asked=more("western"))
    begun = handlers.begin(asked, first["states"])
    refused = handlers.refused(asked, begun.states, "All places are taken")
    assert "All places are taken." in refused.notice
    assert ten(refused.parts) == ten(first)


def test_what_is_asked_for_differs_from_what_was_run(written) -> None:
    handlers, _ = written
    first = ran(handlers, request(PICKS), {})
    assert "Wish changed" in handlers.changed(request(PICKS, asked=more("war")), first["states"])


def test_each_domain_keeps_what_was_asked_for_in_it(written) -> None:
    handlers, _ = written
    page = ran(handlers, request(PICKS, asked=more("western")), {})
    beauty = handlers.switch("beauty", request(PICKS, asked=more("western")), page["states"])
    assert beauty.refine == Refinement("beauty").payload()
    back = handlers.switch("movies", request({"domain": "beauty", "picks": []}), beauty.states)
    assert Refinement.parse(back.refine, "movies") == more("western")
