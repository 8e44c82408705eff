"""Steering: what a visitor asks for, and what the profile says, move the scores of any retriever.

A retriever's scores are log-probabilities, p(i) = softmax(s)_i. Each keyword or request names a set
S of items, whose probability is m = p(S), and asks for another, t. The least change of p, in
Kullback-Leibler divergence, adds the same to the score of every item of S:

    s'(i) = s(i) + sum_S logit_S [i in S],   logit_S = log(t / (1 - t)) - log(m / (1 - m))

    more of S:    1 - t = (1 - m) (1 - strength)²
    less of S:        t = m (1 - strength)²
    the profile:      t = m + weight h (h - m),  h = the share of the picks in S, where h > m

Strength 0 changes nothing; at 1 only what was asked for is left. A keyword of the profile counts
where the picks carry it more often than the retriever's own list does (as in Steck's calibrated
recommendations, 2018), the more, the more of them do. The profile comes first, and a wish is
measured on what it has moved, so that it does not hold a wish back. Years and items that were seen
exclude.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from palr.retrieval.base import Retriever, finite_scores, top_k
from palr.types import Candidate, Item, Shift, Wish

FLOOR = 1e-6  # of (1 - strength)², and of any probability
ROUNDING = 1e-9  # of a target that changes nothing
WELL_KNOWN = 0.2  # the share of a catalog that counts as well known
KINDRED = 0.01  # the share of a catalog that is of an item's kind
MIN_KINDRED = 20
REDUNDANCY = 4.0  # what a twin of a better candidate loses at variety 1
DEPTH = 200  # candidates among which variety is looked for

Scores = NDArray[np.float64]
Likeness = Callable[[Sequence[Item], Sequence[Item]], NDArray[np.float32]]
"""Cosine (n, m) between the texts of n and of m items."""
Target = Callable[[float], float]
Request = tuple[str, str, NDArray[np.int64], Target]

_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Taste:
    """What a profile says, as steering uses it.

    Attributes:
        shares: The share of the picks that carry each keyword of the profile.
        weight: From 0, the profile does not count, to 1.
    """

    shares: tuple[tuple[str, float], ...] = ()
    weight: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.shares) and self.weight > 0

    def target(self, share: float) -> "Target":
        """The probability that a keyword asks for which this share of the picks carry."""
        return lambda m: m + self.weight * share * (share - m) if share > m else m


NO_TASTE = Taste()


@dataclass(frozen=True)
class Steered:
    """Scores after steering.

    Attributes:
        scores: (items,), minus infinity for what is excluded.
        added: (items,), the part of the scores that steering added; 0 for what is excluded.
        shifts: Each part of it, those of the profile first.
    """

    scores: Scores
    added: Scores
    shifts: tuple[Shift, ...]


class ItemSets:
    """The sets of a retriever's items that steering speaks of, each made when first asked for.

    Args:
        items: The retriever's items, n of them.
        likeness: Needed only where a wish names liked or disliked items, or variety.
    """

    def __init__(self, items: Sequence[Item], likeness: Likeness | None = None) -> None:
        self.items = items
        self.likeness = likeness

    def with_likeness(self, likeness: Likeness | None) -> "ItemSets":
        """The same sets, with another way to tell how alike items are."""
        other = copy.copy(self)
        other.likeness = likeness
        return other

    def steer(
        self,
        scores: NDArray[np.float32],
        wish: Wish,
        taste: Taste = NO_TASTE,
        hidden: NDArray[np.bool_] | None = None,
    ) -> Steered:
        """Move a retriever's scores as a wish and a profile ask.

        Args:
            scores: (n,) log-probabilities but for a constant.
            wish: What is asked for.
            taste: What the profile says; a keyword that the wish names is left to the wish.
            hidden: (n,) True for items that cannot come in any case, such as the picks.

        Returns:
            The scores, and how they came about.
        """
        base = scores.astype(np.float64)
        excluded = self.excluded(wish)
        if hidden is not None:
            excluded |= hidden
        added = np.zeros(len(self.items))
        shifts: list[Shift] = []
        for requests in (self._of_profile(wish, taste), self._of_wish(wish)):
            p = _softmax(np.where(excluded, -np.inf, base + added))
            for source, name, members, target in requests:
                before = float(np.clip(p[members].sum(), FLOOR, 1 - FLOOR))
                after = float(np.clip(target(before), FLOOR, 1 - FLOOR))
                logit = _logit(after) - _logit(before)
                if len(members) and abs(logit) > ROUNDING:
                    added[members] += logit
                    shifts.append(Shift(source, name, before, after, logit))
        added[excluded] = 0.0
        moved = np.where(excluded, -np.inf, base + added)
        if wish.variety and self.likeness is not None:
            penalty = self._redundancy(moved, wish.variety, self.likeness)
            added, moved = added - penalty, moved - penalty
        return Steered(moved, added, tuple(shifts))

    def excluded(self, wish: Wish) -> NDArray[np.bool_]:
        """(n,) True for what a wish rules out: items seen or disliked, and other years.

        Where no item has a year, years rule out nothing.
        """
        excluded = np.zeros(len(self.items), bool)
        gone = [self._row[id] for id in (*wish.seen, *wish.disliked) if id in self._row]
        excluded[gone] = True
        if wish.years and self._years.any():
            first, last = wish.years
            excluded |= (self._years < first) | (self._years > last)
        return excluded

    def _of_profile(self, wish: Wish, taste: Taste) -> Iterator[Request]:
        """Each part of the profile: where it comes from, its name, its set, and its target."""
        for name, share in taste.shares if taste else ():
            if name not in wish.more and name not in wish.less:
                yield "profile", name, self._carriers(name), taste.target(share)

    def _of_wish(self, wish: Wish) -> Iterator[Request]:
        """Each part of a wish, likewise."""
        more, less = _targets(wish.strength)
        for name in wish.more:
            yield "more", name, self._carriers(name), more
        for name in wish.less:
            yield "less", name, self._carriers(name), less
        if wish.popularity:
            up, down = _targets(wish.strength * abs(wish.popularity))
            yield "popularity", "", self._well_known, up if wish.popularity > 0 else down
        if self.likeness is not None:
            for source, ids, target in (
                ("liked", wish.liked, more),
                ("disliked", wish.disliked, less),
            ):
                for id in ids:
                    if id in self._row:
                        yield source, id, self._kindred(self._row[id], self.likeness), target

    def _carriers(self, keyword: str) -> NDArray[np.int64]:
        return self._by_keyword.get(keyword, _NOTHING)

    @cached_property
    def _by_keyword(self) -> dict[str, NDArray[np.int64]]:
        rows = defaultdict(list)
        for row, item in enumerate(self.items):
            for keyword in set(item.keywords):
                rows[keyword].append(row)
        return {keyword: np.array(at, np.int64) for keyword, at in rows.items()}

    @cached_property
    def _row(self) -> dict[str, int]:
        return {item.id: row for row, item in enumerate(self.items)}

    @cached_property
    def _years(self) -> NDArray[np.int64]:
        """(n,) 0 where it is not known."""
        return np.array([item.year or 0 for item in self.items], np.int64)

    @cached_property
    def _well_known(self) -> NDArray[np.int64]:
        chosen = np.array([item.popularity for item in self.items], np.float64)
        return np.flatnonzero(chosen > np.quantile(chosen, 1 - WELL_KNOWN))

    def _kindred(self, row: int, likeness: Likeness) -> NDArray[np.int64]:
        """The items nearest in meaning to one of them, itself among them."""
        near = likeness(self.items, [self.items[row]])[:, 0]
        n = max(MIN_KINDRED, round(KINDRED * len(self.items)))
        return np.argsort(-near, kind="stable")[:n]

    def _redundancy(self, scores: Scores, variety: float, likeness: Likeness) -> Scores:
        """(n,) What each of the best items loses for being like one that is chosen before it.

        Maximal marginal relevance (Carbonell and Goldstein, 1998), with the penalty
        variety * REDUNDANCY * max(0, cosine).
        """
        order = np.argsort(-scores, kind="stable")[:DEPTH]
        best = order[np.isfinite(scores[order])]
        shown = [self.items[at] for at in best]
        alike = variety * REDUNDANCY * np.maximum(likeness(shown, shown), 0.0)
        penalty = np.zeros(len(best))
        left = np.ones(len(best), bool)
        for _ in best:
            first = int(np.argmax(np.where(left, scores[best] - penalty, -np.inf)))
            left[first] = False
            penalty[left] = np.maximum(penalty[left], alike[left, first])
        whole = np.zeros(len(self.items))
        whole[best] = penalty
        return whole


def retrieve_steered(
    retriever: Retriever,
    history: Sequence[Item],
    k: int,
    wish: Wish,
    taste: Taste = NO_TASTE,
    likeness: Likeness | None = None,
) -> tuple[tuple[Candidate, ...], tuple[Shift, ...]]:
    """The ``k`` best items that are neither in the history nor ruled out, and how they moved.

    Args:
        retriever: Whose scores are steered.
        history: Oldest first; its items do not come back.
        k: How many candidates are wanted; fewer come where fewer are left.
        wish: What is asked for.
        taste: What the profile says.
        likeness: See `ItemSets`.

    Raises:
        RetrieverUnavailableError: see `Retriever.score`; also where a score is not finite.
    """
    steered = steered_scores(retriever, history, wish, taste, likeness)
    best = [at for at in top_k(steered.scores, k).tolist() if steered.scores[at] > -np.inf]
    candidates = tuple(
        Candidate(retriever.items[at], rank, float(steered.scores[at]), float(steered.added[at]))
        for rank, at in enumerate(best, 1)
    )
    return candidates, steered.shifts


def score_steered(
    retriever: Retriever,
    history: Sequence[Item],
    candidates: Sequence[Candidate],
    wish: Wish,
    taste: Taste = NO_TASTE,
    likeness: Likeness | None = None,
) -> tuple[tuple[Candidate, ...], tuple[Shift, ...]]:
    """Given candidates in their order, with what steering adds to their scores; none is left out.

    Args and errors are those of `retrieve_steered`.
    """
    steered = steered_scores(retriever, history, wish, taste, likeness)
    ids = (item.id for item in retriever.items)
    added = dict(zip(ids, map(float, steered.added), strict=True))
    moved = []
    for candidate in candidates:
        # An item that the retriever does not know is moved by its keywords.
        by_keyword = (s.logit for s in steered.shifts if s.name in candidate.item.keywords)
        known = added.get(candidate.item.id)
        more = sum(by_keyword) if known is None else known
        moved.append(replace(candidate, score=candidate.score + more, steer=more))
    return tuple(moved), steered.shifts


def steered_scores(
    retriever: Retriever,
    history: Sequence[Item],
    wish: Wish,
    taste: Taste = NO_TASTE,
    likeness: Likeness | None = None,
) -> Steered:
    """A retriever's scores for one history after steering.

    Args and errors are those of `retrieve_steered`.
    """
    scores = finite_scores(retriever, history)
    sets = _sets.setdefault(retriever, ItemSets(retriever.items)).with_likeness(likeness)
    seen = {item.id for item in history}
    hidden = np.array([item.id in seen for item in retriever.items], bool)
    return sets.steer(scores, wish, taste, hidden)


_sets: WeakKeyDictionary[Retriever, ItemSets] = WeakKeyDictionary()


def _targets(strength: float) -> tuple[Target, Target]:
    """The probability that more of a set asks for, and less of it, from what it is."""
    rest = max((1.0 - strength) ** 2, FLOOR)
    return lambda m: 1 - (1 - m) * rest, lambda m: m * rest


def _softmax(scores: Scores) -> Scores:
    highest = scores.max()
    if not np.isfinite(highest):
        return np.zeros(len(scores))
    mass = np.exp(scores - highest)
    p: Scores = mass / mass.sum()
    return p


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))
