"""Two runs over the same picks, side by side: what they share, what moved, what each one cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from palr.errors import PalrError
from palr.ranking import MODES
from palr.retrieval import RETRIEVERS
from palr.types import NO_WISH, Asked, Item, Recommendation

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
    """One way to run the same picks.

    Attributes:
        label: Its name on the page.
        change: Makes it out of how the last run was asked.
        needs_picks: Whether it is nothing where words alone were asked for.
    """

    label: str
    change: Callable[[Asked], Asked]
    needs_picks: bool = False


def compared(trace: Recommendation, first: Variant, second: Variant) -> tuple[Asked, Asked]:
    """How both sides of a comparison are asked for.

    Raises:
        PalrError: a side needs picks, or both come to the same.
    """
    for variant in (first, second):
        if variant.needs_picks and not trace.picks:
            raise PalrError(
                f"this run has words alone, and {variant.label!r} needs picks: choose another one"
            )
    sides = first.change(trace.asked), second.change(trace.asked)
    if sides[0] == sides[1]:
        raise PalrError("both sides come to the same run: choose another one")
    return sides


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
        change = _set("retriever", name)
        found[f"retriever {name}"] = Variant(f"Candidates by {label}", change, needs_picks=True)
    for name, mode in MODES.items():
        found[f"mode {name}"] = Variant(mode.label, _set("mode", name))
    for n in (5, 20):
        change = _set("n_history", n)
        found[f"history {n}"] = Variant(f"The last {n} picks", change, needs_picks=True)
    found["with"] = Variant("With the profile", _set("with_profile", True), needs_picks=True)
    found["without"] = Variant("Without the profile", _set("with_profile", False), needs_picks=True)
    if zero_shot is not None:  # a model behind HTTP cannot be held to the picks' own sentences
        ways = (("grounded", "Profile of what the picks support"), ("free", "Profile in own words"))
        for way, label in ways:
            found[f"writing {way}"] = Variant(label, _set("writing", way), needs_picks=True)
    found["unasked"] = Variant("Without the wish", _set("wish", NO_WISH), needs_picks=True)
    return found


def _set(field: str, value: object) -> Callable[[Asked], Asked]:
    def change(asked: Asked) -> Asked:
        return replace(asked, **{field: value})  # type: ignore[arg-type]  # any field

    return change
