"""Strategies of hypothesis that damage files: as disks, networks, editors and other programs do."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "cp1252",
)
WRONG = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=5)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)

Change = Callable[[bytes], bytes]


def _flipped(at: int, mask: int) -> Change:
    def change(data: bytes) -> bytes:
        place = at % len(data) if data else 0
        return data[:place] + bytes(b ^ mask for b in data[place : place + 1]) + data[place + 1 :]

    return change


def _cut(at: int) -> Change:
    return lambda data: data[: at % (len(data) + 1)]


def _without(at: int, length: int) -> Change:
    return lambda data: data[: at % (len(data) + 1)] + data[at % (len(data) + 1) + length :]


def _with(at: int, more: bytes) -> Change:
    return lambda data: data[: at % (len(data) + 1)] + more + data[at % (len(data) + 1) :]


def _repeated(at: int, times: int) -> Change:
    def change(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True) or [b""]
        at_line = at % len(lines)
        return b"".join([*lines[:at_line], *[lines[at_line]] * times, *lines[at_line + 1 :]])

    return change


def _encoded(old: str, new: str) -> Change:
    return lambda data: data.decode(old, "replace").encode(new, "replace")


def _replaced(old: bytes, new: bytes) -> Change:
    return lambda data: data.replace(old, new)


_AT = st.integers(0, 1 << 16)
CHANGE: st.SearchStrategy[Change] = st.one_of(
    st.builds(_flipped, _AT, st.integers(1, 255)),
    st.builds(_cut, _AT),
    st.builds(_without, _AT, st.integers(1, 40)),
    st.builds(_with, _AT, st.binary(max_size=12) | st.sampled_from([b"\0" * 64, b'"', b"\\ud83d"])),
    st.builds(_repeated, _AT, st.integers(0, 3)),
    st.builds(_encoded, st.sampled_from(ENCODINGS), st.sampled_from(ENCODINGS)),
    st.builds(
        _replaced,
        st.sampled_from([b"\n", b",", b"::", b"|", b"\t", b'"', b"1", b"'"]),
        st.sampled_from([b"\r\n", b"\r", b";", b"", b"\n\n", b"::", b'"', b"\xe9", b"99999999999"]),
    ),
)


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """Some bytes, or a valid file after a few changes."""

    def changed(changes: list[Change]) -> bytes:
        data = valid
        for change in changes:
            data = change(data)
        return data

    return st.lists(CHANGE, min_size=1, max_size=3).map(changed) | st.binary(max_size=200)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return []
    found = []
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        found += [(*path, key), *_places(child, (*path, key))]
    return found


def mistyped(valid: str) -> st.SearchStrategy[str]:
    """JSON with the value at some place exchanged for one of another type, or left out."""

    def put(path: tuple[Any, ...], wrong: Any, leave_out: bool) -> str:
        content = json.loads(valid)
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = wrong
        if leave_out:
            del parent[path[-1]]
        return json.dumps(content)

    return st.builds(put, st.sampled_from(_places(json.loads(valid))), WRONG, st.booleans())
