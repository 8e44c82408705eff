"""What every panel shares: the page's parts that it may use, and how its long work is done.

A panel looks at the last finished run of the domain that is shown. Quick answers follow it by
themselves (`PanelHost.follow`); whatever takes long, or uses the language model, waits for a button
and for its turn in line (`action`):

    def build(host: PanelHost) -> None:
        shown = html("")
        action(host, "Measure", measure, outputs=[shown])

    def measure(trace: Recommendation) -> Generator[Step]:
        for order in range(20):
            yield Step("Ranking shuffled lists", order, 20)
        yield Step("Done", page=(table(...),))
"""

import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import gradio as gr

from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.insight.rerun import Progress
from palr.recommender import Recommender
from palr.types import Recommendation
from palr.ui import render
from palr.ui.handlers import Handlers, States, finished, known
from palr.ui.queued_run import Page, Turns

RUN_FIRST = "Run a recommendation first: this looks at its results."
_FAILED = "This failed. The reason is in the server's log. Your results are kept."
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Step:
    """Where long work stands: ``words`` say what is being done, ``done`` of ``total`` how far.

    ``page`` holds a value for each of the panel's outputs, or nothing where they stay as they are.
    Work yields None wherever it can be stopped and has nothing to show.
    """

    words: str
    done: int = 0
    total: int = 0
    page: Page = ()


Work = Callable[..., Generator[Step | None]]
"""Takes the finished run and the values of the inputs; may raise PalrError with what to do."""


@dataclass(frozen=True)
class PanelHost:
    """What a panel is built with.

    Attributes:
        quiet: Options of events that may wait in Gradio's queue.
        quick: Options of events that may not.
        switched: The event after which another domain shows.
        shown: The events after which other results stand on the page, or none.
    """

    runtime: Runtime
    handlers: Handlers
    turns: Turns
    domain: gr.Radio
    picker: gr.HTML
    states: gr.State
    quiet: dict[str, Any]
    quick: dict[str, Any]
    switched: Any
    shown: tuple[Any, ...]

    def recommender(self, trace: Recommendation) -> Recommender:
        """What made the run, with the items that its visitor had brought."""
        return self.runtime.recommender(trace.domain).joined(trace.asked.own_items)

    def follow(
        self, show: Callable[..., Page], outputs: Sequence[Any], inputs: Sequence[Any] = ()
    ) -> None:
        """Show new ``outputs`` whenever a run has ended or other results are shown.

        ``show`` gets the domain, its finished run, None where there is none, and the values of
        ``inputs``; it must be quick, and returns a value for each output.
        """

        def shown(domain: str, states: States, *values: Any) -> Any:
            page = show(known(domain), finished(states, domain), *values)
            return page[0] if len(outputs) == 1 else page  # as Gradio wants it

        for event in self.shown:
            given = [self.domain, self.states, *inputs]
            event.then(shown, given, list(outputs), **self.quick)


@dataclass(frozen=True)
class _Going:
    """One go at an action; ``stop`` ends it at its next step."""

    stop: threading.Event = field(default_factory=threading.Event, compare=False)


Controls = tuple[Any, Any, Any]
"""A button, its Cancel, and where its progress is said."""


def controls(label: str, elem_id: str | None = None) -> Controls:
    """The controls of an `action` alone, for outputs that come below them."""
    with gr.Row(elem_classes="panel-action"):
        button = gr.Button(label, elem_id=elem_id, scale=0)
        cancel = gr.Button("Cancel", visible=False, scale=0, elem_classes="panel-cancel")
    return button, cancel, html("", elem_classes="panel-said")


def action(
    host: PanelHost,
    label: str | Controls,
    work: Work,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    elem_id: str | None = None,
) -> Any:
    """A button that starts long work, its Cancel and its progress; returns the ending event.

    The work waits in the line for the language model, counts as a run of its visitor, and is
    called off when another run begins or another domain is shown.
    """
    button, cancel, said = controls(label, elem_id) if isinstance(label, str) else label
    going = gr.State(None)
    parts = [going, said, button, cancel]

    nothing = (gr.skip(),) * len(outputs)

    def begin(domain: str, states: States) -> Page:
        if finished(states, domain) is None:
            return (None, render.notice(RUN_FIRST), gr.skip(), gr.skip())
        return (_Going(), render.progress("Waiting for a turn"), *_buttons(False))

    def pages(trace: Recommendation, values: Sequence[Any]) -> Generator[Page | None]:
        message: str = ""
        kind: Literal["info", "error"] = "info"
        page = nothing
        try:
            with host.runtime.running, closing(work(trace, *values)) as steps:
                for step in steps:
                    if step is None:
                        yield None
                        continue
                    said = render.progress(step.words, step.done, step.total)
                    page = step.page or page
                    yield (said, *_buttons(False), *(step.page or nothing))
        except PalrError as error:
            message, kind = str(error), "error"
        except Exception:
            _log.exception("a panel failed")
            message, kind = _FAILED, "error"
        # The result once more: what follows an update at once can take its place in the browser.
        yield (render.notice(message, kind), *_buttons(True), *page)

    async def run(
        this: _Going | None, domain: str, states: States, request: gr.Request, *values: Any
    ) -> AsyncGenerator[Page]:
        trace = finished(states, domain)
        if this is None or trace is None:
            yield (gr.skip(),) * (3 + len(outputs))
            return
        left = states[trace.domain].left

        def stopped() -> bool:
            return this.stop.is_set() or left.is_set()

        turn = host.turns.work(
            pages(trace, values),
            lambda words: (render.progress(words), *_buttons(False), *nothing),
            lambda why: (render.notice(f"{why}."), *_buttons(True), *nothing),
            stopped,
            request,
        )
        async with aclosing(turn) as shown:
            async for page in shown:
                yield page
        if stopped():
            yield (render.notice("Cancelled."), *_buttons(True), *nothing)

    def stop(this: _Going | None) -> None:
        if this is not None:
            this.stop.set()

    begun = button.click(begin, [host.domain, host.states], parts, **host.quick)
    ran = begun.then(
        run,
        [going, host.domain, host.states, *inputs],
        [said, button, cancel, *outputs],
        concurrency_limit=None,
        **host.quiet,
        trigger_mode="multiple",
    )
    cancel.click(stop, going, None, **host.quick)
    return ran


def whole(
    run: Generator[Recommendation | None], step: Step
) -> Generator[Step | None, None, Recommendation]:
    """The last trace of a run; yields the step, then None wherever the run can be stopped."""
    latest: Recommendation | None = None
    yield step
    with closing(run):
        for trace in run:
            latest = trace or latest
            yield None
    assert latest is not None, "a run yields its trace"
    return latest


def measured(
    words: str, measurement: Generator[Progress | _T | None]
) -> Generator[Step | None, None, _T]:
    """The result of a measurement of `palr.insight`; yields its progress in these words."""
    result: _T | None = None
    with closing(measurement):
        for step in measurement:
            if isinstance(step, Progress):
                yield Step(words, step.done, step.total)
            else:
                result = step if step is not None else result
                yield None
    assert result is not None, "a measurement yields its result"
    return result


def html(value: str, elem_id: str | None = None, elem_classes: str | None = None) -> gr.HTML:
    """HTML of ours as it is; whatever strangers supplied must have passed `escape`."""
    return gr.HTML(
        value,
        js_on_load=None,
        apply_default_css=False,
        elem_id=elem_id,
        elem_classes=elem_classes,
    )


def _buttons(idle: bool) -> tuple[Any, Any]:
    return gr.update(interactive=idle), gr.update(visible=not idle)
