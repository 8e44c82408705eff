"""Rankings written as running text, where names are recommended, compared with and rejected."""

import re
from collections.abc import Iterator

from palr.ranking.entries import QUOTED, Entry, quotation
from palr.ranking.matching import Found, Names

_CUE = re.compile(
    r"(?P<stop>[.!?]\s+|\n)"
    r"|(?P<no>(?:\bnot|n't|\bnever)\s+(?:\w+\s+)?(?:recommend|suggest|includ|cho|pick|rank)\w*"
    r"|\b(?:reject|avoid|skip|exclud|dismiss|omit)\w*|\b(?:left|leave) out\b)"
    r"|(?P<yes>(?:\b(?:would|will|might|should|may|could|to)|'ll|'d)\s+(?:\w+\s+)?"
    r"(?:lik|lov|enjoy|watch)\w*"
    r"|\b(?:recommend|suggest|cho|pick|rank|try|consider|next|then|first|finally|also|best)\w*)"
    r"|(?P<given>\b(?:like[sd]?|loved?|enjoy(?:ed)?|watched|watching|seen|similar|fans?|remind\w*"
    r"|than|unlike|instead|based|because|since|history|bought|purchased)\b)"
    r"|(?P<quote>(?<![\w\"`*'])[\"`*_']+)?(?P<word>[^\W_]+)",
    re.IGNORECASE,
)


def prose(text: str, names: Names, n: int) -> list[Entry]:
    """The names that running text recommends.

    A name needs quotes, emphasis or its year, unless the sentence has said that it recommends.
    """
    entries: list[Entry] = []
    state, skip = "", 0
    for cue in _CUE.finditer(text):
        if cue.start() < skip:
            continue
        if cue["stop"]:
            state = ""
            continue
        found = names.at(text, cue.start())
        if cue["word"] or (found and state == "yes" and text[cue.start()].isupper()):
            quoted = None if found else QUOTED.match(text, cue.start())
            skip = found.end if found else quoted.end() if quoted else skip
            if state not in ("no", "given"):
                entries += _named(text, cue, found, state)
        else:
            state = cue.lastgroup or ""
    return entries


def _named(text: str, cue: re.Match[str], found: Found | None, state: str) -> Iterator[Entry]:
    quote = cue["quote"] or ""
    if found:
        written = text[found.start : found.end]
        dated = re.search(r"\w\W+\d{4}\W*$", written)
        if quote or dated or (state == "yes" and not written[0].islower()):
            yield Entry(found.fits, written)
    elif quote.endswith('"') and (quoted := QUOTED.match(text, cue.start())):
        yield Entry((), quotation(quoted))
