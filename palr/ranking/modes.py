"""How the LLM's preference is read: four ways, behind one signature.

`titles`      the model writes k names, grounded in the candidates: one decision after the other,
              each given the names already written (the paper's way)
`labels`      the candidates carry single-token labels; one forward pass, and the distribution over
              the labels is the ranking (the "one-pass verbalizer")
`likelihood`  the mean log-probability per token of each whole name, all behind one shared prompt
`relevance`   behind the name of every candidate, how much rather the model says yes than no; one
              forward pass over the same prompt as of `labels` (pointwise relevance, listwise read)

An adapter is at its best in the mode it was trained for; the paper's task trains `titles`.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from palr.errors import PalrError
from palr.llm.base import LLM, Batch, TokenLLM
from palr.llm.grounding import SEPARATOR, select, select_many
from palr.prompts import CANDIDATES_INTRO
from palr.ranking.mix import log_softmax, on_prior
from palr.types import Candidate, Prompt, RankedItem, Ranking

Rank = Callable[[Prompt, Sequence[str], Sequence[Candidate], TokenLLM, int], Iterator[Ranking]]
RankBatch = Callable[
    [Batch, Sequence[Sequence[str]], Sequence[Sequence[Candidate]], TokenLLM, int], list[Ranking]
]


@dataclass(frozen=True)
class Mode:
    """``labelled`` prompts name each candidate by a label of `labels`; ``by_label`` says that the
    answer is a label too, which a `LabelLLM` can tell. ``on_prior`` says that the scores lie on the
    adapter's prior (`palr.ranking.mix.on_prior`).

    ``rank`` yields its ranking before each forward pass too, so that it can be stopped there;
    ``rank_batch`` reads the rankings of many prompts, behind which a batch stands, with the
    ``marks`` that the mode wants in each.
    """

    name: str
    explanation: str
    rank: Rank
    rank_batch: RankBatch
    labelled: bool = False
    by_label: bool = False
    on_prior: bool = False
    marks: Callable[[Prompt, Sequence[str]], list[int]] | None = None


def get_mode(name: str) -> Mode:
    """Look a mode up; raises PalrError naming the known ones."""
    if name not in MODES:
        raise PalrError(f"unknown ranking mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def weights_of(llm: LLM, mode: str) -> tuple[float, float]:
    """The prior and the spread of the adapter in this mode (`palr.ranking.mix.on_prior`); 0 where
    the retriever's scores take no part."""
    if isinstance(llm, TokenLLM) and get_mode(mode).on_prior and llm.prior:
        return llm.prior, llm.spread
    return 0.0, 0.0


_labels_of: WeakKeyDictionary[TokenLLM, dict[int, tuple[str, ...]]] = WeakKeyDictionary()


def labels(llm: LLM, n: int) -> tuple[str, ...]:
    """Up to ``n`` labels that are one token each where an answer begins, all different.

    Fewer come back where the tokenizer has no more of them. Where it is out of reach, only letters
    are taken, which every tokenizer in use has.
    """
    letters = string.ascii_uppercase + string.ascii_lowercase
    if not isinstance(llm, TokenLLM):
        return tuple(letters[:n])
    known = _labels_of.setdefault(llm, {})
    if n not in known:
        known[n] = _single_tokens(llm, letters, n)
    return known[n]


def _single_tokens(llm: TokenLLM, letters: str, n: int) -> tuple[str, ...]:
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
    decoder = llm.start(prompt.text, prompt.beginning)
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
    decoder = llm.start(prompt.text, prompt.beginning)
    for _ in decoder.passes():
        yield Ranking()
    used, scores = _label_scores(names, candidates, llm, decoder.logprobs())
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
        used, scores = _label_scores(names[row], candidates[row], llm, logprobs)
        rankings.append(by_score(scores, used, candidates[row], k, batch.forward_passes))
    return rankings


