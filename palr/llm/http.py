"""Any server that speaks OpenAI's chat completions: vLLM, TGI, ``transformers serve``.

Text crosses the wire, so its rankings and profiles are parsed and repaired rather than grounded
token by token; where a server tells log-probabilities, labels can be read as well. What a server
refuses of a request is left out from then on (`palr.llm.refusals`). One that is down, slow or dying
ends in an `LLMError` within the bounds of `Patience`. Closing an iterator closes the connection at
once, however silent the server is.
"""

import json
import math
import random
import threading
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import httpx

from palr.errors import LLMError
from palr.llm import chat
from palr.llm.adapters import Adapter
from palr.llm.base import Cut
from palr.llm.http_stream import Head, Wire, retry_after
from palr.llm.refusals import Refusals, refused_fields, words
from palr.llm.resilience import Caller, Patience, ServerError

_DEFAULT_CONTEXT = 4096
_BYTES_PER_TOKEN = 2.5  # conservative: English titles run at 3 to 4 bytes a token
_LIST_SILENCE = 15.0  # no model runs for the list, so that silence means more than it does later
_CONNECTION = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
_NOT_NOW = (429, 502, 503, 504)  # busy, or a gateway whose server is still starting
_HEARD = 4096  # bytes of what a refusing server says
_SHOWN = 300  # characters of it that an error shows


