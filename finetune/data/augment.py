"""The paper's two augmentations (section 2.2): enriched short lists and swapped items."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finetune.data.tasks import Cut

Sequences = Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class Graph:
    """Who chose what in the training part: ``train[u]`` are the items of user ``u``."""

    train: Sequences
    n_items: int

    @cached_property
    def users_of(self) -> list[NDArray[np.int64]]:
        """The users of each item, ascending."""
        users = np.repeat(np.arange(len(self.train)), [len(s) for s in self.train])
        items = np.concatenate(self.train) if self.train else np.zeros(0, np.int64)
        order = np.argsort(items, kind="stable")
        bounds = np.cumsum(np.bincount(items, minlength=self.n_items))[:-1]
        return list(np.split(users[order], bounds))

    def co_chosen(self, item: int) -> NDArray[np.int64]:
        """By how many users of ``item`` each item was chosen, shape (n_items,); 0 for itself."""
        counts = np.zeros(self.n_items, np.int64)
        for user in self.users_of[item]:
            counts[self.train[user]] += 1
        counts[item] = 0
        return counts


def three_hop(graph: Graph, user: int, limit: int) -> list[int]:
    """The user's 3-hop affinity: user - item - user - item.

    Items reached over the most paths come first, equal ones by index; the user's own are left out.

    Args:
        graph: Which user chose which item.
        user: The position of the user.
        limit: How many items are wanted.
    """
    own = graph.train[user]
    paths = np.zeros(graph.n_items, np.int64)
    for item in own:
        for other in graph.users_of[item]:
            if other != user:
                paths[graph.train[other]] += 1
    paths[own] = 0
    order = np.argsort(-paths, kind="stable")[:limit]
    return [int(item) for item in order if paths[item]]


def enrich(sequence: Sequence[str], affinity: Sequence[str], length: int) -> tuple[str, ...]:
    """A short list brought to ``length`` with items of the user's affinity, the nearest first.

    They go to the front, as if chosen longest ago: what comes last stays what the user did choose.

    >>> enrich("xy", "abc", 4)
    ('a', 'b', 'x', 'y')
    """
    missing = max(length - len(sequence), 0)
    return (*affinity[:missing], *sequence)


def swap(cut: Cut, rate: float, rng: np.random.Generator) -> Cut:
    """Let items of the answer change places with random ones of the history (paper, section 2.2).

    Args:
        cut: History and answer.
        rate: The probability of each item of the answer to change places.
        rng: Draws them.
    """
    history, answer = list(cut.history), list(cut.answer)
    for at in range(len(answer)):
        if history and rng.random() < rate:
            other = int(rng.integers(len(history)))
            history[other], answer[at] = answer[at], history[other]
    return Cut(tuple(history), tuple(answer))
