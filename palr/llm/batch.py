"""Many answers at once, for evaluation: one forward pass advances every one of them.

Nothing is padded. The tokens of all rows run as one sequence, so that the weights are read once for
all of them; attention alone goes row by row, each over keys and values of its own. In float32 each
row ranks as it would alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.llm.passes import check_room, guarded, logprobs, told_apart

_ROWS = "palr_rows"  # how transformers calls the attention below
_PASS = 4096  # tokens in one pass, or one row; a CPU's cache holds no more
_GPU_PASS = 16384  # a GPU needs as many to be kept busy
_BEYOND = ("sliding_window", "softcap", "s_aux", "position_bias")  # which rows do not take part in
_ROOM = 256  # tokens that a row's keys and values may grow by before they are copied


class TransformersBatch:
    """Positions behind ``prompts``; see `palr.llm.base.Batch`. ``marks`` are indices of each
    prompt's tokens, as in `TransformersDecoder`."""

    def __init__(
        self, model: Any, prompts: Sequence[Sequence[int]], marks: Sequence[Sequence[int]] = ()
    ):
        _register(model.config)
        self._model = model
        self._most = _PASS if model.device.type == "cpu" else _GPU_PASS
        self._pending = [list(prompt) for prompt in prompts]
        self._memories = [_Memory() for _ in prompts]
        self._logprobs: NDArray[np.float32] | None = None
        self._marks = [tuple(row) for row in marks or [()] * len(prompts)]
        self._marked: list[NDArray[np.float32]] = []
        self.forward_passes = 0

    def feed(self, row: int, tokens: Sequence[int]) -> None:
        self._pending[row].extend(tokens)

    def logprobs(self) -> NDArray[np.float32]:
        first = self._logprobs is None
        for rows in self._passes():
            self._advance(rows, first)
        assert self._logprobs is not None
        return self._logprobs

    def _passes(self) -> list[list[int]]:
        """The rows with something pending, as many in a pass as it may hold."""
        passes: list[list[int]] = []
        left = 0
        for row, tokens in enumerate(self._pending):
            if tokens and (not passes or len(tokens) > left):
                passes.append([])
                left = self._most
            if tokens:
                passes[-1].append(row)
                left -= len(tokens)
        return passes

    def _advance(self, rows: Sequence[int], first: bool) -> None:
        spans: list[_Span] = []
        kept: list[int] = []
        begin = 0
        for row in rows:
            n, memory = len(self._pending[row]), self._memories[row]
            spans.append(_Span(begin, n, memory, _causal(n, memory.length, self._model.device)))
            kept += [begin + mark for mark in self._marks[row]] if first else []
            begin += n
        ends = [span.begin + span.n - 1 for span in spans]
        tokens = [token for row in rows for token in self._pending[row]]
        positions = [span.memory.length + at for span in spans for at in range(span.n)]
        logprobs = self._forward(tokens, positions, spans, [*kept, *ends])
        if self._logprobs is None:
            self._logprobs = np.zeros((len(self._pending), logprobs.shape[1]), np.float32)
        if first:
            cuts = np.cumsum([len(self._marks[row]) for row in rows])
            self._marked += np.split(logprobs[: len(kept)], cuts[:-1])
        # Laid out anew, since the last answer is the caller's; what fed nothing keeps its own.
        self._logprobs = self._logprobs.copy()
        self._logprobs[rows] = logprobs[len(kept) :]
        for row, span in zip(rows, spans, strict=True):
            span.memory.length += span.n
            self._pending[row] = []

    def marked(self) -> list[NDArray[np.float32]]:
        self.logprobs()
        return [told_apart(rows, row) for rows, row in zip(self._marked, self._marks, strict=True)]

    def score(self, continuations: Sequence[Sequence[Sequence[int]]]) -> list[list[float]]:
        """All continuations of a row run in one sequence, each behind a mask that lets it see the
        row's prompt and itself only. They are forgotten afterwards."""
        head = self.logprobs()
        totals = [[float(head[r, t[0]]) for t in row] for r, row in enumerate(continuations)]
        tokens: list[int] = []
        nexts: list[int] = []
        positions: list[int] = []
        owners: list[tuple[int, int]] = []
        spans: list[_Span] = []
        for row, candidates in enumerate(continuations):
            memory = self._memories[row]
            owner = [n for n, t in enumerate(candidates) for _ in t[:-1]]
            steps = [at for t in candidates for at in range(len(t) - 1)]
            if not owner:
                continue
            mask = _apart(owner, steps, memory.length, self._model.device)
            spans.append(_Span(len(tokens), len(owner), memory, mask))
            tokens += [token for t in candidates for token in t[:-1]]
            nexts += [token for t in candidates for token in t[1:]]
            positions += [memory.length + at for at in steps]
            owners += [(row, n) for n in owner]
        if tokens:
            chosen = self._forward(tokens, positions, spans, range(len(tokens)), nexts)
            for (row, n), value in zip(owners, chosen, strict=True):
                totals[row][n] += float(value)
        return [
            [total / len(t) for total, t in zip(sums, row, strict=True)]
            for sums, row in zip(totals, continuations, strict=True)
        ]

    def _forward(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        spans: "Sequence[_Span]",
        keep: Sequence[int],
        nexts: Sequence[int] | None = None,
    ) -> NDArray[np.float32]:
        """Log-probabilities behind the tokens ``keep``, (keep, vocabulary), or of ``nexts`` only,
        (keep,)."""
        import torch

        check_room(self._model, max(positions) + 1)
        device = self._model.device
        with guarded(self._model):
            out = self._model(
                torch.tensor([tokens], device=device),
                position_ids=torch.tensor([positions], device=device),
                # Masks are those of the spans; one of four dimensions keeps others from being made.
                attention_mask=torch.empty((1, 1, 0, 0), device=device),
                use_cache=False,
                logits_to_keep=torch.tensor(list(keep), device=device),
                rows=spans,
            )
            self.forward_passes += 1
            found = np.empty((len(keep),) + (() if nexts else out.logits.shape[2:]), np.float32)
            for begin in range(0, len(keep), _ROOM):  # piece by piece: the vocabulary is large
                piece = slice(begin, begin + _ROOM)
                part = logprobs(out.logits[0, piece])
                if nexts:
                    wanted = torch.tensor(nexts[piece], device=device)[:, None]
                    part = part.gather(1, wanted)[:, 0]
                found[piece] = part.cpu().numpy()
        return found


