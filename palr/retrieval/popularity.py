"""Popularity: the same ranking for everyone, by how many users chose an item.

    score(i) = log(1 + users who chose i)

The yardstick that every other retriever must beat, and the only one that serves an empty history.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog


class PopularityRetriever:
    """Ranks items by how many users chose them.

    Args:
        items: The items that it can return.
        counts: Number of users who chose each of them, (items,).
    """

    name = "popularity"

    def __init__(self, items: Sequence[Item], counts: Sequence[float] | NDArray[np.int64]) -> None:
        self.items = tuple(items)
        self._scores = np.log1p(np.asarray(counts, dtype=np.float32))

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; never raises."""
        return np.tile(self._scores, (len(histories), 1))


def load(catalog: "Catalog", settings: Settings) -> PopularityRetriever:
    """Popularity over the whole catalog, for serving, where nothing is `missing`."""
    return PopularityRetriever(catalog.items, [item.popularity for item in catalog.items])


def missing(catalog: "Catalog", settings: Settings) -> str | None:
    """Why popularity cannot serve the catalog, or None."""
    if catalog.has_interactions:
        return None
    return (
        f"{catalog.dataset} has no interactions, so nothing in it is more popular than the rest; "
        "use the semantic retriever"
    )


def fit(items: Sequence[Item], sequences: Sequence[NDArray[np.int64]]) -> PopularityRetriever:
    """Popularity of the items in users' ``sequences`` of indices into them."""
    return PopularityRetriever(items, np.bincount(np.concatenate(sequences), minlength=len(items)))
