"""The training loss of the neural retrievers: cross-entropy over the catalog.

The published SASRec contrasts each target with one sampled negative, which makes the model
overconfident (Petrov & Macdonald 2023, gSASRec). A softmax over every item has no such bias and
is affordable up to tens of thousands of items; beyond that, many shared uniform negatives stand
in for the rest of the catalog with their logits corrected for how rarely each is drawn (logQ;
Bengio & Senecal 2008).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

FULL_SOFTMAX_LIMIT = 50_000
SHARED_NEGATIVES = 4_096
CHUNK = 128


def softmax_loss(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log p(target), p = softmax(hidden @ table.T); sampled for a large catalog.

    Args:
        hidden: States (n, width).
        table: Item embeddings (items, width).
        targets: Item indices (n,).

    Returns:
        The scalar loss.
    """
    if len(table) <= FULL_SOFTMAX_LIMIT:
        loss: Tensor = _FullSoftmax.apply(hidden, table, targets)
        return loss
    return _sampled_softmax(hidden, table, targets)


def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively (several times faster), else float32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported()
    else:
        native = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def _sampled_softmax(hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
    negatives = torch.randint(len(table), (SHARED_NEGATIVES,), device=table.device)
    positive = (hidden * table[targets]).sum(-1, keepdim=True)
    correction = torch.log(torch.tensor((len(table) - 1) / SHARED_NEGATIVES))
    others = hidden @ table[negatives].T + correction
    others = others.masked_fill(negatives == targets[:, None], float("-inf"))
    logits = torch.cat([positive, others], dim=1)
    return cross_entropy(logits, torch.zeros_like(targets))


class _FullSoftmax(torch.autograd.Function):
    """Cross-entropy over all items in chunks of rows.

    The gradient is softmax - onehot, known as soon as the logits are. Taking it in the forward
    pass keeps one (CHUNK, items) block alive instead of several (n, items) ones: a batch of ML-1M
    would otherwise hold hundreds of megabytes and spend most of its time moving them.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, table: Tensor, targets: Tensor) -> Tensor:
        dtype = compute_dtype(hidden.device)
        states, items = hidden.to(dtype), table.to(dtype)
        items_by_column = items.T.contiguous()
        grad_hidden, grad_table = torch.empty_like(hidden), torch.zeros_like(table)
        total = hidden.new_zeros(())
        for start in range(0, len(hidden), CHUNK):
            rows = slice(start, start + CHUNK)
            wanted = targets[rows, None]
            error = (states[rows] @ items_by_column).float().softmax(dim=1)
            total -= error.gather(1, wanted).clamp(min=1e-30).log().sum()
            error.scatter_add_(1, wanted, error.new_full(wanted.shape, -1.0))
            error = error.to(dtype)
            grad_hidden[rows] = (error @ items).float()
            grad_table += (error.T @ states[rows]).float()
        scale = 1.0 / max(len(hidden), 1)
        ctx.save_for_backward(grad_hidden.mul_(scale), grad_table.mul_(scale))
        return total * scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden, grad_table = ctx.saved_tensors
        return grad * grad_hidden, grad * grad_table, None
