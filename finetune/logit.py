"""A conditional logit: which of several candidates is chosen, by a weighted sum of their features
(McFadden 1974)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palr.ranking.mix import log_softmax

_RIDGE = 1e-3  # keeps the weights finite where the features tell the targets apart
_STEPS = 30


def fit_logit(
    features: Sequence[NDArray[np.float64]], targets: Sequence[int], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights (n,) under which the targets are likeliest, by Newton's method from ``start``.

    ``features[k]`` is (candidates, n), ``targets[k]`` the position of the target among them.
    """
    weights = start
    for _ in range(_STEPS):
        gradient, hessian = -_RIDGE * weights, _RIDGE * np.eye(len(weights))
        for rows, target in zip(features, targets, strict=True):
            p = np.exp(log_softmax(rows @ weights))
            mean = p @ rows
            gradient = gradient + rows[target] - mean
            hessian = hessian + (rows - mean).T @ ((rows - mean) * p[:, None])
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights
