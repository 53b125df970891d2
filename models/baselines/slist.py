"""SLIST: a linear model of similar items and of following items, in closed form.

Choi et al., "Session-aware Linear Item-Item Models for Session-based Recommendation", WWW 2021,
https://arxiv.org/abs/2103.16104. The training sequence of each user is one session. Sessions have
no weights here: the paper's, by date, are left out. ``local_linear`` has what else differs.
"""

from itertools import product
from typing import Any

import torch
from torch import Tensor

from models.baselines.all_items import AllItems
from models.baselines.local_linear import LocalLinear
from models.baselines.neighbours import chunks, spans
from models.baselines.systems import Products, Systems
from models.counted import Cost

MATRICES = 10  # of all items by all items, that are held at once
PAIRS_PER_CHUNK = 1 << 22  # of places of one sequence


class SLIST(LocalLinear):
    """Items score by the sum of weights from the items of the history to them.

    X [users, items] are the users' sets of items. Each place t of a sequence but the last has a row
    in S and in T: its past, where the item of place a <= t counts ``PAST`` ** (t - a), and its
    future, where that of place b > t counts ``PAST`` ** (b - t - 1). The weights B minimise (the
    paper's section 3.4) ``share`` |X - X B|^2 + (1 - ``share``) |T - S B|^2 + ``ridge`` |B|^2, with
    weights to an item from its neighbours alone or, where ``_of_all_items``, from all other items.
    The weight of an item to itself is what T alone asks for, as if there were no other: 0 where no
    sequence repeats the item.
    """

    link = "https://arxiv.org/abs/2103.16104"
    # Version 1: weights from all items, those to themselves included. Version 2: from neighbours
    # alone. Version 3: in small catalogues from all other items. Version 4: only if they are dense.
    version = 4
    NEIGHBOURS = 300  # docs/sparse-data.md has what more of them are worth
    ALL_ITEMS = 10_000
    KEPT = 600  # of the weights to an item from all others, the largest
    PAST = 0.5
    REACH = 30  # places: what items further apart add is below the precision of the sums
    variants = tuple(
        {"share": share, "ridge": ridge, "decay": decay}
        for share, ridge, decay in product((0.2, 0.5, 0.8), (20.0, 100.0), (0.9, 0.75, 0.5))
    )

    def _of_all_items(self, pairs: float) -> bool:
        """Whether the systems are of all items: of up to ``ALL_ITEMS``, if items have, by a mean,
        more than ``NEIGHBOURS`` others that users share with them. ``pairs`` are those of ``cost``.
        """
        return self.n_items <= self.ALL_ITEMS and pairs > self.NEIGHBOURS * self.n_items

    def systems(self, items: Tensor, users: Tensor) -> Systems:
        pairs = float(torch.bincount(users).double().square().sum())
        if self._of_all_items(pairs):
            return AllItems(items, users, self.n_items, self.KEPT)
        return super().systems(items, users)

    def cost(self, pairs: float) -> Cost | None:
        """With systems of all items: matrices, an inversion and a product for each solution, and
        its weights with their items."""
        solutions = len({(values["share"], values["ridge"]) for values in self.variants})
        return self.cost_of(pairs, solutions)

    def cost_of(self, pairs: float, solutions: int) -> Cost | None:
        """``cost``, of that number of solutions."""
        if not self._of_all_items(pairs):
            return None
        kept = solutions * 12 * self.n_items * min(self.KEPT, self.n_items)
        operations = (4 / 3 + 2) * self.n_items**3
        return Cost(MATRICES * 4 * self.n_items**2 + kept, operations, solutions, "SLIST")

    def of_order(self, systems: Systems, items: Tensor, users: Tensor) -> Products | None:
        """S^T S and S^T T.

        The rows of S to which the places a <= b of one sequence contribute are t = b .. last - 1.
        What they add to S^T S is PAST ** (b - a) times the sum of PAST ** (2 (t - b)). The rows to
        which a contributes by S, and b > a by T, are t = a .. b - 1, by PAST ** (b - a - 1) each.
        """
        sizes = torch.bincount(users)
        starts = (sizes.cumsum(0) - sizes)[users]  # of each interaction's sequence
        everywhere = torch.arange(len(items), device=items.device)
        place = everywhere - starts
        rows = sizes[users] - 1 - place
        rows = (1 - self.PAST ** (2 * rows)) / (1 - self.PAST**2)  # the sum above, over t
        gram, target, own, itself = (torch.zeros_like(x) for x in systems.sets)
        own.index_add_(0, items, rows)
        before = place.clamp(max=self.REACH)
        for first, last in chunks(before, PAIRS_PER_CHUNK):
            b, a = spans((everywhere - before)[first:last], before[first:last])
            b += first
            one, other = items[a], items[b]
            apart = (b - a).float()
            both = self.PAST**apart
            follows = both * apart / self.PAST
            both *= rows[b]
            same = one == other
            own.index_add_(0, one[same], 2 * both[same])
            itself.index_add_(0, one[same], follows[same])
            one, other, both, follows = (x[~same] for x in (one, other, both, follows))
            # Items of one sequence have a user in common.
            pair, ordered = systems.places(one, other)
            gram.index_add_(0, pair, both)
            target.index_add_(0, ordered, follows)
        return Products(gram, target, own, itself)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A state of version 1 scores as it did: by a matrix of all items by all items."""
        if state.pop(prefix + "share", None) is not None:
            state.pop(prefix + "ridge")
            dense = state[prefix + "weights"]
            rows, columns = dense.nonzero(as_tuple=True)
            self.fill(rows, columns, dense[rows, columns])
            for name in ("offsets", "columns", "weights"):
                state[prefix + name] = getattr(self, name)
        super()._load_from_state_dict(state, prefix, *rest)
