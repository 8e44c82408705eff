"""Why an item was not recommended: how far down the data path it came, and what would bring it in.

What would bring it in is measured: each of the items that the retriever finds closest to it is
added to the picks, as the most recent one, and the run's own way of ranking is asked once more
for those that lift it highest. The profile stays that of the run.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from palr.catalog.catalog import Catalog
from palr.domains import HISTORY_LIMIT
from palr.errors import RetrieverUnavailableError, UnknownItemError
from palr.insight.rerun import (
    Progress,
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
from palr.types import Candidate, Item, RankedItem, Ranking, Recommendation

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
    """``rank`` is the retriever's, among ``n_ranked`` items that were not picked; None where it
    does not rank the item. ``candidate`` says whether the model saw it in this run.

    ``score`` is the model's (see `relative_scores`), ``by_score`` its place among the candidates by
    that score, and ``needed`` what the last place of the top k has; an item that was no candidate
    was scored in the place of the last one. None where ``gap`` says why.
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
    trace: Recommendation, item: Item, llm: LLM, retriever: Retriever
) -> Generator[Progress | WhyNot | None]:
    """Yield progress, then the `WhyNot`.

    Args:
        trace: A finished run.
        item: The item that is missing.
        llm: The model that ranked the run.
        retriever: The run's own.

    Raises:
        RetrieverUnavailableError: the retriever cannot score the picks any more.
        LLMError: the model failed.
    """
    candidates, k = trace.candidates or (), trace.asked.k
    order = retrieve(retriever, trace.history, len(retriever.items))
    ours = next((c for c in order if c.item.id == item.id), None)
    carried = {keyword for pick in trace.history for keyword in pick.keywords}
    mode = scoring_mode(trace.mode)
    found = WhyNot(
        item,
        picked=any(pick.id == item.id for pick in trace.history),
        rank=ours.rank if ours else None,
        n_ranked=len(order),
        n_candidates=len(candidates),
        candidate=any(c.item.id == item.id for c in candidates),
        place=_place(trace.ranking, item),
        shared=tuple(keyword for keyword in item.keywords if keyword in carried),
        mode=mode,
        gap=why_unscored(trace, llm),
    )
    if found.picked or found.place is not None or ours is None:
        yield found
        return
    if not found.gap:
        shown = candidates if found.candidate else (*candidates[:-1], ours)
        job = question(trace, llm, k, candidates=shown, mode=mode)
        (ranking,) = yield from answers([replace(job, k=len(shown))], llm)
        found = _scored(found, ranking, k)
    lifts = yield from _lifts(trace, item, retriever)
    if not why_unasked(trace):
        lifts = yield from _asked(trace, item, lifts, llm, retriever, k)
    elif trace.asked.ranker == "retriever":
        lifts = tuple(replace(li, place=li.rank if li.rank <= k else None) for li in lifts)
    yield replace(found, lifts=lifts)


def _scored(found: WhyNot, ranking: Ranking, k: int) -> WhyNot:
    scores = relative_scores(ranking)
    if found.item.id not in scores:
        return replace(found, gap="the prompt had no room for it")
    best = sorted(scores.values(), reverse=True)
    ours = scores[found.item.id]
    needed = best[min(k, len(best)) - 1]
    return replace(found, score=ours, needed=needed, by_score=1 + sum(s > ours for s in best))


def _lifts(
    trace: Recommendation, item: Item, retriever: Retriever
) -> Generator[Progress, None, tuple[Lift, ...]]:
    """The further picks that lift the item most, best first."""
    picked = {pick.id for pick in trace.history}
    try:
        close = retrieve(retriever, [item], _TRIED + len(picked))
    except RetrieverUnavailableError:
        return ()
    tried = [c.item for c in close if c.item.id not in picked][:_TRIED]
    lifts: list[Lift] = []
    for start in range(0, len(tried), _AT_ONCE):
        yield Progress(start, len(tried))
        some = tried[start : start + _AT_ONCE]
        ranks = _ranks(item, [(*trace.history, pick) for pick in some], retriever)
        lifts += [Lift(pick, rank) for pick, rank in zip(some, ranks, strict=True)]
    lifts.sort(key=lambda lift: lift.rank)
    return tuple(lifts[:_ASKED])


def _ranks(item: Item, histories: Sequence[Sequence[Item]], retriever: Retriever) -> list[int]:
    """The item's rank among what each history leaves unseen, as `retrieve` gives it."""
    scores = retriever.score(histories)
    column = {i.id: at for at, i in enumerate(retriever.items)}
    ours = column[item.id]
    ranks = []
    for row, history in zip(scores, histories, strict=True):
        seen = [column[i.id] for i in history if i.id in column]
        above = row > row[ours]
        above[:ours] |= row[:ours] == row[ours]  # equal scores keep the order of the items
        above[seen] = False
        ranks.append(1 + int(above.sum()))
    return ranks


def _asked(
    trace: Recommendation,
    item: Item,
    lifts: Sequence[Lift],
    llm: LLM,
    retriever: Retriever,
    k: int,
) -> Generator[Progress | None, None, tuple[Lift, ...]]:
    """Those lifts that reach the candidates, with the place that the model then gives the item."""
    n = len(trace.candidates or ()) or N_CANDIDATES
    reaching = [lift for lift in lifts if lift.rank <= n]
    jobs = []
    for lift in reaching:
        history = (*trace.history, lift.pick)
        found: tuple[Candidate, ...] = retrieve(retriever, history, n)
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
