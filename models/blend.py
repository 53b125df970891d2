"""A network beside SLIM: the start of its item embeddings, and a second part of its scores.

A network of width 64 cannot hold which items have users in common, item by item; a sparse matrix
can. docs/sparse-data.md has what either part is worth.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.model import Examples, Histories, LearnedModel
from models.slim import SLIM

RIDGE = 100.0  # between the best ones of the data sets that were tried
FLOOR = 1e-3  # of SLIM's scores before their logarithm
START = 0.05  # standard deviation of the embeddings' starts, beside the random ones
SPARE = 16  # more eigenvectors than are used, so that those converge in fewer iterations
ITERATIONS = 10

DECAY = 0.75  # of SLIM, likewise
VARIANTS = tuple({"weight": weight} for weight in (0.5, 1.0, 2.0, 4.0, 8.0))


class BlendQuery(NamedTuple):
    """What is known of some histories before any item is scored."""

    network: Any
    """The network's query."""
    slim: Tensor | None
    """[batch, n_items] float: SLIM's part of the scores; None if it has no weight."""


class Blend(LearnedModel):
    """The ``network``'s scores, plus ``weight`` times the logarithm of SLIM's.

    A network that is trained with a softmax scores by logarithms of probabilities, and SLIM by
    estimates of probabilities; the logarithm makes them alike. The network is trained alone. Then
    several weights are tried on validation: the result is two models, each trained without the
    other.
    """

    weight: Tensor
    """[] float: 0 while the network is trained."""

    def __init__(self, network: LearnedModel, *, start: bool, scores: bool):
        """``start``: the item embeddings start from a factorization of SLIM's weights.
        ``scores``: SLIM has a part in the scores."""
        super().__init__()
        self.network = network
        self.n_items = network.n_items
        self.max_length = network.max_length
        self.memory = network.memory
        self.window = network.window
        self.start = start
        self.slim = SLIM(network.n_items) if scores else None
        self.variants = VARIANTS if scores else ()
        self.register_buffer("weight", torch.zeros(()))

    def count(self, items: Tensor, users: Tensor) -> None:
        slim = self.slim or SLIM(self.n_items).to(items.device)
        slim.count(items, users, ridges=(RIDGE,))
        slim.use(ridge=RIDGE, decay=DECAY)
        slim.forget()
        if self.start:
            table = self.items().data
            vectors = factors(slim, table.shape[1])
            # Items without neighbours, whose vectors are 0, keep their random embeddings.
            table += vectors * (START / vectors.std().clamp(min=1e-12))

    def use(self, **values: float) -> None:
        """``values`` are ``weight``."""
        self.weight.fill_(values["weight"])

    def items(self) -> Tensor:
        return self.network.items()

    def examples(self, sequences: Histories, generator: torch.Generator) -> Examples:
        return self.network.examples(sequences, generator)

    def forward(self, *examples: Any) -> Tensor:
        loss: Tensor = self.network(*examples)
        return loss

    def queries(self, histories: Histories) -> BlendQuery:
        slim: Tensor | None = None
        if self.slim is not None and self.weight > 0:
            # In place: with a large catalogue this is the largest tensor of a ranking.
            slim = self.slim.queries(histories).clamp_(min=0).add_(FLOOR).log_().mul_(self.weight)
        return BlendQuery(self.network.queries(histories), slim)

    def scores(self, queries: BlendQuery, first: int, last: int) -> Tensor:
        scores = self.network.scores(queries.network, first, last)
        return scores if queries.slim is None else scores.add_(queries.slim[:, first:last])


def factors(slim: SLIM, width: int) -> Tensor:
    """Vectors whose products are nearest to SLIM's weights, made symmetric: [n_items, width] float.

    They are the eigenvectors of the largest eigenvalues times the roots of these, by subspace
    iteration (Halko et al. 2011, https://arxiv.org/abs/0909.4061, algorithm 4.4). Columns are 0
    where an eigenvalue is negative, or where there are fewer items than ``width``.
    """
    n = slim.n_items
    order = slim.columns.argsort(stable=True)
    rows = torch.repeat_interleave(torch.arange(n, device=order.device), slim.offsets.diff())
    counts = torch.bincount(slim.columns, minlength=n)
    forth = (slim.columns, slim.offsets[:-1], slim.weights)
    back = (rows[order], counts.cumsum(0) - counts, slim.weights[order])

    def product(x: Tensor) -> Tensor:
        """SLIM's weights, made symmetric, times ``x`` [n_items, k]."""
        sums = (
            F.embedding_bag(columns, x, starts, mode="sum", per_sample_weights=weights)
            for columns, starts, weights in (forth, back)
        )
        return sum(sums, torch.zeros_like(x)) / 2

    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(n, min(n, width + SPARE), generator=generator).to(order.device)
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(product(basis)).Q
    small = basis.T @ product(basis)
    values, vectors = torch.linalg.eigh(small)  # ascending
    values, vectors = values[-width:], vectors[:, -width:]
    found = torch.zeros(n, width, device=basis.device)
    found[:, : len(values)] = basis @ (vectors * values.clamp(min=0).sqrt())
    return found


def with_slim(network: LearnedModel, given: Mapping[str, Any]) -> LearnedModel:
    """The network, or a ``Blend`` of it if the settings ``embeddings`` or ``blend`` ask for one."""
    start = given.get("embeddings") == "slim"
    scores = given.get("blend") == "slim"
    return Blend(network, start=start, scores=scores) if start or scores else network
