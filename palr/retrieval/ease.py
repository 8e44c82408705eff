"""EASE, which items go together, in closed form (Steck 2019, Embarrassingly Shallow Autoencoders).

    P = (X^T X + RIDGE I)^-1,    B_ij = -P_ij / P_jj,  B_jj = 0
    score(j | history) = log(LEAST + max(0, sum_i B_ij)),    i runs over the history

``X`` tells which user chose what. ``B_ij`` is what item i in a history says for item j; unlike a
count of users who chose both, it is little for two items that everybody knows. The sum is near 1
where the history calls for j; the logarithm puts it on the scale of models that were trained with a
softmax, so that they can be blended, and ``LEAST`` keeps an item that goes with nothing possible.

All picks count alike, however old, which is why EASE alone is a poor guess at what comes next, and
a good companion to models that read the order. It is fitted from the interactions when it is
loaded, in the time of its items cubed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.data.interactions import CORE
from palr.retrieval.base import known_columns
from palr.retrieval.itemknn import missing as lacks_interactions
from palr.retrieval.itemknn import sparse_rows
from palr.retrieval.splits import core_to_serve
from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

# Chosen on validation NDCG@10 of the blends of ML-100K and ML-1M alike.
RIDGE, LEAST = 100.0, 0.03
MAX_ITEMS = 6000  # some 10 s and half a gigabyte on one core; 12,000 take 70 s and two


class EASERetriever:
    """EASE, fitted when it is made.

    Args:
        items: The items that it can return.
        sequences: Each user's items as indices into ``items``, in any order.
        ridge: Strength of the L2 regularisation.
    """

    name = "ease"

    def __init__(
        self, items: Sequence[Item], sequences: Sequence[NDArray[np.int64]], ridge: float = RIDGE
    ) -> None:
        self.items = tuple(items)
        self._column = {item.id: at for at, item in enumerate(self.items)}
        self._together = together(sequences, len(self.items), ridge)

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`."""
        known = known_columns(self.name, self._column, histories)
        sums = sparse_rows(known, len(self.items)) @ self._together
        scores: NDArray[np.float32] = np.log(np.float32(LEAST) + np.maximum(sums, 0))
        return scores


def load(catalog: "Catalog", settings: Settings) -> EASERetriever:
    """EASE over all of the 5-core, for serving, where nothing is `missing`."""
    return EASERetriever(*core_to_serve(catalog))


def missing(catalog: "Catalog", settings: Settings) -> str | None:
    """Why EASE cannot serve the catalog, or None."""
    chosen = sum(item.popularity >= CORE for item in catalog.items)
    if chosen > MAX_ITEMS:
        return (
            f"EASE inverts a matrix of all items whenever it is loaded, and the {chosen:,} of "
            f"{catalog.dataset} are too many to wait for ({MAX_ITEMS:,} at most); use itemknn"
        )
    return lacks_interactions(catalog, settings)


def together(
    sequences: Sequence[NDArray[np.int64]], n_items: int, ridge: float
) -> NDArray[np.float32]:
    """The item-item weights B of EASE.

    Args:
        sequences: Each user's items as indices.
        n_items: Number of items; memory holds three matrices of its square.
        ridge: Strength of the L2 regularisation.

    Returns:
        B (items, items), float32, with a zero diagonal.
    """
    chosen = sparse_rows(sequences, n_items)
    counts = (chosen.T @ chosen).toarray()
    counts[np.diag_indices(n_items)] += np.float32(ridge)
    inverse = np.linalg.inv(counts)
    weights: NDArray[np.float32] = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights
