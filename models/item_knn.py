"""Item-kNN on the last item: items with the same users.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001,
https://doi.org/10.1145/371920.372071.
"""

import torch
from torch import Tensor

from models.counted import ItemToItem, rows_in_common
from models.ranking import largest


class ItemKNN(ItemToItem):
    """The ``NEIGHBOURS`` most similar items, by cosine of users: |both| / sqrt(|a| |b|).

    Of equally similar items the more popular one is the neighbour; of equally popular ones, the one
    with the smaller number.
    """

    link = "https://recbole.io/docs/user_guide/model/general/itemknn.html"
    version = 2  # in version 1, popularity reordered items whose cosines were close
    NEIGHBOURS = 100

    def count(self, items: Tensor, users: Tensor) -> None:
        n_users = int(users.max()) + 1
        # Items are renamed by popularity, so that the first of equals is the more popular one.
        by_popularity = torch.bincount(items, minlength=self.n_items).argsort(
            descending=True, stable=True
        )
        had = torch.unique(by_popularity.argsort()[items] * n_users + users)  # repeats count once
        size = torch.bincount(had // n_users, minlength=self.n_items)
        edges = torch.cat([size.new_zeros(1), size.cumsum(0)])
        chunks = rows_in_common(had % n_users, edges)
        near = [self._nearest(both, size, first) for first, both in chunks]
        similar, rows, columns = (torch.cat(part) for part in zip(*near, strict=True))
        rows, order = by_popularity[rows].sort(stable=True)
        self.fill(rows, by_popularity[columns[order]], similar[order], items)

    def _nearest(self, both: Tensor, size: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """The neighbours of the items of one chunk, from ``first`` on.

        ``both`` [chunk, n_items] are the users in common, ``size`` [n_items] the users of each
        item. Returns [m] similarities, the item of each, and its neighbour.

        The similarity is |both|^2 / |b|, which orders the neighbours b of one item a as the cosine
        does. It is the quotient of two integers, rounded once: equal cosines stay equal.
        """
        chunk = torch.arange(len(both), device=both.device)
        similar = both.double().square_().div_(size.clamp(min=1))
        similar[chunk, chunk + first] = 0.0  # an item is not its own neighbour
        similar.masked_fill_(similar == 0, -torch.inf)
        columns, values = largest(similar, self.NEIGHBOURS)
        rows = (chunk + first)[:, None].expand_as(columns)
        real = values > 0
        return values[real], rows[real], columns[real]
