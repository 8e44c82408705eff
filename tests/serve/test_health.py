"""When a model that fails makes the server not ready, and for how long."""

from palr.serve.health import COOL_DOWN, Health


def test_a_model_that_has_never_answered_is_not_counted_on() -> None:
    health = Health()
    assert health.fault == ""
    health.ended(well=False, why="out of memory")
    assert health.fault == "the last run failed: out of memory"


def test_a_model_that_has_answered_may_fail_twice() -> None:
    health = Health()
    health.ended(well=True)
    for fault in ("", "", "the last 3 runs failed: silent"):
        health.ended(well=False, why="silent")
        assert health.fault == fault
    health.ended(well=True)
    assert health.fault == ""


def test_after_a_minute_a_run_may_show_whether_the_model_is_back() -> None:
    now = [0.0]
    health = Health(clock=lambda: now[0])
    health.ended(well=False, why="silent")
    now[0] = COOL_DOWN + 1
    assert health.fault == ""
    health.ended(well=False, why="silent")
    assert health.fault == "the last 2 runs failed: silent"
