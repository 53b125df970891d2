"""Models that read a sequence from left to right and predict the next item after each item."""

from abc import abstractmethod
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from models.scorer import Query, Scorer


class NextItems(NamedTuple):
    """The ``Examples`` of these models: a sequence, and the item after each of its items."""

    sequences: Tensor
    """[batch, n] int64, padded on the left with ``n_items``."""
    targets: Tensor
    """[batch, n] int64: the item after each item, -1 after padding."""

    def rows(self, chosen: slice) -> Self:
        return type(self)(self.sequences[chosen], self.targets[chosen])


class LeftToRight(Scorer):
    """A ``Scorer`` whose ``encode`` sees, at each place, the item there and the items before it."""

    def __init__(
        self, n_items: int, hidden_size: int, max_length: int, *, repeats: str, negatives: int
    ):
        super().__init__(n_items, hidden_size, rows=1, repeats=repeats, negatives=negatives)
        self.max_length = max_length
        self.window = max_length + 1

    @abstractmethod
    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        """[batch, n] int64 -> [batch, n, hidden] float, or [batch, 1, hidden] at the last place."""

    def examples(self, sequences: Tensor, generator: torch.Generator) -> NextItems:
        """Every item but the first is a target. Nothing is drawn."""
        if sequences.shape[1] == 1:  # no target, but ``forward`` needs a place to read
            sequences = F.pad(sequences, (1, 0), value=self.n_items)
        read = sequences[:, :-1]
        return NextItems(read, sequences[:, 1:].masked_fill(read == self.n_items, -1))

    def forward(self, sequences: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of ``NextItems``, in nats: []."""
        n = sequences.shape[1]
        past = torch.ones(1, n, n, dtype=torch.bool, device=sequences.device).tril()
        return self.loss(self.encode(sequences), targets, self.seen(sequences, past))

    def queries(self, histories: Tensor) -> Query:
        """[batch, length] int64 -> the query for the item after each history."""
        everything = torch.ones(1, 1, histories.shape[1], dtype=torch.bool, device=histories.device)
        seen = self.seen(histories, everything)[:, 0]
        return Query(self.encode(histories, last=True)[:, 0], seen)
