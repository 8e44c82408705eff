"""GRU4Rec: a recurrent network over the history (Hidasi et al. 2016; Tan et al. 2016).

    h_t = GRU(dropout(E[item_t]), h_(t-1));  score(i | history) = W dropout(h_last) . E[i]

It differs from the publications in what Hidasi & Karatzoglou (2018) and later replications found to
matter: whole sequences are learnt from at every position, the loss is a softmax over the catalog
instead of a ranking loss on the items of the batch, and input and output embeddings are tied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from palr.retrieval.sequences import CausalModel
from palr.retrieval.trainable import Plan


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` is the number of items that the model can look back on."""

    width: int = 64
    hidden: int = 128
    layers: int = 1
    max_len: int = 100
    dropout: float = 0.2


TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=30, batch_size=32, patience=10)),
    "ml-100k": (
        Config(max_len=50, dropout=0.3),
        Plan(epochs=40, batch_size=32, lr=2e-3, patience=10),
    ),
    "ml-1m": (
        Config(max_len=200),
        Plan(epochs=12, batch_size=32, lr=2e-3, patience=5),
    ),
    "beauty": (
        Config(max_len=50, dropout=0.5),
        Plan(epochs=15, batch_size=128, lr=2e-3, weight_decay=0.1, patience=6),
    ),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "GRU4Rec":
    """A new network; raises TypeError where a hyperparameter is unknown."""
    return GRU4Rec(n_items, Config(**hyperparameters))


class GRU4Rec(CausalModel):
    """The network of GRU4Rec over ``n_items`` items; see the module for its formula."""

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(n_items, config.width, config.max_len)
        self.gru = nn.GRU(config.width, config.hidden, config.layers, batch_first=True)
        self.project = nn.Linear(config.hidden, config.width)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.trunc_normal_(self.items.weight, std=config.width**-0.5)

    def forward(self, items: Tensor) -> Tensor:
        """States (batch, length, width) for item indices (batch, length)."""
        hidden, _ = self.gru(self.dropout(self.items(items)))
        return cast(Tensor, self.project(self.dropout(hidden)))
