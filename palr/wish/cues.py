"""The tables of cue phrases and synonyms, read from the TOML files beside this module."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from palr.wish.tokens import tokenise

_FOLDER = Path(__file__).parent
Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Cues:
    """What holds in every domain.

    ``kinds`` gives each phrase its kind ("like", "less", "flip", ...; see ``cues.toml``);
    ``popularity`` gives -1 or +1; ``stop`` are words that need no reading, ``foreign`` the small
    words of other languages. ``strong`` cues hold through a list, ``list_words`` may stand in one;
    after a word of ``before_verb`` "like" is a verb.
    """

    kinds: dict[Phrase, str]
    popularity: dict[Phrase, int]
    stop: frozenset[str]
    foreign: frozenset[str]
    strong: frozenset[str]
    list_words: frozenset[str]
    before_verb: frozenset[str]

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that occurs in a phrase."""
        return frozenset(
            word for table in (self.kinds, self.popularity) for p in table for word in p
        )


@dataclass(frozen=True)
class Names:
    """What people call the keywords of one domain.

    ``synonyms`` are pairs of alternative keywords and phrases; ``several`` gives a phrase all its
    keywords; ``free`` are things by the keyword that says a product is without them; ``heads`` are
    nouns that take an adjective at a distance; ``troubles`` are keywords that a person who is
    against them wants help with, but after a phrase of ``unless``.
    """

    synonyms: tuple[tuple[tuple[str, ...], tuple[Phrase, ...]], ...]
    several: dict[Phrase, tuple[str, ...]]
    free: dict[Phrase, tuple[str, ...]]
    heads: frozenset[str]
    troubles: frozenset[str]
    unless: frozenset[Phrase]
    stop: frozenset[str]


def phrase(text: str) -> Phrase:
    """A phrase of a table as its words."""
    return tuple(token.word for token in tokenise(text) if token.is_word)


@cache
def cues() -> Cues:
    """The cue phrases of every domain."""
    table = _load("cues")
    kinds = {phrase(text): kind for kind, texts in table["phrases"].items() for text in texts}
    for kind, verbs in table["verbs"].items():
        for verb in verbs:
            for form in _forms(verb):
                kinds.setdefault(phrase(form), kind)
    popularity = {
        phrase(text): sign
        for name, sign in (("little", -1), ("well", 1))
        for text in table["popularity"][name]
    }
    lists = table["words"]
    return Cues(
        kinds,
        popularity,
        stop=frozenset(lists["stop"].split()),
        foreign=frozenset(table["foreign"]["words"].split()) - {"a", "i"},
        strong=frozenset(lists["strong"]),
        list_words=frozenset(lists["list"].split()),
        before_verb=frozenset(lists["before_verb"].split()),
    )


@cache
def names(domain: str) -> Names:
    """The names of one domain's keywords; without entries where it has no file."""
    table = _load(domain) if (_FOLDER / f"{domain}.toml").is_file() else {}
    entries = table.get("synonym", [])
    return Names(
        tuple((tuple(entry["keywords"]), _phrases(entry.get("words", ""))) for entry in entries),
        {phrase(text): tuple(keys) for text, keys in table.get("several", {}).items()},
        {p: tuple(entry["keywords"]) for entry in entries for p in _phrases(entry.get("free", ""))},
        frozenset(table.get("heads", {}).get("words", "").split()),
        frozenset(table.get("troubles", {}).get("keywords", ())),
        frozenset(map(phrase, table.get("troubles", {}).get("unless", ()))),
        frozenset(table.get("words", {}).get("stop", "").split()),
    )


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _phrases(listed: str) -> tuple[Phrase, ...]:
    return tuple(phrase(text) for text in listed.split(";") if text.strip())


def _forms(verb: str) -> Iterable[str]:
    """A verb phrase with the endings of its first word: love, loves, loved, loving."""
    first, _, rest = verb.partition(" ")
    base = first.removesuffix("e")
    double = (
        first[-1] if first in {"stop", "skip", "drop", "ban", "get", "cut", "dig", "put"} else ""
    )
    for form in (first, f"{first}s", f"{base}ed", f"{base}ing", f"{first}{double}ing"):
        yield f"{form} {rest}".strip()
    if double:
        yield f"{first}{double}ed {rest}".strip()
