"""Checks of how a model scores histories."""

from itertools import pairwise

import torch
from torch.nn.functional import pad

from benchmark.contract.subject import N_ITEMS, Broken, Subject, check_same, check_tensor
from models.model import Histories


def shapes(subject: Subject) -> None:
    """Scores are finite floats of the right shape, in memory of their own."""
    model = subject.fitted
    histories = subject.histories(subject.longest)
    with torch.inference_mode():
        queries = model.queries(histories)
        for first, last in ((0, N_ITEMS), (2, 5), (N_ITEMS - 1, N_ITEMS)):
            scores = model.scores(queries, first, last)
            check_tensor("scores", scores, (len(histories.items), last - first), floating=True)
            if not torch.isfinite(scores).all():
                raise Broken(f"scores of items {first} to {last - 1} are not all finite")
        kept = scores.clone()
        scores += 1
        if not torch.equal(model.scores(queries, N_ITEMS - 1, N_ITEMS), kept):
            raise Broken("scores returns memory of the model or of the queries: copy it")


def chunks(subject: Subject) -> None:
    """The scores of an item do not depend on the range in which they are asked for."""
    model = subject.fitted
    with torch.inference_mode():
        queries = model.queries(subject.histories(subject.longest))
        whole = model.scores(queries, 0, N_ITEMS)
        edges = [*range(0, N_ITEMS, 7), N_ITEMS]
        pieces = pairwise(edges)
        parts = torch.cat([model.scores(queries, *edge) for edge in pieces], 1)
    check_same(parts, whole, "the scores of ranges of items are not those of all items at once")


def padding(subject: Subject) -> None:
    """More padding to the left of a history changes no score."""
    longest = subject.longest
    short = max(1, longest - 4)
    items, baskets = subject.histories(short)
    more = longest - short
    longer = Histories(
        pad(items, (more, 0), value=N_ITEMS),
        pad(baskets, (more, 0)),
    )
    check_same(
        subject.scores(longer),
        subject.scores(Histories(items, baskets)),
        f"scores change with {more} more columns of padding",
    )


def rows(subject: Subject) -> None:
    """The scores of a history do not depend on the rest of its batch."""
    histories = subject.histories(subject.longest)
    alone = [subject.scores(histories.rows(slice(n, n + 1))) for n in range(len(histories.items))]
    check_same(
        torch.cat(alone),
        subject.scores(histories),
        "a history's scores depend on the other histories of the batch",
    )
