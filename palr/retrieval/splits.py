"""What retrievers are trained and evaluated on: the 5-core of a catalog, split by a protocol.

Items and users are put in the order of their ids. Weights then need no list of item ids, and a
training does not depend on the order in which a database returned its rows.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palr.data.interactions import CORE, Interactions, Split, global_time, leave_one_out
from palr.errors import PalrError, RetrieverUnavailableError
from palr.types import Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

LEAVE_ONE_OUT, GLOBAL_TIME = "leave-one-out", "global-time"
PROTOCOLS: dict[str, Callable[[Interactions], Split]] = {
    LEAVE_ONE_OUT: leave_one_out,
    GLOBAL_TIME: global_time,
}


@dataclass(frozen=True)
class TrainingData:
    """A split of a data set's 5-core.

    Attributes:
        dataset: Key of the data set.
        protocol: How it was split, one of `PROTOCOLS`.
        split: Training part and held-out items, as indices of ``item_ids``.
        n_users: Users of the whole 5-core.
        n_items: Items of the whole 5-core.
        n_interactions: Interactions of the whole 5-core, the held-out ones included.
        checksum: SHA-256 over who interacted with what in which order.
    """

    dataset: str
    protocol: str
    split: Split
    n_users: int
    n_items: int
    n_interactions: int
    checksum: str

    @property
    def item_ids(self) -> tuple[str, ...]:
        return self.split.item_ids


def training_data(catalog: "Catalog", protocol: str = LEAVE_ONE_OUT) -> TrainingData:
    """Preprocess and split the interactions of a catalog (paper, sections 3.1.1 and 3.1.2).

    Args:
        catalog: The catalog.
        protocol: One of `PROTOCOLS`; the paper's is leave-one-out.

    Raises:
        PalrError: the protocol is none of `PROTOCOLS`.
        RetrieverUnavailableError: the catalog has no interactions, or none survive the 5-core.
    """
    check_protocol(protocol)
    core = core_interactions(catalog)
    if not len(core):
        raise RetrieverUnavailableError(
            f"{catalog.dataset} has no users and items with {CORE} interactions each; "
            "use the semantic retriever"
        )
    return TrainingData(
        dataset=catalog.dataset,
        protocol=protocol,
        split=PROTOCOLS[protocol](core),
        n_users=core.n_users,
        n_items=core.n_items,
        n_interactions=len(core),
        checksum=_checksum(core),
    )


def check_protocol(protocol: str) -> None:
    """Raise PalrError, naming the known protocols, unless this is one of them."""
    if protocol not in PROTOCOLS:
        raise PalrError(f"unknown protocol {protocol!r}; choose one of: {', '.join(PROTOCOLS)}")


def core_item_ids(catalog: "Catalog") -> tuple[str, ...]:
    """Ids of the 5-core's items, sorted; raises RetrieverUnavailableError without interactions."""
    return core_interactions(catalog).item_ids


def in_id_order(interactions: Interactions) -> Interactions:
    """The same rows, with users and items numbered in the order of their ids."""
    users = np.argsort(np.array(interactions.user_ids, dtype=object), kind="stable")
    items = np.argsort(np.array(interactions.item_ids, dtype=object), kind="stable")
    return Interactions(
        np.argsort(users)[interactions.users].astype(np.int64),
        np.argsort(items)[interactions.items].astype(np.int64),
        tuple(interactions.user_ids[at] for at in users),
        tuple(interactions.item_ids[at] for at in items),
    )


def fingerprint(item_ids: Iterable[str]) -> str:
    """A checksum of item ids in their order, as sixteen hex digits."""
    return hashlib.sha256("\n".join(item_ids).encode()).hexdigest()[:16]


def core_interactions(catalog: "Catalog") -> Interactions:
    """The 5-core, in id order; raises RetrieverUnavailableError without interactions."""
    if not catalog.has_interactions:
        raise RetrieverUnavailableError(
            f"{catalog.dataset} has no interactions to learn from; use the semantic retriever"
        )
    return in_id_order(catalog.interactions().core())


def core_to_serve(catalog: "Catalog") -> tuple[list[Item], list[NDArray[np.int64]]]:
    """The whole 5-core, for a retriever that serves what all interactions say.

    Returns:
        Its items, and each user's sequence of indices into them, oldest first.

    Raises:
        RetrieverUnavailableError: there are no interactions, or none survive the 5-core.
    """
    core = core_interactions(catalog)
    if not len(core):
        raise RetrieverUnavailableError(
            f"too few people chose the same items of {catalog.dataset}; use the semantic retriever"
        )
    return [catalog.item(item_id) for item_id in core.item_ids], core.sequences()


def _checksum(interactions: Interactions) -> str:
    digest = hashlib.sha256()
    for user, sequence in zip(interactions.user_ids, interactions.sequences(), strict=True):
        line = "\t".join([user, *(interactions.item_ids[item] for item in sequence)])
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
