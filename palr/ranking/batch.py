"""Rankings of many prompts, for evaluation: in batches of like lengths, and over many devices.

Started by ``accelerate launch``, every process takes its share of the jobs, each on a device of
its own:

    mine = my_share(jobs)
    for at, ranking in rank_many([jobs[n] for n in mine], llm): ...  # of jobs[mine[at]]
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from palr.llm.base import LLM, TokenLLM
from palr.ranking.job import Job
from palr.ranking.modes import get_mode
from palr.ranking.rank import rank
from palr.types import Ranking

BATCH_TOKENS = 16384  # bounds memory: each token's keys and values are kept


def rank_many(
    jobs: Sequence[Job], llm: TokenLLM, batch_tokens: int = BATCH_TOKENS
) -> Iterator[tuple[int, Ranking]]:
    """Yield each job's position and ranking, in the order of their lengths, longest first.

    In float32 each ranking is the one that `rank` gives. ``Ranking.forward_passes`` are those of
    the whole batch. All jobs are of one mode.

    Raises:
        LLMError: the model failed.
        PalrError: the mode is unknown.
    """
    yield from ((at, Ranking()) for at, job in enumerate(jobs) if not job.names)
    asked = [at for at, job in enumerate(jobs) if job.names]
    for group in batches([jobs[at] for at in asked], batch_tokens):
        together = [jobs[asked[n]] for n in group]
        mode = get_mode(together[0].mode)
        marks = [mode.marks(job.prompt, job.names) for job in together]
        batch = llm.start_many([job.prompt.text for job in together], marks if any(marks) else ())
        rankings = mode.rank_batch(together, batch, llm)
        yield from zip((asked[n] for n in group), rankings, strict=True)


def rank_each(jobs: Sequence[Job], llm: LLM) -> Generator[tuple[int, Ranking] | None]:
    """Yield each job's position and ranking, and None wherever the work can be stopped.

    In batches where the model gains by them; else one after the other, by `rank`.

    Raises:
        LLMError: the model failed.
        PalrError: the mode is unknown.
    """
    if isinstance(llm, TokenLLM) and llm.gains_by_batches:
        yield from rank_many(jobs, llm)
        return
    for at, job in enumerate(jobs):
        ranking = Ranking()
        with closing(rank(job, llm)) as rankings:  # type: ignore[type-var]
            for grown in rankings:
                ranking = grown or ranking
                yield None
        yield at, ranking


def batches(jobs: Sequence[Job], batch_tokens: int) -> list[list[int]]:
    """Positions of jobs of like lengths together. A prompt above the limit runs alone."""
    groups: list[list[int]] = []
    for at in _longest_first(jobs):
        if groups and (len(groups[-1]) + 1) * _length(jobs[groups[-1][0]]) <= batch_tokens:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def my_share(jobs: Sequence[Job]) -> list[int]:
    """Positions of the jobs of this process, where ``accelerate launch`` started several; else of
    all of them.

    Long and short prompts are dealt out evenly.
    """
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    return _longest_first(jobs)[state.process_index :: state.num_processes]


def _longest_first(jobs: Sequence[Job]) -> list[int]:
    return sorted(range(len(jobs)), key=lambda at: -_length(jobs[at]))


def _length(job: Job) -> int:
    return job.prompt.tokens or 0
