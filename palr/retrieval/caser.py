"""Caser: convolutions over the last few items as over an image (Tang & Wang 2018).

The embeddings of the last L items form an L x d matrix. Horizontal filters of each height h slide
over its rows and find patterns of h consecutive items wherever they stand; vertical filters weigh
the L positions, the same for every dimension.

    o_h = max over positions of relu(F_h * E[last L]),  h = 1..L;   o_v = V E[last L]
    score(i | history) = relu(W dropout([o_v; o_h])) . E[i]

The publication joins an embedding of the user to the last layer. It is left out, since the model
must serve visitors whom it never saw; the output embeddings are tied to the input ones, and the
loss is a softmax over the catalog instead of a binary one on three sampled negatives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn

from palr.retrieval.sequences import PAD, TiedModel
from palr.retrieval.softmax import softmax_loss
from palr.retrieval.trainable import History, Plan


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is L, the number of items that the model can look back on.

    ``horizontal`` counts the filters of each height, ``vertical`` all vertical ones.
    """

    width: int = 64
    max_len: int = 5
    horizontal: int = 16
    vertical: int = 4
    dropout: float = 0.3


TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=30, batch_size=512, patience=8)),
    "ml-100k": (Config(), Plan(epochs=30, batch_size=256, lr=2e-3, patience=8)),
    "ml-1m": (Config(), Plan(epochs=7, batch_size=1024, lr=2e-3, patience=5)),
    "beauty": (
        Config(dropout=0.5),
        Plan(epochs=8, batch_size=512, lr=2e-3, weight_decay=0.1, patience=6),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "Caser":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return Caser(n_items, Config(**hyperparameters))


class Caser(TiedModel):
    """The network of Caser over ``n_items`` items; see the module for its formula."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(n_items, config.width)
        self.max_len = config.max_len
        heights = range(1, config.max_len + 1)
        self.horizontal = nn.ModuleList(
            nn.Conv1d(config.width, config.horizontal, height) for height in heights
        )
        self.vertical = nn.Linear(config.max_len, config.vertical, bias=False)
        found = config.vertical * config.width + config.horizontal * config.max_len
        self.merge = nn.Linear(found, config.width)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.trunc_normal_(self.items.weight, std=config.width**-0.5)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, width) for the last L items (batch, L), PAD before the first."""
        image = self.items(items.clamp(min=0)) * (items != PAD).unsqueeze(-1)
        image = image.transpose(1, 2)
        found = [conv(image).relu().amax(dim=2) for conv in self.horizontal]
        weighed = self.vertical(image).flatten(1)
        state: Tensor = self.merge(self.dropout(torch.cat([weighed, *found], dim=1)))
        return state.relu()

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Batches (size, L + 1): every item but a user's first once, after the L before it."""
        start = np.full(self.max_len, PAD, np.int64)
        line = np.concatenate([part for sequence in sequences for part in (start, sequence)])
        rows = sliding_window_view(line, self.max_len + 1)
        # A window must not end on padding, nor start after it has left the user's sequence.
        rows = rows[(rows[:, -1] != PAD) & (rows[:, -2] != PAD)]
        order = rng.permutation(len(rows))
        return [rows[order[at : at + size]] for at in range(0, len(rows), size)]

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """Softmax loss of the last item of each row, given the L before it."""
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        return softmax_loss(self(rows[:, :-1]), self.items.weight, rows[:, -1])

    def last_states(self, histories: Sequence[History]) -> Tensor:
        rows = np.full((len(histories), self.max_len), PAD, np.int64)
        for row, history in zip(rows, histories, strict=True):
            recent = history[-self.max_len :]
            row[-len(recent) :] = recent
        states: Tensor = self(torch.from_numpy(rows).to(self.items.weight.device))
        return states
