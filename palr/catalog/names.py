"""Which item a written title names: that one, or several to be asked about, but never another.

The same name is written in many ways: in any case, with or without accents and punctuation, with
its article before or after, by any of the titles in brackets, and with or without the year.

>>> films = [Item("1", "The Boat (Das Boot)", year=1981), Item("2", "Solaris", year=2002)]
>>> films += [Item("3", "Solaris (Solyaris)", year=1972)]
>>> names = NameIndex(films)
>>> [item.id for item in names.matches("das boot")]
['1']
>>> [item.id for item in names.matches("Solaris (1972)")]
['3']
>>> [item.id for item in names.matches("Solaris")], names.matches("Das Boot (1985)")
(['2', '3'], ())
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from rapidfuzz import fuzz, process

from palr.catalog.search import words
from palr.data.titles import ARTICLES, clean, display_order
from palr.types import Item

_LONGEST = 1000  # characters of a text that are read
# What people leave out before a title: articles that are nothing else, as "Die" is in "Die Hard".
_LEFT_OUT = ("the", "a", "an")
# What data sets put after a title and a comma.
_AFTER = (
    *ARTICLES,
    "Ein", "Eine", "Dei", "Uno", "Una", "Um", "Uma", "Os", "As", "De", "Het", "En", "Ett", "Et",
)  # fmt: skip
_ARTICLE_AFTER = re.compile(
    rf"^(.+?), ?({'|'.join(map(re.escape, _AFTER))})(?=$|:| - )(.*)$", re.IGNORECASE
)
_YEAR = re.compile(r"^(.*\S)\s*[(\[](\d{4})[)\]]$")
_BARE_YEAR = re.compile(r"^(.*[^\s,])[\s,]+(\d{4})$")
_BRACKET = re.compile(r"^(.*\S)\s*\(([^()]*)\)$")
_YEARS = re.compile(r"[\d\s\u2013-]*")  # "2003-2004" in brackets is no title
_ALSO_KNOWN_AS = re.compile(r"^a\.?k\.?a\.?:? +", re.IGNORECASE)
_NEXT_NAME = re.compile(r" ?/ ?|, (?:a\.?k\.?a\.? +|(?=(?:The|An?) [A-Z]))")


class Likeness(IntEnum):
    """How two spellings of a name are alike, the closest first."""

    SAME = 0
    WORDS = 1  # but for case, accents, punctuation
    JOINED = 2  # but for spaces too: "Spiderman" is Spider-Man
    NO_ARTICLE = 3  # but for an English article: "Godfather (1972)"


@dataclass(frozen=True)
class _Reading:
    """One way to take a text: all of its names, and its year where it has one."""

    names: tuple[str, ...]
    year: int | None


class NameIndex:
    """The names of all items. A title is looked up, whatever the size of the catalog.

    Args:
        items: The items of a catalog.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = tuple(items)
        self._by_key: dict[str, list[int]] = {}
        for number, item in enumerate(self._items):
            for key in {_key(name) for name in _names(item)}:
                self._by_key.setdefault(key, []).append(number)
        self._by_key.pop("", None)

    def matches(self, text: str) -> tuple[Item, ...]:
        """The items that a text names equally well, the most popular first; () where none is.

        A year in the text is the item's own. Without one, or where its digits may as well belong to
        the title, items of different years match equally, however they are spelt.

        Args:
            text: A title as people and data sets write it.
        """
        found: dict[int, Likeness] = {}
        for reading in _readings(text):
            for number in self._sharing(reading):
                likeness = _likeness(reading, self._items[number])
                if likeness is not None:
                    found[number] = min(likeness, found.get(number, likeness))
        if len({_year(self._items[number]) for number in found}) == 1:
            closest = min(found.values())
            found = {number: how for number, how in found.items() if how == closest}
        return self._popular(found)

    def namesakes(self, text: str) -> tuple[Item, ...]:
        """The items with such a name, of whatever year, the most popular first."""
        return self._popular({n for reading in _readings(text) for n in self._sharing(reading)})

    def near(self, text: str, limit: int, cutoff: float = 60) -> tuple[Item, ...]:
        """Items with names that are spelt much like the text, the most alike first.

        Args:
            text: A title.
            limit: Names to look at.
            cutoff: How alike they are at least, of 100.
        """
        asked = {_key(name) for reading in _readings(text) for name in reading.names}
        alike = [
            (-score, key)
            for text_key in asked
            for key, score, _ in process.extract(
                text_key, self._by_key.keys(), scorer=fuzz.ratio, limit=limit, score_cutoff=cutoff
            )
        ]
        numbers = [number for _, key in sorted(alike) for number in self._by_key[key]]
        return tuple(self._items[number] for number in dict.fromkeys(numbers))

    def _sharing(self, reading: _Reading) -> set[int]:
        """Numbers of the items that have all names of a reading, perhaps but for an article."""
        numbers = (self._by_key.get(_key(name), ()) for name in reading.names)
        return set.intersection(*map(set, numbers))

    def _popular(self, numbers: Iterable[int]) -> tuple[Item, ...]:
        items = (self._items[number] for number in sorted(numbers))
        return tuple(sorted(items, key=lambda item: -item.popularity))


