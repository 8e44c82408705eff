"""What each pick does to each recommendation: leave it out, and score again.

    influence(pick, item) = score(item | all picks) - score(item | all picks but this one)

The model's score is a log-probability above the mean of the candidates (see `relative_scores`),
so that an influence of 0.1 means: with this pick, the item gains 0.1 nats on the other candidates.
Candidates and profile stay those of the run. The retriever's influence is the same difference of
its own scores. Positive means that the pick speaks for the item.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np

from palr.errors import PalrError, RetrieverUnavailableError
from palr.insight.rerun import (
    Progress,
    answers,
    question,
    relative_scores,
    scoring_mode,
    shown_history,
    why_unscored,
)
from palr.llm.base import LLM
from palr.retrieval.base import Retriever
from palr.types import Item, Recommendation

Table = tuple[tuple[float, ...], ...]

_MOSTLY = 0.5  # of the strongest influence: from there on a pick is named as well
_NAMED = 2
_TOO_FEW = (
    "this run has no picks to leave out: it follows from what was asked for alone",
    "without its only pick nothing would be left to compare: run with two picks or more",
)


@dataclass(frozen=True)
class Influence:
    """``llm[p][i]`` and ``retriever[p][i]`` are the influences of pick ``p`` on recommendation
    ``i``; None where they could not be measured, which ``gaps`` explain."""

    picks: tuple[Item, ...]
    items: tuple[Item, ...]
    mode: str
    llm: Table | None
    retriever: Table | None
    gaps: tuple[str, ...] = ()


def measure_influence(
    trace: Recommendation, llm: LLM, retriever: Retriever
) -> Generator[Progress | Influence | None]:
    """Yield progress, then the `Influence`.

    Args:
        trace: A finished run; with fewer than two picks there is nothing to measure.
        llm: The model that ranked it.
        retriever: The run's own.

    Raises:
        PalrError: the run has no recommendations.
        LLMError: the model failed.
    """
    picks, k = shown_history(trace), trace.asked.k
    items = tuple(ranked.item for ranked in trace.ranking.items) if trace.ranking else ()
    if not items:
        raise PalrError("this run has no recommendations: run it again first")
    if len(picks) < 2:
        yield Influence(picks, items, scoring_mode(trace.mode), None, None, (_TOO_FEW[len(picks)],))
        return
    gap = why_unscored(trace, llm)
    gaps = [gap] if gap else []
    of_llm: Table | None = None
    mode = scoring_mode(trace.mode)
    if not gap:
        lists = [picks, *(picks[:at] + picks[at + 1 :] for at in range(len(picks)))]
        jobs = [question(trace, llm, k, history=history, mode=mode) for history in lists]
        whole_list = [replace(job, k=len(job.candidates)) for job in jobs]
        rankings = yield from answers(whole_list, llm)
        whole, *without = [relative_scores(ranking) for ranking in rankings]
        of_llm = tuple(
            tuple(whole[item.id] - scores.get(item.id, whole[item.id]) for item in items)
            for scores in without
        )
    of_retriever: Table | None = None
    try:
        of_retriever = _of_retriever(trace, picks, items, retriever)
    except RetrieverUnavailableError as error:
        gaps.append(f"the retriever's part is not measured: {error}")
    yield Influence(picks, items, mode, of_llm, of_retriever, tuple(gaps))


def mostly_because(influence: Influence, item: int) -> tuple[Item, ...]:
    """The one or two picks that raise a recommendation most, by the model or else by the retriever.

    Args:
        influence: What was measured.
        item: The position of the recommendation.

    Returns:
        The picks; none where no pick raises it.
    """
    table = influence.llm or influence.retriever or ()
    column = [row[item] for row in table]
    strongest = max(column, default=0.0)
    order = sorted(range(len(column)), key=lambda pick: -column[pick])
    named = [p for p in order if column[p] > 0 and column[p] >= _MOSTLY * strongest]
    return tuple(influence.picks[pick] for pick in named[:_NAMED])


def _of_retriever(
    trace: Recommendation,
    picks: tuple[Item, ...],
    items: tuple[Item, ...],
    retriever: Retriever,
) -> Table:
    """All histories in one batch; the retriever sees those beyond the prompt's limit as well."""
    lists = [tuple(i for i in trace.history if i.id != pick.id) for pick in picks]
    scores = retriever.score([trace.history, *lists])
    column = {item.id: at for at, item in enumerate(retriever.items)}
    known = [item for item in items if item.id in column]
    if len(known) < len(items):
        raise RetrieverUnavailableError(f"{retriever.name} does not know all recommendations")
    chosen = scores[:, [column[item.id] for item in items]].astype(np.float64)
    return tuple(tuple(row) for row in (chosen[0] - chosen[1:]).tolist())
