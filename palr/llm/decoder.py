"""Decoding with a key-value cache: as few forward passes as the decisions need."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.cuda_graphs import CudaGraphs
from palr.llm.prefixes import Piece, PrefixCache

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
        return np.stack(self._marked)

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        """See `Decoder.score`. All continuations of a pass run in one sequence, each behind a mask
        that lets it see the prompt and itself only."""
        head = self.logprobs()
        self._settle()
        batch: list[Sequence[int]] = []
        for continuation in continuations:
            if batch and sum(map(len, batch)) + len(continuation) > _SCORED_TOKENS:
                yield from self._score(batch, head)
                batch = []
            batch.append(continuation)
        if batch:
            yield from self._score(batch, head)

    def _score(
        self, continuations: Sequence[Sequence[int]], head: NDArray[np.float32]
    ) -> list[float]:
        import torch

        device, dtype = self._model.device, self._model.dtype
        totals = [float(head[tokens[0]]) for tokens in continuations]
        inputs = [token for tokens in continuations for token in tokens[:-1]]
        owner = [n for n, tokens in enumerate(continuations) for _ in tokens[:-1]]
        step = [at for tokens in continuations for at in range(len(tokens) - 1)]
        if inputs:
            known = self._written
            owners = torch.tensor(owner, device=device)
            steps = torch.tensor(step, device=device)
            visible = (owners[:, None] == owners[None, :]) & (steps[:, None] >= steps[None, :])
            mask = torch.zeros((len(inputs), known + len(inputs)), dtype=dtype, device=device)
            mask[:, known:].masked_fill_(~visible, torch.finfo(dtype).min)
            with torch.inference_mode():
                out = self._model(
                    torch.tensor([inputs], device=device),
                    past_key_values=self._cache,
                    attention_mask=mask[None, None],
                    position_ids=(known + steps)[None],
                    use_cache=True,
                )
                logprobs = torch.log_softmax(out.logits[0].float(), dim=-1)
                nexts = [token for tokens in continuations for token in tokens[1:]]
                rows = torch.arange(len(inputs), device=device)
                chosen = logprobs[rows, torch.tensor(nexts, device=device)].cpu().tolist()
            self._cache.crop(-len(inputs))
            self.forward_passes += 1
            for n, value in zip(owner, chosen, strict=True):
                totals[n] += value
        return [t / len(tokens) for t, tokens in zip(totals, continuations, strict=True)]

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

    @property
    def _written(self) -> int:
        return int(self._cache.get_seq_length())

    def _reuse(self) -> None:
        """Start from the pieces that are known, or from nothing."""
        import torch
        from transformers import DynamicCache

        self._cache = DynamicCache(config=self._model.config)
        known = self._prefixes.known(self._prompt, self._reusable()) if self._prefixes else []
        for index, pairs in enumerate(zip(*(piece.layers for piece in known), strict=True)):
            keys, values = (torch.cat(parts, dim=-2) for parts in zip(*pairs, strict=True))
            self._cache.update(keys, values, index)
        if known:
            self.reused = self._ends[len(known) - 1]
            self._logprobs = known[-1].logprobs
        self._pending = self._pending[self.reused :]
        self._ends_left = list(self._ends[len(known) :])

    def _reusable(self) -> tuple[int, ...]:
        first = self._marks[0] if self._marks else len(self._prompt)
        return tuple(end for end in self._ends if end <= first)

    def _forward(self, n: int) -> None:
        """Run the first ``n`` pending tokens."""
        import torch

        begin = self._written
        wanted = [mark - begin for mark in self._marks if begin <= mark < begin + n]
        device = self._model.device
        # By index, even where it is the last alone: a slice is not contiguous, and behind it torch
        # copies the whole of a frozen output layer, as adapters leave it, for every pass.
        keep = torch.tensor([*wanted, n - 1], device=device)
        with torch.inference_mode():
            tokens = torch.tensor([self._pending[:n]], device=device)
            out = self._model(
                tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=keep
            )
            logprobs = torch.log_softmax(out.logits[0].float(), dim=-1).cpu().numpy()
        self._logprobs = logprobs[-1]
        self._marked.extend(logprobs[:-1])
        self._pending = self._pending[n:]
        self.forward_passes += 1

    def _remember(self) -> None:
        """Keep the piece that ran last."""
        if self._prefixes is None or self._logprobs is None:
            return
        done = self._ends[: len(self._ends) - len(self._ends_left)]
        begin = done[-2] if len(done) > 1 else 0
        # Copied: the cache's own tensors hold everything before the piece as well.
        layers = tuple(
            (layer.keys[..., begin:, :].clone(), layer.values[..., begin:, :].clone())
            for layer in self._cache.layers
        )
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
