"""SASRec: self-attentive sequential recommendation (Kang & McAuley 2018), with a softmax loss.

A causal transformer reads the history, oldest first; the output at each position, multiplied with
the item embeddings themselves (tied), scores what comes next. It differs from the publication in
three ways that others found to matter: normalisation comes before each block, the loss is a
softmax over the catalog (`palr.retrieval.softmax`), and histories are padded on the right, so that
causality alone hides the padding and position 0 is always the oldest item in view. With
``by_distance`` attention also learns what an item counts by how far back it is, as HSTU does.

    x_0 = dropout(sqrt(d) E[item] + P[position])
    x   = x + attention(norm(x));  x = x + ffn(norm(x))      for each layer
    score(i | history) = norm(x_last) . E[i]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from palr.retrieval.sequences import CausalModel, initialise
from palr.retrieval.trainable import Plan
from palr.retrieval.transformer import Block


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is the number of items that the model can look back on."""

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_len: int = 100
    dropout: float = 0.2
    ffn: int = 4
    by_distance: bool = False
    temperature: float | None = None


# Chosen on validation NDCG@10, among a handful for each data set; `default` serves all others.
TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=40, batch_size=32, patience=20)),
    "ml-100k": (
        Config(max_len=50, dropout=0.3, by_distance=True),
        Plan(epochs=40, batch_size=32, lr=2e-3, patience=20),
    ),
    "ml-1m": (
        Config(width=128, layers=3, max_len=200, dropout=0.3, by_distance=True),
        Plan(epochs=30, batch_size=32, weight_decay=0.1, patience=10),
    ),
    "beauty": (
        Config(width=128, max_len=50, dropout=0.5, temperature=0.07),
        Plan(epochs=30, batch_size=128, weight_decay=0.3, patience=8),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "SASRec":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return SASRec(n_items, Config(**hyperparameters))


class SASRec(CausalModel):
    """The network of SASRec over ``n_items`` items; see the module for its formula."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(n_items, config.width, config.max_len, config.temperature)
        self.positions = nn.Embedding(config.max_len, config.width)
        self.dropout = nn.Dropout(config.dropout)
        reach = config.max_len if config.by_distance else None
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.ffn, config.dropout, reach)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.apply(initialise)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length), length <= max_len."""
        positions = self.positions(torch.arange(items.shape[1], device=items.device))
        x = self.dropout(self.items(items) * self.items.embedding_dim**0.5 + positions)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x))
