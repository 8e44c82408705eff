"""Implicit feedback and the paper's preprocessing (sections 3.1.1 and 3.1.2).

Every rating becomes 1, duplicates are dropped, the rest is sorted by time with a stable sort, and
users and items with fewer than five interactions are removed again and again until none is left
(iterative 5-core). Leave-one-out: a user's last item is the test target, the one before it the
validation target.

Leave-one-out lets a model learn from what others did after a user's last item. The global-time
split does not: two moments in time part training, validation and test for everyone alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CORE = 5  # interactions that each user and item must have (paper, section 3.1.1)


@dataclass(frozen=True)
class Interactions:
    """Who interacted with what, in order of time over all users; ties in the source's order.

    Attributes:
        users: User of each interaction, as index of ``user_ids``, int64 (interactions,).
        items: Item of each interaction, as index of ``item_ids``, int64 (interactions,).
        user_ids: The source's names of users.
        item_ids: The source's names of items.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]

    @classmethod
    def from_rows(
        cls, users: Sequence[str], items: Sequence[str], times: Sequence[float]
    ) -> "Interactions":
        """Sort rows by time (stable) and keep the earliest of each (user, item).

        Args:
            users: User id of each row.
            items: Item id of each row.
            times: Time of each row, in any unit.
        """
        order = np.argsort(np.asarray(times, dtype=np.float64), kind="stable")
        user_ids, user_codes = _encode(users)
        item_ids, item_codes = _encode(items)
        pairs = user_codes[order] * max(len(item_ids), 1) + item_codes[order]
        first = np.sort(np.unique(pairs, return_index=True)[1])
        keep = order[first]
        return cls(user_codes[keep], item_codes[keep], user_ids, item_ids)

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def n_users(self) -> int:
        """Users with an interaction."""
        return len(np.unique(self.users))

    @cached_property
    def n_items(self) -> int:
        """Items with an interaction."""
        return len(np.unique(self.items))

    @cached_property
    def popularity(self) -> dict[str, int]:
        """Interactions by item id; items without any are absent."""
        codes, counts = np.unique(self.items, return_counts=True)
        return {self.item_ids[code]: int(count) for code, count in zip(codes, counts, strict=True)}

    def core(self, k: int = CORE) -> "Interactions":
        """The k-core: the largest subset with ``k`` interactions of every user and every item."""
        users, items = self.users, self.items
        while len(users):
            keep = (np.bincount(users)[users] >= k) & (np.bincount(items)[items] >= k)
            if keep.all():
                break
            users, items = users[keep], items[keep]
        return Interactions(users, items, self.user_ids, self.item_ids).compact()

    def compact(self) -> "Interactions":
        """The same rows, with only the ids that occur; both id tuples keep their order."""
        user_codes, users = np.unique(self.users, return_inverse=True)
        item_codes, items = np.unique(self.items, return_inverse=True)
        return Interactions(
            users.astype(np.int64),
            items.astype(np.int64),
            tuple(self.user_ids[code] for code in user_codes),
            tuple(self.item_ids[code] for code in item_codes),
        )

    def sequences(self) -> list[NDArray[np.int64]]:
        """Item indices of each user in order of time; entry ``u`` belongs to ``user_ids[u]``."""
        order = np.argsort(self.users, kind="stable")
        bounds = np.cumsum(np.bincount(self.users, minlength=len(self.user_ids)))[:-1]
        return np.split(self.items[order], bounds)


class Split(Protocol):
    """A training part and two held-out parts, as indices of ``item_ids``.

    ``train`` are users' sequences, oldest first. In either held-out part ``targets[u]``, of targets
    (users,), is the item that followed ``histories[u]``. Histories are never empty and never hold
    their target.
    """

    @property
    def item_ids(self) -> tuple[str, ...]: ...
    @property
    def train(self) -> Sequence[NDArray[np.int64]]: ...
    @property
    def validation_histories(self) -> Sequence[NDArray[np.int64]]: ...
    @property
    def validation_targets(self) -> NDArray[np.int64]: ...
    @property
    def test_histories(self) -> Sequence[NDArray[np.int64]]: ...
    @property
    def test_targets(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class LeaveOneOut:
    """Training prefixes and the two held-out items of each user, as indices of ``item_ids``.

    ``validation_targets[u]`` follows ``train[u]``; ``test_targets[u]`` follows both. Users have at
    least three interactions.
    """

    train: list[NDArray[np.int64]]
    validation_targets: NDArray[np.int64]
    test_targets: NDArray[np.int64]
    item_ids: tuple[str, ...]

    @property
    def validation_histories(self) -> list[NDArray[np.int64]]:
        return self.train

    @property
    def test_histories(self) -> list[NDArray[np.int64]]:
        return [
            np.append(prefix, target)
            for prefix, target in zip(self.train, self.validation_targets, strict=True)
        ]


def leave_one_out(interactions: Interactions) -> LeaveOneOut:
    """Hold out the last two items of each user (paper, section 3.1.2).

    Users with fewer than three interactions are left out.
    """
    sequences = [s for s in interactions.sequences() if len(s) >= 3]
    return LeaveOneOut(
        train=[s[:-2] for s in sequences],
        validation_targets=np.array([s[-2] for s in sequences], dtype=np.int64),
        test_targets=np.array([s[-1] for s in sequences], dtype=np.int64),
        item_ids=interactions.item_ids,
    )


@dataclass(frozen=True)
class GlobalTime:
    """A `Split` at two moments in time; its three parts may have different users."""

    train: list[NDArray[np.int64]]
    validation_histories: list[NDArray[np.int64]]
    validation_targets: NDArray[np.int64]
    test_histories: list[NDArray[np.int64]]
    test_targets: NDArray[np.int64]
    item_ids: tuple[str, ...]


def global_time(
    interactions: Interactions, train_share: float = 0.8, test_share: float = 0.1
) -> GlobalTime:
    """Split all users' interactions at two moments in time.

    Training is everything before the first moment. The target of a user who has a history before a
    moment is the first item after it: between the two for validation, after the second for test. A
    test history is all that precedes the second moment. Interactions in the same second as a moment
    are split in the source's order.

    Args:
        interactions: All interactions, in order of time.
        train_share: Share of the interactions before the first moment.
        test_share: Share of the interactions after the second.
    """
    n = len(interactions)
    validation, test = round(n * train_share), n - round(n * test_share)
    histories, targets = _first_after(interactions, validation, test)
    test_histories, test_targets = _first_after(interactions, test, n)
    return GlobalTime(
        train=[s for s in _rows(interactions, 0, validation).sequences() if len(s)],
        validation_histories=histories,
        validation_targets=targets,
        test_histories=test_histories,
        test_targets=test_targets,
        item_ids=interactions.item_ids,
    )


def _first_after(
    interactions: Interactions, moment: int, end: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """What users had before row ``moment``, and their first item from there to row ``end``."""
    before = _rows(interactions, 0, moment).sequences()
    after = _rows(interactions, moment, end).sequences()
    pairs = [(b, a[0]) for b, a in zip(before, after, strict=True) if len(b) and len(a)]
    return [b for b, _ in pairs], np.array([first for _, first in pairs], dtype=np.int64)


def _rows(interactions: Interactions, start: int, end: int) -> Interactions:
    users, items = interactions.users[start:end], interactions.items[start:end]
    return replace(interactions, users=users, items=items)


def _encode(names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Distinct names in order of first appearance, and each row's index into them."""
    index: dict[str, int] = {}
    codes = np.fromiter(
        (index.setdefault(name, len(index)) for name in names), np.int64, len(names)
    )
    return tuple(index), codes
