"""What the sequence models have in common: one state for a history, scored against item embeddings.

The output embeddings are the input embeddings (tied). With a temperature T, states and embeddings
are normalised to unit length, and the score is their cosine over T (Gupta et al. 2019, NISER):

    score(i | history) = x . E[i]   or   cos(x, E[i]) / T

The length of an item's embedding grows with how often it was chosen; normalised, it no longer
lifts popular items. Histories are padded on the right: position 0 is always the oldest item in
view, and the causal mask alone hides the padding.
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
    """A model whose scores are a history's state times the tied item embeddings.

    Args:
        n_items: Number of items.
        width: Dimensions of embeddings and states.
        temperature: T of the cosine scores; None for plain dot products.
    """

    def __init__(self, n_items: int, width: int, temperature: float | None = None) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, width)
        self.temperature = temperature
        self._unit_embeddings: tuple[int, Tensor] | None = None

    def output_embeddings(self) -> Tensor:
        """The item embeddings (items, width) that scores are taken with; unit with a temperature.

        Normalising them takes longer than reading one visitor's history, so without gradients the
        result is kept until the weights change.
        """
        weight = self.items.weight
        if self.temperature is None:
            return weight
        if torch.is_grad_enabled():
            return normalize(weight, dim=-1)
        if self._unit_embeddings is None or self._unit_embeddings[0] != weight._version:
            self._unit_embeddings = weight._version, normalize(weight, dim=-1)
        return self._unit_embeddings[1]

    def output_states(self, states: Tensor) -> Tensor:
        """States (n, width) to multiply with `output_embeddings`: unit over T, or unchanged."""
        return states if self.temperature is None else normalize(states, dim=-1) / self.temperature

    @abstractmethod
    def last_states(self, histories: Sequence[History]) -> Tensor:
        """States (histories, width) after the last item of each non-empty history."""

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (histories, items) of what follows each non-empty history."""
        logits = self.output_states(self.last_states(histories)) @ self.output_embeddings().T
        scores: NDArray[np.float32] = logits.float().cpu().numpy()
        return scores


class CausalModel(TiedModel):
    """A model whose state at a position depends on nothing later; it learns at every position.

    A subclass supplies ``forward``; it overrides `training_rows` or `next_item_loss` to train
    otherwise.

    Args:
        n_items: Number of items.
        width: Dimensions of embeddings and states.
        max_len: Number of items that it can look back on.
        temperature: T of the cosine scores; None for plain dot products.
    """

    def __init__(
        self, n_items: int, width: int, max_len: int, temperature: float | None = None
    ) -> None:
        super().__init__(n_items, width, temperature)
        self.max_len = max_len

    @abstractmethod
    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length), length <= max_len."""

    def training_rows(self, sequence: History, rng: np.random.Generator) -> list[History]:
        """A user's training rows of one epoch, each of at most ``max_len + 1`` items."""
        return windows(sequence, self.max_len, rng)

    def next_item_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """The scalar loss of states (n, width) whose next items are ``targets`` (n,)."""
        return softmax_loss(self.output_states(states), self.output_embeddings(), targets)

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """Batches (size, length + 1) of item indices, padded with PAD on the right."""
        return batched([row for s in sequences for row in self.training_rows(s, rng)], size, rng)

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """The mean loss over every position that has a next item, for a batch of `batches`."""
        rows = torch.from_numpy(batch).to(self.items.weight.device)
        inputs, targets = rows[:, :-1].clamp(min=0), rows[:, 1:]
        real = targets != PAD
        dtype = compute_dtype(rows.device)
        with torch.autocast(rows.device.type, dtype=dtype, enabled=dtype != torch.float32):
            states = self(inputs)[real].float()
        return self.next_item_loss(states, targets[real])

    def last_states(self, histories: Sequence[History]) -> Tensor:
        device = self.items.weight.device
        recent = [np.asarray(history)[-self.max_len :] for history in histories]
        inputs = torch.from_numpy(pad(recent)).clamp(min=0).to(device)
        last = torch.tensor([len(history) - 1 for history in recent], device=device)
        return self(inputs)[torch.arange(len(recent), device=device), last]


def distances(length: int, device: torch.device) -> Tensor:
    """The matrix (length, length) of i - j: how many items ``j`` lies before ``i``."""
    steps = torch.arange(length, device=device)
    return steps[:, None] - steps[None, :]


def windows(sequence: History, max_len: int, rng: np.random.Generator) -> list[History]:
    """Cut a training sequence into windows of at most ``max_len + 1`` items.

    Neighbouring windows share one item, so that every item but the first is a target exactly once.

    Args:
        sequence: A user's item indices (n,), oldest first.
        max_len: Items that the model can look back on.
        rng: The source of the offset at which a long sequence is cut.
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
    """Random batches of rows of similar length, so that little of a batch is padding.

    Args:
        rows: Item indices, each row of its own length.
        size: Rows of a batch.
        rng: The source of the order.

    Returns:
        Arrays (at most ``size``, longest), padded with PAD on the right.
    """
    # Shuffled, then sorted by length within pools: random batches with little padding.
    shuffled = rng.permutation(len(rows))
    pool = size * 32
    pools = [shuffled[at : at + pool] for at in range(0, len(rows), pool)]
    order = [i for p in pools for i in sorted(p, key=lambda i: len(rows[i]))]
    cuts = [order[at : at + size] for at in range(0, len(order), size)]
    batches = [pad([rows[i] for i in cut]) for cut in cuts]
    return [batches[i] for i in rng.permutation(len(batches))]


def pad(rows: Sequence[History]) -> NDArray[np.int64]:
    """Rows of different length as one array (rows, longest), padded with PAD on the right."""
    padded = np.full((len(rows), max(len(row) for row in rows)), PAD, np.int64)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return padded


def initialise(module: nn.Module) -> None:
    """BERT's initialisation: truncated normal weights, zero biases; for ``nn.Module.apply``."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
