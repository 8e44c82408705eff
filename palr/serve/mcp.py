"""The Model Context Protocol over HTTP, as far as tools need it: no sessions, no state, no files.

One request, one answer: JSON, or, where a client asks to be told of progress, a stream of events
that ends with the answer. Whoever leaves ends the work. The specification's revisions in `VERSIONS`
agree in all of this (https://modelcontextprotocol.io/specification).
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import BaseModel

from palr.errors import PalrError
from palr.serve.asgi import Scope
from palr.serve.contract import ArgumentsError, validated

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
_PARSE, _INVALID, _NO_METHOD, _PARAMS = -32700, -32600, -32601, -32602

Answer = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """``call`` takes checked arguments and the request's scope; it yields words on how far it is,
    then its answer, and raises PalrError with what to do."""

    name: str
    description: str
    arguments: type[BaseModel]
    call: Callable[[dict[str, Any], Scope], AsyncGenerator[str | Answer]]


class _FaultError(Exception):
    """A request that is answered with a JSON-RPC error."""

    def __init__(self, code: int, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


class Mcp:
    """An ASGI application for POST requests whose bodies have been read and bounded."""

    def __init__(self, version: str, tools: Sequence[Tool]) -> None:
        self._version = version
        self._tools = {tool.name: tool for tool in tools}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        body = bytes((await receive()).get("body", b""))
        number: object = None
        try:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            asked = headers.get(b"mcp-protocol-version", VERSIONS[0])
            if asked not in VERSIONS:
                raise _FaultError(_INVALID, f"this server speaks {', '.join(VERSIONS)}", 400)
            message = _message(body)
            number = message.get("id")
            if number is None:
                await _respond(send, 202, b"", "application/json")  # a notification, or an answer
                return
            params = message.get("params", {})
            if not isinstance(params, dict):
                raise _FaultError(_PARAMS, "params must be an object")
            if message["method"] == "tools/call":
                tool, values = self._asked(params)
                accepts = "text/event-stream" in headers.get(b"accept", "")
                token = _token(params) if accepts else None
                await _Work(send, number, token).run(tool.call(values, scope), receive)
                return
            await _json(send, number, {"result": self._quick(message["method"], params)})
        except _FaultError as fault:
            error = {"code": fault.code, "message": str(fault)}
            await _json(send, number, {"error": error}, fault.status)

    def _quick(self, method: str, params: dict[str, Any]) -> Answer:
        if method == "initialize":
            asked = params.get("protocolVersion")
            return {
                "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "palr-studio", "version": self._version},
                "instructions": "Find ids with search, then ask recommend with them. Ids are of "
                "the data set that the answer names: give it along.",
            }
        if method == "ping":
            return {}
        if method == "tools/list":
            return {"tools": [_described(tool) for tool in self._tools.values()]}
        raise _FaultError(_NO_METHOD, "no such method")

    def _asked(self, params: dict[str, Any]) -> tuple[Tool, dict[str, Any]]:
        name, values = params.get("name"), params.get("arguments", {})
        tool = self._tools.get(name) if isinstance(name, str) else None
        if tool is None:
            raise _FaultError(_PARAMS, f"no such tool; there are {', '.join(self._tools)}")
        try:
            return tool, validated(tool.arguments, values)
        except ArgumentsError as error:
            raise _FaultError(_PARAMS, str(error)) from error


class _Work:
    """The answer to one call of a tool, on its way out."""

    def __init__(self, send: Any, number: object, token: str | int | None) -> None:
        self._send = send
        self._number = number
        self._token = token

    async def run(self, steps: AsyncGenerator[str | Answer], receive: Any) -> None:
        async with anyio.create_task_group() as group:

            async def until_they_leave() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(until_they_leave)
            await self._answer(steps)
            group.cancel_scope.cancel()

    async def _answer(self, steps: AsyncGenerator[str | Answer]) -> None:
        said, count = "", 0
        result: Answer = {"isError": True, "content": _text("this was called off")}
        if self._token is not None:
            await _start(self._send, 200, "text/event-stream")
        try:
            async with aclosing(steps):
                async for step in steps:
                    if isinstance(step, dict):
                        text = json.dumps(step, ensure_ascii=False)
                        result = {"content": _text(text), "structuredContent": step}
                    elif step != said and self._token is not None:
                        said, count = step, count + 1
                        await self._event(
                            method="notifications/progress",
                            params={
                                "progressToken": self._token,
                                "progress": count,
                                "message": step,
                            },
                        )
        except PalrError as error:
            result = {"isError": True, "content": _text(str(error))}
        if self._token is None:
            await _json(self._send, self._number, {"result": result})
            return
        await self._event(id=self._number, result=result)
        await self._send({"type": "http.response.body", "body": b""})

    async def _event(self, **message: object) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message})
        body = f"event: message\ndata: {content}\n\n".encode()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _FaultError(_PARSE, "the body must be JSON", 400) from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _FaultError(_INVALID, "the body must be one JSON-RPC 2.0 message", 400)
    number = message.get("id")
    if number is not None and (type(number) not in (str, int) or len(str(number)) > 64):
        raise _FaultError(_INVALID, "an id is a number or a short text", 400)
    if number is not None and not isinstance(message.get("method"), str):
        raise _FaultError(_INVALID, "a request names its method", 400)
    return message


def _token(params: dict[str, Any]) -> str | int | None:
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    if type(token) not in (str, int) or len(str(token)) > 64:
        return None
    return token


def _described(tool: Tool) -> Answer:
    schema = tool.arguments.model_json_schema()
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def _text(text: str) -> list[Answer]:
    return [{"type": "text", "text": text}]


async def _json(send: Any, number: object, content: Answer, status: int = 200) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": number, **content}).encode()
    await _respond(send, status, body, "application/json")


async def _respond(send: Any, status: int, body: bytes, kind: str) -> None:
    await _start(send, status, kind, len(body))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Any, status: int, kind: str, length: int | None = None) -> None:
    headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
