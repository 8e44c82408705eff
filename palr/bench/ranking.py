"""How fast a ranking is, and how fast it could be: every way of reading it, in one run.

Over the same prompts (20 picks, 50 candidates) it times free generation, plain constrained decoding
with transformers' ``prefix_allowed_tokens_fn``, and the modes of `palr.ranking`; and *the floor*:
one pass over the prompt, and one pass of a single token for each branching decision. Nothing that
decides token by token can be faster on the same machine and model.

*Throughput* is for evaluation, where nobody waits for one prompt: prompts per second of each mode,
one at a time and in batches. A prompt's pass keeps a CPU busy by itself, so that there batches
shorten only what comes behind it.
"""

import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from palr.app.runtime import Runtime
from palr.llm.base import last
from palr.llm.decoder import TransformersDecoder
from palr.llm.grounding import SEPARATOR
from palr.llm.speed import cpu_name
from palr.llm.transformers import TransformersLLM
from palr.profile import write_profile
from palr.ranking import MODES, Job, rank, rank_many, ranking_job
from palr.ranking.mix import NO_MIX
from palr.retrieval import retrieve
from palr.types import Item, Prompt

FREE_TOKENS = 160
WAYS = ("free", "prefix_allowed_tokens_fn", *MODES)


@dataclass(frozen=True)
class Timing:
    """One prompt, one way. Seconds; ``prefill`` is the time to the first decision, which takes
    ``prompt_passes`` of the forward passes."""

    prefill_s: float
    decode_s: float
    prompt_passes: int
    forward_passes: int
    ids: tuple[str, ...] = ()

    @property
    def total_s(self) -> float:
        return self.prefill_s + self.decode_s

    @property
    def decisions(self) -> int:
        return self.forward_passes - self.prompt_passes


@dataclass(frozen=True)
class Trial:
    """What is ranked in every way: once with the candidates' titles alone, once labelled."""

    titles: Job
    labelled: Job

    def job(self, mode: str) -> Job:
        """The one to rank in a mode."""
        job = self.labelled if MODES[mode].labelled else self.titles
        return replace(job, mode=mode)


