"""HTML of a run: pure functions of the trace, so that the page can be tested without a browser.

Whatever comes from a catalog, a visitor or a model passes `escape` on its way into HTML:

>>> title(Item("1", "<script>", year=1995))
'&lt;script&gt; <span class="year">(1995)</span>'
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from palr.catalog.own_items import is_own
from palr.data.datasets import dataset_name
from palr.retrieval import RETRIEVERS
from palr.types import Candidate, Item, Keyword, RankedItem, Recommendation
from palr.ui import changes
from palr.ui.text import escape

Phase = Literal["idle", "waiting", "running", "done", "cancelled", "failed"]
Stage = Literal["profile", "candidates", "ranking"]
State = Literal["idle", "waiting", "running", "done", "stopped"]

STAGES: tuple[Stage, ...] = ("profile", "candidates", "ranking")
SHOWN_CANDIDATES = 10
SHOWN_SUPPORT = 3

_TITLES: dict[Stage, str] = {
    "profile": "Profile",
    "candidates": "Candidates",
    "ranking": "Recommendations",
}
_LEDES: dict[Stage, str] = {
    "profile": "A few keywords and sentences that the language model draws from the picks.",
    "candidates": "Up to fifty items that a retriever finds in the whole catalog.",
    "ranking": "What the language model selects from the candidates, and how far each one moved.",
}
_RUNNING: dict[Stage, str] = {
    "profile": "Writing",
    "candidates": "Searching the catalog",
    "ranking": "Choosing",
}


@dataclass(frozen=True)
class View:
    """A run as the page sees it.

    Attributes:
        trace: As far as it has got.
        phase: Where it stands.
        detail: What a waiting run waits for.
        before: The run over the same picks that a change was made to; None where there is none.
        undoable: Whether there is a state to go back to.
    """

    trace: Recommendation | None = None
    phase: Phase = "idle"
    detail: str = ""
    before: Recommendation | None = None
    undoable: bool = False


def stage_state(view: View, stage: Stage) -> State:
    finished = view.trace.seconds if view.trace else {}
    if stage in finished:
        return "done"
    if view.phase in ("cancelled", "failed"):
        return "stopped"
    if view.phase == "idle":
        return "idle"
    current = next((s for s in STAGES if s not in finished), None)
    return "running" if view.phase == "running" and stage == current else "waiting"


def title(item: Item) -> str:
    """The item's label with the year set apart, and a mark on what the visitor brought."""
    if is_own(item):
        return f'{escape(item.label)} <span class="mark">yours</span>'
    year = f" ({item.year})" if item.year else ""
    if year and item.label.endswith(year):
        name = escape(item.label.removesuffix(year))
        return f'{name} <span class="year">({item.year})</span>'
    return escape(item.label)


def duration(seconds: float) -> str:
    if seconds < 0.001:
        return "under 1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.1f} s"


def retriever_name(retriever: str) -> str:
    return RETRIEVERS[retriever].label if retriever in RETRIEVERS else retriever


def movement(ranked: RankedItem) -> tuple[str, str]:
    """The direction (up, down, same) and the words for it."""
    places = ranked.movement
    if places > 0:
        return "up", f"up {places} from {ranked.retriever_rank}"
    if places < 0:
        return "down", f"down {-places} from {ranked.retriever_rank}"
    return "same", "same place"


def notice(message: str, kind: Literal["info", "error"] = "info") -> str:
    if not message:
        return ""
    return f'<div class="notice notice-{kind}" role="alert">{escape(message)}</div>'


def progress(words: str, done: int = 0, total: int = 0) -> str:
    """Where long work stands; without a total, only that it goes on."""
    bar = f'<progress max="{total}" value="{done}" aria-hidden="true"></progress>' if total else ""
    count = f' <span class="muted">{done} of {total}</span>' if total else ""
    return f'<p class="progress" role="status">{bar}<span>{escape(words)}{count}</span></p>'


def stale(reasons: Sequence[str]) -> str:
    """Says that the results below belong to an earlier choice."""
    if not reasons:
        return ""
    what = " and ".join(reasons)
    return (
        '<div class="stale" role="status">'
        f"<strong>{escape(what.capitalize())} changed</strong>; press Recommend. "
        "The results below belong to the earlier run.</div>"
    )


def profile_stage(view: View) -> str:
    trace = view.trace
    profile = trace.profile if trace else None
    body = ""
    if trace and profile:
        writing = stage_state(view, "profile") == "running"
        caret = '<span class="caret" aria-hidden="true"></span>' if writing else ""
        settled = stage_state(view, "profile") == "done" and bool(trace.picks)
        if profile.text or writing or settled:  # an empty one can be written into
            body += f'<p class="profile-text">{escape(profile.text)}{caret}</p>'
        if settled:
            body += _edit_buttons(trace)
        if profile.keywords:
            rows = "".join(_keyword(keyword, trace, settled) for keyword in profile.keywords)
            body += f'<ul class="keywords" aria-label="Keywords and their picks">{rows}</ul>'
        body += changes.read_from_profile(trace)
        asked = profile.prompt is not None and trace.asked.edits.profile is None
        if not profile.text and not writing and (trace.fallback or (settled and asked)):
            body += '<p class="fallback">The language model wrote no profile this time.</p>'
    return _stage(view, "profile", body)


def _edit_buttons(trace: Recommendation) -> str:
    """The profile is edited where it stands; `refine.js` hears the buttons."""
    edits = trace.asked.edits
    edited = edits.profile is not None or edits.keywords is not None
    back = '<button type="button" class="quiet" data-refine="restore">Undo edits</button>'
    return (
        '<p class="actions profile-actions">'
        '<button type="button" class="quiet when-still" data-refine="edit">Edit profile</button>'
        '<button type="button" class="quiet when-editing" data-refine="save">Save</button>'
        '<button type="button" class="quiet when-editing" data-refine="discard">Cancel</button>'
        f"{back if edited else ''}</p>"
    )


def _keyword_actions(keyword: Keyword, trace: Recommendation) -> str:
    wish, name = trace.asked.wish, escape(keyword.text)
    signs = "".join(
        f'<button type="button" class="wish-sign" data-refine="{side}" data-value="{name}" '
        f'aria-pressed="{"true" if keyword.text in getattr(wish, side) else "false"}" '
        f'aria-label="{side.capitalize()} {name}" title="{side.capitalize()} {name}">'
        f"{sign}</button>"
        for side, sign in (("more", "+"), ("less", "&minus;"))
    )
    words = f"Remove {name} from the profile"
    return (
        f'<span class="keyword-actions">{signs}<button type="button" class="glyph glyph-remove" '
        f'data-refine="drop" data-value="{name}" aria-label="{words}" title="{words}"></button>'
        "</span>"
    )


def _keyword(keyword: Keyword, trace: Recommendation, settled: bool) -> str:
    picks = {item.id: item for item in (*trace.picks, *trace.history)}
    support = [picks[item_id] for item_id in keyword.support if item_id in picks]
    shown = ", ".join(f"<cite>{title(item)}</cite>" for item in support[:SHOWN_SUPPORT])
    rest = support[SHOWN_SUPPORT:]
    if rest:
        more = "".join(f"<li><cite>{title(item)}</cite></li>" for item in rest)
        shown += (
            f' <details class="more-support"><summary>and {len(rest)} more</summary>'
            f"<ul>{more}</ul></details>"
        )
    support_line = f'<span class="support">from {shown}</span>' if support else ""
    actions = _keyword_actions(keyword, trace) if settled else ""
    return (
        f'<li data-keyword="{escape(keyword.text)}"><span class="keyword-head">'
        f'<span class="keyword">{escape(keyword.text)}</span>{actions}</span>{support_line}</li>'
    )


