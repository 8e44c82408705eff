"""The line in front of the language model: bounded, in order of arrival, with a fair estimate.

>>> line = Line(places=1)
>>> first, second = line.join(), line.join()
>>> first.place, second.place
(0, 1)
>>> first.leave()
>>> second.place
0
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from palr.errors import PalrError

_REMEMBERED = 20  # finished runs that the estimate is taken from


class LineFullError(PalrError):
    """Nobody else may wait; the text says when to come back."""


class Line:
    """At most ``workers`` runs have their turn at once and ``places`` more wait.

    Safe to use from several threads. ``clock`` is in seconds.
    """

    def __init__(
        self, places: int, workers: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = places
        self._workers = workers
        self._clock = clock
        self._lock = threading.Lock()
        self._tickets: list[Ticket] = []
        self._times: deque[float] = deque(maxlen=_REMEMBERED)
        self._closed = False

    def join(self) -> "Ticket":
        """Take the last place.

        Raises:
            LineFullError: there is none, or the server is shutting down.
        """
        with self._lock:
            if self._closed:
                raise LineFullError("The server is restarting. Your picks are kept: try again soon")
            if len(self._tickets) >= self._places + self._workers:
                wait = self._wait(len(self._tickets))
                when = f"in {spoken(wait)}" if wait else "in a moment"
                raise LineFullError(
                    f"Many people are here: all {self._places} places in line are taken. "
                    f"Your picks are kept: try again {when}"
                )
            ticket = Ticket(self)
            self._tickets.append(ticket)
            self._start(self._clock())
            return ticket

    def close(self) -> None:
        """Let nobody join any more."""
        with self._lock:
            self._closed = True

    @property
    def waiting(self) -> int:
        return max(len(self._tickets) - self._workers, 0)

    @property
    def running(self) -> int:
        return min(len(self._tickets), self._workers)

    def _place(self, ticket: "Ticket") -> int:
        with self._lock:
            return max(self._tickets.index(ticket) - self._workers + 1, 0)

    def _estimate(self, ticket: "Ticket") -> float | None:
        with self._lock:
            return self._wait(self._tickets.index(ticket))

    def _leave(self, ticket: "Ticket", completed: bool) -> None:
        with self._lock:
            if ticket not in self._tickets:
                return
            now = self._clock()
            if completed and ticket.began is not None:
                self._times.append(now - ticket.began)
            self._tickets.remove(ticket)
            self._start(now)

    def _start(self, now: float) -> None:
        for ticket in self._tickets[: self._workers]:
            if ticket.began is None:
                ticket.began = now

    def _wait(self, index: int) -> float | None:
        """Seconds until the turn of whoever stands at ``index``; None before any run has ended."""
        if index < self._workers:
            return 0.0
        if not self._times:
            return None
        each, now = sum(self._times) / len(self._times), self._clock()
        # Each worker is free when its run ends, and then takes the first in line.
        free = [max(each - (now - (t.began or now)), 0.0) for t in self._tickets[: self._workers]]
        for _ in range(index - self._workers):
            first = free.index(min(free))
            free[first] += each
        return min(free)


class Ticket:
    """A place in line, and then a turn; leave it in any case: ``with line.join() as ticket``."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.began: float | None = None
        self.completed = False  # set by its holder: only a whole run tells how long one takes

    @property
    def place(self) -> int:
        """0 is the turn; 1 is next."""
        return self._line._place(self)

    @property
    def estimate(self) -> float | None:
        """Seconds until the turn, from how long the latest runs took; None before any has ended."""
        return self._line._estimate(self)

    def leave(self) -> None:
        self._line._leave(self, self.completed)

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()


def in_words(place: int, seconds: float | None) -> str:
    """What a waiting visitor reads.

    >>> in_words(1, 4.2), in_words(3, None), in_words(22, 130.0)
    ('Next in line, about 5 s', '3rd in line', '22nd in line, about 2 min')
    """
    suffix = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10)
    words = "Next in line" if place == 1 else f"{place}{suffix or 'th'} in line"
    return words if seconds is None else f"{words}, about {spoken(seconds)}"


def spoken(seconds: float) -> str:
    """A rough time: nobody wants to see a count of 131 seconds change to 129.

    >>> [spoken(s) for s in (0, 7, 31, 95, 400)]
    ['1 s', '10 s', '40 s', '2 min', '7 min']
    """
    if seconds >= 90:
        return f"{round(seconds / 60)} min"
    step = 1 if seconds <= 5 else 5 if seconds <= 30 else 10
    return f"{max(-(-int(seconds + 0.999) // step) * step, 1)} s"
