"""A layer of a transformer encoder that computes only what is read, with rotary positions.

Vaswani et al., "Attention is all you need", 2017, https://arxiv.org/abs/1706.03762.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.functional import dropout


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, a residual, and layer norm."""

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        norm: str,
    ):
        super().__init__()
        self.pre = norm == "pre"
        self.heads, self.dropout, self.attention_dropout = heads, dropout, attention_dropout
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.projection = nn.Linear(hidden_size, hidden_size)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.inner = nn.Linear(hidden_size, inner_size)
        self.outer = nn.Linear(inner_size, hidden_size)
        self.inner_norm = nn.LayerNorm(hidden_size, eps=1e-12)

    def forward(
        self, x: Tensor, attend: Tensor, turns: Tensor | None, places: Tensor | None = None
    ) -> Tensor:
        """[batch, n, hidden] -> the same, or [batch, k, hidden] where only ``places`` count.

        All tokens are attended to, but those that nobody reads are not computed. ``turns``
        [1, n, hidden / heads / 2] complex rotate queries and keys, if given.
        """
        seen = self.attention_norm(x) if self.pre else x
        key, value = self._by_head(self.key(seen)), self._by_head(self.value(seen))
        if turns is not None:
            key = _rotate(key, turns)
        if places is not None:
            x, attend = rows(x, places), rows(attend, places)  # [batch, k, ...]
            seen = rows(seen, places) if self.pre else x
            turns = None if turns is None else rows(turns, places)
        query = self._by_head(self.query(seen))
        if turns is not None:
            query = _rotate(query, turns)
        p = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attend[:, None], dropout_p=p
        )
        mixed = self.projection(mixed.transpose(1, 2).flatten(2))  # [batch, n or k, hidden]
        x = dropout(mixed, self.dropout, self.training, onto=x)
        if not self.pre:
            x = self.attention_norm(x)
        inner = self.outer(F.gelu(self.inner(self.inner_norm(x) if self.pre else x)))
        x = dropout(inner, self.dropout, self.training, onto=x)
        return x if self.pre else self.inner_norm(x)

    def _by_head(self, x: Tensor) -> Tensor:
        """[batch, n, hidden] -> [batch, heads, n, hidden / heads]"""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def rows(x: Tensor, places: Tensor) -> Tensor:
    """[batch or 1, n or 1, d] at [batch, k] -> [batch, k, d], or x itself if its rows are one."""
    if x.shape[1] == 1:
        return x
    return x.expand(len(places), -1, -1).gather(1, places[..., None].expand(-1, -1, x.shape[-1]))


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn each pair of values by its angle: [batch, heads, n, d], [batch, n, d / 2] complex."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turns[:, None]).flatten(-2).type_as(x)


def turns(positions: int, size: int) -> Tensor:
    """exp(i * position * frequency), frequencies 1 to 1/1000: [positions, size / 2] complex."""
    frequencies = 1000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles)
