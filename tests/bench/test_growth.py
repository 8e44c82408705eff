from palr.app.runtime import Runtime
from palr.bench.growth import CANDIDATES, HISTORY, bench_growth
from tests.llm.test_transformers import save_tiny


def test_decisions_do_not_grow_with_the_prompt(settings, tmp_path, tiny_llama):
    folder = save_tiny(tmp_path, tiny_llama)
    runtime = Runtime(settings.model_copy(update={"llm": str(folder), "dtype": "float32"}))
    said: list[str] = []
    rows = bench_growth(runtime, "movies", 5, said.append, prompts=1)
    by_length = {(row["history"], row["candidates"]): row for row in rows}
    assert set(by_length) == {(20, n) for n in CANDIDATES} | {(n, 50) for n in HISTORY}
    tokens = [by_length[20, n]["prompt_tokens"] for n in CANDIDATES]
    assert tokens == sorted(tokens)
    assert tokens[-1] > 3 * tokens[0]
    for row in rows:
        assert 1 <= row["decisions"] < 40
        assert row["forward_passes"] > row["decisions"]
    assert len(said) == len(rows)
