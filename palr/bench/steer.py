"""How well recommendations follow what is asked for, on the test users of a data set.

Each user is asked for several things; what comes back is measured in the top 10.

- *ask*: a common keyword that at most one of the user's ten carries; its share of the ten.
- *no*: "no K", K the most frequent keyword of the ten; its share of the ten.
- *swap*: the profile says "Loves L. Hates F.", F the most frequent keyword of the history and L the
  least; NDCG@20 of either keyword, of an item that carries it (TEARS, arXiv 2410.19302).
- *sentence*: the keywords and the decade of the held-out item; HR@10 and NDCG@10 of that item.
- *alone*: the same without any history.
- *seen*: the first three of the ten are said to be seen; how many come back.
- *cost*: a random common keyword; NDCG@10 of the held-out item, which nobody asked for.
- *profile*: without words, the share of the ten that carries one of the three keywords which the
  history supports best, and NDCG@10, by the weight of the profile.
- *visitors*: of each ready-made visitor, the share of the ten that carries a keyword of their
  theme, without the profile and at the domain's own weight, with the profile that the model writes.
- *own*: *ask* and *no* of the language model alone: the request stands in its prompt, and the
  candidates and their scores are as without it.

All of it goes through `Recommender.recommend`, in the retriever's order for all users; the language
model ranks the same candidates for the first ``ranked`` of them, but for *seen*, *cost* and most
weights of the profile. A catalog without users is asked by its items, each a history of one.
"""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from palr.app.runtime import Runtime
from palr.bench.kept_rankings import KeptRankings
from palr.bench.probes import COMMON, Measures, Probe, User, listed, probes_of
from palr.catalog.catalog import Catalog
from palr.data.manifest import sha256
from palr.data.progress import Progress, silent
from palr.domains import Persona
from palr.evaluation.protocol import part_of
from palr.insight.rerun import question
from palr.llm.adapters import WEIGHTS
from palr.llm.base import LLM
from palr.ranking import Job, default_mode
from palr.recommender import Recommender
from palr.retrieval.splits import training_data
from palr.settings import Settings
from palr.types import Asked, Recommendation, Wish


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
    found = sampled_users(recommender.catalog, users)
    report: dict[str, Any] = {
        "dataset": recommender.catalog.dataset,
        "retriever": recommender.retriever().name,
        "steering_ms": round(_milliseconds(recommender, found), 2),
    }
    probes = _probes(recommender, found, progress)
    report["retriever_order"] = {"users": len(found)} | _means(
        probe.measure(listed(probe.trace)) for own in probes for probe in own if not probe.own
    )
    if ranked:
        llm = recommender.model()
        asked = [probe for own in probes[:ranked] for probe in own if probe.ranked]
        jobs = [_job(probe.trace, llm) for probe in asked]
        kept = KeptRankings(_kept_at(runtime.settings, report["dataset"], llm))
        rankings = kept.rank(jobs, llm, progress)
        report["llm"] = f"{llm.name} + {llm.adapter.name}" if llm.adapter else llm.name
        report["llm_order"] = {"users": len(probes[:ranked])} | _means(
            probe.measure([place.item for place in ranking.items])
            for probe, ranking in zip(asked, rankings, strict=True)
        )
        report["visitors"] = {
            persona.name: _visitor(recommender, persona)
            for persona in recommender.catalog.domain.personas
        }
    return report


def _visitor(recommender: Recommender, persona: Persona) -> dict[str, float]:
    """The share of a ready-made visitor's theme, by retriever and by the model."""
    catalog = recommender.catalog
    picks = catalog.persona_picks(persona)
    shares = {}
    for weight in (0.0, catalog.domain.profile_weight):
        trace = recommender.recommend(picks, Asked(profile_weight=weight))
        candidates = [candidate.item for candidate in trace.candidates or ()][:10]
        for who, items in (("retriever", candidates), ("llm", listed(trace))):
            carried = [not set(persona.theme).isdisjoint(item.keywords) for item in items]
            shares[f"{who}_{weight:g}"] = round(float(np.mean(carried)), 4)
    return shares


def sampled_users(catalog: Catalog, n: int, seed: int = 0) -> list[User]:
    """A fixed random sample of the users of the leave-one-out protocol.

    Where there are none, each of a random sample of items is a history of its own.
    """
    rng = np.random.default_rng(seed)
    if not catalog.has_interactions:
        chosen = rng.permutation(len(catalog.items))[:n]
        return [User((catalog.items[at],), None) for at in chosen]
    data = training_data(catalog)
    histories, targets = part_of(data.split, "test")
    items = [catalog.item(item_id) for item_id in data.item_ids]
    return [
        User(tuple(items[at] for at in histories[user]), items[targets[user]])
        for user in rng.permutation(len(targets))[:n]
    ]


def _probes(
    recommender: Recommender, users: Sequence[User], progress: Progress
) -> list[list[Probe]]:
    common = recommender.catalog.common_keywords(COMMON)
    rng = np.random.default_rng(0)
    found = []
    for done, user in enumerate(users, start=1):
        found.append(probes_of(user, recommender, common, rng))
        progress("Asking", done, len(users), "users")
    return found


def _job(trace: Recommendation, llm: LLM) -> Job:
    return question(trace, llm, trace.asked.k, mode=default_mode(llm))


def _kept_at(settings: Settings, dataset: str, llm: LLM) -> Path:
    """Where the scores of a model and its adapter are kept."""
    folder = llm.adapter.folder if llm.adapter else None
    made_of = sha256(folder / WEIGHTS)[:12] if folder else "zero-shot"
    name = f"{re.sub(r'[^A-Za-z0-9]+', '-', llm.name)}-{made_of}"
    return settings.home / "evaluations" / dataset / "steer" / f"{name}.jsonl"


def _means(found: Iterable[Measures]) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for measures in found:
        for name, value in measures:
            values[name].append(value)
    return {name: round(float(np.mean(column)), 4) for name, column in sorted(values.items())}


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
