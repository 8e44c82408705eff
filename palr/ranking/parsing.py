"""Total parsing of a free-text ranking: whatever the model wrote, a ranking comes out.

Of an answer that holds a list, the list counts: JSON, numbered lines, a table, bullets, or names on
lines of their own or between commas, in this order. What a model says before, after and about each
name does not count. Of running text the names count that it recommends.

>>> parse_names('"Heat", "Jaws", "Heat"', ['"Babe"', '"Heat"'])
([1], ('dropped "Jaws": not a candidate', 'dropped a repetition of "Heat"'))
>>> parse_names("You liked Heat, so:\\n1. **Babe** - as good as Heat", ['"Heat"', '"Babe"'])
([1], ())
"""

import html
import re
from collections.abc import Sequence
from functools import lru_cache

from palr.ranking.entries import Entry, announces, number, unmarked
from palr.ranking.lists import line_list, positions
from palr.ranking.matching import Names, plain
from palr.ranking.objects import json_list
from palr.ranking.prose import prose

_SHOWN = 80  # characters of a name that is no candidate's
_BREAK = re.compile(r"<br\s*/?>", re.I)
_ITEM = re.compile(r"<li[^<>]*>", re.I)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>|^[ \t]*(?:```|~~~)[^\n`]*$|\\\w+\{", re.M)
_NEXT_ELEMENT = re.compile(r"(</[A-Za-z][^<>\n]{0,80}>)(?=<[A-Za-z])")
_LEADS = 4  # lines, the first of a list included
_GAP = re.compile(r"[^\S\n]{9,}")
SIGNS = ",;>\n"  # a name has ended only where one of them follows
_SETTLED = re.compile(r"""["')*\]]\s*[,;>]|\n""")

Parsed = tuple[list[int], tuple[str, ...]]


def parse_names(output: str, names: Sequence[str], cut: bool = False) -> Parsed:
    """Indices of the candidates that an answer ranks, in its order, and what was repaired.

    Of several candidates that a name fits equally well, the first that was not taken yet counts.
    Unknown and repeated names are dropped.

    Args:
        output: The answer, without reasoning.
        names: The candidates' names in quotes, in the order of the prompt.
        cut: Whether the answer was cut off, so that its last word may be half of a name.
    """
    known, text = _known(tuple(names)), _plain(output)
    for read in (json_list, positions, line_list, prose):
        entries = read(text, known, len(names))
        if any(entry.fits for entry in entries):
            break
    if cut and entries and text[-1:].isalnum() and text.endswith(entries[-1].written):
        entries = entries[:-1]
    return _chosen(entries, names)


def names_so_far(output: str, names: Sequence[str]) -> Parsed:
    """What `parse_names` will find first, while the answer is still being written.

    Only of an answer that is a list from its start, or from behind a line or two that announce one:
    any other may turn out to be the reasoning of a model whose template began it.
    """
    text = _plain(output)
    settled = text[: max((match.end() for match in _SETTLED.finditer(text)), default=0)]
    known = _known(tuple(names))
    if not _is_list(settled, known):
        return [], ()
    return _chosen(line_list(settled, known, len(names)), names)


def _is_list(text: str, names: Names) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    for at, line in enumerate(lines[:_LEADS]):
        if any(entry.fits for entry in line_list(line, names, 0)):
            announced = at == 0 or announces(lines[at - 1])
            begins = names.at(unmarked(line)) is not None or announces(line)
            return announced and begins and number(line) < 2  # else it is a countdown
    return False


@lru_cache(maxsize=8)  # an answer is read anew whenever it has grown
def _known(names: tuple[str, ...]) -> Names:
    return Names(names)


def _plain(output: str) -> str:
    text = _GAP.sub(" " * 8, plain(html.unescape(output)))
    text = _NEXT_ELEMENT.sub(r"\1\n", _BREAK.sub("\n", text))
    return _TAG.sub("", _ITEM.sub("\n- ", text))


def _chosen(entries: Sequence[Entry], names: Sequence[str]) -> Parsed:
    chosen: list[int] = []
    repairs: list[str] = []
    for entry in entries:
        written = " ".join(entry.written.split())
        written = written if len(written) <= _SHOWN else written[:_SHOWN] + "…"
        free = [index for index in entry.fits if index not in chosen]
        if free:
            chosen.append(free[0])
            if len({names[index] for index in entry.fits}) > 1:
                fits = f"it fits {len(entry.fits)} candidates"
                repairs.append(f'took {names[free[0]]} for "{written}": {fits}')
        elif entry.fits:
            repairs.append(f'dropped a repetition of "{written}"')
        else:
            repairs.append(f'dropped "{written}": not a candidate')
    return chosen, tuple(repairs)
