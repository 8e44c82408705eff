"""Items that a visitor brings, which no model was trained on (the paper's inductive claim).

A newcomer is a title and keywords; the sentence model's embedding of the two is all that is known
of it, and enough to retrieve it, to rank it and to read a taste out of it. It lives as long as its
visitor's session, in memory only, and nobody else can see it.

A model that learnt items one by one cannot score a newcomer. Among the candidates of such a model
it takes the rank that it has in the semantic retriever's order, between the scores of its
neighbours there.
"""

import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palr.catalog import Catalog
from palr.data.interactions import Interactions
from palr.data.titles import clean, split_title
from palr.domains import Visitor
from palr.errors import PalrError
from palr.retrieval.base import Retriever
from palr.retrieval.semantic import SemanticRetriever
from palr.search import TitleIndex
from palr.types import Item

PREFIX = "yours:"  # no catalog's id begins so
MAX_ITEMS = 5  # of one visitor, in each domain
MAX_TITLE = 120
MAX_KEYWORDS = 8
MAX_KEYWORD = 32
MAX_LISTED = MAX_KEYWORDS * (MAX_KEYWORD + 2)
MAX_VISITORS = 500  # the least recently seen go first

Embed = Callable[[Item], NDArray[np.float32]]
"""The sentence model's unit vector (dimensions,) of an item's text."""


def is_newcomer(item: Item) -> bool:
    return item.id.startswith(PREFIX)


def described(title: str, listed: str) -> Item:
    """The item of a title, with its year in brackets if it has one, and of keywords between commas.

    >>> item = described("Night Train (2031)", "crime, trains")
    >>> item.title, item.year, item.keywords
    ('Night Train', 2031, ('crime', 'trains'))

    Raises:
        PalrError: one of them is missing or too long.
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


class Newcomers:
    """What each visitor has brought. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, dict[str, tuple[Item, ...]]] = OrderedDict()

    def of(self, visitor: str, domain: str) -> tuple[Item, ...]:
        with self._lock:
            if visitor not in self._of:
                return ()
            self._of.move_to_end(visitor)
            return self._of[visitor].get(domain, ())

    def check(self, visitor: str, domain: str, item: Item) -> None:
        """Raises PalrError where the visitor has brought too many, or the very same before."""
        brought = self.of(visitor, domain)
        if len(brought) >= MAX_ITEMS:
            raise PalrError(f"{MAX_ITEMS} items of your own are as many as fit: clear them first")
        if any(item.label.casefold() == other.label.casefold() for other in brought):
            raise PalrError(f"{item.label} is there already")

    def add(self, visitor: str, domain: str, item: Item) -> None:
        """Raises PalrError as `check` does."""
        self.check(visitor, domain, item)
        with self._lock:
            brought = self._of.setdefault(visitor, {})
            brought[domain] = (*brought.get(domain, ()), item)[:MAX_ITEMS]
            self._of.move_to_end(visitor)
            while len(self._of) > MAX_VISITORS:
                self._of.popitem(last=False)

    def clear(self, visitor: str, domain: str) -> None:
        with self._lock:
            self._of.get(visitor, {}).pop(domain, None)


class JoinedCatalog(Catalog):
    """A catalog and the newcomers of one visitor; what is counted stays the catalog's."""

    def __init__(self, catalog: Catalog, newcomers: Sequence[Item]) -> None:
        self._catalog = catalog
        self._new = {item.id: item for item in newcomers}
        self._new_index = TitleIndex(self._new.values())
        self.dataset, self.domain = catalog.dataset, catalog.domain
        self.items = (*catalog.items, *self._new.values())

    @property
    def has_interactions(self) -> bool:
        return self._catalog.has_interactions

    def interactions(self) -> Interactions:
        return self._catalog.interactions()

    def visitor_picks(self, visitor: Visitor) -> tuple[Item, ...]:
        return self._catalog.visitor_picks(visitor)

    @cached_property
    def fingerprint(self) -> str:
        return self._catalog.fingerprint

    @cached_property
    def keyword_counts(self) -> Counter[str]:
        return self._catalog.keyword_counts

    def item(self, id: str) -> Item:
        return self._new.get(id) or self._catalog.item(id)

    def find(self, text: str) -> Item:
        named = clean(text).casefold()
        for item in self._new.values():
            if named in (item.label.casefold(), item.title.casefold(), item.id):
                return item
        return self._catalog.find(text)

    def search(self, query: str, limit: int = 8) -> list[Item]:
        """The visitor's own matches come first."""
        own = self._new_index.search(query, limit)
        return [*own, *self._catalog.search(query, limit)][:limit]


class JoinedRetriever:
    """A retriever that cannot know the newcomers, with each at its rank by ``semantic``, which
    does. ``items`` end with them."""

    def __init__(
        self, retriever: Retriever, semantic: SemanticRetriever, newcomers: Sequence[Item]
    ) -> None:
        self.name = retriever.name
        self.items = (*retriever.items, *newcomers)
        self._retriever = retriever
        self._semantic = semantic
        column = {item.id: at for at, item in enumerate(semantic.items)}
        self._columns = np.array([column.get(item.id, -1) for item in self.items], np.int64)
        self._column = {item.id: at for at, item in enumerate(retriever.items)}

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`."""
        known = self._retriever.score(histories)
        near = self._semantic.score(histories)[:, self._columns]
        n = known.shape[1]
        near[:, :n][:, self._columns[:n] < 0] = -np.inf
        scores = np.empty((len(histories), len(self.items)), np.float32)
        scores[:, :n] = known
        for row, history in enumerate(histories):
            seen = [self._column[item.id] for item in history if item.id in self._column]
            unseen = np.delete(np.arange(n), seen)
            best = np.sort(known[row, unseen])[::-1]
            for at in range(n, len(self.items)):
                rank = int((near[row, unseen] > near[row, at]).sum())
                scores[row, at] = _between(best, rank)
        return scores


def with_newcomers(catalog: Catalog, newcomers: Sequence[Item]) -> Catalog:
    return JoinedCatalog(catalog, newcomers) if newcomers else catalog


def join(
    catalog: Catalog,
    retriever: Callable[[str], Retriever],
    newcomers: Sequence[Item],
    embed: Embed,
    cold_start: str = "semantic",
) -> tuple[Catalog, Callable[[str], Retriever]]:
    """The catalog, and the retrievers by name, with these newcomers in them.

    Raises:
        PalrError: there are too many, or one is not a newcomer.
    """
    if len(newcomers) > MAX_ITEMS or not all(map(is_newcomer, newcomers)):
        raise PalrError(f"a run takes at most {MAX_ITEMS} items of a visitor's own")

    def joined(name: str) -> Retriever:
        semantic, found = retriever(cold_start), retriever(name)
        assert isinstance(semantic, SemanticRetriever)
        wider = semantic.joined(newcomers, np.stack([embed(item) for item in newcomers]))
        return wider if found is semantic else JoinedRetriever(found, wider, newcomers)

    return JoinedCatalog(catalog, newcomers), joined


def _between(best: NDArray[np.float32], rank: int) -> float:
    """A score that stands behind ``rank`` of the scores in descending order, before the others.

    >>> [_between(np.array([4.0, 2.0, 1.0], np.float32), rank) for rank in (0, 1, 3)]
    [5.0, 3.0, 0.0]
    """
    if not len(best):
        return 0.0
    if rank == 0:
        return float(best[0]) + 1.0
    if rank >= len(best):
        return float(best[-1]) - 1.0
    return (float(best[rank - 1]) + float(best[rank])) / 2
