"""Map and plots: where the run lies in the catalog, how its scores spread, where its time went."""

from collections.abc import Generator, Sequence

import gradio as gr

from palr.candidates import COLD_START
from palr.errors import PalrError, RetrieverUnavailableError
from palr.insight.floor import Floor, measure_floor
from palr.insight.projection import background, nearest, plane
from palr.insight.rerun import retriever_of
from palr.retrieval.base import Retriever
from palr.retrieval.semantic import SemanticRetriever
from palr.types import Item, Recommendation
from palr.ui import render
from palr.ui.panels.host import PanelHost, Step, action, html, measured
from palr.ui.plots import Dot, histogram, scatter
from palr.ui.text import escape

LEDE = (
    '<p class="panel-lede">A map of the catalog with this run on it, how the retriever\'s scores '
    "spread, and the time of each stage against the shortest that the ranking could take on this "
    "machine, which is measured now.</p>"
)

_STAGES = {"profile": "Profile", "candidates": "Candidates", "ranking": "Ranking"}


def build(host: PanelHost) -> None:
    html(LEDE)
    above = gr.Column()

    def work(trace: Recommendation) -> Generator[Step | None]:
        recommender = host.recommender(trace)
        yield Step("Drawing the map", 0, 3)
        try:
            parts = catalog_map(trace, recommender.retriever(COLD_START))
        except RetrieverUnavailableError as error:
            parts = f'<p class="gap">There is no map: {escape(str(error))}.</p>'
        yield Step("Plotting the scores", 1, 3)
        parts += score_spread(trace, retriever_of(trace, recommender))
        yield Step("Measuring the floor", 2, 3, page=(parts + stage_times(trace),))
        floor: Floor | None = None
        why = ""
        try:
            llm = recommender.model(trace.asked.adapter)
            floor = yield from measured("Measuring the floor", measure_floor(trace, llm))
        except PalrError as error:
            why = str(error)
        yield Step("Done", page=(parts + stage_times(trace, floor, why),))

    shown = html("", elem_id="plots")
    with above:
        action(host, "Draw", work, outputs=[shown], elem_id="plots-draw")
    host.follow(lambda domain, trace: ("",), [shown])


def catalog_map(trace: Recommendation, retriever: Retriever) -> str:
    assert isinstance(retriever, SemanticRetriever)
    recommended = [ranked.item for ranked in trace.ranking.items] if trace.ranking else []
    found = plane(retriever.vectors)
    places = found.place(retriever.vectors)
    row = {item.id: at for at, item in enumerate(retriever.items)}

    def dots(items: Sequence[Item], kind: str, numbered: bool = False) -> list[Dot]:
        return [
            Dot(
                float(places[row[item.id], 0]),
                float(places[row[item.id], 1]),
                kind,
                f"{n}. {item.label}" if numbered else item.label,
                str(n) if numbered else "",
            )
            for n, item in enumerate(items, start=1)
            if item.id in row
        ]

    named = {item.id for item in recommended}
    others = [c.item for c in trace.candidates or () if c.item.id not in named]
    drawn = [*dots(others, "candidate"), *dots(trace.history, "pick")]
    drawn += dots(recommended, "recommended", numbered=True)
    cloud = [(float(x), float(y)) for x, y in places[background(len(places))]]
    pairs = zip(recommended, nearest(retriever, recommended, trace.history), strict=True)
    rows = "".join(
        f"<li><cite>{render.title(item)}</cite> lies nearest to <cite>{render.title(close[0])}"
        f'</cite> <span class="muted">cosine {close[1]:.2f}</span></li>'
        for item, close in pairs
        if close
    )
    below, listed = "", ""
    if rows:
        below = "; the list below tells which pick each recommendation is nearest to"
        listed = (
            '<details class="disclosure" data-keep="map-list"><summary>Nearest picks</summary>'
            f'<ol class="lines">{rows}</ol></details>'
        )
    return (
        "<h3>The catalog, and this run in it</h3>"
        + scatter(
            cloud,
            drawn,
            f"Map of {len(retriever.items):,} items with {len(trace.history)} picks, "
            f"{len(trace.candidates or ())} candidates and {len(recommended)} recommendations"
            f"{below}.",
        )
        + '<ul class="keys" aria-label="Signs"><li class="key-pick">picks</li>'
        '<li class="key-candidate">candidates</li>'
        '<li class="key-recommended">recommendations, by rank</li>'
        '<li class="key-cloud">the catalog</li></ul>'
        f'<p class="caption">Embeddings of titles and keywords, in the two directions in which the '
        f"catalog differs most. They hold {found.share:.0%} of its variance: what is near here may "
        "still differ in the rest.</p>"
        f"{listed}"
    )


def score_spread(trace: Recommendation, retriever: Retriever) -> str:
    scores = retriever.score([trace.history])[0].tolist()
    column = {item.id: at for at, item in enumerate(retriever.items)}
    named = [ranked.item for ranked in trace.ranking.items] if trace.ranking else []
    candidates = [c.item for c in trace.candidates or ()]
    ticks = [(scores[column[i.id]], "candidate") for i in candidates if i.id in column]
    ticks += [(scores[column[i.id]], "recommended") for i in named if i.id in column]
    lowest = min((value for value, kind in ticks if kind == "candidate"), default=0.0)
    above = sum(score >= lowest for score in scores)
    by = render.retriever_name(trace.retriever or "")
    heading = f"<h3>Scores of {escape(by)}</h3>"
    if min(scores) == max(scores):
        return f"{heading}<p>All items score the same: what was asked for alone made the order.</p>"
    moved = any(candidate.steer for candidate in trace.candidates or ())
    return (
        heading
        + histogram(
            scores,
            ticks,
            f"{by} scores {len(scores):,} items from {min(scores):.2f} to {max(scores):.2f}; "
            f"{above:,} of them score at least as high as the last candidate, picks included.",
        )
        + '<p class="caption">The whole catalog from low to high; the height of a bar is the root '
        "of its count. Below it the candidates, and in strong strokes the recommendations."
        + (" These are its own scores, before wish and profile moved them." if moved else "")
        + "</p>"
    )


def stage_times(trace: Recommendation, floor: Floor | None = None, why: str = "") -> str:
    """Bars of the stages' seconds; under the ranking's, what it could not be faster than."""
    bars = [(name, trace.seconds[key], "") for key, name in _STAGES.items() if key in trace.seconds]
    if floor:
        bars.append(("Floor of the ranking", floor.seconds, " bar-floor"))
    longest = max((seconds for _, seconds, _ in bars), default=0.0) or 1.0
    rows = "".join(
        f'<li><span class="share-name">{name}</span><span class="share-bar{kind}" '
        f'aria-hidden="true"><span style="width:{100 * seconds / longest:.1f}%"></span></span>'
        f'<span class="share-words">{render.duration(seconds)}</span></li>'
        for name, seconds, kind in bars
    )
    said = ""
    if floor:
        passes = f" and {floor.further} of one token, {render.duration(floor.one)} each"
        said = (
            f"The floor, measured just now: one pass over the prompt, "
            f"{render.duration(floor.prompt)},{passes if floor.further else ' and no other'}. "
            "A ranking can be below it where part of its prompt was read while you were picking."
        )
    elif why:
        said = f"{why[:1].upper()}{why[1:]}."
    return (
        f'<h3>Time of each stage</h3><ul class="shares" aria-label="Seconds">{rows}</ul>'
        f'<p class="caption">{escape(said)}</p>'
    )
