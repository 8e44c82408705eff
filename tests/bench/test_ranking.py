"""The bench measures in float32, where ways may not differ: a tiny model, and the default one."""

import pytest

from palr.app.runtime import Runtime
from palr.bench.ranking import WAYS, bench_ranking
from palr.ranking import MODES
from tests.llm.test_transformers import save_tiny


@pytest.mark.timeout(900)
@pytest.mark.parametrize("tiny", [True, pytest.param(False, marks=pytest.mark.long)])
def test_the_bench_compares_every_way_with_the_floor(settings, tmp_path, tiny_llama, tiny):
    llm = str(save_tiny(tmp_path, tiny_llama)) if tiny else settings.llm
    runtime = Runtime(settings.model_copy(update={"llm": llm, "dtype": "float32"}))
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
