"""How sure an answer is: the same candidates in another order, asked again.

A list has no order that matters, so whatever a shuffle changes is the model's doing.

- *kept*: of ``shuffles`` seeded shuffles, the share in which an item is in the top k.
- *position bias*: the list in up to ten equal parts; for each, the share of the candidates shown
  there that reached the top k, over all shuffles. Without bias it is k / n everywhere.
- *overlap* and *Kendall's tau* of the top k over all pairs of shuffles.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from palr.errors import PalrError
from palr.evaluation.agreement import kendall_tau, overlap
from palr.insight.rerun import Progress, question, rankings, why_unasked
from palr.llm.base import LLM
from palr.types import Candidate, Item, Recommendation

SHUFFLES = 5
PARTS = 10


@dataclass(frozen=True)
class Stability:
    """``kept`` has one share for each recommendation of the run, in its order; ``others`` are the
    items that a shuffle brought into the top k beside them, most frequent first.

    ``positions`` has the bias of each part of the list, ``even`` what it is without any.
    """

    shuffles: int
    n_candidates: int
    kept: tuple[tuple[Item, float], ...]
    others: tuple[tuple[Item, float], ...]
    positions: tuple[float, ...]
    even: float
    overlap: float
    tau: float


def measure_stability(
    trace: Recommendation, llm: LLM, shuffles: int = SHUFFLES, seed: int = 0
) -> Generator[Progress | Stability | None]:
    """Yield progress, then the `Stability`.

    Args:
        trace: A finished run.
        llm: Any model; it ranks in the run's own mode.
        shuffles: How many orders of the candidates are asked.
        seed: Names the orders.

    Raises:
        PalrError: the model did not rank this run, or had nothing to choose from.
        LLMError: the model failed.
    """
    candidates, k = trace.candidates or (), trace.asked.k
    gap = why_unasked(trace)
    if gap or trace.ranking is None:
        raise PalrError(f"there is nothing to shuffle: {gap or 'the run has no ranking'}")
    if len(candidates) <= k:
        raise PalrError("every candidate is recommended, so that nothing can change")
    lists = shuffled(candidates, shuffles, seed)
    jobs = [question(trace, llm, k, candidates=order) for order in lists]
    found = yield from rankings(trace, jobs, llm, k)
    tops = [[ranked.item.id for ranked in ranking.items] for ranking in found]

    def share(item: Item) -> float:
        return sum(item.id in top for top in tops) / shuffles

    run = [ranked.item for ranked in trace.ranking.items]
    rest = [c.item for c in candidates if c.item not in run and share(c.item)]
    pairs = list(combinations(tops, 2))
    yield Stability(
        shuffles,
        len(candidates),
        tuple((item, share(item)) for item in run),
        tuple((item, share(item)) for item in sorted(rest, key=lambda item: -share(item))),
        position_bias(lists, tops),
        k / len(candidates),
        float(np.mean([overlap(a, b, k) for a, b in pairs])) if pairs else 1.0,
        float(np.mean([kendall_tau(a, b, k) for a, b in pairs])) if pairs else 1.0,
    )


def shuffled(
    candidates: Sequence[Candidate], shuffles: int, seed: int
) -> list[tuple[Candidate, ...]]:
    """The candidates in random orders, the same for the same seed.

    Args:
        candidates: n of them.
        shuffles: How many orders are wanted.
        seed: Names the orders.

    Returns:
        ``shuffles`` lists of n.
    """
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(candidates)) for _ in range(shuffles)]
    return [tuple(candidates[at] for at in order) for order in orders]


def position_bias(
    lists: Sequence[Sequence[Candidate]], tops: Sequence[Sequence[str]], parts: int = PARTS
) -> tuple[float, ...]:
    """For each part of the lists, the share of the candidates shown there that reached the top.

    Args:
        lists: The candidates as each shuffle showed them.
        tops: The ids that each shuffle brought into the top k.
        parts: Into how many parts a list is cut.

    Returns:
        A share from 0 to 1 for each part.
    """
    chosen = np.array(
        [[c.item.id in set(top) for c in shown] for shown, top in zip(lists, tops, strict=True)]
    )
    positions = chosen.mean(axis=0)
    return tuple(
        float(part.mean()) for part in np.array_split(positions, min(parts, len(positions)))
    )
