"""ItemKNN: items that the same people chose (Sarwar et al. 2001), with nothing to train.

    sim(i, j) = n_ij / (sqrt(n_i n_j) + SHRINK),    n_ij = users who chose both
    score(i | history) = WORTH sum_j DECAY ** (picks since j) sim(i, j)

The shrinkage doubts similarities that few users speak for; each item keeps its NEIGHBOURS nearest
only. Recent picks say more about the next one: with a decay of 0.7 the last ten items carry 97% of
the weight. Without it (DECAY = 1) a long history is little more than popularity. WORTH puts the sum
on the scale of `Retriever.score`: on validation lists a similarity of 1 is worth 5 (ML-1M) to 10
(Beauty) in log-odds.

Fitted from the interactions when it is loaded, in a second or two for a million of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.base import known_columns
from palr.retrieval.splits import core_to_serve
from palr.settings import Settings
from palr.types import Item

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from palr.catalog.catalog import Catalog

# Chosen on validation among a handful; one choice serves movies and products alike.
SHRINK, NEIGHBOURS, DECAY = 10.0, 200, 0.7
WORTH = 8.0


class ItemKNNRetriever:
    """ItemKNN, fitted when it is made.

    Args:
        items: The items that it can return.
        sequences: Each user's items as indices into ``items``.
        shrink: SHRINK of the similarity.
        neighbours: Nearest items that each item keeps.
        decay: DECAY of a pick's weight for each later one.
    """

    name = "itemknn"

    def __init__(
        self,
        items: Sequence[Item],
        sequences: Sequence[NDArray[np.int64]],
        shrink: float = SHRINK,
        neighbours: int = NEIGHBOURS,
        decay: float = DECAY,
    ) -> None:
        self.items = tuple(items)
        self._column = {item.id: at for at, item in enumerate(self.items)}
        self._decay = decay
        self._similar = _nearest(similarities(sequences, len(self.items), shrink), neighbours)

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`."""
        known = known_columns(self.name, self._column, histories)
        weights = [self._decay ** np.arange(len(history))[::-1] for history in known]
        sums: NDArray[np.float32] = (
            sparse_rows(known, len(self.items), np.concatenate(weights)) @ self._similar
        ).toarray()
        return np.float32(WORTH) * sums


def load(catalog: "Catalog", settings: Settings) -> ItemKNNRetriever:
    """ItemKNN over all of the 5-core, for serving, where nothing is `missing`."""
    return ItemKNNRetriever(*core_to_serve(catalog))


def missing(catalog: "Catalog", settings: Settings) -> str | None:
    """Why ItemKNN cannot serve the catalog, or None."""
    if catalog.has_interactions:
        return None
    return (
        f"{catalog.dataset} has no interactions, so no items in it were chosen together; "
        "use the semantic retriever"
    )


def similarities(
    sequences: Sequence[NDArray[np.int64]], n_items: int, shrink: float
) -> "csr_matrix":
    """The shrunk cosine similarity of items that were chosen by the same users.

    Args:
        sequences: Each user's items as indices.
        n_items: Number of items.
        shrink: Added to the denominator; discounts similarities of few users.

    Returns:
        A sparse matrix (items, items) with a zero diagonal.
    """
    chosen = sparse_rows(sequences, n_items)
    similar = (chosen.T @ chosen).tocsr()
    counts = np.bincount(chosen.indices, minlength=n_items).astype(np.float32)
    rows = np.repeat(np.arange(n_items), np.diff(similar.indptr))
    similar.data /= np.sqrt(counts[rows] * counts[similar.indices]) + np.float32(shrink)
    similar.data[rows == similar.indices] = 0.0  # an item does not recommend itself
    similar.eliminate_zeros()
    return similar


def _nearest(similar: "csr_matrix", neighbours: int) -> "csr_matrix":
    """The same matrix with only the ``neighbours`` highest entries of each row."""
    for start, end in zip(similar.indptr[:-1], similar.indptr[1:], strict=True):
        if end - start > neighbours:
            row = similar.data[start:end]
            row[np.argpartition(row, -neighbours)[:-neighbours]] = 0.0
    similar.eliminate_zeros()
    return similar


def sparse_rows(
    sequences: Sequence[NDArray[np.int64]], n_items: int, values: NDArray[np.float64] | None = None
) -> "csr_matrix":
    """Sequences of item indices as a sparse matrix (sequences, items).

    ``values`` are its entries, one for each item of the sequences in turn; 1 unless given.
    """
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *map(len, sequences)])
    columns = np.concatenate(sequences)
    data = np.ones(len(columns)) if values is None else values
    return csr_matrix((data.astype(np.float32), columns, ends), shape=(len(sequences), n_items))
