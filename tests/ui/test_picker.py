"""What the server makes of a selection that a browser sent."""

from palr.errors import UnknownItemError
from palr.types import Item
from palr.ui.picker import MAX_PICKS, Selection, resolve


class TwoItems:
    def item(self, id: str) -> Item:
        if id not in ("1", "2"):
            raise UnknownItemError(id)
        return Item(id, f"Film {id}")


def test_a_selection_survives_the_round_trip() -> None:
    selection = Selection("beauty", ("b", "a"))
    assert Selection.parse(selection.payload()) == selection


def test_whatever_does_not_parse_is_dropped() -> None:
    assert Selection.parse(None) == Selection("movies")
    assert Selection.parse({"domain": "cars", "picks": ["1"]}) == Selection("movies")
    assert Selection.parse({"domain": ["movies"], "picks": "1"}) == Selection("movies")
    picks = ["1", 2, None, {"id": "1", "label": "forged"}, "2"]
    assert Selection.parse({"domain": "movies", "picks": picks}).ids == ("1", "2")


def test_an_endless_selection_keeps_its_most_recent_picks() -> None:
    ids = [str(n) for n in range(MAX_PICKS + 5)]
    assert Selection.parse({"domain": "movies", "picks": ids}).ids == tuple(ids[5:])


def test_unknown_ids_are_told_apart_and_the_rest_is_kept() -> None:
    items, unknown = resolve(TwoItems(), ("1", "PB0001", "2"))
    assert [item.id for item in items] == ["1", "2"]
    assert unknown == ["PB0001"]
