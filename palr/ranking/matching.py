"""Candidates' names as models write them: in another case, without accents, quotes or the year, the
article moved or left out, or by the id or the other title that stands in brackets.

A name counts only as a whole: "Aliens" is no "Alien", and a film of another year is another film.

>>> names = Names(['"The Matrix (1999)"', '"Seven (Se7en) (1995)"'])
>>> [names.at(text).fits for text in ("Matrix, The", "se7en - grim", "Seven (1995)")]
[(0,), (1,), (1,)]
>>> names.at("The Matrix Reloaded"), names.at("Seven (1979)")
(None, None)
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from palr.data.titles import ARTICLES

# What may stand between a name and the end of it: the rest of its quotes and emphasis.
CLOSING = re.compile(r"""[.!?]*["'*_`)\]}]*[.!?]*""")
OPENING = re.compile(r"(?:[^\w\n&]|_)*")
WORD = re.compile(r"[^\W_]+|&")

_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u00b4\u02bc\u2032", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u300c\u300d\u300e\u300f\u2033", '"')
    | dict.fromkeys("\u2013\u2014\u2015", " - ")
    | {"\u2010": "-", "\u2011": "-", "\u2212": "-", "\u3001": ",", "\u2192": ">", "\u21d2": ">"}
)
_DATED = re.compile(r"(.*\S)\s*\((\d{4})\)")
_BRACKETED = re.compile(r"(.*?\S)\s*\((.+)\)")
_SIZE = re.compile(r", [^,]*\d[^,]*$")  # of a product, at the end of its label
_FRONTED = re.compile(
    rf"({'|'.join(a if a.endswith(chr(39)) else a + ' ' for a in ARTICLES)})(.+)", re.IGNORECASE
)
_DROPPED = ("the", "a", "an")
_YEAR = re.compile(
    r"""[\s.!?"'*_`]*(?:(?P<apart>[,:-])\s*)?[(\[{]?\s*(?P<year>(?:18|19|20)\d\d)(?!\w)[)\]}]?"""
)
_IN_BRACKETS = re.compile(r"[(\[{]\d{4}[)\]}]$")
_STOP = re.compile(
    r"\s*(?:[,;|>/(\[{\u2022\u00b7]|[-=]>|-+\s)|\s+-|\s*:|\t"
    r"|\s+(?:because|since|as|which|is|are|was|were|by|starring|directed|both|would|will|first|second|third)\b"
)
_AND = re.compile(r"\s+(?:and|&)\s+", re.IGNORECASE)
_SUBTITLE = re.compile(r"\s*(?P<sign>[-:])[-:\s]*(?P<text>[^\",;>|\n(]*)(?P<year>\(\d{4}\))?")
_BY_YEAR = 3  # the distance of a spelling that only the year can confirm


@dataclass(frozen=True)
class Found:
    """A name that stands in a text.

    Attributes:
        fits: The candidates that it fits equally well, in order of the list.
        start: Where it begins.
        end: Where it ends, its year included.
    """

    fits: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class _Spelling:
    index: int
    year: str
    distance: int  # from the name itself; of those that fit, the nearest count


