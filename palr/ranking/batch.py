"""Rankings of many prompts, for evaluation: in batches of like lengths, and over many devices.

Started by ``accelerate launch``, every process takes its share of the prompts, each on a device of
its own:

    for index, ranking in rank_many(my_share(jobs), llm, k=10, mode="labels"): ...
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from palr.llm.base import LLM, TokenLLM
from palr.ranking.modes import get_mode
from palr.ranking.rank import rank
from palr.types import Candidate, Prompt, Ranking

BATCH_TOKENS = 16384  # bounds memory: each token's keys and values are kept


@dataclass(frozen=True)
class Job:
    """A prompt to rank, as `fit_ranking_prompt` made it; ``index`` tells it from the others."""

    index: int
    prompt: Prompt
    names: tuple[str, ...]
    candidates: tuple[Candidate, ...]


def rank_many(
    jobs: Sequence[Job], llm: TokenLLM, k: int, mode: str, batch_tokens: int = BATCH_TOKENS
) -> Iterator[tuple[int, Ranking]]:
    """Yield each job's index and ranking, in the order of their lengths, longest first.

    In float32 each ranking is the one that `rank` gives. ``Ranking.forward_passes`` are those of
    the whole batch.

    Raises:
        LLMError: the model failed.
        PalrError: the mode is unknown.
    """
    way = get_mode(mode)
    for job in jobs:
        if not job.names:
            yield job.index, Ranking()
    for group in batches([job for job in jobs if job.names], batch_tokens):
        names = [job.names for job in group]
        marks = [way.marks(job.prompt, job.names) for job in group] if way.marks else ()
        batch = llm.start_many([job.prompt.text for job in group], marks)
        rankings = way.rank_batch(batch, names, [job.candidates for job in group], llm, k)
        yield from zip((job.index for job in group), rankings, strict=True)


def rank_each(
    jobs: Sequence[Job], llm: LLM, k: int, mode: str
) -> Generator[tuple[int, Ranking] | None]:
    """Yield each job's index and ranking, and None wherever the work can be stopped in between.

    In batches where the model gains by them; else one after the other, by `rank`.

    Raises:
        LLMError: the model failed.
        PalrError: the mode is unknown.
    """
    if isinstance(llm, TokenLLM) and llm.gains_by_batches:
        yield from rank_many(jobs, llm, k, mode)
        return
    for job in jobs:
        ranking = Ranking()
        with closing(rank(job.prompt, job.names, job.candidates, llm, k, mode)) as rankings:
            for grown in rankings:
                ranking = grown
                yield None
        yield job.index, ranking


def batches(jobs: Sequence[Job], batch_tokens: int) -> list[list[Job]]:
    """Jobs of like lengths together. A prompt above the limit runs alone."""
    groups: list[list[Job]] = []
    for job in sorted(jobs, key=_length, reverse=True):
        if groups and (len(groups[-1]) + 1) * _length(groups[-1][0]) <= batch_tokens:
            groups[-1].append(job)
        else:
            groups.append([job])
    return groups


def my_share(jobs: Sequence[Job]) -> list[Job]:
    """The jobs of this process, where ``accelerate launch`` started several; else all of them.

    Long and short prompts are dealt out evenly.
    """
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    return sorted(jobs, key=_length, reverse=True)[state.process_index :: state.num_processes]


def _length(job: Job) -> int:
    return job.prompt.tokens or 0
