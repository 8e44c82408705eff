"""How retrievers are compared: full ranking of the held-out item (paper, section 3.1.2).

Every item of the split that the user has not seen competes with the held-out one; no negatives are
sampled. Seen items are masked in every model alike. Ties count against the model
(`palr.evaluation.metrics.ranks_in`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from palr.data.interactions import Split
from palr.data.progress import Progress, silent
from palr.errors import RetrieverUnavailableError
from palr.evaluation.metrics import LIST_LENGTH, NOTHING, mask_seen, ranks_in, summary
from palr.retrieval.base import top_k
from palr.types import Item

if TYPE_CHECKING:
    from palr.retrieval.base import Retriever

Part = Literal["validation", "test"]

_LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True)
class Evaluation:
    """What a model gave the users of one part, in the order of the part.

    Attributes:
        ranks: Rank of each user's target, from 1, (users,).
        lists: Items that each user would be shown, as indices of the split, (users,
            `LIST_LENGTH`); `NOTHING` where there are fewer.
        unserved: Users for whom the model had no answer. They count as misses: their rank is the
            last, and their list is empty.
        seconds: Time to score and rank all users.
    """

    ranks: NDArray[np.int64]
    lists: NDArray[np.int64]
    unserved: int
    seconds: float

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Every metric by its name, averaged over users."""
        return summary(self.ranks)


def evaluate(
    retriever: "Retriever",
    split: Split,
    catalog: Mapping[str, Item],
    part: Part = "test",
    batch_size: int = 256,
    progress: Progress = silent,
) -> Evaluation:
    """Rank every user's held-out item among the items of the split.

    Args:
        retriever: The model; items of the split that it does not know rank last.
        split: The split.
        catalog: The split's items by id.
        part: Which held-out items are ranked.
        batch_size: Users scored at once.
        progress: Is called with the users done.

    Raises:
        DataError: the retriever's scores are not finite.
    """
    started = time.perf_counter()
    items = [catalog[item_id] for item_id in split.item_ids]
    histories, targets = part_of(split, part)
    scorer = _Scorer(retriever, items)
    ranks = np.full(len(targets), len(items), np.int64)
    lists = np.full((len(targets), LIST_LENGTH), NOTHING, np.int64)
    # Users of like length share a batch, so that little of it is padding.
    order = np.argsort([len(history) for history in histories], kind="stable")
    unserved = 0
    for start in range(0, len(order), batch_size):
        users = order[start : start + batch_size]
        scores, served = scorer([histories[user] for user in users])
        unserved += len(users) - int(served.sum())
        users = users[served]
        masked = mask_seen(scores, [histories[user] for user in users])
        ranks[users] = ranks_in(masked, targets[users])
        for user, row in zip(users, masked, strict=True):
            best = top_k(row, LIST_LENGTH)
            best = best[row[best] > _LOWEST]
            lists[user, : len(best)] = best
        progress(retriever.name, min(start + batch_size, len(order)), len(order), "users")
    return Evaluation(ranks, lists, unserved, time.perf_counter() - started)


def part_of(split: Split, part: Part) -> tuple[Sequence[NDArray[np.int64]], NDArray[np.int64]]:
    """The histories of a part's users, and the targets (users,) that follow them."""
    if part == "test":
        return split.test_histories, split.test_targets
    return split.validation_histories, split.validation_targets


class _Scorer:
    """Scores in the columns of the split, whatever the order of the retriever's own items."""

    def __init__(self, retriever: "Retriever", items: Sequence[Item]) -> None:
        self.retriever, self.items = retriever, items
        column = {item.id: at for at, item in enumerate(retriever.items)}
        self.columns = np.array([column.get(item.id, -1) for item in items], np.int64)

    def __call__(
        self, histories: Sequence[NDArray[np.int64]]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores (served histories, items of the split), and which histories were served."""
        picks = [[self.items[at] for at in history] for history in histories]
        served = np.ones(len(picks), bool)
        try:
            raw = [self.retriever.score(picks)]
        except RetrieverUnavailableError:
            raw = []
            for at, history in enumerate(picks):
                try:
                    raw.append(self.retriever.score([history]))
                except RetrieverUnavailableError:
                    served[at] = False
        own = np.concatenate(raw) if raw else np.zeros((0, len(self.retriever.items)), np.float32)
        known = self.columns >= 0
        scores = np.full((len(own), len(self.items)), _LOWEST, np.float32)
        scores[:, known] = own[:, self.columns[known]]
        return scores, served
