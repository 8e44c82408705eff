"""How a ranking's cost grows with candidates and with history, mode `titles`.

The prompt grows with both. What is written grows with neither: a decision is needed only where
candidates' names part, so that the time behind the prompt follows the number of decisions.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from palr.app.runtime import Runtime
from palr.bench.ranking import make_trial, run_way
from palr.llm.transformers import TransformersLLM

CANDIDATES = (20, 50, 100, 200)
HISTORY = (5, 10, 20)
PROMPTS = 3  # for each length


def bench_growth(
    runtime: Runtime, domain: str, k: int, say: Callable[[str], None], prompts: int = PROMPTS
) -> list[dict[str, Any]]:
    """One row for each length, with means over the same visitors: tokens of the prompt, forward
    passes, decisions, seconds until the first one (``prefill_s``) and behind it (``decode_s``)."""
    llm = runtime.llm()
    assert isinstance(llm, TransformersLLM), "the bench times a model in this process"
    retriever = runtime.retriever(domain, runtime.settings.retriever)
    generator = random.Random(0)
    visitors = [generator.sample(retriever.items, max(HISTORY)) for _ in range(prompts)]
    lengths = [(max(HISTORY), n) for n in CANDIDATES] + [(n, 50) for n in HISTORY[:-1]]
    rows = []
    for n_history, n_candidates in lengths:
        measured = []
        for visitor in visitors:
            trial = make_trial(runtime, domain, visitor[-n_history:], n_candidates, k)
            timing = run_way("titles", trial, llm)
            measured.append(
                (
                    trial.titles.prompt.tokens or 0,
                    timing.forward_passes,
                    timing.decisions,
                    timing.prefill_s,
                    timing.decode_s,
                )
            )
        tokens, passes, decisions, prefill, decode = np.mean(measured, axis=0).tolist()
        rows.append(
            {
                "history": n_history,
                "candidates": n_candidates,
                "prompt_tokens": round(tokens, 1),
                "forward_passes": round(passes, 1),
                "decisions": round(decisions, 1),
                "prefill_s": round(prefill, 3),
                "decode_s": round(decode, 3),
            }
        )
        say(f"history {n_history}, candidates {n_candidates}: {prefill:.2f} s + {decode:.2f} s")
    return rows
