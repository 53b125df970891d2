"""A transformer encoder that computes only the positions that are read, with rotary positions.

Vaswani et al., "Attention is all you need", 2017, https://arxiv.org/abs/1706.03762.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.functional import dropout


class Encoder(nn.ModuleList):
    """A stack of layers of the class ``layer``; its weights are named after their layer's number.

    ``rotary`` positions enter attention (Su et al. 2021, https://arxiv.org/abs/2104.09864): it
    depends on the distance of two tokens, so what is learned at one place of a sequence holds at
    every place.
    """

    turns: Tensor | None
    """[max_length, hidden / heads / 2] complex: the rotation of each position."""

    def __init__(
        self,
        *,
        hidden_size: int,
        layers: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        norm: str,
        max_length: int,
        rotary: bool,
        layer: "type[EncoderLayer]",
    ):
        super().__init__(
            layer(hidden_size, heads, inner_size, dropout, attention_dropout, norm)
            for _ in range(layers)
        )
        found = turns(max_length, hidden_size // heads) if rotary else None
        self.register_buffer("turns", found, persistent=False)

    def forward(
        self, x: Tensor, attend: Tensor, position: Tensor, places: Tensor | None = None
    ) -> Tensor:
        """[batch, n, hidden] -> the same, or [batch, k, hidden] at ``places`` alone.

        ``attend`` [batch, 1 or n, n] bool: which token (row) sees which (column). ``position`` [n]
        int64, from 0: where each token stands. ``places`` [batch, k] int64: the tokens that are
        read; the last layer computes no others.
        """
        angles = None if self.turns is None else self.turns[position][None]  # [1, n, d / 2]
        *first, last = self
        for layer in first:
            x = layer(x, attend, angles)
        read: Tensor = last(x, attend, angles, places)
        return read


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, a residual sum, and layer norm."""

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        norm: str,
    ):
        """``norm`` is "pre" (layer norm before each branch) or "post" (after each sum)."""
        super().__init__()
        self.pre = norm == "pre"
        self.heads = heads
        self.dropout = dropout
        self.attention_dropout = attention_dropout
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
        """[batch, n, hidden] -> the same, or [batch, k, hidden] at ``places`` [batch, k] alone.

        All tokens are attended to; tokens that are not read are not computed. ``turns``
        [1, n, hidden / heads / 2] complex rotate queries and keys, if given.
        """
        seen = self.attention_norm(x) if self.pre else x
        mixed = self.attention(seen, attend, turns, places)
        x = x if places is None else rows(x, places)  # [batch, n or k, hidden]
        x = dropout(mixed, self.dropout, self.training, onto=x)
        if not self.pre:
            x = self.attention_norm(x)
        inner = self.outer(F.gelu(self.inner(self.inner_norm(x) if self.pre else x)))
        x = dropout(inner, self.dropout, self.training, onto=x)
        if not self.pre:
            x = self.inner_norm(x)
        return x

    def attention(
        self, x: Tensor, attend: Tensor, turns: Tensor | None, places: Tensor | None
    ) -> Tensor:
        """What the tokens at ``places``, or all, take from the tokens that they attend to."""
        key = self._by_head(self.key(x))
        value = self._by_head(self.value(x))
        if turns is not None:
            key = _rotate(key, turns)
        if places is not None:
            x = rows(x, places)  # [batch, k, hidden]
            attend = rows(attend, places)  # [batch, k, n]
            turns = None if turns is None else rows(turns, places)
        query = self._by_head(self.query(x))
        if turns is not None:
            query = _rotate(query, turns)
        p = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attend[:, None], dropout_p=p
        )  # [batch, heads, n or k, hidden / heads]
        projected: Tensor = self.projection(mixed.transpose(1, 2).flatten(2))
        return projected

    def _by_head(self, x: Tensor) -> Tensor:
        """[batch, n, hidden] -> [batch, heads, n, hidden / heads]"""
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


class GatedLayer(EncoderLayer):
    """An ``EncoderLayer`` whose branches pass a gate, and whose feed-forward is a SwiGLU.

    The sum before a branch decides, value by value, how much of the branch is added (LiGR: Borisyuk
    et al. 2025, https://arxiv.org/abs/2502.03417). SwiGLU: Shazeer 2020,
    https://arxiv.org/abs/2002.05202.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        norm: str,
    ):
        """``norm`` is "pre": the sums themselves are not normalised."""
        super().__init__(hidden_size, heads, inner_size, dropout, attention_dropout, norm)
        self.attention_gate = nn.Linear(hidden_size, hidden_size)
        self.inner_gate = nn.Linear(hidden_size, hidden_size)
        self.swish = nn.Linear(hidden_size, inner_size)

    def forward(
        self, x: Tensor, attend: Tensor, turns: Tensor | None, places: Tensor | None = None
    ) -> Tensor:
        mixed = self.attention(self.attention_norm(x), attend, turns, places)
        x = x if places is None else rows(x, places)  # [batch, n or k, hidden]
        mixed = mixed * torch.sigmoid(self.attention_gate(x))
        x = dropout(mixed, self.dropout, self.training, onto=x)
        seen = self.inner_norm(x)
        inner = self.outer(F.silu(self.swish(seen)) * self.inner(seen))
        inner = inner * torch.sigmoid(self.inner_gate(x))
        return dropout(inner, self.dropout, self.training, onto=x)


def rows(x: Tensor, places: Tensor) -> Tensor:
    """[batch or 1, n, d] at ``places`` [batch, k] -> [batch, k, d]; [batch, 1, d] stays as it
    is."""
    if x.shape[1] == 1:
        return x
    return x.expand(len(places), -1, -1).gather(1, places[..., None].expand(-1, -1, x.shape[-1]))


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate each pair of values by its angle.

    [batch, heads, n, d] and [batch, n, d / 2] complex -> [batch, heads, n, d].
    """
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turns[:, None]).flatten(-2).type_as(x)


def turns(positions: int, size: int) -> Tensor:
    """exp(i * position * frequency), [positions, size / 2] complex, with frequencies
    1000^(-2j / size). The paper has 10,000: its sequences are longer."""
    frequencies = 1000.0 ** (-torch.arange(0, size, 2) / size)
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles)
