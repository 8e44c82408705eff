"""Two ways to run the same picks, side by side."""

from collections.abc import Generator
from typing import Any

import gradio as gr

from palr.errors import PalrError
from palr.runs.compare import Variant, compare, compared, variants
from palr.types import Recommendation
from palr.ui.panels.host import PanelHost, Step, action, controls, html, whole
from palr.ui.sides import side_by_side
from palr.ui.text import escape

FIRST, SECOND = "alone", "same"
_INTRO = (
    '<p class="lede">The same picks, run in two ways: what both recommend, what moves, and what '
    "each one costs.</p>"
)


def build(host: PanelHost) -> None:
    html(_INTRO)
    first = host.runtime.domains[0].key
    with gr.Row(elem_classes="panel-sides"):
        left = _choice("First", "compare-first", FIRST, host, first)
        right = _choice("Second", "compare-second", SECOND, host, first)
    absent = html(_absent(host, first))
    panel = _Panel(host)
    run = controls("Compare", "compare-run")
    shown = html("", elem_id="compare-result")
    action(host, run, panel.work, [left, right], [shown])

    def follow(domain: str, trace: Recommendation | None, a: str, b: str) -> tuple[Any, ...]:
        known = _variants(host, domain)
        options = [(variant.label, key) for key, variant in known.items()]
        kept = (a if a in known else FIRST, b if b in known else SECOND)
        updates = (gr.update(choices=options, value=value) for value in kept)
        return (*updates, _absent(host, domain), "")

    host.follow(follow, [left, right, absent, shown], [left, right])


class _Panel:
    def __init__(self, host: PanelHost) -> None:
        self._bench = host

    def work(self, trace: Recommendation, first: str, second: str) -> Generator[Step | None]:
        known = _variants(self._bench, trace.domain)
        if first not in known or second not in known:
            raise PalrError("choose what to compare in both columns")
        chosen = known[first], known[second]
        sides = compared(trace, *chosen)
        done: list[Recommendation] = []
        for number, (variant, asked) in enumerate(zip(chosen, sides, strict=True)):
            step = Step(variant.label, number, len(chosen))
            run = self._bench.handlers.stream(trace.domain, trace.picks, asked)
            done.append((yield from whole(run, step)))
        names = (chosen[0].label, chosen[1].label)
        page = side_by_side(done[0], done[1], compare(done[0], done[1]), names)
        yield Step("Done", len(chosen), len(chosen), (page,))


def _variants(host: PanelHost, domain: str) -> dict[str, Variant]:
    runtime = host.runtime
    return variants(runtime.retrievers(domain), runtime.adapters(domain), runtime.zero_shot)


def _choice(label: str, elem_id: str, value: str, host: PanelHost, domain: str) -> gr.Dropdown:
    options = [(variant.label, key) for key, variant in _variants(host, domain).items()]
    return gr.Dropdown(options, value=value, label=label, elem_id=elem_id, filterable=False)


def _absent(host: PanelHost, domain: str) -> str:
    """What could be compared but is not installed, and what to do about it."""
    lines = host.runtime.absent_adapters(domain)
    return "".join(f'<p class="muted">{escape(line)}</p>' for line in lines)
