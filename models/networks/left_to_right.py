"""Models that read a sequence from left to right and predict the next item after each item."""

from abc import abstractmethod
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from models.model import Histories
from models.networks.scorer import Query, Scorer


class NextItems(NamedTuple):
    """The ``Examples`` of these models: a sequence, and the item after each of its last items."""

    items: Tensor
    """[batch, length] int64, padded on the left with ``n_items``."""
    baskets: Tensor
    """[batch, length] int64, of these items."""
    targets: Tensor
    """[batch, n] int64: the item after each of the last n items, -1 after padding."""

    def rows(self, chosen: slice) -> Self:
        return type(self)(self.items[chosen], self.baskets[chosen], self.targets[chosen])


class LeftToRight(Scorer):
    """A ``Scorer`` whose ``encode`` sees, at each place, the item there and the items before it."""

    def __init__(
        self,
        n_items: int,
        hidden_size: int,
        max_length: int,
        *,
        repeats: str,
        negatives: int,
        temperature: float,
    ):
        super().__init__(
            n_items,
            hidden_size,
            rows=1,
            repeats=repeats,
            negatives=negatives,
            temperature=temperature,
        )
        self.max_length = max_length
        self.window = max_length + 1

    @abstractmethod
    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        """[batch, n] int64 -> [batch, n, hidden] float, or [batch, 1, hidden] at the last place."""

    def examples(self, sequences: Histories, generator: torch.Generator) -> NextItems:
        """Every item of the window but the first is a target. Nothing is drawn."""
        items, baskets = sequences
        if items.shape[1] == 1:  # no target, but ``forward`` needs a place to read
            items = F.pad(items, (1, 0), value=self.n_items)
            baskets = F.pad(baskets, (1, 0))
        read = items[:, :-1]
        targets = items[:, 1:].masked_fill(read == self.n_items, -1)
        return NextItems(read, baskets[:, :-1], targets[:, -self.max_length :])

    def forward(self, items: Tensor, baskets: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of ``NextItems``, in nats: []."""
        n = targets.shape[1]
        read = items[:, -n:]
        length = items.shape[1]
        limits = torch.arange(length - n, length, device=items.device)[None]  # [1, n]
        past = torch.ones(1, n, n, dtype=torch.bool, device=items.device).tril()
        vectors = self.encode(read)
        seen = self.seen(Histories(items, baskets), limits, vectors, read, past)
        return self.loss(vectors, targets, seen)

    def queries(self, histories: Histories) -> Query:
        """The query for the item after each history."""
        read = histories.last(self.max_length).items
        limits = torch.full((1, 1), histories.items.shape[1] - 1, device=read.device)
        everything = torch.ones(1, 1, read.shape[1], dtype=torch.bool, device=read.device)
        vectors = self.encode(read, last=True)
        return Query(vectors[:, 0], self.seen(histories, limits, vectors, read, everything))
