"""Retrieval of a visitor's own items, which no retriever was trained on.

An own item is known by its text alone, as every item is in the paper (section 1). The semantic
retriever scores that text. A retriever trained on interactions cannot score it: among that
retriever's candidates an own item gets the rank that the semantic retriever gives it, by a score
between those of its neighbours there.
"""

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
    """A retriever with a visitor's own items, each at the rank of its text.

    Args:
        retriever: A retriever that does not know the own items.
        semantic: A semantic retriever that does.
        own_items: The visitor's own items; ``items`` ends with them.
    """

    def __init__(
        self, retriever: Retriever, semantic: SemanticRetriever, own_items: Sequence[Item]
    ) -> None:
        self.name = retriever.name
        self.items = (*retriever.items, *own_items)
        self._retriever = retriever
        self._semantic = semantic
        self._column = {item.id: at for at, item in enumerate(retriever.items)}
        semantic_column = {item.id: at for at, item in enumerate(semantic.items)}
        self._semantic_columns = np.array(
            [semantic_column.get(item.id, -1) for item in self.items], np.int64
        )

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; the scores of the catalog's items are the retriever's own."""
        known = self._retriever.score(histories)
        n = known.shape[1]
        by_text = self._semantic.score(histories)[:, self._semantic_columns]
        by_text[:, :n][:, self._semantic_columns[:n] < 0] = -np.inf
        scores = np.empty((len(histories), len(self.items)), np.float32)
        scores[:, :n] = known
        for row, history in enumerate(histories):
            seen = [self._column[item.id] for item in history if item.id in self._column]
            unseen = np.delete(np.arange(n), seen)
            descending = np.sort(known[row, unseen])[::-1]
            for at in range(n, len(self.items)):
                better = int((by_text[row, unseen] > by_text[row, at]).sum())
                scores[row, at] = _score_below(descending, better)
        return scores


def join(
    catalog: Catalog,
    retriever: Callable[[str], Retriever],
    own_items: Sequence[Item],
    embed: Embed,
    cold_start: str = "semantic",
) -> tuple[Catalog, Callable[[str], Retriever]]:
    """A catalog and its retrievers with a visitor's own items in them.

    Args:
        catalog: The catalog.
        retriever: Loads a retriever of the catalog by its name.
        own_items: The visitor's own items, at most `MAX_ITEMS`.
        embed: Embeds the text of an item.
        cold_start: Name of the retriever that scores texts.

    Returns:
        The joined catalog, and what loads a joined retriever by its name.

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


def _score_below(descending: NDArray[np.float32], n: int) -> float:
    """A score lower than the first ``n`` of the scores, and higher than the others.

    >>> [_score_below(np.array([4.0, 2.0, 1.0], np.float32), n) for n in (0, 1, 3)]
    [5.0, 3.0, 0.0]
    """
    if not len(descending):
        return 0.0
    if n == 0:
        return float(descending[0]) + 1.0
    if n >= len(descending):
        return float(descending[-1]) - 1.0
    return (float(descending[n - 1]) + float(descending[n])) / 2
