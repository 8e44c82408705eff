"""What the models that do not read in order have in common: a user is the sum of their items.

Factorisation gives each user of the training a vector of their own, and a visitor who comes with a
handful of picks has none. Here the items make the user, in training and in serving alike, so that
nothing about any user is stored (NSVD, Paterek 2007; FISM, Kabbur et al. 2013):

    user = sum_j w_j x_j / sqrt(sum_j w_j),    w_j = decay ** (items between j and the moment)

x_j is item j's vector. In serving the moment is now, so that the newest pick weighs 1. In training
each item of a stretch of history is left out in turn, and the user is made of those around it,
before and after alike: nearness in time counts, order does not. ``decay=1`` is FISM with alpha 1/2.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from palr.retrieval.sequences import PAD, batched, pad, windows
from palr.retrieval.trainable import History, Plan, Trainable

PLANS: dict[str, Plan] = {
    "default": Plan(epochs=40, batch_size=64, lr=3e-3, patience=8),
    "ml-1m": Plan(epochs=30, batch_size=128, lr=5e-3, patience=6),
    "beauty": Plan(epochs=20, batch_size=128, lr=5e-3, patience=5),
}


class PooledModel(Trainable):
    """A model whose users are pooled items; ``max_len`` is the number of items in view."""

    def __init__(self, max_len: int, decay: float) -> None:
        super().__init__()
        self.max_len, self.decay = max_len, decay

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Stretches of at most ``max_len + 1`` items, (size, length), padded with PAD."""
        return batched([row for s in sequences for row in windows(s, self.max_len, rng)], size, rng)

    def pool_others(self, vectors: Tensor, real: Tensor) -> Tensor:
        """The user at each position of a stretch, made of all its other items.

        ``vectors`` is (batch, length, width), ``real`` (batch, length) is False at padding; the
        result is (batch, length, width).
        """
        at = torch.arange(real.shape[1], device=real.device)
        distance = (at[:, None] - at).abs()
        nearness = torch.pow(self.decay, (distance - 1).float()).fill_diagonal_(0.0)
        weights = nearness * real[:, None, :]
        return weights @ vectors / _norm(weights)

    def pool(self, histories: Sequence[History], table: Tensor) -> Tensor:
        """Users (len(histories), width) of non-empty histories, from vectors (n_items, width)."""
        recent = [np.asarray(history)[-self.max_len :] for history in histories]
        rows = torch.from_numpy(pad(recent)).to(table.device)
        lengths = (rows != PAD).sum(1, keepdim=True)
        age = lengths - 1 - torch.arange(rows.shape[1], device=table.device)
        weights = torch.where(age >= 0, torch.pow(self.decay, age.clamp(min=0).float()), 0.0)
        pooled = (weights[:, None, :] @ table[rows.clamp(min=0)])[:, 0]
        return pooled / _norm(weights)


def bpr_loss(
    users: Tensor, rows: Tensor, table: Tensor, n_negatives: int, bias: Tensor | None = None
) -> Tensor:
    """The pairwise loss of Rendle et al. (2009): the mean of -log s(score(i) - score(j)).

    ``users`` (batch, length, width) are those who chose ``rows`` (batch, length), padded with PAD;
    item scores are ``users . table + bias``. i is the item chosen, j runs over ``n_negatives``
    uniformly drawn items that the batch shares, less those of i's own row: the same expectation as
    one negative for each i, at the price of a single product of matrices.
    """
    real = rows != PAD
    bias = table.new_zeros(len(table)) if bias is None else bias
    drawn = torch.randint(len(table), (n_negatives,), device=table.device)
    row, _ = real.nonzero(as_tuple=True)
    chosen = torch.zeros(len(rows), len(table), dtype=torch.bool, device=table.device)
    chosen[row, rows[real]] = True
    users, wanted, valid = users[real], rows[real], ~chosen[:, drawn][row]
    positive = (users * table[wanted]).sum(-1) + bias[wanted]
    negative = users @ table[drawn].T + bias[drawn]
    losses = softplus(negative - positive[:, None])
    return (losses * valid).sum() / valid.sum().clamp(min=1)


def _norm(weights: Tensor) -> Tensor:
    # At least 1, what the nearest item weighs; only padding has less around it.
    return weights.sum(-1, keepdim=True).clamp(min=1.0).sqrt()
