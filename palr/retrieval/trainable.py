"""What a trainable retriever offers to the training loop, `palr.training.fit`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

History = NDArray[np.int64]


class Trainable(nn.Module, ABC):
    """What a model offers to the trainer; items are indices from 0 to n_items - 1."""

    @abstractmethod
    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """One epoch's batches, cut from the users' training sequences in a new random order."""

    @abstractmethod
    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """The scalar training loss of one batch."""

    @abstractmethod
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (len(histories), n_items) for non-empty histories, known user or not."""


@dataclass(frozen=True)
class Plan:
    """How to train. ``lr`` rises over ``warmup`` epochs, then falls on a cosine to zero."""

    epochs: int = 100
    batch_size: int = 128
    lr: float = 1e-3
    warmup: float = 1.0
    weight_decay: float = 0.01
    clip: float = 1.0
    patience: int = 10
