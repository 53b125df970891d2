"""GRU4Rec: a recurrent network that reads the history and predicts the next item.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016,
https://arxiv.org/abs/1511.06939. As in RecBole the loss is one softmax over the whole catalogue,
and a linear layer leads from the network's width to that of the item embeddings.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from models.networks.functional import dropout
from models.networks.left_to_right import LeftToRight


class GRU4Rec(LeftToRight):
    """``layers`` GRUs of width ``inner_size``; ``repeats`` is that of ``BERT4Rec``."""

    link = "https://recbole.io/docs/user_guide/model/sequential/gru4rec.html"
    recipes: ClassVar = {"fast": {"layers": 1, "inner_size": 128}}

    def __init__(
        self,
        n_items: int,
        *,
        max_length: int,
        hidden_size: int,
        layers: int,
        inner_size: int,
        dropout: float,
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
        self.gru = nn.GRU(hidden_size, inner_size, layers, batch_first=True)
        self.head = nn.Linear(inner_size, hidden_size)
        self.initialise(initialisation)
        for name, weight in self.gru.named_parameters():
            if name.startswith("weight_hh"):  # orthogonal: keeps the length of what it carries on
                for gate in weight.data.chunk(3):
                    nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(weight)

    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        n = sequences.shape[1]
        # Padding is moved to the right: a GRU would carry it into the items after it.
        padding = (sequences == self.n_items).sum(1, keepdim=True)  # [batch, 1]
        place = torch.arange(n, device=sequences.device)
        x = self.item_embedding(sequences.gather(1, (place + padding).clamp(max=n - 1)))
        x = dropout(self.norm(x), self.dropout, self.training)  # [batch, n, hidden]
        x, _ = self.gru(x)  # [batch, n, inner]
        back = ((place[-1:] if last else place) - padding).clamp(min=0)  # [batch, n or 1]
        x = x.gather(1, back[..., None].expand(-1, -1, x.shape[-1]))
        encoded: Tensor = self.head(dropout(x, self.dropout, self.training))
        return encoded
