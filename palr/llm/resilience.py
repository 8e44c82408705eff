"""How long to wait for a server, when to ask it again, and when to stop asking.

With the defaults, a server that refuses connections costs its first visitor at most 1.5 seconds
and two repetitions. From the fifth failure on it costs the others nothing: the circuit is open,
and once in half a minute one run is let through to see whether the server is back.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from palr.errors import LLMError

_log = logging.getLogger(__name__)
_TICK = 0.2  # seconds between two opportunities to leave


@dataclass(frozen=True)
class Patience:
    """Seconds and counts that bound what a failing server can cost.

    Attributes:
        connect: Seconds to connect.
        silence: Seconds between two reads; a 7B model's first token on a CPU takes a minute.
        total: Seconds of one answer, its repetitions included.
        retries: How often a request is repeated.
        first_wait: Seconds before the first repetition; doubles with every further one.
        longest_wait: Most seconds before a repetition.
        failures: Failures in a row that open the circuit.
        cool_down: Seconds for which an open circuit lets no request through.
    """

    connect: float = 5.0
    silence: float = 120.0
    total: float = 300.0
    retries: int = 2
    first_wait: float = 0.5
    longest_wait: float = 10.0
    failures: int = 5
    cool_down: float = 30.0


class ServerError(LLMError):
    """The server failed, rather than refused the request.

    Attributes:
        retry: Whether a repetition may help.
        after: Seconds after which the server wants to be asked again; 0 where it named none.
        counts: Whether the failure counts for the circuit breaker: a busy server is well.
    """

    def __init__(
        self, message: str, *, retry: bool = False, after: float = 0.0, counts: bool = True
    ):
        super().__init__(message)
        self.retry = retry
        self.after = after
        self.counts = counts


@dataclass
class Attempt:
    """One attempt at an answer.

    Attributes:
        answered: Whether the server has begun to answer.
    """

    answered: bool = False


class CircuitBreaker:
    """Fails at once while a server is known to be down. Safe to use from several threads."""

    def __init__(self, server: str, patience: Patience, clock: Callable[[], float]):
        self._server = server
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._last = ""
        self._refuse_until = 0.0  # no attempt passes before, while the circuit is open
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._failures >= self._patience.failures

    @contextmanager
    def guard(self) -> Iterator["Attempt"]:
        """Around one attempt: watch how it ends.

        Raises:
            LLMError: the circuit is open, so that the attempt was not made.
        """
        probe = self._admit()
        attempt = Attempt()
        try:
            yield attempt
        except ServerError as error:
            if error.counts:
                self._failed(str(error))
            elif probe:
                self._unknown()
            raise
        except GeneratorExit:
            # Called off. A server that had begun to answer is well; of the others nothing is known.
            if attempt.answered:
                self._succeeded()
            elif probe:
                self._unknown()
            raise
        except BaseException:
            if probe:
                self._unknown()
            raise
        else:
            self._succeeded()

    def _admit(self) -> bool:
        """Whether the attempt is the probe of an open circuit."""
        with self._lock:
            if not self.is_open:
                return False
            left = self._refuse_until - self._clock()
            if left > 0:
                when = "just now" if self._probing else f"in {left:.0f} s"
                raise LLMError(
                    f"the LLM server at {self._server} failed {self._failures} times in a row and "
                    f"is tried again {when}; the last failure: {self._last}"
                )
            self._probing = True
            # Not for ever: a probe that is never heard of again must not keep the circuit open.
            self._refuse_until = self._clock() + self._patience.total
            return True

    def _failed(self, reason: str) -> None:
        with self._lock:
            self._failures += 1
            self._last = reason
            self._probing = False
            self._refuse_until = self._clock() + self._patience.cool_down

    def _succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._probing = False

    def _unknown(self) -> None:
        """The probe told nothing: the next attempt is one."""
        with self._lock:
            self._probing = False
            self._refuse_until = self._clock()


class Caller:
    """Calls one server as ``patience`` allows."""

    def __init__(
        self,
        server: str,
        patience: Patience,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self._patience = patience
        self._breaker = CircuitBreaker(server, patience, clock)
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def run(self, attempt: Callable[[float], Generator[str]]) -> Generator[str]:
        """What an attempt yields, repeated where that may help.

        It is repeated only while nothing has been yielded, since half an answer cannot be taken
        back. An empty piece is nothing: it comes while there is only waiting to do.

        Args:
            attempt: Makes one attempt; takes the time on the clock at which it has to end.

        Raises:
            LLMError: what the last attempt raised, or the circuit is open.
        """
        deadline = self._clock() + self._patience.total
        made = 0
        while True:
            made += 1
            begun = False
            try:
                with self._breaker.guard() as watched, closing(attempt(deadline)) as pieces:
                    for piece in pieces:
                        begun = watched.answered = begun or bool(piece)
                        yield piece
                return
            except ServerError as error:
                wait = self._wait(error, made)
                late = self._clock() + wait >= deadline
                if begun or not self._may_repeat(error, made) or late or self._breaker.is_open:
                    if made == 1:
                        raise
                    raise LLMError(f"{error} (tried {made} times)") from error
                _log.warning("%s; attempt %d follows in %.1f s", error, made + 1, wait)
            end = self._clock() + wait
            while (left := end - self._clock()) > 1e-6:
                self._sleep(min(left, _TICK))
                yield ""

    def _may_repeat(self, error: ServerError, made: int) -> bool:
        # A server that wants to be left alone for longer than a visitor waits is left alone.
        patient = error.after <= self._patience.longest_wait
        return error.retry and patient and made <= self._patience.retries

    def _wait(self, error: ServerError, made: int) -> float:
        """After the time that the server named: between half and all of a span that doubles.

        The random half keeps runs that failed together from coming back together.
        """
        span = min(self._patience.first_wait * 2.0 ** (made - 1), self._patience.longest_wait)
        return error.after + span * (0.5 + 0.5 * self._jitter())
