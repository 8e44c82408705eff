"""Work done ahead while a visitor still picks, which no run ever waits for."""

import logging
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

from palr.errors import PalrError

_QUIET_SECONDS = 0.25  # without a new pick, until the model starts to read

_log = logging.getLogger(__name__)


class Running:
    """Counts the runs under way: enter it for the length of one. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0

    def __enter__(self) -> None:
        with self._lock:
            self._runs += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        with self._lock:
            self._runs -= 1

    def __bool__(self) -> bool:
        return self._runs > 0


class Prefetcher:
    """Does the latest work that was asked for, step by step, on one thread in the background.

    It ends within one step when other work is asked for or a run starts, and does not begin while
    one is under way.

    Args:
        running: The runs under way.
        quiet_seconds: How long nothing else must be asked for before the work begins.
    """

    def __init__(self, running: Running, quiet_seconds: float = _QUIET_SECONDS):
        self._running = running
        self._quiet_seconds = quiet_seconds
        self._changed = threading.Condition()
        self._latest: Callable[[], Iterator[None]] | None = None
        self._thread: threading.Thread | None = None

    def ask(self, work: Callable[[], Iterator[None]]) -> None:
        """Have work done in the background; returns at once.

        Args:
            work: Begins the work and yields between its steps.
        """
        with self._changed:
            self._latest = work
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name="palr-prefetch", daemon=True
                )
                self._thread.start()

    def _loop(self) -> None:
        while True:
            self._work_off(self._next())

    def _next(self) -> Callable[[], Iterator[None]]:
        with self._changed:
            while self._latest is None:
                self._changed.wait()
            while self._changed.wait(self._quiet_seconds):
                pass  # asked anew
            work, self._latest = self._latest, None
            return work

    def _work_off(self, work: Callable[[], Iterator[None]]) -> None:
        if self._running:
            return
        try:
            for _ in work():
                if self._running or self._latest is not None:
                    return
        except PalrError as error:
            # A run with these picks meets the same error and shows it; nobody waits here.
            _log.info("nothing was read ahead: %s", error)
