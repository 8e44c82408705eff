"""The functions of `palr.app.api` as named endpoints of Gradio's, and as tools of MCP.

Both wait in the line and count as runs of their visitor, as the page's runs do.
"""

import inspect
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any, get_type_hints

import gradio as gr
from starlette.requests import Request

from palr import __version__
from palr.app.api import NAMES, WITHOUT_TURN, Answer, Api, Steps, arguments
from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.serve import telemetry
from palr.serve.logs import log_run
from palr.serve.mcp import Mcp, Tool
from palr.text import visible
from palr.types import Recommendation
from palr.ui.queued_run import Page, Turns, in_threads

_FAILED = "this failed for a reason that the server's log tells"
_log = logging.getLogger(__name__)


class Endpoints:
    """Adds the endpoints to the blocks that are being built; ``numbers`` are their functions'."""

    def __init__(self, runtime: Runtime, turns: Turns) -> None:
        self._api = Api(runtime, _account)
        self._turns = turns
        self.models = {name: arguments(getattr(Api, name)) for name in NAMES}
        self.numbers: dict[str, int] = {}
        for name in NAMES:
            endpoint = gr.api(self._function(name), api_name=name, concurrency_limit=None)
            self.numbers[name] = int(endpoint["id"])

    def mcp(self) -> Mcp:
        """The same functions as tools."""
        return Mcp(__version__, [self._tool(name) for name in NAMES])

    async def steps(
        self, name: str, values: dict[str, Any], request: Any
    ) -> AsyncGenerator[str | Answer]:
        """Words on how far it is, then the answer; raises PalrError with what to do."""
        pages = _pages(getattr(self._api, name)(**values))
        turn = (
            in_threads(pages)
            if name in WITHOUT_TURN
            else self._turns.work(
                pages, lambda words: (words,), lambda why: (PalrError(why),), lambda: False, request
            )
        )
        try:
            async with aclosing(turn):
                async for page in turn:
                    if page is None:
                        continue
                    (step,) = page
                    if isinstance(step, PalrError):
                        raise step
                    yield step
        except PalrError as error:
            raise PalrError(visible(str(error))) from error
        except Exception as error:
            _log.exception("an endpoint failed")
            raise PalrError(_FAILED) from error

    def _function(self, name: str) -> Any:
        """What Gradio calls: the function's own parameters, and the request behind them."""
        function = getattr(Api, name)
        signature = inspect.signature(getattr(self._api, name))
        names = list(signature.parameters)

        async def call(*given: Any) -> AsyncGenerator[Answer]:
            *values, request = given
            said = ""
            try:
                steps = self.steps(name, dict(zip(names, values, strict=True)), request)
                async with aclosing(steps):
                    async for step in steps:
                        if isinstance(step, dict):
                            yield step
                        elif step != said:
                            said = step
                            yield {"progress": step}
            except PalrError as error:
                raise gr.Error(str(error), print_exception=False) from error

        # Gradio reads names and types of what it calls; bounds are the gate's business.
        hints = get_type_hints(function)
        own = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        asker = inspect.Parameter("request", kind, annotation=gr.Request)
        call.__name__ = name
        call.__doc__ = function.__doc__
        call.__annotations__ = {p.name: p.annotation for p in [*own, asker]} | {"return": dict}
        signature = inspect.Signature([*own, asker.replace(default=None)], return_annotation=dict)
        call.__signature__ = signature  # type: ignore[attr-defined]  # inspect reads it
        return call

    def _tool(self, name: str) -> Tool:
        def call(values: dict[str, Any], scope: Any) -> AsyncGenerator[str | Answer]:
            return self.steps(name, values, Request(scope))

        description = inspect.getdoc(getattr(Api, name)) or ""
        return Tool(name, description, self.models[name], call)


def _pages(steps: Steps) -> Generator[Page | None]:
    for step in steps:
        yield None if step is None else (step,)


def _account(run: Recommendation) -> None:
    outcome = "fallback" if run.fallback else "done"
    telemetry.count_run(run, outcome)
    log_run(run, outcome, 0.0)
