"""A written title finds its own item, or several are named to choose from; never another item."""

import random
import re
import time
import zipfile
from pathlib import Path

import pytest

from palr.catalog.catalog import Catalog
from palr.catalog.names import NameIndex
from palr.catalog.own_items import with_own_items
from palr.data.titles import split_title
from palr.domains import BEAUTY, MOVIES
from palr.errors import UnknownItemError
from palr.types import Item

FILMS = (
    ("$ (Dollars)", 1971),
    ("(500) Days of Summer", 2009),
    ("1984", 1984),
    ("8½", 1963),
    ("Amélie (Le fabuleux destin d'Amélie Poulain)", 2001),
    ("The Boat (Das Boot)", 1981),
    ("Communion (a.k.a. Alice, Sweet Alice/Holy Terror)", 1977),
    ("Crouching Tiger, Hidden Dragon (Wo hu cang long)", 2000),
    ("Death Race 2000", 1975),
    ("Die Hard", 1988),
    ("Elite", 1999),
    ("Élite", 1999),
    ("Face/Off", 1997),
    ("The Fly", 1958),
    ("The Fly", 1986),
    ("The Godfather", 1972),
    ("The Good, the Bad and the Ugly (Il buono, il brutto, il cattivo)", 1966),
    ("Hard 8 (a.k.a. Sydney, a.k.a. Hard Eight)", 1996),
    ("Harold & Kumar Go to White Castle", 2004),
    ("Heat", 1995),
    ("L'Avventura", 1960),
    ("The Lord of the Rings: The Two Towers", 2002),
    ("M*A*S*H", 1970),
    ("The Matrix", 1999),
    ("Les Misérables", 1995),
    ("El Norte", 1984),
    ("O Brother, Where Art Thou?", 2000),
    ("Oscar (Oscar and Lucinda)", 1967),
    ("Seven (a.k.a. Se7en)", 1995),
    ("Smørrebrød", 1990),
    ("Solaris", 2002),
    ("Solaris (Solyaris)", 1972),
    ("Spider-Man", 2002),
    ("Strike! (a.k.a. All I Wanna Do, The Hairy Bird)", 1998),
    ("Twelve Monkeys (a.k.a. 12 Monkeys)", 1995),
    ("Wonder Woman", 2017),
    ("Wonder Woman 1984", 2020),
)
ITEMS = tuple(Item(str(n), title, year=year) for n, (title, year) in enumerate(FILMS, start=5000))
MOVIE_NAMES = NameIndex(ITEMS)


