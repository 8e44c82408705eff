"""What works with every causal model, where the quicker ways do not: slower, with the same answers.

`PlainDecoder` reads everything anew for each decision, for models that cannot go on behind what
they have read. `PlainBatch` is many decoders, one after the other.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.base import Decoder
from palr.llm.passes import check_room, forward, guarded, told_apart


class PlainDecoder:
    """A position behind ``prompt``; see `palr.llm.base.Decoder`. ``marks`` are indices of prompt
    tokens, as in `TransformersDecoder`."""

    def __init__(self, model: Any, prompt: Sequence[int], marks: Sequence[int] = ()):
        self._model = model
        self._tokens = list(prompt)
        self._read = 0  # tokens behind which ``_logprobs`` are known
        self._marks = list(marks)
        self._marked: NDArray[np.float32] | None = None
        self._logprobs: NDArray[np.float32] | None = None
        self.forward_passes = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._tokens.extend(tokens)

    def passes(self) -> Iterator[None]:
        if self._read < len(self._tokens):
            marks = self._marks if self._marked is None else []
            found = self._forward(self._tokens, [*marks, len(self._tokens) - 1])
            self._marked = found[:-1] if self._marked is None else self._marked
            self._logprobs = found[-1]
            self._read = len(self._tokens)
        return iter(())

    def logprobs(self) -> NDArray[np.float32]:
        self.passes()
        assert self._logprobs is not None
        return self._logprobs

    def marked(self) -> NDArray[np.float32]:
        self.passes()
        assert self._marked is not None
        return told_apart(self._marked, self._marks)

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        for tokens in continuations:
            begin = len(self._tokens) - 1
            keep = range(begin, begin + len(tokens))
            found = self._forward([*self._tokens, *tokens[:-1]], keep)
            yield float(np.mean([row[token] for row, token in zip(found, tokens, strict=True)]))

    def _forward(self, tokens: Sequence[int], keep: Sequence[int]) -> NDArray[np.float32]:
        check_room(self._model, len(tokens))
        self.forward_passes += 1
        with guarded(self._model):
            found = forward(self._model, tokens, keep, use_cache=False)
            logprobs: NDArray[np.float32] = found.cpu().numpy()
        return logprobs


class PlainBatch:
    """Decoders as a batch; see `palr.llm.base.Batch`."""

    def __init__(self, rows: Sequence[Decoder]):
        self._rows = rows

    @property
    def forward_passes(self) -> int:
        return sum(row.forward_passes for row in self._rows)

    def feed(self, row: int, tokens: Sequence[int]) -> None:
        self._rows[row].feed(tokens)

    def logprobs(self) -> NDArray[np.float32]:
        return np.stack([row.logprobs() for row in self._rows])

    def marked(self) -> list[NDArray[np.float32]]:
        return [row.marked() for row in self._rows]

    def score(self, continuations: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        return [list(r.score(tokens)) for r, tokens in zip(self._rows, continuations, strict=True)]
