"""Full ranking: every item of the catalogue is scored, in chunks that fit the caches.

``rank`` gives the position of a known item, for evaluation; ``recommend`` gives the best items, for
use. Both read the same scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.batches import Interactions, histories, pairs
from models.model import Model

USERS_PER_CHUNK = 512
ITEMS_PER_CHUNK = 4096
CACHED_SCORES = 1 << 22  # 16 MB of float32, which the caches of a processor hold
FEWEST_USERS = 32  # a matrix product for fewer is slower by more than it saves
MISS = 2**31 - 1
"""The rank of a target that is no candidate: beyond every cut-off, whatever the catalogue."""


class ScoresError(ValueError):
    """A model's scores are not what ``Model.scores`` promises. The message says how."""


class Scoring(Protocol):
    """What ``rank`` needs of a model."""

    @property
    def n_items(self) -> int: ...

    def scores(self, queries: Any, first: int, last: int) -> Tensor:
        """See ``Model.scores``."""
        ...


@dataclass
class TopItems:
    """The ``k`` best items of each query, from the scores of one chunk of items after the other.

    Equal scores are in the order of the items.
    """

    k: int
    places: Tensor | None = None
    scores: Tensor = field(default_factory=lambda: torch.empty(0))
    """[batch, k], best first."""

    def add(self, scores: Tensor, first: int) -> None:
        """``scores`` [batch, m] are of the items from ``first`` on; -inf: no candidate."""
        places, values = largest(scores, self.k)
        if self.places is None:
            self.places = places + first
            self.scores = values
            return
        # Equal scores stay in the order of the items: earlier chunks stand first.
        both = torch.cat([self.places, places + first], 1)
        places, self.scores = largest(torch.cat([self.scores, values], 1), self.k)
        self.places = both.gather(1, places)

    @property
    def items(self) -> Tensor:
        """[batch, min(k, n_items)] int64; rows end in -1 where too few items are candidates."""
        assert self.places is not None, "a catalogue has an item"
        return self.places.masked_fill(self.scores == -torch.inf, -1)


def users_at_once(n_items: int, device: torch.device) -> int:
    """How many histories are best ranked at once: as many as have their scores in the caches.

    Then ``rank`` scores the catalogue once. Where these would be too few, it is scored twice.
    """
    fitting = CACHED_SCORES // n_items
    if device.type == "cuda" or not FEWEST_USERS <= fitting < USERS_PER_CHUNK:
        return USERS_PER_CHUNK
    return fitting


def rank(
    model: Scoring,
    queries: Any,
    targets: Tensor,
    seen: Tensor | None = None,
    rows: Tensor | None = None,
    best: TopItems | None = None,
) -> Tensor:
    """The rank of each target among all items, from 1: [n_targets] int64.

    ``queries`` are the model's, of a batch of histories; ``targets`` [n_targets] int64 belong to
    the histories in ``rows`` [n_targets] int64, or one to each; ``seen`` [2, n] int64 are (row,
    item) pairs that are not candidates. A target among them is a MISS: it cannot be recommended.
    (If it alone of the history's items were ranked, it would stand out.) ``best`` collects the best
    items of each history from the same scores.

    The rank is n_items minus the number of items that score strictly below the target. So a target
    that ties with other items ranks behind all of them: a constant model ranks every target last.
    Raises ScoresError for scores of another shape or type, and for a target's score that is not a
    number.

    The target's score comes from the same matrix product as the other items': another product
    would round differently and break ties by accident. So all scores are kept until those of the
    targets are known or, where the caches do not hold them, computed twice: from memory they would
    be read more slowly than that.
    """
    chunks = list(_chunks(model.n_items))
    target_scores = torch.empty(len(targets), 1, device=targets.device)
    kept = []
    for first, last in chunks:
        scores = _checked(model.scores(queries, first, last), last - first)
        if len(chunks) == 1 or len(scores) * model.n_items <= CACHED_SCORES:
            kept.append(scores)
        inside = ((targets >= first) & (targets < last))[:, None]
        column = (targets - first).clamp(0, last - first - 1)[:, None]
        found = scores.gather(1, column) if rows is None else scores[rows[:, None], column]
        target_scores = torch.where(inside, found, target_scores)
    if target_scores.isnan().any():
        raise ScoresError("the scores of targets are not numbers (NaN)")
    below = torch.zeros_like(targets)
    for number, (first, last) in enumerate(chunks):
        scores = kept[number] if kept else model.scores(queries, first, last)
        _leave_out(scores, seen, first, last)
        if best is not None:
            best.add(scores, first)
        below += _below(scores, target_scores, rows)
    ranks = model.n_items - below
    if seen is not None:
        row, item = seen
        asked = torch.arange(len(targets), device=targets.device) if rows is None else rows
        ranks[torch.isin(asked * model.n_items + targets, row * model.n_items + item)] = MISS
    return ranks


