"""What the page says of a change, worked out by hand on runs of a few items."""

import re
from dataclasses import replace
from html import unescape

import pytest

from palr.types import (
    NO_WISH,
    Asked,
    Candidate,
    Item,
    RankedItem,
    Ranking,
    Recommendation,
    Shift,
    Wish,
)
from palr.ui import changes, render
from palr.ui.render import View

from ..hostile import TITLES
from .test_hostile import Outline

HEAT = Item("1", "Heat", 1995, keywords=("crime", "thriller"))
ALIEN = Item("2", "Alien", 1979, keywords=("horror", "sci-fi"))
FARGO = Item("3", "Fargo", 1996, keywords=("crime", "comedy"))
BABE = Item("4", "Babe", 1995, keywords=("comedy",))


def run(*ranked: Item, asked: Wish = NO_WISH, wish: Wish | None = None, **rest) -> Recommendation:
    """A finished run over Heat whose ranking is its candidates' order."""
    places = tuple(RankedItem(item, n, n) for n, item in enumerate(ranked, 1))
    listed = tuple(Candidate(item, n, 1 / n) for n, item in enumerate(ranked, 1))
    seconds = dict.fromkeys(("profile", "candidates", "ranking"), 1.0)
    found = Recommendation(
        *("movies", "ml-100k", (HEAT,), (HEAT,)),
        candidates=listed,
        ranking=Ranking(places),
        seconds=seconds,
        asked=Asked(wish=asked, k=3),
        wish=asked if wish is None else wish,
    )
    return replace(found, **rest)


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def test_own_words_in_the_profile_are_shown_with_a_way_to_turn_them_round() -> None:
    trace = run(asked=Wish(more=("war",)), wish=Wish(more=("war", "western"), less=("crime",)))
    html = changes.read_from_profile(trace)
    assert words(html) == f"Read from your words + western {chr(0x2212)} crime"
    assert 'data-refine="less" data-value="western" aria-label="More western: turn round"' in html
    assert 'data-refine="more" data-value="crime" aria-label="Less crime: turn round"' in html
    assert "war" not in html  # it stands below, among what was asked for


def test_years_in_the_profile_are_shown_and_nothing_where_nothing_was_read() -> None:
    wish = Wish(years=(1990, 1999))
    assert words(changes.read_from_profile(run(wish=wish))) == "Read from your words 1990 to 1999"
    assert changes.read_from_profile(run(asked=wish)) == ""
    assert changes.read_from_profile(run()) == ""


def test_what_steers_is_told_strongest_first_and_the_profile_last() -> None:
    shifts = (
        Shift("profile", "crime", 0.2, 0.5, 3.0),
        Shift("more", "western", 0.004, 0.75, 1.5),
        Shift("less", "war", 0.2, 0.05, -2.5),
        Shift("popularity", "", 0.1, 0.3, 1.0),
        Shift("liked", "2", 0.01, 0.6, 0.9),
        Shift("disliked", "99", 0.5, 0.1, -0.8),
    )
    lines = re.findall(r"<li>(.*?)</li>", changes.steered_by(run(ALIEN, shifts=shifts)))
    assert [words(line) for line in lines] == [
        "less war 20% to 5%",
        "more western under 1% to 75%",
        "well known 10% to 30%",
        "more like Alien (1979) 1% to 60%",
        "less like an item of an earlier run 50% to 10%",
        "profile: crime 20% to 50%",
    ]
    assert changes.steered_by(run(ALIEN)) == ""


def test_only_the_strongest_parts_are_told() -> None:
    shifts = tuple(Shift("more", f"word{n}", 0.1, 0.2, n) for n in range(1, 9))
    html = changes.steered_by(run(shifts=shifts))
    assert re.findall(r"word\d", html) == ["word8", "word7", "word6", "word5", "word4", "word3"]


def test_a_change_tells_what_came_what_moved_and_what_stayed() -> None:
    before, now = run(HEAT, ALIEN, FARGO), run(HEAT, FARGO, BABE)
    # Heat stays first, Fargo moves from 3 to 2, Babe is new.
    html = changes.since_before(before, now, "done")
    assert words(html) == "Since your change: 1 new, 1 moved, 1 in the same place. Undo"
    assert 'data-refine="undo"' in html
    same = changes.since_before(before, before, "done")
    assert words(same) == "Since your change: 3 in the same place. Undo"


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("waiting", "Running again with your change."),
        ("running", "Running again with your change."),
        ("failed", "Your change could not be followed."),
        ("cancelled", "Your change was cancelled."),
    ],
)
def test_a_change_that_is_not_done_says_how_it_stands(phase: str, said: str) -> None:
    begun = replace(run(), ranking=None, seconds={})
    assert words(changes.since_before(run(HEAT), begun, phase)) == f"{said} Undo"
    assert words(changes.since_before(None, begun, phase)) == "Undo"


def test_the_way_back_is_shown_only_where_there_is_one() -> None:
    now = run(FARGO)
    assert "Undo" in render.ranking_stage(View(now, "done", before=run(HEAT), undoable=True))
    assert "Undo" not in render.ranking_stage(View(now, "done"))


