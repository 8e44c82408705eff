"""Why an item was not recommended: how far down the data path it came, and what would bring it in.

A wish can rule an item out, or move it down; that is told first. What would bring it in is
measured: each of the items that the retriever finds closest to it is added to the picks, as the
most recent one, and the run's own way of ranking is asked once more for those that lift it highest.
Wish and profile stay those of the run.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from palr.catalog.catalog import Catalog
from palr.domains import HISTORY_LIMIT
from palr.errors import RetrieverUnavailableError, UnknownItemError
from palr.insight.rerun import (
    Progress,
    Search,
    answers,
    question,
    rankings,
    relative_scores,
    scoring_mode,
    why_unasked,
    why_unscored,
)
from palr.llm.base import LLM
from palr.recommender import N_CANDIDATES
from palr.retrieval.base import Retriever, retrieve
from palr.retrieval.steer import Likeness
from palr.steering import ruled_out
from palr.types import Candidate, Item, RankedItem, Ranking, Recommendation, Shift

_TRIED = 40  # items that are added to the picks, one at a time
_AT_ONCE = 10
_ASKED = 3  # of those, how many the language model is asked about


@dataclass(frozen=True)
class Lift:
    """A further pick, and where it would bring the item: its rank by the retriever, and its place
    in the recommendations; None where it stays below them, or was not asked for."""

    pick: Item
    rank: int
    place: int | None = None


@dataclass(frozen=True)
class WhyNot:
    """How far an item came.

    Attributes:
        item: The item.
        picked: Whether it is a pick.
        rank: The retriever's, steered as in the run, among ``n_ranked`` items that were neither
            picked nor ruled out; None where it does not rank the item.
        n_ranked: See ``rank``.
        n_candidates: How many candidates the run had.
        candidate: Whether the model saw it in this run.
        place: Its place in the recommendations.
        shared: Keywords that it shares with the picks.
        mode: The mode of the scores.
        score: The model's (see `relative_scores`); that of an item that was no candidate was taken
            in the place of the last one. None where ``gap`` says why.
        needed: The score of the last place of the top k.
        by_score: Its place among the candidates by that score.
        lifts: What would bring it in; none where ``unlifted`` says why.
        gap: Why the model's score cannot be told.
        ruled_out: The part of the wish that rules it out, see `palr.steering.ruled_out`.
        own_rank: Its rank by the retriever without steering.
        steer: What steering added to its score.
        moved_by: The parts of the steering that name a keyword of it.
        unlifted: Why no further pick was tried.
    """

    item: Item
    picked: bool
    rank: int | None
    n_ranked: int
    n_candidates: int
    candidate: bool
    place: int | None
    shared: tuple[str, ...]
    mode: str
    score: float | None = None
    needed: float | None = None
    by_score: int | None = None
    lifts: tuple[Lift, ...] = ()
    gap: str = ""
    ruled_out: str = ""
    own_rank: int | None = None
    steer: float = 0.0
    moved_by: tuple[Shift, ...] = ()
    unlifted: str = ""


def named(catalog: Catalog, text: str) -> Item:
    """The item that was asked for: by its name, else the best match of the search.

    Raises:
        UnknownItemError: nothing matches.
    """
    try:
        return catalog.find(text)
    except UnknownItemError:
        found = catalog.search(text, 1)
        if not found:
            raise
        return found[0]


def why_not(
    trace: Recommendation,
    item: Item,
    llm: LLM,
    retriever: Retriever,
    likeness: Likeness | None = None,
) -> Generator[Progress | WhyNot | None]:
    """Yield progress, then the `WhyNot`.

    Args:
        trace: A finished run.
        item: The item that is missing.
        llm: The model that ranked the run.
        retriever: The run's own.
        likeness: How alike items are, where the run's wish needs it.

    Raises:
        RetrieverUnavailableError: the retriever cannot score the picks any more.
        LLMError: the model failed.
    """
    candidates, k = trace.candidates or (), trace.asked.k
    search = Search.of(trace, retriever, likeness)
    found, ours = _searched(trace, item, search)
    found = replace(found, gap=why_unscored(trace, llm))
    if found.picked or found.place is not None or ours is None:
        yield found
        return
    if not found.gap:
        shown = candidates if found.candidate else (*candidates[:-1], ours)
        job = question(trace, llm, k, candidates=shown, mode=found.mode)
        (ranking,) = yield from answers([replace(job, k=len(shown))], llm)
        found = _scored(found, ranking, k)
    if not trace.history:
        yield replace(found, unlifted="this run has no picks to which one could be added")
        return
    lifts = yield from _lifts(trace, item, search)
    if not why_unasked(trace):
        lifts = yield from _asked(trace, item, lifts, llm, search, k)
    elif trace.asked.ranker == "retriever":
        lifts = tuple(replace(li, place=li.rank if li.rank <= k else None) for li in lifts)
    yield replace(found, lifts=lifts)


def _searched(trace: Recommendation, item: Item, search: Search) -> tuple[WhyNot, Candidate | None]:
    """How far the item came without the model, and the item as the search ranks it, if it does."""
    order, shifts = search.found(trace.history)
    ours = next((c for c in order if c.item.id == item.id), None)
    alone, _ = Search(search.retriever).found(trace.history)
    candidates = trace.candidates or ()
    carried = {keyword for pick in trace.history for keyword in pick.keywords}
    dated = any(known.year for known in search.retriever.items)
    found = WhyNot(
        item,
        picked=any(pick.id == item.id for pick in trace.history),
        rank=ours.rank if ours else None,
        n_ranked=len(order),
        n_candidates=len(candidates),
        candidate=any(c.item.id == item.id for c in candidates),
        place=_place(trace.ranking, item),
        shared=tuple(keyword for keyword in item.keywords if keyword in carried),
        mode=scoring_mode(trace.mode),
        ruled_out=ruled_out(item, trace.wish, dated),
        own_rank=next((c.rank for c in alone if c.item.id == item.id), None),
        steer=ours.steer if ours else 0.0,
        moved_by=tuple(s for s in shifts if s.name in item.keywords),
    )
    return found, ours


def _scored(found: WhyNot, ranking: Ranking, k: int) -> WhyNot:
    scores = relative_scores(ranking)
    if found.item.id not in scores:
        return replace(found, gap="the prompt had no room for it")
    best = sorted(scores.values(), reverse=True)
    ours = scores[found.item.id]
    needed = best[min(k, len(best)) - 1]
    return replace(found, score=ours, needed=needed, by_score=1 + sum(s > ours for s in best))


def _lifts(
    trace: Recommendation, item: Item, search: Search
) -> Generator[Progress, None, tuple[Lift, ...]]:
    """The further picks that lift the item most, best first."""
    picked = {pick.id for pick in trace.history}
    try:
        close = retrieve(search.retriever, [item], _TRIED + len(picked))
    except RetrieverUnavailableError:
        return ()
    tried = [c.item for c in close if c.item.id not in picked][:_TRIED]
    lifts: list[Lift] = []
    for at, pick in enumerate(tried):
        if at % _AT_ONCE == 0:
            yield Progress(at, len(tried))
        lifts.append(Lift(pick, search.rank(item, (*trace.history, pick))))
    lifts.sort(key=lambda lift: lift.rank)
    return tuple(lifts[:_ASKED])


def _asked(
    trace: Recommendation,
    item: Item,
    lifts: Sequence[Lift],
    llm: LLM,
    search: Search,
    k: int,
) -> Generator[Progress | None, None, tuple[Lift, ...]]:
    """Those lifts that reach the candidates, with the place that the model then gives the item."""
    n = len(trace.candidates or ()) or N_CANDIDATES
    reaching = [lift for lift in lifts if lift.rank <= n]
    jobs = []
    for lift in reaching:
        history = (*trace.history, lift.pick)
        found, _ = search.found(history, n)
        shown = history[-min(trace.asked.n_history, HISTORY_LIMIT) :]
        jobs.append(question(trace, llm, k, history=shown, candidates=found))
    found_places = yield from rankings(trace, jobs, llm, k)
    asked = {
        lift.pick.id: replace(lift, place=_place(ranking, item))
        for lift, ranking in zip(reaching, found_places, strict=True)
    }
    return tuple(asked.get(lift.pick.id, lift) for lift in lifts)


def _place(ranking: Ranking | None, item: Item) -> int | None:
    items: tuple[RankedItem, ...] = ranking.items if ranking else ()
    return next((ranked.rank for ranked in items if ranked.item.id == item.id), None)
