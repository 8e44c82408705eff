"""What visitors get when a run goes well, goes wrong, or is called off; no browser, no model."""

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from palr.app.own_items import OwnItems
from palr.app.runtime import LLMStatus, Runtime
from palr.domains import DOMAINS
from palr.errors import LLMError, UnknownItemError
from palr.ranking import DEFAULT_MODE
from palr.settings import Settings
from palr.types import Item, RankedItem, Ranking, Recommendation
from palr.ui.handlers import AUTOMATIC, Desk, Handlers

TITLES = DEFAULT_MODE
ITEM = Item("1", "Toy Story", year=1995)
PICKED = {"domain": "movies", "picks": ["1"]}
NOTICE, RANKING = 1, 4  # places in a page


class AdapterPool:
    """A catalog of one film, and the runtime and recommender around it."""

    domain = DOMAINS["movies"]
    dataset = "ml-100k"
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

    def catalog(self, domain: str) -> "AdapterPool":
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


def press(handlers: Handlers, picked: object = PICKED) -> list[Any]:
    """Press Recommend; the page afterwards, each part as it was last sent."""
    page = list(handlers.begin(picked, AUTOMATIC, TITLES, AUTOMATIC, {}))
    for update in handlers.run(picked, page[0]):
        for place, part in enumerate(update):
            skipped = isinstance(part, dict) and set(part) == {"__type__"}
            page[place] = page[place] if skipped else part
    return page


def handlers_for(run: Callable[[Sequence[Item]], Iterator[Recommendation]]) -> Handlers:
    return Handlers(cast(Runtime, AdapterPool(run)))


def test_a_run_ends_with_its_recommendations() -> None:
    page = press(handlers_for(good_run))
    assert "Aladdin" in page[RANKING]
    assert "up 2 from 3" in page[RANKING]
    assert page[NOTICE] == ""


def test_no_picks_keep_the_page_as_it_was() -> None:
    page = press(handlers_for(good_run), {"domain": "movies", "picks": []})
    assert "Pick at least one movie first." in page[NOTICE]
    assert page[0] == {}


def test_unknown_ids_are_reported_and_the_rest_is_run() -> None:
    page = press(handlers_for(good_run), {"domain": "movies", "picks": ["PB0001", "1"]})
    assert "left out: 1 pick." in page[NOTICE]
    assert "Aladdin" in page[RANKING]


def test_an_expected_error_is_shown_escaped() -> None:
    page = press(handlers_for(bad_run(LLMError("no <model>; run `python -m palr setup`"))))
    assert "no &lt;model&gt;; run `python -m palr setup`" in page[NOTICE]
    assert "Failed" in page[RANKING]


def test_an_unexpected_error_shows_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    page = press(handlers_for(bad_run(ZeroDivisionError("secret detail"))))
    assert "Your picks are kept" in page[NOTICE]
    assert "secret detail" not in page[NOTICE]
    assert "secret detail" in caplog.text


def test_cancel_reaches_a_run_that_has_not_begun() -> None:
    asked: list[int] = []

    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        asked.append(1)
        yield from good_run(picks)

    handlers = handlers_for(run)
    begun = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, {})
    handlers.cancelled(PICKED, begun[0])
    updates = list(handlers.run(PICKED, begun[0]))
    assert len(updates) == 1
    assert "Cancelled" in updates[0][RANKING]
    assert asked == []


def test_each_domain_keeps_its_picks_and_results() -> None:
    handlers = handlers_for(good_run)
    desks = press(handlers)[0]
    away = handlers.switch("beauty", PICKED, AUTOMATIC, TITLES, AUTOMATIC, desks)
    assert "Aladdin" not in away[RANKING]
    back = handlers.switch(
        "movies", {"domain": "beauty", "picks": ["x"]}, AUTOMATIC, TITLES, AUTOMATIC, away[0]
    )
    assert "Aladdin" in back[RANKING]
    assert back[0]["beauty"].picks == ("x",)
    assert PICKED in back


