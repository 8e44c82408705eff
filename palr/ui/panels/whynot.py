"""Why not X: how far an item came down the data path, and what would bring it in."""

from collections.abc import Generator

import gradio as gr

from palr.catalog.search import MAX_QUERY
from palr.errors import PalrError
from palr.insight.rerun import retriever_of
from palr.insight.whynot import Lift, WhyNot, named, why_not
from palr.ranking import MODES
from palr.runs.wishes import item_names, shift_name
from palr.text import spoken_list
from palr.types import Recommendation, Wish
from palr.ui import render
from palr.ui.panels.host import PanelHost, Step, action, html, measured
from palr.ui.plots import signed
from palr.ui.text import escape

_LEAST = 0.005  # nats that are worth telling
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
        retriever = retriever_of(trace, recommender)
        llm = recommender.model(trace.asked.adapter)
        asking = why_not(trace, item, llm, retriever, recommender.likeness(trace.wish))
        found = yield from measured("Asking again", asking)
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
    if found.ruled_out:
        alone = f" {by} alone would rank it {found.own_rank:,}." if found.own_rank else ""
        return [f"Your wish leaves it out: {_ruled_out(found, trace.wish)}.{alone}"]
    facts = []
    if found.rank is None:
        facts.append(f"{by} does not know it: too few people chose it to learn from.")
    else:
        facts.append(f"{by} ranks it <strong>{found.rank:,}</strong> of {found.n_ranked:,}.")
        facts += _steered(found, trace, by)
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
    if trace.history:
        shared = ", ".join(escape(keyword) for keyword in found.shared) or "no keyword"
        facts.append(f"It shares {shared} with the picks.")
    return facts


def _ruled_out(found: WhyNot, wish: Wish) -> str:
    if found.ruled_out == "years" and wish.years:
        first, last = wish.years
        year = f"it is of {found.item.year}" if found.item.year else "its year is not known"
        return f"you asked for the years {first} to {last}, and {year}"
    return {"seen": "you have seen it", "disliked": "you asked for less like it"}[found.ruled_out]


def _steered(found: WhyNot, trace: Recommendation, by: str) -> list[str]:
    """What wish and profile did to its rank."""
    facts = []
    if found.own_rank and found.rank != found.own_rank:
        facts.append(f"Without wish and profile, {by} would rank it {found.own_rank:,}.")
    if abs(found.steer) > _LEAST:
        names = item_names(trace)
        parts = [f"{shift_name(s, names)} {signed(s.logit)}" for s in found.moved_by]
        rest = found.steer - sum(shift.logit for shift in found.moved_by)
        parts += [f"the rest of the wish {signed(rest)}"] if abs(rest) > _LEAST else []
        way = "lower" if found.steer < 0 else "raise"
        facts.append(f"Wish and profile {way} it: {escape(', '.join(parts))}.")
    lacking = [word for word in trace.wish.more if word not in found.item.keywords]
    if lacking and len(lacking) == len(trace.wish.more):
        facts.append(f"You asked for more {escape(spoken_list(lacking))}: it has none of that.")
    return facts


def _lifts(found: WhyNot) -> str:
    if found.picked or found.place is not None or found.ruled_out:
        return ""
    heading = "<h4>What would bring it in</h4>"
    if found.unlifted:
        keywords = escape(spoken_list(found.item.keywords))
        ask = f"; asking for {keywords} would raise it" if keywords else ""
        return f"{heading}<p>{found.unlifted[:1].upper()}{found.unlifted[1:]}{ask}.</p>"
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