def test_new_candidates_are_those_that_the_run_before_lacked() -> None:
    before, now = run(HEAT, ALIEN), run(ALIEN, FARGO, BABE)
    assert changes.new_candidates(before, now) == {"3", "4"}
    assert changes.new_candidates(None, now) == set()
    assert changes.new_candidates(replace(before, candidates=None), now) == set()
    html = render.candidates_stage(View(now, "done", before=before))
    assert "2 of them are new since your change" in words(html)
    assert [words(row).count("new") for row in re.findall("<tr><td.*?</tr>", html)] == [0, 1, 1]


def test_new_cards_are_marked() -> None:
    html = render.ranking_stage(View(run(ALIEN, FARGO), "done", before=run(ALIEN), undoable=True))
    cards = re.findall('<li class="card">.*?</li>', html)
    assert ["new" in words(card).split() for card in cards] == [False, True]


def test_the_run_before_stays_in_view_until_the_next_has_results() -> None:
    begun = replace(run(), candidates=None, ranking=None, seconds={"profile": 1.0})
    under_way = View(begun, "running", before=run(ALIEN), undoable=True)
    for stage in (render.candidates_stage, render.ranking_stage):
        html = stage(under_way)
        assert "Alien" in html
        assert '<div class="earlier" aria-hidden="true" inert>' in html
        assert "Alien" not in stage(replace(under_way, phase="failed"))


def test_a_card_says_what_ties_it_to_picks_and_wish() -> None:
    asked = Wish(more=("comedy", "war"))
    assert words(changes.tie_line(FARGO, run(FARGO))) == "Crime as in Heat"
    assert words(changes.tie_line(BABE, run(BABE, asked=asked))) == "You asked for comedy"
    both = words(changes.tie_line(FARGO, run(FARGO, asked=asked)))
    assert both == "You asked for comedy; crime as in Heat"
    none = words(changes.tie_line(ALIEN, run(ALIEN)))
    assert none == "No keyword in common with the picks"
    assert changes.tie_line(ALIEN, replace(run(ALIEN), history=())) == ""


def test_what_was_asked_for_is_not_said_twice() -> None:
    trace = run(FARGO, asked=Wish(more=("crime",)))
    pick = replace(HEAT, keywords=("crime", "comedy"))
    trace = replace(trace, history=(pick,))
    line = words(changes.tie_line(FARGO, trace))
    assert line == "You asked for crime; comedy as in Heat"


def test_a_card_offers_three_actions_by_its_name() -> None:
    html = changes.card_actions(ALIEN, run(ALIEN, asked=Wish(liked=("2",))))
    assert re.findall(r'data-refine="(\w+)" data-value="(\w+)"', html) == [
        ("liked", "2"),
        ("disliked", "2"),
        ("seen", "2"),
    ]
    assert re.findall(r'aria-label="(.*?)"', html) == [
        "More like this: Alien (1979)",
        "Less like this: Alien (1979)",
        "Seen it: Alien (1979)",
    ]
    assert 'aria-pressed="true"' in html
    assert 'aria-pressed="true"' not in changes.card_actions(ALIEN, run(ALIEN))


@pytest.mark.parametrize(
    ("wish", "left", "said"),
    [
        (
            Wish(years=(1979, 1979)),
            (ALIEN,),
            "Only 1 movie is left of what you ask for. Widen the years for more.",
        ),
        (
            Wish(seen=("9",)),
            (ALIEN, BABE),
            "Only 2 movies are left of what you ask for. Take something off it for more.",
        ),
        (Wish(years=(1979, 1996)), (ALIEN, BABE, FARGO), ""),
        (NO_WISH, (ALIEN,), ""),
    ],
)
def test_a_wish_that_leaves_too_few_says_so(wish: Wish, left: tuple[Item, ...], said: str) -> None:
    trace = run(*left, asked=wish)
    assert words(changes.too_few(trace)) == said
    assert said in words(render.ranking_stage(View(trace, "done")))


def of_strangers(text: str) -> list[str]:
    """Everything of this module, with ``text`` wherever a stranger could have written it."""
    item = Item(text, text, brand=text, keywords=(text,))
    asked = Wish(more=(text,), liked=(text,))
    shifts = (Shift("more", text, 0.1, 0.2, 1.0), Shift("liked", text, 0.1, 0.2, 1.0))
    wish = Wish(more=(text, f"{text} more"), less=(f"{text} less",))
    trace = run(item, asked=asked, wish=wish, shifts=shifts, history=(item,))
    return [
        changes.read_from_profile(trace),
        changes.steered_by(trace),
        changes.since_before(trace, trace, "done"),
        changes.tie_line(item, trace),
        changes.tie_line(item, replace(trace, wish=NO_WISH)),
        changes.card_actions(item, trace),
    ]


PLAIN = [Outline(html).elements for html in of_strangers("Plain")]


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title[:30]))
def test_text_of_strangers_is_text_and_never_markup(title: str) -> None:
    for html, plain in zip(of_strangers(title), PLAIN, strict=True):
        outline = Outline(html)
        assert outline.elements == plain
        assert outline.open == []
