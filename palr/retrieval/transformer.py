"""The transformer block that SASRec and BERT4Rec are built of."""

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Block(nn.Module):
    """Normalisation, attention, residual; normalisation, feed-forward, residual."""

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
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
        """``x`` (batch, length, width) to the same; each position sees itself and what is earlier,
        or, with ``visible`` (batch, length) of booleans, whatever is marked there."""
        batch, length, width = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mask = None if visible is None else visible[:, None, None, :]
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).reshape(batch, length, width)))
        return cast(Tensor, x + self.dropout(self.ffn(self.norm_ffn(x))))
