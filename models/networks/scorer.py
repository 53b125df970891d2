"""The output side of learned models: item embeddings, scores, and the loss."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.arguments import Setting
from models.model import Histories, LearnedModel
from models.networks.functional import Seen, cross_entropy
from models.networks.repeats import Frequency

# Above this number of items, a step with sampled negatives touches few rows of the item table. Then
# gradients hold these rows alone, and a step costs what they cost. Below it whole tables are as
# fast.
BY_ROWS_ABOVE = 200_000
MEMORY = 512  # interactions before the window in which repeats are counted


class Query(NamedTuple):
    """What is known of some histories before any item is scored."""

    vectors: Tensor
    """[batch, hidden] float: an item scores by its embedding's product with this vector."""
    seen: Seen
    """The items of each history, [batch, 1, n]."""


class Scorer(LearnedModel):
    """The score of an item: its embedding times the query's vector, a bias, and a repeat bias.

    The model reads and scores with the same embeddings (tied embeddings). Their table has rows past
    the catalogue: ``n_items`` is padding, and the model may need more.

    Tied embeddings favour items that are in the history already. Whether these come again depends
    on the data. With ``repeats`` "learned" one learned weight is added to the scores of the items
    in the history, and raises or lowers them all; with "frequency" a learned number for each class
    of how often and how long ago an item occurred (see ``Frequency``); with "alike" all items are
    treated alike.

    With a ``temperature`` the product of both vectors is replaced by their cosine, divided by the
    temperature; 0 leaves the product. (HSTU's code has this.)
    """

    def __init__(
        self,
        n_items: int,
        hidden_size: int,
        rows: int,
        repeats: str,
        negatives: int,
        temperature: float,
    ):
        """``rows`` is the number of rows past the catalogue; ``negatives`` is the number of items
        that the loss compares a target with, 0 for the whole catalogue."""
        super().__init__()
        self.n_items = n_items
        self.negatives = negatives
        self.temperature = temperature
        by_rows = n_items > BY_ROWS_ABOVE and 0 < negatives < n_items
        self.item_embedding = nn.Embedding(n_items + rows, hidden_size, sparse=by_rows)
        biases = torch.zeros(n_items, 1)
        self.item_bias = nn.Embedding.from_pretrained(biases, freeze=False, sparse=by_rows)
        self.repeat_bias = nn.Parameter(torch.zeros(())) if repeats == "learned" else None
        self.frequency = Frequency(n_items, hidden_size) if repeats == "frequency" else None
        self.memory = MEMORY if repeats == "frequency" else 0

    @classmethod
    def check(cls, settings: Mapping[str, Setting]) -> None:
        """Raises ValueError for 1 negative: the one item stands for the target, too."""
        if settings["negatives"] == 1:
            raise ValueError(
                "negatives 1 leaves no item that the target is compared with: it should be 0 (all "
                "items), or 2 or more"
            )

    def initialise(self, linear: str) -> None:
        """Draw the embeddings from N(0, .02) as BERT does; linear layers, too ("normal"), or by
        Glorot and Bengio 2010 ("glorot").

        N(0, .02) suits BERT's width of 768. At width 64 it leaves every branch near zero, and
        training stays longer on the plateau where the model knows popularity alone.
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

    def items(self) -> Tensor:
        return self.item_embedding.weight[: self.n_items]

    def loss(self, vectors: Tensor, targets: Tensor, seen: Seen) -> Tensor:
        """The mean cross-entropy over targets, in nats: [].

        ``vectors`` [batch, k, hidden] are the queries', ``targets`` [batch, k] int64, negative
        where there is none.
        """
        return cross_entropy(
            self.directed(vectors).flatten(0, 1),
            self.item_embedding.weight,
            self.item_bias.weight,
            targets.flatten(),
            Seen(seen.items.flatten(0, 1), seen.gains.flatten(0, 1), seen.share),
            self.negatives,
            self.item_embedding.sparse,
            self.temperature > 0,
        )

    def directed(self, vectors: Tensor) -> Tensor:
        """The queries' vectors as items are multiplied with them: [..., hidden]."""
        return F.normalize(vectors, dim=-1) / self.temperature if self.temperature else vectors

    def seen(
        self, histories: Histories, limits: Tensor, vectors: Tensor, tokens: Tensor, sees: Tensor
    ) -> Seen:
        """The items that each of k places sees, and how their scores differ: [batch, k, n].

        ``vectors`` [batch, k, hidden] are the queries'. ``limits`` [batch or 1, k] int64: the
        column of ``histories`` before each place. ``tokens`` [batch, n] int64 are those that the
        encoder reads; ``sees`` [batch or 1, k, n] bool: which of them each place may see.
        """
        if self.frequency is not None:
            found: Seen = self.frequency(histories, limits, vectors)
            return found
        if self.repeat_bias is None:
            items = tokens.new_empty(len(tokens), sees.shape[1], 0)
            return Seen(items, self.item_bias.weight.new_empty(items.shape))
        same = tokens[:, :, None] == tokens[:, None]  # [batch, n, n]
        other = same.tril(-1).any(-1) | (tokens >= self.n_items)
        items = tokens.masked_fill(other, -1)[:, None].masked_fill(~sees, -1)
        gain = self.repeat_bias / (self.temperature or 1.0)  # as fast as cosines
        return Seen(items, gain.expand(items.shape))

    def scores(self, queries: Query, first: int, last: int) -> Tensor:
        vectors, (seen, gains, share) = queries
        items = slice(first, last)
        biases = self.item_bias.weight[items, 0]
        weight = self.item_embedding.weight[items]
        if self.temperature:
            weight = F.normalize(weight, dim=1)
        scores = F.linear(self.directed(vectors), weight, biases)
        inside = (seen[:, 0] >= first) & (seen[:, 0] < last)  # [batch, n]
        places = (seen[:, 0] - first).clamp(0, last - first - 1)
        more = gains[:, 0]
        if share is not None:
            more = more + (share - 1) * scores.gather(1, places)
        return scores.scatter_add_(1, places, more * inside)
