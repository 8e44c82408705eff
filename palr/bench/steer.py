"""How well recommendations follow what is asked for, on the test users of a data set.

Each user is asked for five things; what comes back is measured in the top 10.

- *ask*: a common keyword that at most one of the user's ten carries; its share of the ten.
- *no*: "no K", K the most frequent keyword of the ten; its share of the ten.
- *sentence*: the keywords and the decade of the held-out item; HR@10 and NDCG@10 of that item.
- *alone*: the same without any history, beside plain popularity.
- *cost*: a random common keyword; NDCG@10 of the held-out item, which nobody asked for.

The profile is measured without words: the share of the ten that carries one of the three keywords
which the history supports best, and NDCG@10, by the weight of the profile.

All of it through `Recommender.recommend`: once in the retriever's order, for all users, and once as
the language model ranks, for the first ``ranked`` of them.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from palr.app.runtime import Runtime
from palr.catalog.catalog import Catalog
from palr.data.progress import Progress, silent
from palr.errors import PalrError
from palr.evaluation.protocol import part_of
from palr.profile import best_keywords
from palr.recommender import Recommender
from palr.retrieval.splits import training_data
from palr.text import is_decade
from palr.types import Asked, Edits, Item, Wish

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.6)
COMMON = 20  # keywords that are asked for: the most frequent of the catalog

Ranker = Literal["retriever", "llm"]


@dataclass(frozen=True)
class User:
    """A test user: what they chose before, oldest first, and the item that was held out."""

    history: tuple[Item, ...]
    target: Item


def bench_steer(
    runtime: Runtime, domain: str, users: int, ranked: int, progress: Progress = silent
) -> dict[str, Any]:
    """Measure steering; the report that ``python -m palr bench steer`` writes.

    Args:
        runtime: With the retriever and the model that are measured.
        domain: Whose active data set is measured.
        users: Test users in the retriever's order.
        ranked: Of these, as the language model ranks them.
        progress: Told how many users are done.
    """
    recommender = runtime.recommender(domain)
    found = held_out_users(recommender.catalog, users)
    report: dict[str, Any] = {
        "dataset": recommender.catalog.dataset,
        "retriever": recommender.retriever().name,
        "llm": runtime.llm_status.message if ranked else "",
        "steering_ms": round(_milliseconds(recommender, found), 2),
        "retriever_order": _measure(recommender, found, "retriever", progress),
    }
    if ranked:
        report["llm_order"] = _measure(recommender, found[:ranked], "llm", progress)
    return report


def held_out_users(catalog: Catalog, n: int, seed: int = 0) -> list[User]:
    """A fixed random sample of the users of the leave-one-out protocol.

    Raises:
        PalrError: the catalog has no interactions.
    """
    if not catalog.has_interactions:
        raise PalrError(f"{catalog.dataset} has no interactions, so there are no users to ask")
    data = training_data(catalog)
    histories, targets = part_of(data.split, "test")
    items = [catalog.item(item_id) for item_id in data.item_ids]
    order = np.random.default_rng(seed).permutation(len(targets))[:n]
    return [
        User(tuple(items[at] for at in histories[user]), items[targets[user]]) for user in order
    ]


def _measure(
    recommender: Recommender, users: Sequence[User], ranker: Ranker, progress: Progress
) -> dict[str, Any]:
    common = common_keywords(recommender.catalog)
    values: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(0)
    for done, user in enumerate(users, start=1):

        def top(wish: Wish, picks: Sequence[Item] = user.history, **options: Any) -> list[Item]:
            asked = Asked(ranker=ranker, wish=wish, **({"with_profile": False} | options))
            trace = recommender.recommend(picks, asked)
            return [place.item for place in (trace.ranking.items if trace.ranking else ())]

        _ask(user, top, common, rng, values)
        _profile(user, top, recommender.catalog, values)
        progress(f"Asking by {ranker}", done, len(users), "users")
    return {"users": len(users)} | {
        name: round(float(np.mean(found)), 4) for name, found in sorted(values.items())
    }


def _ask(
    user: User,
    top: Callable[..., list[Item]],
    common: Sequence[str],
    rng: np.random.Generator,
    values: dict[str, list[float]],
) -> None:
    plain = top(Wish())
    rare = [keyword for keyword in common if share(plain, keyword) <= 0.1]
    frequent = max(common, key=lambda keyword: share(plain, keyword))
    values["hr"].append(hit(plain, user.target))
    values["ndcg"].append(gain(plain, user.target))
    if rare:
        wanted = str(rng.choice(rare))
        values["ask_before"].append(share(plain, wanted))
        for strength in (0.5, 1.0):
            asked = top(Wish(more=(wanted,), strength=strength))
            values[f"ask_{strength:g}"].append(share(asked, wanted))
    values["no_before"].append(share(plain, frequent))
    for strength in (0.5, 1.0):
        without = top(Wish(less=(frequent,), strength=strength))
        values[f"no_{strength:g}"].append(share(without, frequent))
    sentence = described(user.target)
    told = top(sentence)
    values["sentence_hr"].append(hit(told, user.target))
    values["sentence_ndcg"].append(gain(told, user.target))
    broken = [item for item in told if sentence.years and not _within(item, sentence.years)]
    values["years_broken"].append(float(len(broken)))
    alone = top(sentence, picks=())
    values["alone_hr"].append(hit(alone, user.target))
    anything = str(rng.choice(common))
    for strength in STRENGTHS:
        cost = gain(top(Wish(more=(anything,), strength=strength)), user.target)
        values[f"cost_ndcg_{strength:g}"].append(cost)


def _profile(
    user: User,
    top: Callable[..., list[Item]],
    catalog: Catalog,
    values: dict[str, list[float]],
) -> None:
    best = best_keywords(user.history[-20:], catalog)
    for weight in WEIGHTS:
        edits = Edits(profile="", keywords=best)
        found = top(Wish(), with_profile=True, profile_weight=weight, edits=edits)
        carried = [any(keyword in item.keywords for keyword in best) for item in found]
        values[f"profile_share_{weight:g}"].append(float(np.mean(carried)))
        values[f"profile_ndcg_{weight:g}"].append(gain(found, user.target))


def common_keywords(catalog: Catalog) -> tuple[str, ...]:
    """The most frequent keywords of a catalog, decades aside."""
    themes = Counter({k: n for k, n in catalog.keyword_counts.items() if not is_decade(k)})
    return tuple(keyword for keyword, _ in themes.most_common(COMMON))


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


def _milliseconds(recommender: Recommender, users: Sequence[User]) -> float:
    """What steering adds to the stage of the candidates: the median, one user at a time."""

    def seconds(user: User, wish: Wish) -> float:
        begin = time.perf_counter()
        recommender.retrieve(user.history, Asked(wish=wish))
        return time.perf_counter() - begin

    wish = Wish(more=("comedy",), less=("drama",), years=(1900, 2100), strength=0.5)
    for user in users[:3]:  # the first one makes the sets of the items
        seconds(user, wish)
    added = [seconds(user, wish) - seconds(user, Wish()) for user in users[:50]]
    return float(np.median(added)) * 1000
