"""SASRec: self-attentive sequential recommendation (Kang & McAuley 2018), with a softmax loss.

A causal transformer reads the history, oldest first; the output at each position, multiplied with
the item embeddings themselves (tied), scores what comes next. It differs from the publication in
three ways that others found to matter: normalisation stands before each block, the loss is a
softmax over the catalog (`palr.retrieval.softmax`), and histories are padded on the right, so that
causality alone hides the padding and position 0 is always the oldest item in view.

    x_0 = dropout(sqrt(d) E[item] + P[position])
    x   = x + attention(norm(x));  x = x + ffn(norm(x))      for each layer
    score(i | history) = norm(x_last) . E[i]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from palr.retrieval.softmax import compute_dtype, softmax_loss
from palr.retrieval.trainer import History, Plan, Trainable

PAD = -1


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is the number of items that the model can look back on."""

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_len: int = 100
    dropout: float = 0.2
    ffn: int = 4


# Chosen on validation NDCG@10 among a handful for ML-100K and Beauty, the only one tried for ML-1M;
# `default` serves all other data sets.
TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=40, batch_size=32, patience=20)),
    "ml-100k": (
        Config(max_len=50, dropout=0.3),
        Plan(epochs=40, batch_size=32, lr=2e-3, patience=20),
    ),
    "ml-1m": (
        Config(max_len=200, dropout=0.2),
        Plan(epochs=40, batch_size=32, patience=12),
    ),
    "beauty": (
        Config(width=128, max_len=50, dropout=0.5),
        Plan(epochs=30, batch_size=128, weight_decay=0.3, patience=8),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "SASRec":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return SASRec(n_items, Config(**hyperparameters))


class SASRec(Trainable):
    """The network over ``n_items`` items."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.items = nn.Embedding(n_items, config.width)
        self.positions = nn.Embedding(config.max_len, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.apply(_initialise)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length), length <= max_len."""
        positions = self.positions(torch.arange(items.shape[1], device=items.device))
        x = self.dropout(self.items(items) * self.config.width**0.5 + positions)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x))

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Arrays (size, length + 1), padded with PAD on the right."""
        max_len = self.config.max_len
        rows = [row for sequence in sequences for row in windows(sequence, max_len, rng)]
        # Shuffled, then sorted by length within pools: random batches with little padding.
        shuffled = rng.permutation(len(rows))
        pool = size * 32
        pools = [shuffled[at : at + pool] for at in range(0, len(rows), pool)]
        order = [i for p in pools for i in sorted(p, key=lambda i: len(rows[i]))]
        cuts = [order[at : at + size] for at in range(0, len(order), size)]
        batches = [_pad([rows[i] for i in cut]) for cut in cuts]
        return [batches[i] for i in rng.permutation(len(batches))]

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Softmax loss at every position that has a next item."""
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        inputs, targets = rows[:, :-1].clamp(min=0), rows[:, 1:]
        real = targets != PAD
        dtype = compute_dtype(rows.device)
        with torch.autocast(rows.device.type, dtype=dtype, enabled=dtype != torch.float32):
            states = self(inputs)[real].float()
        return softmax_loss(states, self.items.weight, targets[real])

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (len(histories), n_items) of what follows each non-empty history."""
        device = self.items.weight.device
        recent = [np.asarray(history)[-self.config.max_len :] for history in histories]
        inputs = torch.from_numpy(_pad(recent)).clamp(min=0).to(device)
        last = torch.tensor([len(history) - 1 for history in recent], device=device)
        states = self(inputs)[torch.arange(len(recent), device=device), last]
        scores: NDArray[np.float32] = (states @ self.items.weight.T).float().cpu().numpy()
        return scores


class _Block(nn.Module):  # type: ignore[misc]
    """One pre-norm transformer block."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.merge = nn.Linear(config.width, config.width)
        self.norm_ffn = nn.LayerNorm(config.width)
        self.ffn = nn.Sequential(
            nn.Linear(config.width, config.ffn * config.width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.ffn * config.width, config.width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).reshape(batch, length, width)))
        return cast(Tensor, x + self.dropout(self.ffn(self.norm_ffn(x))))


def windows(sequence: History, max_len: int, rng: np.random.Generator) -> list[History]:
    """Cut a training sequence into stretches of at most ``max_len + 1`` items.

    Neighbours share one item, so that every item but the first is a target exactly once. A long
    sequence is cut at a random offset, each epoch anew; the published SASRec trains on the last
    stretch only.
    """
    if len(sequence) < 2:
        return []
    newest = len(sequence)
    first = newest - int(rng.integers(max_len)) if newest > max_len + 1 else newest
    cuts = [sequence[max(end - max_len - 1, 0) : end] for end in range(first, 1, -max_len)]
    return cuts if first == newest else [sequence[first - 1 :], *cuts]


def _pad(rows: Sequence[History]) -> NDArray[np.int64]:
    padded = np.full((len(rows), max(len(row) for row in rows)), PAD, np.int64)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
