"""Many visitors at once: does anything fail, get lost, get mixed up, grow, or become slow?

    python -m tests.load.visitors --visitors 200 --minutes 10 --json assets/results/visitors.json

Starts the real app on this machine, with the default model unless PALR_* says otherwise, over a
prepared PALR_HOME. Each visitor searches as one types, picks films, asks for recommendations,
checks that the answer is about those picks, reads, and begins anew; some leave in the middle.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from palr.settings import load_settings
from tests.load.app import RunningApp
from tests.load.visitor import Visitor

QUERIES = (
    "star wars",
    "toy story",
    "godfather",
    "alien",
    "fargo",
    "casablanca",
    "psycho",
    "braveheart",
    "jurassic park",
    "the lion king",
    "pulp fiction",
)
OWN_ANSWERS = ("places in line are taken", "runs in a minute")
WINDOW_SECONDS = 30.0
SEARCH_P95_S = 0.25
GROWTH = 0.10


@dataclass
class Account:
    """What was seen, by all visitors together."""

    begin: float = field(default_factory=time.monotonic)
    searches: list[tuple[float, float]] = field(default_factory=list)  # when, how long
    runs: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)  # how long a turned-away visitor waited
    fallbacks: int = 0
    left: int = 0
    crossed: int = 0
    lost: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.monotonic() - self.begin


async def visit(url: str, number: int, account: Account, end: float, think: float) -> None:
    """One visitor until ``end``, over as many sessions as it takes."""
    await asyncio.sleep(random.uniform(0, min(20.0, end / 4)))
    while account.now < end:
        visitor = Visitor(url, f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")
        beat: asyncio.Task[None] | None = None
        try:
            await visitor.open()
            beat = asyncio.create_task(_heartbeat(visitor))
            for _ in range(random.randint(1, 4)):
                await _once(visitor, account, end, think)
                if account.now >= end:
                    break
        except (httpx.HTTPError, RuntimeError, KeyError, ValueError) as error:
            account.errors[f"{type(error).__name__}: {error}"[:200]] += 1
            await asyncio.sleep(1)
        finally:
            if beat:
                beat.cancel()
            await visitor.close()


async def _once(visitor: Visitor, account: Account, end: float, think: float) -> None:
    picks: list[str] = []
    for query in random.sample(QUERIES, random.randint(1, 3)):
        for length in range(2, len(query) + 1, 3):
            begin = account.now
            items = await visitor.search(query[:length])
            account.searches.append((begin, account.now - begin))
            await asyncio.sleep(random.uniform(0.1, 0.4))
        picks += [item["id"] for item in items[:2] if item["id"] not in picks]
    begin = account.now
    run = asyncio.create_task(visitor.recommend(picks))
    if random.random() < 0.1:  # closes the tab while waiting
        await asyncio.wait({run}, timeout=random.uniform(0, 5))
        run.cancel()
        with suppress(asyncio.CancelledError, httpx.HTTPError):
            await run
        account.left += 1
        return
    outcome = await run
    if outcome.trace is None:
        if any(answer in outcome.notice for answer in OWN_ANSWERS):
            account.refusals.append(account.now - begin)
        else:
            account.errors[f"no result: {outcome.notice}"] += 1
    else:
        account.runs.append(account.now - begin)
        account.fallbacks += bool(outcome.trace["fallback"])
        account.crossed += [pick["id"] for pick in outcome.trace["picks"]] != picks
        kept = not await visitor.is_stale(picks) and await visitor.is_stale([*picks, "2"])
        account.lost += not kept
    if account.now < end:
        await asyncio.sleep(random.uniform(0.5, 2) * think)


async def _heartbeat(visitor: Visitor) -> None:
    path = f"/gradio_api/heartbeat/{visitor.session}"
    with suppress(httpx.HTTPError):
        async with visitor.client.stream("GET", path) as stream:
            async for _ in stream.aiter_lines():
                pass


async def _watch(app: RunningApp, account: Account) -> None:
    while True:
        account.memory.append((account.now, app.rss))
        await asyncio.sleep(1)


async def _crowd(app: RunningApp, visitors: int, seconds: float, think: float) -> Account:
    account = Account()
    watch = asyncio.create_task(_watch(app, account))
    await asyncio.gather(*(visit(app.url, n, account, seconds, think) for n in range(visitors)))
    watch.cancel()
    account.memory.append((account.now, app.rss))
    return account


def report(account: Account, app: RunningApp, visitors: int, seconds: float) -> dict[str, Any]:
    """The figures, and the verdict on each."""
    windows: dict[int, list[float]] = {}
    for when, took in account.searches:
        windows.setdefault(int(when // WINDOW_SECONDS), []).append(took)
    slowest = max((_p95(times) for times in windows.values()), default=0.0)
    warm = seconds / 5
    settled = statistics.median(rss for when, rss in account.memory if warm <= when <= 2 * warm)
    last = statistics.median(rss for when, rss in account.memory if when >= seconds * 0.9)
    log = app.output()
    verdicts = {
        "no_errors": not account.errors and "Traceback" not in log,
        "no_crossed_or_lost_session": account.crossed == account.lost == 0,
        "memory_within_10_percent": last <= settled * (1 + GROWTH),
        "search_p95_within_250_ms": slowest <= SEARCH_P95_S,
    }
    return {
        "visitors": visitors,
        "seconds": seconds,
        "searches": len(account.searches),
        "search_p95_s": round(_p95([took for _, took in account.searches]), 4),
        "search_p95_slowest_30_s": round(slowest, 4),
        "runs": len(account.runs),
        "run_p50_s": round(statistics.median(account.runs), 2) if account.runs else None,
        "turned_away": len(account.refusals),
        "turned_away_p95_s": round(_p95(account.refusals), 3),
        "fallbacks": account.fallbacks,
        "left_in_the_middle": account.left,
        "crossed_sessions": account.crossed,
        "lost_sessions": account.lost,
        "errors": dict(account.errors.most_common(10)),
        "memory_each_30_s_mb": [
            round(rss / 1e6) for when, rss in account.memory[:: int(WINDOW_SECONDS)]
        ],
        "memory_after_warm_up_mb": round(settled / 1e6, 1),
        "memory_at_the_end_mb": round(last / 1e6, 1),
        "verdicts": verdicts,
    }


def _p95(times: Sequence[float]) -> float:
    ordered = sorted(times)
    return ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)] if ordered else 0.0


def crowd(app: RunningApp, visitors: int, seconds: float, think: float = 5) -> dict[str, Any]:
    """Let the visitors loose on a running app."""
    account = asyncio.run(_crowd(app, visitors, seconds, think))
    return report(account, app, visitors, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path, help="write the report here too")
    given = parser.parse_args()
    with RunningApp(load_settings().home, seconds=600) as app:
        result = crowd(app, given.visitors, given.minutes * 60)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    return 0 if all(result["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
