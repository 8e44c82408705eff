"""What a test user is asked for, and what is measured in the items that come; see
`palr.bench.steer`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palr.catalog.catalog import Catalog
from palr.profile import best_keywords
from palr.recommender import Recommender
from palr.text import is_decade
from palr.types import Asked, Edits, Item, Recommendation, Wish

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
PROFILE_WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.6)
COMMON = 20  # keywords that are asked for: the most frequent of the catalog
TWENTY = 20  # places that a swapped profile is measured in

Measures = Iterable[tuple[str, float]]
Run = Callable[..., Recommendation]


@dataclass(frozen=True)
class User:
    """A test user.

    Attributes:
        history: What they chose before, oldest first.
        target: The item that was held out; None in a catalog without users.
    """

    history: tuple[Item, ...]
    target: Item | None


@dataclass(frozen=True)
class Probe:
    """One thing that a user is asked for.

    Attributes:
        trace: The run in the retriever's order.
        measure: What is measured in the items that come.
        own: Whether only the language model is asked.
        ranked: Whether the language model is asked at all: each prompt takes it a second or two.
    """

    trace: Recommendation
    measure: Callable[[Sequence[Item]], Measures]
    own: bool = False
    ranked: bool = True


def probes_of(
    user: User, recommender: Recommender, common: Sequence[str], rng: np.random.Generator
) -> list[Probe]:
    """What a user is asked for.

    Args:
        user: The user.
        recommender: Gives the runs, in the retriever's order.
        common: Keywords that can be asked for.
        rng: Draws among them.
    """

    def run(wish: Wish, picks: Sequence[Item] = user.history, **more: Any) -> Recommendation:
        asked = Asked(ranker="retriever", wish=wish, **({"with_profile": False} | more))
        return recommender.recommend(picks, asked)

    plain = run(Wish())
    asked = [*_requests(plain, run, common, rng), *_swap(user, run, common)]
    asked += _profile(user, run, recommender.catalog)
    if user.target:
        asked += _about(user.target, plain, run, str(rng.choice(common)))
    return asked


def _requests(
    plain: Recommendation, run: Run, common: Sequence[str], rng: np.random.Generator
) -> Iterator[Probe]:
    """*ask*, *no*, *own* and *seen*."""
    ten = listed(plain)
    rare = [keyword for keyword in common if share(ten, keyword) <= 0.1]
    frequent = max(common, key=lambda keyword: share(ten, keyword))
    asked = [("no", frequent, Wish(less=(frequent,)))]
    if rare:
        wanted = str(rng.choice(rare))
        asked.append(("ask", wanted, Wish(more=(wanted,))))
    for kind, keyword, wish in asked:
        yield Probe(plain, _share_of(f"{kind}_before", keyword))
        for strength in (0.5, 1.0):
            steered = run(replace(wish, strength=strength))
            yield Probe(steered, _share_of(f"{kind}_{strength:g}", keyword))
        yield Probe(replace(plain, wish=wish), _share_of(f"{kind}_own", keyword), own=True)
    seen = {item.id for item in ten[:3]}
    yield Probe(
        run(Wish(seen=tuple(seen))),
        lambda items: [("seen_broken", float(sum(item.id in seen for item in items)))],
        ranked=False,
    )


def _swap(user: User, run: Run, common: Sequence[str]) -> Iterator[Probe]:
    counts = {word: sum(word in item.keywords for item in user.history) for word in common}
    most, least = max(common, key=counts.__getitem__), min(common, key=counts.__getitem__)
    words = Edits(profile=f"Loves {least}. Hates {most}.", keywords=())

    def measured(when: str) -> Callable[[Sequence[Item]], Measures]:
        return lambda items: [
            (f"swap_up_{when}", keyword_gain(items, least)),
            (f"swap_down_{when}", keyword_gain(items, most)),
        ]

    yield Probe(run(Wish(), k=TWENTY), measured("before"))
    yield Probe(run(Wish(), k=TWENTY, with_profile=True, edits=words), measured("after"))


def _about(target: Item, plain: Recommendation, run: Run, anything: str) -> Iterator[Probe]:
    """*sentence*, *alone* and *cost*: where the held-out item comes."""

    def measured(name: str) -> Callable[[Sequence[Item]], Measures]:
        return lambda items: [
            (f"{name}hr", hit(items, target)),
            (f"{name}ndcg", gain(items, target)),
        ]

    def told(items: Sequence[Item]) -> Measures:
        broken = [item for item in items if sentence.years and not _within(item, sentence.years)]
        return [*measured("sentence_")(items), ("years_broken", float(len(broken)))]

    sentence = described(target)
    yield Probe(plain, measured(""))
    yield Probe(run(sentence), told)
    yield Probe(run(sentence, picks=()), measured("alone_"))
    for strength in STRENGTHS:
        name = f"cost_ndcg_{strength:g}"
        yield Probe(
            run(Wish(more=(anything,), strength=strength)),
            lambda items, name=name: [(name, gain(items, target))],  # type: ignore[misc]
            ranked=False,
        )


def _profile(user: User, run: Run, catalog: Catalog) -> Iterator[Probe]:
    best = best_keywords(user.history[-20:], catalog)
    edits = Edits(profile="", keywords=best)
    for weight in PROFILE_WEIGHTS:
        trace = run(Wish(), with_profile=True, profile_weight=weight, edits=edits)

        def measured(items: Sequence[Item], weight: float = weight) -> Measures:
            carried = [any(keyword in item.keywords for keyword in best) for item in items]
            yield f"profile_share_{weight:g}", float(np.mean(carried))
            if user.target:
                yield f"profile_ndcg_{weight:g}", gain(items, user.target)

        yield Probe(trace, measured, ranked=weight in (0.0, catalog.domain.profile_weight))


def listed(trace: Recommendation) -> list[Item]:
    """The items of a run, the best first."""
    return [place.item for place in (trace.ranking.items if trace.ranking else ())]


def _share_of(name: str, keyword: str) -> Callable[[Sequence[Item]], Measures]:
    return lambda items: [(name, share(items, keyword))]


def described(item: Item) -> Wish:
    """The keywords and the decade of an item, asked for at the default strength."""
    decade = item.year // 10 * 10 if item.year else None
    themes = tuple(k for k in item.keywords if not is_decade(k))
    return Wish(more=themes, years=(decade, decade + 9) if decade else None)


def share(items: Sequence[Item], keyword: str) -> float:
    """The share of items that carry a keyword.

    >>> share([Item("1", "A", keywords=("war",)), Item("2", "B")], "war")
    0.5
    """
    return sum(keyword in item.keywords for item in items) / max(len(items), 1)


def keyword_gain(items: Sequence[Item], keyword: str, depth: int = TWENTY) -> float:
    """NDCG at a depth where what carries the keyword is relevant, and there is enough of it.

    >>> round(keyword_gain([Item("1", "A", keywords=("war",)), Item("2", "B")], "war", 2), 3)
    0.613
    """
    worth = 1 / np.log2(np.arange(2, depth + 2))
    carried = [keyword in item.keywords for item in items[:depth]]
    return float(worth[: len(carried)][np.array(carried, bool)].sum() / worth.sum())


def hit(items: Sequence[Item], target: Item) -> float:
    """HR@10 of one user."""
    return float(any(item.id == target.id for item in items[:10]))


def gain(items: Sequence[Item], target: Item) -> float:
    """NDCG@10 of one user.

    >>> [round(gain([Item("a", "A"), Item("b", "B")], Item(i, i)), 3) for i in "abc"]
    [1.0, 0.631, 0.0]
    """
    ranks = [rank for rank, item in enumerate(items[:10], start=1) if item.id == target.id]
    return float(1 / np.log2(ranks[0] + 1)) if ranks else 0.0


def _within(item: Item, years: tuple[int, int]) -> bool:
    return bool(item.year) and years[0] <= (item.year or 0) <= years[1]
