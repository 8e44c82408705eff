"""From prompt and candidates to the top k.

The answer is always k distinct candidates, or all of them where there are fewer. A model in this
process is read in one of the `MODES`. Of another model, text is parsed, or the log-probabilities of
labels are read, and what is missing is completed from the retriever's order, with every repair
reported.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from palr.domains import Domain
from palr.errors import PalrError
from palr.llm.base import LLM, LabelLLM, TokenLLM
from palr.llm.grounding import SEPARATOR
from palr.prompts import Limits, as_sent, fit, item_names, ranking_prompt
from palr.ranking.job import Job
from palr.ranking.labels import labels
from palr.ranking.mix import ScoreMix
from palr.ranking.modes import DEFAULT_MODE, get_mode
from palr.ranking.remote import rank_by_label, rank_by_text
from palr.types import Candidate, Item, Profile, Prompt, Ranking


def ranking_job(
    domain: Domain,
    history: Sequence[Item],
    profile: Profile | None,
    candidates: Sequence[Candidate],
    k: int,
    llm: LLM,
    mode: str = DEFAULT_MODE,
    *,
    retriever: str | None = None,
    mix: ScoreMix | None = None,
    marks: Sequence[str] = (),
    instruction: str | None = None,
    wish: str = "",
) -> Job:
    """The fullest ranking prompt that leaves room for its answer, ready to be ranked.

    Args:
        domain: Whose wording the prompt has.
        history: Oldest first; the prompt shows the last of them.
        profile: None for a prompt without one.
        candidates: In the order in which the prompt lists them.
        k: How many recommendations are wanted.
        llm: The model that will rank.
        mode: A name of `MODES`.
        retriever: Who scored the candidates: an adapter may have weights of its own for it.
        mix: Stands in for the adapter's own way to add the retriever's scores.
        marks: The labels of a labelled prompt; the first of `labels` unless given.
        instruction: Stands in for the paper's.
        wish: A sentence on what is asked for, after the profile.

    Raises:
        PalrError: the mode is unknown, or the model cannot be read in it.
    """
    way = get_mode(mode)
    if mode != DEFAULT_MODE and not can_rank(llm, mode):
        raise PalrError(
            f"the mode {mode!r} reads the model's distribution, which {llm.name} does not show; "
            f"choose {DEFAULT_MODE!r}"
        )
    listed = tuple(candidates)
    if way.labelled:
        marks = marks or labels(llm, len(candidates))
        listed = listed[: len(marks)]

    def names(limits: Limits) -> tuple[str, ...]:
        return item_names(domain, [c.item for c in listed[: limits.candidates]], limits.title)

    def build(limits: Limits) -> Prompt:
        return ranking_prompt(domain, history, profile, listed, k, limits, marks, instruction, wish)

    def fits(prompt: Prompt, limits: Limits) -> bool:
        room = llm.context_length - llm.count_tokens(llm.render(prompt.text))
        shown = names(limits)
        return _answer_bytes(shown, k) <= room or answer_tokens(shown, k, llm) <= room

    items = [*history, *(c.item for c in listed)]
    prompt, limits = fit(
        build,
        fits,
        longest_title=max((len(domain.name(item)) for item in items), default=0),
        n_history=len(history),
        n_candidates=len(candidates),
    )
    if marks and len(marks) < len(candidates):
        cut = f"only {len(marks)} of {len(candidates)} candidates could be given a one-token label"
        prompt = replace(prompt, cuts=(*prompt.cuts, cut))
    if mix is None:
        mix = ScoreMix.of(llm.adapter, retriever)
    return Job(
        as_sent(prompt, llm),
        names(limits),
        tuple(candidates),
        k,
        mode,
        mix if way.mixes else ScoreMix(),
    )


def can_rank(llm: LLM, mode: str) -> bool:
    """Whether what a mode reads can be had of a model."""
    return isinstance(llm, TokenLLM) or (get_mode(mode).by_label and isinstance(llm, LabelLLM))


def _answer_bytes(names: Sequence[str], k: int) -> int:
    """No fewer than `answer_tokens`, and known at once: a token holds a byte at least, but for the
    mark with which SentencePiece begins a text."""
    return sum(sorted(len((name + SEPARATOR).encode()) + 1 for name in names)[-k:])


def answer_tokens(names: Sequence[str], k: int, llm: LLM) -> int:
    """Room that an answer of ``k`` names takes at most."""
    return sum(sorted(llm.count_tokens(name + SEPARATOR) for name in names)[-k:])


def ranking_beginning(
    domain: Domain, history: Sequence[Item], k: int, llm: LLM, mode: str = DEFAULT_MODE
) -> str:
    """What the ranking prompt begins with before profile and candidates are known."""
    marks = labels(llm, 1) if get_mode(mode).labelled else ()
    return ranking_prompt(domain, history, None, (), k, labels=marks).beginning


def rank(job: Job, llm: LLM) -> Iterator[Ranking | None]:
    """Stream a ranking: each one holds as much of it or more; the last one is complete.

    None comes wherever the work can be stopped; closing the iterator stops the model within one
    forward pass.

    Raises:
        LLMError: the model failed.
    """
    if not job.names:
        yield Ranking()
    elif isinstance(llm, TokenLLM):
        yield from get_mode(job.mode).rank(job, llm)
    elif get_mode(job.mode).by_label and isinstance(llm, LabelLLM):
        yield from rank_by_label(job, llm)
    else:
        yield from rank_by_text(job, llm)