def _likeness(reading: _Reading, item: Item) -> Likeness | None:
    """How a reading is like an item; None where year or names differ."""
    if reading.year is not None and reading.year != _year(item):
        return None
    found = []
    for name in reading.names:
        alike = [how for other in _names(item) if (how := _compared(name, other)) is not None]
        if not alike or (min(alike) == Likeness.NO_ARTICLE and reading.year is None):
            return None
        found.append(min(alike))
    return max(found)


def _compared(name: str, other: str) -> Likeness | None:
    if name == other:
        return Likeness.SAME
    one, two = _words(name), _words(other)
    if one == two:
        return Likeness.WORDS
    if "".join(one) == "".join(two):
        return Likeness.JOINED
    if _key(name) == _key(other) and (one[0] in _LEFT_OUT) != (two[0] in _LEFT_OUT):
        return Likeness.NO_ARTICLE
    return None


def _readings(text: str) -> Iterator[_Reading]:
    raw = " ".join(text[:_LONGEST].split())
    for written in dict.fromkeys((raw, clean(raw))):  # as data sets write it: "&amp;"
        dated, bare = _YEAR.match(written), _BARE_YEAR.match(written)
        if not dated:
            yield from _bracketed(written, None)
        if found := dated or bare:
            yield from _bracketed(found[1], int(found[2]))


def _bracketed(title: str, year: int | None) -> Iterator[_Reading]:
    """The whole as one name, and titles in brackets as names of their own."""
    yield _Reading((_ordered(title),), year)
    main, others = _parts(title)
    if others:
        yield _Reading((_ordered(main), *map(_ordered, others)), year)


def _parts(title: str) -> tuple[str, list[str]]:
    """A title without the brackets at its end, and what stands in them."""
    others: list[str] = []
    while bracket := _BRACKET.match(title):
        title = bracket[1]
        others.insert(0, _ALSO_KNOWN_AS.sub("", bracket[2].strip()))
    return title, others


def _year(item: Item) -> int | None:
    written = _YEAR.match(item.title)
    return item.year or (int(written[2]) if written else None)


def _names(item: Item) -> list[str]:
    """Every name of an item."""
    title = item.title
    if item.year is None and (dated := _YEAR.match(title)):
        title = dated[1]
    names = [title]
    if _year(item) is None:
        names += [item.label, f"{item.brand or ''} {title}"]
    else:  # brackets of a product tell which variant it is
        main, others = _parts(title)
        names.append(main)
        for other in others:
            if not _YEARS.fullmatch(other):
                names += [other, *_NEXT_NAME.split(other)]
    return [_ordered(name) for name in names]


def _ordered(name: str) -> str:
    """A name in the order in which it is read."""
    name = display_order(" ".join(name.split()))
    after = _ARTICLE_AFTER.match(name)
    if after is None:
        return name
    gap = "" if after[2].endswith("'") else " "
    return f"{after[2]}{gap}{after[1]}{after[3]}"


def _words(name: str) -> tuple[str, ...]:
    """What is compared of a name; where there are nothing but signs, these."""
    return tuple(words(name)) or (name.casefold(),)


def _key(name: str) -> str:
    """What a name is looked up by: without spaces, and without an English article."""
    first, *rest = _words(name)
    return "".join(rest) if rest and first in _LEFT_OUT else "".join((first, *rest))
