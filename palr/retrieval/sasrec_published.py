"""SASRec as published (Kang & McAuley 2018), the baseline that papers compare with.

The network is that of `palr.retrieval.sasrec` in the published size; the training is the published
one: each epoch shows the last ``max_len`` items of a user only, and the loss is the binary
cross-entropy of each target against one uniformly drawn other item.

    loss = mean of -log s(x . E[target]) - log(1 - s(x . E[negative])),   s the logistic function

What is left of the difference: the publication reads positions from the newest item backwards, and
never draws as negative what the user chose elsewhere in the sequence.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from palr.retrieval.sasrec import Config, SASRec
from palr.retrieval.trainable import History, Plan

_LONG = Config(width=50, layers=2, heads=1, max_len=200, dropout=0.2, ffn=1)
_SHORT = Config(width=50, layers=2, heads=1, max_len=50, dropout=0.5, ffn=1)

# The published sizes; on Beauty epochs, batches and rate are the published ones too. Elsewhere
# steps are more and smaller, on one core as fast.
TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (_SHORT, Plan(epochs=60, batch_size=64, lr=2e-3, weight_decay=0.0, patience=15)),
    "ml-100k": (_LONG, Plan(epochs=100, batch_size=16, weight_decay=0.0, patience=20)),
    "ml-1m": (_LONG, Plan(epochs=80, batch_size=32, weight_decay=0.0, patience=15)),
    "beauty": (_SHORT, Plan(epochs=200, weight_decay=0.0, patience=40)),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "PublishedSASRec":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return PublishedSASRec(n_items, Config(**hyperparameters))


class PublishedSASRec(SASRec):
    """SASRec with the published loss, on the last ``max_len + 1`` items of each user."""

    def training_rows(self, sequence: History, rng: np.random.Generator) -> list[History]:
        return [sequence[-self.max_len - 1 :]] if len(sequence) > 1 else []

    def next_item_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        # A step of 1 to n_items - 1 around the circle of items: any but the target, all alike.
        n_items = len(self.items.weight)
        steps = torch.randint(1, n_items, targets.shape, device=targets.device)
        negatives = (targets + steps) % n_items
        positive = (states * self.items(targets)).sum(-1)
        negative = (states * self.items(negatives)).sum(-1)
        return -(logsigmoid(positive) + logsigmoid(-negative)).mean()
