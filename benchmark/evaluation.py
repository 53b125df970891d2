"""Full ranking: where the true next item stands among all items of the catalogue."""

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.batches import histories
from datasets.sequences import Targets

PROTOCOL = "every item a candidate; history not masked; ties rank last; best valid ndcg@10"

USERS_PER_CHUNK = 512
ITEMS_PER_CHUNK = 32_768  # times USERS_PER_CHUNK: at most 64 MB of float32 scores at a time


def rank(model: nn.Module, queries: Tensor, targets: Tensor) -> Tensor:
    """Rank of each target among all items: [batch, hidden], [batch] int64 -> [batch] int64.

    The rank is n_items minus the number of items that score strictly below the target. So a
    target that ties with others stands behind all of them, and a score that is not a number
    never helps: a constant model, or a broken one, ranks every target last.

    The target's score is read from the same matrix product as its rivals' (a product taken apart
    would round differently and break ties by accident); a catalogue of several chunks is
    therefore scored twice.
    """
    chunks = [
        (first, min(first + ITEMS_PER_CHUNK, model.n_items))
        for first in range(0, model.n_items, ITEMS_PER_CHUNK)
    ]
    target_scores = torch.empty(len(targets), 1, device=queries.device)
    for first, last in chunks:
        scores = model.scores(queries, first, last)  # [batch, last - first]
        inside = ((targets >= first) & (targets < last))[:, None]
        column = (targets - first).clamp(0, last - first - 1)[:, None]
        target_scores = torch.where(inside, scores.gather(1, column), target_scores)
    below = torch.zeros_like(targets)
    for first, last in chunks:
        if len(chunks) > 1:
            scores = model.scores(queries, first, last)
        below += (scores < target_scores).sum(dim=1)
    return model.n_items - below


@torch.inference_mode()
def rank_targets(model: nn.Module, items: Tensor, targets: Targets) -> np.ndarray:
    """Ranks of all targets, [n_targets] int64, in their order; histories are not masked."""
    model.eval()
    ranks = np.empty(len(targets.positions), dtype=np.int64)
    for rows, history, target in histories(
        items,
        targets,
        max_length=model.max_length,
        batch_size=USERS_PER_CHUNK,
        pad=model.n_items,
    ):
        ranks[rows] = rank(model, model.queries(history), target).cpu().numpy()
    return ranks
