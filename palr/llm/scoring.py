"""How likely whole continuations are behind what a cache holds.

All of them run in one sequence, each behind a mask that lets it see the prompt and itself only:
where a model keeps to such masks. Elsewhere each runs on a copy of the cache.
"""

import copy
from collections.abc import Sequence
from typing import Any

from palr.llm.caches import as_argument, new_cache, sees_everything
from palr.llm.passes import forward, guarded
from palr.llm.probes import Sample, remembered

Sums = list[float]
"""Of each continuation, the log-probabilities of its tokens but the first, added up."""


def packs(model: Any) -> bool:
    """Whether `together` gives what `alone` gives; raises LLMError where the model fails."""

    def probe(known: Sample) -> bool:
        if not sees_everything(model.config):
            return False
        with guarded(model):
            cache = new_cache(model.config)
            forward(model, known.begin, [0], **as_argument(cache))
        (_, found) = together(model, cache, len(known.begin), [known.other, known.rest])
        first = float(known.logprobs[0][known.rest[0]])
        return abs((found + first) / len(known.rest) - known.score) <= known.least

    return remembered(model, "packs", probe, "continuations are scored one after the other")


def together(model: Any, cache: Any, known: int, continuations: Sequence[Sequence[int]]) -> Sums:
    """One pass over all continuations; ``cache`` holds ``known`` tokens, as before."""
    import torch

    inputs = [token for tokens in continuations for token in tokens[:-1]]
    nexts = [token for tokens in continuations for token in tokens[1:]]
    owner = [n for n, tokens in enumerate(continuations) for _ in tokens[:-1]]
    step = [at for tokens in continuations for at in range(len(tokens) - 1)]
    sums = [0.0] * len(continuations)
    if not inputs:
        return sums
    with guarded(model):
        device, dtype = model.device, model.dtype
        owners = torch.tensor(owner, device=device)
        steps = torch.tensor(step, device=device)
        visible = (owners[:, None] == owners[None, :]) & (steps[:, None] >= steps[None, :])
        mask = torch.zeros((len(inputs), known + len(inputs)), dtype=dtype, device=device)
        mask[:, known:].masked_fill_(~visible, torch.finfo(dtype).min)
        logprobs = forward(
            model,
            inputs,
            range(len(inputs)),
            attention_mask=mask[None, None],
            position_ids=(known + steps)[None],
            **as_argument(cache),
        )
        cache.crop(-len(inputs))
        for n, value in zip(owner, _of(logprobs, nexts), strict=True):
            sums[n] += value
    return sums


def alone(model: Any, cache: Any, continuation: Sequence[int]) -> Sums:
    """A pass over one continuation; ``cache`` stays as it is."""
    inputs, nexts = continuation[:-1], continuation[1:]
    if not inputs:
        return [0.0]
    with guarded(model):
        copied = as_argument(copy.deepcopy(cache))
        return [sum(_of(forward(model, inputs, range(len(inputs)), **copied), nexts))]


def _of(logprobs: Any, tokens: Sequence[int]) -> list[float]:
    """The log-probability of each token in its row."""
    import torch

    rows = torch.arange(len(tokens), device=logprobs.device)
    found: list[float] = logprobs[rows, torch.tensor(tokens, device=logprobs.device)].cpu().tolist()
    return found
