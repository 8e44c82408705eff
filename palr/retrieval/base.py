"""The one protocol behind which every retrieval model stands (paper, section 3.2).

A model only scores: `retrieve` masks what was already seen, breaks ties and cuts, alike for all.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palr.errors import RetrieverUnavailableError
from palr.types import Candidate, Item


class Retriever(Protocol):
    """Scores every item it knows for any history, known user or not."""

    @property
    def name(self) -> str:
        """Its key in `RETRIEVERS`."""
        ...

    @property
    def items(self) -> tuple[Item, ...]:
        """The items it can return; position ``i`` belongs to column ``i`` of the scores."""
        ...

    def score(self, histories: Sequence[Sequence[Item]]) -> NDArray[np.float32]:
        """Scores of shape (len(histories), len(items)), higher is better.

        Histories run oldest first; items the model does not know are skipped.

        Raises:
            RetrieverUnavailableError: the model cannot score one of the histories at all (an empty
                one, or no known item in it).
        """
        ...


def retrieve(retriever: Retriever, history: Sequence[Item], k: int) -> tuple[Candidate, ...]:
    """The ``k`` best items that are not in the history, best first.

    Seen items are masked in every retriever alike. Equal scores keep the order of
    ``retriever.items``, so the answer is deterministic. Fewer than ``k`` come back only when
    fewer unseen items exist.

    Raises:
        RetrieverUnavailableError: see `Retriever.score`; also where a score is not finite.
    """
    scores = np.array(retriever.score([history])[0], dtype=np.float32)
    if not np.isfinite(scores).all():
        raise RetrieverUnavailableError(
            f"{retriever.name} gave scores that are not finite; retrain it"
        )
    seen = {item.id for item in history}
    order = np.argsort(-scores, kind="stable")
    items = retriever.items
    unseen = islice((int(i) for i in order if items[i].id not in seen), k)
    return tuple(
        Candidate(items[i], rank, float(scores[i])) for rank, i in enumerate(unseen, start=1)
    )
