"""The transformer block that SASRec and BERT4Rec are built of."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from palr.retrieval.sequences import distances


class Block(nn.Module):
    """A pre-norm transformer block: x + attention(norm(x)), then x + ffn(norm(x)).

    Args:
        width: Dimensions of the states.
        heads: Attention heads.
        ffn: Width of the feed-forward layer, as a multiple of ``width``.
        dropout: Probability of dropout.
        reach: Makes each head of a causal block learn a bias on its attention logits for each
            distance below it (Raffel et al. 2020, T5); None for no bias.
    """

    def __init__(
        self, width: int, heads: int, ffn: int, dropout: float, reach: int | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.bias = None if reach is None else nn.Parameter(torch.zeros(heads, reach))
        self.merge = nn.Linear(width, width)
        self.norm_ffn = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, ffn * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(ffn * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Transform states.

        Args:
            x: States (batch, length, width).
            visible: Positions that all attend to, booleans (batch, length); None for causal
                attention.

        Returns:
            States (batch, length, width).
        """
        batch, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if self.bias is not None:
            mixed = _attend_by_distance(q, k, v, self.bias)
        else:
            mask = None if visible is None else visible[:, None, None, :]
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).reshape(batch, length, width)))
        return cast(Tensor, x + self.dropout(self.ffn(self.norm_ffn(x))))


def _attend_by_distance(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Causal attention with ``bias`` (heads, reach) on its logits; the others are (batch, heads,
    length, width of a head).

    Written out, because torch's fused kernels do not take a learnt bias and its fallback is three
    times slower.
    """
    batch, heads, length, width = q.shape
    distance = distances(length, q.device)
    added = bias[:, distance.clamp(min=0)].masked_fill(distance < 0, float("-inf")).to(q.dtype)
    flat = (batch * heads, length, width)
    logits = torch.baddbmm(
        added.expand(batch, heads, length, length).reshape(-1, length, length),
        q.reshape(flat),
        k.reshape(flat).transpose(1, 2),
        alpha=width**-0.5,
    )
    return (logits.softmax(dim=-1) @ v.reshape(flat)).view(q.shape)
