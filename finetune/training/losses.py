"""What is minimised. Of a row only the columns of its places and marks are read
(`finetune.training.collate`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from finetune.training.collate import IGNORED, NOWHERE


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the next token, averaged over each row's answer: (rows,).

    ``logits`` is (rows, width, vocabulary), ``labels`` (rows, width); the prompt is not among them.
    """
    each = cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
    )
    answered = labels != IGNORED
    return each.sum(dim=1) / answered.sum(dim=1).clamp(min=1)


@contextmanager
def read_at(model: Any, columns: Tensor) -> Iterator[None]:
    """Within, the model's logits are (rows, n, vocabulary): behind ``columns`` (rows, n) of each
    row, and nowhere else, since the vocabulary is what costs most. `NOWHERE` is as good as 0."""
    rows = torch.arange(len(columns), device=columns.device)[:, None]

    def keep(head: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0][rows, columns.clamp(min=0)],)

    handle = model.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def choice_logits(logits: Tensor, choices: Tensor) -> Tensor:
    """Logits of the label tokens where the answer begins: (rows, choices).

    ``logits`` is (rows, width, vocabulary); padding of ``choices`` gets minus infinity.
    """
    picked = logits[:, 0].gather(1, choices.clamp(min=0)).float()
    return picked.masked_fill(choices == NOWHERE, float("-inf"))


def relevance_logits(logits: Tensor, marks: Tensor, verdicts: Tensor) -> Tensor:
    """How much rather the model says yes than no after each mark.

    Args:
        logits: (rows, choices, vocabulary) at the marks.
        marks: (rows, choices); `NOWHERE` for padding.
        verdicts: (2,) the tokens of yes and no.

    Returns:
        (rows, choices), minus infinity for padding.
    """
    yes, no = (logits[:, :, token].float() for token in verdicts)
    return (yes - no).masked_fill(marks == NOWHERE, float("-inf"))


def listwise_loss(logits: Tensor, weights: Tensor) -> Tensor:
    """-sum_i w_i log softmax(logits)_i, a value for each row; ``weights`` sum to one in a row."""
    logprobs = torch.log_softmax(logits, dim=1)
    return -(weights * logprobs.masked_fill(weights == 0, 0.0)).sum(dim=1)


def distilled_loss(logits: Tensor, soft: Tensor) -> Tensor:
    """Mean over a row's choices of the squared difference to ``soft`` (rows, choices), a value for
    each row.

    A constant added to all choices of a row changes no order, so both are centred first. Padding is
    where ``logits`` is minus infinity.
    """
    real = ~logits.isinf()
    n = real.sum(dim=1, keepdim=True)
    apart = torch.where(real, logits - soft, 0.0)
    centred = torch.where(real, apart - apart.sum(dim=1, keepdim=True) / n, 0.0)
    return (centred**2).sum(dim=1) / n[:, 0]


def target_ranks(logits: Tensor, targets: Tensor) -> Tensor:
    """Rank of each row's target, from 1; ties count against it: (rows,)."""
    return (logits >= logits.gather(1, targets[:, None])).sum(dim=1)
