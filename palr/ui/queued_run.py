"""A run from the press of the button to its end: limits, the line, the turn, and the record of it.

Waiting costs no thread: only a run that has its turn works in one, step by step.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import Any

import anyio.to_thread
import gradio as gr

from palr.errors import PalrError
from palr.llm import get_backend
from palr.serve import process, telemetry
from palr.serve.limits import LimitedError, client_of, runs_per_minute
from palr.serve.line import Line, Ticket, in_words
from palr.serve.logs import log_run
from palr.settings import Settings
from palr.ui.handlers import Desk, Desks, Handlers
from palr.ui.picker import Selection

LOOK_SECONDS = 0.25
SAY_SECONDS = 2.0  # that a session has left shows only when something is sent to it

Page = tuple[Any, ...]


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
        self._check_rate = runs_per_minute(settings.rate)
        telemetry.WAITING.set_function(lambda: self.line.waiting)
        telemetry.RUNNING.set_function(lambda: self.line.running)

    async def run(self, picked: object, desks: Desks, request: gr.Request) -> AsyncGenerator[Page]:
        """Stream the pages of one run, from its place in line to its last stage."""
        selection = Selection.parse(picked)
        session = request.session_hash or ""
        if not selection.ids:
            async with aclosing(in_threads(self._handlers.run(picked, desks, session))) as pages:
                async for page in pages:
                    if page is not None:
                        yield page
            return
        try:
            ticket = self._join(request)
        except PalrError as error:
            yield self._handlers.refused(picked, desks, str(error))
            return
        begun = desks.get(selection.domain)
        with ticket:
            joined = time.monotonic()
            async for words in _wait(ticket, lambda: begun is not None and begun.stop.is_set()):
                yield self._handlers.waiting(picked, desks, words)
            waited = time.monotonic() - joined
            desk: Desk | None = None
            try:
                async with aclosing(
                    in_threads(self._handlers.run(picked, desks, session))
                ) as pages:
                    async for page in pages:
                        if page is None:
                            continue
                        if isinstance(page[0], dict) and selection.domain in page[0]:
                            desk = page[0][selection.domain]
                        yield page
            finally:
                ticket.completed = _account(desk, waited) in ("done", "fallback")

    async def work(
        self,
        pages: Generator[Page | None],
        waiting: Callable[[str], Page],
        refused: Callable[[str], Page],
        stopped: Callable[[], bool],
        request: gr.Request,
    ) -> AsyncGenerator[Page]:
        """Do other work than a run, in the same line.

        Args:
            pages: The work, which yields None where it can be stopped and has nothing new. A page
                that is the very same as the one before is not sent.
            waiting: The page for a place in line, from words on it.
            refused: The page where there is no place in line, from the reason.
            stopped: Whether the work is to end.
            request: Who asks for it.
        """
        try:
            ticket = self._join(request)
        except PalrError as error:
            yield refused(str(error))
            return
        with ticket:
            async for words in _wait(ticket, stopped):
                yield waiting(words)
            before: Page | None = None
            async with aclosing(in_threads(pages)) as steps:
                async for page in steps:
                    if stopped():
                        return
                    if page is not None and page is not before:
                        yield page
                        before = page

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


def _account(desk: Desk | None, waited: float) -> str:
    """Count and log how a run ended."""
    trace = desk.view.trace if desk else None
    phase = desk.view.phase if desk else "cancelled"
    outcome: str = phase if phase in ("done", "failed") else "cancelled"
    if trace is None:
        telemetry.RUNS.labels(outcome).inc()
        return outcome
    outcome = "fallback" if outcome == "done" and trace.fallback else outcome
    telemetry.count_run(trace, outcome)
    log_run(trace, outcome, waited)
    return outcome


async def in_threads(pages: Generator[Page | None]) -> AsyncGenerator[Page | None]:
    """What a generator yields, which runs and is closed in worker threads.

    A task that is cancelled goes on at once, while its step is still at work in its thread: closing
    waits for it.
    """
    at_work = threading.Lock()

    def step() -> Page | _End | None:
        with at_work:
            return next(pages, _End())

    def close() -> None:
        with at_work:
            pages.close()
        process.give_back()

    try:
        while not isinstance(page := await anyio.to_thread.run_sync(step), _End):
            yield page
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(close)
