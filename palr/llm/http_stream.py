"""Requests over HTTP that can be called off at any moment, even while the server is silent.

They run on an event loop in a thread of its own, so that whoever waits for an answer wakes up a few
times a second, and can leave: the connection is then closed at once.
"""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

TICK = 0.2  # seconds


@dataclass(frozen=True)
class Head:
    """What comes before a response's body.

    Attributes:
        status: The status code.
        headers: The headers.
        url: The address that answered, without user and password.
    """

    status: int
    headers: httpx.Headers
    url: str


class Wire:
    """Connections to one server, kept open between requests.

    Args:
        headers: Sent with every request.
    """

    def __init__(self, headers: dict[str, str]):
        self._client = httpx.AsyncClient(headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: httpx.Timeout,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Generator[Head | bytes]:
        """Send a request; closing the iterator closes the connection at once.

        Args:
            method: GET or POST.
            url: The address.
            timeout: Seconds to connect and between two reads.
            body: Sent as JSON.
            headers: In addition to those of every request.

        Yields:
            The head of the response, then its body as it comes; b"" after `TICK` of silence.

        Raises:
            httpx.HTTPError: the connection failed.
        """
        arrived: queue.SimpleQueue[Head | bytes | None] = queue.SimpleQueue()

        async def receive() -> None:
            async with self._client.stream(
                method, url, json=body, headers=headers, timeout=timeout
            ) as response:
                shown = str(response.url.copy_with(userinfo=b""))
                arrived.put(Head(response.status_code, response.headers, shown))
                async for chunk in response.aiter_bytes():
                    arrived.put(chunk)

        receiving = _start(receive())
        receiving.add_done_callback(lambda _: arrived.put(None))
        try:
            while True:
                try:
                    event = arrived.get(timeout=TICK)
                except queue.Empty:
                    yield b""
                    continue
                if event is None:
                    receiving.result()  # raises what went wrong
                    return
                if event:
                    yield event
        finally:
            receiving.cancel()


def _start(work: Coroutine[Any, Any, None]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, _loop())


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="palr-http", daemon=True).start()
    return loop


def retry_after(headers: httpx.Headers) -> float:
    """Seconds, from a number or from a date; 0 where there is neither.

    >>> retry_after(httpx.Headers({"Retry-After": "7"}))
    7.0
    """
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            # By the server's own clock, where it tells it: ours may differ.
            now = parsedate_to_datetime(headers.get("date") or "")
        except ValueError:
            now = datetime.now(UTC)
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds)  # in this order, "nan" gives 0
