"""Rankings written as lists: of lines, of rows, between commas, or as places in the prompt's list.

Each function takes the text of an answer, the candidates' names and how many there are, and returns
what the answer lists in its order; nothing where it is not of that form.
"""

import re
from collections.abc import Iterator

from palr.ranking.entries import (
    MARKER,
    QUOTED,
    Entry,
    by_number,
    entry,
    place,
    quotation,
    unmarked,
    unwanted,
)
from palr.ranking.matching import CLOSING, WORD, Names, title_like

_NEXT = re.compile(r"(?:^|(?<=[\s,;]))[(\[]?(\d{1,2})[.)\]]\s*(?=\S)")
_PLACES = re.compile(r"\W*\d+\]?(?:(?:\s*[>,]\s*|\s+)\[?\d+\]?)*\W*")
_CHUNK = re.compile(r"[^,;>|\n]{0,200}")
_SEPARATOR = re.compile(
    r"\s*(?:(?:\([^()\n]*\)|\[[^\[\]\n]*\])\s*)?"
    r"(?:(?:[-=]>|[,;>|/\u2022\u00b7])\s*(?:(?:and|then|or|&)\s+)?|(?<=\s)(?:and|&)\s+|$)"
)
_REASON = re.compile(r"\s*(?:[-:(.!?]|because\b|since\b)")
_START = re.compile(r"[:.!?][\"'*_`)\]]*\s+(?=[^\s:.!?])")
_INDEX = re.compile(r"\s*\[\d+\]\s*(?=[\w\"'*])")
_LED = re.compile(r"[:.!?]\s|\"")
_HEADING = re.compile(r"\s*(?:#{1,6}\s.*|(?:\*\*|__)[^*_]+(?:\*\*|__):?|.*:(?:\*\*|__)?)\s*")
_RULE = re.compile(r"[\s|:+-]*\|[\s|:+-]*")
_YEAR = re.compile(r"(?:18|19|20)\d\d")


def positions(text: str, names: Names, n: int) -> list[Entry]:
    """Places in the prompt's list, as RankGPT has them: ``[3] > [1] > [2]``."""
    for line in text.splitlines():
        line = line[line.rfind(": ") + 1 :]
        if _PLACES.fullmatch(line) and re.search(r"\[\d|\d\]?\s*>", line):
            numbers = re.findall(r"\d+", line)
            alone = len(numbers) > 1 or line.strip() == text.strip()
            titles = "[" not in line and any(names.at(number) for number in numbers)
            if alone and not titles:
                return [place(number, n) for number in numbers]
    return []


def line_list(text: str, names: Names, n: int) -> list[Entry]:
    """Numbered lines, else rows of a table, else bullets, else lines that are or hold a list."""
    for kind, lines in _by_kind(text, names).items():
        if kind == "plain":
            return [found for line in lines for found in inline_list(line, names, n)]
        if len(lines) == 1:
            found = inline_list(unmarked(lines[0]), names, n)
            if len(found) > 1:
                return found
        read = [_row(line, names) if kind == "row" else entry(line, names, n) for line in lines]
        indents = [len(line) - len(line.lstrip()) for line in lines]
        pairs = list(zip(indents, read, strict=True))
        # What stands further in is about the entry above it.
        least = min((indent for indent, one in pairs if one.fits), default=-1)
        if least >= 0:
            return by_number([one for indent, one in pairs if indent <= least and one.written])
    return []


def inline_list(line: str, names: Names, n: int) -> list[Entry]:
    """Names between commas and the like, from the line's start or from behind what leads to it."""
    for start in (0, *(match.end() for match in _START.finditer(line))):
        found = _inline(line, start, names)
        if found:
            return [] if start and unwanted(line[:start]) else found
    return []


def _by_kind(text: str, names: Names) -> dict[str, list[str]]:
    """The lines below headings that do not tell against them; a final list is the only one."""
    kinds: dict[str, list[str]] = {"number": [], "row": [], "bullet": [], "plain": []}
    skip = False
    for line in _lines(text):
        marker = MARKER.match(line)
        kind = "row" if line.strip().startswith("|") else "plain"
        if marker and kind == "plain":
            kind = "bullet" if marker["bullet"] else "number"
        if kind == "plain" and _HEADING.fullmatch(line) and not inline_list(line, names, 0):
            named = any(names.at(line, word.start()) for word in WORD.finditer(line))
            skip = unwanted(line, named)
            if re.search(r"\bfinal\b", line, re.IGNORECASE):
                kinds = {kind: [] for kind in kinds}
        elif not skip:
            kinds[kind].append(line)
    return kinds


def _lines(text: str) -> Iterator[str]:
    """Lines; one that counts from 1 within it is several. A table's head is none."""
    lines: list[str] = []
    for line in text.splitlines():
        marks = list(_NEXT.finditer(line))
        if _RULE.fullmatch(line):
            lines = lines[:-1]
        elif len(marks) > 1 and all(int(m[1]) == number for number, m in enumerate(marks, 1)):
            starts = [mark.start() for mark in marks]
            ends = [*starts[1:], len(line)]
            lines += [line[start:end] for start, end in zip(starts, ends, strict=True)]
        elif line.strip():
            lines.append(line)
    yield from lines


def _row(line: str, names: Names) -> Entry:
    """The first cell of a row that names a candidate, with the year where that has its own cell."""
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    year = next((cell for cell in cells if _YEAR.fullmatch(cell)), "")
    rank = int(cells[0]) if re.fullmatch(r"\d{1,3}", cells[0]) else 0
    titles = [cell for cell in cells if not re.fullmatch(r"\W*\d{1,3}\W*", cell)] or cells
    for cell in titles:
        alone = not year or year in cell
        found = names.at(cell if alone else f"{cell} ({year})")
        if found:
            return Entry(found.fits, cell, rank)
    return Entry((), titles[0], rank)


def _inline(line: str, at: int, names: Names) -> list[Entry]:
    entries: list[Entry] = []
    whole = at == 0 or line[:at].rstrip().endswith(":")
    guessed = 0  # entries that are neither candidates nor quoted
    while at < len(line):
        index = _INDEX.match(line, at)
        at = index.end() if index else at
        found, quoted, chunk = names.at(line, at), QUOTED.match(line, at), _CHUNK.match(line, at)
        if found:
            entries.append(Entry(found.fits, line[found.start : found.end]))
            at = found.end
        elif quoted:
            entries.append(Entry((), quotation(quoted)))
            at = quoted.end()
        elif chunk and title_like(chunk[0]) and (entries or (whole and not _LED.search(chunk[0]))):
            entries.append(Entry((), chunk[0].strip()))
            guessed += 1
            at = chunk.end()
        else:
            return []
        closing = CLOSING.match(line, at)
        at = closing.end() if closing else at
        separator = _SEPARATOR.match(line, at)
        if separator:
            at = separator.end()
        elif _REASON.match(line, at) or line[:at].endswith((".", "!", "?")):
            break
        else:
            return []
    known = sum(bool(one.fits) for one in entries)
    return entries if known >= max(guessed, 1) else []