def _checked(scores: Tensor, items: int) -> Tensor:
    """The scores of so many items, [batch, items] float."""
    found: object = scores  # of a model outside this repository anything may be
    if not isinstance(found, Tensor):
        raise ScoresError(f"scores should be a tensor, not {type(found).__name__}")
    if found.ndim != 2 or found.shape[1] != items or not found.is_floating_point():
        raise ScoresError(
            f"scores are {found.dtype} of shape {list(found.shape)}: they should be float of shape "
            f"[batch, {items}]"
        )
    return found


def _leave_out(scores: Tensor, seen: Tensor | None, first: int, last: int) -> None:
    """Give those of ``seen`` [2, n] int64, (row, item) pairs, the lowest score; ``scores``
    [batch, last - first] are of the items from ``first`` on."""
    if seen is not None:
        row, item = seen[:, (seen[1] >= first) & (seen[1] < last)]
        scores[row, item - first] = -torch.inf


def _below(scores: Tensor, limits: Tensor, rows: Tensor | None) -> Tensor:
    """How many of its row's scores are strictly below each limit, [n] int64.

    ``scores`` [batch, m] are overwritten; ``limits`` [n, 1] and ``rows`` are those of ``rank``.
    """
    # A sum of floats is six times as fast as one of booleans, and exact below 2^24; one of half
    # precision is exact below 2^8 alone.
    if rows is None:
        return torch.lt(scores, limits, out=scores).sum(dim=1, dtype=torch.float32).long()
    counts = []
    for some, below in zip(rows.split(USERS_PER_CHUNK), limits.split(USERS_PER_CHUNK), strict=True):
        of_rows = scores[some]
        counts.append(torch.lt(of_rows, below, out=of_rows).sum(dim=1, dtype=torch.float32))
    return torch.cat(counts).long()


@torch.inference_mode()
def recommend(
    model: Model,
    interactions: Interactions,
    starts: np.ndarray,
    ends: np.ndarray,
    k: int,
    exclude_seen: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The best items after each history ``interactions[start:end]``, and their scores, best first.

    ``starts`` and ``ends`` are [n] int64. Both results are [n, min(k, n_items)], int64 and float32.
    With ``exclude_seen`` the items of a history are left out, also those too old for the model to
    see; where too few items are left, rows end in -1 and -inf. Equal scores are in the order of the
    items. The model is left in evaluation mode.
    """
    model.eval()
    width = min(k, model.n_items)
    best = np.empty((len(starts), width), dtype=np.int64)
    scores = np.empty((len(starts), width), dtype=np.float32)
    items = interactions.items
    if not len(items):  # every history is empty, and padding stands at index 0
        items = items.new_full((1,), model.n_items)
        interactions = Interactions.without_times(items)
    batches = histories(
        interactions,
        starts,
        ends,
        max_length=model.max_length + model.memory,
        batch_size=USERS_PER_CHUNK,
        pad=model.n_items,
    )
    for rows, past in batches:
        seen = pairs(items, starts[rows], ends[rows]) if exclude_seen else None
        found, score = _best(model, model.queries(past), width, seen)
        best[rows], scores[rows] = found.cpu().numpy(), score.cpu().numpy()
    return best, scores


def _best(model: Model, queries: Any, k: int, seen: Tensor | None) -> tuple[Tensor, Tensor]:
    """The k best items, [batch, k] int64, and their scores; k <= n_items."""
    best = TopItems(k)
    for first, last in _chunks(model.n_items):
        scores = model.scores(queries, first, last)  # [batch, last - first]
        _leave_out(scores, seen, first, last)
        best.add(scores, first)
    return best.items, best.scores


def largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The places of the k largest of ``values`` [batch, n], and these: [batch, min(k, n)] each.

    Of equal values the first ones are taken, in their order. ``topk`` takes any of them, in any
    order; a stable sort of everything takes twenty times as long. So only those rows are sorted in
    which the last value taken has an equal that is not taken. Values of -inf are in any order.
    """
    n = values.shape[1]
    k = min(k, n)
    top, places = values.topk(min(k + 1, n))
    split = (top[:, k - 1] == top[:, -1]) & (top[:, -1] > -torch.inf) & (k < n)
    top, places = top[:, :k], places[:, :k]
    places, order = places.sort(dim=1)
    top, order = top.gather(1, order).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, order)
    if split.any():
        found = values[split].sort(dim=1, descending=True, stable=True)
        top[split], places[split] = found.values[:, :k], found.indices[:, :k]
    return places, top


def _chunks(n_items: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n_items, ITEMS_PER_CHUNK):
        yield first, min(first + ITEMS_PER_CHUNK, n_items)
