"""Why this pick: the influence of each watched item on each recommendation, and one line each."""

from collections.abc import Generator, Sequence

import gradio as gr

from palr.insight.explain import Explanation, explain
from palr.insight.influence import Influence, measure_influence, mostly_because
from palr.insight.rerun import retriever_of
from palr.ranking import MODES
from palr.text import spoken_list
from palr.types import Recommendation
from palr.ui import render
from palr.ui.panels.host import PanelHost, Step, action, html, measured
from palr.ui.plots import heat_map
from palr.ui.text import escape

LEDE = (
    '<p class="panel-lede">Leaves each pick out of the prompt, one at a time, and scores the same '
    "candidates again. Then the language model says in one line what ties each recommendation to "
    "the picks.</p>"
)


def build(host: PanelHost) -> None:
    html(LEDE)
    above = gr.Column()

    def work(trace: Recommendation) -> Generator[Step | None]:
        recommender = host.recommender(trace)
        llm = recommender.model(trace.asked.adapter)
        retriever = retriever_of(trace, recommender)
        influence = yield from measured(
            "Leaving each pick out", measure_influence(trace, llm, retriever)
        )
        yield Step("Writing one line each", page=(shown_influence(influence),))
        because = {
            item.id: mostly_because(influence, at) for at, item in enumerate(influence.items)
        }
        written = yield from measured(
            "Writing one line each", explain(trace, recommender.catalog, llm, because)
        )
        yield Step("Done", page=(shown_influence(influence, written),))

    shown = html("", elem_id="why")
    with above:
        action(host, "Measure", work, outputs=[shown], elem_id="why-measure")
    host.follow(lambda domain, trace: ("",), [shown])


def shown_influence(influence: Influence, explanations: Sequence[Explanation] = ()) -> str:
    """Sentences first, then the heat maps that they were read from."""
    lines = {explanation.item.id: explanation for explanation in explanations}
    rows = "".join(
        f"<li><h3>{render.title(item)}</h3>{_because(influence, at)}"
        f"{_line(lines.get(item.id), bool(influence.picks))}</li>"
        for at, item in enumerate(influence.items)
    )
    parts = [f'<ol class="because">{rows}</ol>']
    parts += [f'<p class="gap">{escape(gap[:1].upper() + gap[1:])}.</p>' for gap in influence.gaps]
    picks = [render.title(pick) for pick in influence.picks]
    heads = [(str(n), item.label) for n, item in enumerate(influence.items, start=1)]
    if influence.llm:
        by = MODES[influence.mode].label.lower()
        parts.append(
            heat_map("Language model: each pick's influence", picks, heads, influence.llm)
            + '<p class="caption">How much each recommendation (columns, by rank) gains on the '
            f"other candidates, in nats of log-probability ({by}), because the pick is there. "
            "Candidates and profile stay as they were; green speaks for, orange against.</p>"
        )
    if influence.retriever:
        parts.append(
            heat_map("Retriever: each pick's influence", picks, heads, influence.retriever)
            + '<p class="caption">The same difference of the retriever\'s own scores; they compare '
            "within this table only.</p>"
        )
    return "".join(parts)


def _because(influence: Influence, at: int) -> str:
    if influence.llm is None and influence.retriever is None:
        return ""
    picks = mostly_because(influence, at)
    names = " and ".join(f"<cite>{render.title(pick)}</cite>" for pick in picks)
    why = (
        f"Mostly because of {names}."
        if names
        else "No single pick brought it in: leaving out any one of them does not hurt it."
    )
    return f"<p>{why}</p>"


def _line(line: Explanation | None, picked: bool) -> str:
    if line is None:
        return ""
    asked = f"<p>You asked for {escape(spoken_list(line.asked))}.</p>" if line.asked else ""
    if not line.text:
        none = "It shares no keyword with the picks, so nothing is written."
        if not picked:
            none = "" if asked else "It carries none of the keywords that were asked for."
        return asked + (f'<p class="muted">{none}</p>' if none else "")
    mark = "Generated" if line.generated else "Not generated"
    note = f' <span class="muted">({escape(line.note)})</span>' if line.note else ""
    text = f'<span class="mark">{mark}</span> {escape(line.text)}{note}'
    return f'{asked}<p class="generated">{text}</p>'
