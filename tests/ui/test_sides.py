"""Two rankings side by side, as HTML."""

import pytest

from palr.runs.compare import compare
from palr.types import Asked, Edits, Item, RankedItem, Ranking, Recommendation
from palr.ui.sides import side_by_side

from ..hostile import TITLES
from .test_hostile import Outline


def run(*titles: str, notes: tuple[str, ...] = (), edits: Edits | None = None) -> Recommendation:
    items = (RankedItem(Item(t, t), n, n) for n, t in enumerate(titles, start=1))
    return Recommendation(
        *("movies", "made-up", ()),
        ranking=Ranking(tuple(items)),
        notes=notes,
        asked=Asked(edits=edits or Edits()),
    )


def test_movement_what_is_new_and_what_is_gone() -> None:
    before, after = run("Heat", "Babe", "Jaws"), run("Jaws", "Fargo", "Heat", edits=Edits("x"))
    shown = side_by_side(before, after, compare(before, after))
    assert "67% of the top 10 in both, 2 moved, 1 new." in shown
    left, right = shown.split("<h3>After</h3>")
    assert left.count("gone") == 1
    assert right.count("up 2") == right.count("down 2") == right.count(">new<") == 1
    assert 'aria-label="Edited"' in right
    assert 'aria-label="Edited"' not in left


@pytest.mark.parametrize("text", TITLES)
def test_hostile_text_stays_text(text: str) -> None:
    plain = run("plain", notes=("plain",))
    hostile = run(text, notes=(text,))
    names = (text, text)
    shown = Outline(side_by_side(hostile, hostile, compare(hostile, hostile), names))
    same = side_by_side(plain, plain, compare(plain, plain), ("plain", "plain"))
    assert shown.elements == Outline(same).elements
    assert shown.open == []
