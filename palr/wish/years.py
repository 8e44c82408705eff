"""Years in words: "from the forties", "before 1980", "early 70s", "an old classic".

A span is the years from and to, both included; None is an open end.

>>> [found.years for found in find_years("early 70s, or not older than 1990", newest=2000)]
[(1970, 1973), (None, 1989)]

The "not" is none of this module's business: a span that is open on one side can be turned around.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int | None, int | None]

CLASSIC = 30  # years older than the newest of the catalog is an old one
RECENT = 5  # the last years of the catalog are the recent ones
_WORDS = {
    "twenties": 1920,
    "thirties": 1930,
    "forties": 1940,
    "fourties": 1940,
    "fifties": 1950,
    "sixties": 1960,
    "seventies": 1970,
    "eighties": 1980,
    "eightys": 1980,
    "nineties": 1990,
    "ninties": 1990,
    "nineteen twenties": 1920,
    "two thousands": 2000,
    "noughties": 2000,
    "aughts": 2000,
    "twenty tens": 2010,
}
_PARTS = {"early": (0, 3), "mid": (4, 6), "middle": (4, 6), "late": (7, 9)}

_PART = r"(?:(?P<{0}part>early|mid|middle|late)(?: of)?[ -]+(?:the )?)?"
_DECADE = (
    rf"(?:nineteen )?(?P<{{0}}word>{'|'.join(_WORDS)})|(?P<{{0}}digits>(?:1[89]|20)?\d0)[ ]?'?s"
)
_YEAR = r"(?P<{0}year>(?:1[89]|20)\d\d|(?<=')\d\d)(?!\d|'?s\b)"
_POINT = rf"(?:the )?(?:year )?'?{_PART}(?:{_DECADE}|{_YEAR})"


def _point(name: str) -> str:
    return _POINT.format(f"{name}_")


_AFTER = r"after|post|(?:newer|later|younger|more recent|more modern|made later) than|past"
_BEFORE = r"before|pre|prior to|(?:older|earlier) than|predating"
_UNTIL = r"until|till|til|up to|up until|through|as late as"
_AND = "(?:and|to|till|until|through|thru|-|\u2013|\u2014|or|&|/)"
_NO_YEAR = r"(?! (?:the )?['\d])"  # "1980 and before 1990" is two things
_ONWARD = (
    r"(?:[ ]*\+|,? (?:and|or) (?:later|newer|after|up|onwards?|younger|more recent|beyond|above)"
    rf"{_NO_YEAR}"
    r"| onwards?| on(?= |$|[.,!;])| and on\b| upwards"
    r"| (?:to|till|until) (?:now|today|the present|present))"
)
_BACK = rf",? (?:and|or) (?:earlier|older|before|below){_NO_YEAR}"
_CLASSIC = (
    r"(?:good )?old(?:ie)?s?(?:[ -]?(?:school|timey?|time))?(?= |$|[.,!;?)-])|classics?|vintage|"
    r"golden age|old[ -]hollywood|retro|older(?! than)|silent era"
)
_NEW_WHAT = "movies?|films?|releases?|ones?|stuff|flicks?|comed|thriller|drama|western|horror"
_RECENT = (
    r"recent(?:ly released| releases?| ones)?|newest|newer(?: ones?)?(?! than)|latest|"
    r"modern(?:[ -]day)?|contemporary|brand[ -]new|new releases?|up to date|"
    rf"new(?= (?:\w+ )?(?:{_NEW_WHAT}))"
)
_AGES = r"(?<!same )(?<!ten )(?<!year )(?<!years )(?<!yr )(?<!year-)(?<!fashioned )"

# In this order: what fits first takes its words.
_PATTERNS = [
    (kind, re.compile(rf"(?<![\w'$-]){pattern}(?!\w)"))
    for kind, pattern in (
        (
            "between",
            rf"(?:between|from|in)? ?{_point('a')} ?{_AND} ?{_point('b')}",
        ),
        ("from", rf"(?:(?:from|since|in) )?{_point('a')}{_ONWARD}"),
        ("until", rf"(?:from )?{_point('a')}{_BACK}"),
        ("from", rf"(?:since|starting (?:in|from|with)|as of) {_point('a')}"),
        ("after", rf"(?:made |from )?(?:{_AFTER})[ -]{_point('a')}"),
        ("before", rf"(?:made |from )?(?:{_BEFORE})[ -]{_point('a')}"),
        ("until", rf"(?:made |from )?(?:{_UNTIL}) {_point('a')}"),
        ("in", rf"(?:from |in |of |during |made in |released in |around )?{_point('a')}"),
        ("after", r"(?:this|21st|twenty[ -]first) century(?P<century>)"),
        ("classic", rf"{_AGES}(?:{_CLASSIC})"),
        ("recent", rf"(?:{_RECENT})"),
    )
]
_MINE = re.compile(r"\b(?:my|his|her|their|our|your)(?: (?:early|mid|late))? $")
_OLD_AGE = re.compile(
    r"\s*-?(?:fashioned|man|men|woman|women|west|lady|guy|friend|people|skin|person|enough)\b"
)


@dataclass(frozen=True)
class Years:
    """A span and where its words stand; ``open`` tells that it can be turned around."""

    years: Span
    start: int
    end: int

    @property
    def open(self) -> bool:
        return None in self.years

    def turned(self) -> Span | None:
        """What is left where these years are not wanted; None where that is no span."""
        first, last = self.years
        if first is None and last is not None:
            return last + 1, None
        return (None, first - 1) if last is None and first is not None else None


def find_years(text: str, newest: int) -> list[Years]:
    """All spans that a folded text names, from left to right; ``newest`` is the catalog's."""
    taken = [False] * (len(text) + 1)
    found = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if any(taken[match.start() : match.end()]) or _is_an_age(kind, match, text):
                continue
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            taken[start : match.end()] = [True] * (match.end() - start)
            found.append(Years(_span(kind, match, newest), start, match.end()))
    return sorted(found, key=lambda years: years.start)


