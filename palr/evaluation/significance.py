"""Confidence intervals and paired comparisons by the bootstrap over users.

A metric of a user depends on the rank of the held-out item alone, and all ranks beyond the deepest
cut-off are worth the same. So drawing n users with replacement is drawing how often each distinct
rank (or, for two models, each distinct pair of ranks of one user) occurs: one multinomial over at
most 51 (51 * 51) kinds of users, in the place of n draws. The distribution is exactly that of the
bootstrap over users.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.errors import DataError
from palr.evaluation.metrics import DEEPEST, METRICS, per_user

RESAMPLES = 10_000
CONFIDENCE = 0.95
_CHUNK = 1_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """How much a model gains over another on the same users, by metric.

    Attributes:
        deltas: Differences of the means.
        intervals: Their 95% bootstrap intervals.
        p_values: Two-sided: twice the share of resamples in which the gain has the other sign, at
            least 2 / (RESAMPLES + 1).
    """

    deltas: dict[str, float]
    intervals: dict[str, Interval]
    p_values: dict[str, float]


def intervals(ranks: NDArray[Any], seed: int = 0) -> dict[str, Interval]:
    """The 95% bootstrap interval of every metric.

    Args:
        ranks: Rank of each user's target, (users,).
        seed: Seed of the resampling.
    """
    means = np.concatenate([draw[:, 0] for draw in _resampled(ranks[:, None], seed)])
    return _intervals(means)


def compare(ranks: NDArray[Any], baseline: NDArray[Any], seed: int = 0) -> Comparison:
    """Compare two models by a paired bootstrap over their users.

    Args:
        ranks: Rank of each user's target by one model, (users,).
        baseline: The same users' ranks by the other model, (users,).
        seed: Seed of the resampling.

    Raises:
        DataError: the two are not of the same number of users.
    """
    if ranks.shape != baseline.shape:
        raise DataError(
            f"ranks of {len(ranks):,} and of {len(baseline):,} users cannot be paired; "
            "evaluate both models on the same data"
        )
    pairs = np.stack([ranks, baseline], axis=1)
    means = np.concatenate([draw[:, 0] - draw[:, 1] for draw in _resampled(pairs, seed)])
    observed = per_user(ranks).mean(axis=0) - per_user(baseline).mean(axis=0)
    fewer = np.minimum((means <= 0).sum(axis=0), (means >= 0).sum(axis=0))
    p_values = np.minimum(2 * (fewer + 1) / (len(means) + 1), 1.0)
    return Comparison(
        dict(zip(METRICS, observed.tolist(), strict=True)),
        _intervals(means),
        dict(zip(METRICS, p_values.tolist(), strict=True)),
    )


def _resampled(ranks: NDArray[Any], seed: int) -> Iterator[NDArray[np.float64]]:
    """Means (resamples, models, metrics) over resampled users of ranks (users, models)."""
    if not len(ranks):
        raise DataError("there are no users to draw from; the split is empty")
    kinds, counts = np.unique(np.minimum(ranks, DEEPEST + 1), axis=0, return_counts=True)
    worth = np.stack([per_user(column) for column in kinds.T], axis=1)
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES // _CHUNK):
        draws = rng.multinomial(len(ranks), counts / len(ranks), size=_CHUNK)
        yield np.tensordot(draws / len(ranks), worth, axes=1)


def _intervals(means: NDArray[np.float64]) -> dict[str, Interval]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return dict(zip(METRICS, zip(low.tolist(), high.tolist(), strict=True), strict=True))
