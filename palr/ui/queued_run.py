"""A run from the press of the button to its end: limits, the line, the turn, and the record of it.

Waiting costs no thread: only a run that has its turn works in one, step by step.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Any, TypeVar

import anyio.to_thread
import gradio as gr

from palr.errors import PalrError
from palr.llm import get_backend
from palr.serve import process, telemetry
from palr.serve.health import Health
from palr.serve.limits import LimitedError, client_of, runs_per_minute
from palr.serve.line import Line, Ticket, in_words
from palr.serve.logs import log_run
from palr.settings import Settings
from palr.types import Recommendation
from palr.ui.handlers import DomainState, Handlers, States
from palr.ui.request import PageRequest
from palr.ui.update import Update

LOOK_SECONDS = 0.25
SAY_SECONDS = 2.0  # that a session has left shows only when something is sent to it

Page = tuple[Any, ...]
_T = TypeVar("_T")


class Turns:
    """Lets as many runs as the backend serves at once use the model, in order of arrival.

    Args:
        handlers: What answers the page.
        settings: Its backend, the places in line and the runs a minute.
    """

    def __init__(self, handlers: Handlers, settings: Settings) -> None:
        workers = get_backend(settings.llm_backend).runs_at_once
        self.line = Line(settings.queue, workers)
        self.places = settings.queue + workers
        self._handlers = handlers
        self.health = Health()
        self._check_rate = runs_per_minute(settings.rate)
        telemetry.WAITING.set_function(lambda: self.line.waiting)
        telemetry.RUNNING.set_function(lambda: self.line.running)

    async def run(
        self, request: PageRequest, states: States, client: gr.Request
    ) -> AsyncGenerator[Update]:
        """Stream the updates of one run, from its place in line to its last stage."""
        begun = states.get(request.domain)
        if begun is None:
            yield self._handlers.broken_off(request, states)
            return
        if begun.taken.is_set() or begun.view.phase != "waiting":
            yield Update()  # `Handlers.begin` has answered, or the run has begun
            return
        begun.taken.set()
        try:
            ticket = self._join(client)
        except PalrError as error:
            yield self._handlers.refused(request, states, str(error))
            return
        with ticket:
            joined = time.monotonic()
            async for words in _wait(ticket, begun.stop.is_set):
                yield self._handlers.waiting(request, states, words)
            waited = time.monotonic() - joined
            state: DomainState | None = None
            try:
                steps = in_threads(self._handlers.run(request, states))
                async with aclosing(steps) as updates:
                    async for update in updates:
                        if update is None:
                            continue
                        state = update.parts.get("states", {}).get(request.domain, state)
                        yield update
            finally:
                ticket.completed = self._account(state, waited) in ("done", "fallback")

    async def work(
        self,
        pages: Generator[Page | None],
        waiting: Callable[[str], Page],
        refused: Callable[[str], Page],
        stopped: Callable[[], bool],
        request: gr.Request,
    ) -> AsyncGenerator[Page]:
        """Step other work than a run through the same line; once ``stopped``, it ends at its next
        step.

        ``waiting`` is the page of whoever stands in line, ``refused`` of whoever is not let in.
        """
        try:
            ticket = self._join(request)
        except PalrError as error:
            yield refused(str(error))
            return
        with ticket:
            async for words in _wait(ticket, stopped):
                yield waiting(words)
            async with aclosing(in_threads(pages)) as steps:
                async for page in steps:
                    if stopped():
                        return
                    if page is not None:
                        yield page

    def ended(self, trace: Recommendation, outcome: str, waited: float = 0.0) -> str:
        """Count and log a run that has ended; returns its outcome, a fallback set apart."""
        outcome = "fallback" if outcome == "done" and trace.fallback else outcome
        if outcome in ("done", "fallback"):
            self.health.ended(outcome == "done", trace.fallback)
        telemetry.count_run(trace, outcome)
        log_run(trace, outcome, waited)
        return outcome

    def _account(self, state: DomainState | None, waited: float) -> str:
        trace = state.view.trace if state else None
        phase = state.view.phase if state else "cancelled"
        outcome: str = phase if phase in ("done", "failed") else "cancelled"
        if trace is None:
            telemetry.RUNS.labels(outcome).inc()
            return outcome
        return self.ended(trace, outcome, waited)

    def _join(self, request: gr.Request) -> Ticket:
        """A place in line for this client; raises LimitedError or LineFullError."""
        try:
            self._check_rate(client_of(request.client.host if request.client else None))
            return self.line.join()
        except PalrError as error:
            telemetry.RUNS.labels("limited" if isinstance(error, LimitedError) else "full").inc()
            raise


class _End:
    """Comes after the last page."""


async def _wait(ticket: Ticket, stopped: Callable[[], bool]) -> AsyncGenerator[str]:
    """Until it is the ticket's turn, or nobody waits for it any more: its place, in words."""
    joined = time.monotonic()
    said, said_at = "", 0.0
    while (place := ticket.place) and not stopped():
        words = in_words(place, ticket.estimate)
        if words != said or time.monotonic() - said_at > SAY_SECONDS:
            said, said_at = words, time.monotonic()
            yield words
        await asyncio.sleep(LOOK_SECONDS)
    telemetry.WAITED.observe(time.monotonic() - joined)


_END: Any = object()


async def in_threads(pages: Generator[_T]) -> AsyncGenerator[_T]:
    """Step a generator in worker threads; it is closed in one, whatever happens.

    A task that is cancelled goes on at once, while its step is still at work in its thread: closing
    waits for it.
    """
    at_work = threading.Lock()

    def step() -> _T:
        with at_work:
            return next(pages, _END)

    def close() -> None:
        with at_work:
            pages.close()
        process.give_back()

    try:
        while (page := await anyio.to_thread.run_sync(step)) is not _END:
            yield page
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(close)
