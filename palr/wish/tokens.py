"""Text as words that remember where they stood.

>>> [token.word for token in tokenise("I don't like Sci-Fi!")]
['i', 'dont', 'like', 'sci', '-', 'fi', '!']
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_DASHES = "-\u2013\u2014"
_TOKEN = re.compile(rf"w/o|w/|[^\W_]+(?:'[^\W_]+)*|(?<=\s)[{_DASHES}]+(?=\s)|\S|\n")
_APOSTROPHES = re.compile("['`\u2018\u2019\u00b4\u02bc\u2032]")
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,200}>")
# The first that fits counts; at least four letters are left, three before a last "e" or "y".
_ENDINGS = (
    *("ization", "isation", "izing", "ising", "izers", "izer", "isers", "iser", "ating", "ation"),
    *(
        "ators",
        "ator",
        "ated",
        "ates",
        "ingly",
        "ious",
        "ings",
        "ing",
        "ions",
        "ion",
        "iers",
        "ier",
    ),
    *("iest", "ies", "edly", "ers", "er", "est", "ed", "ic"),
)


@dataclass(frozen=True)
class Token:
    """A word or a mark; ``word`` is folded, ``start`` and ``end`` are places in the text."""

    word: str
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        return self.word[0].isalnum()


def fold(text: str) -> str:
    """Case and accents away, letter by letter, so that every place stays where it was."""
    return "".join(map(_plain, _TAG.sub(lambda tag: " " * len(tag[0]), text)))


def _plain(letter: str) -> str:
    if letter in "'`\u2018\u2019\u00b4\u02bc\u2032":
        return "'"
    plain = unicodedata.normalize("NFKD", letter).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return plain if len(plain) == 1 else letter


def tokenise(text: str) -> list[Token]:
    """The words and marks of a text."""
    return [
        Token(_APOSTROPHES.sub("", match[0]) or "'", match.start(), match.end())
        for match in _TOKEN.finditer(fold(text))
    ]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without the endings of its inflection; no dictionary, so it may cut too little.

    >>> {stem(word) for word in ("moisturizing", "moisturiser", "moisturizers")}
    {'moistur'}
    >>> [stem(word) for word in ("comedies", "thrilling", "scary", "war")]
    ['comed', 'thrill', 'scar', 'war']
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    if word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    if word.endswith(("ie", "ey")) and len(word) > 5:
        return word[:-2]
    return word[:-1] if word.endswith(("e", "y")) and len(word) > 3 else word
