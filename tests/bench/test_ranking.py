"""The bench measures the real thing: the default model in float32, where ways may not differ."""

import pytest

from palr.app.runtime import Runtime
from palr.bench.ranking import WAYS, bench_ranking
from palr.ranking import MODES


@pytest.mark.timeout(900)
def test_the_bench_compares_every_way_with_the_floor(settings):
    runtime = Runtime(settings.model_copy(update={"dtype": "float32"}))
    said: list[str] = []
    report = bench_ranking(runtime, "movies", n_prompts=1, k=10, say=said.append)
    assert report["identical"] is True
    assert set(report["p50_s"]) == set(WAYS)
    passes = report["forward_passes"]
    pieces = passes["labels"]
    assert 2 <= pieces <= 3
    assert passes["likelihood"] <= pieces + 3
    assert passes["titles"] < passes["prefix_allowed_tokens_fn"] / 3
    assert passes["titles"] == pytest.approx(report["decisions"] + pieces, abs=1)
    assert report["ratio_to_floor"] > 0
    assert report["machine"]["dtype"] == "float32"
    assert len(said) == 1
    throughput = report["throughput"]
    assert set(throughput["batched"]) == set(throughput["one_at_a_time"]) == set(MODES)
    assert all(value > 0 for value in throughput["speedup"].values())
