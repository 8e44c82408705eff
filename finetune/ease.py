"""EASE, which items go together, in closed form (Steck 2019, Embarrassingly Shallow Autoencoders).

    P = (X^T X + RIDGE I)^-1,    B_ij = -P_ij / P_jj,  B_jj = 0

``X`` tells which user chose what. ``B_ij`` is what item i in a history says for item j; unlike a
count of users who chose both, it is little for two items that everybody knows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.itemknn import sparse_rows

RIDGE = 400.0


def ease(
    sequences: Sequence[NDArray[np.int64]], n_items: int, ridge: float = RIDGE
) -> NDArray[np.float32]:
    """B (n_items, n_items) of users' items; ``n_items`` squared numbers are held three times."""
    chosen = sparse_rows(sequences, n_items)
    together = (chosen.T @ chosen).toarray()
    together[np.diag_indices(n_items)] += np.float32(ridge)
    inverse = np.linalg.inv(together)
    weights: NDArray[np.float32] = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights
