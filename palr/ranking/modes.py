"""How the LLM's preference is read: four ways, each one class.

`titles`      the model writes k names, grounded in the candidates: one decision after the other,
              each given the names already written (the paper's way)
`labels`      the candidates carry single-token labels; one forward pass, and the distribution over
              the labels is the ranking (the "one-pass verbalizer")
`likelihood`  the mean log-probability per token of each whole name, all after one shared prompt
`relevance`   after the name of every candidate, how much rather the model says yes than no; one
              forward pass over the same prompt as of `labels` (pointwise relevance, listwise read)

An adapter is at its best in the mode it was trained for; the paper's task trains `titles`. To add a
mode, add one entry to `MODES`: what is true of it, its class says.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from palr.errors import LLMError, PalrError
from palr.llm.base import LLM, Batch, Decoder, TokenLLM
from palr.llm.grounding import SEPARATOR, select, select_many
from palr.llm.passes import UNSOUND
from palr.prompts import CANDIDATES_INTRO
from palr.ranking.job import Job
from palr.ranking.labels import labels
from palr.ranking.mix import log_softmax
from palr.types import Candidate, Prompt, RankedItem, Ranking


class Mode(ABC):
    """One way of reading a ranking out of a model in this process.

    Attributes:
        label: Its name on the page.
        explanation: What it does, in a few words.
        labelled: Whether the prompt names each candidate by a label (`palr.ranking.labels`).
        by_label: Whether the answer is a label too, which a `LabelLLM` can report.
        scores_all: Whether every candidate gets a score.
        mixes: Whether the scores can lie on top of the retriever's (`ScoreMix`).
        passes: Forward passes of a whole run, the profile's included, about.
    """

    label: ClassVar[str]
    explanation: ClassVar[str]
    labelled: ClassVar[bool] = False
    by_label: ClassVar[bool] = False
    scores_all: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    passes: ClassVar[int] = 160

    def marks(self, prompt: Prompt, names: Sequence[str]) -> list[int]:
        """Ascending places in the prompt's text, in characters, whose next token is read."""
        return []

    @abstractmethod
    def rank(self, job: Job, llm: TokenLLM) -> Iterator[Ranking | None]:
        """Stream the ranking, as `palr.ranking.rank.rank` does."""

    @abstractmethod
    def rank_batch(self, jobs: Sequence[Job], batch: Batch, llm: TokenLLM) -> list[Ranking]:
        """The ranking of each job; ``batch`` has read their prompts."""


class Titles(Mode):
    label = "Write titles"
    explanation = "decision by decision, grounded in the candidates"

    def rank(self, job: Job, llm: TokenLLM) -> Iterator[Ranking | None]:
        decoder = llm.start(job.prompt.text, job.prompt.beginning)
        ranking = Ranking()
        for choice in select(llm, decoder, job.names, job.k, job.odds):
            if choice is None:
                yield None
                continue
            raw = ranking.raw + (SEPARATOR if ranking.items else "") + job.names[choice.index]
            ranking = with_item(ranking, job.candidates[choice.index], choice.logprob)
            ranking = replace(ranking, raw=raw, forward_passes=decoder.forward_passes)
            yield ranking

    def rank_batch(self, jobs: Sequence[Job], batch: Batch, llm: TokenLLM) -> list[Ranking]:
        k = max(job.k for job in jobs)
        rankings = []
        names, odds = [job.names for job in jobs], [job.odds for job in jobs]
        for job, choices in zip(jobs, select_many(llm, batch, names, k, odds), strict=True):
            chosen = choices[: job.k]
            ranking = Ranking(raw=SEPARATOR.join(job.names[choice.index] for choice in chosen))
            for choice in chosen:
                ranking = with_item(ranking, job.candidates[choice.index], choice.logprob)
            rankings.append(replace(ranking, forward_passes=batch.forward_passes))
        return rankings


class ScoredMode(Mode):
    """A mode in which every candidate gets a score; the ranking is their order."""

    scores_all = True

    def ranking(
        self, job: Job, scores: Sequence[float], answers: Sequence[str], forward_passes: int
    ) -> Ranking:
        """The k best of ``scores`` (candidates,), the retriever's added where the job says so.

        Raises:
            LLMError: some scores are not finite.
        """
        if not np.isfinite(scores).all():
            raise LLMError(f"the language model gave scores that are not finite: {UNSOUND}")
        scores = job.mix.add(scores, job.candidates[: len(scores)])
        return by_score(scores, answers, job.candidates, job.k, forward_passes)


class OnePass(ScoredMode):
    """A mode that reads all scores out of what one pass over the prompt gives."""

    mixes = True
    passes = 40

    @abstractmethod
    def read(self, decoder: Decoder) -> NDArray[np.float32]:
        """Log-probabilities (vocabulary,) or (marks, vocabulary) of a decoder."""

    @abstractmethod
    def read_batch(self, batch: Batch) -> Sequence[NDArray[np.float32]]:
        """`read` of each row."""

    @abstractmethod
    def scores(
        self, job: Job, logprobs: NDArray[np.float32], llm: TokenLLM
    ) -> tuple[Sequence[float], Sequence[str]]:
        """The score of each candidate, and the answer that stands for it."""

    def rank(self, job: Job, llm: TokenLLM) -> Iterator[Ranking | None]:
        marks = self.marks(job.prompt, job.names)
        decoder = llm.start(job.prompt.text, job.prompt.beginning, marks)
        yield from decoder.passes()
        scores, answers = self.scores(job, self.read(decoder), llm)
        yield self.ranking(job, scores, answers, decoder.forward_passes)

    def rank_batch(self, jobs: Sequence[Job], batch: Batch, llm: TokenLLM) -> list[Ranking]:
        rankings = []
        for job, logprobs in zip(jobs, self.read_batch(batch), strict=True):
            scores, answers = self.scores(job, logprobs, llm)
            rankings.append(self.ranking(job, scores, answers, batch.forward_passes))
        return rankings


