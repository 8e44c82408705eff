"""Whether the language model answers, from how the latest runs ended: for `/readyz`.

>>> health = Health()
>>> health.ended(well=False, why="out of memory")
>>> health.fault
'the last run failed: out of memory'
>>> health.ended(well=True)
>>> health.fault
''
"""

import threading
import time
from collections.abc import Callable

FAILURES = 3  # in a row, of a model that has answered before
COOL_DOWN = 60.0  # seconds; then a run must show whether the model is back


class Health:
    """Counts the runs that failed since the last one that did not. Safe to use from threads.

    A server that is not ready gets no visitors, and would never find out that its model is back. So
    it calls itself ready again after `COOL_DOWN`, until the next run has failed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._bear = 1  # failures; a model that never answered is not waited for
        self._failures = 0
        self._last = 0.0
        self._why = ""

    def ended(self, well: bool, why: str = "") -> None:
        """A run has ended, with the model's answer or without it for a reason."""
        with self._lock:
            if well:
                self._bear, self._failures = FAILURES, 0
            else:
                self._failures, self._last, self._why = self._failures + 1, self._clock(), why

    @property
    def fault(self) -> str:
        """Why the model cannot be counted on now; empty where it can."""
        with self._lock:
            if self._failures < self._bear or self._clock() - self._last > COOL_DOWN:
                return ""
            runs = f"last {self._failures} runs" if self._failures > 1 else "last run"
            return f"the {runs} failed: {self._why}"
