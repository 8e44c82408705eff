"""A run's question asked once more: the same prompt but for what a measurement changes."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from palr.domains import HISTORY_LIMIT, get_domain
from palr.errors import LLMError
from palr.llm.base import LLM, TokenLLM
from palr.prompts import wish_text
from palr.ranking import Job, mixed_ranking, rank_each, ranking_job
from palr.ranking.modes import get_mode
from palr.types import Candidate, Item, Ranking, Recommendation


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` parts of a measurement."""

    done: int
    total: int


def scoring_mode(mode: str) -> str:
    """The mode that scores every candidate for a run in ``mode``.

    A run that writes titles is measured by how likely each whole title is under that very prompt.
    """
    return mode if get_mode(mode).scores_all else "likelihood"


def why_unscored(trace: Recommendation, llm: LLM) -> str:
    """Why the model's scores of this run cannot be had; empty where they can."""
    gap = why_unasked(trace)
    if gap:
        return gap
    if not isinstance(llm, TokenLLM):
        return (
            f"{llm.name} does not show its score of every candidate; a model in this process does "
            "(PALR_LLM_BACKEND=transformers)"
        )
    return ""


def why_unasked(trace: Recommendation) -> str:
    """Why the run's question cannot be put again with one thing changed; empty where it can."""
    if trace.asked.ranker == "retriever":
        return "the retriever alone ranked this run, without the language model"
    if trace.fallback or not trace.prompt:
        return "the language model did not do its part in this run"
    if trace.asked.edits.prompt is not None:
        return "the prompt was edited as a whole, so that no other one can be made like it"
    return ""


def shown_history(trace: Recommendation) -> tuple[Item, ...]:
    """The picks that the model saw."""
    return trace.history[-min(trace.asked.n_history, HISTORY_LIMIT) :]


def question(
    trace: Recommendation,
    llm: LLM,
    k: int,
    *,
    history: Sequence[Item] | None = None,
    candidates: Sequence[Candidate] | None = None,
    mode: str | None = None,
) -> Job:
    """The run's ranking prompt with another history, other candidates or another mode.

    Args:
        trace: A finished run, whose profile stays as it is.
        llm: The model that will rank.
        k: How many recommendations the prompt asks for.
        history: Stands in for the run's own.
        candidates: Stand in for the run's own.
        mode: Stands in for the run's own.
    """
    history = shown_history(trace) if history is None else history
    candidates = tuple((trace.candidates or ()) if candidates is None else candidates)
    domain = get_domain(trace.domain)
    return ranking_job(
        *(domain, history, trace.profile, candidates, k, llm),
        mode or trace.mode,
        retriever=trace.retriever,
        instruction=trace.asked.edits.instruction,
        wish=wish_text(domain, trace.wish) if trace.history else "",
    )


def answers(jobs: Sequence[Job], llm: LLM) -> Generator[Progress | None, None, list[Ranking]]:
    """Yield progress; return the ranking of each job, in their order.

    Args:
        jobs: Prompts of one mode.
        llm: The model that ranks them.

    Raises:
        LLMError: the model failed.
    """
    found: dict[int, Ranking] = {}
    yield Progress(0, len(jobs))
    with closing(rank_each(jobs, llm)) as steps:
        for step in steps:
            if step is None:
                yield None
                continue
            found[step[0]] = step[1]
            yield Progress(len(found), len(jobs))
    return [found[at] for at in range(len(jobs))]


def rankings(
    trace: Recommendation, jobs: Sequence[Job], llm: LLM, k: int
) -> Generator[Progress | None, None, list[Ranking]]:
    """Yield progress; return the top ``k`` of each job, by the model or mixed as in the run.

    Args:
        trace: The run that the jobs repeat.
        jobs: Prompts like its own.
        llm: The model that ranks them.
        k: How many recommendations are wanted.

    Raises:
        LLMError: the model failed.
    """
    mix = trace.asked.ranker == "mix"
    if not mix:
        return (yield from answers([replace(job, k=k) for job in jobs], llm))
    found = yield from answers([replace(job, k=len(job.candidates)) for job in jobs], llm)
    return [
        mixed_ranking(ranking, sorted(job.candidates, key=lambda c: c.rank), k, job.mix)
        for ranking, job in zip(found, jobs, strict=True)
    ]


def relative_scores(ranking: Ranking) -> dict[str, float]:
    """Each candidate's log-probability above the mean of all, by item id.

    What makes every candidate likelier alike moves none of them. ``ranking`` holds all candidates
    of a mode that scores them.

    Raises:
        LLMError: the model gave none a score.
    """
    scores = {r.item.id: r.logprob for r in ranking.items if r.logprob is not None}
    if not scores:
        raise LLMError("the language model gave the candidates no scores")
    mean = sum(scores.values()) / len(scores)
    return {item: score - mean for item, score in scores.items()}