class Names:
    """The names of a list of candidates, n of them, each in its quotes."""

    def __init__(self, names: Sequence[str]):
        self._spellings: dict[str, list[_Spelling]] = {}
        self._signs: dict[str, int] = {}  # names without a letter or digit
        for index, name in enumerate(names):
            dated = _DATED.fullmatch(plain(name).strip('"'))
            title, year = dated.groups() if dated else (plain(name).strip('"'), "")
            for text, distance in _variants(title):
                key = folded(text)
                if key:
                    self._add(key, _Spelling(index, year, distance))
                    if year:
                        self._add(key + year, _Spelling(index, "", distance))
                elif text and not distance:
                    self._signs.setdefault(text, index)
        self._longest = max(map(len, self._spellings), default=0)

    def _add(self, key: str, spelling: _Spelling) -> None:
        self._spellings.setdefault(key, []).append(spelling)

    def at(self, text: str, start: int = 0) -> Found | None:
        """The longest name with which a `plain` text goes on from ``start``, quotes aside."""
        opening = OPENING.match(text, start)
        begin = end = opening.end() if opening else start
        for sign, index in self._signs.items():
            place = text.find(sign, start, begin)
            if place >= 0:
                return Found((index,), place, place + len(sign))
        key, ends = "", []
        for word in WORD.finditer(text, begin):
            key += folded(word[0])
            if "\n" in text[end : word.start()] or len(key) > self._longest:
                break
            end = word.end()
            if key in self._spellings:
                ends.append((end, key))
        for end, key in reversed(ends):
            found = self._whole(text, begin, end, self._spellings[key])
            if found:
                return found
        return None

    def _whole(self, text: str, begin: int, end: int, near: list[_Spelling]) -> Found | None:
        """The name that ends at ``end``, unless it goes on there, or its year is another one."""
        dated = _YEAR.match(text, end)
        if dated:
            same = [spelling for spelling in near if spelling.year == dated["year"]]
            if not same and not dated["apart"]:
                same = [spelling for spelling in near if not spelling.year]
                if not same:
                    return None
            if same:
                return Found(_nearest(same), begin, dated.end())
        near = [spelling for spelling in near if spelling.distance < _BY_YEAR]
        if not near or not self._ends(text, end, {f"({spelling.year})" for spelling in near}):
            return None
        bracket = _IN_BRACKETS.search(text[begin : end + 1])
        return Found(_nearest(near), begin, end + bool(bracket))

    def _ends(self, text: str, end: int, years: set[str]) -> bool:
        closing = CLOSING.match(text, end)
        closed = closing[0] if closing else ""
        rest = text[end + len(closed) :].partition("\n")[0]
        if closed.strip(".!?"):
            return not rest[:1].isalnum()  # "Heat's" is no "Heat"
        if _subtitled(rest, years):
            return False
        if also := _AND.match(text, end + len(closed)):
            return self.at(text, also.end()) is not None
        return not rest.strip() or bool(closed and rest[0].isspace()) or bool(_STOP.match(rest))


def plain(text: str) -> str:
    """The text with one sort of quotes, of dashes and of commas."""
    return unicodedata.normalize("NFKC", text).translate(_PLAIN)


def folded(text: str) -> str:
    """Letters and digits only, without case and accents; "&" is "and".

    >>> folded("Amélie & L.A.'s Best")
    'amelieandlasbest'
    """
    text = unicodedata.normalize("NFKD", text.replace("&", "and")).casefold()
    return "".join(char for char in text if char.isalnum())


def title_like(text: str) -> bool:
    """Whether a text could be a title: a few words, the longer ones capitalised."""
    said = WORD.findall(text)
    long = [word for word in said if len(word) > 3]
    return 0 < len(said) <= 8 and not any(word[0].islower() for word in (said[0], *long))


def _variants(title: str) -> Iterator[tuple[str, int]]:
    """The ways to write a title, each with its distance from the title itself."""
    texts = [(title, 0)]
    bracketed = _BRACKETED.fullmatch(title)
    if bracketed:
        texts += [(text, 1) for text in (*bracketed.groups(), _SIZE.sub("", bracketed[2]))]
    for text, distance in texts:
        yield text, distance
        fronted = _FRONTED.fullmatch(text)
        if fronted:
            yield f"{fronted[2]}, {fronted[1]}", distance
            if fronted[1].strip().casefold() in _DROPPED:
                yield fronted[2], distance + 1
    main, colon, _ = title.partition(":")
    if colon:
        yield main, _BY_YEAR


def _nearest(spellings: Sequence[_Spelling]) -> tuple[int, ...]:
    nearest = min(spelling.distance for spelling in spellings)
    return tuple(dict.fromkeys(s.index for s in spellings if s.distance == nearest))


def _subtitled(rest: str, years: set[str]) -> bool:
    """Whether what follows a title makes it another one: "Alien: Resurrection", "Heat - 2 (2011)".

    A reason that follows a colon or a dash is told by its words, which are not those of a title,
    or by the year, which is one of ``years``.
    """
    subtitle = _SUBTITLE.match(rest)
    if not subtitle or subtitle["year"] in years:
        return False
    if subtitle["sign"] == "-" and not subtitle["year"]:
        return False
    return title_like(subtitle["text"])
