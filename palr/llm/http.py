"""Any server that speaks OpenAI's chat completions: vLLM, TGI, ``transformers serve``.

Only text crosses the wire, so its rankings and profiles are parsed and repaired rather than
grounded token by token. A server that is down, slow or dying ends in an `LLMError` within the
bounds of `Patience`.
"""

import json
import math
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from palr.errors import LLMError
from palr.llm.resilience import Caller, Patience, ServerError

_DEFAULT_CONTEXT = 4096
_BYTES_PER_TOKEN = 2.5  # conservative: English titles run at 3 to 4 bytes a token
_LONGEST_LINE = 1 << 20
_LIST_SILENCE = 15.0  # no model runs for the list, so that silence means more than it does later
_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
_NOT_NOW = (429, 502, 503, 504)  # busy, or a gateway whose server is still starting


class HTTPLLM:
    """The model ``model`` behind ``url`` (its base, such as ``http://localhost:8000/v1``).

    Raises:
        LLMError: the server cannot be reached, refuses the key, or is no LLM server.
    """

    def __init__(
        self,
        url: str,
        model: str,
        api_key: str = "",
        adapter: str | None = None,
        *,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ):
        self.name = model
        self.adapter = adapter
        self._base = _address(url)
        self._shown = str(self._base.copy_with(userinfo=b""))  # errors may reach a visitor
        self._patience = patience or Patience()
        self._clock = clock
        self._client = httpx.Client(headers=_authorization(api_key))
        self._caller = Caller(self._shown, self._patience, clock=clock, sleep=sleep, jitter=jitter)
        self.context_length = self._find_context_length()

    def render(self, text: str) -> str:
        return text

    def count_tokens(self, text: str) -> int:
        return int(len(text.encode()) / _BYTES_PER_TOKEN) + 1

    def generate(self, text: str, *, max_tokens: int) -> Generator[str]:
        """Continue the prompt; closing the iterator closes the connection at once.

        Raises:
            LLMError: the server cannot be reached, refuses the request, or falls silent; or it
                failed so often of late that it is not asked.
        """
        request = {
            "model": self.name,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "stream": True,
        }
        return self._caller.run(lambda deadline: self._chat(request, deadline))

    def _chat(self, request: dict[str, Any], deadline: float) -> Generator[str]:
        """One attempt at an answer."""
        head = ""
        with self._open("POST", "chat/completions", deadline, body=request) as response:
            self._check(response, deadline)
            for line in _lines(self._body(response, deadline)):
                head = head or line.decode(errors="replace").strip()[:200]
                if not line.startswith(b"data:"):
                    continue
                content, ended = _chunk(line.removeprefix(b"data:").strip())
                if content:
                    yield content
                if ended:
                    # The rest is not awaited: a server that hangs here has said it all.
                    return
        if head and not head.startswith(("data:", "event:", "id:", "retry:", ":")):
            raise ServerError(f"{self._shown} did not answer with a chat stream: {head}")
        # Without this check, a proxy that ends the stream of its dead server passes unnoticed.
        raise ServerError(self._broken("the stream ended early"), retry=True)

    def _find_context_length(self) -> int:
        """``max_model_len`` where the server tells it (vLLM does), else a cautious default."""
        body = b"".join(self._caller.run(self._model_list))
        try:
            lengths = {m["id"]: m.get("max_model_len") for m in json.loads(body)["data"]}
            return int(lengths.get(self.name) or _DEFAULT_CONTEXT)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LLMError(f"{self._shown}/models is not an OpenAI model list") from error

    def _model_list(self, deadline: float) -> Generator[bytes]:
        # On a connection of its own: some servers drop it when the list fails.
        headers = {"Connection": "close"}
        with self._open(
            "GET", "models", deadline, headers=headers, silence=_LIST_SILENCE
        ) as response:
            temporary = response.status_code in _NOT_NOW
            if response.is_error and response.status_code not in (401, 403) and not temporary:
                # ``transformers serve`` fails here while its hub cache is empty, but serves.
                yield b'{"data": []}'
                return
            self._check(response, deadline)
            yield b"".join(self._body(response, deadline))  # whole, so that it can be asked again

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        deadline: float,
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
        silence: float = math.inf,
    ) -> Iterator[httpx.Response]:
        """Send a request and hand out its response; what goes wrong on the wire is told apart."""
        left = max(deadline - self._clock(), 0.1)
        silence = min(silence, self._patience.silence, left)
        timeout = httpx.Timeout(silence, connect=self._patience.connect)
        url = f"{str(self._base).rstrip('/')}/{path}"
        answered = False
        try:
            with self._client.stream(
                method, url, json=body, headers=headers, timeout=timeout
            ) as response:
                answered = True
                yield response
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            # Not asked again: it may be at work still, and the visitor has waited long enough.
            raise ServerError(
                f"the LLM server at {self._shown} accepted the request, but was silent for "
                f"{silence:.3g} s: see its log, or give it less to do"
            ) from error
        except httpx.HTTPError as error:
            why = type(error).__name__
            message = self._broken(why) if answered else self._unreachable(why)
            raise ServerError(message, retry=isinstance(error, _CONNECTION)) from error

    def _body(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes; the deadline ends even a server that sends a byte a minute."""
        for chunk in response.iter_bytes():
            if self._clock() > deadline:
                raise ServerError(
                    f"the LLM server at {self._shown} did not end its answer within "
                    f"{self._patience.total:.3g} s"
                )
            yield chunk

    def _check(self, response: httpx.Response, deadline: float) -> None:
        """Raise unless the server agreed; what it said goes into the message."""
        status = response.status_code
        if response.is_success:
            return
        if status in (401, 403):
            raise LLMError(f"{self._shown} refused the key: set PALR_LLM_API_KEY")
        said = b""
        for chunk in self._body(response, deadline):
            said += chunk
            if len(said) > 300:
                break
        message = f"{response.url.copy_with(userinfo=b'')} answered {status}: "
        message += said.decode(errors="replace")[:300]
        if status < 500 and status != 429:
            raise LLMError(message)
        after = _retry_after(response.headers)
        if after:
            message += f" (it asks to be left alone for {after:.3g} s)"
        # A busy server is no sick one: 429 must not open the circuit for those it has room for.
        raise ServerError(message, retry=True, after=after, counts=status != 429)

    def _unreachable(self, why: str) -> str:
        return (
            f"the LLM server at {self._shown} does not answer ({why}): start it, or set "
            "PALR_LLM_URL to its base address"
        )

    def _broken(self, why: str) -> str:
        return f"the LLM server at {self._shown} broke off in the middle of its answer ({why})"


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise LLMError(f"PALR_LLM_URL is no address: {error}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise LLMError("PALR_LLM_URL must be a base address such as http://localhost:8000/v1")
    return address


def _authorization(api_key: str) -> dict[str, str]:
    if not (api_key.isascii() and api_key.isprintable()):
        raise LLMError("PALR_LLM_API_KEY holds a character that no key has: copy it again")
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of an event stream.

    Not `httpx.Response.iter_lines`: it also splits at U+2028 and the like, which JSON may hold.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE:
            raise ServerError("the LLM server sent a line without end")
    yield rest


def _chunk(data: bytes) -> tuple[str, bool]:
    """The text of one event, and whether the answer ends with it.

    >>> _chunk(b'{"choices": [{"delta": {"content": "Paris"}, "finish_reason": null}]}')
    ('Paris', False)
    """
    if data == b"[DONE]":
        return "", True
    said = data.decode(errors="replace")[:200]
    try:
        event: dict[str, Any] = json.loads(data)
        failure = event.get("error")
        choice = (event.get("choices") or [{"delta": {}}])[0]
        content = choice["delta"].get("content") or ""
        ended = choice.get("finish_reason") is not None
        if not isinstance(content, str):
            raise TypeError("content is not text")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        message = f"the LLM server sent an event that is not a chat chunk: {said}"
        raise ServerError(message) from error
    if failure:
        raise ServerError(f"the LLM server failed in the middle of its answer: {said}")
    return content, ended


def _retry_after(headers: httpx.Headers) -> float:
    """Seconds, from a number or from a date; 0 where there is neither.

    >>> _retry_after(httpx.Headers({"Retry-After": "7"}))
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
