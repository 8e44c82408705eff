"""HSTU: hierarchical sequential transduction units (Zhai et al. 2024, arXiv 2402.17152).

Attention without a softmax: every earlier item contributes as strongly as it matches, so that how
*often* a taste shows in the history is kept, where a softmax would average it away. A learnt bias
by distance takes the place of most of what positions say, and a gate that the item itself opens
takes the place of the feed-forward block.

    U, V, Q, K = silu(W norm(x))
    A = silu(Q K^T + bias[i - j])                       for j <= i, 0 beyond
    x = x + W' (norm(A V) * U)

Everything around the blocks is shared with SASRec (`palr.retrieval.sequences`). The publication's
time-interval bias is left out: picks of a visitor carry no times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from palr.retrieval.sequences import CausalModel, distances, initialise
from palr.retrieval.trainable import Plan


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is the number of items that the model can look back on."""

    width: int = 64
    layers: int = 4
    heads: int = 2
    max_len: int = 100
    dropout: float = 0.2
    temperature: float | None = None


TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=40, batch_size=32, patience=20)),
    "ml-100k": (
        Config(layers=2, max_len=50, dropout=0.3),
        Plan(epochs=40, batch_size=32, lr=2e-3, patience=20),
    ),
    "ml-1m": (
        Config(width=128, max_len=200, dropout=0.3),
        Plan(epochs=36, batch_size=32, weight_decay=0.1, patience=12),
    ),
    "beauty": (
        Config(width=128, max_len=50, dropout=0.5, temperature=0.07),
        Plan(epochs=30, batch_size=128, weight_decay=0.3, patience=8),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "HSTU":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return HSTU(n_items, Config(**hyperparameters))


class HSTU(CausalModel):
    """The network of HSTU over ``n_items`` items; see the module for its formula."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(n_items, config.width, config.max_len, config.temperature)
        self.positions = nn.Embedding(config.max_len, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(initialise)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length), length <= max_len."""
        length = items.shape[1]
        steps = torch.arange(length, device=items.device)
        distance = distances(length, items.device)
        x = self.items(items) * self.items.embedding_dim**0.5 + self.positions(steps)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, distance)
        return cast(Tensor, self.norm(x))


class _Block(nn.Module):
    """One unit; ``distance[i, j] = i - j``, and what is negative lies in the future."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm = nn.LayerNorm(config.width)
        self.uvqk = nn.Linear(config.width, 4 * config.width)
        self.bias = nn.Parameter(torch.zeros(config.heads, config.max_len))
        self.norm_mixed = nn.LayerNorm(config.width)
        self.merge = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        batch, length, width = x.shape
        u, v, q, k = silu(self.uvqk(self.norm(x))).chunk(4, dim=-1)
        v, q, k = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in (v, q, k))
        match = silu(q @ k.transpose(-1, -2) + self.bias[:, distance.clamp(min=0)])
        match = match.masked_fill(distance < 0, 0.0).to(v.dtype)
        mixed = (match @ v).transpose(1, 2).reshape(batch, length, width)
        # The sum grows with the length of the history; norm_mixed takes that out again.
        return cast(Tensor, x + self.merge(self.dropout(self.norm_mixed(mixed) * u)))
