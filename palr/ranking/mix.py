"""A mix of two opinions: the model's and the retriever's scores of the same candidates.

Each is taken as log-probabilities within the list, and the mix is their weighted sum. Fine-tuning
fits the weights on validation lists (`finetune.data.lists.fit_mix`). Where none were fitted, the
retriever counts as much as the model: one standard deviation of its scores within the list is
worth a factor of e.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from palr.errors import PalrError
from palr.llm.base import LLM
from palr.types import Candidate, RankedItem, Ranking

SCORED = ("labels", "likelihood", "relevance")  # modes that score every candidate


def scored_mode(mode: str | None, llm: LLM) -> str:
    """The mode to read a mix in: the one asked for, else the adapter's best, else labels.

    Raises:
        PalrError: the one asked for gives no scores that could be mixed.
    """
    if mode is None:
        return next((known for known in llm.modes if known in SCORED), SCORED[0])
    if mode not in SCORED:
        raise PalrError(
            f"a score mix needs the model's score of every candidate, which the mode {mode!r} does "
            f"not give; choose {' or '.join(map(repr, SCORED))}"
        )
    return mode


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
    ranking: Ranking, candidates: Sequence[Candidate], k: int, prior: float = 0.0
) -> Ranking:
    """The ``k`` best of a mix; ``ranking`` is the model's of all candidates, with its scores, and
    ``prior`` what the retriever's count in these already (`on_prior`)."""
    if not ranking.items:
        return ranking
    place = {candidate.item.id: at for at, candidate in enumerate(candidates, start=1)}
    logprob = {ranked.item.id: ranked.logprob for ranked in ranking.items}
    retriever = [candidate.score for candidate in candidates]
    places = [place[ranked.item.id] for ranked in ranking.items]
    own = without_prior(
        [ranked.logprob or 0.0 for ranked in ranking.items],
        [candidates[at - 1] for at in places],
        prior,
    )
    features = log_odds(places, own, retriever)
    weights = np.array([1.0, 1.0 / (float(np.std(retriever)) or 1.0)])
    best = [candidates[at] for at in best_first(features, weights)[:k]]
    items = (
        RankedItem(c.item, n, c.rank, logprob.get(c.item.id)) for n, c in enumerate(best, start=1)
    )
    return replace(ranking, items=tuple(items))


def on_prior(
    scores: Sequence[float], candidates: Sequence[Candidate], prior: float, spread: float = 0.0
) -> Sequence[float]:
    """A model's scores of ``candidates`` on top of the retriever's, as its adapter learnt them:

        log softmax_i(score_i + prior * r_i),  r_i = the retriever's score

    The retriever's scores are log-probabilities but for a constant (`Retriever.score`), which the
    softmax takes out. With a ``spread`` the model's are brought to that standard deviation first,
    in every list alike. Without a prior they come back as they are.
    """
    if not prior:
        return scores
    own = np.array(scores, np.float64)
    if spread:
        own = spread * standardised(own)
    retriever = np.array([candidate.score for candidate in candidates], np.float64)
    return [float(score) for score in log_softmax(own + prior * retriever)]


def without_prior(
    scores: Sequence[float], candidates: Sequence[Candidate], prior: float
) -> list[float]:
    """What `on_prior` was given to make these scores of ``candidates``, but for a constant."""
    return [score - prior * c.score for score, c in zip(scores, candidates, strict=True)]


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
