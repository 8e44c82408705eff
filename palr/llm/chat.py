"""The formats of OpenAI's chat completions, and what servers add to them."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from palr.errors import LLMError
from palr.llm.resilience import ServerError

_LONGEST_LINE = 1 << 20

Dialect = tuple[str, int]
"""The field that restricts an answer to choices, and the most log-probabilities that are had."""

# Tried in this order: vLLM, older vLLM, any server, TGI.
DIALECTS: tuple[Dialect, ...] = (
    ("structured_outputs", 20),
    ("guided_choice", 20),
    ("", 20),
    ("", 5),
)


def chat_request(model: str, text: str, max_tokens: int) -> dict[str, Any]:
    """An answer to ``text``, greedily and as a stream."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": max_tokens,
        "temperature": 0.0,
        "stream": True,
    }


def label_request(model: str, text: str, labels: Sequence[str], dialect: Dialect) -> dict[str, Any]:
    """One token of an answer, with log-probabilities, restricted to ``labels`` where possible."""
    choice, most = dialect
    request = {
        **chat_request(model, text, 1),
        "stream": False,
        "logprobs": True,
        "top_logprobs": most,
    }
    if choice == "structured_outputs":
        request[choice] = {"choice": list(labels)}
    elif choice:
        request[choice] = list(labels)
    return request


def reported(body: str, labels: Sequence[str]) -> dict[str, float]:
    """Log-probabilities of the labels in the answer to a `label_request`; empty without any.

    >>> top = [{"token": "B", "logprob": -0.5}, {"token": "Sure", "logprob": -1.0}]
    >>> content = [{"token": "B", "logprob": -0.5, "top_logprobs": top}]
    >>> reported(json.dumps({"choices": [{"logprobs": {"content": content}}]}), ["A", "B"])
    {'B': -0.5}

    Raises:
        LLMError: the body is no chat completion.
    """
    found: dict[str, float] = {}
    try:
        logprobs = json.loads(body)["choices"][0].get("logprobs") or {}
        for first in (logprobs.get("content") or [])[:1]:
            for entry in (first, *(first.get("top_logprobs") or ())):
                # With or without a space before it, a label is meant.
                label, value = entry["token"].strip(), float(entry["logprob"])
                if label in labels and not math.isnan(value):
                    found[label] = max(value, found.get(label, -math.inf))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise LLMError(f"the LLM server sent no chat completion: {body[:200]}") from error
    return found


def lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Lines of an event stream; None for an empty chunk, which is a moment of silence.

    Not `httpx.Response.iter_lines`: it also splits at U+2028 and the like, which JSON may hold.
    """
    rest = b""
    for chunk in chunks:
        if not chunk:
            yield None
            continue
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise ServerError("the LLM server sent a line without end")
    yield rest


def piece(data: bytes) -> tuple[str, bool]:
    """The text of one event, and whether the answer ends with it.

    >>> piece(b'{"choices": [{"delta": {"content": "Paris"}, "finish_reason": null}]}')
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
