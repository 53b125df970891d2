"""Where the true next item of each user stands among all items of the catalogue."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.training import workers
from benchmark.training.batches import histories
from benchmark.training.memory import out_of_memory
from datasets.sequences import Targets
from models.batches import pairs
from models.ranking import USERS_PER_CHUNK, rank


def protocol(history: str) -> str:
    """What two results must have in common to be compared, beside data and split."""
    masked = "masked" if history == "masked" else "not masked"
    return f"every item a candidate; history {masked}; ties rank last; best valid ndcg@10"


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
            seen = None
            if history == "masked":
                of = rows[part]
                seen = pairs(items, targets.starts[of], targets.positions[of])
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
