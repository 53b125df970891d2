"""Models that are counted in one pass over the interactions."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.model import Model


class Cost(NamedTuple):
    """What a model needs that solves large systems, as known before it counts."""

    memory: int
    """Bytes of all matrices that are held at once, copies of the best weights included."""
    operations: float
    """Of one solution; a multiplication and an addition count as two."""
    solutions: int
    model: str = ""
    """The name of the model; empty: the one that is asked."""


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

    def forget_variants(self) -> None:
        """Free what ``use`` needs alone: no variant is used any more."""

    def cost(self, pairs: float) -> Cost | None:
        """None: it is small, or not known beforehand. ``pairs`` are those of training interactions
        of one user, the sum over users."""
        return None

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """torch would refuse buffers of another size."""
        for name, buffer in self._buffers.items():
            if buffer is not None and prefix + name in state:
                self._buffers[name] = state[prefix + name].to(buffer.device, copy=True)
        super()._load_from_state_dict(state, prefix, *rest)


def differs(keys: Tensor) -> Tensor:
    """Whether the keys [k, ..., m] at each place differ from those before it: [..., m] bool."""
    first = keys.new_ones(keys[0, ..., :1].shape, dtype=torch.bool)
    return torch.cat([first, (keys[..., 1:] != keys[..., :-1]).any(0)], -1)