def test_results_are_stale_once_picks_or_retriever_differ() -> None:
    handlers = handlers_for(good_run)
    desks: dict[str, Desk] = press(handlers)[0]
    assert handlers.changed(PICKED, AUTOMATIC, TITLES, AUTOMATIC, desks) == ""
    nothing = {**PICKED, "picks": []}
    assert "Picks changed" in handlers.changed(nothing, AUTOMATIC, TITLES, AUTOMATIC, desks)
    assert "Model changed" in handlers.changed(PICKED, AUTOMATIC, TITLES, "palr-v1", desks)
    assert "Ranking changed" in handlers.changed(PICKED, AUTOMATIC, "labels", AUTOMATIC, desks)
    assert "Retriever changed" in handlers.changed(PICKED, "popularity", TITLES, AUTOMATIC, desks)


def test_picks_are_read_ahead_but_not_those_of_a_run_under_way() -> None:
    pool = AdapterPool(good_run)
    handlers = Handlers(cast(Runtime, pool))
    handlers.changed({**PICKED, "picks": ["1", "gone"]}, AUTOMATIC, "labels", AUTOMATIC, {})
    assert pool.read_ahead == [("movies", [ITEM], "labels", None)]
    begun = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, {})
    handlers.changed(PICKED, AUTOMATIC, TITLES, AUTOMATIC, begun[0])
    assert len(pool.read_ahead) == 1


def test_a_trace_that_did_not_grow_is_not_sent_again_but_can_be_cancelled() -> None:
    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        trace = Recommendation("movies", "ml-100k", tuple(picks), tuple(picks))
        for _ in range(20):
            asked.append(1)
            if len(asked) == 10:
                begun[0]["movies"].stop.set()
            yield trace

    asked: list[int] = []
    handlers = handlers_for(run)
    begun = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, {})
    updates = list(handlers.run(PICKED, begun[0]))
    assert len(updates) == 3  # before the run, its one trace, cancelled
    assert "Cancelled" in updates[-1][RANKING]
    assert len(asked) == 10


def test_a_stopped_run_keeps_quiet_once_another_has_begun() -> None:
    handlers = handlers_for(good_run)
    begun = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, {})
    run = handlers.run(PICKED, begun[0])
    first = next(run)
    cancelled = handlers.cancelled(PICKED, first[0])
    again = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, cancelled[0])
    late = next(run)
    assert all(isinstance(part, dict) and set(part) == {"__type__"} for part in late)
    assert list(run) == []
    assert not again[0]["movies"].stop.is_set()


def test_forged_words_are_taken_for_the_first_choice() -> None:
    handlers = handlers_for(good_run)
    assert handlers.status("no-such-domain")[0] == handlers.status("movies")[0]
    page = handlers.switch("<script>", PICKED, "nobody", "nothing", "none", {})
    assert [setting["value"] for setting in page[-4:-1]] == [AUTOMATIC] * 3
    assert page[-5]["domain"] == "movies"


def test_adapters_can_be_chosen_the_best_first() -> None:
    handlers = handlers_for(good_run)
    assert handlers.adapter_choices("movies") == [
        ("Automatic", AUTOMATIC),
        ("PALR_v2", "ml-v2"),
        ("PALR_v1", "ml-v1"),
        ("Zero-shot", "zero-shot"),
    ]
    assert "scripted, PALR_v2" in handlers.status("movies")[0]
    assert "scripted, PALR_v1" in handlers.status("movies", "ml-v1")[0]
    assert "scripted, zero-shot" in handlers.status("movies", "zero-shot")[0]
    assert "scripted, PALR_v2" in handlers.status("movies", "no-such-adapter")[0]


def test_the_status_is_that_of_the_adapter_a_domain_was_left_with() -> None:
    handlers = handlers_for(good_run)
    there = {"movies": Desk(asked_adapter="ml-v1")}
    page = handlers.switch("movies", PICKED, AUTOMATIC, AUTOMATIC, AUTOMATIC, there)
    assert "scripted, PALR_v1" in page[-1]


def test_a_run_in_line_and_a_run_that_was_not_let_in() -> None:
    handlers = handlers_for(good_run)
    desks = handlers.begin(PICKED, AUTOMATIC, TITLES, AUTOMATIC, {})[0]
    waiting = handlers.waiting(PICKED, desks, "3rd in line, about 10 s")
    assert "3rd in line, about 10 s" in waiting[2]
    assert waiting[-1]["visible"] is True
    refused = handlers.refused(PICKED, waiting[0], "All places are taken")
    assert "All places are taken." in refused[NOTICE]
    assert refused[-2]["interactive"] is True
    assert refused[-1]["visible"] is False
