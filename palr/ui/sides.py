"""HTML of two runs side by side, with arrows between the places of their items."""

from collections.abc import Sequence

from palr.runs.compare import Comparison, Cost, Move
from palr.types import Recommendation
from palr.ui.render import duration, title
from palr.ui.text import escape

_GONE = '<span class="movement movement-down">gone</span>'


def side_by_side(
    first: Recommendation,
    second: Recommendation,
    comparison: Comparison,
    names: tuple[str, str] = ("Before", "After"),
) -> str:
    """Both rankings, what they share, and what each one cost."""
    moved = sum(1 for move in comparison.moves if move.places)
    new = sum(1 for move in comparison.moves if move.before is None)
    shared = f"{comparison.overlap:.0%} of the top 10 in both"
    summary = f"{shared}, {moved} moved, {new} new."
    moves = {move.item.id: _move(move) for move in comparison.moves}
    gone = {move.item.id: _GONE for move in comparison.moves if move.after is None}
    return (
        f'<p class="sides-summary" role="status">{summary}</p><div class="sides">'
        f"{_side(first, names[0], comparison.before, gone)}"
        f"{_side(second, names[1], comparison.after, moves)}</div>"
    )


def edits_made(trace: Recommendation) -> str:
    """What of a run was edited, as chips; empty where nothing was."""
    made = trace.asked.edits.made
    chips = "".join(f'<li class="keyword">{escape(name)}</li>' for name in made)
    return f'<ul class="edited" aria-label="Edited">{chips}</ul>' if made else ""


def _side(trace: Recommendation, name: str, cost: Cost, marks: dict[str, str]) -> str:
    items = trace.ranking.items if trace.ranking else ()
    rows = "".join(
        f'<li><span class="side-title">{title(ranked.item)}</span>'
        f"{marks.get(ranked.item.id, '')}</li>"
        for ranked in items
    )
    notes = _notes(trace)
    return (
        f'<section class="side"><h3>{escape(name)}</h3>{edits_made(trace)}'
        f'<p class="muted">{_costs(cost)}</p>{notes}<ol>{rows}</ol></section>'
    )


def _move(move: Move) -> str:
    places = move.places
    if places is None:
        return '<span class="movement movement-up">new</span>'
    direction = "up" if places > 0 else "down" if places < 0 else "same"
    words = f"{direction} {abs(places)}" if places else "same place"
    arrow = '<span class="arrow" aria-hidden="true"></span>'
    return f'<span class="movement movement-{direction}">{arrow}{words}</span>'


def _costs(cost: Cost) -> str:
    parts = [duration(cost.seconds)]
    parts.append(f"{cost.tokens:,} tokens" if cost.tokens else "no prompt")
    if cost.passes is not None:
        parts.append(f"{cost.passes:,} forward passes")
    return ", ".join(parts)


def _notes(trace: Recommendation) -> str:
    cuts: Sequence[str] = trace.prompt.cuts if trace.prompt else ()
    fallback = (f"Fallback: {trace.fallback}",) if trace.fallback else ()
    lines = "".join(f"<li>{escape(line)}</li>" for line in (*fallback, *trace.notes, *cuts))
    return f'<ul class="lines">{lines}</ul>' if lines else ""
