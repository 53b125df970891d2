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

from models.baselines.neighbours import by_popularity, chunks, nearest, pairs_in_common, spans
from models.baselines.systems import Products, Systems, Weights, mixed, products
from models.progress import Bar

ENTRIES_PER_BATCH = 1 << 21  # of the systems that are solved at once
PLACES_PER_ENTRY = 8  # places (int16) that take less memory than one of these entries
POPULAR = 8192  # items whose pairs are looked up in a matrix
PASSES_PER_SEARCH = 3  # pairs that are passed over in the time of one search
ROWS_PER_CHUNK = 4096  # items whose pairs are counted at once


@dataclass(frozen=True)
class Neighbourhoods(Systems):
    """Items have new numbers, in the order of popularity."""

    order: Tensor
    """[n_items] int64: the items, the most popular first."""
    neighbours: Tensor
    """[n_items, k] int64, ascending; ``n_items`` where there are fewer than k."""
    keys: Tensor
    """[m] int64, ascending: one * (n_items + 1) + other, of pairs with users in common and one >
    other. The last one is larger than any that is searched. Weights from one to other have the
    places of pairs; those from other to one come after them all."""
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
            lower = pairs.chosen(pairs.rows > pairs.columns)
            keys.append(lower.rows * (n_items + 1) + lower.columns)
            both.append(lower.users.float())
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

    def places(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        pair, _ = self.found(one, other)
        return pair, self._ordered(pair, one, other)

    def found(self, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The places in ``keys`` of pairs of items, in any order, and whether each is there."""
        searched = torch.maximum(one, other) * (self.n_items + 1) + torch.minimum(one, other)
        place = torch.searchsorted(self.keys, searched)
        return place, self.keys[place] == searched

    def _ordered(self, pair: Tensor, one: Tensor, other: Tensor) -> Tensor:
        return pair + len(self.keys) * (one < other)

    def solved(
        self, order: Products | None, shares: Sequence[float], ridges: Sequence[float], bar: Bar
    ) -> dict[tuple[float, float], Weights]:
        parts = self.parts(order)
        if len(shares) == 1:  # one to look up instead of two
            parts = [products(parts, shares[0])]
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
        batches = lookup.batches()
        for batch, by_search in bar(batches, total=len(batches), desc="linear systems"):
            near = lookup.near(batch)
            grams = lookup.lower(near, by_search)
            targets = self._targets(near, batch, [part.target for part in parts])
            for share in shares:
                gram, target = (mixed(values, share).double() for values in (grams, targets))
                # Padding has 0 here, so that its system is ridge I.
                diagonal = F.pad(own[share], (0, 1))[near]
                for ridge in ridges:
                    gram.diagonal(dim1=1, dim2=2).copy_(diagonal + ridge)
                    factor = torch.linalg.cholesky(gram)  # the upper triangle is not read
                    weights = torch.cholesky_solve(target[..., None], factor)
                    values = solutions[share, ridge].values
                    values[batch, : near.shape[1]] = weights[..., 0].float()
        return solutions

    def _targets(self, near: Tensor, items: Tensor, targets: Sequence[Tensor]) -> list[Tensor]:
        """The ``targets`` of neighbours N and ``items`` j, [batch, k] float each."""
        item = items[:, None].expand_as(near)
        pair, there = self.found(near, item)
        place = self._ordered(pair, near, item)
        return [values[place] * there for values in targets]


class _Lookup:
    """Values of pairs, such as ``Products.gram``, among the neighbours of an item."""

    def __init__(self, systems: Neighbourhoods, values: Sequence[Tensor]):
        """``values`` [m] float each: of the pairs of ``systems``."""
        self.systems = systems
        self.values = values
        n_items = systems.n_items
        device = systems.keys.device
        self.popular = min(POPULAR, n_items)
        self.found = (systems.neighbours < n_items).sum(1)  # the number of each item's neighbours
        # Pairs of popular items: a matrix of each of the values, with 0 for other items.
        edges = torch.searchsorted(
            systems.keys, torch.arange(n_items + 2, device=device) * (n_items + 1)
        )
        self.columns = systems.keys % (n_items + 1)
        last = int(edges[self.popular])
        flat = systems.keys[:last] // (n_items + 1) * (self.popular + 1) + self.columns[:last]
        self.matrices = [x.new_zeros((self.popular + 1) ** 2) for x in values]
        for matrix, x in zip(self.matrices, values, strict=True):
            matrix[flat] = x[:last]
        # Other pairs: where those of each item with more popular ones are.
        self.starts, self.counts = edges[:-1], edges.diff()
        self.counts[: self.popular] = 0

    def batches(self) -> list[tuple[Tensor, bool]]:
        """Items [batch] of each batch, and whether to search their other pairs.

        Items of a batch have equally many neighbours, or nearly: there is little to pad.
        """
        neighbours = self.systems.neighbours
        found = self.found
        passes = torch.cat([self.counts[some].sum(1) for some in neighbours.split(ROWS_PER_CHUNK)])
        by_search = passes > PASSES_PER_SEARCH * found**2 // 2
        work = torch.where(by_search, 0, passes) + found**2
        work += self.systems.n_items // PLACES_PER_ENTRY
        # Groups of items: by search or not, and each with at most twice as many neighbours.
        kinds = found.clamp(min=1).float().log2().int() * 2 + by_search
        items = found.argsort()
        items = items[kinds[items].argsort(stable=True)]
        items = items[found[items] > 0]
        sizes = torch.unique_consecutive(kinds[items], return_counts=True)[1]
        return [
            (group[first:last], bool(by_search[group[first]]))
            for group in items.split(sizes.tolist())
            for first, last in chunks(work[group], ENTRIES_PER_BATCH)
        ]

    def near(self, batch: Tensor) -> Tensor:
        """The neighbours of the items of a batch, [batch, k] int64."""
        return self.systems.neighbours[batch, : int(self.found[batch[-1]])]

    def lower(self, near: Tensor, by_search: bool) -> list[Tensor]:
        """The values of the neighbours ``near`` [batch, k] of some items, below the diagonal:
        [batch, k, k] float each, 0 elsewhere and where a pair has no users in common."""
        batch, k = near.shape
        row, column = torch.tril_indices(k, k, -1, device=near.device)
        inside = near.clamp(max=self.popular)
        flat = inside[:, row] * (self.popular + 1) + inside[:, column]  # [batch, k (k - 1) / 2]
        target, pair = (self._searched if by_search else self._passed)(near)
        grams = []
        for matrix, values in zip(self.matrices, self.values, strict=True):
            gram = matrix.new_zeros(batch, k * k)
            gram[:, row * k + column] = matrix[flat]
            gram.view(-1)[target] = values[pair]
            grams.append(gram.view(batch, k, k))
        return grams

    def _passed(self, near: Tensor) -> tuple[Tensor, Tensor]:
        """Places in [batch, k, k] of other pairs of neighbours, and the places of these pairs.

        All pairs of the less popular neighbours with any item are passed over.
        """
        batch, k = near.shape
        width = self.systems.n_items + 1
        # The place of each item among the neighbours; -1: it is none.
        places = near.new_full((batch, width), -1, dtype=torch.int16)
        numbers = torch.arange(k, dtype=torch.int16, device=near.device)
        places.scatter_(1, near, numbers.expand(batch, k))
        item, row = (near >= self.popular).nonzero(as_tuple=True)
        one = near[item, row]
        owner, pair = spans(self.starts[one], self.counts[one])
        column = places.view(-1)[item[owner] * width + self.columns[pair]]
        there = (column >= 0).nonzero()[:, 0]
        owner, pair, column = owner[there], pair[there], column[there]
        return (item[owner] * k + row[owner]) * k + column, pair

    def _searched(self, near: Tensor) -> tuple[Tensor, Tensor]:
        """As ``_passed``, by a search for each pair of neighbours."""
        k = near.shape[1]
        row, column = torch.tril_indices(k, k, -1, device=near.device)
        other = (near >= self.popular) & (near < self.systems.n_items)
        item, which = other[:, row].nonzero(as_tuple=True)
        row, column = row[which], column[which]
        pair, there = self.systems.found(near[item, row], near[item, column])
        return ((item * k + row) * k + column)[there], pair[there]
