"""Decisions on a GPU, where a pass of a few tokens costs what launching its kernels costs.

Keys and values lie in tensors that never move, and a pass has one of few widths, so that each width
is recorded once as a CUDA graph and replayed. Padding comes after the real tokens:
none of them sees it, and the next pass writes over it.
"""

import logging
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.caches import sees_everything
from palr.llm.passes import guarded, logprobs
from palr.settings import gpu_is_lent

WIDTHS = (1, 8, 64)  # tokens; a decision, the rest of a title with it, a long name
_log = logging.getLogger(__name__)


class CudaGraphs:
    """Passes of few tokens, for one decoder at a time, behind at most ``room`` tokens together.

    Without ``recorded`` the very same passes run as they are.
    """

    @classmethod
    def of(cls, model: Any, room: int) -> "CudaGraphs | None":
        """None where they do not pay: recording takes a minute or more, once for each process,
        which a GPU that is lent for half a minute does not have. None too where the cache holds
        more than keys and values of all tokens, which is all that is taken over here."""
        pays = model.device.type == "cuda" and not gpu_is_lent()
        return cls(model, room) if pays and sees_everything(model.config) else None

    def __init__(self, model: Any, room: int, recorded: bool = True):
        import torch
        from transformers import StaticCache

        self._model = model
        self._room = room
        self._cache: Any = StaticCache(config=model.config, max_cache_len=room)
        self._lock = threading.Lock()
        self._reader: weakref.ref[object] | None = None
        self._recorded, self._ready = recorded, False
        self._pass = self.forward
        if recorded:
            self._pass = torch.compile(self.forward, mode="reduce-overhead", dynamic=False)

    def run(
        self, reader: object, prompt: Any, behind: Sequence[int], tokens: Sequence[int]
    ) -> NDArray[np.float32] | None:
        """Log-probabilities behind ``tokens``, (vocabulary,); None where they do not fit.

        ``reader`` is who asks, ``prompt`` its cache of transformers' (a `DynamicCache`), and
        ``behind`` the tokens behind it that earlier calls ran.
        """
        known = prompt.get_seq_length()
        with self._lock:
            if self._reader is None or self._reader() is not reader:
                tokens = [*behind, *tokens]
            else:
                known += len(behind)
            width = next((width for width in WIDTHS if width >= len(tokens)), None)
            if width is None or known + width > self._room:
                self._reader = None
                return None
            if known == prompt.get_seq_length():
                self._take(prompt)
            self._reader = weakref.ref(reader)
            if self._recorded and not self._ready:
                self._ready = True
                for each in WIDTHS:  # all at once, so that no later visitor waits for one of them
                    if known + each <= self._room:
                        self._logprobs(known, [0] * each, each)
            return self._logprobs(known, tokens, width)

    def forward(self, tokens: Any, positions: Any, keep: Any) -> Any:
        """Logits (1, 1, vocabulary) at ``keep`` of tokens (1, width)."""
        return self._model(
            tokens,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits

    def _take(self, prompt: Any) -> None:
        for mine, theirs in zip(self._cache.layers, prompt.layers, strict=True):
            if not mine.is_initialized:
                mine.lazy_initialization(theirs.keys, theirs.values)
            mine.keys[:, :, : theirs.keys.shape[2]] = theirs.keys
            mine.values[:, :, : theirs.values.shape[2]] = theirs.values

    def _logprobs(self, known: int, tokens: Sequence[int], width: int) -> NDArray[np.float32]:
        import torch

        device = self._model.device
        filled = torch.tensor([[*tokens, *[0] * (width - len(tokens))]], device=device)
        positions = torch.arange(known, known + width, device=device)[None]
        keep = torch.tensor([len(tokens) - 1], device=device)
        for layer in self._cache.layers:
            layer.cumulative_length.fill_(known)
        with guarded(self._model):
            if self._recorded:
                torch.compiler.cudagraph_mark_step_begin()
            try:
                logits = self._pass(filled, positions, keep)
            except RuntimeError as error:
                if not self._recorded:
                    raise
                _log.warning("this GPU's decisions run unrecorded, which is slower: %s", error)
                self._recorded, self._pass = False, self.forward
                return self._logprobs(known, tokens, width)
            found: NDArray[np.float32] = logprobs(logits[0, -1:]).cpu().numpy()[0]
        return found
