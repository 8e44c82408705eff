"""What a server refuses of a request, so that it is not asked for that again.

OpenAI's newer models want ``max_completion_tokens`` in place of ``max_tokens`` and the temperature
left alone, and stream to some customers only; Mistral and vLLM forbid each field that they do not
know. All of them say so in words, and most of them name the field.
"""

import json
import logging
import re
import threading
from typing import Any

_log = logging.getLogger(__name__)
_INSTEAD = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
# An answer comes without them, too.
_FIELDS = (*_INSTEAD, "temperature", "stream", "stream_options", "seed")
_NAMED = re.compile(rf"(?<![\w.])(?:{'|'.join((*_FIELDS, 'logprobs'))})(?!\w)")
_UNSUPPORTED = re.compile(
    r"(?:not|n't|un) ?(?:be )?(?:support|recogni[sz]|know|expect|permit|allow|accept)"
    r"|deprecated|extra_forbidden|extra inputs|verified to stream|additional propert"
    r"|only the default|may only be|only \S+ is allowed|strictly positive|greater than 0",
    re.IGNORECASE,
)


class Refusals:
    """What one server is known to refuse. Safe to use from several threads."""

    def __init__(self) -> None:
        self._learning = threading.Lock()
        self._refused: frozenset[str] = frozenset()

    def without(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as the server takes it."""
        refused = self._refused
        sent = {}
        for field, value in request.items():
            names = [name for name in (field, _INSTEAD.get(field)) if name and name not in refused]
            if names:
                sent[names[0]] = value
        return sent

    def learn(self, sent: dict[str, Any], said: str) -> bool:
        """Whether another request is worth while after the server refused ``sent``.

        Args:
            sent: What `without` returned.
            said: The server's answer.
        """
        named = [field for field in refused_fields(said) if field in sent and field in _FIELDS]
        if not named:
            return False
        with self._learning:
            self._refused |= {named[0]}
        _log.warning("the LLM server takes no %r: requests go without it from now on", named[0])
        return True


def refused_fields(said: str) -> list[str]:
    """The fields that a server names while it says that it does not support one, best guess first.

    >>> refused_fields("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
    ['max_tokens', 'max_completion_tokens']
    >>> refused_fields("max_tokens is too large: this model supports at most 4096 tokens")
    []

    Args:
        said: The body of a refusal.
    """
    if not _UNSUPPORTED.search(said):
        return []
    return re.findall(r'"param"\s*:\s*"(\w+)"', said) or _NAMED.findall(said)


def words(body: str) -> str:
    """A refusing server's own words: its message where it wraps one in JSON, else all of it.

    >>> words('{"error": {"message": "no such model", "code": 404}}')
    'no such model'
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return body
    while isinstance(said, dict):
        said = next((said[key] for key in ("error", "message", "detail") if said.get(key)), None)
    return said if isinstance(said, str) else body
