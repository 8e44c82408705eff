"""What was asked for in a run, in words: for the report, the terminal and the page.

>>> wish_facts(Wish(more=("western",), less=("drama", "war"), years=(1940, 1949)))
[('More', 'western'), ('Less', 'drama, war'), ('Years', '1940 to 1949')]
"""

from collections.abc import Mapping, Sequence

from palr.types import Recommendation, Shift, Wish

_NAMED = 10  # items in a line

_KINDS = {
    "more": "more {}",
    "less": "less {}",
    "liked": "more like {}",
    "disliked": "less like {}",
    "profile": "profile: {}",
    "popularity": "well known",
}


def item_names(trace: Recommendation) -> dict[str, str]:
    """Labels of the items that a trace holds, by id; a wish can name others."""
    found = [*trace.history, *(c.item for c in trace.candidates or ())]
    return {item.id: item.label for item in found}


def wish_facts(wish: Wish, names: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Each part of a wish but its words, with what it asks for.

    Args:
        wish: As it was asked for, or as it was read.
        names: Labels of items by id; one without a label is shown by its id.
    """
    facts = [("More", ", ".join(wish.more)), ("Less", ", ".join(wish.less))]
    if wish.years:
        facts.append(("Years", f"{wish.years[0]} to {wish.years[1]}"))
    if wish.popularity:
        known = "well known" if wish.popularity > 0 else "little known"
        facts.append(("Popularity", f"{known}, {abs(wish.popularity):g}"))
    if wish.variety:
        facts.append(("Variety", f"{wish.variety:g}"))
    for side, ids in (("Seen", wish.seen), ("Liked", wish.liked), ("Disliked", wish.disliked)):
        facts.append((side, _listed([(names or {}).get(i, i) for i in ids])))
    return [(name, value) for name, value in facts if value]


def shift_name(shift: Shift, names: Mapping[str, str]) -> str:
    """What a part of the steering is about: "less drama", "more like Heat (1995)"."""
    kind = _KINDS.get(shift.source, f"{shift.source} {{}}")
    # An item that was turned down is no candidate: its name is not in the run.
    other = "an item of an earlier run" if "liked" in shift.source else shift.name
    return kind.replace("{}", names.get(shift.name, other)).strip()


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return "; ".join(labels[:_NAMED]) + more
