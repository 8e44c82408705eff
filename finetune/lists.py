"""The lists that a language model is asked to order, and the orders it gave, kept user by user.

They derive from single users' interactions, so they stay in the home and are never shipped. A run
that is killed loses at most the list it was at.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from palr.errors import RetrieverUnavailableError
from palr.evaluation.metrics import DEEPEST
from palr.evaluation.protocol import Part, part_of
from palr.retrieval.base import Retriever, retrieve
from palr.retrieval.splits import TrainingData
from palr.types import Candidate, Item

if TYPE_CHECKING:
    from palr.catalog import Catalog

MISS = DEEPEST + 1  # the rank of a target that was not retrieved


@dataclass(frozen=True)
class Case:
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
    """A fixed random sample of users in random order; all of them where fewer are there."""
    return [int(user) for user in np.random.default_rng([seed, 17]).permutation(n_users)[:wanted]]


def cases(
    retriever: Retriever,
    data: TrainingData,
    catalog: "Catalog",
    users: Sequence[int],
    part: Part,
    n_candidates: int,
) -> list[Case]:
    """Retrieve for each user as the app does; nothing is added to what comes out."""
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
        found.append(Case(user, history, candidates, rank))
    return found


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


def mixed(order: Order, candidates: Sequence[Candidate], weights: NDArray[np.float64]) -> Order:
    """The candidates by the weighted sum of the model's and the retriever's log-probabilities."""
    features = log_odds(order, candidates)
    best = np.argsort(-(features @ weights), kind="stable")
    return Order(order.user, tuple(int(at) + 1 for at in best), (), order.valid, order.seconds)


def log_odds(order: Order, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """(candidates, 2) in the retriever's order: log-probability within the list, by the model and
    by the retriever. A candidate that the model could not score gets its lowest."""
    model = np.full(len(candidates), min(order.scores))
    model[np.array(order.places) - 1] = order.scores
    retriever = np.array([candidate.score for candidate in candidates], np.float64)
    return np.stack([_log_softmax(model), _log_softmax(retriever)], axis=1)


def fit_mix(
    features: Sequence[NDArray[np.float64]], targets: Sequence[int], steps: int = 30
) -> NDArray[np.float64]:
    """Weights (2,) under which the targets are likeliest: a conditional logit (McFadden 1974).

    ``features[n]`` is (candidates, 2), ``targets[n]`` the position of the target among them.
    Newton's method from the retriever alone; a small ridge keeps it finite.
    """
    weights, ridge = np.array([0.0, 1.0]), 1e-3
    for _ in range(steps):
        gradient, hessian = -ridge * weights, ridge * np.eye(2)
        for rows, target in zip(features, targets, strict=True):
            p = np.exp(_log_softmax(rows @ weights))
            mean = p @ rows
            gradient = gradient + rows[target] - mean
            hessian = hessian + (rows - mean).T @ ((rows - mean) * p[:, None])
        step = np.linalg.solve(hessian, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def overlap(first: Order, second: Order, k: int = 10) -> float:
    """The share of the top ``k`` that two orders have in common."""
    shared = set(first.places[:k]) & set(second.places[:k])
    return len(shared) / max(min(k, len(first.places)), 1)


def kendall_tau(first: Order, second: Order, k: int = 10) -> float:
    """Kendall's tau of two orders over what both have in their top ``k``; 0 below two items.

    >>> a, b = (Order(0, places, (), True, 0.0) for places in ((1, 2, 3), (1, 3, 2)))
    >>> round(kendall_tau(a, b), 3)
    0.333
    """
    place = {item: at for at, item in enumerate(second.places[:k])}
    shared = [place[item] for item in first.places[:k] if item in place]
    pairs = [(a, b) for at, a in enumerate(shared) for b in shared[at + 1 :]]
    return sum(1 if a < b else -1 for a, b in pairs) / len(pairs) if pairs else 0.0


def _log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = values - values.max()
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return result