def bench_ranking(
    runtime: Runtime, domain: str, n_prompts: int, k: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure all `WAYS`; returns the report that ``python -m palr bench ranking`` writes.

    ``decode_speedup`` compares the decode parts of forced runs and ``prefix_allowed_tokens_fn``,
    ``identical`` tells whether both chose the same items in every prompt, ``ratio_to_floor``
    compares the whole of forced runs with the floor, ``p50_s`` is by way. ``throughput`` is in
    prompts per second, by mode.
    """
    llm = runtime.llm()
    assert isinstance(llm, TransformersLLM), "the bench times a model in this process"
    trials = _trials(runtime, domain, n_prompts, k)
    timings: dict[str, list[Timing]] = {way: [] for way in WAYS}
    floors, decisions = [], []
    run_way("titles", trials[0], llm)  # the first pass through a model is slow
    for number, trial in enumerate(trials, start=1):
        for way in WAYS:
            timings[way].append(run_way(way, trial, llm))
        titles = timings["titles"][-1]
        decisions.append(titles.decisions)
        floors.append(_floor(llm, trial.titles.prompt, decisions[-1]))
        say(f"{number} of {n_prompts}: {titles.total_s:.2f} s, floor {floors[-1]:.2f} s")
    forced, plain = timings["titles"], timings["prefix_allowed_tokens_fn"]
    speedup = sum(t.decode_s for t in plain) / sum(t.decode_s for t in forced)
    return {
        "decode_speedup": round(speedup, 2),
        "identical": [t.ids for t in forced] == [t.ids for t in plain],
        "ratio_to_floor": round(sum(t.total_s for t in forced) / sum(floors), 3),
        "p50_s": {way: round(_percentile(timings[way], 50), 3) for way in WAYS},
        "p95_s": {way: round(_percentile(timings[way], 95), 3) for way in WAYS},
        "prefill_s": {
            way: round(float(np.mean([t.prefill_s for t in timings[way]])), 3) for way in WAYS
        },
        "decode_s": {
            way: round(float(np.mean([t.decode_s for t in timings[way]])), 3) for way in WAYS
        },
        "forward_passes": {
            way: round(float(np.mean([t.forward_passes for t in timings[way]])), 1) for way in WAYS
        },
        "floor_s": round(float(np.mean(floors)), 3),
        "decisions": round(float(np.mean(decisions)), 1),
        "prompt_tokens": round(
            float(np.mean([trial.titles.prompt.tokens or 0 for trial in trials])), 1
        ),
        "throughput": _throughput(llm, trials, timings),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "prompts": n_prompts,
        "domain": domain,
        "machine": machine(llm),
    }


def machine(llm: TransformersLLM) -> dict[str, str]:
    """What the figures were measured on."""
    import torch
    import transformers

    device = llm.model.device
    return {
        "model": llm.name,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu": cpu_name(),
        "threads": str(torch.get_num_threads()),
        "dtype": str(llm.model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _trials(runtime: Runtime, domain: str, n: int, k: int) -> list[Trial]:
    generator = random.Random(0)
    retriever = runtime.retriever(domain, runtime.settings.retriever)
    picks = [generator.sample(retriever.items, 20) for _ in range(n)]
    return [make_trial(runtime, domain, history, 50, k) for history in picks]


def make_trial(
    runtime: Runtime, domain: str, history: Sequence[Item], n_candidates: int, k: int
) -> Trial:
    """What a run with these picks would give the model to rank."""
    catalog, llm = runtime.catalog(domain), runtime.llm()
    retriever = runtime.retriever(domain, runtime.settings.retriever)
    profile = last(write_profile(history, catalog, llm))
    candidates = retrieve(retriever, history, n_candidates)
    titles, labelled = (
        ranking_job(catalog.domain, history, profile, candidates, k, llm, mode, mix=NO_MIX)
        for mode in ("titles", "labels")
    )
    return Trial(titles, labelled)


def _throughput(
    llm: TransformersLLM, trials: Sequence[Trial], timings: Mapping[str, Sequence[Timing]]
) -> dict[str, dict[str, float]]:
    alone, batched = {}, {}
    for mode in MODES:
        jobs = [trial.job(mode) for trial in trials]
        begin = time.perf_counter()
        for _ in rank_many(jobs, llm):
            pass
        batched[mode] = len(trials) / (time.perf_counter() - begin)
        alone[mode] = len(trials) / sum(timing.total_s for timing in timings[mode])
    return {
        "one_at_a_time": {mode: round(rate, 3) for mode, rate in alone.items()},
        "batched": {mode: round(rate, 3) for mode, rate in batched.items()},
        "speedup": {mode: round(batched[mode] / alone[mode], 2) for mode in MODES},
    }


def run_way(way: str, trial: Trial, llm: TransformersLLM) -> Timing:
    """Time one way; each starts from a prompt that the model has not read."""
    job = trial.job(way) if way in MODES else trial.titles
    prompt = job.prompt
    llm.forget()
    begin = time.perf_counter()
    decoder = llm.start(prompt.text, prompt.beginning)
    decoder.logprobs()
    prefill = time.perf_counter() - begin
    llm.forget()
    begin = time.perf_counter()
    if way in MODES:
        ranking = last(rank(job, llm))
        passes, ids = ranking.forward_passes or 0, [r.item.id for r in ranking.items]
    else:
        generate = _free if way == "free" else _prefix_allowed_tokens
        passes, chosen = generate(llm, job)
        ids = [job.candidates[index].item.id for index in chosen]
    total = time.perf_counter() - begin
    decode = max(total - prefill, 0.0)
    return Timing(prefill, decode, decoder.forward_passes, passes, tuple(ids))


def _floor(llm: TransformersLLM, prompt: Prompt, decisions: int) -> float:
    """One pass over the whole prompt and ``decisions`` passes of one token."""
    tokens = llm.encode_prompt(prompt.text)
    begin = time.perf_counter()
    decoder = TransformersDecoder(llm.model, tokens)
    decoder.logprobs()
    for _ in range(decisions):
        decoder.feed([5])
        decoder.logprobs()
    return time.perf_counter() - begin


def _free(llm: TransformersLLM, job: Job) -> tuple[int, list[int]]:
    return sum(1 for piece in llm.generate(job.prompt.text, max_tokens=FREE_TOKENS) if piece), []


def _prefix_allowed_tokens(llm: TransformersLLM, job: Job) -> tuple[int, list[int]]:
    options = [llm.encode_answer(name) for name in job.names]
    return constrained_decoding(llm, job.prompt.text, options, job.k)


def constrained_decoding(
    llm: TransformersLLM, text: str, options: Sequence[Sequence[int]], k: int
) -> tuple[int, list[int]]:
    """The usual way: transformers' ``generate``, told at every token which ones may follow.

    Returns the number of tokens written, each a forward pass, and the indices of the chosen
    options in order.
    """
    import torch

    prompt = torch.tensor([llm.encode_prompt(text)], device=llm.model.device)
    end = int(llm.tokenizer.eos_token_id)
    answer = ConstrainedAnswer(options, llm.encode_answer(SEPARATOR), k, end)
    begin = prompt.shape[1]

    def allowed(_: int, written: Any) -> list[int]:
        if len(written) > begin:
            answer.push(int(written[-1]))
        return answer.allowed()

    written = llm.model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        prefix_allowed_tokens_fn=allowed,
        max_new_tokens=sum(map(len, options)) + len(options) * 4,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
    )
    return len(written[0]) - begin, answer.chosen


class ConstrainedAnswer:
    """Which tokens may follow in a comma-separated answer of ``k`` distinct options."""

    def __init__(
        self, options: Sequence[Sequence[int]], separator: Sequence[int], k: int, end: int
    ):
        self.chosen: list[int] = []
        self._left = {index: list(tokens) for index, tokens in enumerate(options)}
        self._separator = list(separator)
        self._k = min(k, len(self._left))
        self._end = end
        self._text: list[int] = []
        self._forced: list[int] = []

    def allowed(self) -> list[int]:
        if self._forced:
            return self._forced[:1]
        if len(self.chosen) == self._k:
            return [self._end]
        n = len(self._text)
        following = {
            tokens[n] if len(tokens) > n else self._separator[0]
            for tokens in self._left.values()
            if tokens[:n] == self._text
        }
        return sorted(following)

    def push(self, token: int) -> None:
        if self._forced:
            self._forced.pop(0)
            return
        longer = [*self._text, token]
        if any(tokens[: len(longer)] == longer for tokens in self._left.values()):
            self._text = longer
            alike = [t for t in self._left.values() if t[: len(longer)] == longer]
            if all(tokens == longer for tokens in alike):
                self._choose(self._separator)
        elif self._text:
            self._choose(self._separator[1:])

    def _choose(self, forced: Sequence[int]) -> None:
        index = next(index for index, tokens in self._left.items() if tokens == self._text)
        del self._left[index]
        self.chosen.append(index)
        self._text = []
        self._forced = list(forced) if len(self.chosen) < self._k else []


def _percentile(timings: Sequence[Timing], q: float) -> float:
    return float(np.percentile([t.total_s for t in timings], q))
