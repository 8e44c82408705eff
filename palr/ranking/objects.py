"""Rankings written as JSON: an array of names or of objects, also within a text or cut off."""

import json
import re
from typing import Any

from palr.ranking.entries import Entry, entry, unwanted
from palr.ranking.matching import Names

_BEGINNING = re.compile(r"[\[{]")
_TRIES = 50  # bounds the time that a text full of brackets takes
_TITLE = re.compile(r"title|name|movie|film|product|item|label|candidate", re.IGNORECASE)
_RANK = re.compile(r"rank|position|place|order|number", re.IGNORECASE)
_Ranked = tuple[int | None, list[Entry]]  # what an array, an object or a text lists, and its rank


def json_list(text: str, names: Names, n: int) -> list[Entry]:
    """What arrays and objects of an answer list; objects in the order of their ranks."""
    read: list[_Ranked] = []
    at = 0
    for _ in range(_TRIES):
        beginning = _BEGINNING.search(text, at)
        if not beginning:
            break
        try:
            value, end = json.JSONDecoder().raw_decode(text, beginning.start())
            read.append((_rank(value), _read(value, names)))
            at = end
        except (ValueError, RecursionError):
            at = beginning.end()
    return _in_order(read)


def _read(value: Any, names: Names) -> list[Entry]:
    if isinstance(value, str):
        return [entry(value, names)]
    if isinstance(value, list):
        return _in_order([(_rank(item), _read(item, names)) for item in value])
    if not isinstance(value, dict):
        return []
    for key, title in value.items():
        if isinstance(title, str) and _TITLE.search(key):
            year = next((str(v) for k, v in value.items() if "year" in k.casefold()), "")
            dated = entry(f"{title} ({year})", names) if year and year not in title else None
            return [dated if dated and dated.fits else entry(title, names)]
    found: list[Entry] = []
    for key, inner in _ordered(value):
        if names.at(key):  # names as keys, reasons, ranks or scores as values
            found.append(entry(key, names))
        elif not unwanted(key):
            found += _read(inner, names)
    return found


def _ordered(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """The pairs of an object; by rank where its values count from 1, by score where they are
    other numbers."""
    pairs = list(value.items())
    if not all(isinstance(number, int | float) for _, number in pairs):
        return pairs
    ranks = sorted(number for _, number in pairs) == list(range(1, len(pairs) + 1))
    return sorted(pairs, key=lambda pair: pair[1] if ranks else -pair[1])


def _in_order(read: list[_Ranked]) -> list[Entry]:
    if all(rank is not None for rank, _ in read):
        read = sorted(read, key=lambda pair: pair[0] or 0)
    return [one for _, entries in read for one in entries]


def _rank(item: Any) -> int | None:
    if isinstance(item, dict):
        for key, value in item.items():
            if _RANK.search(key) and re.fullmatch(r"[0-9]{1,4}", str(value)):
                return int(value)
    return None
