"""A saved trace as a Markdown report. Pure, and every text of a stranger is made plain."""

from collections.abc import Iterator, Sequence

from palr.data.datasets import DATASETS
from palr.domains import DOMAINS
from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.runs.files import SavedTrace
from palr.text import fenced, plain
from palr.types import Profile, Prompt, Ranking, Recommendation


def markdown(saved: SavedTrace) -> str:
    """The whole run for reading: picks, profile, candidates, ranking, prompts, notes."""
    trace = saved.trace
    profile, ranking = trace.profile or Profile(), trace.ranking or Ranking()
    blocks = [
        f"# PALR Studio, run {plain(trace.run_id) or 'without an id'}",
        _table(("", ""), _facts(saved)),
        "## Picks, oldest first",
        _list([plain(item.label) for item in trace.picks]),
        *_profile(trace),
        *_candidates(trace),
        *_ranking(trace),
        *_exchange("Profile prompt", profile.prompt, profile.raw),
        *_exchange("Ranking prompt", trace.prompt, ranking.raw),
    ]
    cuts = trace.prompt.cuts if trace.prompt else ()
    notes = (*trace.notes, *profile.repairs, *cuts, *ranking.repairs)
    if notes:
        blocks += ["## Notes", _list([plain(note) for note in notes])]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _facts(saved: SavedTrace) -> Iterator[tuple[str, str]]:
    trace, origin = saved.trace, saved.origin
    yield "Domain", DOMAINS[trace.domain].label
    yield "Data set", DATASETS[trace.dataset].label if trace.dataset in DATASETS else trace.dataset
    yield "Catalog", origin.catalog
    if trace.llm:
        yield "Language model", f"{trace.llm}{'' if trace.adapter else ', zero-shot'}"
    if origin.arithmetic:
        yield "Arithmetic", origin.arithmetic
    if trace.retriever:
        known = RETRIEVERS.get(trace.retriever)
        yield "Retriever", known.label if known else trace.retriever
    mode = MODES[trace.mode].label if trace.mode in MODES else trace.mode
    prior = f", on top of {trace.prior:g} times the retriever's scores" if trace.prior else ""
    spread = f", the model's brought to a spread of {trace.spread:g}" if trace.spread else ""
    yield "Ranking", f"{mode}{prior}{spread}"
    if trace.asked.edits.made:
        yield "Edited", ", ".join(trace.asked.edits.made)
    if trace.fallback:
        yield "Fallback", trace.fallback
    for stage, seconds in trace.seconds.items():
        yield f"Time, {stage}", f"{seconds:.2f} s"
    yield "PALR Studio", origin.palr


def _profile(trace: Recommendation) -> Iterator[str]:
    profile = trace.profile
    if profile is None:
        return
    yield "## Profile"
    yield plain(profile.text)
    names = {item.id: item.label for item in (*trace.picks, *trace.history)}
    if profile.keywords:
        rows = [
            (keyword.text, ", ".join(names.get(pick, pick) for pick in keyword.support))
            for keyword in profile.keywords
        ]
        yield _table(("Keyword", "From"), rows)


def _candidates(trace: Recommendation) -> Iterator[str]:
    if trace.candidates is not None:
        yield "## Candidates"
        rows = [(str(c.rank), c.item.label, c.item.id, f"{c.score:.4f}") for c in trace.candidates]
        yield _table(("Rank", "Title", "Id", "Score"), rows)


def _ranking(trace: Recommendation) -> Iterator[str]:
    if trace.ranking is not None:
        yield "## Recommendations"
        rows = [
            (str(r.rank), r.item.label, r.item.id, str(r.retriever_rank), _moved(r.movement))
            for r in trace.ranking.items
        ]
        yield _table(("Rank", "Title", "Id", "Retriever's rank", "Moved"), rows)


def _moved(places: int) -> str:
    return f"{'up' if places > 0 else 'down'} {abs(places)}" if places else "same place"


def _exchange(name: str, prompt: Prompt | None, raw: str) -> Iterator[str]:
    if prompt:
        yield f"## {name}"
        yield fenced(prompt.rendered or prompt.text)
        if raw:
            yield "The model's raw output:"
            yield fenced(raw)


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
