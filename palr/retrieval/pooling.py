"""What the factor models have in common: a user's vector is pooled from the items they chose.

Factorisation gives each user of the training a vector of their own, and a visitor who comes with a
handful of picks has none. Here the items make the user, in training and in serving alike, so that
nothing about any user is stored (NSVD, Paterek 2007; FISM, Kabbur et al. 2013):

    user = sum_j w_j x_j / sqrt(sum_j w_j),    w_j = decay ** (items between j and the moment)

x_j is item j's vector. In serving the moment is now, so that the newest pick weighs 1. In training
each item of a window is left out in turn, and the user is pooled from those around it, before and
after alike: distance counts, direction does not. ``decay=1`` is FISM with alpha 1/2.
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
    """A model whose user vectors are pooled from item vectors.

    Args:
        max_len: Number of most recent items that are pooled.
        decay: Weight of an item relative to the next more recent one.
    """

    def __init__(self, max_len: int, decay: float) -> None:
        super().__init__()
        self.max_len, self.decay = max_len, decay

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Batches (size, length <= max_len + 1) of item indices, padded with PAD."""
        return batched([row for s in sequences for row in windows(s, self.max_len, rng)], size, rng)

    def pool_others(self, vectors: Tensor, real: Tensor) -> Tensor:
        """The user vector at each position, pooled from all other items of its row.

        Args:
            vectors: Item vectors (batch, length, width).
            real: False at padding, (batch, length).

        Returns:
            User vectors (batch, length, width).
        """
        at = torch.arange(real.shape[1], device=real.device)
        distance = (at[:, None] - at).abs()
        nearness = torch.pow(self.decay, (distance - 1).float()).fill_diagonal_(0.0)
        weights = nearness * real[:, None, :]
        return weights @ vectors / _norm(weights)

    def pool(self, histories: Sequence[History], table: Tensor) -> Tensor:
        """User vectors (histories, width) of non-empty histories.

        Args:
            histories: Item indices of each user, oldest first.
            table: Item vectors (items, width).
        """
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

    i is the item chosen; j runs over uniformly drawn items that the batch shares, without those of
    i's own row. The expectation is that of one negative for each i, for one matrix product.

    Args:
        users: User vectors (batch, length, width).
        rows: The item that each of them chose, (batch, length), padded with PAD.
        table: Item vectors (items, width); an item's score is ``users . table + bias``.
        n_negatives: Number of items drawn.
        bias: Item biases (items,), 0 unless given.

    Returns:
        The scalar loss.
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
