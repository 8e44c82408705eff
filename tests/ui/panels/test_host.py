"""A panel's button from its press to its end, without a browser or a model."""

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from palr.app.read_ahead import Running
from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.settings import Settings
from palr.types import Recommendation
from palr.ui.handlers import Handlers
from palr.ui.panels.host import PanelHost, Step, action
from palr.ui.queued_run import Turns

from ..test_handlers import PICKED, OneFilm, good_run, press
from ..test_queued_run import REQUEST

SAID = 0


def pressed(work: Any, states: dict[str, Any], domain: str = "movies") -> list[Any]:
    """The pages after the press of the button: the first by its handler, the others of its run."""
    handlers = Handlers(cast(Runtime, OneFilm(good_run)))
    turns = Turns(handlers, Settings())
    with gr.Blocks() as demo:
        domains, picker, state = gr.Radio(["movies"]), gr.HTML(), gr.State({})
        event = SimpleNamespace(then=lambda *a, **k: None)
        host = PanelHost(
            *(
                cast(Runtime, SimpleNamespace(running=Running())),
                handlers,
                turns,
                domains,
                picker,
                state,
                {},
                {},
            ),
            *(event, (event,)),
        )
        action(host, "Measure", work, outputs=[gr.HTML()])
    begin, run, _ = (fn.fn for fn in demo.fns.values())
    going, *begun = begin(domain, states)

    async def ran() -> list[Any]:
        return [page async for page in run(going, domain, states, REQUEST)]

    return [begun, *asyncio.run(ran())]


@pytest.fixture
def states() -> dict[str, Any]:
    return dict(press(Handlers(cast(Runtime, OneFilm(good_run))), PICKED)["states"])


def test_work_shows_its_progress_and_its_result(states: dict[str, Any]) -> None:
    def work(trace: Recommendation) -> Generator[Step]:
        assert trace.ranking is not None
        yield Step("Counting <b>", 1, 2)
        yield Step("Counted", 2, 2, page=(trace.ranking.items[0].item.title,))

    begun, first, second, last = pressed(work, states)
    assert "Waiting for a turn" in begun[SAID]
    assert "Counting &lt;b&gt;" in first[SAID]
    assert "1 of 2" in first[SAID]
    assert second[-1] == "Aladdin"
    assert last[SAID] == ""


def test_without_a_finished_run_it_says_what_to_do() -> None:
    def work(trace: Recommendation) -> Generator[Step]:
        raise AssertionError("nothing to work on")

    begun, only = pressed(work, {})
    assert "Run a recommendation first" in begun[SAID]
    assert all(set(part) == {"__type__"} for part in only)


@pytest.mark.parametrize(
    ("error", "words"),
    [(PalrError("no <model>; do this"), "no &lt;model&gt;; do this"), (ZeroDivisionError(), "log")],
)
def test_errors_are_told(states: dict[str, Any], error: Exception, words: str) -> None:
    def work(trace: Recommendation) -> Generator[Step]:
        yield Step("Trying")
        raise error

    last = pressed(work, states)[-1]
    assert words in last[SAID]
    assert "notice-error" in last[SAID]


def test_work_ends_when_the_page_shows_something_else(states: dict[str, Any]) -> None:
    def work(trace: Recommendation) -> Generator[Step]:
        for n in range(1000):
            if n == 2:
                states["movies"].left.set()
            yield Step(f"Step {n}")

    pages = pressed(work, states)
    assert [page[SAID].split("Step ")[-1][0] for page in pages[1:3]] == ["0", "1"]
    assert "Cancelled." in pages[-1][SAID]
    assert len(pages) == 4
