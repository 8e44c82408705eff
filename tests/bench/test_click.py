from palr.app.runtime import Runtime
from palr.bench.click import bench_click
from tests.llm.test_transformers import save_tiny


def test_a_click_is_timed_with_and_without_reading_ahead(settings, tmp_path, tiny_llama):
    folder = save_tiny(tmp_path, tiny_llama)
    runtime = Runtime(settings.model_copy(update={"llm": str(folder), "dtype": "float32"}))
    said: list[str] = []
    report = bench_click(runtime, "movies", 3, said.append, visitors=2)
    for way in ("cold", "read_ahead"):
        assert 0 < report["first_words_s"][way] < report["last_card_s"][way]
    assert report["read_ahead_s"] > 0
    assert len(said) == report["visitors"] == 2
