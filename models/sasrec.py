"""SASRec: a transformer that sees what is before each item, trained to name the next one.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781; with the softmax over the whole catalogue for its loss, as in
RecBole, and not over one random item (Klenitskiy and Vasilev 2023,
https://arxiv.org/abs/2309.07602).
"""

import torch
from torch import Tensor, nn

from models.encoder import EncoderLayer, turns
from models.functional import dropout
from models.left_to_right import LeftToRight


class SASRec(LeftToRight):
    """Positions, norms, initialisation and ``repeats`` as in ``BERT4Rec``."""

    link = "https://recbole.io/docs/user_guide/model/sequential/sasrec.html"

    def __init__(
        self,
        n_items: int,
        *,
        max_length: int,
        hidden_size: int,
        layers: int,
        heads: int,
        inner_size: int,
        dropout: float,
        attention_dropout: float,
        positions: str,
        norm: str,
        repeats: str,
        initialisation: str,
        negatives: int,
    ):
        super().__init__(n_items, hidden_size, max_length, repeats=repeats, negatives=negatives)
        self.dropout = dropout
        if positions == "learned":
            self.position_embedding = nn.Embedding(max_length, hidden_size)
        else:
            self.register_buffer("turns", turns(max_length, hidden_size // heads), False)
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.encoder = nn.ModuleList(
            EncoderLayer(hidden_size, heads, inner_size, dropout, attention_dropout, norm)
            for _ in range(layers)
        )
        # Where norms come before each branch, the sum of the branches has none yet.
        self.last_norm = nn.LayerNorm(hidden_size, eps=1e-12) if norm == "pre" else nn.Identity()
        self.initialise(initialisation)

    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        n = sequences.shape[1]
        place = torch.arange(n, device=sequences.device)
        real = sequences != self.n_items
        # Padding sees itself: a row that sees nothing has no mean.
        attend = (place <= place[:, None]) & real[:, None] | (place == place[:, None])
        x, angles = self.item_embedding(sequences), None
        # Sequences end at the last position whatever their length, so positions count from there.
        position = place + self.max_length - n
        if hasattr(self, "turns"):
            angles = self.turns[position][None]  # [1, n, hidden / heads / 2]
        else:
            x = x + self.position_embedding(position)
        x = dropout(self.norm(x), self.dropout, self.training)  # [batch, n, hidden]
        *first, top = self.encoder
        for layer in first:
            x = layer(x, attend, angles)
        places = place[None, -1:].expand(len(x), -1) if last else None
        return self.last_norm(top(x, attend, angles, places))
