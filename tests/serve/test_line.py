"""Who waits, how long, and who is turned away."""

import pytest

from palr.serve.line import Line, LineFullError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_turns_go_by_order_of_arrival() -> None:
    line = Line(places=5)
    first, second, third = line.join(), line.join(), line.join()
    assert [t.place for t in (first, second, third)] == [0, 1, 2]
    second.leave()
    assert third.place == 1
    first.leave()
    assert third.place == 0
    assert (line.running, line.waiting) == (1, 0)


def test_two_workers_give_two_turns() -> None:
    line = Line(places=5, workers=2)
    assert [line.join().place for _ in range(4)] == [0, 0, 1, 2]
    assert (line.running, line.waiting) == (2, 2)


def test_a_full_line_answers_at_once_and_says_when_to_come_back() -> None:
    clock = Clock()
    line = Line(places=2, clock=clock)
    first, *_ = [line.join() for _ in range(3)]
    with pytest.raises(LineFullError, match="try again in a moment"):
        line.join()
    assert (line.running, line.waiting) == (1, 2)
    first.completed = True
    clock.now = 10.0
    first.leave()
    line.join()
    # One run takes 10 s: the running one ends in 10 s, two more wait before the next.
    with pytest.raises(LineFullError, match=r"all 2 places in line are taken.*again in 30 s"):
        line.join()


def test_the_estimate_is_what_the_latest_runs_took() -> None:
    clock = Clock()
    line = Line(places=5, clock=clock)
    tickets = [line.join() for _ in range(4)]
    assert tickets[1].estimate is None  # nothing has ended yet
    tickets[0].completed = True
    clock.now = 8.0
    tickets[0].leave()
    clock.now = 11.0  # the second has run for 3 of 8 seconds
    assert [t.estimate for t in tickets[1:]] == [0.0, 5.0, 13.0]


def test_two_workers_halve_the_wait() -> None:
    clock = Clock()
    line = Line(places=9, workers=2, clock=clock)
    first = line.join()
    first.completed = True
    clock.now = 4.0
    first.leave()
    tickets = [line.join() for _ in range(6)]
    assert [t.estimate for t in tickets] == [0.0, 0.0, 4.0, 4.0, 8.0, 8.0]


def test_a_cancelled_run_says_nothing_about_how_long_one_takes() -> None:
    clock = Clock()
    line = Line(places=5, clock=clock)
    first, second = line.join(), line.join()
    clock.now = 1.0
    first.leave()
    second.leave()
    assert line.join().estimate == 0.0
    assert line.join().estimate is None


def test_leaving_twice_changes_nothing() -> None:
    line = Line(places=1)
    first, second = line.join(), line.join()
    first.leave()
    first.leave()
    assert second.place == 0


def test_a_closed_line_says_so() -> None:
    line = Line(places=1)
    line.close()
    with pytest.raises(LineFullError, match="restarting"):
        line.join()
