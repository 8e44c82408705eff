"""How a wish in words was read, and every word that says so.

>>> reading = Reading(more=("comedy",), years=(1980, 1989))
>>> reading.less, reading.popularity
((), 0)
"""

from dataclasses import dataclass
from typing import Literal

from palr.catalog.catalog import Catalog
from palr.wish.checks import check_words
from palr.wish.lexicon import Embed, Lexicon, lexicon
from palr.wish.scan import Mark, is_english, scan
from palr.wish.signs import give_signs
from palr.wish.tokens import fold, tokenise
from palr.wish.years import Span, find_years, joined

Side = Literal["more", "less", "neutral", "years", "popularity", "liked", "disliked"]
_MAX_NEAREST = 3  # unread words for which the nearest keyword is named
_ANY_YEAR = 2000  # counts as the newest where a catalog has no years


@dataclass(frozen=True)
class Chip:
    """One thing that was read: ``value`` on its ``side``, from these ``words`` of the text."""

    side: Side
    value: str
    words: str


@dataclass(frozen=True)
class Reading:
    """A wish as it was read.

    ``more`` and ``less`` are keywords of the catalog, ``years`` from and to, ``popularity`` -1 for
    little known and +1 for well known, 0 where nothing is said of it; ``liked`` and ``disliked``
    are ids of items that the words name, "like The Godfather". ``unread`` are the words
    that nothing was read from. ``notes`` say what was contradictory or is not in the catalog.
    """

    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    years: tuple[int, int] | None = None
    unread: tuple[str, ...] = ()
    popularity: int = 0
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    chips: tuple[Chip, ...] = ()


def read_wish(text: str, catalog: Catalog, embed: Embed | None = None) -> Reading:
    """Read a wish in English, clause by clause, each thing with its sign.

    Args:
        text: what was typed, at most `palr.wish.checks.MAX_WORDS` characters.
        catalog: whose keywords and years it is read as. What is prepared for a catalog is kept, so
            that one should be passed without a visitor's own items.
        embed: the sentence model; without it only what the tables and the spelling tell is read.

    Raises:
        WishError: the text is too long.
    """
    check_words(text)
    names = lexicon(catalog)
    tokens = tokenise(text)
    if not is_english(tokens):
        unread = tuple(dict.fromkeys(text[t.start : t.end] for t in tokens if t.is_word))
        return Reading(unread=unread, notes=("only English is read: say it in English",))
    marks = scan(text, names, embed)
    give_signs(marks)
    return _Gathered(text, marks, names, embed).reading()


class _Gathered:
    """From marks with signs to a `Reading`."""

    def __init__(self, text: str, marks: list[Mark], names: Lexicon, embed: Embed | None) -> None:
        self.text, self.marks, self.names, self.embed = text, marks, names, embed
        self.notes: list[str] = []
        self.chips: list[Chip] = []

    def reading(self) -> Reading:
        signs = self._keywords()
        years = self._years()
        popularity = self._popularity()
        unread = self._unread()
        self._name_nearest(unread)
        return Reading(
            more=tuple(key for key, sign in signs.items() if sign > 0),
            less=tuple(key for key, sign in signs.items() if sign < 0),
            years=years,
            popularity=popularity,
            liked=self._items("liked", 1),
            disliked=self._items("disliked", -1),
            unread=unread,
            notes=tuple(self.notes),
            chips=tuple(self.chips),
        )

    def _words(self, mark: Mark) -> str:
        return self.text[mark.start : mark.end]

    def _keywords(self) -> dict[str, int]:
        """Keyword to sign; of two that contradict, the later counts."""
        signs: dict[str, int] = {}
        words: dict[str, str] = {}
        after_unless = False
        for mark in self.marks:
            after_unless = mark.text == "unless" or (after_unless and mark.kind != "stop")
            for key in mark.keys if mark.kind == "key" else ():
                sign = mark.sign or 0
                if sign < 0 and key in self.names.troubles and not after_unless:
                    sign = 1
                if sign == 0 and key in signs:
                    continue
                if sign * signs.get(key, sign) < 0:
                    self.notes.append(
                        f"{key} is both wanted and unwanted: the later words count, "
                        f'"{self._words(mark)}"'
                    )
                if signs.get(key) != sign:
                    signs.pop(key, None)
                    signs[key], words[key] = sign, self._words(mark)
        sides: dict[int, Side] = {1: "more", -1: "less", 0: "neutral"}
        self.chips += [Chip(sides[sign], key, words[key]) for key, sign in signs.items()]
        return signs

    def _years(self) -> tuple[int, int] | None:
        if self.names.years is None:
            return None
        spans: list[Span] = []
        words = []
        for mark in self.marks:
            if mark.years is None:
                continue
            span = mark.years.years if mark.sign == 1 else mark.years.turned()
            if mark.sign == 0 or span is None:
                self.notes.append(
                    f'"{self._words(mark)}" cannot be ruled out by itself: name the years you want'
                )
                continue
            spans.append(span)
            words.append(self._words(mark))
        span = joined(iter(spans))
        if span is None:
            return None
        oldest, newest = self.names.years
        first, last = span
        years = (
            first if first is not None else min(oldest, last or oldest),
            last if last is not None else max(newest, first or newest),
        )
        if years[1] < oldest or years[0] > newest:
            self.notes.append(f"this catalog holds the years {oldest} to {newest} only")
        self.chips.append(Chip("years", f"{years[0]}-{years[1]}", ", ".join(words)))
        return years

    def _popularity(self) -> int:
        said = [mark for mark in self.marks if mark.kind == "popularity" and mark.sign]
        if not said:
            return 0
        if not self.names.popularity:
            nouns = self.names.domain.nouns
            self.notes.append(f"this catalog does not tell how well known its {nouns} are")
            return 0
        last = said[-1]
        value = last.popularity * (last.sign or 1)
        self.chips.append(
            Chip("popularity", "well known" if value > 0 else "little known", self._words(last))
        )
        return value

    def _items(self, side: Side, sign: int) -> tuple[str, ...]:
        """Ids of the items named with this sign; the chips show them as they were written."""
        named = [mark for mark in self.marks if mark.kind == "title" and mark.sign == sign]
        self.chips += [Chip(side, mark.item, self._words(mark)) for mark in named]
        return tuple(dict.fromkeys(mark.item for mark in named))

    def _unread(self) -> tuple[str, ...]:
        """The words that nothing was read from; years are told apart where no item has one."""
        words = [mark for mark in self.marks if mark.kind == "word"]
        if self.names.years is None:
            spans = find_years(fold(self.text), _ANY_YEAR)
            dated = [m for m in words if any(s.start < m.end and m.start < s.end for s in spans)]
            words = [mark for mark in words if mark not in dated]
            if dated:
                self.notes.append(f"these {self.names.domain.nouns} have no years")
        return tuple(dict.fromkeys(map(self._words, words)))

    def _name_nearest(self, unread: tuple[str, ...]) -> None:
        noted = 0
        for word in unread:
            absent = self.names.absent.get(word.casefold().replace(" ", ""))
            near = self.names.nearest(absent or word.casefold())
            if near and len(word) > 3 and noted < _MAX_NEAREST:
                self.notes.append(f'"{word}" is no keyword of this catalog; the nearest is {near}')
                noted += 1