class RefusedError(LLMError):
    """The server does not do what it was asked, as it was asked.

    Attributes:
        said: The body of its answer.
    """

    def __init__(self, message: str, said: str):
        super().__init__(message)
        self.said = said


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
        self.adapter = Adapter(adapter) if adapter else None
        self._base = _address(url)
        self._shown = str(self._base.copy_with(userinfo=b""))  # errors may reach a visitor
        self._patience = patience or Patience()
        self._clock = clock
        self._wire = Wire(_authorization(api_key))
        self._caller = Caller(self._shown, self._patience, clock=clock, sleep=sleep, jitter=jitter)
        self._learning = threading.Lock()
        self._dialects = chat.DIALECTS  # but for those refused where the server took a later one
        self._refusals = Refusals()
        self.context_length = self._find_context_length()

    def render(self, text: str) -> str:
        return text

    def count_tokens(self, text: str) -> int:
        return int(len(text.encode()) / _BYTES_PER_TOKEN) + 1

    def generate(self, text: str, *, max_tokens: int) -> Generator[str | None]:
        """Continue the prompt; see `palr.llm.base.LLM`.

        Raises:
            LLMError: the server cannot be reached, refuses the request, or falls silent; or it
                failed so often of late that it is not asked.
        """
        request = chat.chat_request(self.name, text, max_tokens)
        with closing(self._asked(request, self._chat)) as pieces:
            for piece in pieces:
                yield piece if piece or isinstance(piece, Cut) else None

    def label_logprobs(
        self, text: str, labels: Sequence[str]
    ) -> Generator[Mapping[str, float] | None]:
        """See `palr.llm.base.LabelLLM`: vLLM reports at most 20 labels, TGI 5.

        The first token is restricted to the labels where the server can do that.
        """
        refused: list[chat.Dialect] = []
        dialects = self._dialects  # other threads may replace them meanwhile
        for dialect in dialects:
            request = chat.label_request(self.name, text, labels, dialect)
            try:
                yield from self._reported(request, labels)
            except RefusedError as error:
                if "logprobs" in refused_fields(error.said):
                    raise self._without_logprobs() from error
                # Where it refuses the last one too, the dialect was not the reason.
                if dialect == dialects[-1]:
                    raise
                refused.append(dialect)
                continue
            with self._learning:
                self._dialects = tuple(d for d in self._dialects if d not in refused)
            return

    def _reported(
        self, request: dict[str, Any], labels: Sequence[str]
    ) -> Generator[Mapping[str, float] | None]:
        body = ""
        with closing(self._asked(request, self._whole)) as pieces:
            for piece in pieces:
                body = piece
                yield None
        reported = chat.reported(body, labels)
        if not reported:
            raise self._without_logprobs()
        yield reported

    def _without_logprobs(self) -> LLMError:
        return LLMError(
            f"the LLM server at {self._shown} reports no log-probabilities of labels: choose "
            "the ranking 'titles', or a server such as vLLM"
        )

    def _asked(
        self,
        request: dict[str, Any],
        attempt: Callable[[dict[str, Any], float], Generator[str]],
    ) -> Generator[str]:
        """What attempts at an answer yield, without what the server refuses of the request."""
        while True:
            sent = self._refusals.without(request)
            try:
                yield from self._caller.run(partial(attempt, sent))
                return
            except RefusedError as error:
                if not self._refusals.learn(sent, error.said):
                    raise

    def _chat(self, request: dict[str, Any], deadline: float) -> Generator[str]:
        """One attempt at an answer, as a stream or, where the server does not stream, whole."""
        head, whole = "", b""
        with closing(self._answer("POST", "chat/completions", deadline, body=request)) as chunks:
            for line in chat.lines(chunks):
                if line is None:
                    yield ""
                    continue
                line = line.removeprefix(BOM_UTF8)
                head = head or line.decode(errors="replace").strip()[:200]
                if head.startswith("{"):
                    whole += line + b"\n"
                elif line.startswith(b"data:") and (yield from _read(line.removeprefix(b"data:"))):
                    # The rest is not awaited: a server that hangs here has said it all.
                    return
        if whole and (yield from _read(whole)):
            return
        if head and not head.startswith(("data:", "event:", "id:", "retry:", ":")):
            raise ServerError(f"{self._shown} did not answer with a chat stream: {head}")
        # Without this check, a proxy that ends the stream of its dead server passes unnoticed.
        raise ServerError(self._broken("the stream ended early"), retry=True)

    def _whole(self, request: dict[str, Any], deadline: float) -> Generator[str]:
        """One attempt at an answer in one piece, so that it can be asked for again."""
        body = b""
        with closing(self._answer("POST", "chat/completions", deadline, body=request)) as chunks:
            for chunk in chunks:
                body += chunk
                if not chunk:
                    yield ""
        yield body.decode(errors="replace")

    def _find_context_length(self) -> int:
        """``max_model_len`` where the server tells it (vLLM does), else a cautious default."""
        body = "".join(self._caller.run(self._model_list))
        try:
            lengths = {m["id"]: m.get("max_model_len") for m in json.loads(body)["data"]}
            return int(lengths.get(self.name) or _DEFAULT_CONTEXT)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LLMError(f"{self._shown}/models is not an OpenAI model list") from error

    def _model_list(self, deadline: float) -> Generator[str]:
        # On a connection of its own: some servers drop it when the list fails.
        headers = {"Connection": "close"}
        chunks = self._answer("GET", "models", deadline, headers=headers, silence=_LIST_SILENCE)
        try:
            yield b"".join(chunks).decode(errors="replace")
        except (RefusedError, _FailedError):
            # ``transformers serve`` fails here while its hub cache is empty, but serves.
            yield '{"data": []}'

    def _answer(
        self,
        method: str,
        path: str,
        deadline: float,
        *,
        body: object = None,
        headers: dict[str, str] | None = None,
        silence: float = math.inf,
    ) -> Generator[bytes]:
        """The body of what the server answers, b"" while it is silent; what goes wrong is told
        apart."""
        left = max(deadline - self._clock(), 0.1)
        silence = min(silence, self._patience.silence, left)
        timeout = httpx.Timeout(silence, connect=self._patience.connect)
        url = f"{str(self._base).rstrip('/')}/{path}"
        events = self._wire.request(method, url, timeout=timeout, body=body, headers=headers)
        head, refusal = None, b""
        try:
            with closing(events):
                for event in events:
                    # It ends even a server that sends a byte a minute.
                    if self._clock() > deadline:
                        raise self._too_late(head)
                    if isinstance(event, Head):
                        head = event
                    elif head and not 200 <= head.status < 300:
                        refusal += event
                        if len(refusal) > _HEARD:
                            break
                        yield b""
                    else:
                        yield event
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            # Not asked again: it may be at work still, and the visitor has waited long enough.
            raise (self._too_late(head) if silence == left else self._silent(silence)) from error
        except httpx.HTTPError as error:
            why = type(error).__name__
            message = self._broken(why) if head else self._unreachable(why)
            raise ServerError(message, retry=isinstance(error, _CONNECTION)) from error
        assert head is not None
        if not 200 <= head.status < 300:
            raise self._refused(head, refusal.decode(errors="replace"))

    def _refused(self, head: Head, said: str) -> LLMError:
        """Why the server did not agree, in its own words."""
        if head.status in (401, 403):
            return LLMError(f"{self._shown} refused the key: set PALR_LLM_API_KEY")
        message = f"{head.url} answered {head.status}: {words(said)[:_SHOWN]}"
        if head.status < 500 and head.status != 429:
            return RefusedError(message, said)
        after = retry_after(head.headers)
        if after:
            message += f" (it asks to be left alone for {after:.3g} s)"
        if head.status not in _NOT_NOW:
            return _FailedError(message, retry=True, after=after)
        # A busy server is no sick one: 429 must not open the circuit for those it has room for.
        return ServerError(message, retry=True, after=after, counts=head.status != 429)

    def _silent(self, seconds: float) -> ServerError:
        return ServerError(
            f"the LLM server at {self._shown} accepted the request, but was silent for "
            f"{seconds:.3g} s: see its log, or give it less to do"
        )

    def _too_late(self, head: Head | None) -> ServerError:
        """At the deadline; with a server that has not answered at all it is its silence."""
        total = self._patience.total
        if head is None:
            return self._silent(total)
        return ServerError(
            f"the LLM server at {self._shown} did not end its answer within {total:.3g} s"
        )

    def _unreachable(self, why: str) -> str:
        return (
            f"the LLM server at {self._shown} does not answer ({why}): start it, or set "
            "PALR_LLM_URL to its base address"
        )

    def _broken(self, why: str) -> str:
        return f"the LLM server at {self._shown} broke off in the middle of its answer ({why})"


class _FailedError(ServerError):
    """The server failed at this request; another one may do."""


def _read(data: bytes) -> Generator[str, None, bool]:
    """The text of one event or of a whole answer; returns whether the answer ends with it."""
    content, ended = chat.piece(data.strip())
    if content:
        yield content
    if by := chat.cut(ended):
        yield Cut(by)
    return bool(ended)


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
