"""What visitors get when a run goes well, goes wrong, or is called off; no browser, no model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, cast

import pytest

from palr.app.own_items import OwnItems
from palr.app.runtime import LLMStatus, Runtime
from palr.catalog.own_items import new_own_item
from palr.domains import DOMAINS
from palr.errors import LLMError, UnknownItemError
from palr.ranking import DEFAULT_MODE
from palr.settings import Settings
from palr.types import Item, RankedItem, Ranking, Recommendation
from palr.ui.handlers import DomainState, Handlers
from palr.ui.request import AUTOMATIC, Choices, PageRequest
from palr.ui.update import Update

TITLES = DEFAULT_MODE
ITEM = Item("1", "Toy Story", year=1995)
PICKED = {"domain": "movies", "picks": ["1"]}


def request(picked: object = PICKED, session: str = "", **choices: str) -> PageRequest:
    """What the page sends with these picks, the mode `titles` unless another is chosen."""
    chosen = Choices(**{"mode": TITLES, **choices})
    return PageRequest.parse(picked, *asdict(chosen).values(), session=session)


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
    assert page["states"] == {}


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
    assert back.picker == PICKED


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
