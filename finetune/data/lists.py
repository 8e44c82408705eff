"""The lists that a language model is asked to order, and the orders it gave, kept user by user.

They derive from single users' interactions, so they stay in the home and are never shipped. A run
that is killed loses at most the list it was at.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from finetune.data.logit import fit_logit
from palr.errors import RetrieverUnavailableError
from palr.evaluation.metrics import DEEPEST
from palr.evaluation.protocol import Part, part_of
from palr.ranking.mix import ScoreMix, best_first, log_odds, standardised
from palr.retrieval.base import Retriever, retrieve
from palr.retrieval.splits import TrainingData
from palr.types import Candidate, Item

if TYPE_CHECKING:
    from palr.catalog.catalog import Catalog

MISS = DEEPEST + 1  # the rank of a target that was not retrieved


@dataclass(frozen=True)
class UserList:
    """A user's history and candidates; ``rank`` is the target's among them, or `MISS`."""

    user: int
    history: tuple[Item, ...]
    candidates: tuple[Candidate, ...]
    rank: int

    @property
    def hit(self) -> bool:
        return self.rank != MISS


@dataclass(frozen=True)
class Order:
    """``places`` are retriever's ranks in the model's order, best first; ``scores`` the model's, in
    that order, empty where the mode gives none that can be mixed. ``valid`` says whether the answer
    named ten distinct candidates (or all of them) and nothing else."""

    user: int
    places: tuple[int, ...]
    scores: tuple[float, ...]
    valid: bool
    seconds: float


_ORDER: TypeAdapter[Order] = TypeAdapter(Order)


def sample(n_users: int, wanted: int, seed: int) -> list[int]:
    """A fixed random sample of users.

    Args:
        n_users: How many there are.
        wanted: How many are drawn; all where fewer are there.
        seed: Names the draw.

    Returns:
        Positions of users in random order.
    """
    return [int(user) for user in np.random.default_rng([seed, 17]).permutation(n_users)[:wanted]]


def user_lists(
    retriever: Retriever,
    data: TrainingData,
    catalog: "Catalog",
    users: Sequence[int],
    part: Part,
    n_candidates: int,
) -> list[UserList]:
    """Retrieve for each user as the app does; nothing is added to what comes out.

    Args:
        retriever: That finds the candidates.
        data: The users and what was held out.
        catalog: Whose items are meant.
        users: Positions of the users.
        part: Validation or test.
        n_candidates: Candidates a user.
    """
    items = [catalog.item(item) for item in data.item_ids]
    histories, targets = part_of(data.split, part)
    found = []
    for user in users:
        history = tuple(items[at] for at in histories[user])
        try:
            candidates = retrieve(retriever, history, n_candidates)
        except RetrieverUnavailableError:
            candidates = ()
        wanted = items[targets[user]].id
        rank = next((c.rank for c in candidates if c.item.id == wanted), MISS)
        found.append(UserList(user, history, candidates, rank))
    return found


def digest(lists: Sequence[UserList]) -> str:
    """A checksum of who got which candidates in which order."""
    lines = "\n".join(
        " ".join([str(entry.user), *(c.item.id for c in entry.candidates)]) for entry in lists
    )
    return hashlib.sha256(lines.encode()).hexdigest()


def rank_in(order: Order, rank: int, n_candidates: int) -> int:
    """The target's place in the model's order; what the model did not name follows in the
    retriever's order.

    >>> order = Order(0, (3, 1), (), True, 0.0)
    >>> [rank_in(order, rank, 4) for rank in (1, 2, 3, 4)]
    [2, 3, 1, 4]
    """
    if rank == MISS:
        return MISS
    named = set(order.places)
    rest = [place for place in range(1, n_candidates + 1) if place not in named]
    return [*order.places, *rest].index(rank) + 1


class Kept:
    """A file of orders, one a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.orders: dict[int, Order] = {}
        if path.is_file():
            for line in path.read_bytes().splitlines():
                try:
                    order = _ORDER.validate_json(line)
                except ValidationError:  # cut off by a kill
                    continue
                self.orders[order.user] = order

    def add(self, order: Order) -> None:
        """Keep an order; it is on disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            # On a line of its own, whatever a kill left behind.
            stream.write(b"\n" + _ORDER.dump_json(order))
        self.orders[order.user] = order


class KeptProfiles:
    """A file of profiles, one user a line: keywords and text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.profiles: dict[int, tuple[tuple[str, ...], str]] = {}
        if path.is_file():
            for line in path.read_text().splitlines():
                try:
                    user, keywords, text = json.loads(line)
                except ValueError:  # cut off by a kill, or empty
                    continue
                self.profiles[user] = (tuple(keywords), text)

    def add(self, user: int, keywords: Sequence[str], text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as stream:
            stream.write("\n" + json.dumps([user, list(keywords), text]))
        self.profiles[user] = (tuple(keywords), text)


def served(order: Order, candidates: Sequence[Candidate], mix: ScoreMix) -> Order:
    """The order in which the app serves what an adapter scored, with the retriever's scores added.

    >>> from palr.types import Item
    >>> candidates = [Candidate(Item("a", "A"), 1, 3.0), Candidate(Item("b", "B"), 2, 1.0)]
    >>> served(Order(0, (2, 1), (-0.3, -1.3), True, 0.0), candidates, ScoreMix(1.0)).places
    (1, 2)
    """
    scores = mix.add(order.scores, [candidates[at - 1] for at in order.places])
    ranked = sorted(zip(scores, order.places, strict=True), key=lambda pair: (-pair[0], pair[1]))
    return replace(
        order,
        places=tuple(place for _, place in ranked),
        scores=tuple(score for score, _ in ranked),
    )


def mixed(
    order: Order,
    candidates: Sequence[Candidate],
    weights: NDArray[np.float64],
    standardise: bool = False,
) -> Order:
    """The candidates by the weighted sum of `order_log_odds`.

    Args:
        order: The model's order.
        candidates: In the retriever's order.
        weights: (2,) of the model and of the retriever.
        standardise: Whether the model's scores are standardised first.
    """
    best = best_first(order_log_odds(order, candidates, standardise), weights)
    return Order(order.user, tuple(at + 1 for at in best), (), order.valid, order.seconds)


def order_log_odds(
    order: Order, candidates: Sequence[Candidate], standardise: bool = False
) -> NDArray[np.float64]:
    """`palr.ranking.mix.log_odds` of an order.

    Args:
        order: The model's order.
        candidates: In the retriever's order.
        standardise: Whether the model's scores get a standard deviation of 1 first.

    Returns:
        (candidates, 2), in the retriever's order.
    """
    scores = standardised(np.array(order.scores)).tolist() if standardise else order.scores
    return log_odds(order.places, scores, [candidate.score for candidate in candidates])


def mix_features(
    lists: Sequence[tuple[UserList, Order]], standardise: bool
) -> tuple[list[NDArray[np.float64]], list[int]]:
    """`order_log_odds` of lists that hold their target, and its position, for `fit_mix`."""
    features = [order_log_odds(order, entry.candidates, standardise) for entry, order in lists]
    return features, [entry.rank - 1 for entry, _ in lists]


def fit_mix(features: Sequence[NDArray[np.float64]], targets: Sequence[int]) -> NDArray[np.float64]:
    """Weights (2,) of `order_log_odds` under which the targets, positions in the retriever's order,
    are likeliest."""
    return fit_logit(features, targets, np.array([0.0, 1.0]))  # from the retriever alone
