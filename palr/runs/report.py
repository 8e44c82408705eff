"""A saved trace as a Markdown report. Pure, and every text of a stranger is made plain."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from palr.data.datasets import DATASETS
from palr.domains import DOMAINS
from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.runs.files import SavedTrace
from palr.runs.wishes import item_names, shift_name, wish_facts
from palr.text import fenced, plain, sentences
from palr.types import Profile, Prompt, Ranking, Recommendation


def markdown(saved: SavedTrace) -> str:
    """The whole run for reading: picks, wish, profile, candidates, ranking, prompts, notes."""
    trace = saved.trace
    profile, ranking = trace.profile or Profile(), trace.ranking or Ranking()
    blocks = [
        f"# PALR Studio, run {plain(trace.run_id) or 'without an id'}",
        _table(("", ""), _facts(saved)),
        "## Picks, oldest first",
        _list([plain(item.label) for item in trace.picks]) or "None.",
        *_wish(trace),
        *_profile(trace),
        *_edits(trace),
        *_steering(trace),
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
    if trace.asked.profile_weight:
        yield "Weight of the profile", f"{trace.asked.profile_weight:g}"
    if trace.asked.edits.made:
        yield "Edited", ", ".join(trace.asked.edits.made)
    if trace.fallback:
        yield "Fallback", trace.fallback
    for stage, seconds in trace.seconds.items():
        yield f"Time, {stage}", f"{seconds:.2f} s"
    yield "PALR Studio", origin.palr


def _wish(trace: Recommendation) -> Iterator[str]:
    """What was asked for, and how it was read where words had a part in it."""
    asked, read, names = trace.asked.wish, trace.wish, item_names(trace)
    if asked or read:
        yield "## Wish"
    if asked:
        words = [("Words", asked.words)] if asked.words.strip() else []
        rows = [*words, *wish_facts(asked, names), ("Strength", f"{asked.strength:g}")]
        yield _table(("Asked for", ""), rows)
    if read and read != replace(asked, words=read.words):
        yield _table(("Read as", ""), wish_facts(read, names))
    elif asked.words.strip() and trace.candidates is not None:
        yield "Nothing more was read from the words."


def _steering(trace: Recommendation) -> Iterator[str]:
    if not trace.shifts:
        return
    yield "## What steers the search"
    names = item_names(trace)
    rows = [
        (shift_name(s, names), f"{s.before:.2%}", f"{s.after:.2%}", f"{s.logit:+.2f}")
        for s in trace.shifts
    ]
    yield _table(("Part", "Retriever's probability", "Asked for", "Added to the score"), rows)


def _edits(trace: Recommendation) -> Iterator[str]:
    """How the visitor changed the profile."""
    edits, profile = trace.asked.edits, trace.profile or Profile()
    lines = []
    if edits.keywords is not None:
        chosen = [keyword.text for keyword in profile.keywords]
        added = [keyword.text for keyword in profile.keywords if not keyword.support]
        lines.append(f"Keywords, as the visitor left them: {', '.join(chosen) or 'none'}")
        lines += [f"Added, though no pick carries it: {word}" for word in added]
    if edits.profile is not None:
        own = [text for text in sentences(profile.text) if text not in profile.raw]
        lines += [f"Written by the visitor: {text}" for text in own]
        lines += [] if own else ["Sentences of the model's were taken out by the visitor"]
    if lines:
        yield "## Edits of the profile"
        yield _list([plain(line) for line in lines])


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
        head = ["Rank", "Title", "Id", "Score", "Of it, steering"]
        n = 5 if any(c.steer for c in trace.candidates) else 4
        rows = [
            (str(c.rank), c.item.label, c.item.id, f"{c.score:.4f}", f"{c.steer:+.4f}")[:n]
            for c in trace.candidates
        ]
        yield _table(head[:n], rows)


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
