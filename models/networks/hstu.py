"""HSTU: layers that attend without a softmax, and gate what they find.

Zhai et al., "Actions Speak Louder than Words: Trillion-Parameter Sequential Transducers for
Generative Recommendations", ICML 2024, https://arxiv.org/abs/2402.17152, in its setting without
features. Attention depends on the distance of two items, not on the time between them: histories
hold no times.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.encoder import rows
from models.networks.functional import dropout
from models.networks.left_to_right import LeftToRight

SCALE = 10.0  # of the learned biases: Adam moves each by about the learning rate in a step


class HSTU(LeftToRight):
    """A stack of the paper's layers. Scores are cosines divided by ``temperature``, as in the
    paper; ``repeats`` means what it does in ``BERT4Rec``."""

    link = "https://github.com/facebookresearch/generative-recommenders"
    recipes: ClassVar = {"fast": {"temperature": 0.05}}

    def __init__(
        self,
        n_items: int,
        *,
        max_length: int,
        hidden_size: int,
        layers: int,
        heads: int,
        dropout: float,
        attention_dropout: float,
        repeats: str,
        initialisation: str,
        negatives: int,
        temperature: float,
    ):
        super().__init__(
            n_items,
            hidden_size,
            max_length,
            repeats=repeats,
            negatives=negatives,
            temperature=temperature,
        )
        self.dropout = dropout
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.layers = nn.ModuleList(
            HSTULayer(hidden_size, heads, dropout, attention_dropout, max_length)
            for _ in range(layers)
        )
        self.initialise(initialisation)

    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        n = sequences.shape[1]
        place = torch.arange(n, device=sequences.device)
        distance = place[:, None] - place  # [n, n]
        sees = (distance >= 0) & (sequences != self.n_items)[:, None]  # [batch, n, n]
        x = self.norm(self.item_embedding(sequences))  # [batch, n, hidden]
        x = dropout(x, self.dropout, self.training)
        places = place[None, -1:].expand(len(x), -1) if last else None
        *first, final = self.layers
        for layer in first:
            x = layer(x, sees, distance)
        encoded: Tensor = final(x, sees, distance, places)
        return encoded


class HSTULayer(nn.Module):
    """Pointwise attention, a gate, dropout, and a residual sum; there is no feed-forward.

    An item weighs silu(query * key + bias of the distance), whatever the other items weigh, so that
    a sum over items keeps how strong they are together. The sum is divided by the number of items,
    and not by the longest length as in the authors' code: short histories would vanish in the norm.
    """

    def __init__(
        self,
        hidden_size: int,
        heads: int,
        dropout: float,
        attention_dropout: float,
        max_length: int,
    ):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.gate = nn.Linear(hidden_size, hidden_size)
        self.projection = nn.Linear(hidden_size, hidden_size)
        self.distance_bias = nn.Parameter(torch.zeros(max_length))

    def forward(
        self, x: Tensor, sees: Tensor, distance: Tensor, places: Tensor | None = None
    ) -> Tensor:
        """[batch, n, hidden] -> the same, or [batch, k, hidden] at ``places`` [batch, k] alone.

        ``sees`` [batch, n, n] bool: which item (row) sees which (column); ``distance`` [n, n]
        int64.
        """
        seen = _normalised(x)
        key = self._by_head(self.key(seen))
        value = self._by_head(self.value(seen))
        bias = SCALE * self.distance_bias[distance.clamp(min=0)][None]  # [1, n, n]
        if places is not None:
            x, seen, sees, bias = (rows(part, places) for part in (x, seen, sees, bias))
        query = self._by_head(self.query(seen))  # [batch, heads, n or k, hidden / heads]
        weights = F.silu(query @ key.mT + bias[:, None])  # [batch, heads, n or k, n]
        shares = sees / sees.sum(-1, keepdim=True).clamp(min=1)
        weights = dropout(weights * shares[:, None], self.attention_dropout, self.training)
        mixed = (weights @ value).transpose(1, 2).flatten(2)  # [batch, n or k, hidden]
        gated = _normalised(mixed) * F.silu(self.gate(seen))
        projected: Tensor = self.projection(dropout(gated, self.dropout, self.training))
        return x + projected

    def _by_head(self, x: Tensor) -> Tensor:
        """[batch, n, hidden] -> [batch, heads, n, hidden / heads]"""
        heads: Tensor = F.silu(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


def _normalised(x: Tensor) -> Tensor:
    """Layer norm without weights, as in the authors' code."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)
