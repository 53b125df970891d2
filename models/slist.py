"""SLIST: a linear model of similar items and of following items, solved in closed form.

Choi et al., "Session-aware Linear Item-Item Models for Session-based Recommendation", WWW 2021,
https://arxiv.org/abs/2103.16104. The training sequence of each user is one session. Sessions have
no weights here: the paper's, by date, are left out.
"""

from itertools import product

import torch
from torch import Tensor

from models.counted import Cost, users_in_common
from models.ease import check_catalogue, inverse_of
from models.linear import DenseLinear
from models.neighbours import chunks, spans

PAIRS_PER_CHUNK = 1 << 22  # of places of one sequence


class SLIST(DenseLinear):
    """Items score by the sum of weights from the items of the history to them.

    X [users, items] are the users' sets of items. Each place t of a sequence but the last has a row
    in S and in T: its past, where the item of place a <= t counts ``PAST`` ** (t - a), and its
    future, where that of place b > t counts ``PAST`` ** (b - t - 1). The weights B minimise (the
    paper's section 3.4) ``share`` |X - X B|^2 + (1 - ``share``) |T - S B|^2 + ``ridge`` |B|^2.
    """

    link = "https://arxiv.org/abs/2103.16104"
    PAST = 0.5
    variants = tuple(
        {"share": share, "ridge": ridge, "decay": decay}
        for share, ridge, decay in product((0.2, 0.8), (20.0, 100.0), (0.9, 0.75, 0.5))
    )

    share: Tensor
    """[] float: of ``weights``."""
    ridge: Tensor
    """[] float: of ``weights``; 0 before the first solution."""

    def __init__(self, n_items: int):
        """Raises ValueError for a catalogue whose square does not fit into memory."""
        check_catalogue("SLIST", n_items)
        super().__init__(n_items)
        self.register_buffer("share", torch.zeros(()))
        self.register_buffer("ridge", torch.zeros(()))
        self.sequences: tuple[Tensor, Tensor] | None = None  # those of ``count``

    def cost(self) -> Cost:
        """Five matrices of all items by all items; a solution is an inversion and a product."""
        solved = {(values["share"], values["ridge"]) for values in self.variants}
        return Cost(5 * 4 * self.n_items**2, (4 / 3 + 2) * self.n_items**3, len(solved))

    def count(self, items: Tensor, users: Tensor) -> None:
        self.sequences = items, users

    def use(self, **values: float) -> None:
        """``values`` are ``share``, ``ridge`` and ``decay``. A new ridge or share takes a matrix
        inversion."""
        self.decay.fill_(values["decay"])
        solved = float(self.share), float(self.ridge)
        self.share.fill_(values["share"])
        self.ridge.fill_(values["ridge"])
        if (float(self.share), float(self.ridge)) != solved:
            self._solve(values["share"], values["ridge"])

    def _solve(self, share: float, ridge: float) -> None:
        assert self.sequences is not None, "counted before"
        self.weights = torch.zeros(0, 0, device=self.sequences[0].device)  # frees the memory
        system = users_in_common(*self.sequences, self.n_items).mul_(share)
        target = system.clone()
        self._add_pairs(system, target, 1 - share)
        inverse = inverse_of(system, ridge)
        del system
        self.weights = inverse @ target

    def _add_pairs(self, system: Tensor, target: Tensor, share: float) -> None:
        """Add ``share`` times S^T S to ``system``, and S^T T to ``target`` [n_items, n_items].

        The rows of S to which the places a <= b of one sequence contribute are t = b .. last - 1:
        PAST ** (b - a) times the sum of PAST ** (2 (t - b)) is what they add to S^T S. The rows to
        which a contributes by S, and b > a by T, are t = a .. b - 1, by PAST ** (b - a - 1) each.
        """
        assert self.sequences is not None, "counted before"
        items, users = self.sequences
        sizes = torch.bincount(users)
        starts = (sizes.cumsum(0) - sizes)[users]  # of each interaction's sequence
        place = torch.arange(len(items), device=items.device) - starts
        rows = sizes[users] - 1 - place
        rows = (1 - self.PAST ** (2 * rows)) / (1 - self.PAST**2)  # the sum above, over t
        system.view(-1).index_add_(0, items * (self.n_items + 1), share * rows)
        for first, last in chunks(place, PAIRS_PER_CHUNK):
            b, a = spans(starts[first:last], place[first:last])
            b += first
            apart = (b - a).float()
            both = share * self.PAST**apart
            for one, other in ((a, b), (b, a)):
                entry = items[one] * self.n_items + items[other]
                system.view(-1).index_add_(0, entry, both * rows[b])
            entry = items[a] * self.n_items + items[b]
            target.view(-1).index_add_(0, entry, both * apart / self.PAST)
