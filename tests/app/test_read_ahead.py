"""Work ahead is done in the background, and gives way to runs at once."""

import threading
from collections.abc import Iterator

from palr.app.read_ahead import Prefetcher, Running

QUIET = 0.02


class Work:
    """Counts its steps; each waits for ``go``, as a forward pass would take its time."""

    def __init__(self, steps: int = 3):
        self.steps = steps
        self.done = 0
        self.go = threading.Semaphore(0)
        self.begun = threading.Event()
        self.ended = threading.Event()

    def __call__(self) -> Iterator[None]:
        try:
            for _ in range(self.steps):
                self.begun.set()
                self.go.acquire()
                self.done += 1
                yield
        finally:
            self.ended.set()

    def let(self, steps: int) -> None:
        for _ in range(steps):
            self.go.release()


def test_work_is_done_to_its_end():
    work = Work()
    Prefetcher(Running(), QUIET).ask(work)
    work.let(3)
    assert work.ended.wait(5)
    assert work.done == 3


def test_it_ends_within_one_step_when_a_run_starts():
    running, work = Running(), Work()
    Prefetcher(running, QUIET).ask(work)
    work.let(1)
    assert work.begun.wait(5)
    with running:
        work.let(2)
        assert work.ended.wait(5)
    assert work.done <= 2


def test_newer_work_takes_the_place_of_older():
    prefetcher = Prefetcher(Running(), QUIET)
    older, newer = Work(steps=100), Work()
    prefetcher.ask(older)
    assert older.begun.wait(5)
    prefetcher.ask(newer)
    older.let(2)
    newer.let(3)
    assert older.ended.wait(5)
    assert newer.ended.wait(5)
    assert (older.done, newer.done) == (1, 3)


def test_of_many_quick_picks_only_the_last_is_read():
    prefetcher = Prefetcher(Running(), quiet_seconds=0.3)
    works = [Work(steps=1) for _ in range(5)]
    for work in works:
        work.let(1)
        prefetcher.ask(work)
    assert works[-1].ended.wait(5)
    assert [work.done for work in works] == [0, 0, 0, 0, 1]


def test_nothing_begins_while_a_run_is_under_way():
    running = Running()
    prefetcher = Prefetcher(running, QUIET)
    refused, later = Work(), Work()
    with running, running:
        prefetcher.ask(refused)
        assert not refused.begun.wait(0.3)
    assert not running
    prefetcher.ask(later)
    later.let(3)
    assert later.ended.wait(5)
