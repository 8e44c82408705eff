import pytest

from palr.types import Wish
from palr.wish import WishError, check


def test_an_empty_wish_is_false_however_strong():
    assert not Wish()
    assert not Wish(strength=1.0, words="  ")


@pytest.mark.parametrize(
    "wish",
    [
        Wish(more=("comedy",)),
        Wish(less=("horror",)),
        Wish(years=(1990, 1999)),
        Wish(popularity=-1),
        Wish(variety=0.2),
        Wish(seen=("1",)),
        Wish(liked=("1",)),
        Wish(disliked=("1",)),
        Wish(words="funny"),
    ],
)
def test_whatever_is_asked_makes_it_true(wish):
    assert wish
    check(wish)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(strength=1.1), "the strength is 1.1: choose one from 0 to 1"),
        (Wish(strength=float("nan")), "the strength is nan"),
        (Wish(variety=-0.1), "the variety is -0.1: choose one from 0 to 1"),
        (Wish(popularity=2), "the popularity is 2: choose one from -1"),
        (Wish(years=(1999, 1990)), "run backwards, 1999 to 1990: put the earlier one first"),
        (Wish(years=(12, 1990)), "years lie between 1800 and 2200"),
        (Wish(words="a" * 5001), "5,001 characters: shorten it to 5,000"),
        (Wish(more=("x" * 61,)), "a keyword has 1 to 60 characters"),
        (Wish(less=("",)), "a keyword has 1 to 60 characters"),
        (Wish(more=tuple(map(str, range(41)))), "41 keywords to see more of: choose 40 at most"),
        (Wish(seen=tuple(map(str, range(1001)))), "1,001 items seen: name 1,000 at most"),
        (Wish(more=("war",), less=("war",)), "war is wanted both more and less"),
        (Wish(liked=("1",), disliked=("1",)), "both liked and disliked"),
    ],
)
def test_a_wish_out_of_bounds_is_refused_with_what_to_do(wish, said):
    with pytest.raises(WishError, match=said):
        check(wish)
