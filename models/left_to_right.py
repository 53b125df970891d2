"""Models that read a sequence from left to right and ask after every item for the next one."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.scorer import Query, Scorer


class NextItems(NamedTuple):
    """What the model reads, and what comes next at each place."""

    sequences: Tensor
    """[batch, n] int64, padded on the left with ``n_items``."""
    targets: Tensor
    """[batch, n] int64: the item after each, -1 after padding."""


class LeftToRight(Scorer):
    """A ``Scorer`` with ``encode``: [batch, n] int64 -> [batch, n, hidden] float, where a place
    knows itself and what is before it; or [batch, 1, hidden] of the last place alone.
    """

    def __init__(self, n_items: int, hidden_size: int, max_length: int, **scoring):
        super().__init__(n_items, hidden_size, rows=1, **scoring)
        self.max_length, self.window = max_length, max_length + 1

    def encode(self, sequences: Tensor, last: bool = False) -> Tensor:
        raise NotImplementedError

    def examples(self, sequences: Tensor, generator: torch.Generator) -> NextItems:
        """Every item but the first is asked for; nothing is drawn."""
        if sequences.shape[1] == 1:  # nothing to ask, but what follows needs a place to read
            sequences = F.pad(sequences, (1, 0), value=self.n_items)
        read = sequences[:, :-1]
        return NextItems(read, sequences[:, 1:].masked_fill(read == self.n_items, -1))

    def forward(self, sequences: Tensor, targets: Tensor) -> Tensor:
        """Mean loss, in nats, of the answers to ``NextItems``."""
        n = sequences.shape[1]
        past = torch.ones(1, n, n, dtype=torch.bool, device=sequences.device).tril()
        return self.loss(self.encode(sequences), targets, self.seen(sequences, past))

    def queries(self, histories: Tensor) -> Query:
        """[batch, length] int64: what comes after each history."""
        everything = torch.ones(1, 1, histories.shape[1], dtype=torch.bool, device=histories.device)
        seen = self.seen(histories, everything)[:, 0]
        return Query(self.encode(histories, last=True)[:, 0], seen)
