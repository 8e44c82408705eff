"""Token buckets, by hand and with a clock of our own."""

import pytest

from palr.serve.limits import Buckets, LimitedError, runs_per_minute


def test_memory_is_bounded_and_the_latest_are_remembered() -> None:
    buckets = Buckets(1.0, 1, clock=lambda: 0.0, remembered=100)
    for visitor in range(1000):
        buckets.take(str(visitor))
    assert len(buckets) == 100
    assert buckets.take("999") == 1.0  # used up
    assert buckets.take("0") == 0.0  # forgotten


def test_a_bucket_fills_up_to_its_burst_and_no_further() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 3, clock=lambda: now[0])
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    now[0] = 100.0
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_runs_per_minute() -> None:
    check = runs_per_minute(3)
    for _ in range(3):
        check("a")
    with pytest.raises(LimitedError, match=r"more than 3 runs in a minute.*again in \d+ s"):
        check("a")
    check("b")


def test_no_limit() -> None:
    check = runs_per_minute(0)
    for _ in range(1000):
        check("a")
