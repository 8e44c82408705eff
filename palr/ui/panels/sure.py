"""How sure: the same candidates in other orders, and what that changes."""

from collections.abc import Generator

import gradio as gr

from palr.insight.stability import SHUFFLES, Stability, measure_stability
from palr.types import Recommendation
from palr.ui import render
from palr.ui.panels.host import PanelHost, Step, action, html, measured
from palr.ui.plots import columns, shares, signed

LEDE = (
    f'<p class="panel-lede">Shuffles the candidates {SHUFFLES} times and asks again. A list has no '
    "order that matters, so whatever changes is the model's doing.</p>"
)


def build(host: PanelHost) -> None:
    html(LEDE)
    above = gr.Column()

    def work(trace: Recommendation) -> Generator[Step | None]:
        recommender = host.recommender(trace)
        measurement = measure_stability(trace, recommender.model(trace.asked.adapter))
        found = yield from measured("Ranking shuffled candidates", measurement)
        yield Step("Done", page=(shown_stability(found),))

    shown = html("", elem_id="sure")
    with above:
        action(host, "Shuffle", work, outputs=[shown], elem_id="sure-measure")
    host.follow(lambda domain, trace: ("",), [shown])


def shown_stability(found: Stability) -> str:
    def times(share: float) -> str:
        return f"{round(share * found.shuffles)} of {found.shuffles}"

    kept = [(render.title(item), share, times(share)) for item, share in found.kept]
    k = len(kept)
    mean = sum(share for _, share in found.kept) / max(k, 1)
    parts = [
        f'<p class="panel-finding">On average a recommendation stays in the top {k} in '
        f"<strong>{mean:.0%}</strong> of the shuffles; chance alone would keep {found.even:.0%}. "
        f"Two shuffles share {found.overlap:.0%} of their top {k} and agree on its order with "
        f"Kendall's τ = {signed(found.tau)}.</p>",
        f"<h3>Still in the top {k}</h3>",
        shares("How often each recommendation stays", kept),
    ]
    if found.others:
        brought = "".join(
            f'<li>{render.title(item)} <span class="muted">{times(share)}</span></li>'
            for item, share in found.others
        )
        parts.append(
            '<details class="disclosure" data-keep="sure-others"><summary>Brought in by a shuffle'
            f' <span class="summary-hint">{len(found.others)} other candidates</span></summary>'
            f'<ul class="lines">{brought}</ul></details>'
        )
    told = ", ".join(f"{share:.0%}" for share in found.positions)
    parts.append(
        "<h3>Position bias</h3>"
        + columns(
            found.positions,
            f"Share of candidates recommended, by where they stood in the list, first part to "
            f"last: {told}. Without bias each would be {found.even:.0%}.",
            ("first in the list", "last in the list"),
            found.even,
        )
        + f'<p class="caption">The list of {found.n_candidates} candidates in '
        f"{len(found.positions)} parts: the share of those shown in each that reached the top {k}, "
        f"over {found.shuffles} shuffles. Without bias it is {found.even:.0%} everywhere, "
        "which is the dashed line.</p>"
    )
    return "".join(parts)
