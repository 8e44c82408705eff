"""The page as a server: Gradio's own, behind the gate, until it is asked to stop."""

import hmac
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr

from palr.app.api import LATER
from palr.app.port import in_address
from palr.app.runtime import Runtime
from palr.serve import spaces
from palr.serve.contract import Call, Contract, Kind, Text
from palr.serve.gate import LOG_IN, Gate, Rules
from palr.settings import Settings
from palr.ui import refine
from palr.ui.keeper import LIMIT
from palr.ui.page import Page
from palr.ui.sessions import Messages, Sessions
from palr.ui.theme import FONTS, launch_options

FINISH_SECONDS = 4.0  # for the run that has its turn; containers are killed after ten
HEARTBEAT_SECONDS = 3  # connection.js counts on it
MAX_SESSIONS = 500  # a quarter of a megabyte each after a run; the least recently used go first
MAX_CALLS = 1000  # on their way to the line for the model
SPARE_THREADS = 8  # beyond those that a run in line occupies in Gradio's accounts

_KINDS: tuple[tuple[type, Kind], ...] = (
    (gr.State, "nothing"),
    (gr.Radio, "word"),
    (gr.Dropdown, "word"),
    (gr.HTML, "selection"),
)


def serve(page: Page, runtime: Runtime) -> None:
    """Answer visitors until SIGTERM or SIGINT; then finish or cancel what runs, and return."""
    settings = runtime.settings
    spaces.trust_proxy()
    # The page takes a longer silence for a lost connection, and proxies end one of a minute.
    os.environ["GRADIO_HEARTBEAT_INTERVAL"] = str(HEARTBEAT_SECONDS)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    demo = page.demo
    # Waiting is bounded by our line, whose answer is in words: Gradio's own queue only holds calls
    # until they reach it.
    demo.queue(max_size=MAX_CALLS, default_concurrency_limit=None, api_open=False)
    options = launch_options()
    demo.launch(
        server_name=in_address(settings.host),
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        max_threads=page.turns.places + SPARE_THREADS,
        state_session_capacity=MAX_SESSIONS,
        max_file_size="1kb",  # nothing is uploaded, and the gate refuses it
        enable_monitoring=False,
        run_history=False,
        mcp_server=False,  # ours is behind the gate, and asks nothing of another server
        pwa=False,
        share=False,
        auth=_auth(settings),
        auth_message=LOG_IN,
        app_kwargs={"lifespan": lambda app: _behind_gate(app, rules_for(page, runtime, stop))},
        **options,
    )
    stop.wait()
    page.turns.line.close()
    deadline = time.monotonic() + FINISH_SECONDS
    while page.turns.line.running and time.monotonic() < deadline:
        time.sleep(0.05)
    demo.close(verbose=False)


def rules_for(page: Page, runtime: Runtime, stop: threading.Event) -> Rules:
    """What the gate lets through: what the page asks for."""
    names = page.endpoints.numbers
    calls = {
        number: Call(tuple(_kind(block) for block in fn.inputs), bool(fn.queue))
        for number, fn in page.demo.fns.items()
        if number not in names.values()
    }
    calls |= {
        number: Call(queued=True, arguments=page.endpoints.models[name], later=LATER)
        for name, number in names.items()
    }
    head = launch_options()["head"]
    queue = page.demo._queue

    def pending(event: str) -> bool:
        waiting = queue.pending_event_ids_session.values()
        return event in queue.event_ids_to_events or any(event in ids for ids in waiting)

    def unread(session: str) -> int | None:
        messages = queue.pending_messages_per_session.get(session)
        return None if messages is None else messages.qsize()

    def ready() -> str:
        if stop.is_set():
            return "shutting down"
        status = runtime.llm_status
        if status.state != "ready":
            return f"the language model: {status.state}"
        fault = page.turns.health.fault
        return fault and f"the language model: {fault}"

    return Rules(
        Contract(calls, _pickers(page.demo), frozenset(("search", "describe", "read")), names),
        files=frozenset(f"/gradio_api/file={font.as_posix()}" for font in FONTS.glob("*.woff2")),
        ready=ready,
        password=runtime.settings.password.get_secret_value(),
        hosts=frozenset({spaces.host()} - {""}),
        framed_by=spaces.FRAMES if spaces.on_space() else (),
        scripts=(head.removeprefix("<script>").removesuffix("</script>"),),
        mcp=page.endpoints.mcp(),
        pending=pending,
        unread=unread,
    )


@asynccontextmanager
async def _behind_gate(app: Any, rules: Rules) -> AsyncIterator[None]:
    # Here, since what Gradio itself puts around the application would stand before the gate.
    app.middleware_stack = Gate(app.middleware_stack, rules)
    app.state_holder = Sessions()
    blocks = app.get_blocks()
    app.state_holder.set_blocks(blocks)
    blocks._queue.pending_messages_per_session = Messages(blocks._queue, MAX_SESSIONS)
    yield


def _pickers(demo: gr.Blocks) -> frozenset[int]:
    """Numbers of the components that ask the server: Gradio makes their server functions
    attributes."""
    found = (b for b in demo.blocks.values() if isinstance(b, gr.HTML) and hasattr(b, "describe"))
    return frozenset(block._id for block in found)


def _kind(block: Any) -> Kind:
    if isinstance(block, gr.Textbox):
        if not block.max_length:
            raise TypeError(f"the text box {block.elem_id or block.label} has no max_length")
        return Text(block.max_length)
    if block.elem_id == "keeper":
        return Text(LIMIT)
    if block.elem_id == "refine":
        return Text(refine.LIMIT)
    if isinstance(block, gr.Dropdown) and block.multiselect:
        return "words"
    return next(kind for component, kind in _KINDS if isinstance(block, component))


def _auth(settings: Settings) -> Any:
    password = settings.password.get_secret_value()
    if not password:
        return None
    return lambda user, given: hmac.compare_digest(given.encode(), password.encode())
