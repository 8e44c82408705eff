"""What a trainable retriever offers to the training loop, `palr.training.fit`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

History = NDArray[np.int64]


class Trainable(nn.Module, ABC):
    """A network that `palr.training.fit` can train; items are indices from 0 to n_items - 1."""

    @abstractmethod
    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """One epoch's batches, cut from the training sequences in a new random order.

        Args:
            sequences: Item indices of each user, oldest first.
            size: Rows of a batch.
            rng: The source of the order.

        Returns:
            Arrays (at most ``size``, length) of item indices, as `loss` takes them.
        """

    @abstractmethod
    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """The scalar training loss of one batch of `batches`."""

    @abstractmethod
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (histories, items) for non-empty histories, oldest first, of any user."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained, by AdamW.

    Attributes:
        epochs: Epochs at most.
        batch_size: Rows of a batch.
        lr: Peak learning rate; see `palr.training.fit.learning_rate`.
        warmup: Epochs over which the rate rises.
        weight_decay: Of matrices; vectors have none.
        clip: Norm that gradients are clipped to.
        patience: Epochs without a better validation NDCG@10 after which it stops.
    """

    epochs: int = 100
    batch_size: int = 128
    lr: float = 1e-3
    warmup: float = 1.0
    weight_decay: float = 0.01
    clip: float = 1.0
    patience: int = 10
