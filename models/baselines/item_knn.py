"""Item-kNN: items with the same users as the items of the history.

Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001,
https://doi.org/10.1145/371920.372071; recent items of the history count more.
"""

from typing import Any

import torch
from torch import Tensor

from models.baselines.linear import SparseLinear
from models.baselines.neighbours import (
    by_popularity,
    nearest,
    pairs_in_common,
    popularity_below_zero,
)


class ItemKNN(SparseLinear):
    """Items score by the sum of their cosines to those items of the history they are neighbours of.

    The neighbours of an item are the ``NEIGHBOURS`` others with the highest cosine of users, |both|
    / sqrt(|a| |b|). Of equally similar items the more popular one is the neighbour; of equally
    popular ones, the one with the smaller number. Items that are no neighbours follow, by
    popularity. With the smallest ``decay``, hardly more than the last basket of the history counts.
    """

    link = "https://recbole.io/docs/user_guide/model/general/itemknn.html"
    version = 3  # version 2 knew the last item alone; in version 1, it reordered close cosines
    NEIGHBOURS = 100
    variants = tuple({"decay": decay} for decay in (1.0, 0.9, 0.75, 0.5, 0.25, 0.01))

    def count(self, items: Tensor, users: Tensor) -> None:
        order, sizes, renamed = by_popularity(items, users, self.n_items)
        near = []
        for pairs in pairs_in_common(renamed, users, self.n_items):
            near.append(pairs.chosen(nearest(pairs, sizes, self.NEIGHBOURS)))
        rows, columns, both = (torch.cat(parts) for parts in zip(*near, strict=True))
        cosines = both / (sizes[rows] * sizes[columns]).sqrt()
        self.fill(order[rows], order[columns], cosines)
        self.popularity = popularity_below_zero(items, self.n_items)

    def use(self, **values: float) -> None:
        """``values`` are ``decay``."""
        self.decay.fill_(values["decay"])

    def score_all(self, items: Tensor, weights: Tensor) -> Tensor:
        scores = super().score_all(items, weights)
        return torch.where(scores > 0, scores, self.popularity)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A state of version 2 scores as it did: by the last item, by places instead of cosines."""
        places = state.pop(prefix + "values", None)
        if places is not None:
            popularity = state[prefix + "popularity"]
            state[prefix + "weights"] = places + popularity[state[prefix + "columns"]]
            state[prefix + "decay"] = torch.ones(())
            self.max_length = 1
        super()._load_from_state_dict(state, prefix, *rest)
