"""Titles as data sets write them, brought into the order in which people read them.

MovieLens files a film under its first real word: ``Matrix, The (1999)``,
``Umbrellas of Cherbourg, The (Parapluies de Cherbourg, Les) (1964)``,
``Crow: City of Angels, The (1996)``.

>>> split_title("Umbrellas of Cherbourg, The (Parapluies de Cherbourg, Les) (1964)")
('The Umbrellas of Cherbourg (Les Parapluies de Cherbourg)', 1964)
"""

import html
import re

# Every article that MovieLens-1M or -100K puts after a title.
ARTICLES = (
    "The", "A", "An",
    "Le", "La", "Les", "L'", "Un", "Une",
    "Il", "Lo", "I", "Gli",
    "El", "Los", "Las", "O",
    "Das", "Der", "Die", "Det", "Den",
)  # fmt: skip

_TRAILING = re.compile(rf"^(?P<rest>.+), (?P<article>{'|'.join(map(re.escape, ARTICLES))})$")
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_ALTERNATIVE = re.compile(r"\s*\(([^()]*)\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Unescape HTML entities, drop tags and control characters, collapse white space."""
    # Twice, because shops' titles carry "&amp;reg;".
    text = html.unescape(html.unescape(text))
    return " ".join(_CONTROL.sub(" ", _TAG.sub(" ", text)).split())


def split_title(text: str) -> tuple[str, int | None]:
    """Clean a title; returns it in display order, and the year at its end if there is one."""
    text = clean(text)
    year = _YEAR.search(text)
    if year and text[: year.start()]:
        return display_order(text[: year.start()]), int(year[1])
    return display_order(text), None


def display_order(title: str) -> str:
    """Move trailing articles to the front, in the title and in each alternative title."""
    first = _ALTERNATIVE.search(title)
    main = title[: first.start()] if first else title
    rest = title[first.start() :] if first else ""
    rest = _ALTERNATIVE.sub(lambda match: f" ({_reorder(match[1].strip())})", rest)
    return f"{_reorder(main.strip())}{rest}".strip()


def _reorder(title: str) -> str:
    match = _TRAILING.match(title)
    if match is None:
        return title
    gap = "" if match["article"].endswith("'") else " "
    return f"{match['article']}{gap}{match['rest']}"
