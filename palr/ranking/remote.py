"""Rankings of a model behind HTTP: its free text parsed, or the labels' log-probabilities that the
server tells. What is missing is completed in the retriever's order, and reported."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from palr.llm.base import LLM, LabelLLM
from palr.ranking.modes import by_score, labels, with_item
from palr.ranking.parsing import parse_names
from palr.types import Candidate, Prompt, Ranking


def told_labels(
    prompt: Prompt, names: Sequence[str], candidates: Sequence[Candidate], llm: LabelLLM, k: int
) -> Iterator[Ranking]:
    """`labels` of a model elsewhere, which may tell the likeliest of them only: the others follow
    in the retriever's order."""
    used = labels(llm, len(names))
    told: Mapping[str, float] = {}
    with closing(llm.label_logprobs(prompt.text, used)) as answers:
        for answer in answers:
            told = answer
            yield Ranking()
    known = [index for index, label in enumerate(used) if label in told]
    scored = by_score(
        [told[used[index]] for index in known],
        [used[index] for index in known],
        [candidates[index] for index in known],
        k,
        None,
    )
    if len(known) < len(used):
        gap = f"the server told the log-probabilities of {len(known)} of {len(used)} labels"
        scored = replace(scored, repairs=(gap,))
    rest = [candidates[index] for index in range(len(names)) if index not in known]
    yield _completed(scored, rest, min(k, len(names)))


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
    rest = [candidates[index] for index in range(len(names)) if index not in chosen]
    yield _completed(replace(ranking, raw=raw, repairs=repairs), rest, k)


def _completed(ranking: Ranking, rest: Sequence[Candidate], k: int) -> Ranking:
    """The ranking filled up to ``k`` items in the retriever's order, which it reports."""
    missing = k - len(ranking.items)
    if missing:
        note = f"completed {missing} of {k} places in the retriever's order"
        ranking = replace(ranking, repairs=(*ranking.repairs, note))
    for candidate in rest[:missing]:
        ranking = with_item(ranking, candidate)
    return ranking
