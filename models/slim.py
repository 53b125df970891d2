"""SLIM over neighbours: a sparse linear model, solved in closed form, for catalogues of any size.

Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011,
https://doi.org/10.1109/ICDM.2011.134, with the feature selection of its section IV-C (fsSLIM): the
weights to an item come from its most similar items alone. There is no penalty of the absolute
weights, so that these are the solution of a small linear system for each item, as in EASE.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from models.linear import SparseLinear
from models.neighbours import Pairs, by_popularity, nearest, pairs_in_common

NEIGHBOURS = 100
ITEMS_PER_BATCH = 256  # solved at once
RIDGES = (20.0, 100.0, 300.0, 1000.0)


class SLIM(SparseLinear):
    """Items score by the sum of weights from those items of the history that are their neighbours.

    The neighbours N of an item j are the ``NEIGHBOURS`` items with the highest cosine of users.
    With G the number of users of each pair of items, the weights from N to j are the solution of
    (G_NN + ``ridge`` I) w = G_Nj. With all other items as neighbours, they are those of EASE.
    """

    link = "https://doi.org/10.1109/ICDM.2011.134"
    variants = tuple(
        {"ridge": ridge, "decay": decay} for ridge, decay in product(RIDGES, (1.0, 0.9, 0.75, 0.5))
    )

    def __init__(self, n_items: int):
        super().__init__(n_items)
        # Once counted: the neighbours, and the weights by ridge, as of ``slim_solutions``.
        self.solved: tuple[Tensor, dict[float, Tensor]] | None = None

    def count(self, items: Tensor, users: Tensor, ridges: Sequence[float] = RIDGES) -> None:
        """``ridges``: the values that ``use`` can take afterwards."""
        neighbours, weights = slim_solutions(items, users, self.n_items, ridges, NEIGHBOURS)
        self.solved = neighbours, dict(zip(ridges, weights, strict=True))

    def use(self, **values: float) -> None:
        """``values`` are ``ridge`` and ``decay``."""
        assert self.solved is not None, "counted before"
        self.decay.fill_(values["decay"])
        neighbours, by_ridge = self.solved
        weights = by_ridge[values["ridge"]]
        item, place = weights.nonzero(as_tuple=True)
        self.fill(neighbours[item, place], item, weights[item, place])

    def forget(self) -> None:
        """Keep the solution that is used, and no other."""
        self.solved = None


class _Problems(NamedTuple):
    """The linear systems of all items. Items have new numbers, in the order of popularity."""

    neighbours: Tensor
    """[n_items, k] int64, ascending; ``n_items`` where there are fewer than k."""
    keys: Tensor
    """[m] int64, ascending: first * (n_items + 1) + second, of pairs with users in common and first
    < second."""
    users: Tensor
    """[m] float: the users of these pairs."""
    sizes: Tensor
    """[n_items + 1] float: the users of each item; 0 for padding."""


def slim_weights(
    items: Tensor, users: Tensor, n_items: int, ridge: float = 100.0, k: int = NEIGHBOURS
) -> tuple[Tensor, Tensor]:
    """The neighbours of each item, and the weights from these to it.

    ``items`` and ``users`` are those of ``Counted.count``, on any device. Returns [n_items, k]
    int64, ``n_items`` where there are fewer neighbours, and [n_items, k] float32, 0 there.
    """
    neighbours, solutions = slim_solutions(items, users, n_items, [ridge], k)
    return neighbours, solutions[0]


def slim_solutions(
    items: Tensor, users: Tensor, n_items: int, ridges: Sequence[float], k: int
) -> tuple[Tensor, Tensor]:
    """``slim_weights`` for several ridges: [n_items, k] neighbours, [ridges, n_items, k] weights.

    Most of the time passes in reading the matrices G_NN, once for all ridges.
    """
    order, sizes, renamed = by_popularity(items, users, n_items)
    problems = _problems(pairs_in_common(renamed, users, n_items), sizes, k)
    names = torch.cat([order, order.new_full((1,), n_items)])
    solutions = torch.zeros(len(ridges), n_items, k, device=items.device)
    found = (problems.neighbours < n_items).sum(1)
    # The items of a batch have equally many neighbours, or nearly: there is little to pad.
    for batch in found.argsort().split(ITEMS_PER_BATCH):
        most = int(found[batch[-1]])
        gram, target = _systems(problems.neighbours[batch, :most], batch, problems)
        for place, ridge in enumerate(ridges):
            system = gram.clone()
            system.diagonal(dim1=1, dim2=2).add_(ridge)
            solved = torch.cholesky_solve(target[..., None], torch.linalg.cholesky(system))
            solutions[place, order[batch], :most] = solved[..., 0].float()
    neighbours = torch.empty_like(problems.neighbours)
    neighbours[order] = names[problems.neighbours]
    return neighbours, solutions


def _problems(chunks: Iterator[Pairs], sizes: Tensor, k: int) -> _Problems:
    n_items = len(sizes)
    neighbours = torch.full((n_items, k), n_items, device=sizes.device)
    keys = []
    both = []
    for pairs in chunks:
        near = pairs.chosen(nearest(pairs, sizes, k))
        place = torch.arange(len(near.rows), device=sizes.device)
        place -= torch.searchsorted(near.rows, near.rows)
        neighbours[near.rows, place] = near.columns
        upper = pairs.chosen(pairs.rows < pairs.columns)
        keys.append(upper.rows * (n_items + 1) + upper.columns)
        both.append(upper.users.float())
    return _Problems(
        neighbours.sort(1).values,
        # The last key is larger than any that is searched.
        torch.cat([*keys, sizes.new_full((1,), (n_items + 1) ** 2)]),
        torch.cat([*both, sizes.new_zeros(1).float()]),
        torch.cat([sizes, sizes.new_zeros(1)]).float(),
    )


def _systems(near: Tensor, items: Tensor, problems: _Problems) -> tuple[Tensor, Tensor]:
    """G_NN [batch, k, k] and G_Nj [batch, k], float64, of ``items`` j and neighbours N ``near``."""
    k = near.shape[1]
    a, b = torch.triu_indices(k, k, 1, device=near.device)
    gram = torch.diag_embed(problems.sizes[near].double())
    both = _users(near[:, a], near[:, b], problems)
    gram[:, a, b] = both
    gram[:, b, a] = both
    item = items[:, None].expand_as(near)
    return gram, _users(torch.minimum(near, item), torch.maximum(near, item), problems)


def _users(first: Tensor, second: Tensor, problems: _Problems) -> Tensor:
    """The users of pairs of items, ``first`` < ``second`` or padding; float64."""
    keys = first * len(problems.sizes) + second
    place = torch.searchsorted(problems.keys, keys)
    return (problems.users[place] * (problems.keys[place] == keys)).double()