def found(text: str) -> list[str]:
    return [item.label for item in MOVIE_NAMES.matches(text)]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        # as it is written, and in other case, accents, punctuation
        ("The Matrix (1999)", "The Matrix (1999)"),
        ("THE  MATRIX (1999)", "The Matrix (1999)"),
        ("les miserables", "Les Misérables (1995)"),
        ("smorrebrod", "Smørrebrød (1990)"),
        ("Elite (1999)", "Elite (1999)"),
        ("Élite (1999)", "Élite (1999)"),
        ("mash", "M*A*S*H (1970)"),
        ("M.A.S.H. (1970)", "M*A*S*H (1970)"),
        ("Spiderman (2002)", "Spider-Man (2002)"),
        ("spider man", "Spider-Man (2002)"),
        ("FaceOff", "Face/Off (1997)"),
        ("Harold and Kumar go to White Castle", "Harold & Kumar Go to White Castle (2004)"),
        ("Oscar & Lucinda (1967)", "Oscar (Oscar and Lucinda) (1967)"),
        ("8 1/2", "8½ (1963)"),
        ("500 days of summer", "(500) Days of Summer (2009)"),
        # articles before and after, and an English one left out beside the year
        ("Matrix, The", "The Matrix (1999)"),
        ("matrix, the (1999)", "The Matrix (1999)"),
        ("Misérables, Les (1995)", "Les Misérables (1995)"),
        ("Norte, El", "El Norte (1984)"),
        ("Avventura, L'", "L'Avventura (1960)"),
        ("L' Avventura (1960)", "L'Avventura (1960)"),
        ("Lord of the Rings, The: The Two Towers", "The Lord of the Rings: The Two Towers (2002)"),
        ("Lord of the Rings: The Two Towers, The", "The Lord of the Rings: The Two Towers (2002)"),
        ("Godfather (1972)", "The Godfather (1972)"),
        ("The Heat (1995)", "Heat (1995)"),
        ("Brother, Where Art Thou?, O", "O Brother, Where Art Thou? (2000)"),
        # other titles, each alone, and the title without them
        ("Crouching Tiger, Hidden Dragon (2000)", FILMS[7][0] + " (2000)"),
        ("Wo hu cang long", FILMS[7][0] + " (2000)"),
        ("Das Boot (1981)", "The Boat (Das Boot) (1981)"),
        ("boot, das", "The Boat (Das Boot) (1981)"),
        ("Boat, The (1981)", "The Boat (Das Boot) (1981)"),
        ("Das Boot (The Boat) (1981)", "The Boat (Das Boot) (1981)"),
        ("Dollars (1971)", "$ (Dollars) (1971)"),
        ("$", "$ (Dollars) (1971)"),
        ("Se7en", "Seven (a.k.a. Se7en) (1995)"),
        ("Seven (1995)", "Seven (a.k.a. Se7en) (1995)"),
        ("Sydney (1996)", FILMS[17][0] + " (1996)"),
        ("Hard Eight", FILMS[17][0] + " (1996)"),
        ("The Hairy Bird", FILMS[33][0] + " (1998)"),
        ("All I Wanna Do", FILMS[33][0] + " (1998)"),
        ("Holy Terror", FILMS[6][0] + " (1977)"),
        ("Alice, Sweet Alice (1977)", FILMS[6][0] + " (1977)"),
        ("Buono, il brutto, il cattivo, Il (1966)", FILMS[16][0] + " (1966)"),
        ("Fabuleux destin d'Amelie Poulain, Le", FILMS[4][0] + " (2001)"),
        # the year in other forms, and digits that are no year
        ("Heat 1995", "Heat (1995)"),
        ("Heat, 1995", "Heat (1995)"),
        ("Heat [1995]", "Heat (1995)"),
        ("1984", "1984 (1984)"),
        ("Death Race 2000", "Death Race 2000 (1975)"),
        ("Wonder Woman 1984", "Wonder Woman 1984 (2020)"),
        ("Fly, The (1986)", "The Fly (1986)"),
        ("Solaris (2002)", "Solaris (2002)"),
        ("Solaris (1972)", "Solaris (Solyaris) (1972)"),
    ],
)
def test_a_name_in_any_of_its_forms_finds_its_film(text: str, label: str) -> None:
    assert found(text) == [label]


@pytest.mark.parametrize(
    "text",
    [
        "The Matrix (2003)",
        "Das Boot (1985)",
        "Das Boot 1985",
        "Death Race (2000)",  # that year belongs to another film's title
        "Wonder Woman (1984)",
        "500 (2009)",  # brackets in a title are no other title
        "Hard (1988)",  # "Die" is no article here
        "A Godfather (1972)",
        "Godfather",
        "Lucinda (1967)",
        "Seven (Eight) (1995)",
        "",
        " ",
        "()",
        "(1995)",
        "🎬",
        "(" * 5000,
        ", " * 5000,
    ],
)
def test_what_is_no_name_finds_nothing(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("The Fly", ["The Fly (1958)", "The Fly (1986)"]),
        ("fly, the", ["The Fly (1958)", "The Fly (1986)"]),
        ("Solaris", ["Solaris (2002)", "Solaris (Solyaris) (1972)"]),
        ("ELITE (1999)", ["Elite (1999)", "Élite (1999)"]),
    ],
)
def test_films_that_match_equally_are_all_named(text: str, labels: list[str]) -> None:
    assert found(text) == labels


def test_a_catalog_asks_about_them() -> None:
    catalog = Catalog("ml-1m", MOVIES, ITEMS)
    with pytest.raises(UnknownItemError) as caught:
        catalog.find("The Fly")
    assert str(caught.value) == "'The Fly' may be The Fly (1958) or The Fly (1986): write which"


def test_of_items_that_cannot_be_told_apart_the_popular_one_is_meant() -> None:
    twins = (Item("1", "Emma", year=1996), Item("2", "Emma", year=1996, popularity=7))
    catalog = Catalog("ml-100k", MOVIES, twins)
    assert catalog.find("Emma (1996)") == catalog.titled("Emma (1996)") == twins[1]
    assert catalog.find("1") == twins[0]


