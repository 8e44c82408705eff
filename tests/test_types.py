import pytest
from pydantic import ValidationError

from palr.types import Candidate, Item, Keyword, Profile, RankedItem, Ranking, Recommendation


def test_label_has_brand_year_and_size_but_no_brand_twice():
    assert Item("1", "Heat", year=1995).label == "Heat (1995)"
    assert Item("2", "Great Lash", brand="Maybelline", size="0.4 oz").label == (
        "Maybelline Great Lash, 0.4 oz"
    )
    assert Item("3", "Maybelline Great Lash", brand="MAYBELLINE").label == "Maybelline Great Lash"


@pytest.mark.parametrize(("retriever_rank", "movement"), [(14, 12), (2, 0), (1, -1)])
def test_movement_counts_places_gained(retriever_rank, movement):
    assert RankedItem(Item("1", "Heat"), 2, retriever_rank).movement == movement


def test_a_trace_survives_json():
    item = Item("1", 'Quote " and emoji 💄 <b>', year=1995, keywords=("crime",))
    trace = Recommendation(
        "movies",
        "ml-100k",
        picks=(item,),
        history=(item,),
        profile=Profile((Keyword("crime", ("1",), -0.5),), "Likes crime."),
        candidates=(Candidate(item, 1, 0.25),),
        ranking=Ranking((RankedItem(item, 1, 1),), raw='"x"', repairs=("none",)),
        seconds={"history": 0.1},
    )
    assert Recommendation.from_json(trace.to_json()) == trace


def test_a_damaged_trace_is_refused():
    with pytest.raises(ValidationError):
        Recommendation.from_json('{"domain": "movies"}')
