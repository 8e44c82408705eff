"""A visitor's own items: made from a title and keywords, and found beside the catalog's.

A visitor's own item is no part of the data set. A `JoinedCatalog` holds both for one visitor.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from palr.catalog.catalog import Catalog
from palr.catalog.names import NameIndex
from palr.catalog.search import TitleIndex
from palr.data.interactions import Interactions
from palr.data.titles import clean, split_title
from palr.domains import Persona
from palr.errors import PalrError
from palr.types import Item

PREFIX = "yours:"  # no catalog's id begins so
MAX_ITEMS = 5  # of one visitor, in each domain
MAX_TITLE = 120
MAX_KEYWORDS = 8
MAX_KEYWORD = 32
MAX_LISTED = MAX_KEYWORDS * (MAX_KEYWORD + 2)


def is_own(item: Item) -> bool:
    """Whether an item is a visitor's own, and not the catalog's."""
    return item.id.startswith(PREFIX)


def new_own_item(title: str, listed: str) -> Item:
    """A new own item, with an id of its own.

    >>> item = new_own_item("Night Train (2031)", "crime, trains")
    >>> item.title, item.year, item.keywords
    ('Night Train', 2031, ('crime', 'trains'))

    Args:
        title: Its title, with the year in brackets at the end if it has one.
        listed: Its keywords, with commas between them.

    Raises:
        PalrError: title or keywords are missing or too long.
    """
    name, year = split_title(title)
    keywords = tuple(dict.fromkeys(word for part in listed.split(",") if (word := clean(part))))
    if not name or len(name) > MAX_TITLE:
        raise PalrError(f"write a title of at most {MAX_TITLE} characters")
    if not keywords or len(keywords) > MAX_KEYWORDS:
        raise PalrError(f"write one to {MAX_KEYWORDS} keywords, with commas between them")
    if max(map(len, keywords)) > MAX_KEYWORD:
        raise PalrError(f"a keyword may have {MAX_KEYWORD} characters")
    return Item(PREFIX + secrets.token_hex(4), name, year=year, keywords=keywords)


class JoinedCatalog(Catalog):
    """A catalog with a visitor's own items at its end.

    Interactions, keyword counts and fingerprint stay those of the catalog.

    Args:
        catalog: The catalog.
        own_items: The visitor's own items.
    """

    def __init__(self, catalog: Catalog, own_items: Sequence[Item]) -> None:
        self._catalog = catalog
        self._own = {item.id: item for item in own_items}
        self._own_index = TitleIndex(self._own.values())
        self._own_names = NameIndex(self._own.values())
        self.dataset, self.domain = catalog.dataset, catalog.domain
        self.items = (*catalog.items, *self._own.values())

    @property
    def has_interactions(self) -> bool:
        return self._catalog.has_interactions

    def interactions(self) -> Interactions:
        return self._catalog.interactions()

    def persona_picks(self, persona: Persona) -> tuple[Item, ...]:
        return self._catalog.persona_picks(persona)

    @cached_property
    def fingerprint(self) -> str:
        return self._catalog.fingerprint

    @cached_property
    def keyword_counts(self) -> Counter[str]:
        return self._catalog.keyword_counts

    @cached_property
    def _names(self) -> NameIndex:
        return self._catalog._names

    def item(self, id: str) -> Item:
        return self._own.get(id) or self._catalog.item(id)

    def matches(self, text: str) -> tuple[Item, ...]:
        """See `Catalog.matches`; an own item of that name comes before the catalog's."""
        own = self._own_names.matches(text) or tuple(filter(None, [self._own.get(text.strip())]))
        return own or self._catalog.matches(text)

    def search(self, query: str, limit: int = 8) -> list[Item]:
        """See `Catalog.search`; own items come first."""
        own = self._own_index.search(query, limit)
        return [*own, *self._catalog.search(query, limit)][:limit]


def with_own_items(catalog: Catalog, own_items: Sequence[Item]) -> Catalog:
    """The catalog itself, or a `JoinedCatalog` where there are own items."""
    return JoinedCatalog(catalog, own_items) if own_items else catalog
