"""The page: what stands where, and which handler answers which event."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.ui import keeper as keeping
from palr.ui import render
from palr.ui.endpoints import Endpoints
from palr.ui.handlers import Handlers, States, told
from palr.ui.keeper import keeper as build_keeper
from palr.ui.panels import PANELS
from palr.ui.panels.host import PanelHost
from palr.ui.picker import picker as build_picker
from palr.ui.queued_run import Turns
from palr.ui.refine import refine as build_refine
from palr.ui.request import AUTOMATIC, Choices, PageRequest

_HEADER = Path(__file__).parent / "header.html"
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Page:
    """The page before it is served: its blocks, the component that searches, its line, and what
    programs may call."""

    demo: gr.Blocks
    picker: gr.HTML
    turns: Turns
    endpoints: Endpoints


def build_page(runtime: Runtime) -> Page:
    """Lay out the page and wire it to the runtime; see `theme.launch_options` for its looks.

    The runtime must be warming up (`Runtime.warm_up`) or warm: a run waits for its model.
    """
    handlers = Handlers(runtime)
    turns = Turns(handlers, runtime.settings)
    domains = [(domain.label, domain.key) for domain in runtime.domains]
    first = domains[0][1]
    options = Choices.offered(runtime, first)
    idle = render.View()

    with gr.Blocks(title="PALR Studio", analytics_enabled=False, fill_width=True) as demo:
        states = gr.State({})
        timer = gr.Timer(_POLL_SECONDS)
        with gr.Column(elem_id="studio"):
            _html(_HEADER.read_text("utf-8"))
            status = _html(handlers.status(first)[0], elem_id="status")
            with gr.Row(elem_id="columns"):
                with gr.Column(elem_id="choose", min_width=0):
                    domain = gr.Radio(
                        domains,
                        value=first,
                        label="Catalog",
                        elem_id="domain",
                        elem_classes="segmented",
                        container=False,
                        show_label=False,
                    )
                    picker = build_picker(runtime, first, elem_id="picker")
                    notice = _html("", elem_id="notice")
                    with gr.Row(elem_id="run"):
                        recommend = gr.Button("Recommend", variant="primary", elem_id="recommend")
                        cancel = gr.Button("Cancel", visible=False, elem_id="cancel", scale=0)
                    with gr.Accordion("Settings", open=False, elem_id="settings"):
                        choices = {
                            name: _choice(label, name, options[name])
                            for name, label in Choices.labels().items()
                        }
                with gr.Column(elem_id="results", min_width=0):
                    stale = _html("", elem_id="stale")
                    profile = _html(render.profile_stage(idle), elem_id="profile")
                    refine = build_refine(runtime, first)
                    candidates = _html(render.candidates_stage(idle), elem_id="candidates")
                    ranking = _html(render.ranking_stage(idle), elem_id="ranking")
                    under_the_hood = _html("", elem_id="hood")
                    panels = gr.Column(elem_id="panels")
            saved, link = _html("", elem_id="saved"), _html("", elem_id="link")
            keeper = build_keeper()
            announcer = _html("", elem_id="announcer", live=True)

        named = {
            "states": states,
            "notice": notice,
            "profile": profile,
            "candidates": candidates,
            "ranking": ranking,
            "hood": under_the_hood,
            "announcer": announcer,
            "recommend": recommend,
            "cancel": cancel,
        }
        adapter = choices["adapter"]
        elsewhere = {**named, "picker": picker, "refine": refine, **choices}
        elsewhere |= {"status": status, "domain": domain}
        asked = [picker, *(choices[name] for name in Choices.names()), refine]
        n_asked = len(asked)
        # The handlers check what they are given: without ``preprocess`` nothing else does.
        quiet = {"preprocess": False, "show_progress": "hidden", "api_visibility": "private"}
        quick = {"queue": False, **quiet}
        # A press that comes while the page is still laid out is not lost, as it is by default.
        latest = {"trigger_mode": "always_last", **quick}

        def begin(request: gr.Request, *values: Any) -> Any:
            session = request.session_hash or ""
            asking = PageRequest.parse(*values[:n_asked], session=session)
            return handlers.begin(asking, values[n_asked]).for_gradio(named)

        def changed(request: gr.Request, *values: Any) -> tuple[Any, Any]:
            session = request.session_hash or ""
            asking = PageRequest.parse(*values[:n_asked], session=session)
            try:
                return handlers.changed(asking, values[n_asked]), keeping.link(asking, runtime)
            except PalrError as error:  # what the browser keeps stays as it is
                return render.notice(f"{error}."), gr.skip()

        async def run(picked: object, states: States, request: gr.Request) -> AsyncGenerator[Any]:
            asking = PageRequest.parse(picked, session=request.session_hash or "")
            async with aclosing(turns.run(asking, states, request)) as updates:
                async for update in updates:
                    yield update.for_gradio(named)

        def cancelled(picked: object, states: States) -> Any:
            return handlers.cancelled(PageRequest.parse(picked), states).for_gradio(named)

        def broken_off(picked: object, states: States) -> Any:
            return handlers.broken_off(PageRequest.parse(picked), states).for_gradio(named)

        def switch(domain: str, *values: Any) -> Any:
            request = PageRequest.parse(*values[:n_asked])
            return handlers.switch(domain, request, values[n_asked]).for_gradio(elsewhere)

        def restore(text: str, picked: object, states: States) -> Any:
            try:
                opened = keeping.opened(text, runtime)
                update = handlers.restore(*opened, PageRequest.parse(picked), states)
            except PalrError as error:
                update = told(str(error))
            return update.for_gradio(elsewhere)

        def undo(picked: object, states: States) -> Any:
            request = PageRequest.parse(picked)
            return handlers.undo(request, states).for_gradio({**named, "refine": refine})

        begun = gr.on(
            [recommend.click, refine.submit], begin, [*asked, states], [*named.values()], **quick
        )
        freshened = begun.then(changed, [*asked, states], [stale, link], **quick)
        ran = freshened.then(
            run,
            [picker, states],
            [*named.values()],
            concurrency_limit=None,  # `turns` holds the line
            **quiet,
            trigger_mode="multiple",  # a new run queues while a cancelled one finds its end
        )
        ran.then(handlers.status, [domain, adapter], [status, timer], **quick)
        ran.failure(broken_off, [picker, states], [*named.values()], **quick)
        cancel.click(cancelled, [picker, states], [*named.values()], **quick)
        undone = refine.undo(undo, [picker, states], [*named.values(), refine], **latest)
        undone.then(changed, [*asked, states], [stale, link], **quick)
        switched = domain.change(switch, [domain, *asked, states], [*elsewhere.values()], **quick)
        changes = [picker.change, *(choice.change for choice in choices.values())]
        gr.on(changes, changed, [*asked, states], [stale, link], **latest)
        gr.on(
            [timer.tick, adapter.change],
            handlers.status,
            [domain, adapter],
            [status, timer],
            **quick,
        )
        restored = keeper.submit(restore, [keeper, picker, states], [*elsewhere.values()], **quick)
        restored.then(changed, [*asked, states], [stale, link], **quick)
        host = PanelHost(
            *(runtime, handlers, turns, domain, picker, states, quiet, quick),
            *(switched, (ran, undone, switched, restored)),
        )
        host.follow(lambda _, trace: (keeping.saved(runtime, trace),), [saved])
        with panels:
            for label, panel in PANELS.items():
                # The styles set the first line apart from the rest.
                with gr.Accordion(f"{label}\n{panel.hint}", open=False, elem_classes="panel"):
                    panel.build(host)
        endpoints = Endpoints(runtime, turns)
    return Page(demo, picker, turns, endpoints)


def _choice(label: str, name: str, options: list[tuple[str, str]]) -> gr.Radio:
    """A setting under its label."""
    _html(f'<p class="field-label">{label}</p>')
    return gr.Radio(
        options,
        value=AUTOMATIC,
        label=label,
        elem_id=name,
        elem_classes="segmented",
        container=False,
    )


def _html(value: str, elem_id: str | None = None, live: bool = False) -> gr.HTML:
    template = '<p class="sr-only" role="status" aria-live="polite">${value}</p>'
    return gr.HTML(
        value,
        html_template=template if live else "${value}",
        js_on_load=None,
        apply_default_css=False,
        elem_id=elem_id,
    )
