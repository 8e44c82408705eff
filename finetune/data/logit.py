"""A conditional logit: which of several candidates is chosen, by a weighted sum of their features
(McFadden 1974)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palr.ranking.mix import log_softmax

_RIDGE = 1e-3  # keeps the weights finite where the features tell the targets apart
_STEPS = 50
_HALVINGS = 60


def fit_logit(
    features: Sequence[NDArray[np.float64]], targets: Sequence[int], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights under which the targets are likeliest, by Newton's method.

    Args:
        features: For each list (candidates, n).
        targets: The position of the target in each list.
        start: (n,) weights to begin with; any will do, since a step that would overshoot
            is halved.

    Returns:
        (n,) weights.
    """

    def worth(weights: NDArray[np.float64]) -> float:
        likelihood = log_likelihood(features, targets, weights) * len(targets)
        return likelihood - _RIDGE / 2 * float(weights @ weights)

    weights, reached = start, worth(start)
    for _ in range(_STEPS):
        gradient, hessian = -_RIDGE * weights, _RIDGE * np.eye(len(weights))
        for rows, target in zip(features, targets, strict=True):
            p = np.exp(log_softmax(rows @ weights))
            mean = p @ rows
            gradient = gradient + rows[target] - mean
            hessian = hessian + (rows - mean).T @ ((rows - mean) * p[:, None])
        step = np.linalg.solve(hessian, gradient)
        for _ in range(_HALVINGS):
            found = worth(weights + step)
            if found >= reached:
                break
            step = step / 2
        else:
            break
        weights, reached = weights + step, found
        if np.abs(step).max() < 1e-8:
            break
    return weights


def log_likelihood(
    features: Sequence[NDArray[np.float64]], targets: Sequence[int], weights: NDArray[np.float64]
) -> float:
    """The mean log-probability of the targets; see `fit_logit`.

    >>> log_likelihood([np.array([[0.0], [0.0]])], [1], np.array([1.0]))
    -0.6931471805599453
    """
    chosen = [
        log_softmax(rows @ weights)[target] for rows, target in zip(features, targets, strict=True)
    ]
    return float(np.mean(chosen))