def candidates_stage(view: View) -> str:
    trace, before = view.trace, view.before
    if not trace or trace.candidates is None:
        waits = before is not None and view.phase in ("waiting", "running")
        old = _candidate_table(before.candidates) if before and before.candidates and waits else ""
        return _stage(view, "candidates", _dimmed(old))
    retriever = trace.retriever or ""
    meaning = RETRIEVERS[retriever].meaning if retriever in RETRIEVERS else ""
    by = f"<strong>{escape(retriever_name(retriever))}</strong>"
    lede = f"{len(trace.candidates)} found by {by}{': ' + meaning if meaning else ''}."
    new = changes.new_candidates(before, trace)
    if before:
        lede += f" <strong>{changes.count_new(len(new)).capitalize()}</strong> since your change."
    body = changes.steered_by(trace) + _candidate_table(trace.candidates, new)
    return _stage(view, "candidates", body, lede)


def _dimmed(html: str) -> str:
    """What belongs to the run before, while the next one is under way."""
    return f'<div class="earlier" aria-hidden="true" inert>{html}</div>' if html else ""


def _candidate_table(candidates: Sequence[Candidate], new: frozenset[str] = frozenset()) -> str:
    rows = "".join(_candidate_row(candidate, candidate.item.id in new) for candidate in candidates)
    more = ""
    if len(candidates) > SHOWN_CANDIDATES:
        more = (
            '<button type="button" class="quiet" data-expand="candidates" aria-expanded="false" '
            f'data-less="Show the first {SHOWN_CANDIDATES}">Show all {len(candidates)}</button>'
        )
    return (
        '<div class="table-scroll" tabindex="0" role="region" aria-label="Table of candidates">'
        '<table class="candidates"><thead><tr><th scope="col" class="number">Rank</th>'
        '<th scope="col">Title</th><th scope="col" class="wide">Keywords</th>'
        '<th scope="col" class="number" title="Comparable within this list only">Score</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def _candidate_row(candidate: Candidate, new: bool) -> str:
    extra = ' class="extra"' if candidate.rank > SHOWN_CANDIDATES else ""
    score = candidate.score
    shown = f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.3f}"
    keywords = escape(", ".join(candidate.item.keywords))
    mark = ' <span class="mark">new</span>' if new else ""
    # On a phone the column of keywords is hidden and they stand below the title.
    return (
        f'<tr{extra}><td class="number">{candidate.rank}</td><td>{title(candidate.item)}{mark}'
        f'<span class="below">{keywords}</span></td><td class="muted wide">{keywords}</td>'
        f'<td class="number">{shown}</td></tr>'
    )


def ranking_stage(view: View) -> str:
    trace = view.trace
    ranking = trace.ranking if trace else None
    before = view.before
    body = changes.since_before(before, trace, view.phase) if view.undoable else ""
    if not ranking and before and before.ranking and view.phase in ("waiting", "running"):
        cards = "".join(_card(ranked, before) for ranked in before.ranking.items)
        body += _dimmed(f'<ol class="cards">{cards}</ol>')
    if ranking and trace and trace.fallback:
        body += (
            '<p class="fallback" role="status"><strong>Fallback:</strong> the language model did '
            "not do its part, so this is the retriever's own order. "
            f'<span class="muted">{escape(trace.fallback)}</span></p>'
        )
    elif ranking and trace:
        body += f'<p class="model-note">{_model_note(trace)}</p>'
    if ranking and trace and ranking.items:
        known = {r.item.id for r in before.ranking.items} if before and before.ranking else None
        cards = "".join(
            _card(ranked, trace, known is not None and ranked.item.id not in known)
            for ranked in ranking.items
        )
        body += changes.too_few(trace) + f'<ol class="cards">{cards}</ol>'
    return _stage(view, "ranking", body)


