"""Two opinions added up: the model's and the retriever's scores of the same candidates.

`ScoreMix` is how an adapter was trained to rank: on top of the retriever's scores. `mixed_ranking`
mixes any model with any retriever: each is taken as log-probabilities within the list, and the mix
is their weighted sum. Fine-tuning fits the weights on validation lists (`finetune.data.lists`).
Where none were fitted, the retriever counts as much as the model: one standard deviation of its
scores within the list is worth a factor of e.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from palr.llm.adapters import Adapter
from palr.types import Candidate, RankedItem, Ranking


@dataclass(frozen=True)
class ScoreMix:
    """A model's scores on top of the retriever's, as its adapter learnt them:

        log softmax_i(own_i + prior * r_i + steer_i),  r_i = the retriever's own score

    The retriever's scores are log-probabilities but for a constant (`Retriever.score`), which the
    softmax takes out. What a wish and the profile ask for, ``steer``, counts in full, whatever the
    prior. A false mix leaves the model's scores as they are, but for that.

    Attributes:
        prior: The weight of the retriever's scores; 0 where they take no part.
        spread: The standard deviation to which the model's scores of a list are brought first; 0
            where they stay as they are.
    """

    prior: float = 0.0
    spread: float = 0.0

    @classmethod
    def of(cls, adapter: Adapter | None, retriever: str | None) -> "ScoreMix":
        """The mix that an adapter has for the lists of a retriever.

        Args:
            adapter: None where the model is not fine-tuned.
            retriever: Its name; None for the adapter's weights of any retriever.
        """
        prior, spread = adapter.weights(retriever) if adapter else (0.0, 0.0)
        return cls(prior, spread) if prior else cls()

    def __bool__(self) -> bool:
        return self.prior > 0

    def add(self, scores: Sequence[float], candidates: Sequence[Candidate]) -> Sequence[float]:
        """The model's ``scores`` of ``candidates`` with the retriever's and the steering added."""
        steer = np.array([candidate.steer for candidate in candidates], np.float64)
        if not self and not steer.any():
            return scores
        own = np.array(scores, np.float64)
        if self.spread:
            own = self.spread * standardised(own)
        retriever = np.array([candidate.score for candidate in candidates], np.float64) - steer
        return [float(score) for score in log_softmax(own + self.prior * retriever + steer)]

    def remove(self, scores: Sequence[float], candidates: Sequence[Candidate]) -> list[float]:
        """What `add` made these scores from, but for a constant."""
        return [
            score - self.prior * (c.score - c.steer) - c.steer
            for score, c in zip(scores, candidates, strict=True)
        ]


NO_MIX = ScoreMix()


def log_odds(
    places: Sequence[int], scores: Sequence[float], retriever: Sequence[float]
) -> NDArray[np.float64]:
    """(candidates, 2): log-probability of each candidate within the list, by model and retriever.

    ``scores[n]`` is the model's of the candidate at ``places[n]``, counted from 1. A candidate
    that the model could not score gets its lowest.
    """
    model = np.full(len(retriever), min(scores))
    model[np.array(places) - 1] = scores
    return np.stack([log_softmax(model), log_softmax(np.array(retriever, np.float64))], axis=1)


def best_first(features: NDArray[np.float64], weights: NDArray[np.float64]) -> list[int]:
    """Rows of ``features`` (candidates, n) by their weighted sum; equal ones keep their order.

    >>> best_first(np.array([[0.0, -1.0], [-2.0, 0.0]]), np.array([1.0, 1.0]))
    [0, 1]
    """
    return [int(at) for at in np.argsort(-(features @ weights), kind="stable")]


def mixed_ranking(
    ranking: Ranking, candidates: Sequence[Candidate], k: int, mix: ScoreMix = NO_MIX
) -> Ranking:
    """The ``k`` best by both opinions.

    Args:
        ranking: The model's, of all candidates, with its scores.
        candidates: In the retriever's order.
        k: How many are wanted.
        mix: How the retriever's scores count in the ranking's already.
    """
    if not ranking.items:
        return ranking
    place = {candidate.item.id: at for at, candidate in enumerate(candidates, start=1)}
    logprob = {ranked.item.id: ranked.logprob for ranked in ranking.items}
    steer = np.array([candidate.steer for candidate in candidates])
    retriever = [candidate.score - candidate.steer for candidate in candidates]
    places = [place[ranked.item.id] for ranked in ranking.items]
    own = mix.remove(
        [ranked.logprob or 0.0 for ranked in ranking.items],
        [candidates[at - 1] for at in places],
    )
    features = np.column_stack([log_odds(places, own, retriever), steer])
    weights = np.array([1.0, 1.0 / (float(np.std(retriever)) or 1.0), 1.0])
    best = [candidates[at] for at in best_first(features, weights)[:k]]
    items = (
        RankedItem(c.item, n, c.rank, logprob.get(c.item.id)) for n, c in enumerate(best, start=1)
    )
    return replace(ranking, items=tuple(items), completed=0)


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n,) with mean 0 and standard deviation 1; zeros where all are alike.

    >>> standardised(np.array([1.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    centred = values - values.mean()
    result: NDArray[np.float64] = centred / (centred.std() or 1.0)
    return result


def log_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of values (n,)."""
    shifted = values - values.max()
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return result
