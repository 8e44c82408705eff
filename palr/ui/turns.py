"""A run from the press of the button to its end: limits, the line, the turn, and the account.

Waiting costs no thread: only a run that has its turn works in one, step by step.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

import anyio.to_thread
import gradio as gr

from palr import metrics
from palr.errors import PalrError
from palr.serve.limits import LimitedError, runs_per_minute, visitor_of
from palr.serve.line import Line, in_words
from palr.serve.logs import log_run
from palr.settings import Settings
from palr.ui.handlers import Desk, Desks, Handlers
from palr.ui.picker import Selection

LOOK_SECONDS = 0.25
SAY_SECONDS = 2.0  # a silent visitor's run is only noticed when it says something
WORKERS_BEHIND_HTTP = 4  # such a server batches; in this process one model has one device

Page = tuple[Any, ...]


class Turns:
    """Lets one run at a time use the language model, in order of arrival."""

    def __init__(self, handlers: Handlers, settings: Settings) -> None:
        workers = WORKERS_BEHIND_HTTP if settings.llm_backend == "http" else 1
        self.line = Line(settings.queue, workers)
        self.places = settings.queue + workers
        self._handlers = handlers
        self._check_rate = runs_per_minute(settings.rate)
        metrics.WAITING.set_function(lambda: self.line.waiting)
        metrics.RUNNING.set_function(lambda: self.line.running)

    async def run(self, picked: object, desks: Desks, request: gr.Request) -> AsyncGenerator[Page]:
        """Stream the pages of one run, from its place in line to its last stage."""
        selection = Selection.parse(picked)
        if not selection.ids:
            async with aclosing(_in_threads(self._handlers.run(picked, desks))) as pages:
                async for page in pages:
                    yield page
            return
        try:
            self._check_rate(visitor_of(request.client.host if request.client else None))
            ticket = self.line.join()
        except PalrError as error:
            metrics.RUNS.labels("limited" if isinstance(error, LimitedError) else "full").inc()
            yield self._handlers.refused(picked, desks, str(error))
            return
        with ticket:
            joined = time.monotonic()
            begun = desks.get(selection.domain)
            said, said_at = "", 0.0
            while (place := ticket.place) and not (begun and begun.stop.is_set()):
                words = in_words(place, ticket.estimate)
                if words != said or time.monotonic() - said_at > SAY_SECONDS:
                    said, said_at = words, time.monotonic()
                    yield self._handlers.waiting(picked, desks, words)
                await asyncio.sleep(LOOK_SECONDS)
            waited = time.monotonic() - joined
            metrics.WAITED.observe(waited)
            desk: Desk | None = None
            try:
                async with aclosing(_in_threads(self._handlers.run(picked, desks))) as pages:
                    async for page in pages:
                        if isinstance(page[0], dict) and selection.domain in page[0]:
                            desk = page[0][selection.domain]
                        yield page
            finally:
                ticket.completed = _account(desk, waited) in ("done", "fallback")


def _account(desk: Desk | None, waited: float) -> str:
    """Count and log how a run ended."""
    trace = desk.view.trace if desk else None
    phase = desk.view.phase if desk else "cancelled"
    outcome: str = phase if phase in ("done", "failed") else "cancelled"
    if trace is None:
        metrics.RUNS.labels(outcome).inc()
        return outcome
    outcome = "fallback" if outcome == "done" and trace.fallback else outcome
    metrics.count_run(trace, outcome)
    log_run(trace, outcome, waited)
    return outcome


async def _in_threads(pages: Generator[Page]) -> AsyncGenerator[Page]:
    """Step a generator in worker threads; it is closed in one, whatever happens."""
    try:
        while (page := await anyio.to_thread.run_sync(next, pages, None)) is not None:
            yield page
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(pages.close)
