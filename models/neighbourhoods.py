"""Linear systems of each item's neighbours alone, for catalogues of any size.

One small system for each item takes the place of one of all items by all items: the feature
selection of fsSLIM (Ning and Karypis, ICDM 2011, https://doi.org/10.1109/ICDM.2011.134, section
IV-C).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from models.neighbours import by_popularity, chunks, nearest, pairs_in_common, spans
from models.systems import Products, Systems, Weights, mixed

ENTRIES_PER_BATCH = 1 << 21  # of the systems that are solved at once
PER_ITEM = 8  # numbers of places, 2 bytes each, that take no more memory than one entry
POPULAR = 8192  # items whose pairs are looked up in a matrix: a search takes ten times as long


@dataclass(frozen=True)
class Neighbourhoods(Systems):
    """Items have new numbers, in the order of popularity."""

    order: Tensor
    """[n_items] int64: the items, the most popular first."""
    neighbours: Tensor
    """[n_items, k] int64, ascending; ``n_items`` where there are fewer than k."""
    keys: Tensor
    """[m] int64, ascending: first * (n_items + 1) + second, of pairs with users in common and first
    < second. The last one is larger than any that is searched. Weights from the first item to the
    second have the places of pairs, those from the second to the first come after them all."""
    sets: Products

    @classmethod
    def of(cls, items: Tensor, users: Tensor, n_items: int, k: int) -> "Neighbourhoods":
        """``items`` and ``users`` are those of ``Counted.count``, on any device.

        The neighbours of an item are the ``k`` others with the highest cosine of users.
        """
        order, sizes, renamed = by_popularity(items, users, n_items)
        neighbours = torch.full((n_items, k), n_items, device=items.device)
        keys = []
        both = []
        for pairs in pairs_in_common(renamed, users, n_items):
            near = pairs.chosen(nearest(pairs, sizes, k))
            place = torch.arange(len(near.rows), device=items.device)
            place -= torch.searchsorted(near.rows, near.rows)
            neighbours[near.rows, place] = near.columns
            upper = pairs.chosen(pairs.rows < pairs.columns)
            keys.append(upper.rows * (n_items + 1) + upper.columns)
            both.append(upper.users.float())
        both.append(torch.zeros(1, device=items.device))
        in_common = torch.cat(both)
        own = sizes.float()
        return cls(
            order,
            neighbours.sort(1).values,
            torch.cat([*keys, sizes.new_full((1,), (n_items + 1) ** 2)]),
            Products(in_common, in_common.repeat(2), own, torch.zeros_like(own)),
        )

    @property
    def n_items(self) -> int:
        return len(self.order)

    def pair(self, one: Tensor, other: Tensor) -> Tensor:
        return self._found(one, other)[0]

    def ordered(self, one: Tensor, other: Tensor) -> Tensor:
        return self._ordered(self.pair(one, other), one, other)

    def _ordered(self, pair: Tensor, one: Tensor, other: Tensor) -> Tensor:
        return pair + len(self.keys) * (one > other)

    def _found(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The places in ``keys`` of pairs of items, in any order, and whether each is there."""
        searched = torch.minimum(one, other) * (self.n_items + 1) + torch.maximum(one, other)
        place = torch.searchsorted(self.keys, searched)
        return place, self.keys[place] == searched

    def solved(
        self, order: Products | None, shares: Sequence[float], ridges: Sequence[float]
    ) -> dict[tuple[float, float], Weights]:
        parts = [self.sets] if order is None else [order, self.sets]
        if len(shares) == 1:  # one to look up instead of two
            parts = [Products(*(mixed(x, shares[0]) for x in zip(*parts, strict=True)))]
        lookup = _Lookup(self, [part.gram for part in parts])
        own = {share: mixed([part.own for part in parts], share) for share in shares}
        itself = {share: mixed([part.itself for part in parts], share) for share in shares}
        solutions = {
            (share, ridge): Weights(
                self.neighbours,
                torch.zeros_like(self.neighbours, dtype=torch.float32),
                itself[share] / (own[share] + ridge),
            )
            for share, ridge in product(shares, ridges)
        }
        found = (self.neighbours < self.n_items).sum(1)
        # The items of a batch have equally many neighbours, or nearly: there is little to pad.
        items = found.argsort()
        items = items[found[items] > 0]
        work = found**2 + lookup.work(self.neighbours) + self.n_items // PER_ITEM
        for first, last in chunks(work[items], ENTRIES_PER_BATCH):
            batch = items[first:last]
            most = int(found[batch[-1]])
            near = self.neighbours[batch, :most]
            grams = lookup.lower(near)
            targets = self._targets(near, batch, [part.target for part in parts])
            for share in shares:
                gram, target = (mixed(values, share).double() for values in (grams, targets))
                # Where an item has fewer neighbours, 0: of padding.
                diagonal = F.pad(own[share], (0, 1))[near]
                for ridge in ridges:
                    gram.diagonal(dim1=1, dim2=2).copy_(diagonal + ridge)
                    factor = torch.linalg.cholesky(gram)  # it reads what is below the diagonal
                    weights = torch.cholesky_solve(target[..., None], factor)
                    solutions[share, ridge].values[batch, :most] = weights[..., 0].float()
        return solutions

    def _targets(self, near: Tensor, items: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
        """The ``targets`` of neighbours N and ``items`` j, [batch, k] float each."""
        item = items[:, None].expand_as(near)
        pair, there = self._found(near, item)
        place = self._ordered(pair, near, item)
        return [values[place] * there for values in targets]


class _Lookup:
    """Values of pairs, such as ``Products.gram``, among the neighbours of an item."""

    def __init__(self, systems: Neighbourhoods, values: Sequence[Tensor]):
        """``values`` [m] float each: of the pairs of ``systems``."""
        self.n_items = systems.n_items
        self.popular = min(POPULAR, self.n_items)
        first, second = (systems.keys // (self.n_items + 1), systems.keys % (self.n_items + 1))
        inside = second < self.popular  # and so is the first; the last key's value is 0
        # Pairs of popular items: matrices by the second and the first item, and zeros.
        flat = second[inside] * (self.popular + 1) + first[inside].clamp(max=self.popular)
        self.matrices = [x.new_zeros((self.popular + 1) ** 2) for x in values]
        for matrix, x in zip(self.matrices, values, strict=True):
            matrix[flat] = x[inside]
        # Other pairs: by their second item, the first items and the values, one after the other.
        rest = (second >= self.popular).nonzero()[:, 0]
        rest = rest[second[rest].argsort(stable=True)]
        self.firsts = first[rest]
        self.counts = torch.bincount(second[rest], minlength=self.n_items + 1)
        self.starts = self.counts.cumsum(0) - self.counts
        self.values = [x[rest] for x in values]

    def work(self, neighbours: Tensor) -> Tensor:
        """How many other pairs ``lower`` passes over for each item: [n_items] int64."""
        return self.counts[neighbours].sum(1)

    def lower(self, near: Tensor) -> list[Tensor]:
        """The values of the neighbours ``near`` [batch, k] of some items, below the diagonal:
        [batch, k, k] float each, 0 elsewhere and where a pair has no users in common."""
        batch, k = near.shape
        row, column = torch.tril_indices(k, k, -1, device=near.device)
        inside = near.clamp(max=self.popular)
        flat = inside[:, row] * (self.popular + 1) + inside[:, column]  # [batch, k (k - 1) / 2]
        # Which of the pairs that have a less popular neighbour as their second item have another
        # neighbour as their first?
        item, place = (near >= self.popular).nonzero(as_tuple=True)
        second = near[item, place]
        owner, at = spans(self.starts[second], self.counts[second])
        places = near.new_full((batch, self.n_items + 1), -1, dtype=torch.int16)
        places.scatter_(
            1, near, torch.arange(k, dtype=torch.int16, device=near.device).expand(batch, k)
        )
        found = places.view(-1)[item[owner] * (self.n_items + 1) + self.firsts[at]]
        there = (found >= 0).nonzero()[:, 0]
        owner, at, found = owner[there], at[there], found[there]
        target = (item[owner] * k + place[owner]) * k + found
        grams = []
        for matrix, values in zip(self.matrices, self.values, strict=True):
            gram = matrix.new_zeros(batch, k * k)
            gram[:, row * k + column] = matrix[flat]
            gram.view(-1)[target] = values[at]
            grams.append(gram.view(batch, k, k))
        return grams
