"""LightGCN: item vectors smoothed over the graph of who chose what (He et al. 2020).

A hop takes each item's vector to its users and back, normalised by degrees; an item's final vector
is the mean over the hops. A is the users-by-items matrix of the training part.

    A~ = D_users^-1/2 A D_items^-1/2;   E_(l+1) = A~^T A~ E_l;   F = mean(E_0 ... E_hops)
    user = sum_j w_j f_j / sqrt(degree_j) / sqrt(sum_j w_j);   score(i | user) = user . f_i

A hop is two layers of the publication. Its users have vectors of their own besides; here a user is
one aggregation of their items (`palr.retrieval.pooling`), which a visitor has as well. The loss is
that of BPR. F is stored with the weights, so that serving needs no graph.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from palr.retrieval.pooling import PooledModel, bpr_loss
from palr.retrieval.sequences import PAD
from palr.retrieval.trainable import History, Plan


@dataclass(frozen=True)
class Config:
    """Hyperparameters; ``max_len`` and ``decay`` are those of `palr.retrieval.pooling`."""

    width: int = 64
    hops: int = 1
    max_len: int = 50
    decay: float = 0.8
    negatives: int = 256


TUNED: dict[str, tuple[Config, Plan]] = {
    "default": (Config(), Plan(epochs=40, batch_size=64, lr=1e-2, patience=8)),
    "ml-100k": (Config(), Plan(epochs=40, batch_size=64, lr=1e-2, patience=8)),
    "ml-1m": (Config(), Plan(epochs=10, batch_size=128, lr=1e-2, patience=6)),
    "beauty": (Config(), Plan(epochs=12, batch_size=128, lr=1e-2, patience=5)),
}


def build(n_items: int, hyperparameters: Mapping[str, Any]) -> "LightGCN":
    """A new model; raises TypeError where a hyperparameter is unknown."""
    return LightGCN(n_items, Config(**hyperparameters))


class LightGCN(PooledModel):
    """``items`` is E_0, ``final`` F and ``scale`` degree^-1/2 above.

    Serving needs the last two alone; E_0 is kept with them so that a training can resume.
    """

    def __init__(self, n_items: int, config: Config) -> None:
        super().__init__(config.max_len, config.decay)
        self.config = config
        self.items = nn.Embedding(n_items, config.width)
        nn.init.normal_(self.items.weight, std=0.1)
        self.register_buffer("final", self.items.weight.detach().clone())
        self.register_buffer("scale", torch.ones(n_items, 1))
        self._graph: _Graph | None = None
        self._final_is_stale = False

    def batches(
        self, sequences: Sequence[History], size: int, rng: np.random.Generator
    ) -> list[NDArray[np.int64]]:
        """See `PooledModel.batches`; the sequences are the graph that the next losses use."""
        if self._graph is None or self._graph.sequences is not sequences:
            self._graph = _Graph(sequences, len(self.scale), self.config.hops, self.scale.device)
            self.scale.copy_(self._graph.scale)
        return super().batches(sequences, size, rng)

    def propagate(self) -> Tensor:
        """F, from the graph of the last `batches`."""
        if self._graph is None:
            raise RuntimeError("there is no graph before the first call of batches")
        return cast(Tensor, _Propagate.apply(self.items.weight, self._graph))

    def loss(self, batch: NDArray[np.int64]) -> Tensor:
        """See `bpr_loss`."""
        rows = torch.from_numpy(batch).to(self.scale.device)
        final = self.propagate()
        users = self.pool_others((final * self.scale)[rows.clamp(min=0)], rows != PAD)
        self._final_is_stale = True
        return bpr_loss(users, rows, final, self.config.negatives)

    @torch.inference_mode()
    def score(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (histories, items) for the users of non-empty histories."""
        if self._final_is_stale:
            self.final.copy_(self.propagate())
            self._final_is_stale = False
        users = self.pool(histories, self.final * self.scale)
        scores: NDArray[np.float32] = (users @ self.final.T).cpu().numpy()
        return scores


class _Graph:
    """A~ and its transpose as sparse matrices on a device."""

    def __init__(
        self, sequences: Sequence[History], n_items: int, hops: int, device: torch.device
    ) -> None:
        self.sequences, self.hops = sequences, hops
        lengths = np.array([len(sequence) for sequence in sequences])
        users = np.repeat(np.arange(len(sequences)), lengths)
        items = np.concatenate(sequences)
        degrees = np.maximum(np.bincount(items, minlength=n_items), 1)
        edges = 1.0 / np.sqrt(lengths[users] * degrees[items])
        shape = (len(sequences), n_items)
        matrix = scipy.sparse.csr_matrix((edges.astype(np.float32), (users, items)), shape=shape)
        self.scale = torch.from_numpy(degrees.astype(np.float32)[:, None] ** -0.5)
        self._to_users = _on_device(matrix, device)
        self._to_items = _on_device(matrix.T.tocsr(), device)

    def spread(self, vectors: Tensor) -> Tensor:
        """The mean over the hops of item vectors (n_items, width)."""
        total = vectors
        for _ in range(self.hops):
            vectors = self._to_items @ (self._to_users @ vectors)
            total = total + vectors
        return total / (self.hops + 1)


class _Propagate(torch.autograd.Function):
    """Spreading is linear and symmetric: its gradient is the gradient, spread."""

    @staticmethod
    def forward(ctx: Any, items: Tensor, graph: _Graph) -> Tensor:
        ctx.graph = graph
        return graph.spread(items)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.graph.spread(grad), None


def _on_device(matrix: Any, device: torch.device) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            device=device,
            check_invariants=True,
        )
