"""From prompt and candidates to the top k.

The answer is always k distinct candidates, or all of them where there are fewer: a model in this
process is grounded token by token; the text of a model behind HTTP is parsed, and completed from
the retriever's order, with every repair reported.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from palr.domains import Domain
from palr.grounding import SEPARATOR, select
from palr.llm.base import LLM, TokenLLM
from palr.prompts import Limits, as_sent, fit, item_names, ranking_prompt
from palr.ranking.parsing import parse_names
from palr.types import Candidate, Item, Profile, Prompt, RankedItem, Ranking


def fit_ranking_prompt(
    domain: Domain,
    history: Sequence[Item],
    profile: Profile | None,
    candidates: Sequence[Candidate],
    k: int,
    llm: LLM,
) -> tuple[Prompt, tuple[str, ...]]:
    """The fullest ranking prompt that leaves room for its answer, and the names of the candidates
    that it shows, in their order."""

    def names(limits: Limits) -> tuple[str, ...]:
        return item_names(domain, [c.item for c in candidates[: limits.candidates]], limits.title)

    def build(limits: Limits) -> Prompt:
        return ranking_prompt(domain, history, profile, candidates, k, limits)

    def fits(prompt: Prompt, limits: Limits) -> bool:
        lengths = sorted(llm.count_tokens(name + SEPARATOR) for name in names(limits))
        answer = sum(lengths[-k:])
        return llm.count_tokens(llm.render(prompt.text)) + answer <= llm.context_length

    items = [*history, *(c.item for c in candidates)]
    prompt, limits = fit(
        build,
        fits,
        longest_title=max((len(domain.name(item)) for item in items), default=0),
        n_history=len(history),
        n_candidates=len(candidates),
    )
    return as_sent(prompt, llm), names(limits)


def rank(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: LLM, k: int
) -> Generator[Ranking]:
    """Stream the ranking: each yield holds one item more; the last one is complete.

    ``names[i]`` is how the prompt calls ``candidates[i]``; candidates beyond ``names`` were cut
    from the prompt and are not ranked.

    Raises:
        LLMError: the model failed.
    """
    if not names:
        yield Ranking()
    elif isinstance(llm, TokenLLM):
        yield from _grounded(prompt, names, candidates, llm, k)
    else:
        yield from _parsed(prompt, names, candidates, llm, k)


def _grounded(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text)
    ranking = Ranking()
    for choice in select(llm, decoder, names, k):
        raw = ranking.raw + (SEPARATOR if ranking.items else "") + names[choice.index]
        ranking = _with_item(ranking, candidates[choice.index], choice.logprob)
        ranking = replace(ranking, raw=raw, forward_passes=decoder.forward_passes)
        yield ranking


def _parsed(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: LLM, k: int
) -> Iterator[Ranking]:
    k = min(k, len(names))
    room = llm.context_length - llm.count_tokens(prompt.rendered)
    ranking = Ranking()
    raw = ""
    chosen: list[int] = []
    repairs: tuple[str, ...] = ()
    for piece in llm.generate(prompt.text, max_tokens=max(room, 16)):
        raw += piece
        chosen, repairs = parse_names(raw, names)
        for index in chosen[len(ranking.items) : k]:
            ranking = _with_item(ranking, candidates[index])
        ranking = replace(ranking, raw=raw, repairs=repairs)
        yield ranking
        if len(ranking.items) == k:
            return
    rest = [index for index in range(len(names)) if index not in chosen]
    missing = k - len(ranking.items)
    if missing:
        repairs += (f"completed {missing} of {k} places in the retriever's order",)
    for index in rest[:missing]:
        ranking = _with_item(ranking, candidates[index])
    yield replace(ranking, raw=raw, repairs=repairs)


def _with_item(ranking: Ranking, candidate: Candidate, logprob: float | None = None) -> Ranking:
    item = RankedItem(candidate.item, len(ranking.items) + 1, candidate.rank, logprob)
    return replace(ranking, items=(*ranking.items, item))
