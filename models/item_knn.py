"""Item-kNN on the last item: items with the same users.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001,
https://doi.org/10.1145/371920.372071.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.counted import ItemToItem
from models.ranking import largest


class ItemKNN(ItemToItem):
    """The ``NEIGHBOURS`` most similar items, by cosine of users: |both| / sqrt(|a| |b|).

    Of equally similar items the more popular one is the neighbour; of equally popular ones, the one
    with the smaller number.
    """

    link = "https://recbole.io/docs/user_guide/model/general/itemknn.html"
    version = 2  # in version 1, popularity reordered items whose cosines were close
    NEIGHBOURS = 100
    ITEMS_PER_CHUNK = 512

    def count(self, items: Tensor, users: Tensor) -> None:
        n_users = int(users.max()) + 1
        # Items are renamed by popularity, so that the first of equals is the more popular one.
        by_popularity = torch.bincount(items, minlength=self.n_items).argsort(
            descending=True, stable=True
        )
        had = torch.unique(by_popularity.argsort()[items] * n_users + users)  # repeats count once
        size = torch.bincount(had // n_users, minlength=self.n_items)
        edges = torch.cat([size.new_zeros(1), size.cumsum(0)])
        chunks = range(0, self.n_items, self.ITEMS_PER_CHUNK)
        near = [self._nearest(had % n_users, edges, n_users, first) for first in chunks]
        similar, rows, columns = (torch.cat(part) for part in zip(*near, strict=True))
        rows, order = by_popularity[rows].sort(stable=True)
        self.fill(rows, by_popularity[columns[order]], similar[order], items)

    def _nearest(
        self, users: Tensor, edges: Tensor, n_users: int, first: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The neighbours of the items of one chunk, from ``first`` on.

        The users of item i are ``users[edges[i]:edges[i + 1]]``. Returns [m] similarities, the item
        of each, and its neighbour.

        The similarity is |both|^2 / |b|, which orders the neighbours b of one item a as the cosine
        does. It is the quotient of two integers, rounded once: equal cosines stay equal.
        """
        last = min(first + self.ITEMS_PER_CHUNK, self.n_items)
        size = edges.diff().clamp(min=1)
        chunk = torch.arange(last - first, device=users.device)
        theirs = torch.zeros(n_users, len(chunk), device=users.device)  # 1 where the user has it
        item = torch.repeat_interleave(chunk, edges[first : last + 1].diff())
        theirs[users[edges[first] : edges[last]], item] = 1.0
        both = F.embedding_bag(users, theirs, edges[:-1], mode="sum").T  # [chunk, n_items]
        similar = both.double().square_().div_(size)
        similar[chunk, chunk + first] = 0.0  # an item is not its own neighbour
        similar.masked_fill_(similar == 0, -torch.inf)
        columns, values = largest(similar, self.NEIGHBOURS)
        rows = (chunk + first)[:, None].expand_as(columns)
        real = values > 0
        return values[real], rows[real], columns[real]
