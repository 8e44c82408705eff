"""Any server that speaks OpenAI's chat completions: vLLM, TGI, ``transformers serve``.

Only text crosses the wire, so its rankings and profiles are parsed and repaired rather than
grounded token by token.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from palr.errors import LLMError

_DEFAULT_CONTEXT = 4096
_BYTES_PER_TOKEN = 2.5  # conservative: English titles run at 3 to 4 bytes a token
_TIMEOUT = httpx.Timeout(120.0, connect=5.0)


class HTTPLLM:
    """The model ``model`` behind ``url`` (its base, such as ``http://localhost:8000/v1``)."""

    def __init__(self, url: str, model: str, api_key: str = "", adapter: str | None = None):
        self.name = model
        self.adapter = adapter
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT)
        self.context_length = self._find_context_length()

    def render(self, text: str) -> str:
        return text

    def count_tokens(self, text: str) -> int:
        return int(len(text.encode()) / _BYTES_PER_TOKEN) + 1

    def generate(self, text: str, *, max_tokens: int) -> Iterator[str]:
        request = {
            "model": self.name,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": 0.0,
            "stream": True,
        }
        url = f"{self._url}/chat/completions"
        try:
            with self._client.stream("POST", url, json=request) as response:
                if response.is_error:
                    detail = response.read().decode(errors="replace")[:300]
                    raise LLMError(f"{url} answered {response.status_code}: {detail}")
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield from _delta(line.removeprefix("data:").strip())
        except httpx.HTTPError as error:
            raise LLMError(self._unreachable(error)) from error

    def _find_context_length(self) -> int:
        """``max_model_len`` where the server tells it (vLLM does), else a cautious default."""
        try:
            # On a connection of its own: some servers drop it when the list fails.
            response = self._client.get(f"{self._url}/models", headers={"Connection": "close"})
        except httpx.HTTPError as error:
            raise LLMError(self._unreachable(error)) from error
        if response.status_code in (401, 403):
            raise LLMError(f"{self._url} refused the key: set PALR_LLM_API_KEY")
        if response.is_error:
            # ``transformers serve`` fails here while its hub cache is empty, but serves.
            return _DEFAULT_CONTEXT
        try:
            lengths = {m["id"]: m.get("max_model_len") for m in response.json()["data"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LLMError(f"{self._url}/models is not an OpenAI model list") from error
        return int(lengths.get(self.name) or _DEFAULT_CONTEXT)

    def _unreachable(self, error: Exception) -> str:
        return (
            f"the LLM server at {self._url} does not answer ({type(error).__name__}): start it, "
            "or set PALR_LLM_URL to its base address"
        )


def _delta(data: str) -> Iterator[str]:
    """The text of one server-sent event."""
    if data == "[DONE]":
        return
    try:
        event: dict[str, Any] = json.loads(data)
        choices = event.get("choices") or []
        content = choices[0]["delta"].get("content") if choices else None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LLMError(
            f"the LLM server sent an event that is not a chat chunk: {data[:200]}"
        ) from error
    if content:
        yield content
