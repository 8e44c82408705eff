"""The protocol of a retriever: candidates retrieval in the paper's section 2.1.

A retriever only scores. `retrieve` masks seen items, breaks ties and cuts off at k for all alike;
the paper takes the top 50 of SASRec (section 3.2).
"""

from collections.abc import Mapping, Sequence
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
        """Score every item as the next one of each history.

        Scores are log-probabilities up to a constant of each history, or near that scale: an item
        that scores 1 higher is about e times as likely. So they can be added to those of another
        model (`palr.retrieval.blend`, `palr.ranking.mix`).

        Args:
            histories: Items of each user, oldest first; items it does not know are skipped.

        Returns:
            Scores (histories, items), higher is better.

        Raises:
            RetrieverUnavailableError: the model cannot score one of the histories at all (an empty
                one, or no known item in it).
        """
        ...


def retrieve(retriever: Retriever, history: Sequence[Item], k: int) -> tuple[Candidate, ...]:
    """The ``k`` best items that are not in the history, best first.

    Equal scores keep the order of ``retriever.items``, so the answer is deterministic.

    Args:
        retriever: Scores the items.
        history: A user's items, oldest first; they are masked.
        k: Number of candidates; fewer come back only where fewer unseen items exist.

    Raises:
        RetrieverUnavailableError: see `Retriever.score`; also where a score is not finite.
    """
    scores = finite_scores(retriever, history)
    seen = {item.id for item in history}
    items = retriever.items
    # The history can hide no more than its own length, so what remains holds the k best unseen.
    best = top_k(scores, k + len(seen))
    unseen = [at for at in best.tolist() if items[at].id not in seen][:k]
    return tuple(Candidate(items[at], rank, float(scores[at])) for rank, at in enumerate(unseen, 1))


def finite_scores(retriever: Retriever, history: Sequence[Item]) -> NDArray[np.float32]:
    """Scores (items,) for one history.

    Raises:
        RetrieverUnavailableError: see `Retriever.score`; also where a score is not finite.
    """
    scores = np.array(retriever.score([history])[0], dtype=np.float32)
    if not np.isfinite(scores).all():
        raise RetrieverUnavailableError(
            f"{retriever.name} gave scores that are not finite; retrain it"
        )
    return scores


def scored(
    retriever: Retriever, history: Sequence[Item], items: Sequence[Item]
) -> tuple[Candidate, ...]:
    """The given items as candidates, in their order, each with its score.

    Args:
        retriever: Scores the items; one that it does not know gets the lowest score of all.
        history: A user's items, oldest first.
        items: The candidates.

    Raises:
        RetrieverUnavailableError: see `Retriever.score`.
    """
    scores = np.array(retriever.score([history])[0], dtype=np.float32)
    known = {item.id: float(score) for item, score in zip(retriever.items, scores, strict=True)}
    lowest = float(scores.min())
    return tuple(
        Candidate(item, rank, known.get(item.id, lowest)) for rank, item in enumerate(items, 1)
    )


def top_k(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Indices of the ``k`` highest of scores (n,), best first; equal scores keep their order.

    >>> top_k(np.array([1, 3, 2, 3, 2], np.float32), 3).tolist()
    [1, 3, 2]
    """
    at = np.arange(len(scores))
    if 0 < k < len(scores):
        # Whatever ties with the k-th highest stays in the race until the stable sort.
        at = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return at[np.argsort(-scores[at], kind="stable")][:k]


def known_columns(
    name: str, column: Mapping[str, int], histories: Sequence[Sequence[Item]]
) -> list[NDArray[np.int64]]:
    """Each history as columns of the scores, unknown items left out.

    Args:
        name: The retriever's name, for the error.
        column: The column of each known item, by id.
        histories: Items of each user, oldest first.

    Raises:
        RetrieverUnavailableError: nothing of a history is left.
    """
    known = [
        np.array([column[item.id] for item in history if item.id in column], np.int64)
        for history in histories
    ]
    if not all(map(len, known)):
        raise RetrieverUnavailableError(
            f"{name} knows none of the picks (it learnt {len(column):,} items that "
            "enough people chose); add another pick or use the semantic retriever"
        )
    return known
