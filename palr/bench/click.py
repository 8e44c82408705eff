"""From the click to the last card: what a visitor waits for, with the picks read ahead or not."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from palr.app.runtime import Runtime
from palr.llm.transformers import TransformersLLM
from palr.ranking import default_mode
from palr.recommender import ZERO_SHOT, Recommender
from palr.types import Asked, Item

VISITORS = 5


def bench_click(
    runtime: Runtime, domain: str, k: int, say: Callable[[str], None], visitors: int = VISITORS
) -> dict[str, Any]:
    """Whole runs as the page does them over 20 picks, with the domain's own adapter and mode: p50
    of the seconds to the first keyword and to the last card, for picks that the model has not read
    (``cold``) and has (``read_ahead``).

    ``read_ahead_s`` is what the reading took while the visitor still picked.
    """
    recommender = runtime.recommender(domain)
    llm = recommender.model()
    generator = random.Random(0)
    items = runtime.retriever(domain, runtime.settings.retriever).items
    measured: dict[str, list[tuple[float, float]]] = {"cold": [], "read_ahead": []}
    reading = []
    for number in range(1, visitors + 1):
        picks = generator.sample(items, 20)
        _forget(recommender)
        measured["cold"].append(_click(runtime, domain, picks, k))
        _forget(recommender)
        begin = time.perf_counter()
        for _ in recommender.read_ahead(picks, k=k):
            pass
        reading.append(time.perf_counter() - begin)
        measured["read_ahead"].append(_click(runtime, domain, picks, k))
        cold, ahead = (times[-1][1] for times in measured.values())
        say(f"click {number} of {visitors}: {cold:.2f} s, read ahead {ahead:.2f} s")
    return {
        "first_words_s": {name: _p50([t[0] for t in times]) for name, times in measured.items()},
        "last_card_s": {name: _p50([t[1] for t in times]) for name, times in measured.items()},
        "read_ahead_s": _p50(reading),
        "visitors": visitors,
        "adapter": llm.adapter.name if llm.adapter else None,
        "mode": default_mode(llm),
    }


def _forget(recommender: Recommender) -> None:
    """Drop what was read before, by the model that ranks and by the one that writes the profile."""
    for adapter in (None, ZERO_SHOT):
        llm = recommender.model(adapter)
        assert isinstance(llm, TransformersLLM), "the bench times a model in this process"
        llm.forget()


def _click(runtime: Runtime, domain: str, picks: Sequence[Item], k: int) -> tuple[float, float]:
    begin = time.perf_counter()
    first = 0.0
    for trace in runtime.recommender(domain).stream(picks, Asked(k=k)):
        if not first and trace and trace.profile and trace.profile.keywords:
            first = time.perf_counter() - begin
    return first, time.perf_counter() - begin


def _p50(seconds: Sequence[float]) -> float:
    return round(float(np.median(seconds)), 3)
