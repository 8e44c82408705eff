"""The formats of OpenAI's chat completions, and what servers add to them."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from palr.errors import LLMError
from palr.llm.resilience import ServerError

_LONGEST_LINE = 1 << 20
_SAID = ("text", "output_text")  # types of a message's parts; the others think, or call tools
_CUT = {
    "length": "the limit of tokens",
    "model_length": "the limit of tokens",  # Mistral
    "max_tokens": "the limit of tokens",
    "content_filter": "the server's content filter",
}

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


def piece(data: bytes) -> tuple[str, str]:
    """The text of one event, or of a whole answer, and why the answer ends with it.

    Reasoning that comes in a field of its own is no text.

    >>> piece(b'{"choices": [{"delta": {"content": "Paris"}, "finish_reason": null}]}')
    ('Paris', '')
    >>> piece(b'{"choices": [{"message": {"content": "Paris"}, "finish_reason": "length"}]}')
    ('Paris', 'length')

    Raises:
        ServerError: the data is no such event, or tells of a failure.
    """
    if data == b"[DONE]":
        return "", "stop"
    said = data.decode(errors="replace")[:200]
    try:
        event: dict[str, Any] = json.loads(data)
        if event.get("error"):
            raise ServerError(f"the LLM server failed in the middle of its answer: {said}")
        choice = (event.get("choices") or [{}])[0]
        message = choice.get("delta") or choice.get("message") or {}
        content = _text(message.get("content") or message.get("refusal") or choice.get("text"))
        ended = choice.get("finish_reason") or ("stop" if choice.get("message") else "")
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise ServerError(
            f"the LLM server sent an event that is not a chat chunk: {said}"
        ) from error
    return content, str(ended)


def cut(ended: str) -> str:
    """What ended an answer before the model did, in words; empty where nothing did.

    Args:
        ended: The server's reason, as `piece` returns it.
    """
    return _CUT.get(ended.lower(), "")


def _text(content: object) -> str:
    """The text of a message's content: a text, or a list of parts, some of them reasoning."""
    if isinstance(content, list):
        parts = [{"text": part} if isinstance(part, str) else part for part in content]
        return "".join(_text(p.get("text")) for p in parts if p.get("type", "text") in _SAID)
    if content is None or isinstance(content, str):
        return content or ""
    raise TypeError("content is not text")