class Labels(OnePass):
    label = "Score labels"
    explanation = "one pass over labelled candidates"
    labelled = True
    by_label = True

    def read(self, decoder: Decoder) -> NDArray[np.float32]:
        return decoder.logprobs()

    def read_batch(self, batch: Batch) -> Sequence[NDArray[np.float32]]:
        return list(batch.logprobs())

    def scores(
        self, job: Job, logprobs: NDArray[np.float32], llm: TokenLLM
    ) -> tuple[Sequence[float], Sequence[str]]:
        used = labels(llm, len(job.names))
        return [float(logprobs[llm.encode_answer(label)[0]]) for label in used], used


class Relevance(OnePass):
    label = "Judge each"
    explanation = "yes or no for every candidate, in one pass"
    labelled = True

    def marks(self, prompt: Prompt, names: Sequence[str]) -> list[int]:
        """Where each candidate's name ends in the prompt's text.

        A visitor may have edited a name out of the text; it is judged where the one before ends.
        """
        text = prompt.text
        at = max(text.find(CANDIDATES_INTRO), 0)
        ends = []
        for name in names:
            found = text.find(name, at)
            at = found + len(name) if found >= 0 else max(at, 1)
            ends.append(at)
        return ends

    def read(self, decoder: Decoder) -> NDArray[np.float32]:
        return decoder.marked()

    def read_batch(self, batch: Batch) -> Sequence[NDArray[np.float32]]:
        return batch.marked()

    def scores(
        self, job: Job, logprobs: NDArray[np.float32], llm: TokenLLM
    ) -> tuple[Sequence[float], Sequence[str]]:
        """Log-softmax over the list of log p(yes) - log p(no) after each candidate."""
        yes, no = verdicts(llm)
        odds = logprobs[:, yes].astype(np.float64) - logprobs[:, no]
        return [float(score) for score in log_softmax(odds)], job.names


class Likelihood(ScoredMode):
    label = "Title likelihood"
    explanation = "how likely each whole title is"
    passes = 60

    def rank(self, job: Job, llm: TokenLLM) -> Iterator[Ranking | None]:
        decoder = llm.start(job.prompt.text, job.prompt.beginning)
        yield from decoder.passes()
        yield None
        different = list(dict.fromkeys(job.names))  # rounding must not tell equal names apart
        found = []
        for score in decoder.score([llm.encode_answer(name) for name in different]):
            found.append(score)
            yield None
        by_name = dict(zip(different, found, strict=True))
        scores = [by_name[name] for name in job.names]
        yield self.ranking(job, scores, job.names, decoder.forward_passes)

    def rank_batch(self, jobs: Sequence[Job], batch: Batch, llm: TokenLLM) -> list[Ranking]:
        different = [list(dict.fromkeys(job.names)) for job in jobs]
        found = batch.score([[llm.encode_answer(name) for name in row] for row in different])
        rankings = []
        for job, names, row in zip(jobs, different, found, strict=True):
            by_name = dict(zip(names, row, strict=True))
            scores = [by_name[name] for name in job.names]
            rankings.append(self.ranking(job, scores, job.names, batch.forward_passes))
        return rankings


MODES: dict[str, Mode] = {
    "titles": Titles(),
    "labels": Labels(),
    "likelihood": Likelihood(),
    "relevance": Relevance(),
}
DEFAULT_MODE = next(iter(MODES))


def get_mode(name: str) -> Mode:
    """Look a mode up; raises PalrError naming the known ones."""
    if name not in MODES:
        raise PalrError(f"unknown ranking mode {name!r}; choose one of: {', '.join(MODES)}")
    return MODES[name]


def default_mode(llm: LLM) -> str:
    """The mode that the model's adapter was trained for first, else the paper's."""
    trained = llm.adapter.modes if llm.adapter else ()
    return next((mode for mode in trained if mode in MODES), DEFAULT_MODE)


def scored_mode(name: str | None, llm: LLM) -> str:
    """The mode to read a score mix in: the one asked for, else the adapter's best, else labels.

    Raises:
        PalrError: the one asked for gives no scores that could be mixed.
    """
    scored = [known for known, mode in MODES.items() if mode.scores_all]
    if name is None:
        trained = llm.adapter.modes if llm.adapter else ()
        return next((known for known in trained if known in scored), scored[0])
    if name not in scored:
        raise PalrError(
            f"a score mix needs the model's score of every candidate, which the mode {name!r} does "
            f"not give; choose {' or '.join(map(repr, scored))}"
        )
    return name


def verdicts(llm: TokenLLM) -> tuple[int, int]:
    """The tokens that stand for yes and no after a candidate."""
    yes, no = (llm.encode_answer(word)[0] for word in ("yes", "no"))
    return yes, no


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
