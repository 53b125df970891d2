"""Full ranking: where the true next item stands among all items of the catalogue."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark import workers
from benchmark.batches import histories, within
from benchmark.memory import out_of_memory
from datasets.sequences import Targets

USERS_PER_CHUNK = 512
ITEMS_PER_CHUNK = 4096  # times USERS_PER_CHUNK: 8 MB of float32 scores, which caches hold


def protocol(history: str) -> str:
    """What two results must have in common to be compared, beside data and split."""
    masked = "masked" if history == "masked" else "not masked"
    return f"every item a candidate; history {masked}; ties rank last; best valid ndcg@10"


def rank(model: nn.Module, queries: Any, targets: Tensor, seen: Tensor | None = None) -> Tensor:
    """Rank of each target among all items: the model's queries, [batch] int64 -> [batch] int64.

    ``seen`` [2, n] int64 are (row, item) pairs that are no candidates (the target always is one).

    The rank is n_items minus the number of items that score strictly below the target. So a
    target that ties with others stands behind all of them, and a score that is not a number
    never helps: a constant model, or a broken one, ranks every target last.

    The target's score is read from the same matrix product as its rivals' (a product taken apart
    would round differently and break ties by accident); a catalogue of several chunks is
    therefore scored twice. Scoring all at once takes three times as long: memory is the limit.
    """
    chunks = [
        (first, min(first + ITEMS_PER_CHUNK, model.n_items))
        for first in range(0, model.n_items, ITEMS_PER_CHUNK)
    ]
    target_scores = torch.empty(len(targets), 1, device=targets.device)
    for first, last in chunks:
        scores = model.scores(queries, first, last)  # [batch, last - first]
        inside = ((targets >= first) & (targets < last))[:, None]
        column = (targets - first).clamp(0, last - first - 1)[:, None]
        target_scores = torch.where(inside, scores.gather(1, column), target_scores)
    below = torch.zeros_like(targets)
    for first, last in chunks:
        if len(chunks) > 1:
            scores = model.scores(queries, first, last)
        if seen is not None:
            row, item = seen[:, (seen[1] >= first) & (seen[1] < last)]
            other = item != targets[row]
            scores[row[other], item[other] - first] = -torch.inf
        # Summing numbers instead of truth values is six times as fast, and exact below 2^24.
        below += torch.lt(scores, target_scores, out=scores).sum(dim=1).long()
    return model.n_items - below


@torch.inference_mode()
def rank_targets(
    model: nn.Module,
    items: Tensor,
    targets: Targets,
    history: str = "ranked",
    progress: Callable[..., Iterable] = lambda batches, **_: batches,
) -> np.ndarray:
    """Ranks of all targets, [n_targets] int64, in their order.

    The items of a target's history (all of it, not only what the model sees) are candidates like
    all others if ``history`` is "ranked", and none if it is "masked". Each process of a
    distributed trial ranks its share, and all of them get all ranks. Where memory does not suffice
    for a batch of users it is halved.
    """
    model.eval()
    ranks = torch.zeros(len(targets.positions), dtype=torch.int64, device=items.device)
    batches = histories(
        items,
        targets,
        max_length=model.max_length,
        batch_size=USERS_PER_CHUNK,
        pad=model.n_items,
    )
    total, at_once = -(-len(targets.users) // USERS_PER_CHUNK), USERS_PER_CHUNK
    for number, (rows, past, target) in enumerate(progress(batches, total=total, desc="ranking")):
        if number % workers.size() != workers.rank():
            continue
        done = 0
        while done < len(rows):
            part = slice(done, done + at_once)
            seen = _pairs(items, targets, rows[part]) if history == "masked" else None
            try:
                found = rank(model, model.queries(past[part]), target[part], seen)
            except RuntimeError as error:
                if not out_of_memory(error) or at_once == 1:
                    raise
                at_once //= 2
                continue
            ranks[torch.from_numpy(rows[part]).to(items.device)] = found
            done += at_once
    return workers.total(ranks).cpu().numpy()


def _pairs(items: Tensor, targets: Targets, rows: np.ndarray) -> Tensor:
    """(row, item) of all interactions before each of those targets: [2, n] int64."""
    starts, lengths = targets.starts[rows], targets.positions[rows] - targets.starts[rows]
    row, step = within(lengths)
    index = torch.from_numpy(starts[row] + step).to(items.device)
    return torch.stack([torch.from_numpy(row).to(items.device), items[index]])
