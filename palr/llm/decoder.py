"""Greedy decoding with a key-value cache: as few forward passes as the decisions need."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.prefixes import PrefixCache

_SCORED_TOKENS = 1024  # bounds the memory of logits and masks when many continuations are scored


class TransformersDecoder:
    """A position behind ``prompt`` in a causal model of the transformers library.

    ``prefixes`` supplies what the model has read before; ``reused`` counts the tokens taken from
    it.
    """

    def __init__(self, model: Any, prompt: Sequence[int], prefixes: PrefixCache | None = None):
        self._model = model
        self._prompt = list(prompt)
        self._pending = list(prompt)
        self._prefixes = prefixes
        self._cache: Any = None
        self._logprobs: NDArray[np.float32] | None = None
        self.forward_passes = 0
        self.reused = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._pending.extend(tokens)

    def logprobs(self) -> NDArray[np.float32]:
        import torch

        if self._pending or self._logprobs is None:
            first = self._cache is None
            if first:
                self._reuse()
            with torch.inference_mode():
                tokens = torch.tensor([self._pending], device=self._model.device)
                out = self._model(
                    tokens, past_key_values=self._cache, use_cache=True, logits_to_keep=1
                )
                logits = out.logits[0, -1].float()
                self._logprobs = torch.log_softmax(logits, dim=-1).cpu().numpy()
            if first and self._prefixes is not None:
                n = len(self._prompt)  # an answer's first forced tokens may have run along
                layers = [(layer.keys, layer.values) for layer in self._cache.layers]
                self._prefixes.put(
                    self._prompt, tuple((k[..., :n, :], v[..., :n, :]) for k, v in layers)
                )
            self._pending = []
            self.forward_passes += 1
        assert self._logprobs is not None
        return self._logprobs

    def score(self, continuations: Sequence[Sequence[int]]) -> list[float]:
        """See `Decoder.score`. All continuations run in one sequence, each behind a mask that
        lets it see the prompt and itself only."""
        head = self.logprobs()
        scores: list[float] = []
        batch: list[Sequence[int]] = []
        for continuation in continuations:
            if batch and sum(map(len, batch)) + len(continuation) > _SCORED_TOKENS:
                scores += self._score(batch, head)
                batch = []
            batch.append(continuation)
        return scores + (self._score(batch, head) if batch else [])

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
        """Start from what is known of the prompt, or from nothing."""
        from transformers import DynamicCache

        self._cache = DynamicCache(config=self._model.config)
        if self._prefixes is None:
            return
        self.reused, layers = self._prefixes.longest(self._pending)
        for index, (keys, values) in enumerate(layers):
            self._cache.update(keys, values, index)
        self._pending = self._pending[self.reused :]