def test_all_that_name_nothing_are_said_at_once() -> None:
    catalog = Catalog("ml-1m", MOVIES, ITEMS)
    texts = ["Die Hrad", "Heat (1995)", "The Fly", "zzz qqq xxx", "Heat (1990)", "Die Hrad"]
    with pytest.raises(UnknownItemError) as caught:
        catalog.find_all(texts)
    assert str(caught.value) == (
        "no movie is called 'Die Hrad'; did you mean Die Hard (1988)? "
        "'The Fly' may be The Fly (1958) or The Fly (1986): write which. "
        "No movie is called 'zzz qqq xxx'. "
        "No movie is called 'Heat (1990)'; did you mean Heat (1995)?"
    )
    labels = ["Heat (1995)", "das boot", "Heat"]
    assert [item.label for item in catalog.find_all(labels)] == [
        "Heat (1995)",
        "The Boat (Das Boot) (1981)",
        "Heat (1995)",
    ]


def test_the_nearest_have_the_same_name_first() -> None:
    catalog = Catalog("ml-1m", MOVIES, ITEMS)
    assert [item.year for item in catalog.nearest("Fly (2019)")] == [1958, 1986]
    assert catalog.nearest("Godfather")[0].label == "The Godfather (1972)"
    assert catalog.nearest("Crouchin Tigr Hiden Dragn")[0].year == 2000
    assert catalog.nearest("Het")[0].label == "Heat (1995)"  # too short for the search to correct


def test_brackets_of_a_product_are_no_other_title() -> None:
    soaps = (
        Item("A", "Soap (Pack of 2)", brand="Kirk's", size="4 oz"),
        Item("B", "Soap (Pack of 3)", brand="Kirk's"),
        Item("C", "Soap - Pack of 3", brand="Kirk's"),
    )
    catalog = Catalog("beauty", BEAUTY, soaps)
    assert [catalog.find(item.label) for item in soaps] == list(soaps)
    assert catalog.find("kirks soap (pack of 2)").id == "A"
    for text in ("Pack of 2", "Soap"):
        assert catalog.matches(text) == ()
    assert [item.id for item in catalog.matches("soap pack of 3")] == ["B", "C"]


def test_an_own_item_comes_before_the_catalogs() -> None:
    catalog = Catalog("ml-1m", MOVIES, ITEMS)
    mine = Item("yours:1", "Heat (My Cut)", year=1995)
    joined = with_own_items(catalog, (mine,))
    assert joined.find("Heat") == joined.find("yours:1") == mine
    assert joined.find("My cut (1995)") == mine
    assert joined.find("Das Boot").year == 1981
    with pytest.raises(UnknownItemError, match=r"did you mean Die Hard \(1988\)"):
        joined.find("Die Hrad")


def test_every_title_of_ml_1m_finds_its_own_film(official_data: Path) -> None:
    """Each title, each title in brackets with its year, and the title without those."""
    with zipfile.ZipFile(official_data / "ml-1m.zip") as archive:
        lines = archive.read("ml-1m/movies.dat").decode("latin-1").splitlines()
    written = dict(line.split("::")[:2] for line in lines)
    items = {
        id: Item(id, *split_title(text)[:1], split_title(text)[1]) for id, text in written.items()
    }
    index = NameIndex(items.values())
    asked, unsure = 0, 0
    for id, text in written.items():
        title, year = re.fullmatch(r"(.+?)\s*\((\d{4})\)", text).groups()  # type: ignore[union-attr]
        main = title.split(" (")[0]
        others = [
            re.sub(r"^a\.k\.a\. ", "", other) for other in re.findall(r" \(([^()]*)\)", title)
        ]
        forms = [text, items[id].label, f"{main} ({year})", *(f"{o} ({year})" for o in others)]
        for form in (*forms, *(re.sub(r"\s*\(\d{4}\)$", "", form) for form in forms)):
            matches = index.matches(form)
            assert items[id] in matches, form
            asked, unsure = asked + 1, unsure + (len(matches) > 1)
            if form in forms:
                assert {item.year for item in matches} == {int(year)}
    assert asked > 20_000
    assert unsure < 500


def test_a_title_is_looked_up_however_large_the_catalog() -> None:
    seed = random.Random(0)
    syllables = ["ka", "lo", "mi", "ten", "dra", "vis", "por", "gen"]
    films = tuple(
        Item(str(n), " ".join("".join(seed.choices(syllables, k=3)) for _ in range(4)), year=1950)
        for n in range(20_000)
    )
    index = NameIndex(films)
    begin = time.perf_counter()
    for film in films[::10]:
        assert film in index.matches(film.label.upper())
    assert time.perf_counter() - begin < 2  # a comparison with each would take minutes
