"""A small cache of prompts that a model has already read, block by block.

Two prompts of one visitor begin alike: the same instruction and history, then a pick more or an
edited profile. The blocks that the second shares with an earlier one are taken from here.

Every prompt runs in the same blocks, cut at multiples of one length, whether or not they are known.
A known block thus stands for a forward pass of exactly the shape that would run, so that reuse
changes no bit, in half precision as little as in float32.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from palr.metrics import PREFIXES

MAX_BYTES = 256 * 1024 * 1024

Layers = tuple[tuple[Any, Any], ...]
"""Keys and values of each layer over one block, tensors of shape (1, heads, tokens, width)."""


class PrefixCache:
    """The most recently used blocks of ``block`` tokens, at most ``max_bytes`` of them.

    Safe to use from several threads.
    """

    def __init__(self, block: int, max_bytes: int = MAX_BYTES):
        self.block = block
        self._max_bytes = max_bytes
        self._bytes = 0
        self._blocks: OrderedDict[tuple[int, ...], tuple[Layers, int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        return self._bytes

    def known(self, tokens: Sequence[int]) -> list[Layers]:
        """The leading blocks of ``tokens`` that are known."""
        found: list[Layers] = []
        with self._lock:
            for key in self._keys(tokens):
                if key not in self._blocks:
                    break
                found.append(self._blocks[key][0])
            self._touch(tokens)
        PREFIXES.labels("hit" if found else "miss").inc()
        return found

    def put(self, tokens: Sequence[int], layers: Layers) -> None:
        """Remember the last block of ``tokens``, whose length is a multiple of the block's."""
        size = sum(t.numel() * t.element_size() for pair in layers for t in pair)
        if size > self._max_bytes:
            return
        with self._lock:
            self._forget(tuple(tokens))
            self._blocks[tuple(tokens)] = (layers, size)
            self._bytes += size
            self._touch(tokens)
            while self._bytes > self._max_bytes:
                self._forget(next(iter(self._blocks)))

    def clear(self) -> None:
        with self._lock:
            self._blocks.clear()
            self._bytes = 0

    def _keys(self, tokens: Sequence[int]) -> list[tuple[int, ...]]:
        """One for each whole block: all tokens up to its end, since a block sees what precedes."""
        ends = range(self.block, len(tokens) + 1, self.block)
        return [tuple(tokens[:end]) for end in ends]

    def _touch(self, tokens: Sequence[int]) -> None:
        # The first block last: without it, those behind it are of no use.
        for key in reversed(self._keys(tokens)):
            if key in self._blocks:
                self._blocks.move_to_end(key)

    def _forget(self, key: tuple[int, ...]) -> None:
        if key in self._blocks:
            self._bytes -= self._blocks.pop(key)[1]
