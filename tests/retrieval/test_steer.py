"""Steering against probabilities worked out by hand."""

import math

import numpy as np
import pytest

from palr.retrieval.steer import FLOOR, ItemSets, Taste
from palr.types import Item, Wish

# Four films of equal probability, 1/4 each, but for the last, which is out of reach.
FILMS = (
    Item("a", "A", year=1950, keywords=("western",), popularity=9),
    Item("b", "B", year=1960, keywords=("western", "comedy"), popularity=4),
    Item("c", "C", year=1970, keywords=("comedy",), popularity=3),
    Item("d", "D", keywords=("horror",), popularity=1),
)
EQUAL = np.zeros(4, np.float32)
EYE = np.eye(4, dtype=np.float32)


def likeness(rows, columns):
    """Every film is like itself; A and B are twins."""
    place = {film.id: at for at, film in enumerate(FILMS)}
    cosines = EYE.copy()
    cosines[0, 1] = cosines[1, 0] = 1.0
    return cosines[np.ix_([place[i.id] for i in rows], [place[i.id] for i in columns])]


def probabilities(steered):
    mass = np.exp(steered.scores - steered.scores.max())
    return mass / mass.sum()


def test_more_of_a_keyword_gives_it_the_probability_asked_for():
    steered = ItemSets(FILMS).steer(EQUAL, Wish(more=("western",), strength=0.5))
    # Half of the probability is western. 1 - t = (1 - 1/2) (1 - 1/2)² = 1/8, so t = 7/8,
    # and every western gains log(7) - log(1).
    assert probabilities(steered) == pytest.approx([7 / 16, 7 / 16, 1 / 16, 1 / 16])
    assert steered.added == pytest.approx([math.log(7), math.log(7), 0, 0])
    (shift,) = steered.shifts
    assert (shift.source, shift.name) == ("more", "western")
    assert (shift.before, shift.after) == pytest.approx((1 / 2, 7 / 8))


def test_less_of_a_keyword_takes_as_much_from_it():
    steered = ItemSets(FILMS).steer(EQUAL, Wish(less=("western",), strength=0.5))
    assert probabilities(steered) == pytest.approx([1 / 16, 1 / 16, 7 / 16, 7 / 16])


def test_at_full_strength_only_what_was_asked_for_is_left():
    steered = ItemSets(FILMS).steer(EQUAL, Wish(more=("horror",), strength=1.0))
    assert probabilities(steered)[3] == pytest.approx(1.0, abs=2 * FLOOR)
    steered = ItemSets(FILMS).steer(EQUAL, Wish(less=("western",), strength=1.0))
    assert probabilities(steered)[:2].sum() < 2 * FLOOR


@pytest.mark.parametrize(
    "wish",
    [
        Wish(more=("western",), strength=0.0),
        Wish(less=("comedy",), strength=0.0),
        Wish(popularity=1.0, strength=0.0),
        Wish(more=("no such keyword",)),
        Wish(words="only read by people"),
        Wish(),
    ],
)
def test_nothing_asked_changes_nothing(wish):
    scores = np.array([0.3, -1.0, 2.0, 0.1], np.float32)
    steered = ItemSets(FILMS, likeness).steer(scores, wish)
    assert steered.scores.tolist() == scores.astype(np.float64).tolist()
    assert not steered.added.any()
    assert steered.shifts == ()


def test_keywords_add_up():
    sets = ItemSets(FILMS)
    both = sets.steer(EQUAL, Wish(more=("western",), less=("comedy",)))
    one = sets.steer(EQUAL, Wish(more=("western",)))
    other = sets.steer(EQUAL, Wish(less=("comedy",)))
    assert both.added == pytest.approx(one.added + other.added)


def test_years_and_items_seen_are_left_out_and_count_for_nothing():
    wish = Wish(more=("comedy",), years=(1955, 1975), seen=("c",), disliked=("nobody",))
    steered = ItemSets(FILMS, likeness).steer(EQUAL, wish)
    assert np.isneginf(steered.scores).tolist() == [True, False, True, True]
    assert not steered.added[[0, 2, 3]].any()
    assert steered.shifts == ()  # B alone is left, and is a comedy already


def test_years_rule_out_nothing_where_no_item_has_one():
    products = tuple(Item(str(n), f"Product {n}") for n in range(3))
    assert not ItemSets(products).excluded(Wish(years=(1990, 1999))).any()


def test_hidden_items_hold_no_probability():
    hidden = np.array([True, False, False, False])
    steered = ItemSets(FILMS).steer(EQUAL, Wish(more=("western",)), hidden=hidden)
    (shift,) = steered.shifts
    assert shift.before == pytest.approx(1 / 3)
    assert np.isneginf(steered.scores).tolist() == [True, False, False, False]


@pytest.mark.parametrize(("popularity", "gains"), [(1.0, True), (-1.0, False)])
def test_popularity_moves_the_well_known(popularity, gains):
    steered = ItemSets(FILMS).steer(EQUAL, Wish(popularity=popularity))
    assert (steered.added[0] > 0) == gains
    assert not steered.added[1:].any()
    half = ItemSets(FILMS).steer(EQUAL, Wish(popularity=popularity / 2))
    assert abs(half.added[0]) < abs(steered.added[0])


def test_liked_and_disliked_items_move_their_kind(monkeypatch):
    monkeypatch.setattr("palr.retrieval.steer.MIN_KINDRED", 2)
    sets = ItemSets(FILMS, likeness)
    liked = sets.steer(EQUAL, Wish(liked=("a",)))
    assert liked.added == pytest.approx([math.log(7), math.log(7), 0, 0])
    disliked = sets.steer(EQUAL, Wish(disliked=("a",)))
    assert np.isneginf(disliked.scores[0])
    assert disliked.added[1] < 0
    assert not disliked.added[2:].any()


def test_variety_holds_twins_apart():
    scores = np.array([1.0, 0.9, 0.5, 0.0], np.float32)
    sets = ItemSets(FILMS, likeness)
    assert np.argsort(-sets.steer(scores, Wish(variety=1.0)).scores).tolist() == [0, 2, 3, 1]
    # The twin loses 0.05 * 4 = 0.2 of its score.
    assert sets.steer(scores, Wish(variety=0.05)).scores == pytest.approx([1.0, 0.7, 0.5, 0.0])


def test_a_profile_brings_a_keyword_nearer_to_its_share_of_the_picks():
    # Comedy has half of the probability; all picks are comedies: t = 1/2 + 0.5 * 1 * (1 - 1/2).
    steered = ItemSets(FILMS).steer(EQUAL, Wish(), Taste((("comedy", 1.0),), 0.5))
    (shift,) = steered.shifts
    assert (shift.source, shift.after) == ("profile", pytest.approx(3 / 4))
    # Three quarters of the picks: t = 1/2 + 0.5 * 3/4 * (3/4 - 1/2).
    steered = ItemSets(FILMS).steer(EQUAL, Wish(), Taste((("comedy", 0.75),), 0.5))
    assert steered.shifts[0].after == pytest.approx(1 / 2 + 0.5 * 0.75 * 0.25)


def test_a_profile_takes_nothing_away_and_leaves_the_wish_alone():
    sets = ItemSets(FILMS)
    assert sets.steer(EQUAL, Wish(), Taste((("comedy", 0.4),), 1.0)).shifts == ()
    assert sets.steer(EQUAL, Wish(), Taste((("comedy", 1.0),), 0.0)).shifts == ()
    (shift,) = sets.steer(EQUAL, Wish(less=("comedy",)), Taste((("comedy", 1.0),), 1.0)).shifts
    assert shift.source == "less"
