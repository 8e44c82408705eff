"""A product of experts: the weighted sum of several retrievers' scores (Hinton 2002).

A retriever scores an item with its log-probability, up to a constant that is alike for all items
(`Retriever.score`). The weighted sum of such scores is the log-probability that the experts agree
on: an item ranks high where none of them finds it unlikely.

    score(i | history) = sum_m w_m * score_m(i | history)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.base import Retriever
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

# Their ratios were chosen on validation NDCG@10 of ML-100K and ML-1M alike, SASRec's share among
# five and EASE's among three; large catalogs do without EASE, which cannot serve them. HSTU and
# SASRec, which see the same thing, have one voice together, so that the sum is no surer than it
# should be.
_SEQUENCES = {"hstu": 2 / 3, "sasrec": 1 / 3}
_WITH_EASE = {**_SEQUENCES, "ease": 2 / 3}
TUNED: dict[str, dict[str, float]] = {
    "default": _SEQUENCES,
    "ml-100k": _WITH_EASE,
    "ml-1m": _WITH_EASE,
}


class BlendRetriever:
    """The weighted sum of experts' scores, over the items that the first expert knows.

    Args:
        experts: Retrievers and their weights. An item that an expert does not know gets the
            lowest of that expert's scores.
    """

    name = "blend"

    def __init__(self, experts: Sequence[tuple[Retriever, float]]) -> None:
        self.items = experts[0][0].items
        self._experts = [(expert, weight, self._columns(expert)) for expert, weight in experts]

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; raises where one expert does."""
        total = np.zeros((len(histories), len(self.items)), np.float32)
        for expert, weight, columns in self._experts:
            scores = expert.score(histories)
            known = columns >= 0
            total[:, known] += weight * scores[:, columns[known]]
            if not known.all():
                total[:, ~known] += weight * scores.min(axis=1, keepdims=True)
        return total

    def _columns(self, expert: Retriever) -> NDArray[np.int64]:
        column = {item.id: at for at, item in enumerate(expert.items)}
        return np.array([column.get(item.id, -1) for item in self.items], np.int64)


def weights_for(dataset: str) -> Mapping[str, float]:
    """The experts of a data set by name, and the weight of each in the sum."""
    return TUNED.get(dataset, TUNED["default"])


def load(catalog: "Catalog", expert: Callable[[str], Retriever]) -> BlendRetriever:
    """The blend that serves a catalog.

    Args:
        catalog: The catalog; its data set decides who the experts are.
        expert: Loads a retriever by its name, or raises RetrieverUnavailableError.
    """
    weights = weights_for(catalog.dataset)
    return BlendRetriever([(expert(name), weight) for name, weight in weights.items()])


def missing(catalog: "Catalog", expert_missing: Callable[[str], str | None]) -> str | None:
    """Why an expert cannot serve the catalog, or None; ``expert_missing`` says it of one name."""
    reasons = map(expert_missing, weights_for(catalog.dataset))
    reason = next(filter(None, reasons), None)
    return f"the blend lacks an expert: {reason}" if reason else None