def _model_note(trace: Recommendation) -> str:
    """Who ranked, and what else has a say in it."""
    if trace.asked.ranker == "retriever":
        return "The retriever's own order, without a language model."
    note = (
        f"Fine-tuned: ranked with the adapter {escape(trace.adapter)}"
        if trace.adapter
        else "Zero-shot: ranked without a fine-tuned adapter"
    )
    if trace.asked.ranker == "mix":
        note += ", mixed evenly with the retriever"
    elif trace.prior:
        note += ", on top of the retriever's scores"
    if trace.wish:
        note += "; your wish counts through these scores, and stands in the prompt"
    ranking = trace.ranking
    if ranking and ranking.completed:
        n = len(ranking.items)
        note += f". Its answer fills {n - ranking.completed} of {n} places; the others follow in "
        note += "the retriever's order"
    return f"{note}."


def _card(ranked: RankedItem, trace: Recommendation, new: bool = False) -> str:
    direction, words = movement(ranked)
    keywords = escape(" · ".join(ranked.item.keywords))
    mark = ' <span class="mark">new</span>' if new else ""
    return (
        f'<li class="card"><span class="rank" aria-hidden="true">{ranked.rank}</span>'
        f'<div class="card-body"><h3>{title(ranked.item)}{mark}</h3>'
        f'<p class="muted">{keywords}</p>{changes.tie_line(ranked.item, trace)}'
        f'<p class="movement movement-{direction}"><span class="arrow" aria-hidden="true"></span>'
        f'<span class="sr-only">Against the retriever: </span>{words}</p>'
        f"{changes.card_actions(ranked.item, trace)}</div></li>"
    )


def _stage(view: View, stage: Stage, body: str, lede: str = "") -> str:
    state = stage_state(view, stage)
    trace = view.trace
    right = ""
    if state == "done" and trace:
        right = f'<span class="stage-time">{duration(trace.seconds[stage])}</span>'
    elif state == "running":
        right = f'<span class="stage-running">{_RUNNING[stage]}</span>'
    elif state == "waiting":
        finished = trace.seconds if trace else {}
        first = view.detail and stage == next((s for s in STAGES if s not in finished), None)
        right = f'<span class="stage-waiting">{escape(view.detail) if first else "Waiting"}</span>'
    elif state == "stopped":
        right = f'<span class="stage-waiting">{view.phase.capitalize()}</span>'
    busy = "true" if state == "running" else "false"
    return (
        f'<section class="stage stage-{state}" aria-labelledby="stage-{stage}" aria-busy="{busy}">'
        f'<header><span class="stage-number" aria-hidden="true">{STAGES.index(stage) + 1}</span>'
        f'<h2 id="stage-{stage}">{_TITLES[stage]}</h2>{right}</header>'
        f'<p class="lede">{lede or _LEDES[stage]}</p>{body}</section>'
    )


def announcement(view: View) -> str:
    """One sentence for screen readers, changing only when a stage ends."""
    if view.phase in ("cancelled", "failed"):
        return f"The run was {view.phase}." if view.phase == "cancelled" else "The run failed."
    if not view.trace or view.phase == "idle":
        return ""
    finished = [s for s in STAGES if s in view.trace.seconds]
    if not finished:
        return "The run has started."
    if finished[-1] == "ranking" and view.trace.ranking:
        by = ", in the retriever's order" if view.trace.fallback else ""
        return f"{len(view.trace.ranking.items)} recommendations are ready{by}."
    return f"{_TITLES[finished[-1]]} ready."


def status(state: str, message: str, dataset: str, has_interactions: bool) -> str:
    """Model and data set in one line; below it, what the catalog lacks."""
    line = (
        f'<p class="status status-{escape(state)}"><span class="dot" aria-hidden="true"></span>'
        f"<span>{escape(message)}</span><span>{escape(dataset_name(dataset))}</span></p>"
    )
    if has_interactions:
        return line
    return line + (
        '<p class="catalog-note">This catalog has no purchase data: candidates come from the '
        "similarity of titles and keywords, not from what people bought.</p>"
    )
