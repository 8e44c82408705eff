"""Hit rate and NDCG from the rank of each user's one held-out item.

Ranks count from 1. With a single relevant item NDCG@k is 1 / log2(rank + 1) inside the top k and
0 outside it, since the ideal ranking puts that item first:

>>> ranks = np.array([1, 3, 11])
>>> round(hit_rate(ranks, 10), 4), round(ndcg(ranks, 10), 4)
(0.6667, 0.5)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.errors import DataError

CUTOFFS = {"HR": (5, 10, 20, 50), "NDCG": (5, 10, 20)}


def target_ranks(
    scores: NDArray[np.float32],
    targets: NDArray[np.int64],
    seen: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The rank of each user's target among all items that the user has not seen.

    ``scores`` is (users, items), ``targets`` (users,), ``seen[u]`` the columns to mask. Ties are
    counted against the model: every unseen item that scores as high as the target stands before
    it, so a model that scores everything alike earns nothing from the order of the columns.

    Raises:
        DataError: a score is not finite, or a target was already seen.
    """
    if not np.isfinite(scores).all():
        raise DataError("a model produced scores that are not finite; retrain it")
    rows = np.arange(len(targets))
    wanted = scores[rows, targets]
    masked = scores.copy()
    for row, columns in enumerate(seen):
        masked[row, columns] = -np.inf
    if not np.isfinite(masked[rows, targets]).all():
        raise DataError("a held-out item is also in its user's history; drop duplicates first")
    ranks: NDArray[np.int64] = (masked >= wanted[:, None]).sum(axis=1)
    return ranks


def hit_rate(ranks: NDArray[Any], k: int) -> float:
    """HR@k: the share of users whose target is among the top k."""
    return float(np.mean(ranks <= k)) if len(ranks) else 0.0


def ndcg(ranks: NDArray[Any], k: int) -> float:
    """NDCG@k, averaged over users."""
    gains = np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)
    return float(gains.mean()) if len(ranks) else 0.0


def summary(ranks: NDArray[Any]) -> dict[str, float]:
    """Every metric of `CUTOFFS` by name, such as ``NDCG@10``."""
    measures = {"HR": hit_rate, "NDCG": ndcg}
    return {f"{name}@{k}": measures[name](ranks, k) for name in measures for k in CUTOFFS[name]}
