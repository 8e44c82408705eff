"""HTML of what a wish does: what was asked for, how far it moved a run, what a card offers."""

from palr.domains import get_domain
from palr.insight.ties import tie_of
from palr.runs.compare import compare
from palr.runs.wishes import item_names, shift_name
from palr.text import spoken_list
from palr.types import Item, Recommendation
from palr.ui.text import escape

N_SHIFTS = 6
_UNFINISHED = {
    "waiting": "Running again with your change.",
    "running": "Running again with your change.",
    "failed": "Your change could not be followed.",
    "cancelled": "Your change was cancelled.",
}


def read_from_profile(trace: Recommendation) -> str:
    """What the visitor's own words in the profile were read as, with a way to turn each round."""
    rows = ""
    for side, other, sign in (("more", "less", "+"), ("less", "more", "&minus;")):
        own = getattr(trace.asked.wish, side)
        for keyword in getattr(trace.wish, side):
            if keyword in own:
                continue
            name = escape(keyword)
            rows += (
                f'<li class="wish-chip wish-{side}"><button type="button" class="wish-sign" '
                f'data-refine="{other}" data-value="{name}" '
                f'aria-label="{side.capitalize()} {name}: turn round">{sign}</button>'
                f'<span class="wish-text">{name}</span></li>'
            )
    years = trace.wish.years
    if years and years != trace.asked.wish.years:
        rows += (
            f'<li class="wish-chip"><span class="wish-text">{years[0]} to {years[1]}</span></li>'
        )
    if not rows:
        return ""
    return (
        '<p class="caption">Read from your words</p>'
        f'<ul class="wishes" aria-label="Read from the profile">{rows}</ul>'
    )


def steered_by(trace: Recommendation) -> str:
    """How far each part of the wish, and of the profile, moved the retriever's probability."""
    shown = sorted(trace.shifts, key=lambda s: (s.source == "profile", -abs(s.logit)))[:N_SHIFTS]
    if not shown:
        return ""
    names = item_names(trace)
    rows = "".join(
        f"<li><strong>{escape(shift_name(shift, names))}</strong> "
        f"{_percent(shift.before)} to {_percent(shift.after)}</li>"
        for shift in shown
    )
    return (
        '<details class="steered opens" data-keep="steered">'
        "<summary>What steers the search</summary>"
        '<p class="muted">Each part, with the probability that the retriever gives such items '
        f'before and after.</p><ul class="lines">{rows}</ul></details>'
    )


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"


def since_before(before: Recommendation | None, now: Recommendation | None, phase: str) -> str:
    """What a change did to the ten, and the way back.

    Args:
        before: The run that the change was made to; None where it is another beginning.
        now: The run since, as far as it has got.
        phase: Where that run stands, as in `palr.ui.render.View`.
    """
    words = _UNFINISHED.get(phase, "") if before else ""
    if before and before.ranking and now and now.ranking and "ranking" in now.seconds:
        moves = compare(before, now).moves
        new = sum(1 for move in moves if move.before is None)
        moved = sum(1 for move in moves if move.places)
        kept = len(now.ranking.items) - new - moved
        counts = ((new, "new"), (moved, "moved"), (kept, "in the same place"))
        words = "Since your change: "
        words += ", ".join(f"{count} {what}" for count, what in counts if count) + "."
    return (
        f'<p class="since"><span role="status">{words}</span> '
        '<button type="button" class="quiet" data-refine="undo">Undo</button></p>'
    )


def new_candidates(before: Recommendation | None, now: Recommendation) -> frozenset[str]:
    """Ids of the candidates that the run before did not have; empty without one."""
    if before is None or before.candidates is None:
        return frozenset()
    known = {candidate.item.id for candidate in before.candidates}
    return frozenset(c.item.id for c in now.candidates or ()) - known


def count_new(n: int) -> str:
    """How many of the candidates a change has brought.

    >>> count_new(0), count_new(1), count_new(7)
    ('none of them is new', '1 of them is new', '7 of them are new')
    """
    return f"{n or 'none'} of them {'is' if n < 2 else 'are'} new"


def too_few(trace: Recommendation) -> str:
    """Says that a wish leaves fewer items than were to be recommended."""
    n = len(trace.ranking.items) if trace.ranking else 0
    if not trace.wish or not n or n >= trace.asked.k or len(trace.candidates or ()) > n:
        return ""
    domain = get_domain(trace.domain)
    left = f"1 {domain.noun} is" if n == 1 else f"{n} {domain.nouns} are"
    how = "Widen the years for more" if trace.wish.years else "Take something off it for more"
    return f'<p class="too-few" role="status">Only {left} left of what you ask for. {how}.</p>'


def tie_line(item: Item, trace: Recommendation) -> str:
    """Half a line on what ties a card to the picks and to the wish."""
    tie = tie_of(item, trace)
    asked = f"You asked for {spoken_list(tie.asked)}" if tie.asked else ""
    shared = [keyword for keyword in tie.shared if keyword not in tie.asked] or list(tie.shared)
    names = spoken_list([pick.title for pick in tie.picks])
    to_picks = f"{spoken_list(shared)} as in {names}" if names else ""
    if not to_picks and trace.history and not asked:
        to_picks = "no keyword in common with the picks"
    words = "; ".join(part for part in (asked, to_picks) if part)
    return f'<p class="tie">{escape(words[:1].upper() + words[1:])}</p>' if words else ""


def card_actions(item: Item, trace: Recommendation) -> str:
    """More like this, less like this, seen it."""
    name, wish = escape(item.label), trace.asked.wish
    buttons = "".join(
        f'<button type="button" class="quiet" data-refine="{side}" data-value="{escape(item.id)}" '
        f'data-label="{name}" aria-label="{words}: {name}"{pressed}>{short}</button>'
        for side, words, short, pressed in (
            ("liked", "More like this", "More like this", _pressed(item.id in wish.liked)),
            ("disliked", "Less like this", "Less like this", ""),
            ("seen", "Seen it", "Seen it", ""),
        )
    )
    return f'<p class="card-actions">{buttons}</p>'


def _pressed(on: bool) -> str:
    return f' aria-pressed="{"true" if on else "false"}"'
