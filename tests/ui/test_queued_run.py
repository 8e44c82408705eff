"""One run after the other, and what happens to those who leave. No browser, no model."""

import asyncio
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from palr.settings import Settings
from palr.types import Item, Recommendation
from palr.ui.handlers import BROKEN_OFF
from palr.ui.queued_run import Turns, in_threads

from .test_handlers import good_run, handlers_for, more, request

REQUEST: Any = SimpleNamespace(client=SimpleNamespace(host="192.0.2.1"), session_hash="visitor")


async def press(turns: Turns, states: dict[str, Any] | None = None) -> list[Any]:
    if states is None:
        states = turns._handlers.begin(request(), {}).states
    return [update async for update in turns.run(request(), states, REQUEST)]


def test_runs_take_turns_and_are_told_their_place() -> None:
    running = [0, 0]

    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        running[0] += 1
        running[1] = max(running)
        yield from good_run(picks)
        threading.Event().wait(0.1)
        running[0] -= 1

    turns = Turns(handlers_for(run), Settings())

    async def three() -> list[list[Any]]:
        return await asyncio.gather(*(press(turns) for _ in range(3)))

    results = asyncio.run(three())
    assert running[1] == 1
    assert all("Aladdin" in str([page.parts.get("ranking") for page in pages]) for pages in results)
    assert "Next in line" in results[1][0].profile
    assert "2nd in line" in results[2][0].profile
    assert turns.line.running == turns.line.waiting == 0


def test_a_change_that_follows_another_at_once_runs_once() -> None:
    """Both have begun by the time the first of their runs does: what the second brings is newer,
    and both runs find it."""
    asked: list[int] = []

    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        asked.append(1)
        yield from good_run(picks)

    turns = Turns(handlers_for(run), Settings())
    begin = turns._handlers.begin
    states = begin(request(asked=more("war")), {}).states
    states = begin(request(asked=more("war", "crime")), states).states

    async def both() -> list[list[Any]]:
        return await asyncio.gather(press(turns, states), press(turns, states))

    first, second = asyncio.run(both())
    assert asked == [1]
    assert "Aladdin" in str([update.parts.get("ranking") for update in first])
    assert first[0].states["movies"].refinement == more("war", "crime")
    assert [update.parts for update in second] == [{}]


def test_whoever_leaves_the_line_makes_room() -> None:
    turns = Turns(handlers_for(good_run), Settings(queue=1))
    first = turns.line.join()

    async def leave() -> None:
        states = turns._handlers.begin(request(), {}).states
        pages = turns.run(request(), states, REQUEST)
        assert "Next in line" in (await anext(pages)).profile
        refused = await press(turns)
        assert "all 1 places in line are taken" in refused[0].notice
        await pages.aclose()
        assert turns.line.waiting == 0
        states = turns._handlers.begin(request(), states).states
        cancelled = turns.run(request(), states, REQUEST)
        await anext(cancelled)
        states["movies"].stop.set()
        last = [page async for page in cancelled][-1]
        assert "Cancelled" in last.ranking

    asyncio.run(leave())
    first.leave()
    assert turns.line.running == turns.line.waiting == 0


def test_a_run_that_is_abandoned_gives_its_turn_back() -> None:
    closed = threading.Event()

    def run(picks: Sequence[Item]) -> Iterator[Recommendation]:
        try:
            while True:
                yield from good_run(picks)
        finally:
            closed.set()

    turns = Turns(handlers_for(run), Settings())

    async def abandon() -> None:
        states = turns._handlers.begin(request(), {}).states
        pages = turns.run(request(), states, REQUEST)
        for _ in range(3):
            await anext(pages)
        await pages.aclose()

    asyncio.run(abandon())
    assert closed.is_set()
    assert turns.line.running == 0


@pytest.mark.parametrize("rate", [2])
def test_too_many_runs_of_one_visitor_are_turned_away(rate: int) -> None:
    turns = Turns(handlers_for(good_run), Settings(rate=rate))
    pages = [asyncio.run(press(turns)) for _ in range(rate + 1)]
    assert "more than 2 runs in a minute" in pages[-1][0].notice
    assert turns.line.running == 0


def test_other_work_waits_in_the_same_line_and_stops_when_told() -> None:
    turns = Turns(handlers_for(good_run), Settings(queue=1))
    first = turns.line.join()
    stop, closed = threading.Event(), threading.Event()

    def pages() -> Iterator[tuple[Any, ...] | None]:
        try:
            yield ("at work",)
            while True:
                yield None
        finally:
            closed.set()

    def work() -> Any:
        return turns.work(pages(), lambda w: (w,), lambda why: (why,), stop.is_set, REQUEST)

    async def leave() -> None:
        going = work()
        assert await anext(going) == ("Next in line",)
        assert "all 1 places in line are taken" in (await anext(work()))[0]
        first.leave()
        assert await anext(going) == ("at work",)
        threading.Timer(0.2, stop.set).start()
        assert [page async for page in going] == []

    asyncio.run(leave())
    assert closed.is_set()
    assert turns.line.running == turns.line.waiting == 0


def test_a_task_that_is_cancelled_in_a_step_closes_what_it_stepped() -> None:
    began, closed = threading.Event(), threading.Event()

    def pages() -> Generator[tuple[Any, ...]]:
        try:
            began.set()
            time.sleep(0.3)
            yield ("page",)
        finally:
            closed.set()

    async def cancelled() -> None:
        async def follow() -> None:
            async for _ in in_threads(pages()):
                pass

        task = asyncio.create_task(follow())
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert closed.is_set()


def test_a_run_that_began_on_another_server_says_so_and_frees_the_button() -> None:
    turns = Turns(handlers_for(good_run), Settings())
    (page,) = asyncio.run(press(turns, {}))
    assert BROKEN_OFF in page.notice
    assert page.recommend["value"] == "Recommend"
    assert page.recommend["interactive"] is True
    # Where there was nothing to run with, that has been said, and stays.
    states = turns._handlers.begin(request({"domain": "movies", "picks": []}), {}).states
    (page,) = asyncio.run(press(turns, states))
    assert page.parts == {}
