"""BERT4Rec: a bidirectional transformer that fills in hidden items (Sun et al. 2019).

In training some items of a sequence are replaced by a mask and predicted from the items before and
after them; to score, a mask is appended to the history. The last item of a window is always
masked, as it is when serving, and each other with the probability ``hide``.

    x_0 = dropout(sqrt(d) E[item or mask] + P[position])
    score(i | history) = norm(gelu(W x_mask)) . E[i],   x after the blocks

The blocks are SASRec's (normalisation first) without the causal mask. Histories are padded on the
right, and attention sees no padding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu

from palr.retrieval.sequences import PAD, TiedModel, batched, initialise, pad, windows
from palr.retrieval.softmax import compute_dtype, softmax_loss
from palr.retrieval.trainable import History, Plan
from palr.retrieval.transformer import Block


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is the number of items, the appended mask not counted."""

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_len: int = 100
    dropout: float = 0.2
    ffn: int = 4
    hide: float = 0.2


TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=60, batch_size=32, patience=20)),
    "ml-100k": (Config(max_len=50), Plan(epochs=80, batch_size=32, lr=2e-3, patience=20)),
    "ml-1m": (Config(max_len=200), Plan(epochs=20, batch_size=32, lr=2e-3, patience=10)),
    "beauty": (
        Config(max_len=50, dropout=0.4),
        Plan(epochs=24, batch_size=128, lr=2e-3, weight_decay=0.1, patience=10),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "BERT4Rec":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return BERT4Rec(n_items, Config(**hyperparameters))


class BERT4Rec(TiedModel):
    """The network over ``n_items`` items; index ``n_items`` is the mask."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(n_items, config.width)
        self.max_len, self.hide, self.hidden = config.max_len, config.hide, n_items
        self.mask = nn.Parameter(torch.zeros(1, config.width))
        self.positions = nn.Embedding(config.max_len + 1, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.ffn, config.dropout)
            for _ in range(config.layers)
        )
        self.project = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.apply(initialise)
        nn.init.trunc_normal_(self.mask, std=0.02)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for items, masks and PAD (batch, length <= max_len + 1)."""
        table = torch.cat([self.items.weight, self.mask])
        positions = self.positions(torch.arange(items.shape[1], device=items.device))
        x = nn.functional.embedding(items.clamp(min=0), table) * table.shape[1] ** 0.5
        x = self.dropout(x + positions)
        for block in self.blocks:
            x = block(x, visible=items != PAD)
        return cast(Tensor, self.norm(gelu(self.project(x))))

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Arrays (size, length <= max_len + 1), padded with PAD on the right."""
        rows = [row for sequence in sequences for row in windows(sequence, self.max_len, rng)]
        return batched(rows, size, rng)

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Softmax loss at every hidden position."""
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        real = rows != PAD
        hidden = (torch.rand(rows.shape, device=rows.device) < self.hide) & real
        hidden.scatter_(1, real.sum(1, keepdim=True) - 1, True)
        dtype = compute_dtype(rows.device)
        with torch.autocast(rows.device.type, dtype=dtype, enabled=dtype != torch.float32):
            states = self(rows.masked_fill(hidden, self.hidden))[hidden].float()
        return softmax_loss(states, self.items.weight, rows[hidden])

    def last_states(self, histories: Sequence[History]) -> Tensor:
        asked = [np.append(history[-self.max_len :], self.hidden) for history in histories]
        rows = torch.from_numpy(pad(asked)).to(self.items.weight.device)
        return self(rows)[rows == self.hidden]
