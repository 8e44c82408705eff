"""A small cache of prompts that a model has already read, piece by piece.

Two prompts of one visitor begin alike: the same instruction and history, then an edited profile or
other candidates. The pieces that the second shares with an earlier one are taken from here.

A prompt runs in the same pieces whether or not they are known, and a piece is known by where those
before it ended too. It thus stands for a forward pass of exactly the shape that would run, so that
reuse changes no bit, in half precision as little as in float32.

All that was made of one model share one cache, since memory is what bounds it.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from palr.llm.caches import Layers, size

COUNTS = {"hit": 0, "miss": 0}
"""Prompts of this process that began like an earlier one, or not."""
MAX_BYTES = 256 * 1024 * 1024

_Key = tuple[str, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Piece:
    """What one forward pass left: ``logprobs`` are those of the token behind it."""

    layers: Layers
    logprobs: NDArray[np.float32]

    @cached_property
    def bytes(self) -> int:
        return size(self.layers) + self.logprobs.nbytes


class PrefixCache:
    """The most recently used pieces, at most ``max_bytes`` of them. Safe to use from threads.

    A piece is asked for by all tokens up to its end, since it sees what precedes it, and by
    ``ends``: where the pieces up to it end, its own last.
    """

    def __init__(self, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._wearing = ""
        self._pieces: OrderedDict[_Key, Piece] = OrderedDict()
        self._lock = threading.Lock()

    def with_adapter(self, name: str) -> "PrefixCache":
        """The same cache for the model with this adapter, which reads everything otherwise."""
        other = copy.copy(self)
        other._wearing = name
        return other

    @property
    def bytes(self) -> int:
        return sum(piece.bytes for piece in self._pieces.values())

    def known(self, tokens: Sequence[int], ends: Sequence[int]) -> list[Piece]:
        """The leading pieces of ``tokens`` that are known."""
        found: list[Piece] = []
        with self._lock:
            keys = self._keys(tokens, ends)
            for key in keys:
                if key not in self._pieces:
                    break
                found.append(self._pieces[key])
            # The first piece last: without it, those behind it are of no use.
            for key in reversed(keys[: len(found)]):
                self._pieces.move_to_end(key)
            COUNTS["hit" if found else "miss"] += 1
        return found

    def put(self, tokens: Sequence[int], ends: Sequence[int], piece: Piece) -> None:
        """Remember the piece of ``tokens`` that ends at the last of ``ends``."""
        if piece.bytes > self._max_bytes:
            return
        with self._lock:
            *before, key = self._keys(tokens, ends)
            self._pieces[key] = piece
            self._pieces.move_to_end(key)
            for earlier in reversed(before):
                if earlier in self._pieces:
                    self._pieces.move_to_end(earlier)
            while self.bytes > self._max_bytes:
                self._pieces.popitem(last=False)

    def clear(self) -> None:
        """Drop what this model has read."""
        with self._lock:
            for key in [key for key in self._pieces if key[0] == self._wearing]:
                del self._pieces[key]

    def _keys(self, tokens: Sequence[int], ends: Sequence[int]) -> list[_Key]:
        return [
            (self._wearing, tuple(tokens[:end]), tuple(ends[:n]))
            for n, end in enumerate(ends, start=1)
        ]
