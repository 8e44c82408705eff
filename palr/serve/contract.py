"""What the page may send to the server, checked before anything else reads it.

Gradio takes any JSON for any of its functions, and files where none is meant. The page sends very
little: the number of a function and, for each of its inputs, a word, a selection or nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from palr.errors import PalrError

Kind = Literal["nothing", "word", "selection"]

MAX_WORD = 64
MAX_IDS = 2000
MAX_QUERY = 1000
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ContractError(PalrError):
    """A request that the page never makes; the text says what is wrong with it."""


@dataclass(frozen=True)
class Call:
    """A function of the page: what each of its inputs holds, and whether it joins the queue."""

    inputs: tuple[Kind, ...]
    queued: bool = False


@dataclass(frozen=True)
class Contract:
    """``calls`` by function number; ``lookups`` are the server functions of ``component``."""

    calls: Mapping[int, Call]
    component: int
    lookups: frozenset[str]

    def call(self, body: bytes, queued: bool) -> bytes:
        """The body of a call, reduced to what a call needs; raises ContractError."""
        asked = _object(body)
        number = asked.get("fn_index")
        call = self.calls.get(number) if type(number) is int else None
        if call is None or call.queued != queued:
            raise ContractError("no such function")
        data = asked.get("data")
        if not isinstance(data, list) or len(data) != len(call.inputs):
            raise ContractError(f"data must be a list of {len(call.inputs)} values")
        trigger = asked.get("trigger_id")
        values = [_input(kind, value) for kind, value in zip(call.inputs, data, strict=True)]
        return _bytes(
            {
                "fn_index": number,
                "session_hash": session(asked.get("session_hash")),
                "trigger_id": trigger if type(trigger) is int else None,
                "event_data": None,
                "data": values,
            }
        )

    def lookup(self, body: bytes) -> bytes:
        """The body of a search or description, reduced to what it needs; raises ContractError."""
        asked = _object(body)
        name, data = asked.get("fn_name"), asked.get("data")
        if not isinstance(name, str) or name not in self.lookups:
            raise ContractError("no such lookup")
        if asked.get("component_id") != self.component or type(asked["component_id"]) is not int:
            raise ContractError("no such component")
        if not isinstance(data, dict):
            raise ContractError("data must be an object")
        query = data.get("query", "")
        if not isinstance(query, str) or len(query) > MAX_QUERY:
            raise ContractError(f"query must be text of at most {MAX_QUERY} characters")
        return _bytes(
            {
                "component_id": self.component,
                "session_hash": session(asked.get("session_hash")),
                "fn_name": name,
                "data": {**_selection(data), "query": _text(query)},
            }
        )

    @staticmethod
    def cancel(body: bytes) -> bytes:
        """The body of a cancelled or reset event, reduced to what it needs; ContractError."""
        asked = _object(body)
        number = asked.get("fn_index")
        if number is not None and type(number) is not int:
            raise ContractError("no such function")
        return _bytes(
            {
                "session_hash": session(asked.get("session_hash", "none")),
                "event_id": session(asked.get("event_id")),
                "fn_index": number or 0,
            }
        )


def session(value: object) -> str:
    """A session's or an event's name; raises ContractError."""
    if isinstance(value, str) and _SESSION.fullmatch(value):
        return value
    raise ContractError("no such session")


def _input(kind: Kind, value: object) -> object:
    if kind == "nothing":
        return None  # the server keeps it; what the browser sends is not read
    if kind == "selection":
        return _selection(value)
    if not isinstance(value, str) or len(value) > MAX_WORD:
        raise ContractError("a choice must be a word")
    return _text(value)


def _selection(value: object) -> dict[str, Any]:
    domain = value.get("domain") if isinstance(value, dict) else None
    picks = value.get("picks", []) if isinstance(value, dict) else None
    if not isinstance(domain, str) or len(domain) > MAX_WORD:
        raise ContractError("a selection names its domain")
    if not isinstance(picks, list) or len(picks) > MAX_IDS:
        raise ContractError(f"picks must be a list of at most {MAX_IDS} ids")
    if not all(isinstance(pick, str) and len(pick) <= MAX_WORD for pick in picks):
        raise ContractError("a pick must be an id")
    return {"domain": _text(domain), "picks": [_text(pick) for pick in picks]}


def _text(value: str) -> str:
    """Half of a surrogate pair is valid JSON, but no text that can be sent back."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ContractError("the body must be JSON") from error
    if not isinstance(parsed, dict):
        raise ContractError("the body must be a JSON object")
    return parsed


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()
