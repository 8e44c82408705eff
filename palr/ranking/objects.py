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


def json_list(text: str, names: Names, n: int) -> list[Entry]:
    """What arrays and objects of an answer list; objects in the order of their ranks."""
    entries: list[Entry] = []
    at = 0
    for _ in range(_TRIES):
        beginning = _BEGINNING.search(text, at)
        if not beginning:
            break
        try:
            value, end = json.JSONDecoder().raw_decode(text, beginning.start())
            entries += _read(value, names)
            at = end
        except (ValueError, RecursionError):
            at = beginning.end()
    return entries


def _read(value: Any, names: Names) -> list[Entry]:
    if isinstance(value, str):
        return [entry(value, names)]
    if isinstance(value, list):
        ranks = [_rank(item) for item in value]
        if None not in ranks:
            order = sorted(range(len(value)), key=lambda at: ranks[at] or 0)
            value = [value[at] for at in order]
        return [found for item in value for found in _read(item, names)]
    if not isinstance(value, dict):
        return []
    for key, title in value.items():
        if isinstance(title, str) and _TITLE.search(key):
            year = next((str(v) for k, v in value.items() if "year" in k.casefold()), "")
            dated = entry(f"{title} ({year})", names) if year and year not in title else None
            return [dated if dated and dated.fits else entry(title, names)]
    found: list[Entry] = []
    for key, inner in value.items():
        if names.at(key):  # names as keys, reasons or scores as values
            found.append(entry(key, names))
        elif not unwanted(key):
            found += _read(inner, names)
    return found


def _rank(item: Any) -> int | None:
    if isinstance(item, dict):
        for key, value in item.items():
            if _RANK.search(key) and re.fullmatch(r"[0-9]{1,4}", str(value)):
                return int(value)
    return None
