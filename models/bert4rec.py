"""BERT4Rec: a bidirectional transformer trained to fill in masked items (a Cloze task).

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
Transformer", CIKM 2019, https://arxiv.org/abs/1904.06690.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each followed by dropout, the residual and layer norm."""

    def __init__(self, hidden_size: int, heads: int, inner_size: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.projection = nn.Linear(hidden_size, hidden_size)
        self.attention_norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.inner = nn.Linear(hidden_size, inner_size)
        self.outer = nn.Linear(inner_size, hidden_size)
        self.inner_norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, attend: Tensor | None) -> Tensor:
        batch, length, hidden = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, hidden // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x [batch, heads, length, hidden / heads]
        p = self.dropout.p if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attend, dropout_p=p)
        mixed = mixed.transpose(1, 2).reshape(batch, length, hidden)
        x = self.attention_norm(x + self.dropout(self.projection(mixed)))
        return self.inner_norm(x + self.dropout(self.outer(F.gelu(self.inner(x)))))


class BERT4Rec(nn.Module):
    """Item sequences in, item scores out.

    Sequences are [batch, length] int64 with length <= max_length, padded on the left with
    ``n_items``; items are 0 .. n_items - 1. The embedding table has two rows past the catalogue:
    ``n_items`` is padding, ``n_items + 1`` is the mask.
    """

    link = "https://recbole.io/docs/user_guide/model/sequential/bert4rec.html"

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
        mask_ratio: float,
    ):
        super().__init__()
        self.n_items, self.max_length, self.mask_ratio = n_items, max_length, mask_ratio
        self.item_embedding = nn.Embedding(n_items + 2, hidden_size)
        self.position_embedding = nn.Embedding(max_length, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.ModuleList(
            EncoderLayer(hidden_size, heads, inner_size, dropout) for _ in range(layers)
        )
        self.head = nn.Linear(hidden_size, hidden_size)
        self.head_norm = nn.LayerNorm(hidden_size, eps=1e-12)
        self.item_bias = nn.Parameter(torch.zeros(n_items))
        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        """Embeddings from N(0, .02) as in the paper, linear layers after Glorot and Bengio 2010.

        N(0, .02) for these too is right at BERT's width of 768; at 64 it leaves every branch near
        zero, and training longer on the plateau where the model knows popularity alone.
        """
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def encode(self, sequences: Tensor) -> Tensor:
        """[batch, length] int64 -> [batch, length, hidden]; every position sees all the others."""
        length = sequences.shape[1]
        # Sequences end at the last position whatever their length, so positions count from there.
        positions = self.position_embedding.weight[self.max_length - length :]
        x = self.dropout(self.norm(self.item_embedding(sequences) + positions))
        attend = (sequences != self.n_items)[:, None, None, :]  # [batch, 1, 1, length]
        for layer in self.encoder:
            x = layer(x, attend)
        return x

    def _project(self, x: Tensor) -> Tensor:
        return self.head_norm(F.gelu(self.head(x)))

    def loss(self, sequences: Tensor, generator: torch.Generator) -> Tensor:
        """Mean cross-entropy over masked positions; masks are drawn anew at every call.

        Each item is masked with probability ``mask_ratio``; the item with the smallest draw is
        always masked, so that no sequence is without a target.
        """
        draw = torch.rand(sequences.shape, generator=generator, device=sequences.device)
        draw = draw.masked_fill(sequences == self.n_items, 2.0)
        masked = (draw < self.mask_ratio) | (draw == draw.amin(dim=1, keepdim=True))
        x = self.encode(sequences.masked_fill(masked, self.n_items + 1))
        return F.linear_cross_entropy(
            self._project(x[masked]),  # [n_masked, hidden]
            self.item_embedding.weight[: self.n_items],
            sequences[masked],
            linear_bias=self.item_bias,
        )

    def queries(self, histories: Tensor) -> Tensor:
        """[batch, length] int64 -> [batch, hidden]: what comes after each history.

        The mask takes the place after the last item, so the last max_length - 1 items are seen.
        """
        kept = histories[:, -(self.max_length - 1) :]
        mask = torch.full_like(histories[:, :1], self.n_items + 1)
        return self._project(self.encode(torch.cat([kept, mask], dim=1))[:, -1])

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """[batch, hidden] -> [batch, last - first]: scores of the items first .. last - 1."""
        return F.linear(queries, self.item_embedding.weight[first:last], self.item_bias[first:last])
