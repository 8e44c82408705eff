"""What a forward pass leaves in a model's cache: kept piece by piece, and put back as it was.

Attention over everything keeps keys and values of every token, attention over a window those of
the last ones: of both, a piece keeps its own tokens'. Linear attention, convolutions and whatever
else transformers caches keep one state, which a piece keeps as a whole.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

Layers = tuple[Any, ...]
"""What a piece left in each layer: keys and values (1, heads, tokens, width), or a state."""


def new_cache(config: Any) -> Any:
    """An empty cache with layers of the kinds that a model of this configuration has."""
    from transformers import DynamicCache

    return DynamicCache(config=config)


def as_argument(cache: Any) -> dict[str, Any]:
    """The arguments with which a model takes the cache: without any attention, it has its own."""
    from transformers.cache_utils import CacheLayerMixin

    attends = not cache.layers or any(isinstance(x, CacheLayerMixin) for x in cache.layers)
    return {"past_key_values" if attends else "cache_params": cache, "use_cache": True}


def sees_everything(config: Any) -> bool:
    """Whether every layer keeps keys and values of all tokens, and masks alone say which it sees.

    Some models limit attention in code of their own, which no mask overrules.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING
    from transformers.cache_utils import DynamicLayer

    model = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    by_masks = bool(getattr(model, "_supports_attention_backend", False))
    return by_masks and all(type(layer) is DynamicLayer for layer in new_cache(config).layers)


def kept(cache: Any, n: int) -> Layers:
    """What the last ``n`` tokens left in each layer, copied: the cache's own tensors hold what
    precedes them as well, and change."""
    return tuple(
        (layer.keys[..., -n:, :].clone(), layer.values[..., -n:, :].clone())
        if _by_token(layer)
        else copy.deepcopy(layer)
        for layer in cache.layers
    )


def restored(config: Any, pieces: Sequence[Layers], length: int) -> Any:
    """A cache as it was behind ``pieces``, the first ``length`` tokens of a prompt."""
    import torch

    cache = new_cache(config)
    for index, parts in enumerate(zip(*pieces, strict=True)):
        if not isinstance(parts[-1], tuple):
            cache.layers[index] = copy.deepcopy(parts[-1])
            continue
        keys, values = (torch.cat(tensors, dim=-2) for tensors in zip(*parts, strict=True))
        cache.update(keys, values, index)
        if hasattr(cache.layers[index], "cumulative_length"):  # of a window, which saw more
            cache.layers[index].cumulative_length = length
    return cache


def size(layers: Layers) -> int:
    """Bytes of what a piece left."""
    return sum(t.numel() * t.element_size() for layer in layers for t in _tensors(layer))


def _by_token(layer: Any) -> bool:
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    return type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) and layer.is_initialized


def _tensors(held: Any) -> Iterator[Any]:
    import torch

    if isinstance(held, torch.Tensor):
        yield held
    elif isinstance(held, tuple | list):
        for each in held:
            yield from _tensors(each)
    elif isinstance(held, dict):
        yield from _tensors(list(held.values()))
    elif hasattr(held, "__dict__"):
        yield from _tensors(vars(held))
