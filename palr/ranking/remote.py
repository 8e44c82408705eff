"""Rankings of a model that runs elsewhere: its free text parsed, or the log-probabilities of labels
that its server reports. What is missing is completed in the retriever's order, and reported."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from palr.llm.base import LLM, Cut, LabelLLM
from palr.llm.reasoning import answer_of, why_unanswered
from palr.ranking.job import Job
from palr.ranking.labels import labels
from palr.ranking.modes import by_score, with_item
from palr.ranking.parsing import SIGNS, names_so_far, parse_names
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
    raw = cut = ""
    # Closed as soon as k items are there, or the run is cancelled: the server stops then.
    with closing(llm.generate(job.prompt.text, max_tokens=max(room, 16))) as pieces:
        for piece in pieces:
            cut = piece.by if isinstance(piece, Cut) else ""
            if not piece:
                yield None
                continue
            raw += piece
            if any(sign in piece for sign in SIGNS):
                chosen, repairs = names_so_far(answer_of(raw), job.names)
                ranking = replace(_ranked(job, chosen[:k]), repairs=repairs)
            ranking = replace(ranking, raw=raw)
            yield ranking
            if len(ranking.items) == k:
                return
    yield _final(job, k, raw, cut)


def _final(job: Job, k: int, raw: str, cut: str) -> Ranking:
    """The ranking of an answer that has ended; ``cut`` is what cut it off, in words."""
    chosen, repairs = parse_names(answer_of(raw), job.names, cut=bool(cut))
    wrong = why_unanswered(raw, cut) or "names none of the candidates"
    unusable = "" if chosen else f"the model's answer {wrong}"
    if cut:
        repairs = (f"the answer was cut by {cut}", *repairs)
    rest = [job.candidates[index] for index in range(len(job.names)) if index not in chosen]
    ranking = replace(_ranked(job, chosen[:k]), raw=raw, repairs=repairs, unusable=unusable)
    return _completed(ranking, rest, k)


def _ranked(job: Job, chosen: Sequence[int]) -> Ranking:
    ranking = Ranking()
    for index in chosen:
        ranking = with_item(ranking, job.candidates[index])
    return ranking


def _completed(ranking: Ranking, rest: list[Candidate], k: int) -> Ranking:
    """The ranking filled up to ``k`` items in the retriever's order, which it reports."""
    missing = k - len(ranking.items)
    if missing:
        note = f"completed {missing} of {k} places in the retriever's order"
        ranking = replace(ranking, repairs=(*ranking.repairs, note), completed=missing)
    for candidate in rest[:missing]:
        ranking = with_item(ranking, candidate)
    return ranking
