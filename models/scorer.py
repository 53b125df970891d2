"""What learned models have in common: items as vectors, and how what is wanted meets them."""

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.functional import cross_entropy

# Of so many items a step that compares with a sample of them touches few: then gradients hold the
# rows that it did, and a step costs what these cost. With fewer, whole tables are as fast.
BY_ROWS_ABOVE = 200_000


class Query(NamedTuple):
    """What follows some histories, as far as it is known before any item is scored."""

    vectors: Tensor
    """[batch, hidden] float: the direction of what is wanted."""
    seen: Tensor
    """[batch, n] int64: each item of the history once, -1 in what is left of the row."""


class Scorer(nn.Module):
    """A score for each item: its vector times the query's, a bias, and a word on repetition.

    The same vectors are what the model reads (tied embeddings), in a table with rows past the
    catalogue for padding, ``n_items``, and whatever else the model needs.

    Tied embeddings make what is in the history likely to come next. Whether it is depends on the
    data, and ``repeats`` "learned" lets the model say so with one weight, which is added to the
    scores of the items in the history that it sees; "alike" treats all items alike.
    """

    recipes: ClassVar = {"fast": {}}

    def __init__(self, n_items: int, hidden_size: int, rows: int, repeats: str, negatives: int):
        super().__init__()
        self.n_items, self.negatives = n_items, negatives
        by_rows = n_items > BY_ROWS_ABOVE and 0 < negatives < n_items
        self.item_embedding = nn.Embedding(n_items + rows, hidden_size, sparse=by_rows)
        biases = torch.zeros(n_items, 1)
        self.item_bias = nn.Embedding.from_pretrained(biases, freeze=False, sparse=by_rows)
        self.repeat_bias = nn.Parameter(torch.zeros(())) if repeats == "learned" else None

    def initialise(self, linear: str) -> None:
        """Embeddings from N(0, .02) as in BERT; linear layers "normal", too, or "glorot".

        N(0, .02) is right at BERT's width of 768; at 64 it leaves every branch near zero, and
        training longer on the plateau where the model knows popularity alone. Glorot and Bengio
        2010 does not.
        """
        for module in self.modules():
            if isinstance(module, nn.Embedding) and module is not self.item_bias:
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                if linear == "normal":
                    nn.init.normal_(module.weight, std=0.02)
                else:
                    nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def loss(self, vectors: Tensor, targets: Tensor, seen: Tensor) -> Tensor:
        """Mean cross-entropy, in nats: [batch, k, hidden], [batch, k], [batch, k, n] -> []."""
        return cross_entropy(
            vectors.flatten(0, 1),
            self.item_embedding.weight,
            self.item_bias.weight,
            targets.flatten(),
            seen.flatten(0, 1),
            self.repeat_bias,
            self.negatives,
            self.item_embedding.sparse,
        )

    def seen(self, sequences: Tensor, sees: Tensor) -> Tensor:
        """The items that are seen, each once, else -1: [batch, k, n], or [batch, k, 0] if not used.

        ``sees`` [batch or 1, k, n] bool: which of the [batch, n] tokens each of k places may see.
        """
        if self.repeat_bias is None:
            return sequences.new_empty(len(sequences), sees.shape[1], 0)
        same = sequences[:, :, None] == sequences[:, None]  # [batch, n, n]
        other = same.tril(-1).any(-1) | (sequences >= self.n_items)
        return sequences.masked_fill(other, -1)[:, None].masked_fill(~sees, -1)

    def scores(self, queries: Query, first: int, last: int) -> Tensor:
        """[batch, last - first] float: scores of the items first .. last - 1."""
        vectors, seen = queries
        items = slice(first, last)
        biases = self.item_bias.weight[items, 0]
        scores = F.linear(vectors, self.item_embedding.weight[items], biases)
        if self.repeat_bias is not None:
            inside = (seen >= first) & (seen < last)
            places = (seen - first).clamp(0, last - first - 1)
            scores = scores.scatter_add(1, places, self.repeat_bias * inside)
        return scores
