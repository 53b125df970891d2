"""SASRec: a transformer that sees the items before each item and predicts the next one.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781. Its loss is the softmax over the whole catalogue, as in RecBole,
and not over one random item (Klenitskiy and Vasilev 2023, https://arxiv.org/abs/2309.07602).
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.networks.encoder import Encoder, EncoderLayer
from models.networks.functional import dropout
from models.networks.left_to_right import LeftToRight


class SASRec(LeftToRight):
    """A transformer that reads from left to right. ``positions``, ``norm``, ``initialisation`` and
    ``repeats`` mean what they do in ``BERT4Rec``."""

    link = "https://recbole.io/docs/user_guide/model/sequential/sasrec.html"
    layer: ClassVar[type[EncoderLayer]] = EncoderLayer

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
        learned = positions == "learned"
        self.position_embedding = nn.Embedding(max_length, hidden_size) if learned else None
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.encoder = Encoder(
            hidden_size=hidden_size,
            layers=layers,
            heads=heads,
            inner_size=inner_size,
            dropout=dropout,
            attention_dropout=attention_dropout,
            norm=norm,
            max_length=max_length,
            rotary=not learned,
            layer=self.layer,
        )
        # With norm "pre" the sum of the branches has not been normalised yet.
        self.last_norm = nn.LayerNorm(hidden_size, eps=1e-12) if norm == "pre" else nn.Identity()
        self.initialise(initialisation)

    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        n = sequences.shape[1]
        place = torch.arange(n, device=sequences.device)
        real = sequences != self.n_items
        # Padding sees itself: attention over nothing is not a number.
        attend = (place <= place[:, None]) & real[:, None] | (place == place[:, None])
        x = self.item_embedding(sequences)  # [batch, n, hidden]
        # A sequence ends at the last position, whatever its length.
        position = place + self.max_length - n
        if self.position_embedding is not None:
            x = x + self.position_embedding(position)
        x = dropout(self.norm(x), self.dropout, self.training)
        places = place[None, -1:].expand(len(x), -1) if last else None
        encoded: Tensor = self.last_norm(self.encoder(x, attend, position, places))
        return encoded
