"""Rankings of a model that runs elsewhere: its free text parsed, or the log-probabilities of labels
that its server reports. What is missing is completed in the retriever's order, and reported."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from palr.llm.base import LLM, LabelLLM
from palr.ranking.job import Job
from palr.ranking.labels import labels
from palr.ranking.modes import by_score, with_item
from palr.ranking.parsing import parse_names
from palr.types import Candidate, Ranking


def rank_by_label(job: Job, llm: LabelLLM) -> Iterator[Ranking | None]:
    """Rank by the labels' log-probabilities. A server may report the likeliest only: the others
    follow in the retriever's order."""
    used = labels(llm, len(job.names))
    reported: Mapping[str, float] = {}
    with closing(llm.label_logprobs(job.prompt.text, used)) as answers:
        for answer in answers:
            reported = answer or reported
            yield None
    known = [index for index, label in enumerate(used) if label in reported]
    candidates = [job.candidates[index] for index in known]
    scores = job.mix.add([reported[used[index]] for index in known], candidates)
    scored = by_score(scores, [used[index] for index in known], candidates, job.k, None)
    if len(known) < len(used):
        gap = f"the server reported the log-probabilities of {len(known)} of {len(used)} labels"
        scored = replace(scored, repairs=(gap,))
    rest = [job.candidates[index] for index in range(len(job.names)) if index not in known]
    yield _completed(scored, rest, min(job.k, len(job.names)))


def rank_by_text(job: Job, llm: LLM) -> Iterator[Ranking | None]:
    """Read the ranking out of free text, and complete it in the retriever's order."""
    k = min(job.k, len(job.names))
    room = llm.context_length - llm.count_tokens(job.prompt.rendered)
    ranking = Ranking()
    raw = ""
    chosen: list[int] = []
    repairs: tuple[str, ...] = ()
    # Closed as soon as k items are there, or the run is cancelled: the server stops then.
    with closing(llm.generate(job.prompt.text, max_tokens=max(room, 16))) as pieces:
        for piece in pieces:
            if piece is None:
                yield None
                continue
            raw += piece
            chosen, repairs = parse_names(raw, job.names)
            for index in chosen[len(ranking.items) : k]:
                ranking = with_item(ranking, job.candidates[index])
            ranking = replace(ranking, raw=raw, repairs=repairs)
            yield ranking
            if len(ranking.items) == k:
                return
    rest = [job.candidates[index] for index in range(len(job.names)) if index not in chosen]
    yield _completed(replace(ranking, raw=raw, repairs=repairs), rest, k)


def _completed(ranking: Ranking, rest: list[Candidate], k: int) -> Ranking:
    """The ranking filled up to ``k`` items in the retriever's order, which it reports."""
    missing = k - len(ranking.items)
    if missing:
        note = f"completed {missing} of {k} places in the retriever's order"
        ranking = replace(ranking, repairs=(*ranking.repairs, note))
    for candidate in rest[:missing]:
        ranking = with_item(ranking, candidate)
    return ranking
