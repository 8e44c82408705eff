"""A forward pass through a causal model of transformers, and all that may go wrong in one.

Models are of many makers and run in many precisions. Whatever one raises, and numbers that say
nothing, become an LLMError with its remedy, so that nobody takes another order for the model's.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palr.errors import LLMError, PalrError, fault

_ROUNDING = 1e-5
UNSOUND = (  # what to do about it, after a colon
    "set PALR_DTYPE=float32; where it is that already, the weights are damaged: get them again, or "
    "take another PALR_LLM"
)


@contextmanager
def guarded(model: Any) -> Iterator[None]:
    """Around whatever runs ``model``; raises LLMError instead of what the model raises."""
    import torch

    try:
        with torch.inference_mode():
            yield
    except PalrError:
        raise
    except Exception as error:
        raise LLMError(_remedy(model, error)) from error


def forward(model: Any, tokens: Sequence[int], keep: Sequence[int], **options: Any) -> Any:
    """Log-probabilities behind tokens of one pass; call it within `guarded`.

    Args:
        model: A causal model of transformers, or what runs like one.
        tokens: What the pass reads, behind what a cache among ``options`` holds.
        keep: Indices of the tokens behind which to look.
        options: Further arguments of the model.

    Returns:
        A tensor (keep, vocabulary) in float32, on the model's device.
    """
    import torch

    # By index, even where it is the last alone: a slice is not contiguous, and behind it torch
    # copies the whole of a frozen output layer, as adapters leave it, for every pass.
    kept = torch.tensor(list(keep), device=model.device)
    batch = torch.tensor([list(tokens)], device=model.device)
    logits = model(batch, logits_to_keep=kept, **options).logits[0]
    if len(logits) != len(kept):  # a model that gives all of them, whatever it is asked for
        logits = logits[kept]
    return logprobs(logits)


def logprobs(logits: Any) -> Any:
    """Log-probabilities in float32 of logits (n, vocabulary).

    Raises:
        LLMError: some are no numbers, or every token is as likely as every other.
    """
    import torch

    found = torch.log_softmax(logits.float(), dim=-1)
    best = found.amax(-1)
    if best.isnan().any():
        raise LLMError(f"the language model's numbers are not finite: {UNSOUND}")
    if (best <= _ROUNDING - math.log(found.shape[-1])).any():
        raise LLMError(f"the language model says the same of everything: {UNSOUND}")
    return found


def told_apart(rows: NDArray[np.float32], marks: Sequence[int]) -> NDArray[np.float32]:
    """These log-probabilities (marks, vocabulary), read behind the tokens ``marks`` of a prompt.

    Raises:
        LLMError: they are all the same, though the tokens are several.
    """
    if len(set(marks)) > 1 and (rows == rows[0]).all():
        raise LLMError(f"the language model says the same whatever it reads: {UNSOUND}")
    return rows


def positions(config: Any) -> int | None:
    """How many tokens a model of this configuration can tell apart; None where it names no limit.

    ``config`` is the model's, as transformers has it.
    """
    decoder = config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "max_seq_len")
    found = (getattr(decoder, name, None) for name in names)
    return next((most for most in found if isinstance(most, int) and most > 0), None)


def check_room(model: Any, tokens: int) -> None:
    """Raises LLMError where ``tokens`` together are more than the model has positions for."""
    most = positions(model.config)
    if most is not None and tokens > most:
        raise LLMError(
            f"{tokens:,} tokens are too many for this language model, which reads {most:,}: ask "
            "with fewer candidates or a shorter text, or take a PALR_LLM with a longer context"
        )


def check_kind(config: Any, name: str) -> None:
    """Raises LLMError where a model of this configuration does not continue a prompt."""
    if getattr(config, "is_encoder_decoder", False):
        raise LLMError(
            f"{name} is an encoder-decoder ({config.model_type}), which cannot continue a prompt: "
            "set PALR_LLM to a decoder-only language model"
        )


def _remedy(model: Any, error: Exception) -> str:
    import torch

    on = str(model.device)
    said = fault(error)
    full = isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said
    if full:
        smaller = "int4" if on.startswith("cuda") else "bfloat16"
        return (
            f"the language model ran out of memory on {on}: set PALR_DTYPE={smaller}, ask with "
            "fewer candidates, or take a smaller PALR_LLM"
        )
    kind = getattr(model.config, "model_type", "unknown")
    return (
        f"the language model failed ({kind}, {type(error).__name__}: {said}): take another "
        "PALR_LLM, or unset it for the embedded one"
    )
