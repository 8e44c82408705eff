"""Retrieval of a visitor's own items, which no model was trained on.

As in the paper (section 1), a new item is a piece of text.
The sentence model's embedding of title and keywords is all that is known of an own item. A model
that learnt items one by one cannot score it: among the candidates of such a model it takes the rank
that it has in the semantic retriever's order, between the scores of its neighbours there."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from palr.catalog.catalog import Catalog
from palr.catalog.own_items import MAX_ITEMS, JoinedCatalog, is_own
from palr.errors import PalrError
from palr.retrieval.base import Retriever
from palr.retrieval.semantic import SemanticRetriever
from palr.types import Item

Embed = Callable[[Item], NDArray[np.float32]]
"""The sentence model's unit vector (dimensions,) of an item's text."""


class JoinedRetriever:
    """A retriever that cannot know the own_items, with each at its rank by ``semantic``, which
    does. ``items`` end with them."""

    def __init__(
        self, retriever: Retriever, semantic: SemanticRetriever, own_items: Sequence[Item]
    ) -> None:
        self.name = retriever.name
        self.items = (*retriever.items, *own_items)
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


def join(
    catalog: Catalog,
    retriever: Callable[[str], Retriever],
    own_items: Sequence[Item],
    embed: Embed,
    cold_start: str = "semantic",
) -> tuple[Catalog, Callable[[str], Retriever]]:
    """The catalog, and the retrievers by name, with these own_items in them.

    Raises:
        PalrError: there are too many, or one is not an own item.
    """
    if len(own_items) > MAX_ITEMS or not all(map(is_own, own_items)):
        raise PalrError(f"a run takes at most {MAX_ITEMS} items of a visitor's own")

    def joined(name: str) -> Retriever:
        semantic, found = retriever(cold_start), retriever(name)
        assert isinstance(semantic, SemanticRetriever)
        wider = semantic.joined(own_items, np.stack([embed(item) for item in own_items]))
        return wider if found is semantic else JoinedRetriever(found, wider, own_items)

    return JoinedCatalog(catalog, own_items), joined


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
