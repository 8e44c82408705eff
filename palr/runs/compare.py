"""Two runs over the same picks, side by side: what they share, what moved, what each one cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.types import Asked, Item, Recommendation

TOP = 10


@dataclass(frozen=True)
class Move:
    """An item of either ranking with its place in both, None where it is not in one."""

    item: Item
    before: int | None
    after: int | None

    @property
    def places(self) -> int | None:
        """Places gained, negative where it fell; None where only one ranking has it."""
        return None if self.before is None or self.after is None else self.before - self.after


@dataclass(frozen=True)
class Cost:
    """What a run took; ``tokens`` are of its prompts, ``passes`` of the ranking, None unknown."""

    seconds: float
    tokens: int
    passes: int | None


@dataclass(frozen=True)
class Comparison:
    """``overlap`` is the share of the shorter top 10 that is in both."""

    overlap: float
    moves: tuple[Move, ...]
    before: Cost
    after: Cost


def compare(before: Recommendation, after: Recommendation, k: int = TOP) -> Comparison:
    """Moves come in the order of ``after``; what it no longer has follows in its old order."""
    old, new = _top(before, k), _top(after, k)
    was = {item.id: place for place, item in enumerate(old, start=1)}
    now = {item.id: place for place, item in enumerate(new, start=1)}
    gone = [item for item in old if item.id not in now]
    moves = (Move(item, was.get(item.id), now.get(item.id)) for item in [*new, *gone])
    shorter = min(len(old), len(new))
    return Comparison(
        len(was.keys() & now.keys()) / shorter if shorter else 0.0,
        tuple(moves),
        cost(before),
        cost(after),
    )


def cost(trace: Recommendation) -> Cost:
    """Of a stage that was taken from an earlier run, nothing but its prompt is counted."""
    prompts = (trace.profile.prompt if trace.profile else None, trace.prompt)
    tokens = sum(prompt.tokens or 0 for prompt in prompts if prompt)
    passes = trace.ranking.forward_passes if trace.ranking else None
    return Cost(trace.seconds.get("total", 0.0), tokens, passes)


def _top(trace: Recommendation, k: int) -> list[Item]:
    return [ranked.item for ranked in trace.ranking.items[:k]] if trace.ranking else []


@dataclass(frozen=True)
class Variant:
    """One way to run the same picks: ``change`` makes it out of how the last run was asked."""

    label: str
    change: Callable[[Asked], Asked]


def variants(
    retrievers: Sequence[str], adapters: Mapping[str, str], zero_shot: str | None
) -> dict[str, Variant]:
    """What there is to compare, by key; ``adapters`` are labels by name.

    ``zero_shot`` is the name under which no adapter is asked for, None where the one at work
    cannot be taken off.
    """
    found = {
        "same": Variant("As it was run", lambda asked: asked),
        "alone": Variant("Retriever alone", lambda a: replace(a, ranker="retriever")),
    }
    if zero_shot is not None:
        found["zero-shot"] = Variant("Zero-shot", lambda a: replace(a, adapter=zero_shot))
    for name, label in adapters.items():
        found[f"adapter {name}"] = Variant(label, _set("adapter", name))
    found["mix"] = Variant("Score mix", lambda a: replace(a, ranker="mix", mode=None))
    for name in retrievers:
        label = RETRIEVERS[name].label if name in RETRIEVERS else name
        found[f"retriever {name}"] = Variant(f"Candidates by {label}", _set("retriever", name))
    for name, mode in MODES.items():
        found[f"mode {name}"] = Variant(mode.label, _set("mode", name))
    for n in (5, 20):
        found[f"history {n}"] = Variant(f"The last {n} picks", _set("n_history", n))
    found["with"] = Variant("With the profile", lambda a: replace(a, with_profile=True))
    found["without"] = Variant("Without the profile", lambda a: replace(a, with_profile=False))
    return found


def _set(field: str, value: object) -> Callable[[Asked], Asked]:
    def change(asked: Asked) -> Asked:
        return replace(asked, **{field: value})  # type: ignore[arg-type]  # any field

    return change
