"""Negatives like the targets (paper, section 2.2): of the same genre or category, or chosen by the
same users. What a retriever would propose instead is drawn in `finetune.data.drawn_lists`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from finetune.data.augment import Graph
from palr.types import Item

POOL = 100  # the nearest items of each kind from which negatives are drawn


class Similar:
    """Items near a target; ``items[i]`` belongs to index ``i`` of the graph."""

    def __init__(self, items: Sequence[Item], graph: Graph) -> None:
        self._graph = graph
        self._keywords = [frozenset(item.keywords) for item in items]
        self._carriers: dict[str, list[int]] = defaultdict(list)
        for at, keywords in enumerate(self._keywords):
            for keyword in keywords:
                self._carriers[keyword].append(at)
        self._popularity = np.array([len(users) for users in graph.users_of], np.int64)
        self.same_kind = lru_cache(maxsize=None)(self._same_kind)
        self.co_chosen = lru_cache(maxsize=None)(self._co_chosen)

    def _same_kind(self, item: int) -> tuple[int, ...]:
        """Up to `POOL` items that share the most keywords, the more popular first among equals."""
        shared = np.zeros(len(self._keywords), np.int64)
        for keyword in self._keywords[item]:
            shared[self._carriers[keyword]] += 1
        return _best(shared, self._popularity, item)

    def _co_chosen(self, item: int) -> tuple[int, ...]:
        """Up to `POOL` items that the most users of ``item`` chose too."""
        return _best(self._graph.co_chosen(item), self._popularity, item)


def similar_negatives(
    similar: Similar,
    targets: Sequence[int],
    without: Collection[int],
    n: int,
    rng: np.random.Generator,
) -> list[int]:
    """Distinct negatives, in turn of the same kind as a target and chosen with one.

    Where these run out, other items are drawn at random.

    Args:
        similar: Items of one kind, and items chosen together.
        targets: Items whose like is wanted.
        without: Items that must not come.
        n: How many are wanted; fewer come only when the catalog has no more.
        rng: Draws them.
    """
    taken = {*targets, *without}
    pools = [pool(t) for t in targets for pool in (similar.same_kind, similar.co_chosen)]
    turns = [[pool[at] for at in rng.permutation(len(pool))] for pool in pools]
    found: list[int] = []
    while len(found) < n and any(turns):
        for turn in turns:
            while turn and turn[-1] in taken:
                turn.pop()
            if turn and len(found) < n:
                found.append(turn.pop())
                taken.add(found[-1])
    if len(found) < n:
        rest = [at for at in range(len(similar._keywords)) if at not in taken]
        found += [rest[at] for at in rng.permutation(len(rest))[: n - len(found)]]
    return found


def _best(counts: NDArray[np.int64], popularity: NDArray[np.int64], item: int) -> tuple[int, ...]:
    counts[item] = 0
    order = np.lexsort((-popularity, -counts))[:POOL]
    return tuple(int(at) for at in order if counts[at])