class _Memory:
    """Keys and values of one row, by layer, each in a tensor (1, heads, room, width) of which the
    first ``length`` tokens are known."""

    def __init__(self) -> None:
        self.length = 0
        self._layers: dict[int, tuple[Any, Any]] = {}

    def extended(self, layer: int, key: Any, value: Any) -> tuple[Any, Any]:
        """All that is known and these (1, heads, tokens, width) behind it, which are known only
        once ``length`` says so."""
        end = self.length + key.shape[2]
        kept = self._layers.get(layer)
        if kept is None or kept[0].shape[2] < end:
            kept = self._layers[layer] = (
                self._roomier(kept and kept[0], key, end),
                self._roomier(kept and kept[1], value, end),
            )
        for whole, new in zip(kept, (key, value), strict=True):
            whole[:, :, self.length : end] = new
        return kept[0][:, :, :end], kept[1][:, :, :end]

    def _roomier(self, old: Any, new: Any, end: int) -> Any:
        room = new.new_empty((1, new.shape[1], end + _ROOM, new.shape[3]))
        if old is not None:
            room[:, :, : self.length] = old[:, :, : self.length]
        return room


@dataclass(frozen=True)
class _Span:
    """The ``n`` tokens from ``begin`` of a pass are those of one row. ``mask`` (n, known + n) says
    what each may see; None stands for all, or in the first pass of a prompt for all before it.
    """

    begin: int
    n: int
    memory: _Memory
    mask: Any

    def attend(self, layer: int, query: Any, key: Any, value: Any, scaling: float) -> Any:
        """Attention of this row: (1, heads, n, width) of the pass's query (1, heads, tokens,
        width), and of its key and value with fewer heads, each for a group of the query's."""
        from torch.nn.functional import scaled_dot_product_attention as attention

        own = slice(self.begin, self.begin + self.n)
        query = query[:, :, own]
        keys, values = self.memory.extended(layer, key[:, :, own], value[:, :, own])
        if self.mask is None and self.n > 1:
            return attention(query, keys, values, is_causal=True, scale=scaling, enable_gqa=True)
        # A group's queries are laid behind one another, since keys would be copied for each head.
        groups, heads, mask = query.shape[1] // keys.shape[1], query.shape[1], self.mask
        query = query.reshape(1, keys.shape[1], groups * self.n, -1)
        mask = mask if mask is None else mask.repeat(groups, 1)
        seen = attention(query, keys, values, attn_mask=mask, scale=scaling)
        return seen.reshape(1, heads, self.n, -1)


def _causal(n: int, known: int, device: Any) -> Any:
    """The mask of ``n`` tokens behind ``known`` others; see `_Span`."""
    import torch

    if n == 1 or not known:
        return None
    return torch.ones((n, known + n), dtype=torch.bool, device=device).tril(known)


def _apart(owner: Sequence[int], steps: Sequence[int], known: int, device: Any) -> Any:
    """The mask of several continuations behind the same ``known`` tokens."""
    import torch

    owners, at = torch.tensor(owner, device=device), torch.tensor(steps, device=device)
    visible = (owners[:, None] == owners[None, :]) & (at[:, None] >= at[None, :])
    everything = torch.ones((len(owner), known), dtype=torch.bool, device=device)
    return torch.cat([everything, visible], dim=1)


def _attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[Any, None]:
    """What transformers calls in every layer; passes that are no batch's go on to its own."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    spans: Sequence[_Span] | None = options.pop("rows", None)
    if spans is None:
        seen: tuple[Any, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return seen
    if any(options.get(name) is not None for name in _BEYOND):
        raise NotImplementedError("rows know no attention of this kind")
    scaling = options["scaling"]
    parts = [span.attend(module.layer_idx, query, key, value, scaling) for span in spans]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def attends_by_rows(config: Any) -> bool:
    """Whether a model of this configuration attends by what can be exchanged for rows' own."""
    return config._attn_implementation in ("sdpa", _ROWS)


def _register(config: Any) -> None:
    """Have a model that attends by torch's own attention do so by `_attention`."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(_ROWS, _attention)
    AttentionMaskInterface.register(_ROWS, sdpa_mask)
    config._attn_implementation = _ROWS
