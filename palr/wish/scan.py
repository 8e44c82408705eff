"""A text as a row of marks: keywords, years, cue phrases, boundaries, and the words that are left.

Nothing is decided here: `palr.wish.signs` goes along the row.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from palr.wish.cues import Phrase, cues
from palr.wish.lexicon import AHEAD, CLOSE, LONGEST, MAX_ASKED, Embed, Lexicon
from palr.wish.tokens import Token, fold, tokenise
from palr.wish.years import Years, find_years

_BREAKS = {".": "stop", "!": "stop", "?": "ask", "\n": "stop", "\u2026": "stop", ";": "stop"}
_COMMAS = {",", ":", "(", ")", "-", "--", "\u2013", "\u2014", "|", "+"}
_JOINS = {"/": "or", "&": "and"}
_SHIES = {"w/o": "without", "w/": "with"}
MAX_TITLE = 7  # words
REACH = 5  # words between an adjective and its noun
_LONGEST_CUE = max(len(name) for name in cues().kinds)


@dataclass
class Mark:
    """One thing said; ``start`` and ``end`` are places in the text.

    ``kind`` is "key", "title", "years", "popularity", "word", "quiet", "comma", "stop", "ask" or
    that of a cue phrase. ``keys`` are the keywords named, ``without`` is the keyword of what lacks
    the thing named, ``item`` the id of a title; ``sign`` is set where the words themselves decide
    it ("coconut free").
    """

    kind: str
    text: str
    start: int
    end: int
    keys: tuple[str, ...] = ()
    without: str | None = None
    years: Years | None = None
    popularity: int = 0
    item: str = ""
    sign: int | None = field(default=None)


def scan(text: str, lexicon: Lexicon, embed: Embed | None) -> list[Mark]:
    """The marks of a text, from left to right."""
    tokens = _words_and_breaks(text)
    fixed = lexicon.corrected([token.word for token in tokens])
    tokens = [Token(fixed.get(t.word, t.word), t.start, t.end) for t in tokens]
    years = find_years(fold(text), lexicon.years[1]) if lexicon.years else []
    marks = list(_scanned(text, tokens, years, lexicon))
    return _understood(marks, lexicon, embed) if embed else marks


def is_english(tokens: Sequence[Token]) -> bool:
    """Whether the small words are English; a text without any may be."""
    table = cues()
    ours = table.stop | table.words
    foreign = sum(token.word in table.foreign - ours for token in tokens)
    return foreign < 2 or foreign <= sum(token.word in ours for token in tokens)


def _words_and_breaks(text: str) -> list[Token]:
    kept = []
    tokens = tokenise(text)
    for at, token in enumerate(tokens):
        word = _SHIES.get(token.word, token.word)
        alone = at == 0 or tokens[at - 1].end < token.start
        if word in "-\u2013" and not alone:
            continue  # a hyphen
        if word in "-+" and at + 1 < len(tokens) and tokens[at + 1].start == token.end:
            word = "minus" if word == "-" else "more"  # "+comedy -drama"
        word = "over" if word == ">" else word
        if word in _BREAKS or word in _COMMAS or word in _JOINS or _says_something(word):
            kept.append(Token(word, token.start, token.end))
    return kept


def _says_something(word: str) -> bool:
    return word[0].isalnum() or unicodedata.category(word[0]) == "So"


def _scanned(
    text: str, tokens: Sequence[Token], years: Sequence[Years], lexicon: Lexicon
) -> Iterable[Mark]:
    paired = _paired(tokens, lexicon)
    at = 0
    while at < len(tokens):
        token = tokens[at]
        while years and years[0].end <= token.start:
            years = years[1:]
        if years and years[0].start <= token.start:
            span = years[0]
            yield Mark("years", "", span.start, span.end, years=span)
            while at < len(tokens) and tokens[at].start < span.end:
                at += 1
            continue
        limit = years[0].start if years else len(text)
        mark, length = _title(text, tokens, at, lexicon) or _longest(
            tokens, at, limit, lexicon, paired
        )
        at += length
        following = tokens[at].word if at < len(tokens) else ""
        if mark.kind == "key" and following == "free" and not mark.keys[0].endswith("-free"):
            mark.sign, mark.end = -1, tokens[at].end
            at += 1
        yield mark


def _title(
    text: str, tokens: Sequence[Token], at: int, lexicon: Lexicon
) -> tuple[Mark, int] | None:
    """The title of an item that begins here: written as one, or named after "like"."""
    compared = at > 0 and tokens[at - 1].word in ("like", "to", "as", "than")
    for length in range(min(MAX_TITLE, len(tokens) - at), 0, -1):
        part = tokens[at : at + length]
        name = tuple(token.word for token in part)
        item = lexicon.title(name)
        if item is None or lexicon.look_up(name) or all(word in lexicon.stop for word in name):
            continue
        as_title = all(_is_capital(text[token.start], token.word) for token in part)
        if (as_title and compared) or (length > 1 and (as_title or compared)):
            return Mark("title", " ".join(name), part[0].start, part[-1].end, item=item), length
    return None


def _is_capital(letter: str, word: str) -> bool:
    return letter.isupper() or letter.isdigit() or word in ("of", "the", "and", "in", "a", "to")


def _longest(
    tokens: Sequence[Token],
    at: int,
    limit: int,
    lexicon: Lexicon,
    paired: dict[int, tuple[str, ...]],
) -> tuple[Mark, int]:
    """The longest phrase from a place on that means something, and its number of words."""
    table = cues()
    first = tokens[at]
    for length in range(min(_LONGEST_CUE, len(tokens) - at), 0, -1):
        part = tokens[at : at + length]
        if part[-1].start >= limit or not all(token.is_word for token in part):
            continue
        name = tuple(token.word for token in part)
        mark = Mark("word", " ".join(name), first.start, part[-1].end)
        if name in table.popularity:
            mark.kind, mark.popularity = "popularity", table.popularity[name]
        elif name in lexicon.unless:
            mark.kind = "unless"
        elif name in table.kinds and not (length == 1 and at in paired):
            mark.kind = table.kinds[name]
        elif length <= LONGEST and (keys := _keys(name, at, lexicon, paired)):
            mark.kind, mark.keys, mark.without = "key", keys, lexicon.without(name)
        elif length <= LONGEST and (without := lexicon.without(name)):
            mark.without = without
        elif length > 1 or name[0] not in lexicon.stop:
            if length > 1:
                continue
        else:
            mark.kind = "quiet"
        return mark, length
    kind = _BREAKS.get(first.word) or _JOINS.get(first.word)
    kind = kind or ("comma" if first.word in _COMMAS else "word")
    return Mark(kind, first.word, first.start, first.end), 1


def _keys(
    name: Phrase, at: int, lexicon: Lexicon, paired: dict[int, tuple[str, ...]]
) -> tuple[str, ...]:
    if len(name) == 1 and at in paired:
        return paired[at]
    if len(name) == 1 and (len(name[0]) < 2 or name[0] in lexicon.stop):
        return ()
    return lexicon.look_up(name)


def _paired(tokens: Sequence[Token], lexicon: Lexicon) -> dict[int, tuple[str, ...]]:
    """Adjectives at a distance from their noun, by place: "my skin is very dry" is dry skin."""
    heads = [at for at, token in enumerate(tokens) if token.word in lexicon.heads]
    found: dict[int, tuple[str, ...]] = {}
    for head in heads:
        for at in range(max(0, head - REACH), min(len(tokens), head + REACH + 1)):
            between = tokens[min(at, head) + 1 : max(at, head)]
            if at == head or any(token.word in _BREAKS for token in between):
                continue
            keys = lexicon.look_up_exact((tokens[at].word, tokens[head].word))
            if keys and at != head - 1:
                found.setdefault(at, keys)
                found.setdefault(head, keys)
    return found


def _understood(marks: list[Mark], lexicon: Lexicon, embed: Embed) -> list[Mark]:
    """Words that are left, read by the sentence model where it is sure: runs of them first."""
    runs: list[list[Mark]] = []
    going = False
    for mark in marks:
        asked_about = mark.kind == "word" and not mark.without and _can_be_asked(mark.text)
        if asked_about and going and len(runs[-1]) < LONGEST:
            runs[-1].append(mark)
        elif asked_about:
            runs.append([mark])
        going = asked_about
    asked = [run for run in runs if len(run) > 1] + [[mark] for run in runs for mark in run]
    asked = asked[:MAX_ASKED]
    texts = [" ".join(mark.text for mark in run) for run in asked]
    gone: set[int] = set()
    for run, (key, cosine, second) in zip(asked, lexicon.closest(texts, embed), strict=False):
        if cosine < CLOSE or cosine - second < AHEAD or any(id(mark) in gone for mark in run):
            continue
        run[0].kind, run[0].keys, run[0].end = "key", (key,), run[-1].end
        gone.update(id(mark) for mark in run)
        for mark in run[1:]:
            mark.kind = "quiet"
    return marks


def _can_be_asked(word: str) -> bool:
    return len(word) > 2 and word.isascii() and word.replace(" ", "").isalpha()
