"""A run as a file: saved with what made it, read back with suspicion, and run again.

A saved trace is JSON with the name and version of its format around the whole `Recommendation`.
It may come from anybody: items count by their ids alone, and what they are the catalog says.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from palr.catalog.catalog import Catalog
from palr.data.datasets import dataset_name
from palr.domains import DOMAINS
from palr.errors import PalrError, UnknownItemError
from palr.files import decoded
from palr.ranking import MODES
from palr.recommender import Recommender
from palr.runs.wishes import wish_facts
from palr.text import visible
from palr.types import Candidate, Item, RankedItem, Recommendation

FORMAT: Final = "palr-trace"
VERSION: Final = 1
MAX_BYTES = 4_000_000  # a thousand picks and long prompts take less than one
MAX_CANDIDATES = 1000
MOST_NAMED = 5  # unknown ids in a message


class TraceError(PalrError):
    """A file is no trace, or not one that can be used here; the text says why."""


@dataclass(frozen=True)
class Origin:
    """What made a run, besides what its trace names itself.

    ``catalog`` is `Catalog.fingerprint`; ``arithmetic`` is the type of the weights and where they
    ran, empty where that is not known.
    """

    palr: str
    catalog: str
    arithmetic: str = ""


@dataclass(frozen=True)
class SavedTrace:
    """A trace with its origin."""

    origin: Origin
    trace: Recommendation
    format: Literal["palr-trace"] = FORMAT
    version: Literal[1] = VERSION

    def to_json(self, indent: int | None = 2) -> str:
        return _SAVED.dump_json(self, indent=indent, by_alias=True).decode()

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        content: dict[str, Any] = _SAVED.dump_python(self, mode="json", by_alias=True)
        return content


_SAVED: TypeAdapter[SavedTrace] = TypeAdapter(SavedTrace)


def read_trace(text: str | bytes, max_bytes: int = MAX_BYTES) -> SavedTrace:
    """Read a saved trace; its labels are still what the file says, see `resolved`.

    Args:
        text: The file, in any encoding that `palr.files.decoded` tells apart.
        max_bytes: How large it may be.

    Raises:
        TraceError: it is too large, is no trace, or is one of another version.
    """
    content = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(content) > max_bytes:
        raise TraceError(f"the file has {len(content):,} bytes; a trace may have {max_bytes:,}")
    try:
        text = decoded(content)
        head = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError("the file is no trace: it is not JSON") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise TraceError(f'the file is no trace: it does not begin with "format": "{FORMAT}"')
    if head.get("version") != VERSION or isinstance(head["version"], bool):
        made = head.get("origin")
        by = made.get("palr") if isinstance(made, dict) else None
        wrote = f" PALR Studio {visible(by[:20])} wrote it." if isinstance(by, str) else ""
        version = visible(json.dumps(head.get("version"))[:20])
        raise TraceError(
            f"the trace has version {version} of the format, and this app reads version "
            f"{VERSION}.{wrote} Open it with the app that wrote it"
        )
    try:
        saved = _SAVED.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TraceError(f"the trace is damaged at {visible(where)}: {first['msg']}") from error
    trace = saved.trace
    if trace.domain not in DOMAINS:
        raise TraceError(
            f"the trace is of the domain {visible(trace.domain[:40])!r}: there is none"
        )
    if trace.mode not in MODES:
        raise TraceError(f"the trace ranks by {visible(trace.mode[:40])!r}: there is no such way")
    asked = trace.asked
    if not (1 <= asked.k <= MAX_CANDIDATES and 1 <= asked.n_candidates <= MAX_CANDIDATES):
        raise TraceError(f"the trace asks for more than {MAX_CANDIDATES} candidates, or for none")
    return saved


def resolved(saved: SavedTrace, catalog: Catalog) -> tuple[Recommendation, tuple[str, ...]]:
    """The trace with every item as the catalog has it, and the ids that the catalog lacks.

    Raises:
        TraceError: the trace is of another data set, none of its picks is known, or it has neither
            picks nor a wish.
    """
    trace, unknown = saved.trace, dict[str, None]()
    if trace.dataset != catalog.dataset:
        raise TraceError(
            f"the trace was made with {dataset_name(trace.dataset)}, and "
            f"{dataset_name(catalog.dataset)} is served here, where an id is another "
            f"{catalog.domain.noun}"
        )

    def known(items: Sequence[Item]) -> Iterator[Item]:
        for item in items:
            try:
                yield catalog.item(item.id)
            except UnknownItemError:
                unknown[visible(item.id)] = None

    picks, history = tuple(known(trace.picks)), tuple(known(trace.history))
    if trace.picks and not picks:
        raise TraceError(f"no pick of the trace is in this catalog: {named(tuple(unknown))}")
    if not picks and not trace.asked.wish:
        raise TraceError("the trace has neither picks nor a wish")
    scores = {c.item.id: (c.score, c.steer) for c in trace.candidates or ()}
    found = dict.fromkeys(known([c.item for c in trace.candidates or ()]))
    candidates = tuple(Candidate(i, n, *scores[i.id]) for n, i in enumerate(found, start=1))
    ranks = {c.item.id: c.rank for c in candidates}
    ranking = trace.ranking
    if ranking:
        logprobs = {r.item.id: r.logprob for r in ranking.items}
        every = dict.fromkeys(known([r.item for r in ranking.items]))
        chosen = [item for item in every if item.id in ranks]
        items = (
            RankedItem(i, n, ranks[i.id], logprobs[i.id]) for n, i in enumerate(chosen, start=1)
        )
        ranking = replace(ranking, items=tuple(items))
    return (
        replace(
            trace,
            picks=picks,
            history=history,
            candidates=None if trace.candidates is None else candidates,
            ranking=ranking,
        ),
        tuple(unknown),
    )


def named(ids: Sequence[str]) -> str:
    """A few ids, and how many more there are.

    >>> named(["1", "2"]), named("abcdefg")
    ('1, 2', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return ", ".join(i[:40] for i in ids[:MOST_NAMED]) + more


def replay(saved: SavedTrace, recommender: Recommender) -> Recommendation:
    """Run a trace again: the same picks, asked in the same way.

    Raises:
        TraceError: the trace is of another data set, or the catalog lacks one of its picks.
        PalrError: as `Recommender.recommend`.
    """
    trace, unknown = resolved(saved, recommender.catalog)
    if len(trace.picks) < len(saved.trace.picks):
        raise TraceError(f"this catalog lacks picks of the trace: {named(unknown)}")
    return recommender.recommend(trace.picks, replace(trace.asked, mode=trace.mode))


@dataclass(frozen=True)
class Difference:
    """What came out otherwise; ``stage`` is one of `STAGES`."""

    stage: str
    what: str


def _profile(trace: Recommendation) -> str | None:
    if trace.profile is None:
        return None
    keywords = [f"{k.text} ({', '.join(k.support)})" for k in trace.profile.keywords]
    return "; ".join([*keywords, trace.profile.text])


def _wish(trace: Recommendation) -> str | None:
    """The wish as it was read; not known before it has moved the candidates."""
    facts = (": ".join(fact) for fact in wish_facts(trace.wish))
    return None if trace.candidates is None else "; ".join(facts)


def _labels(entries: Sequence[Candidate] | Sequence[RankedItem] | None) -> list[str] | None:
    return None if entries is None else [entry.item.id for entry in entries]


# In the order of the data path: what a stage gave, None where a trace has not got so far.
STAGES: dict[str, Callable[[Recommendation], list[str] | str | None]] = {
    "history": lambda trace: [item.id for item in trace.history],
    "profile": _profile,
    "wish": _wish,
    "candidates": lambda trace: _labels(trace.candidates),
    "prompt": lambda trace: trace.prompt.rendered if trace.prompt else None,
    "ranking": lambda trace: _labels(trace.ranking.items) if trace.ranking else None,
}


def differences(before: Recommendation, after: Recommendation) -> list[Difference]:
    """Stage by stage, what differs; nothing where both traces rank alike for the same reasons.

    Stages that ``before`` did not reach are not compared, nor are times.
    """
    names = {i.id: i.label for t in (before, after) for i in _items(t)}
    found = []
    for stage, value in STAGES.items():
        old, new = value(before), value(after)
        if old is None or old == new:
            continue
        if isinstance(old, list):
            places = new if isinstance(new, list) else []
            found += [Difference(stage, line) for line in _moved(old, places, names)]
        else:
            found.append(Difference(stage, _first_change(old, str(new or ""))))
    return found


def changed_origin(before: SavedTrace, after: SavedTrace) -> list[str]:
    """What made the runs, where that differs: the reasons to look at first."""
    facts = {
        "version": (before.origin.palr, after.origin.palr),
        "catalog": (before.origin.catalog, after.origin.catalog),
        "arithmetic": (before.origin.arithmetic, after.origin.arithmetic),
        "language model": (before.trace.llm, after.trace.llm),
        "retriever": (before.trace.retriever, after.trace.retriever),
    }
    return [f"{name}: {old}, now {new}" for name, (old, new) in facts.items() if old != new]


def _items(trace: Recommendation) -> Iterator[Item]:
    yield from (*trace.picks, *trace.history)
    yield from (entry.item for entry in trace.candidates or ())
    yield from (entry.item for entry in (trace.ranking.items if trace.ranking else ()))


def _moved(old: list[str], new: list[str], names: dict[str, str]) -> Iterator[str]:
    for place in range(max(len(old), len(new))):
        was, now = old[place : place + 1], new[place : place + 1]
        if was != now:
            first = names[was[0]] if was else "nothing"
            yield f"place {place + 1}: {first}, now {names[now[0]] if now else 'nothing'}"


def _first_change(old: str, new: str, around: int = 30) -> str:
    pairs = enumerate(zip(old, new, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(old), len(new)))
    begin = max(at - around, 0)
    was, now = (repr(text[begin : at + around]) for text in (old, new))
    return f"from character {at + 1}: {was}, now {now}"