def _label_scores(
    names: Sequence[str],
    candidates: Sequence[Candidate],
    llm: TokenLLM,
    logprobs: NDArray[np.float32],
) -> tuple[tuple[str, ...], Sequence[float]]:
    used = labels(llm, len(names))
    scores = [float(logprobs[llm.encode_answer(label)[0]]) for label in used]
    return used, on_prior(scores, candidates[: len(used)], llm.prior, llm.spread)


def _likelihood(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text, prompt.beginning)
    for _ in decoder.passes():
        yield Ranking()
    scores: dict[str, float] = {}
    different = list(dict.fromkeys(names))  # rounding must not tell equal names apart
    yield Ranking()
    scored = decoder.score([llm.encode_answer(name) for name in different])
    for name, score in zip(different, scored, strict=True):
        scores[name] = score
        yield Ranking()
    yield by_score([scores[name] for name in names], names, candidates, k, decoder.forward_passes)


def _likelihood_batch(
    batch: Batch,
    names: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[Candidate]],
    llm: TokenLLM,
    k: int,
) -> list[Ranking]:
    different = [list(dict.fromkeys(row)) for row in names]
    scores = batch.score([[llm.encode_answer(name) for name in row] for row in different])
    rankings = []
    for row, found in enumerate(scores):
        by_name = dict(zip(different[row], found, strict=True))
        all_scores = [by_name[name] for name in names[row]]
        rankings.append(by_score(all_scores, names[row], candidates[row], k, batch.forward_passes))
    return rankings


def _relevance(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: TokenLLM, k: int
) -> Iterator[Ranking]:
    decoder = llm.start(prompt.text, prompt.beginning, name_ends(prompt, names))
    for _ in decoder.passes():
        yield Ranking()
    scores = _relevance_scores(decoder.marked(), candidates, llm)
    yield by_score(scores, names, candidates, k, decoder.forward_passes)


def _relevance_batch(
    batch: Batch,
    names: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[Candidate]],
    llm: TokenLLM,
    k: int,
) -> list[Ranking]:
    return [
        by_score(
            _relevance_scores(marked, candidates[row], llm),
            names[row],
            candidates[row],
            k,
            batch.forward_passes,
        )
        for row, marked in enumerate(batch.marked())
    ]


def verdicts(llm: TokenLLM) -> tuple[int, int]:
    """The tokens that stand for yes and no behind a candidate."""
    yes, no = (llm.encode_answer(word)[0] for word in ("yes", "no"))
    return yes, no


def _relevance_scores(
    marked: NDArray[np.float32], candidates: Sequence[Candidate], llm: TokenLLM
) -> Sequence[float]:
    """Log-softmax over the list of log p(yes) - log p(no) behind each candidate, on the prior."""
    yes, no = verdicts(llm)
    odds = marked[:, yes].astype(np.float64) - marked[:, no]
    scores = [float(score) for score in log_softmax(odds)]
    return on_prior(scores, candidates[: len(scores)], llm.prior, llm.spread)


def name_ends(prompt: Prompt, names: Sequence[str]) -> list[int]:
    """Where each candidate's name ends in the prompt's text, in characters.

    A visitor may have edited a name out of the text; it is judged where the one before it ends.
    """
    text = prompt.text
    at = max(text.find(CANDIDATES_INTRO), 0)
    ends = []
    for name in names:
        found = text.find(name, at)
        at = found + len(name) if found >= 0 else max(at, 1)
        ends.append(at)
    return ends


MODES: dict[str, Mode] = {
    "titles": Mode(
        "Write titles", "decision by decision, grounded in the candidates", _titles, _titles_batch
    ),
    "labels": Mode(
        "Score labels",
        "one pass over labelled candidates",
        _labels,
        _labels_batch,
        labelled=True,
        by_label=True,
        on_prior=True,
    ),
    "likelihood": Mode(
        "Title likelihood", "how likely each whole title is", _likelihood, _likelihood_batch
    ),
    "relevance": Mode(
        "Judge each",
        "yes or no behind every candidate, in one pass",
        _relevance,
        _relevance_batch,
        labelled=True,
        on_prior=True,
        marks=name_ends,
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
