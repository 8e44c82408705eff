"""A product of experts: the weighted sum of several retrievers' scores (Hinton 2002).

A retriever scores an item with its log-probability, up to a constant that is alike for all items
(`Retriever.score`). The weighted sum of such scores is the log-probability that the experts agree
on: an item stands high where none of them finds it unlikely.

    score(i | history) = sum_m w_m * score_m(i | history)
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.base import Retriever
from palr.settings import Settings
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
    """Serves the items that the first of ``experts`` knows; an item another lacks stands last."""

    name = "blend"

    def __init__(self, experts: Sequence[tuple[Retriever, float]]) -> None:
        self.items = experts[0][0].items
        self._experts = [(expert, weight, self._columns(expert)) for expert, weight in experts]

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """See `Retriever.score`; what one expert cannot score, the blend cannot."""
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
    """The experts of a data set and what each of them counts."""
    return TUNED.get(dataset, TUNED["default"])


def load(catalog: "Catalog", settings: Settings) -> BlendRetriever:
    """Load every expert, where none is `missing`; see `load_retriever` for the errors."""
    from palr.retrieval import load_retriever

    experts = [
        (load_retriever(name, catalog, settings), weight)
        for name, weight in weights_for(catalog.dataset).items()
    ]
    return BlendRetriever(experts)


def missing(catalog: "Catalog", settings: Settings) -> str | None:
    """Why an expert cannot serve the catalog, or None."""
    from palr.retrieval import RETRIEVERS

    reasons = (RETRIEVERS[name].missing(catalog, settings) for name in weights_for(catalog.dataset))
    reason = next((reason for reason in reasons if reason), None)
    return f"the blend lacks an expert: {reason}" if reason else None
