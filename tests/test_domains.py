import pytest

from palr.domains import BEAUTY, DOMAINS, MOVIES, get_domain
from palr.errors import PalrError
from palr.types import Item


def test_history_keeps_the_latest_position_of_a_repeated_pick():
    a, b, c = (Item(i, i) for i in "abc")
    assert MOVIES.history([a, b, a, c, b]) == (a, c, b)


def test_products_are_named_by_id_and_label_as_in_the_paper():
    lacquer = Item("B000142FVW", "Opi Nail Lacquer, Not So Bora Pink, 0.5 Fluid Ounce", brand="OPI")
    assert BEAUTY.name(lacquer) == (
        "B000142FVW (Opi Nail Lacquer, Not So Bora Pink, 0.5 Fluid Ounce)"
    )
    assert MOVIES.name(Item("1", "Heat", year=1995)) == "Heat (1995)"


def test_every_domain_has_four_visitors_or_more():
    for domain in DOMAINS.values():
        assert len(domain.personas) >= 4


def test_an_unknown_domain_names_the_known_ones():
    with pytest.raises(PalrError, match="movies, beauty"):
        get_domain("books")
