"""What a host can watch: Prometheus metrics, counted where things happen, read at ``/metrics``.

They hold counts and times only, never what anybody picked or typed.
"""

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from palr.llm import prefixes
from palr.types import Recommendation

disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it so
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)  # memory, CPU time, open files

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

REQUESTS = Counter(
    "palr_requests", "Answers of the server.", ["route", "status"], registry=REGISTRY
)
SEARCH = Histogram("palr_search_seconds", "Time of a search.", registry=REGISTRY, buckets=_SECONDS)
RUNS = Counter(
    "palr_runs",
    "Ended runs: done, fallback, cancelled, failed, full (no place in line), limited (rate).",
    ["outcome"],
    registry=REGISTRY,
)
WAITING = Gauge("palr_waiting_runs", "Runs in line for the language model.", registry=REGISTRY)
RUNNING = Gauge("palr_running_runs", "Runs that have their turn.", registry=REGISTRY)
WAITED = Histogram(
    "palr_wait_seconds", "Time in line before a run's turn.", registry=REGISTRY, buckets=_SECONDS
)
STAGES = Histogram(
    "palr_stage_seconds", "Time of each stage.", ["stage"], registry=REGISTRY, buckets=_SECONDS
)
PROMPT_TOKENS = Counter("palr_prompt_tokens", "Tokens of prompts.", ["stage"], registry=REGISTRY)
FORWARD_PASSES = Counter(
    "palr_ranking_forward_passes", "Forward passes of rankings.", registry=REGISTRY
)


class _PrefixCache(Collector):
    """The counts that the model's own cache keeps."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        about = "Prompts that began like an earlier one, or not."
        family = CounterMetricFamily("palr_prefix_cache", about, labels=["result"])
        for result, count in prefixes.COUNTS.items():
            family.add_metric([result], count)
        yield family


REGISTRY.register(_PrefixCache())


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def count_run(trace: Recommendation, outcome: str) -> None:
    """Count an ended run and its finished stages."""
    RUNS.labels(outcome).inc()
    for stage, seconds in trace.seconds.items():
        if stage != "total":
            STAGES.labels(stage).observe(seconds)
    for stage, prompt in (
        ("profile", trace.profile.prompt if trace.profile else None),
        ("ranking", trace.prompt),
    ):
        if prompt and prompt.tokens:
            PROMPT_TOKENS.labels(stage).inc(prompt.tokens)
    if trace.ranking and trace.ranking.forward_passes:
        FORWARD_PASSES.inc(trace.ranking.forward_passes)
