"""A small cache of prompts that a model has already read.

Two prompts of one visitor begin alike: the same instruction and history, then a pick more or an
edited profile. What the second shares with an earlier one is taken from here and not computed
again. A key-value cache only ever grows by new tensors, so entries are shared, never copied.

For float32 only: see `palr.llm.transformers.TransformersLLM`.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.metrics import PREFIXES

MAX_BYTES = 256 * 1024 * 1024
_WORTH_WHILE = 16  # tokens; shorter overlaps cost more to look up than to compute

Layers = tuple[tuple[Any, Any], ...]
"""Keys and values of each layer, tensors of shape (1, heads, tokens, width)."""


class PrefixCache:
    """The most recently used prompts, at most ``max_bytes`` of them. Safe to use from threads."""

    def __init__(self, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, ...], tuple[NDArray[np.int64], Layers, int]]
        self._entries = OrderedDict()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        return self._bytes

    def longest(self, tokens: Sequence[int]) -> tuple[int, Layers]:
        """How many leading tokens are known, and their layers; (0, ()) where too few are.

        Never all of them: the last token must run for its next-token distribution.
        """
        wanted = np.asarray(tokens, dtype=np.int64)
        best, found = 0, None
        with self._lock:
            for key, (known, layers, _) in self._entries.items():
                n = min(len(known), len(wanted) - 1)
                differs = np.flatnonzero(known[:n] != wanted[:n])
                shared = int(differs[0]) if len(differs) else n
                if shared > best:
                    best, found = shared, (key, layers)
            if found is None or best < _WORTH_WHILE:
                PREFIXES.labels("miss").inc()
                return 0, ()
            PREFIXES.labels("hit").inc()
            self._entries.move_to_end(found[0])
        return best, tuple((k[..., :best, :], v[..., :best, :]) for k, v in found[1])

    def put(self, tokens: Sequence[int], layers: Layers) -> None:
        """Remember a prompt, and forget the least recently used ones beyond the limit."""
        key = tuple(tokens)
        size = sum(t.numel() * t.element_size() for pair in layers for t in pair)
        if size > self._max_bytes:
            return
        with self._lock:
            self._forget(key)
            self._entries[key] = (np.asarray(key, dtype=np.int64), layers, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._forget(next(iter(self._entries)))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _forget(self, key: tuple[int, ...]) -> None:
        if key in self._entries:
            self._bytes -= self._entries.pop(key)[2]
