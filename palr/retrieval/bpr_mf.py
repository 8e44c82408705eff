"""BPR-MF: matrix factorisation with a pairwise ranking loss (Rendle et al. 2009).

    score(i | user) = user . q_i + b_i

The publication learns a vector for each user. Here the user is pooled from a second table of item
vectors (`palr.retrieval.pooling`), learnt by the same loss: a user who was trained on and a visitor
with the same picks get the same answer. L2 regularisation is the trainer's weight decay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import dropout

from palr.retrieval.pooling import PLANS, PooledModel, bpr_loss
from palr.retrieval.sequences import PAD
from palr.retrieval.trainable import History


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` and ``decay`` are those of `palr.retrieval.pooling`."""

    width: int = 64
    max_len: int = 50
    decay: float = 0.8
    negatives: int = 256
    dropout: float = 0.2


TUNED = {dataset: (Config(), plan) for dataset, plan in PLANS.items()}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "BPRMF":
    """A new model; raises TypeError where a hyperparameter is unknown."""
    return BPRMF(n_items, Config(**hyperparameters))


class BPRMF(PooledModel):
    """``chosen`` are the vectors that users are made of, ``items`` and ``bias`` q and b above."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(config.max_len, config.decay)
        self.config = config
        self.chosen = nn.Embedding(n_items, config.width)
        self.items = nn.Embedding(n_items, config.width)
        self.bias = nn.Parameter(torch.zeros(n_items))
        for table in (self.chosen, self.items):
            nn.init.normal_(table.weight, std=config.width**-0.5)

    def loss(self, batch: NDArray[np.int64]) -> torch.Tensor:
        """See `bpr_loss`."""
        rows = torch.from_numpy(batch).to(self.bias.device)
        users = self.pool_others(self.chosen(rows.clamp(min=0)), rows != PAD)
        users = dropout(users, self.config.dropout, self.training)
        return bpr_loss(users, rows, self.items.weight, self.config.negatives, self.bias)

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (histories, items) for the users of non-empty histories."""
        users = self.pool(histories, self.chosen.weight)
        scores: NDArray[np.float32] = (users @ self.items.weight.T + self.bias).cpu().numpy()
        return scores
