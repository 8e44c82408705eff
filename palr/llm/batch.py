"""Many answers at once, for evaluation: one forward pass advances every one of them.

Prompts are padded on the left, so that the next token of every row stands at the same place. What a
row has not fed in a step is padded there as well; a mask hides the padding from everything, and
positions count real tokens only. In float32 each row ranks as it would alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TransformersBatch:
    """Positions behind ``prompts``; see `palr.llm.base.Batch`. ``marks`` are indices of each
    prompt's tokens, as in `TransformersDecoder`."""

    def __init__(
        self, model: Any, prompts: Sequence[Sequence[int]], marks: Sequence[Sequence[int]] = ()
    ):
        import torch
        from transformers import DynamicCache

        self._model = model
        self._pending = [list(prompt) for prompt in prompts]
        self._cache = DynamicCache(config=model.config)
        # Over the cache's columns: where a row has a real token.
        self._real = torch.zeros((len(prompts), 0), dtype=torch.bool, device=model.device)
        self._logprobs: NDArray[np.float32] | None = None
        self._marks = [tuple(row) for row in marks]
        self._marked: list[NDArray[np.float32]] = []
        self.forward_passes = 0

    def feed(self, row: int, tokens: Sequence[int]) -> None:
        self._pending[row].extend(tokens)

    def logprobs(self) -> NDArray[np.float32]:
        import torch

        if any(self._pending):
            fresh = [bool(tokens) for tokens in self._pending]
            tokens, real = self._padded(self._pending)
            known = self._real.sum(dim=1, keepdim=True)
            positions = (known + real.cumsum(dim=1) - 1).clamp(min=0)
            self._real = torch.cat([self._real, real], dim=1)
            columns, places = self._marked_columns()
            with torch.inference_mode():
                out = self._model(
                    tokens,
                    attention_mask=self._real.long(),
                    position_ids=positions,
                    past_key_values=self._cache,
                    use_cache=True,
                    logits_to_keep=torch.tensor([*columns, tokens.shape[1] - 1]).to(tokens.device),
                )
                new = torch.log_softmax(out.logits[:, -1].float(), dim=-1).cpu().numpy()
                for row, wanted in enumerate(places):  # one at a time: the vocabulary is large
                    logits = out.logits[row, wanted].float()
                    self._marked.append(torch.log_softmax(logits, dim=-1).cpu().numpy())
            # A row that had nothing to feed keeps what it knew.
            old = new if self._logprobs is None else self._logprobs
            self._logprobs = np.where(np.array(fresh)[:, None], new, old)
            self._pending = [[] for _ in self._pending]
            self.forward_passes += 1
        assert self._logprobs is not None
        return self._logprobs

    def marked(self) -> list[NDArray[np.float32]]:
        self.logprobs()
        return self._marked

    def _marked_columns(self) -> tuple[list[int], list[list[int]]]:
        """The padded prompts' columns that hold a mark, and where each row's marks are in them."""
        if self.forward_passes or not self._marks:
            return [], []
        width = max(map(len, self._pending))
        rows = [
            [width - len(prompt) + mark for mark in marks]
            for prompt, marks in zip(self._pending, self._marks, strict=True)
        ]
        columns = sorted({column for row in rows for column in row})
        place = {column: at for at, column in enumerate(columns)}
        return columns, [[place[column] for column in row] for row in rows]

    def score(self, continuations: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        """All continuations of a row run in one sequence, each behind a mask that lets it see the
        row's prompt and itself only."""
        import torch

        head = self.logprobs()
        device, dtype = self._model.device, self._model.dtype
        totals = [[float(head[r, t[0]]) for t in row] for r, row in enumerate(continuations)]
        inputs, real = self._padded([[i for t in row for i in t[:-1]] for row in continuations])
        owners, _ = self._padded(
            [[n for n, t in enumerate(row) for _ in t[:-1]] for row in continuations]
        )
        steps, _ = self._padded([list(_steps(row)) for row in continuations])
        nexts, _ = self._padded([[i for t in row for i in t[1:]] for row in continuations])
        if inputs.shape[1]:
            own = (owners[:, :, None] == owners[:, None, :]) & real[:, None, :]
            own &= steps[:, :, None] >= steps[:, None, :]
            past = self._real[:, None, :].expand(-1, inputs.shape[1], -1)
            visible = torch.cat([past, own], dim=2)
            mask = torch.zeros(visible.shape, dtype=dtype, device=device)
            mask.masked_fill_(~visible, torch.finfo(dtype).min)
            known = self._real.sum(dim=1, keepdim=True)
            with torch.inference_mode():
                out = self._model(
                    inputs,
                    attention_mask=mask[:, None],
                    position_ids=known + steps,
                    past_key_values=self._cache,
                    use_cache=True,
                )
                for row in range(len(totals)):  # one row at a time: the vocabulary is large
                    logprobs = torch.log_softmax(out.logits[row].float(), dim=-1)
                    chosen = logprobs.gather(1, nexts[row][:, None])[:, 0]
                    pairs = zip(owners[row].tolist(), chosen.tolist(), strict=True)
                    for (owner, value), is_real in zip(pairs, real[row].tolist(), strict=True):
                        totals[row][owner] += value if is_real else 0.0
            self._cache.crop(-inputs.shape[1])
            self.forward_passes += 1
        return [
            [total / len(tokens) for total, tokens in zip(sums, row, strict=True)]
            for sums, row in zip(totals, continuations, strict=True)
        ]

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """The rows as one tensor, padded with 0 on the left, and where it is real."""
        import torch

        width = max(map(len, rows))
        padded = [[0] * (width - len(row)) + list(row) for row in rows]
        real = [[False] * (width - len(row)) + [True] * len(row) for row in rows]
        device = self._model.device
        return (
            torch.tensor(padded, dtype=torch.long, device=device).reshape(len(rows), width),
            torch.tensor(real, dtype=torch.bool, device=device).reshape(len(rows), width),
        )


def _steps(continuations: Sequence[Sequence[int]]) -> list[int]:
    """How far each input token stands behind the prompt."""
    return [at for tokens in continuations for at in range(len(tokens) - 1)]
