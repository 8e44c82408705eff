"""What ids of a link mean in another data set: titles and years count there, and never ids."""

import pytest

from palr.catalog.carried import carry
from palr.catalog.catalog import Catalog
from palr.domains import DOMAINS
from palr.types import Item

HERE = Catalog(
    "ml-1m",
    DOMAINS["movies"],
    (
        Item("50", "The Usual Suspects", year=1995),
        Item("2858", "American Beauty", year=1999),
        Item("1210", "Sabrina", year=1954),
        Item("7", "Sabrina", year=1995, popularity=9),
        Item("1984", "Rope", year=1948),
        Item("300", "1984"),
    ),
)


def carried(labels, dataset, ids=None):
    found = carry(ids or list(labels), labels, dataset, HERE)
    return dict(found.ids), found.missing, found.note


def test_in_the_same_data_set_ids_count() -> None:
    labels = {"50": "Its title was corrected since (1995)", "9": "Gone (1990)"}
    assert carried(labels, "ml-1m") == ({"50": "50"}, ("Gone (1990)",), "")


def test_in_another_data_set_titles_and_years_count() -> None:
    labels = {
        "50": "Star Wars (1977)",
        "2858": "Usual Suspects, The (1995)",
        "3": "Sabrina (1954)",
        "4": "Sabrina (1955)",
        "5": "Sabrina",
        "1984": "1984",
    }
    ids, missing, note = carried(labels, "ml-100k", ids=[*labels, "1210"])
    assert ids == {"2858": "50", "3": "1210", "1984": "300"}
    assert missing == ("Star Wars (1977)", "Sabrina (1955)", "Sabrina", "1210")
    assert note == (
        "These picks are of MovieLens-100K, and this is MovieLens-1M: 3 of 7 were found by title "
        "and year."
    )


@pytest.mark.parametrize("dataset", ["no-such-set", "<b>\u202e"])
def test_a_data_set_that_nobody_knows_is_another_one(dataset: str) -> None:
    ids, missing, note = carried({}, dataset, ids=["50"])
    assert (ids, missing) == ({}, ("50",))
    assert "\u202e" not in note


def test_where_the_data_set_is_not_known_it_is_said() -> None:
    ids, missing, note = carried({}, "", ids=["50", "none"])
    assert (ids, missing) == ({"50": "50"}, ("none",))
    assert note.startswith("Which data set these picks are of is not known. They were read as ids")
    ids, missing, note = carried({"50": "Sabrina (1954)"}, "")
    assert (ids, missing) == ({"50": "1210"}, ())
    assert "found by title and year: check them" in note
    assert carried({}, "", ids=[])[2] == ""
