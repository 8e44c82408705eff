"""Why not X: how far an item came down the data path, and what would bring it in."""

from collections.abc import Generator

import gradio as gr

from palr.catalog.search import MAX_QUERY
from palr.errors import PalrError
from palr.insight.whynot import Lift, WhyNot, named, why_not
from palr.ranking import MODES
from palr.types import Recommendation
from palr.ui import render
from palr.ui.panels.host import PanelHost, Step, action, html, measured
from palr.ui.plots import signed
from palr.ui.text import escape

LEDE = (
    '<p class="panel-lede">Ask for any title of the catalog: how the retriever ranked it, whether '
    "the language model saw it, what score it gave, and which further pick would bring it in.</p>"
)


def build(host: PanelHost) -> None:
    html(LEDE)
    text = gr.Textbox(label="Title", max_length=MAX_QUERY, max_lines=1, elem_id="whynot-title")
    above = gr.Column()

    def work(trace: Recommendation, title: str) -> Generator[Step | None]:
        recommender = host.recommender(trace)
        catalog = recommender.catalog
        if not title.strip():
            raise PalrError(f"Write the title of a {catalog.domain.noun} first.")
        item = named(catalog, title)
        retriever = recommender.retriever(trace.retriever)
        llm = recommender.model(trace.asked.adapter)
        found = yield from measured("Asking again", why_not(trace, item, llm, retriever))
        yield Step("Done", page=(explained(found, trace),))

    shown = html("", elem_id="whynot")
    with above:
        action(host, "Why not?", work, [text], [shown], elem_id="whynot-ask")
    host.follow(lambda domain, trace: ("",), [shown])


def explained(found: WhyNot, trace: Recommendation) -> str:
    facts = "".join(f"<li>{fact}</li>" for fact in _facts(found, trace))
    return f'<h3>{render.title(found.item)}</h3><ol class="reasons">{facts}</ol>{_lifts(found)}'


def _facts(found: WhyNot, trace: Recommendation) -> list[str]:
    if found.picked:
        return ["It is one of the picks, and what was picked is never recommended again."]
    by = escape(render.retriever_name(trace.retriever or ""))
    facts = []
    if found.rank is None:
        facts.append(f"{by} does not know it: too few people chose it to learn from.")
    else:
        facts.append(f"{by} ranks it <strong>{found.rank:,}</strong> of {found.n_ranked:,}.")
    if found.candidate:
        facts.append(f"It is among the {found.n_candidates} candidates that the model saw.")
    else:
        facts.append(
            f"It is not among the {found.n_candidates} candidates: the model never saw it."
        )
    if found.place is not None:
        facts.append(f"It <strong>is</strong> recommended, in place {found.place}.")
        return facts
    if found.score is not None and found.needed is not None:
        how = MODES[found.mode].label.lower()
        whose = "" if found.candidate else "In the place of the last candidate it would get "
        score = f"{signed(found.score)} nats against the mean candidate ({how})"
        gap = found.needed - found.score
        needs = f"{gap:.2f} more would reach" if gap > 0 else f"{-gap:.2f} above"
        facts.append(
            f"{whose or 'The model gives it '}{score}: place <strong>{found.by_score}</strong> of "
            f"{found.n_candidates} by that score, {needs} the last recommended place."
        )
    elif found.gap and found.rank is not None:
        facts.append(f"The model's score cannot be told: {escape(found.gap)}.")
    shared = ", ".join(escape(keyword) for keyword in found.shared)
    facts.append(
        f"It shares {shared} with the picks." if shared else "It shares no keyword with the picks."
    )
    return facts


def _lifts(found: WhyNot) -> str:
    if found.picked or found.place is not None:
        return ""
    heading = "<h4>What would bring it in</h4>"
    if not found.lifts:
        return f"{heading}<p>No further pick was found that does.</p>"
    rows = "".join(f"<li>{_lift(lift, found)}</li>" for lift in found.lifts)
    return (
        f'{heading}<ul class="lines">{rows}</ul><p class="caption">Measured: each was added as the '
        "most recent pick and the run asked again, with the profile as it was.</p>"
    )


def _lift(lift: Lift, found: WhyNot) -> str:
    name = f"Picking <cite>{render.title(lift.pick)}</cite> too"
    if found.rank is not None and lift.rank >= found.rank:
        return f"{name} does not help: the retriever's rank becomes {lift.rank:,}."
    rank = f"{name} lifts it to the retriever's rank {lift.rank:,}"
    if lift.rank > found.n_candidates:
        return f"{rank}, which is still below the candidates."
    if lift.place is None:
        return f"{rank}, among the candidates; the model still leaves it out."
    return f"{rank}, and the model recommends it in <strong>place {lift.place}</strong>."
