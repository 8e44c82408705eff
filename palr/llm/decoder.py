"""Decoding with a key-value cache: as few forward passes as the decisions need."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.caches import as_argument, kept, restored
from palr.llm.cuda_graphs import CudaGraphs
from palr.llm.passes import check_room, forward, guarded, told_apart
from palr.llm.prefixes import Piece, PrefixCache
from palr.llm.scoring import alone, packs, together

LONGEST_PASS = 2048  # tokens; bounds the memory of attention masks
_SCORED_TOKENS = 1024  # bounds that of logits and masks when many continuations are scored


class TransformersDecoder:
    """A position behind ``prompt`` in a causal model of the transformers library.

    The prompt runs in pieces: up to each of ``cuts``, then as few as `LONGEST_PASS` allows.
    ``prefixes`` supplies those that the model has read before; ``reused`` counts their tokens.
    ``marks`` are indices of prompt tokens, ascending, behind which `marked` looks; from the first
    of them on nothing is reused, since what is kept of a piece is its end. ``graphs`` run what
    follows the prompt, where the device has them.
    """

    def __init__(
        self,
        model: Any,
        prompt: Sequence[int],
        prefixes: PrefixCache | None = None,
        cuts: Sequence[int] = (),
        marks: Sequence[int] = (),
        graphs: CudaGraphs | None = None,
    ):
        self._model = model
        self._graphs = graphs
        self._stepped: list[int] = []  # tokens behind the cache's, which the graphs have run
        self._pending = list(prompt)
        self._prefixes = prefixes
        self._cuts = tuple(cuts)
        self._marks = tuple(marks)
        self._marked: list[NDArray[np.float32]] = []
        self._cache: Any = None
        self._written = 0  # tokens in the cache
        self._logprobs: NDArray[np.float32] | None = None
        self.forward_passes = 0
        self.reused = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._pending.extend(tokens)

    def passes(self) -> Iterator[None]:
        if self._cache is None:
            self._prompt = list(self._pending)
            self._ends = piece_ends(len(self._prompt), self._cuts)
            self._reuse()
        while self._ends_left:
            self._forward(self._ends_left.pop(0) - self._written)
            self._remember()
            if self._pending:
                yield
        if self._pending and not self._step():
            self._settle()

    def logprobs(self) -> NDArray[np.float32]:
        for _ in self.passes():
            pass
        assert self._logprobs is not None
        return self._logprobs

    def marked(self) -> NDArray[np.float32]:
        self.logprobs()
        return told_apart(np.stack(self._marked), self._marks)

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        """See `Decoder.score`; several continuations run in one pass where the model allows it."""
        head = self.logprobs()
        self._settle()
        most = _SCORED_TOKENS if packs(self._model) else 0
        batch: list[Sequence[int]] = []
        for continuation in continuations:
            if batch and sum(map(len, batch)) + len(continuation) > most:
                yield from self._score(batch, head)
                batch = []
            batch.append(continuation)
        if batch:
            yield from self._score(batch, head)

    def _score(
        self, continuations: Sequence[Sequence[int]], head: NDArray[np.float32]
    ) -> list[float]:
        longest = max(map(len, continuations))
        check_room(self._model, self._written + longest - 1)
        if packs(self._model):
            sums = together(self._model, self._cache, self._written, continuations)
        else:
            sums = alone(self._model, self._cache, *continuations)
        self.forward_passes += longest > 1
        return [
            (float(head[tokens[0]]) + rest) / len(tokens)
            for tokens, rest in zip(continuations, sums, strict=True)
        ]

    def _step(self) -> bool:
        if self._graphs is None:
            return False
        logprobs = self._graphs.run(self, self._cache, self._stepped, self._pending)
        if logprobs is None:
            return False
        self._logprobs = logprobs
        self._stepped += self._pending
        self._pending = []
        self.forward_passes += 1
        return True

    def _settle(self) -> None:
        """Have all tokens in the cache, those too that the graphs have run."""
        self._pending = [*self._stepped, *self._pending]
        self._stepped = []
        if self._pending:
            self._forward(len(self._pending))

    def _reuse(self) -> None:
        """Start from the pieces that are known, or from nothing."""
        known = self._prefixes.known(self._prompt, self._reusable()) if self._prefixes else []
        if known:
            self.reused = self._ends[len(known) - 1]
            self._logprobs = known[-1].logprobs
        with guarded(self._model):
            layers = [piece.layers for piece in known]
            self._cache = restored(self._model.config, layers, self.reused)
        self._written = self.reused
        self._pending = self._pending[self.reused :]
        self._ends_left = list(self._ends[len(known) :])

    def _reusable(self) -> tuple[int, ...]:
        first = self._marks[0] if self._marks else len(self._prompt)
        return tuple(end for end in self._ends if end <= first)

    def _forward(self, n: int) -> None:
        """Run the first ``n`` pending tokens."""
        begin = self._written
        check_room(self._model, begin + n)
        keep = [mark - begin for mark in self._marks if begin <= mark < begin + n] + [n - 1]
        with guarded(self._model):
            found = forward(self._model, self._pending[:n], keep, **as_argument(self._cache))
            logprobs = found.cpu().numpy()
        self._logprobs = logprobs[-1]
        self._marked.extend(logprobs[:-1])
        self._pending = self._pending[n:]
        self._written += n
        self.forward_passes += 1

    def _remember(self) -> None:
        """Keep the piece that ran last."""
        if self._prefixes is None or self._logprobs is None:
            return
        done = self._ends[: len(self._ends) - len(self._ends_left)]
        begin = done[-2] if len(done) > 1 else 0
        with guarded(self._model):
            layers = kept(self._cache, done[-1] - begin)
        self._prefixes.put(self._prompt, done, Piece(layers, self._logprobs))


def piece_ends(length: int, cuts: Sequence[int]) -> tuple[int, ...]:
    """Where the pieces of a prompt end: at each of ``cuts`` before its end, then in long steps.

    >>> piece_ends(5000, (256, 512))
    (256, 512, 2560, 4608, 5000)
    >>> piece_ends(512, (256, 512))
    (256, 512)
    """
    ends = [cut for cut in cuts if cut < length]
    while not ends or ends[-1] < length:
        ends.append(min((ends[-1] if ends else 0) + LONGEST_PASS, length))
    return tuple(ends)
