"""Models that are counted in one pass over the interactions."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.model import Model

ITEMS_PER_CHUNK = 512  # of which the users of all pairs are counted at once


class Cost(NamedTuple):
    """What a model needs that solves large systems, as known before it counts."""

    memory: int
    """Bytes of all matrices that are held at once, copies of the best weights included."""
    operations: float
    """Of one solution; a multiplication and an addition count as two."""
    solutions: int


class Counted(Model):
    """A model without parameters. Buffers hold its counts; their sizes follow from the data."""

    max_length = 1  # the last item is all that is read, unless a model says otherwise
    variants: tuple[Mapping[str, float], ...] = ({},)

    def __init__(self, n_items: int):
        super().__init__()
        self.n_items = n_items

    @abstractmethod
    def count(self, items: Tensor, users: Tensor) -> None:
        """All that the model knows."""

    def cost(self) -> Cost | None:
        """None: it is small, or not known beforehand."""
        return None

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """torch would refuse buffers of another size."""
        for name, buffer in self._buffers.items():
            if buffer is not None and prefix + name in state:
                self._buffers[name] = state[prefix + name].to(buffer.device, copy=True)
        super()._load_from_state_dict(state, prefix, *rest)


def users_in_common(items: Tensor, users: Tensor, n_items: int) -> Tensor:
    """The number of users of each pair of items: [n_items, n_items] float32.

    ``items`` and ``users`` are those of ``Counted.count``. Repeats count once.
    """
    n_users = int(users.max()) + 1
    had = torch.unique(items * n_users + users)  # ordered by item
    edges = torch.searchsorted(had, torch.arange(n_items + 1, device=had.device) * n_users)
    of_items = had % n_users
    common = torch.empty(n_items, n_items, device=items.device)
    for first in range(0, n_items, ITEMS_PER_CHUNK):
        last = min(first + ITEMS_PER_CHUNK, n_items)
        chunk = torch.arange(last - first, device=items.device)
        theirs = torch.zeros(n_users, len(chunk), device=items.device)  # 1 where the user has it
        item = torch.repeat_interleave(chunk, edges[first : last + 1].diff())
        theirs[of_items[edges[first] : edges[last]], item] = 1.0
        common[first:last] = F.embedding_bag(of_items, theirs, edges[:-1], mode="sum").T
    return common


def differs(keys: Tensor) -> Tensor:
    """Whether the keys [k, ..., m] at each place differ from those before it: [..., m] bool."""
    first = keys.new_ones(keys[0, ..., :1].shape, dtype=torch.bool)
    return torch.cat([first, (keys[..., 1:] != keys[..., :-1]).any(0)], -1)
