"""A run's question asked once more: the same prompt but for what a measurement changes."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from palr.candidates import popular
from palr.domains import HISTORY_LIMIT, get_domain
from palr.errors import LLMError
from palr.llm.base import LLM, TokenLLM
from palr.profile import taste_of
from palr.ranking import Job, mixed_ranking, rank_each, ranking_job
from palr.ranking.modes import get_mode
from palr.recommender import Recommender
from palr.retrieval.base import Retriever
from palr.retrieval.steer import NO_TASTE, Likeness, Taste, retrieve_steered, steered_scores
from palr.steering import wish_in_prompt
from palr.types import NO_WISH, Candidate, Item, Profile, Ranking, Recommendation, Shift, Wish


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


def retriever_of(trace: Recommendation, recommender: Recommender) -> Retriever:
    """Who found the candidates of a run; where there was no pick, whoever steers popular items.

    Raises:
        RetrieverUnavailableError: it cannot be loaded any more.
    """
    if trace.history:
        return recommender.retriever(trace.retriever)
    return popular(recommender.catalog)


@dataclass(frozen=True)
class Search:
    """A run's search for candidates, which can be made once more with other picks.

    Attributes:
        retriever: The run's own.
        wish: What steers it, words read.
        taste: What the profile says.
        likeness: See `palr.retrieval.steer.ItemSets`.
    """

    retriever: Retriever
    wish: Wish = NO_WISH
    taste: Taste = NO_TASTE
    likeness: Likeness | None = None

    @classmethod
    def of(
        cls, trace: Recommendation, retriever: Retriever, likeness: Likeness | None = None
    ) -> "Search":
        """That of a finished run."""
        profile, n_picks = trace.profile or Profile(), len(shown_history(trace))
        taste = taste_of(profile, n_picks, trace.asked.profile_weight)
        return cls(retriever, trace.wish, taste, likeness)

    def found(
        self, history: Sequence[Item], k: int | None = None
    ) -> tuple[tuple[Candidate, ...], tuple[Shift, ...]]:
        """The ``k`` best, all by default, and what moved them; as `retrieve_steered`."""
        k = len(self.retriever.items) if k is None else k
        return retrieve_steered(self.retriever, history, k, self.wish, self.taste, self.likeness)

    def rank(self, item: Item, history: Sequence[Item]) -> int:
        """The rank of one of the retriever's items, as `found` gives it."""
        scores = steered_scores(
            *(self.retriever, history, self.wish, self.taste, self.likeness)
        ).scores
        ours = next(at for at, i in enumerate(self.retriever.items) if i.id == item.id)
        above = scores > scores[ours]
        above[:ours] |= scores[:ours] == scores[ours]  # equal scores keep the order of the items
        return 1 + int(above.sum())


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
    domain = get_domain(trace.domain)
    candidates = tuple((trace.candidates or ()) if candidates is None else candidates)
    return ranking_job(
        *(domain, history, trace.profile, candidates, k, llm),
        mode or trace.mode,
        retriever=trace.retriever,
        instruction=trace.asked.edits.instruction,
        wish=wish_in_prompt(trace.wish, trace.profile, domain),
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
