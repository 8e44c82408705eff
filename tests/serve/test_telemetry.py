"""What a run leaves in the metrics."""

from palr.serve import telemetry
from palr.types import Profile, Prompt, Ranking, Recommendation, Segment

PROMPT = Prompt((Segment("history", "Secret"),), tokens=100)
TRACE = Recommendation(
    "movies",
    "ml-100k",
    (),
    profile=Profile(prompt=PROMPT),
    prompt=PROMPT,
    ranking=Ranking(forward_passes=7),
    seconds={"profile": 0.3, "ranking": 2.0, "total": 2.3},
)


def value(name: str, **labels: str) -> float:
    return telemetry.REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_run_is_counted_with_its_stages_tokens_and_passes() -> None:
    names = [
        ("palr_runs_total", {"outcome": "fallback"}, 1),
        ("palr_stage_seconds_count", {"stage": "profile"}, 1),
        ("palr_stage_seconds_sum", {"stage": "ranking"}, 2.0),
        ("palr_stage_seconds_count", {"stage": "total"}, 0),
        ("palr_prompt_tokens_total", {"stage": "ranking"}, 100),
        ("palr_ranking_forward_passes_total", {}, 7),
    ]
    before = [value(name, **labels) for name, labels, _ in names]
    telemetry.count_run(TRACE, "fallback")
    after = [value(name, **labels) for name, labels, _ in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [more for *_, more in names]


def test_the_text_has_figures_and_no_texts() -> None:
    telemetry.count_run(TRACE, "done")
    text = telemetry.exposition().decode()
    assert "# TYPE palr_runs_total counter" in text
    assert "process_resident_memory_bytes" in text
    assert "Secret" not in text
