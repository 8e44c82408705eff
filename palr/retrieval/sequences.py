"""What the models that read a history in order have in common.

They give a history one state, and the state times the item embeddings themselves (tied) scores what
comes next; with a temperature, only their directions count (Gupta et al. 2019, NISER):

    score(i | history) = x . E[i]   or   cos(x, E[i]) / T

Then no item stands high by the length of its embedding, which tells how often it was chosen rather
than whether it fits. Histories are padded on the right: position 0 is always the oldest item in
view, and causality alone hides the padding from all that matters.
"""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from palr.retrieval.softmax import compute_dtype, softmax_loss
from palr.retrieval.trainable import History, Trainable

PAD = -1


class TiedModel(Trainable):
    """A model whose scores are one state per history times the item embeddings."""

    def __init__(self, n_items: int, width: int, temperature: float | None = None) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, width)
        self.temperature = temperature
        self._directions: tuple[int, Tensor] | None = None

    def table(self) -> Tensor:
        """What a state is multiplied with, (items, width): the embeddings or their directions.

        The latter take longer than a visitor's history does, so they are kept where no gradient is
        asked for, until the weights change.
        """
        weight = self.items.weight
        if self.temperature is None:
            return weight
        if torch.is_grad_enabled():
            return normalize(weight, dim=-1)
        if self._directions is None or self._directions[0] != weight._version:
            self._directions = weight._version, normalize(weight, dim=-1)
        return self._directions[1]

    def aimed(self, states: Tensor) -> Tensor:
        """The states (n, width) as `table` is to be multiplied with them."""
        return states if self.temperature is None else normalize(states, dim=-1) / self.temperature

    @abstractmethod
    def last_states(self, histories: Sequence[History]) -> Tensor:
        """States (len(histories), width) after each non-empty history."""

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (len(histories), n_items) of what follows each non-empty history."""
        logits = self.aimed(self.last_states(histories)) @ self.table().T
        scores: NDArray[np.float32] = logits.float().cpu().numpy()
        return scores


class CausalModel(TiedModel):
    """A model whose state at a position depends on nothing later; learns at every position.

    ``max_len`` is the number of items that it can look back on. A subclass supplies ``forward``,
    and overrides `cut` or `compare` where it trains otherwise.
    """

    def __init__(
        self, n_items: int, width: int, max_len: int, temperature: float | None = None
    ) -> None:
        super().__init__(n_items, width, temperature)
        self.max_len = max_len

    @abstractmethod
    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length), length <= max_len."""

    def cut(self, sequence: History, rng: np.random.Generator) -> list[History]:
        """The stretches of at most ``max_len + 1`` items that a user's sequence gives an epoch."""
        return windows(sequence, self.max_len, rng)

    def compare(self, states: Tensor, targets: Tensor) -> Tensor:
        """The scalar loss of states (n, width), each followed by one of ``targets`` (n,)."""
        return softmax_loss(self.aimed(states), self.table(), targets)

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Arrays (size, length + 1), padded with PAD on the right."""
        return batched([row for s in sequences for row in self.cut(s, rng)], size, rng)

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """The loss over every position that has a next item."""
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        inputs, targets = rows[:, :-1].clamp(min=0), rows[:, 1:]
        real = targets != PAD
        dtype = compute_dtype(rows.device)
        with torch.autocast(rows.device.type, dtype=dtype, enabled=dtype != torch.float32):
            states = self(inputs)[real].float()
        return self.compare(states, targets[real])

    def last_states(self, histories: Sequence[History]) -> Tensor:
        device = self.items.weight.device
        recent = [np.asarray(history)[-self.max_len :] for history in histories]
        inputs = torch.from_numpy(pad(recent)).clamp(min=0).to(device)
        last = torch.tensor([len(history) - 1 for history in recent], device=device)
        return self(inputs)[torch.arange(len(recent), device=device), last]


def distances(length: int, device: torch.device) -> Tensor:
    """How many items back ``j`` lies from ``i``, (length, length); what is negative is later."""
    steps = torch.arange(length, device=device)
    return steps[:, None] - steps[None, :]


def windows(sequence: History, max_len: int, rng: np.random.Generator) -> list[History]:
    """Cut a training sequence into stretches of at most ``max_len + 1`` items.

    Neighbours share one item, so that every item but the first is a target exactly once. A long
    sequence is cut at a random offset, each epoch anew.
    """
    if len(sequence) < 2:
        return []
    newest = len(sequence)
    first = newest - int(rng.integers(max_len)) if newest > max_len + 1 else newest
    cuts = [sequence[max(end - max_len - 1, 0) : end] for end in range(first, 1, -max_len)]
    return cuts if first == newest else [sequence[first - 1 :], *cuts]


def batched(
    rows: Sequence[History], size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Random batches of rows of like length, as arrays (size, length) padded with PAD."""
    # Shuffled, then sorted by length within pools: random batches with little padding.
    shuffled = rng.permutation(len(rows))
    pool = size * 32
    pools = [shuffled[at : at + pool] for at in range(0, len(rows), pool)]
    order = [i for p in pools for i in sorted(p, key=lambda i: len(rows[i]))]
    cuts = [order[at : at + size] for at in range(0, len(order), size)]
    batches = [pad([rows[i] for i in cut]) for cut in cuts]
    return [batches[i] for i in rng.permutation(len(batches))]


def pad(rows: Sequence[History]) -> NDArray[np.int64]:
    """The rows as one array, filled up with PAD on the right."""
    padded = np.full((len(rows), max(len(row) for row in rows)), PAD, np.int64)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded


def initialise(module: nn.Module) -> None:
    """The initialisation of BERT, for ``nn.Module.apply``."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
