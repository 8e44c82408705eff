"""Golden prompts: the files in tests/golden hold the paper's wording, character by character."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palr.domains import BEAUTY, MOVIES
from palr.prompts import fit, item_names, profile_prompt, quoted, ranking_prompt, shorten
from palr.types import Candidate, Item, Keyword, Profile

GOLDEN = Path(__file__).parent / "golden"

FILMS = [
    Item("1", "Heat", year=1995, keywords=("action", "crime")),
    Item("2", 'The "Burbs"', year=1989, keywords=("comedy",)),
]
PRODUCTS = [
    Item("B000142FVW", "Opi Nail Lacquer, Not So Bora Pink, 0.5 Fluid Ounce", keywords=("nails",)),
    Item("PB0001", "Top Coat", brand="Seche", size="0.5 fl oz"),
]
PROFILE = Profile((Keyword("crime", ("1",)), Keyword("comedy", ("2",))), "Enjoys crime movies.")


def candidates(*items: Item) -> list[Candidate]:
    return [Candidate(item, rank, 0.0) for rank, item in enumerate(items, start=1)]


PROMPTS = {
    "movies-ranking": ranking_prompt(
        MOVIES, FILMS, PROFILE, candidates(Item("3", "Fargo", year=1996), Item("4", "Babe")), 10
    ),
    "movies-ranking-without-profile": ranking_prompt(
        MOVIES, FILMS, None, candidates(Item("3", "Fargo", year=1996), Item("4", "Babe")), 10
    ),
    "movies-profile": profile_prompt(MOVIES, FILMS, 5),
    "beauty-ranking": ranking_prompt(BEAUTY, PRODUCTS[:1], PROFILE, candidates(PRODUCTS[1]), 10),
    "beauty-profile": profile_prompt(BEAUTY, PRODUCTS, 5),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_is_as_in_the_paper(name):
    assert PROMPTS[name].text + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_parts_are_marked():
    parts = [s.part for s in PROMPTS["movies-ranking"].segments if s.part != "frame"]
    assert parts == ["instruction", "history", "profile", "candidates"]


def test_a_prompt_shows_the_most_recent_twenty():
    films = [Item(str(i), f"Film {i}") for i in range(25)]
    text = ranking_prompt(MOVIES, films, None, candidates(Item("x", "X")), 10).text
    assert '"Film 4"' not in text
    assert '"Film 5", "Film 6"' in text


@given(st.text(), st.integers(1, 40))
def test_shorten_keeps_the_limit_and_one_line(text, limit):
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == " ".join(short.split())


@given(st.text())
def test_a_quoted_name_holds_no_quote_inside(text):
    assert quoted(text)[1:-1].count('"') == 0


def build_with(items):
    return lambda limits: ranking_prompt(
        MOVIES, items[:30], None, candidates(*items[30:]), 10, limits
    )


@pytest.mark.parametrize(
    ("budget", "cuts"),
    [
        (100_000, []),
        (8_000, ["shortened"]),
        (2_700, ["shortened", "most recent"]),
        (1_500, ["shortened", "most recent", "first"]),
    ],
)
def test_fit_cuts_titles_then_history_then_candidates_and_says_so(budget, cuts):
    items = [Item(str(i), f"{i} " + "long title " * 14) for i in range(80)]
    prompt, limits = fit(
        build_with(items), lambda p, _: len(p.text) <= budget, 157, n_history=20, n_candidates=50
    )
    assert len(prompt.text) <= budget
    assert len(prompt.cuts) == len(cuts)
    for said, expected in zip(prompt.cuts, cuts, strict=True):
        assert expected in said
    shown = [c.item for c in candidates(*items[30:])][: limits.candidates]
    for name in item_names(MOVIES, shown, limits.title):
        assert name in prompt.text
