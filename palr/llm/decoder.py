"""Decoding with a key-value cache: as few forward passes as the decisions need."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.prefixes import PrefixCache

BLOCK = 128  # tokens; on a CPU, shorter passes over a prompt cost more than one long one
_SCORED_TOKENS = 1024  # bounds the memory of logits and masks when many continuations are scored


class TransformersDecoder:
    """A position behind ``prompt`` in a causal model of the transformers library.

    The prompt runs in blocks (see `palr.llm.prefixes`). ``prefixes`` supplies those that the model
    has read before; ``reused`` counts their tokens.
    """

    def __init__(self, model: Any, prompt: Sequence[int], prefixes: PrefixCache | None = None):
        self._model = model
        self._pending = list(prompt)
        self._prefixes = prefixes or PrefixCache(BLOCK, max_bytes=0)
        self._first: list[int] = []  # what runs in blocks, until it has
        self._cache: Any = None
        self._logprobs: NDArray[np.float32] | None = None
        self.forward_passes = 0
        self.reused = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._pending.extend(tokens)

    def passes(self) -> Iterator[None]:
        if self._cache is None:
            self._first = list(self._pending)
            self._reuse()
        if self._first:
            while len(self._pending) > self._prefixes.block:
                self._forward(self._prefixes.block)
                self._remember()
                yield
            self._forward(len(self._pending))
            self._remember()
            self._first = []
        elif self._pending:
            self._forward(len(self._pending))

    def logprobs(self) -> NDArray[np.float32]:
        for _ in self.passes():
            pass
        assert self._logprobs is not None
        return self._logprobs

    def score(self, continuations: Sequence[Sequence[int]]) -> Iterator[float]:
        """See `Decoder.score`. All continuations of a pass run in one sequence, each behind a mask
        that lets it see the prompt and itself only."""
        head = self.logprobs()
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

    @property
    def _written(self) -> int:
        return int(self._cache.get_seq_length())

    def _reuse(self) -> None:
        """Start from the blocks that are known, or from nothing; the last token always runs."""
        import torch
        from transformers import DynamicCache

        self._cache = DynamicCache(config=self._model.config)
        blocks = self._prefixes.known(self._first[:-1])
        for index, pairs in enumerate(zip(*blocks, strict=True)):
            keys, values = (torch.cat(parts, dim=-2) for parts in zip(*pairs, strict=True))
            self._cache.update(keys, values, index)
        self.reused = len(blocks) * self._prefixes.block
        self._pending = self._pending[self.reused :]

    def _forward(self, n: int) -> None:
        """Run the first ``n`` pending tokens."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([self._pending[:n]], device=self._model.device)
            out = self._model(tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
            self._logprobs = torch.log_softmax(out.logits[0, -1].float(), dim=-1).cpu().numpy()
        self._pending = self._pending[n:]
        self.forward_passes += 1

    def _remember(self) -> None:
        """Keep the block that ran last, if it is a whole one."""
        end, block = self._written, self._prefixes.block
        if end % block:
            return
        # Copied: the cache's own tensors hold everything before the block as well.
        layers = ((layer.keys, layer.values) for layer in self._cache.layers)
        last = slice(end - block, end)
        self._prefixes.put(
            self._first[:end],
            tuple(
                (keys[..., last, :].clone(), values[..., last, :].clone())
                for keys, values in layers
            ),
        )
