"""Rate limits: a token bucket for each client, in bounded memory. A client is an address."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from palr.errors import PalrError

_REMEMBERED = 10_000  # clients; the least recently seen are forgotten, and start anew


class LimitedError(PalrError):
    """A client asks too often; the text says when to come back."""


class Buckets:
    """Each client may do ``burst`` things at once, and ``per_second`` from then on.

    Safe to use from several threads.

    Args:
        per_second: How many a client may do each second, in the long run.
        burst: How many it may do at once.
        clock: Tells the seconds.
        remembered: Clients that are kept; the least recently seen go first.

    >>> now = [0.0]
    >>> buckets = Buckets(1.0, 2, clock=lambda: now[0])
    >>> [buckets.take("a") for _ in range(3)]
    [0.0, 0.0, 1.0]
    >>> now[0] = 1.0
    >>> buckets.take("a"), buckets.take("b")
    (0.0, 0.0)
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._remembered = remembered
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, client: str) -> float:
        """Count one more of a client; 0 where it is allowed, else the seconds until one will be."""
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(client, (float(self._burst), now))
            left = min(left + (now - then) * self._per_second, float(self._burst))
            allowed = left >= 1
            self._left[client] = (left - 1 if allowed else left, now)
            while len(self._left) > self._remembered:
                self._left.popitem(last=False)
            return 0.0 if allowed else (1 - left) / self._per_second


def runs_per_minute(rate: int) -> Callable[[str], None]:
    """A check that raises LimitedError from the ``rate``-th run of a minute on; 0 never does."""
    if rate == 0:
        return lambda client: None
    buckets = Buckets(rate / 60, rate)

    def check(client: str) -> None:
        wait = buckets.take(client)
        if wait:
            raise LimitedError(
                f"That was more than {rate} runs in a minute from your address. Your picks are "
                f"kept: try again in {math.ceil(wait)} s"
            )

    return check


def client_of(address: str | None) -> str:
    """Who counts as one client: an IPv4 address, or the network that one line gets in IPv6.

    >>> client_of("192.0.2.7"), client_of("2001:db8:1:2:3::4"), client_of(None)
    ('192.0.2.7', '2001:db8:1:2::/64', 'unknown')
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
