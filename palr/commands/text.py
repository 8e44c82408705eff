"""A run, and how a wish was read, as text for a terminal. Control characters are made visible."""

from collections.abc import Iterator

from palr.runs.wishes import item_names, shift_name, wish_facts
from palr.text import visible
from palr.types import Profile, Ranking, Recommendation
from palr.wish import Reading

_SHOWN = 10


def run_text(trace: Recommendation) -> str:
    """A finished run, stage by stage."""
    profile, ranking = trace.profile or Profile(), trace.ranking or Ranking()
    lines = [f"History ({len(trace.history)})", *(f"  {item.label}" for item in trace.history)]
    lines += _wish(trace)
    lines += ["", f"Profile ({trace.seconds['profile']:.1f} s)", f"  {profile.text}"]
    names = item_names(trace)
    for keyword in profile.keywords:
        support = ", ".join(names[pick] for pick in keyword.support)
        lines.append(f"  {keyword.text}: {support or 'as asked for'}")
    candidates = trace.candidates or ()
    found = f"{len(candidates)} by {trace.retriever}, {trace.seconds['candidates']:.1f} s"
    lines += ["", f"Candidates ({found})"]
    lines += [f"  {c.rank:3}. {c.item.label}" for c in candidates[:_SHOWN]]
    if len(candidates) > _SHOWN:
        lines.append(f"  ... and {len(candidates) - _SHOWN} more")
    by = trace.llm if trace.adapter else f"{trace.llm}, zero-shot"
    by = "the retriever's own order" if trace.fallback else by
    lines += ["", f"Recommendations ({by}, {trace.seconds['ranking']:.1f} s)"]
    for ranked in ranking.items:
        lines.append(
            f"  {ranked.rank:3}. {ranked.item.label}  (retriever: {ranked.retriever_rank})"
        )
    noted = [*trace.notes, *profile.repairs, *ranking.repairs]
    noted += trace.prompt.cuts if trace.prompt else ()
    lines += [f"Fallback: {trace.fallback}"] if trace.fallback else []
    return "\n".join(map(visible, [*lines, *(f"Note: {note}" for note in noted)]))


def _wish(trace: Recommendation) -> Iterator[str]:
    """What was asked for, as it was read, and how far it moved the candidates."""
    names = item_names(trace)
    if trace.wish:
        yield from ("", f"Wish (strength {trace.wish.strength:g})")
        yield from (f"  {name.lower()}: {value}" for name, value in wish_facts(trace.wish, names))
    if trace.shifts:
        yield from ("", "What steers the search (the retriever's probability, before and after)")
    for shift in trace.shifts:
        yield f"  {shift_name(shift, names)}: {shift.before:.1%} to {shift.after:.1%}"


def reading_text(reading: Reading) -> str:
    """How a wish was read."""
    lines = [f"{chip.side:10} {chip.value}: {visible(chip.words)}" for chip in reading.chips]
    lines += [f"unread     {visible(', '.join(reading.unread))}"] if reading.unread else []
    lines += [f"Note: {visible(note)}" for note in reading.notes]
    return "\n".join(lines or ["Nothing was asked for."])
