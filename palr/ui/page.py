"""The page: what stands where, and which handler answers which event."""

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from palr.app.runtime import Runtime
from palr.errors import PalrError
from palr.ui import keeper as keeping
from palr.ui import render
from palr.ui.endpoints import Endpoints
from palr.ui.handlers import Desks, Handlers
from palr.ui.keeper import keeper as build_keeper
from palr.ui.panels import PANELS
from palr.ui.panels.bench import Bench
from palr.ui.picker import Selection
from palr.ui.picker import picker as build_picker
from palr.ui.queued_run import Turns
from palr.ui.render import AUTOMATIC

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
    idle = render.View()

    with gr.Blocks(title="PALR Studio", analytics_enabled=False, fill_width=True) as demo:
        desks = gr.State({})
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
                        _html('<p class="field-label">Retriever</p>')
                        retriever = gr.Radio(
                            handlers.retriever_choices(first),
                            value=AUTOMATIC,
                            label="Retriever",
                            elem_id="retriever",
                            elem_classes="segmented",
                            container=False,
                        )
                        _html('<p class="field-label">Ranking</p>')
                        mode = gr.Radio(
                            render.mode_choices(),
                            value=AUTOMATIC,
                            label="Ranking",
                            elem_id="mode",
                            elem_classes="segmented",
                            container=False,
                        )
                        _html('<p class="field-label">Fine-tuning</p>')
                        adapter = gr.Radio(
                            handlers.adapter_choices(first),
                            value=AUTOMATIC,
                            label="Fine-tuning",
                            elem_id="adapter",
                            elem_classes="segmented",
                            container=False,
                        )
                with gr.Column(elem_id="results", min_width=0):
                    stale = _html("", elem_id="stale")
                    profile = _html(render.profile_stage(idle), elem_id="profile")
                    candidates = _html(render.candidates_stage(idle), elem_id="candidates")
                    ranking = _html(render.ranking_stage(idle), elem_id="ranking")
                    under_the_hood = _html("", elem_id="hood")
                    panels = gr.Column(elem_id="panels")
            saved, link = _html("", elem_id="saved"), _html("", elem_id="link")
            keeper = build_keeper()
            announcer = _html("", elem_id="announcer", live=True)

        stages = [profile, candidates, ranking, under_the_hood]
        page = [desks, notice, *stages, announcer, recommend, cancel]
        settings = [retriever, mode, adapter]
        asked = [picker, *settings, desks]
        # The handlers check what they are given: without ``preprocess`` nothing else does.
        quiet = {"preprocess": False, "show_progress": "hidden", "api_visibility": "private"}
        quick = {"queue": False, **quiet}
        begun = recommend.click(handlers.begin, asked, page, **quick)
        freshened = begun.then(handlers.changed, asked, stale, **quick)
        run = freshened.then(
            turns.run,
            [picker, desks],
            page,
            concurrency_limit=None,  # `turns` holds the line
            **quiet,
            trigger_mode="multiple",  # a new run queues while a cancelled one finds its end
        )
        run.then(handlers.status, [domain, adapter], [status, timer], **quick)
        cancel.click(handlers.cancelled, [picker, desks], page, **quick)
        switched = domain.change(
            handlers.switch,
            [domain, *asked],
            [*page, picker, *settings, status],
            **quick,
        )
        gr.on(
            [picker.change, *(setting.change for setting in settings)],
            handlers.changed,
            asked,
            stale,
            trigger_mode="always_last",
            **quick,
        )
        gr.on(
            [picker.change, *(setting.change for setting in settings)],
            keeping.link,
            asked[:-1],
            link,
            trigger_mode="always_last",
            **quick,
        )
        gr.on(
            [timer.tick, adapter.change],
            handlers.status,
            [domain, adapter],
            [status, timer],
            **quick,
        )

        def restore(text: str, picked: object, desks: Desks) -> tuple[object, ...]:
            try:
                return handlers.lay(*keeping.opened(text, runtime), picked, desks)
            except PalrError as error:
                return handlers.told(Selection.parse(picked).domain, desks, str(error))

        restored = keeper.submit(
            restore,
            [keeper, picker, desks],
            [*page, picker, *settings, status, domain],
            **quick,
        )
        restored.then(handlers.changed, asked, stale, **quick)
        bench = Bench(
            *(runtime, handlers, turns, domain, picker, desks, tuple(page), quiet, quick),
            *(run, switched, restored),
        )
        bench.follow(lambda _, trace: (keeping.saved(runtime, trace),), [saved])
        with panels:
            for label, panel in PANELS.items():
                # The styles set the first line apart from the rest.
                with gr.Accordion(f"{label}\n{panel.hint}", open=False, elem_classes="panel"):
                    panel.build(bench)
        endpoints = Endpoints(runtime, turns)
    return Page(demo, picker, turns, endpoints)


def _html(value: str, elem_id: str | None = None, live: bool = False) -> gr.HTML:
    template = '<p class="sr-only" role="status" aria-live="polite">${value}</p>'
    return gr.HTML(
        value,
        html_template=template if live else "${value}",
        js_on_load=None,
        apply_default_css=False,
        elem_id=elem_id,
    )
