"""What ties a card to the picks and the wish, worked out by hand."""

from palr.insight.ties import Tie, tie_of
from palr.types import Candidate, Item, Recommendation, Wish


def film(id: str, *keywords: str) -> Item:
    return Item(id, f"Film {id}", keywords=keywords)


def run(*history: Item, candidates: tuple[Item, ...] = (), **wish: tuple[str, ...]):
    listed = tuple(Candidate(item, rank, 0.0) for rank, item in enumerate(candidates, 1))
    return Recommendation(
        "movies", "ml-100k", history, history, candidates=listed, wish=Wish(**wish)
    )


def test_the_pick_that_shares_the_rarer_keyword_is_the_nearer() -> None:
    # Five items: drama is on four of them, log(6/4) = 0.41; noir on two, log(6/2) = 1.10.
    noir, drama, card = film("1", "noir"), film("2", "drama"), film("3", "noir", "drama")
    trace = run(noir, drama, candidates=(card, film("4", "drama"), film("5", "drama")))
    assert tie_of(card, trace) == Tie((noir,), ("noir",), ())


def test_two_common_keywords_are_nearer_than_one() -> None:
    one, both = film("1", "noir"), film("2", "war", "drama")
    card = film("3", "noir", "war", "drama")
    # Each is on two of three items: twice log(4/2) is more than once.
    assert tie_of(card, run(one, both, candidates=(card,))).picks == (both,)


def test_of_equals_the_latest_pick_comes_first_and_two_are_named() -> None:
    first, second, third = (film(id, "war") for id in "123")
    tie = tie_of(film("4", "war"), run(first, second, third))
    assert tie.picks == (third, second)


def test_a_second_pick_is_named_only_where_it_shares_all_that_is_named() -> None:
    near, far = film("1", "war", "noir"), film("2", "war")
    tie = tie_of(film("3", "war", "noir"), run(far, near))
    assert tie.picks == (near,)
    assert tie.shared == ("noir", "war")  # noir on one of two picks, war on both


def test_at_most_two_keywords_are_named_the_rarest_first() -> None:
    pick = film("1", "a", "b", "c")
    around = (film("2", "a"), film("3", "a"), film("4", "b"))
    tie = tie_of(film("5", "a", "b", "c"), run(pick, candidates=around))
    assert tie.shared == ("c", "b")


def test_a_decade_ties_nothing() -> None:
    pick, card = film("1", "war", "1990s"), film("2", "noir", "1990s")
    assert tie_of(card, run(pick)) == Tie()


def test_what_was_asked_for_is_named_in_the_order_of_the_wish() -> None:
    card = film("2", "noir", "war", "1990s")
    tie = tie_of(card, run(film("1", "comedy"), more=("1990s", "comedy", "war"), less=("noir",)))
    assert tie == Tie((), (), ("1990s", "war"))


def test_without_picks_only_the_wish_ties() -> None:
    assert tie_of(film("1", "war"), run(more=("war",))) == Tie((), (), ("war",))
    assert tie_of(film("1"), run()) == Tie()
