"""From prompt and candidates to the top k.

The answer is always k distinct candidates, or all of them where there are fewer: a model in this
process is read in one of the `MODES`; the text of a model behind HTTP is parsed, and completed from
the retriever's order, with every repair reported.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace

from palr.domains import Domain
from palr.errors import PalrError
from palr.llm.base import LLM, LabelLLM, TokenLLM
from palr.llm.grounding import SEPARATOR
from palr.prompts import Limits, as_sent, fit, item_names, ranking_prompt
from palr.ranking.modes import MODES, get_mode, labels
from palr.ranking.remote import parsed, told_labels
from palr.types import Candidate, Item, Profile, Prompt, Ranking

DEFAULT_MODE = next(iter(MODES))


def fit_ranking_prompt(
    domain: Domain,
    history: Sequence[Item],
    profile: Profile | None,
    candidates: Sequence[Candidate],
    k: int,
    llm: LLM,
    mode: str = DEFAULT_MODE,
    marks: Sequence[str] = (),
    instruction: str | None = None,
) -> tuple[Prompt, tuple[str, ...]]:
    """The fullest ranking prompt that leaves room for its answer, and the names of the candidates
    that it shows, in their order.

    ``marks`` are the labels of a labelled prompt, the first of `labels` unless given;
    ``instruction`` stands in for the paper's.

    Raises:
        PalrError: the mode is unknown, or needs a model in this process.
    """
    total = len(candidates)
    told = get_mode(mode).by_label and isinstance(llm, LabelLLM)
    if mode != DEFAULT_MODE and not told and not isinstance(llm, TokenLLM):
        raise PalrError(
            f"the mode {mode!r} reads the model's distribution, which {llm.name} behind HTTP does "
            f"not give; choose {DEFAULT_MODE!r}"
        )
    if get_mode(mode).labelled:
        marks = marks or labels(llm, total)
        candidates = candidates[: len(marks)]

    def names(limits: Limits) -> tuple[str, ...]:
        return item_names(domain, [c.item for c in candidates[: limits.candidates]], limits.title)

    def build(limits: Limits) -> Prompt:
        return ranking_prompt(domain, history, profile, candidates, k, limits, marks, instruction)

    def fits(prompt: Prompt, limits: Limits) -> bool:
        room = llm.context_length - llm.count_tokens(llm.render(prompt.text))
        shown = names(limits)
        return _answer_bytes(shown, k) <= room or answer_tokens(shown, k, llm) <= room

    items = [*history, *(c.item for c in candidates)]
    prompt, limits = fit(
        build,
        fits,
        longest_title=max((len(domain.name(item)) for item in items), default=0),
        n_history=len(history),
        n_candidates=total,
    )
    if marks and len(marks) < total:
        cut = f"only {len(marks)} of {total} candidates could be given a label of one token"
        prompt = replace(prompt, cuts=(*prompt.cuts, cut))
    return as_sent(prompt, llm), names(limits)


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


def rank(
    prompt: Prompt,
    names: Sequence[str],
    candidates: Sequence[Candidate],
    llm: LLM,
    k: int,
    mode: str = DEFAULT_MODE,
) -> Generator[Ranking]:
    """Stream the ranking: each yield holds as much of it or more; the last one is complete.

    Closing the iterator stops the model within one forward pass.

    ``names[i]`` is how the prompt calls ``candidates[i]``; candidates beyond ``names`` were cut
    from the prompt and are not ranked. ``mode`` is that of the prompt.

    Raises:
        LLMError: the model failed.
    """
    if not names:
        yield Ranking()
    elif isinstance(llm, TokenLLM):
        yield from get_mode(mode).rank(prompt, names, candidates, llm, k)
    elif get_mode(mode).by_label and isinstance(llm, LabelLLM):
        yield from told_labels(prompt, names, candidates, llm, k)
    else:
        yield from parsed(prompt, names, candidates, llm, k)
