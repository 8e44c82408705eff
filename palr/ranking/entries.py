"""The entries of a list, as models mark and introduce them."""

import re
from dataclasses import dataclass

from palr.ranking.matching import Names


@dataclass(frozen=True)
class Entry:
    """One entry of a list.

    Attributes:
        fits: The candidates that it may mean; none where it means no candidate.
        written: The name as the model wrote it.
        number: Its rank, where the model numbered it.
    """

    fits: tuple[int, ...]
    written: str
    number: int = 0


MARKER = re.compile(
    r"[ \t>]*(?:\#{1,6}[ \t]*)?(?:[*_]{1,3})?[ \t]*(?:"
    r"(?:rank|no\.?|number|pick|choice|\#)?[ \t]*[(\[\#]?(?P<number>\d{1,3})(?:st|nd|rd|th)?"
    r"(?:[ \t]*[.):\]\ufe0f\u20e3]+|[ \t]+-+(?=\s))[*_]*(?!\d)"
    r"|\#\d{1,3}(?=\s)|(?:[A-Za-z]|[IVX]{2,5})[.)](?=\s)"
    r"|(?P<bullet>[-+*](?=\s)|[\u2022\u2023\u25aa\u25cf\u25e6\u00b7]|-(?=[\w\"]))"
    r")[ \t]*",
    re.IGNORECASE,
)
QUOTED = re.compile(r"[\s*_(\[]*(?:\"([^\"\n]+)\"|`([^`\n]+)`|\*\*([^*\n]+)\*\*|'([^\n]+?)'(?!\w))")
_LEAD = re.compile(
    r"[\W_]*(?:title|movie|film|item|product|name|recommendation)\b[\s\d*_]*[:=]", re.IGNORECASE
)
_PLACE = re.compile(r"\W*\[(\d+)\]\W*")
_NOT = re.compile(
    r"(?:\bnot|n't|\bnever)\s+(?:\w+\s+)?(?:recommend|suitab|chos|choose|select|includ|fit|pick)"
    r"|\b(?:reject|avoid|exclud|skip|dismiss|omit|honou?rable|runners?.up|unsuitable|least|worst)"
    r"|\bleft out|\bleave out",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"\b(?:history|watched|seen|liked|loved|purchased|bought|candidates?)\b", re.IGNORECASE
)
_RANKED = re.compile(
    r"recommend|suggest|\b(?:top|rank|final|best|here|answer|output|result)"
    r"|\b(?:as|based|because|for|given|like|since)\b",
    re.IGNORECASE,
)


def number(line: str) -> int:
    """The number that the line begins with; 0 where it has none."""
    marker = MARKER.match(line)
    return int(marker["number"] or 0) if marker else 0


def unmarked(line: str) -> str:
    """The line without the number or bullet that it begins with."""
    marker = MARKER.match(line)
    return line[marker.end() :] if marker else line


def entry(line: str, names: Names, n: int = 0) -> Entry:
    """What a line of a list is about: the name with which it begins.

    Args:
        line: With or without its number or bullet, which may as well be the title's own.
        names: The candidates' names.
        n: How many of them a place in brackets may mean.
    """
    body = unmarked(line)
    lead = _LEAD.match(body)
    for text in (body, body[lead.end() :] if lead else body, line):
        found = names.at(text)
        if found:
            return Entry(found.fits, text[found.start : found.end], number(line))
    index = _PLACE.fullmatch(body) or _PLACE.fullmatch(line)
    return place(index[1], n) if index else Entry((), _title(body), number(line))


def place(index: str, n: int) -> Entry:
    """A place in the prompt's list of ``n``, counted from 1."""
    at = int(index) if len(index) < 6 else 0
    return Entry((at - 1,) if 1 <= at <= n else (), f"[{index}]")


def by_number(entries: list[Entry]) -> list[Entry]:
    """Entries in the order of their numbers, such as a countdown, where each has one of its own."""
    numbers = [one.number for one in entries]
    if 0 in numbers or len(set(numbers)) < len(numbers):
        return entries
    return sorted(entries, key=lambda one: one.number)


def quotation(quoted: re.Match[str]) -> str:
    """What stands between the quotes of a match of `QUOTED`."""
    return str(quoted[quoted.lastindex or 0])


def announces(words: str) -> bool:
    """Whether words announce a ranking."""
    return bool(_RANKED.search(words)) and not unwanted(words)


def unwanted(words: str, named: bool = False) -> bool:
    """Whether a heading announces names that are not recommended.

    Args:
        words: The heading.
        named: Whether it names candidates itself, as a reason for others: "You liked Heat, so:".
    """
    given = _GIVEN.search(words) and not (named or _RANKED.search(words))
    return bool(_NOT.search(words) or given)


def _title(text: str) -> str:
    """The part of a line that seems to be the title; empty where there is none."""
    quoted = QUOTED.match(text)
    if quoted:
        return quotation(quoted)
    return re.split(r"\s-+\s|:\s", text, maxsplit=1)[0].strip(" \t*_#`,;")
