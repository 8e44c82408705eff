"""What the page may send to the server, checked before anything else reads it.

Gradio takes any JSON for any of its functions, and files where none is meant. The page sends very
little: the number of a function and, for each of its inputs, a word or a few, a selection, text of
bounded length, or nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from palr.errors import PalrError
from palr.text import visible

MAX_WORD = 64
MAX_WORDS = 64
MAX_IDS = 2000
MAX_QUERY = 1000
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Text:
    """Text that a visitor writes, of at most ``limit`` characters."""

    limit: int


Kind = Literal["nothing", "word", "words", "selection"] | Text


class ContractError(PalrError):
    """A request that the page never makes; the text says what is wrong with it."""


class ArgumentsError(ContractError):
    """A program's call with arguments that the endpoint does not take: the first, and why."""


@dataclass(frozen=True)
class Call:
    """A function of the page: what each of its inputs holds, and whether it joins the queue.

    An endpoint for programs has ``arguments`` instead: a strict model of its inputs, in order. The
    last ``later`` of them may be left out, by programs that were written before there were any.
    """

    inputs: tuple[Kind, ...] = ()
    queued: bool = False
    arguments: type[BaseModel] | None = None
    later: int = 0

    def checked(self, data: object) -> list[Any]:
        """The values of the inputs; raises ContractError."""
        names = list(self.arguments.model_fields) if self.arguments else []
        n = len(names or self.inputs)
        if not isinstance(data, list) or not n - self.later <= len(data) <= n:
            raise ContractError(f"data must be a list of {n} values")
        if self.arguments is None:
            return [_input(kind, value) for kind, value in zip(self.inputs, data, strict=True)]
        given = {name: v for name, v in zip(names, data, strict=False) if v is not None}
        return list(validated(self.arguments, given).values())


@dataclass(frozen=True)
class Contract:
    """``calls`` by function number; ``lookups`` are the server functions of ``components``;
    ``names`` are the numbers of the endpoints for programs."""

    calls: Mapping[int, Call]
    components: frozenset[int]
    lookups: frozenset[str]
    names: Mapping[str, int] = field(default_factory=dict)

    def call(self, body: bytes, queued: bool) -> bytes:
        """The body of a call, reduced to what a call needs; raises ContractError."""
        asked = _object(body)
        number = asked.get("fn_index")
        call = self.calls.get(number) if type(number) is int else None
        if call is None or call.queued != queued:
            raise ContractError("no such function")
        values = call.checked(asked.get("data"))
        trigger = asked.get("trigger_id")
        return _bytes(
            {
                "fn_index": number,
                "session_hash": session(asked.get("session_hash")),
                "trigger_id": trigger if type(trigger) is int else None,
                "event_data": None,
                "data": values,
            }
        )

    def named(self, name: str, body: bytes) -> bytes:
        """The body of a call by name, reduced to what it needs; raises ContractError."""
        call = self.calls[self.names[name]]
        return _bytes({"data": call.checked(_object(body).get("data"))})

    def lookup(self, body: bytes) -> bytes:
        """The body of a search or description, reduced to what it needs; raises ContractError."""
        asked = _object(body)
        name, data = asked.get("fn_name"), asked.get("data")
        if not isinstance(name, str) or name not in self.lookups:
            raise ContractError("no such lookup")
        component = asked.get("component_id")
        if type(component) is not int or component not in self.components:
            raise ContractError("no such component")
        if not isinstance(data, dict):
            raise ContractError("data must be an object")
        query = data.get("query", "")
        if not isinstance(query, str) or len(query) > MAX_QUERY:
            raise ContractError(f"query must be text of at most {MAX_QUERY} characters")
        session_hash = session(asked.get("session_hash"))
        return _bytes(
            {
                "component_id": component,
                "session_hash": session_hash,
                "fn_name": name,
                # Server functions learn from here alone who asks.
                "data": {**_selection(data), "query": _text(query), "session": session_hash},
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


def validated(model: type[BaseModel], given: object) -> dict[str, Any]:
    """The arguments of an endpoint, defaults filled in; raises ArgumentsError."""
    try:
        values = model.model_validate(given).model_dump()
    except ValidationError as error:
        raise ArgumentsError(_in_words(error)) from error
    for name, value in values.items():
        if isinstance(value, str):
            values[name] = _text(value)
        elif isinstance(value, list):
            values[name] = [_text(v) if isinstance(v, str) else v for v in value]
    return values


def _in_words(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(visible(str(part))[:64] for part in first["loc"])
    return f"{where or 'arguments'}: {first['msg']}"


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
    if isinstance(kind, Text):
        if not isinstance(value, str) or len(value) > kind.limit:
            raise ContractError(f"a text must have at most {kind.limit:,} characters")
        return _text(value)
    if kind == "words":
        if not isinstance(value, list) or len(value) > MAX_WORDS:
            raise ContractError(f"choices must be a list of at most {MAX_WORDS} words")
        return [_word(entry) for entry in value]
    return _word(value)


def _word(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_WORD:
        raise ContractError("a choice must be a word")
    return _text(value)


def _selection(value: object) -> dict[str, Any]:
    domain = value.get("domain") if isinstance(value, dict) else None
    picks = value.get("picks", []) if isinstance(value, dict) else None
    dataset = value.get("dataset", "") if isinstance(value, dict) else None
    if not isinstance(domain, str) or len(domain) > MAX_WORD:
        raise ContractError("a selection names its domain")
    if not isinstance(dataset, str) or len(dataset) > MAX_WORD:
        raise ContractError("a selection names its data set by a word")
    if not isinstance(picks, list) or len(picks) > MAX_IDS:
        raise ContractError(f"picks must be a list of at most {MAX_IDS} ids")
    if not all(isinstance(pick, str) and len(pick) <= MAX_WORD for pick in picks):
        raise ContractError("a pick must be an id")
    selection = {"domain": _text(domain), "picks": [_text(pick) for pick in picks]}
    return selection | ({"dataset": _text(dataset)} if dataset else {})


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
