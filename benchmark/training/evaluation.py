"""The rank of each target among all items of the catalogue."""

from dataclasses import replace

import numpy as np
import torch

from benchmark.errors import UserError
from benchmark.measures import protocol as protocols
from benchmark.measures.protocol import Protocol
from benchmark.training import workers
from benchmark.training.memory import out_of_memory
from datasets.sequences import Sequences
from datasets.splitting.targets import Split, Targets
from models.batches import Interactions, histories, pairs, within
from models.model import Model
from models.progress import Bar, no_bar
from models.ranking import TopItems, rank, users_at_once


def protocol(history: str, sequences: Sequences, split: Split, evaluate_users: int = 0) -> str:
    """What two results must share to be compared, beside the data.

    ``history`` and ``evaluate_users`` are the settings. A sample as large as all users is none.
    """
    of = _sampled(sequences, split, evaluate_users)
    again = (0, 0) if history == "ranked" else repeated(sequences, of)
    rule = protocols.history(history, again)
    return str(Protocol.of(split.name, rule, 0 if of is split else evaluate_users))


def repeated(sequences: Sequences, split: Split) -> tuple[int, int]:
    """The number of targets of validation and of test that are in their own history."""
    valid = split.valid.repeated(sequences.items)
    test = split.test.repeated(sequences.items)
    return int(valid.sum()), int(test.sum())


def sample(sequences: Sequences, targets: Targets, n_users: int) -> np.ndarray:
    """Whether a target's user is in the fixed sample, [n] bool; ``n_users`` 0: all are.

    The sample consists of the ``n_users`` users with the smallest hashes of their ids, among those
    with targets. So it depends on the ids alone, and a larger sample includes a smaller one.
    """
    everybody = np.ones(len(targets.users), dtype=bool)
    if not n_users:
        return everybody
    users = np.unique(targets.users)
    if n_users >= len(users):
        return everybody
    order = np.argsort(sequences.user_ids.chosen(users).hashes(), kind="stable")
    return np.isin(targets.users, users[order[:n_users]])


def _sampled(sequences: Sequences, split: Split, n_users: int) -> Split:
    """The split with the targets of the sample; the same one if nobody is left out."""
    valid = sample(sequences, split.valid, n_users)
    test = sample(sequences, split.test, n_users)
    if valid.all() and test.all():
        return split
    return replace(split, valid=split.valid.chosen(valid), test=split.test.chosen(test))


def evaluated(history: str, sequences: Sequences, split: Split, evaluate_users: int = 0) -> Split:
    """The split with the targets that are evaluated: those of a sample of users (see ``sample``).
    "novel" leaves out the targets that repeat.

    Raises UserError if validation or test is left without any.
    """
    split = _sampled(sequences, split, evaluate_users)
    if history != "novel":
        return split
    new = {}
    for part, targets in (("valid", split.valid), ("test", split.test)):
        new[part] = targets.chosen(~targets.repeated(sequences.items))
        if not len(new[part].users):
            raise UserError(
                f"history novel leaves nobody to evaluate in {part}: each target is an item that "
                "its user had before; use history ranked, or other data"
            )
    return replace(split, valid=new["valid"], test=new["test"])


def rank_targets(
    model: Model,
    interactions: Interactions,
    targets: Targets,
    history: str = "ranked",
    bar: Bar = no_bar,
) -> np.ndarray:
    """The ranks of all targets, [n_targets] int64: see ``rank_and_list``."""
    return rank_and_list(model, interactions, targets, history, bar, k=0)[0]


@torch.inference_mode()
def rank_and_list(
    model: Model,
    interactions: Interactions,
    targets: Targets,
    history: str = "ranked",
    bar: Bar = no_bar,
    *,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The ranks of all targets, [n_targets] int64, and the k best items of each query.

    These are [n_queries, min(k, n_items)] int64, as ``models.ranking.TopItems`` has them. Both are
    in the order of the targets.

    ``interactions`` are those of ``Sequences``, on the model's device. With ``history`` "ranked"
    the items of a target's history are candidates like all others; otherwise none of them is,
    neither those that the model sees nor older ones, and a target among them is a
    ``models.ranking.MISS``. Each process of a shared trial ranks its share, and all processes get
    all ranks. Batches of users are halved where memory is short.
    """
    model.eval()
    items = interactions.items
    ranks = torch.zeros(len(targets.positions), dtype=torch.int64, device=items.device)
    first = targets.first_of_queries
    counts = np.diff(first, append=len(targets.positions))
    queries = targets.chosen(first)
    k = min(k, model.n_items)
    lists = torch.zeros((len(first), k), dtype=torch.int64, device=items.device)
    at_once = users_at_once(model.n_items, items.device)
    batches = histories(
        interactions,
        queries.starts,
        queries.ends,
        max_length=model.max_length + model.memory,
        batch_size=at_once,
        pad=model.n_items,
    )
    total = -(-len(first) // at_once)
    for number, (rows, past) in enumerate(bar(batches, total=total, desc="ranking")):
        if number % workers.size() != workers.number():
            continue
        done = 0
        while done < len(rows):
            part = slice(done, done + at_once)
            of = rows[part]
            masked = history != "ranked"
            seen = pairs(items, queries.starts[of], queries.ends[of]) if masked else None
            row, place = within(counts[of])
            wanted = first[of][row] + place  # [m] targets of these queries
            target = items[torch.from_numpy(targets.positions[wanted]).to(items.device)].long()
            best = TopItems(k) if k else None
            several = len(wanted) > len(of)
            row_of = torch.from_numpy(row).to(items.device) if several else None
            try:
                found = rank(model, model.queries(past.rows(part)), target, seen, row_of, best)
            except RuntimeError as error:
                if not out_of_memory(error) or at_once == 1:
                    raise
                at_once //= 2
                continue
            ranks[torch.from_numpy(wanted).to(items.device)] = found
            if best is not None:
                lists[torch.from_numpy(of).to(items.device)] = best.items
            done += at_once
    if k:
        workers.total(lists)
    return workers.total(ranks).cpu().numpy(), lists.cpu().numpy()
