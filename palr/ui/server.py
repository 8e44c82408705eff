"""The page as a server: Gradio's own, behind the gate, until it is asked to stop."""

import hmac
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr

from palr.serve import spaces
from palr.serve.contract import Call, Contract, Kind
from palr.serve.gate import Gate, Rules
from palr.settings import Settings
from palr.studio import Studio
from palr.ui.page import Page
from palr.ui.theme import FONTS, launch_options

FINISH_SECONDS = 4.0  # for the run that has its turn; containers are killed after ten
MAX_SESSIONS = 500  # a quarter of a megabyte each after a run; the least recently used go first
SPARE_THREADS = 8  # beyond those that a run in line occupies in Gradio's accounts

_KINDS: tuple[tuple[type, Kind], ...] = (
    (gr.State, "nothing"),
    (gr.Radio, "word"),
    (gr.HTML, "selection"),
)


def serve(page: Page, studio: Studio) -> None:
    """Answer visitors until SIGTERM or SIGINT; then finish or cancel what runs, and return."""
    settings = studio.settings
    spaces.trust_proxy()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    demo = page.demo
    # Waiting is bounded by our line: Gradio's own bound is for calls that got past it.
    demo.queue(max_size=2 * page.turns.places, default_concurrency_limit=None, api_open=False)
    options = launch_options()
    demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        max_threads=page.turns.places + SPARE_THREADS,
        state_session_capacity=MAX_SESSIONS,
        max_file_size="1kb",  # nothing is uploaded, and the gate refuses it
        enable_monitoring=False,
        run_history=False,
        mcp_server=False,
        pwa=False,
        share=False,
        auth=_auth(settings),
        app_kwargs={"lifespan": lambda app: _behind_gate(app, rules_for(page, studio, stop))},
        **options,
    )
    stop.wait()
    page.turns.line.close()
    deadline = time.monotonic() + FINISH_SECONDS
    while page.turns.line.running and time.monotonic() < deadline:
        time.sleep(0.05)
    demo.close(verbose=False)


def rules_for(page: Page, studio: Studio, stop: threading.Event) -> Rules:
    """What the gate lets through: what the page asks for."""
    calls = {
        number: Call(tuple(_kind(block) for block in fn.inputs), bool(fn.queue))
        for number, fn in page.demo.fns.items()
    }
    head = launch_options()["head"]

    def ready() -> str:
        if stop.is_set():
            return "shutting down"
        status = studio.llm_status
        return "" if status.state == "ready" else f"the language model: {status.state}"

    return Rules(
        Contract(calls, page.picker._id, frozenset(("search", "describe"))),
        files=frozenset(f"/gradio_api/file={font.as_posix()}" for font in FONTS.glob("*.woff2")),
        ready=ready,
        password=studio.settings.password.get_secret_value(),
        hosts=frozenset({spaces.host()} - {""}),
        framed_by=spaces.FRAMES if spaces.on_space() else (),
        scripts=(head.removeprefix("<script>").removesuffix("</script>"),),
    )


@asynccontextmanager
async def _behind_gate(app: Any, rules: Rules) -> AsyncIterator[None]:
    # Here, since what Gradio itself puts around the application would stand before the gate.
    app.middleware_stack = Gate(app.middleware_stack, rules)
    yield


def _kind(block: Any) -> Kind:
    return next(kind for component, kind in _KINDS if isinstance(block, component))


def _auth(settings: Settings) -> Any:
    password = settings.password.get_secret_value()
    if not password:
        return None
    return lambda user, given: hmac.compare_digest(given.encode(), password.encode())