def _is_an_age(kind: str, match: re.Match[str], text: str) -> bool:
    if kind == "classic":
        return bool(_OLD_AGE.match(text, match.end()))
    decade = kind == "in" and not match["a_year"]
    return decade and bool(
        _MINE.search(
            text,
            0,
            match.start("a_part") if match["a_part"] else match.end() - len(match[0].split()[-1]),
        )
    )


def _span(kind: str, match: re.Match[str], newest: int) -> Span:
    if kind == "classic":
        return None, newest - CLASSIC
    if kind == "recent":
        return newest - RECENT + 1, None
    if "century" in match.re.groupindex:
        return 2000, None
    first, last = _read(match, "a")
    if kind == "between":
        other_first, other_last = _read(match, "b")
        return min(first, other_first), max(last, other_last)
    spans: dict[str, Span] = {
        "from": (first, None),
        "after": (last + 1, None),
        "before": (None, first - 1),
        "until": (None, last),
    }
    return spans.get(kind, (first, last))


def _read(match: re.Match[str], name: str) -> tuple[int, int]:
    part, word, digits, year = (
        match[f"{name}_{group}"] for group in ("part", "word", "digits", "year")
    )
    if year:
        return (int(year), int(year)) if len(year) == 4 else (1900 + int(year), 1900 + int(year))
    decade = _WORDS[word] if word else int(digits)
    if decade < 100:
        decade += 1900 if decade >= 20 else 2000
    low, high = _PARTS.get(part, (0, 9))
    return decade + low, decade + high


def joined(spans: Iterator[Span]) -> Span | None:
    """One span for several: they narrow one another where they overlap, else they widen.

    >>> joined(iter([(1981, None), (None, 1989)]))
    (1981, 1989)
    >>> joined(iter([(1970, 1979), (1990, 1999)]))
    (1970, 1999)
    """
    result: Span | None = None
    for span in spans:
        result = span if result is None else _both(result, span)
    return result


def _both(one: Span, other: Span) -> Span:
    firsts = [first for first, _ in (one, other) if first is not None]
    lasts = [last for _, last in (one, other) if last is not None]
    first = max(firsts) if firsts else None
    last = min(lasts) if lasts else None
    if first is None or last is None or first <= last:
        return first, last
    return min(firsts), max(lasts)
