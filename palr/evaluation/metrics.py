"""Hit rate and NDCG (paper, section 3.1.2) from the rank of each user's one held-out item; coverage
and popularity lift of the lists.

Ranks count from 1. With a single relevant item NDCG@k is 1 / log2(rank + 1) inside the top k and
0 outside it, since the ideal ranking puts that item first:

>>> ranks = np.array([1, 3, 11])
>>> round(hit_rate(ranks, 10), 4), round(ndcg(ranks, 10), 4)
(0.6667, 0.5)
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.errors import DataError

CUTOFFS = {"HR": (5, 10, 20, 50), "NDCG": (5, 10, 20)}
DEEPEST = max(max(cutoffs) for cutoffs in CUTOFFS.values())
LIST_LENGTH = 10
NOTHING = -1


def mask_seen(
    scores: NDArray[np.float32], seen: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Exclude seen items from a ranking.

    Args:
        scores: Scores (users, items).
        seen: For each user, the columns of the items in their history.

    Returns:
        A copy of the scores with -inf in these columns.

    Raises:
        DataError: a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise DataError("a model produced scores that are not finite; retrain it")
    masked = scores.copy()
    for row, columns in enumerate(seen):
        masked[row, columns] = -np.inf
    return masked


def ranks_in(masked: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of each user's target.

    Ties count against the model: every unseen item that scores as high as the target ranks before
    it, so a model that scores everything alike gains nothing from the order of the columns.

    Args:
        masked: Scores (users, items) with seen items masked by `mask_seen`.
        targets: Column of each user's held-out item, (users,).

    Returns:
        Ranks (users,), counted from 1.

    Raises:
        DataError: a target was already seen.
    """
    wanted = masked[np.arange(len(targets)), targets]
    if not np.isfinite(wanted).all():
        raise DataError("a held-out item is also in its user's history; drop duplicates first")
    ranks: NDArray[np.int64] = (masked >= wanted[:, None]).sum(axis=1)
    return ranks


def target_ranks(
    scores: NDArray[np.float32],
    targets: NDArray[np.int64],
    seen: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """The rank of each user's target among all items that the user has not seen.

    `mask_seen`, then `ranks_in`; see there for ties and errors.

    Args:
        scores: Scores (users, items).
        targets: Column of each user's held-out item, (users,).
        seen: For each user, the columns of the items in their history.

    Returns:
        Ranks (users,), counted from 1.
    """
    return ranks_in(mask_seen(scores, seen), targets)


def hits(ranks: NDArray[Any], k: int) -> NDArray[np.float64]:
    """1 for each rank within the top k, else 0."""
    return (ranks <= k).astype(np.float64)


def gains(ranks: NDArray[Any], k: int) -> NDArray[np.float64]:
    """The discounted gain of each rank: 1 / log2(rank + 1) within the top k, else 0."""
    return np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


_PER_USER: dict[str, Callable[[NDArray[Any], int], NDArray[np.float64]]] = {
    "HR": hits,
    "NDCG": gains,
}
METRICS = tuple(f"{name}@{k}" for name, cutoffs in CUTOFFS.items() for k in cutoffs)


def per_user(ranks: NDArray[Any]) -> NDArray[np.float64]:
    """Every metric of `METRICS` for ranks (users,), in its order, as (users, metrics)."""
    columns = [_PER_USER[name](ranks, k) for name in CUTOFFS for k in CUTOFFS[name]]
    return np.stack(columns, axis=-1)


def hit_rate(ranks: NDArray[Any], k: int) -> float:
    """HR@k: the share of users whose target is among the top k."""
    return float(hits(ranks, k).mean()) if len(ranks) else 0.0


def ndcg(ranks: NDArray[Any], k: int) -> float:
    """NDCG@k, averaged over users."""
    return float(gains(ranks, k).mean()) if len(ranks) else 0.0


def summary(ranks: NDArray[Any]) -> dict[str, float]:
    """Every metric by its name, such as ``NDCG@10``, averaged over users."""
    means = per_user(ranks).mean(axis=0) if len(ranks) else np.zeros(len(METRICS))
    return dict(zip(METRICS, means.tolist(), strict=True))


def coverage(lists: NDArray[np.int64], n_items: int) -> float:
    """The share of the catalog that is recommended to anyone.

    Args:
        lists: Item indices (users, k), `NOTHING` where a list is shorter.
        n_items: Items of the catalog.

    >>> coverage(np.array([[0, 1], [1, NOTHING]]), n_items=4)
    0.5
    """
    return len(np.unique(lists[lists != NOTHING])) / n_items


def popularity_lift(
    lists: NDArray[np.int64],
    histories: Sequence[NDArray[np.int64]],
    popularity: NDArray[np.int64],
) -> float:
    """How much more popular the recommended items are than those that users chose themselves.

    GAP_r / GAP_p: the mean popularity of each list, averaged over users, over the same of their
    histories. 1 means no lift; its distance from 1 is the delta-GAP of Abdollahpouri et al. 2019
    ("The Unfairness of Popularity Bias in Recommendation").

    Args:
        lists: Item indices (users, k), `NOTHING` where a list is shorter.
        histories: Item indices of each user.
        popularity: Interactions of each item in the training part, (items,).

    Returns:
        The lift over users who got a list; 0 where nobody did.

    Item 0 was chosen 6 times, items 1 and 2 twice each; a user chose 1 and 2, and gets 0 and 1:

    >>> popularity_lift(np.array([[0, 1]]), [np.array([1, 2])], np.array([6, 2, 2]))
    2.0
    """
    users = np.flatnonzero((lists != NOTHING).any(axis=1)).tolist()
    recommended = sum(popularity[lists[user][lists[user] != NOTHING]].mean() for user in users)
    chosen = sum(popularity[histories[user]].mean() for user in users)
    return float(recommended / chosen) if chosen else 0.0
