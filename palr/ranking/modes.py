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
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from palr.errors import PalrError
from palr.grounding import SEPARATOR, select, select_many
from palr.llm.base import LLM, Batch, TokenLLM
from palr.types import Candidate, Prompt, RankedItem, Ranking

Rank = Callable[[Prompt, Sequence[str], Sequence[Candidate], TokenLLM, int], Iterator[Ranking]]
RankBatch = Callable[
    [Batch, Sequence[Sequence[str]], Sequence[Sequence[Candidate]], TokenLLM, int], list[Ranking]
]


@dataclass(frozen=True)
class Mode:
    """``labelled`` prompts name each candidate by a label of `labels`.

    ``rank`` yields its ranking before each forward pass too, so that it can be stopped there;
    ``rank_batch`` reads the rankings of many prompts, behind which a batch stands.
    """

    name: str
    explanation: str
    rank: Rank
    rank_batch: RankBatch
    labelled: bool = False


def get_mode(name: str) -> Mode:
    """Look a mode up; raises PalrError naming the known ones."""
    if name not in MODES:
        raise PalrError(f"unknown ranking mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def labels(llm: LLM, n: int) -> tuple[str, ...]:
    """Up to ``n`` labels that are one token each where an answer begins, all different.

    Fewer come back where the tokenizer has no more of them. Where it is out of reach, only letters
    are taken, which every tokenizer in use has.
    """
    letters = string.ascii_uppercase + string.ascii_lowercase
    if not isinstance(llm, TokenLLM):
        return tuple(letters[:n])
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
        if choice:
            raw = ranking.raw + (SEPARATOR if ranking.items else "") + names[choice.index]
            ranking = with_item(ranking, candidates[choice.index], choice.logprob)
            ranking = replace(ranking, raw=raw, forward_passes=decoder.forward_passes)
        yield ranking


def _titles_batch(
    batch: Batch,
    names: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[Candidate]],
    llm: TokenLLM,
    k: int,
) -> list[Ranking]:
    rankings = []
    for row, choices in enumerate(select_many(llm, batch, names, k)):
        ranking = Ranking(raw=SEPARATOR.join(names[row][choice.index] for choice in choices))
        for choice in choices:
            ranking = with_item(ranking, candidates[row][choice.index], choice.logprob)
        rankings.append(replace(ranking, forward_passes=batch.forward_passes))
    return rankings


def _labels(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text)
    for _ in decoder.passes():
        yield Ranking()
    used, scores = _label_scores(names, llm, decoder.logprobs())
    yield by_score(scores, used, candidates, k, decoder.forward_passes)


def _labels_batch(
    batch: Batch,
    names: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[Candidate]],
    llm: TokenLLM,
    k: int,
) -> list[Ranking]:
    rankings = []
    for row, logprobs in enumerate(batch.logprobs()):
        used, scores = _label_scores(names[row], llm, logprobs)
        rankings.append(by_score(scores, used, candidates[row], k, batch.forward_passes))
    return rankings


def _label_scores(
    names: Sequence[str], llm: TokenLLM, logprobs: NDArray[np.float32]
) -> tuple[tuple[str, ...], list[float]]:
    used = labels(llm, len(names))
    return used, [float(logprobs[llm.encode_answer(label)[0]]) for label in used]


def _likelihood(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text)
    for _ in decoder.passes():
        yield Ranking()
    scores = []
    yield Ranking()
    for score in decoder.score([llm.encode_answer(name) for name in names]):
        scores.append(score)
        yield Ranking()
    yield by_score(scores, names, candidates, k, decoder.forward_passes)


def _likelihood_batch(
    batch: Batch,
    names: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[Candidate]],
    llm: TokenLLM,
    k: int,
) -> list[Ranking]:
    scores = batch.score([[llm.encode_answer(name) for name in row] for row in names])
    return [
        by_score(scores[row], names[row], candidates[row], k, batch.forward_passes)
        for row in range(len(names))
    ]


MODES: dict[str, Mode] = {
    "titles": Mode(
        "Write titles", "decision by decision, grounded in the candidates", _titles, _titles_batch
    ),
    "labels": Mode(
        "Score labels", "one pass over labelled candidates", _labels, _labels_batch, labelled=True
    ),
    "likelihood": Mode(
        "Title likelihood", "how likely each whole title is", _likelihood, _likelihood_batch
    ),
}


def with_item(ranking: Ranking, candidate: Candidate, logprob: float | None = None) -> Ranking:
    """The ranking with one more item at its end."""
    item = RankedItem(candidate.item, len(ranking.items) + 1, candidate.rank, logprob)
    return replace(ranking, items=(*ranking.items, item))


def by_score(
    scores: Sequence[float],
    answers: Sequence[str],
    candidates: Sequence[Candidate],
    k: int,
    forward_passes: int | None,
) -> Ranking:
    """The k best scores; equal ones stay in the retriever's order."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[:k]
    ranking = Ranking(raw=SEPARATOR.join(answers[index] for index in order))
    for index in order:
        ranking = with_item(ranking, candidates[index], scores[index])
    return replace(ranking, forward_passes=forward_passes)
