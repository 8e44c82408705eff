"""The functions of `palr.app.api` as named endpoints of Gradio's, and as tools of MCP.

Both wait in the line and count as runs of their client, as the page's runs do.
"""

import inspect
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any, get_type_hints

import gradio as gr
from starlette.requests import Request

from palr import __version__
from palr.app.api import NAMES, UNQUEUED, Answer, AnswerStream, Api, arguments
from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.serve.mcp import Mcp, Tool
from palr.text import visible
from palr.ui.queued_run import Page, Turns, in_threads

_FAILED = "this failed; the reason is in the server's log"
_log = logging.getLogger(__name__)


class Endpoints:
    """Adds the endpoints to the blocks that are being built.

    Attributes:
        models: The model of each function's arguments, by its name.
        numbers: Gradio's number of each function, by its name.
    """

    def __init__(self, runtime: Runtime, turns: Turns) -> None:
        self._api = Api(runtime, lambda run: turns.ended(run, "done"))
        self._turns = turns
        self.models = {name: arguments(getattr(Api, name)) for name in NAMES}
        self.numbers: dict[str, int] = {}
        for name in NAMES:
            endpoint = gr.api(self._function(name), api_name=name, concurrency_limit=None)
            self.numbers[name] = int(endpoint["id"])

    def mcp(self) -> Mcp:
        """The same functions as tools."""
        return Mcp(__version__, [self._tool(name) for name in NAMES])

    async def call(
        self, name: str, values: dict[str, Any], request: Any
    ) -> AsyncGenerator[str | Answer]:
        """Words on the progress of a function, and last its answer.

        Args:
            name: One of `NAMES`.
            values: Its arguments, by name.
            request: Who calls, as Gradio or Starlette has it.

        Raises:
            PalrError: with what to do about it.
        """
        pages = _pages(getattr(self._api, name)(**values))
        turn = (
            in_threads(pages)
            if name in UNQUEUED
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

        async def endpoint(*given: Any) -> AsyncGenerator[Answer]:
            *values, request = given
            said = ""
            try:
                steps = self.call(name, dict(zip(names, values, strict=True)), request)
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
        caller = inspect.Parameter("request", kind, annotation=gr.Request)
        endpoint.__name__ = name
        endpoint.__doc__ = function.__doc__
        endpoint.__annotations__ = {p.name: p.annotation for p in [*own, caller]} | {"return": dict}
        signature = inspect.Signature([*own, caller.replace(default=None)], return_annotation=dict)
        endpoint.__signature__ = signature  # type: ignore[attr-defined]  # inspect reads it
        return endpoint

    def _tool(self, name: str) -> Tool:
        def call(values: dict[str, Any], scope: Any) -> AsyncGenerator[str | Answer]:
            return self.call(name, values, Request(scope))

        description = inspect.getdoc(getattr(Api, name)) or ""
        return Tool(name, description, self.models[name], call)


def _pages(steps: AnswerStream) -> Generator[Page | None]:
    for step in steps:
        yield None if step is None else (step,)
