"""How the LLM's preference is read: three ways, behind one signature.

`titles`      the model writes k names, grounded in the candidates: one decision after the other,
              each given the names already written (the paper's way)
`labels`      the candidates carry single-token labels; one forward pass, and the distribution over
              the labels is the ranking (the "one-pass verbalizer")
`likelihood`  the mean log-probability per token of each whole name, all behind one shared prompt

An adapter is at its best in the mode it was trained for; the paper's task trains `titles`.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product

from palr.errors import PalrError
from palr.grounding import SEPARATOR, select
from palr.llm.base import LLM, TokenLLM
from palr.ranking.parsing import parse_names
from palr.types import Candidate, Prompt, RankedItem, Ranking

Rank = Callable[[Prompt, Sequence[str], Sequence[Candidate], TokenLLM, int], Iterator[Ranking]]


@dataclass(frozen=True)
class Mode:
    """``labelled`` prompts name each candidate by a label of `labels`."""

    name: str
    explanation: str
    rank: Rank
    labelled: bool = False


def get_mode(name: str) -> Mode:
    """Look a mode up; raises PalrError naming the known ones."""
    if name not in MODES:
        raise PalrError(f"unknown ranking mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def labels(llm: TokenLLM, n: int) -> tuple[str, ...]:
    """Up to ``n`` labels that are one token each where an answer begins, all different.

    Fewer come back where the tokenizer has no more of them.
    """
    letters = string.ascii_uppercase + string.ascii_lowercase
    pool = [*letters, *(a + b for a, b in product(string.ascii_uppercase, repeat=2))]
    found: dict[int, str] = {}
    for label in pool:
        if len(found) == n:
            break
        tokens = llm.encode_answer(label)
        if len(tokens) == 1:
            found.setdefault(tokens[0], label)
    return tuple(found.values())


def _titles(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text)
    ranking = Ranking()
    for choice in select(llm, decoder, names, k):
        raw = ranking.raw + (SEPARATOR if ranking.items else "") + names[choice.index]
        ranking = with_item(ranking, candidates[choice.index], choice.logprob)
        ranking = replace(ranking, raw=raw, forward_passes=decoder.forward_passes)
        yield ranking


def _labels(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    used = labels(llm, len(names))
    decoder = llm.start(prompt.text)
    logprobs = decoder.logprobs()
    scores = [float(logprobs[llm.encode_answer(label)[0]]) for label in used]
    yield _by_score(scores, used, candidates, k, decoder.forward_passes)


def _likelihood(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text)
    scores = decoder.score([llm.encode_answer(name) for name in names])
    yield _by_score(scores, names, candidates, k, decoder.forward_passes)


MODES: dict[str, Mode] = {
    "titles": Mode("Write titles", "decision by decision, grounded in the candidates", _titles),
    "labels": Mode("Score labels", "one pass over labelled candidates", _labels, labelled=True),
    "likelihood": Mode("Title likelihood", "how likely each whole title is", _likelihood),
}


def parsed(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: LLM, k: int
) -> Iterator[Ranking]:
    """Read the ranking out of free text, and complete it in the retriever's order."""
    k = min(k, len(names))
    room = llm.context_length - llm.count_tokens(prompt.rendered)
    ranking = Ranking()
    raw = ""
    chosen: list[int] = []
    repairs: tuple[str, ...] = ()
    # Closed as soon as k items are there, or the run is called off: the server stops then.
    with closing(llm.generate(prompt.text, max_tokens=max(room, 16))) as pieces:
        for piece in pieces:
            raw += piece
            chosen, repairs = parse_names(raw, names)
            for index in chosen[len(ranking.items) : k]:
                ranking = with_item(ranking, candidates[index])
            ranking = replace(ranking, raw=raw, repairs=repairs)
            yield ranking
            if len(ranking.items) == k:
                return
    rest = [index for index in range(len(names)) if index not in chosen]
    missing = k - len(ranking.items)
    if missing:
        repairs += (f"completed {missing} of {k} places in the retriever's order",)
    for index in rest[:missing]:
        ranking = with_item(ranking, candidates[index])
    yield replace(ranking, raw=raw, repairs=repairs)


def with_item(ranking: Ranking, candidate: Candidate, logprob: float | None = None) -> Ranking:
    """The ranking with one more item at its end."""
    item = RankedItem(candidate.item, len(ranking.items) + 1, candidate.rank, logprob)
    return replace(ranking, items=(*ranking.items, item))


def _by_score(
    scores: Sequence[float],
    answers: Sequence[str],
    candidates: Sequence[Candidate],
    k: int,
    forward_passes: int,
) -> Ranking:
    """The k best scores; equal ones stay in the retriever's order."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[:k]
    ranking = Ranking(raw=SEPARATOR.join(answers[index] for index in order))
    for index in order:
        ranking = with_item(ranking, candidates[index], scores[index])
    return replace(ranking, forward_passes=forward_passes)
