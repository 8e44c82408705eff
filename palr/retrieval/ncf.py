"""NCF: NeuMF, a factorisation and a small network side by side (He et al. 2017).

    gmf = p * q_i;   mlp = relu(W_2 relu(W_1 [p'; q'_i]));   score(i | user) = h . [gmf; mlp]

The publication looks p and p' up by the user's id. Here they are pooled from the vectors of what
the user chose (`palr.retrieval.pooling`). The loss is the published one: a binary cross-entropy of
each chosen item against ``negatives`` items drawn at random for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout, logsigmoid, relu

from palr.retrieval.pooling import PLANS, PooledModel
from palr.retrieval.sequences import PAD
from palr.retrieval.trainable import History


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` and ``decay`` are those of `palr.retrieval.pooling`.

    ``width`` is that of the GMF and of the tower's first layer; the second is half as wide.
    """

    width: int = 32
    max_len: int = 50
    decay: float = 0.8
    negatives: int = 4
    dropout: float = 0.2


TUNED = {dataset: (Config(), plan) for dataset, plan in PLANS.items()}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "NeuMF":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return NeuMF(n_items, Config(**hyperparameters))


class NeuMF(PooledModel):
    """NeuMF over ``n_items`` items; each row of a table is the GMF's vector, then the tower's."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(config.max_len, config.decay)
        self.config = config
        width = config.width
        self.chosen = nn.Embedding(n_items, 2 * width)
        self.items = nn.Embedding(n_items, 2 * width)
        # W_1 in its two parts: the part of an item is the same for every user.
        self.first_user = nn.Linear(width, width)
        self.first_item = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width // 2)
        self.out_gmf = nn.Linear(width, 1, bias=False)
        self.out_mlp = nn.Linear(width // 2, 1)
        for table in (self.chosen, self.items):
            nn.init.normal_(table.weight, std=width**-0.5)
        nn.init.ones_(self.out_gmf.weight)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Logits (..., n) of users (..., 1, 2 width) with items (..., n, 2 width)."""
        (p, p_tower), (q, q_tower) = users.chunk(2, -1), items.chunk(2, -1)
        gmf = ((p * self.out_gmf.weight[0]) * q).sum(-1)
        hidden = relu(self.first_user(p_tower) + self.first_item(q_tower))
        return gmf + self.out_mlp(relu(self.second(hidden)))[..., 0]

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Binary cross-entropy of each item of a row, given its other items, and of its negatives.

        Negatives are drawn from all items, those of the row included.
        """
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        real = rows != PAD
        users = self.pool_others(self.chosen(rows.clamp(min=0)), real)[real][:, None, :]
        users = dropout(users, self.config.dropout, self.training)
        shape = (len(users), self.config.negatives)
        drawn = torch.randint(len(self.items.weight), shape, device=rows.device)
        items = torch.cat([rows[real][:, None], drawn], dim=1)
        logits = self(users, self.items(items))
        return -(logsigmoid(logits[:, 0]) + logsigmoid(-logits[:, 1:]).sum(1)).mean()

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Logits (histories, items) for the users of non-empty histories."""
        p, p_tower = self.pool(histories, self.chosen.weight).chunk(2, -1)
        q, q_tower = self.items.weight.chunk(2, -1)
        scores = (p * self.out_gmf.weight[0]) @ q.T
        # Column-wise and one user at a time: several times faster than `forward` over all pairs,
        # and no more than (width, n_items) activations are held.
        items = self.first_item(q_tower).T.contiguous()
        w, b = self.second.weight, self.second.bias[:, None]
        for at, user in enumerate(self.first_user(p_tower)):
            hidden = torch.addmm(b, w, (user[:, None] + items).relu_()).relu_()
            scores[at] += self.out_mlp.weight[0] @ hidden + self.out_mlp.bias
        result: NDArray[np.float32] = scores.cpu().numpy()
        return result
