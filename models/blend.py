"""A network beside a linear model: the start of its item embeddings, and a part of its scores.

A network of width 64 cannot hold which items have users in common, item by item; a sparse matrix
can. docs/sparse-data.md has what either part is worth.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.baselines.linear import SparseLinear
from models.baselines.local_linear import LocalLinear
from models.baselines.slim import SLIM
from models.baselines.slist import SLIST
from models.counted import Cost
from models.model import Examples, Histories, LearnedModel

LINEAR: Mapping[str, type[LocalLinear]] = {"slim": SLIM, "slist": SLIST}
"""By the values of the settings ``embeddings`` and ``blend``. Before version 0.13, the default was
slim."""
CHOSEN = {"share": 0.5, "ridge": 100.0, "decay": 0.75}  # between the best ones of several data sets
FLOOR = 1e-3  # of the linear model's scores before their logarithm
START = 0.05  # standard deviation of the embeddings' starts, beside the random ones
SPARE = 16  # more eigenvectors than are used, so that those converge in fewer iterations
ITERATIONS = 10
VARIANTS = tuple({"weight": weight} for weight in (0.5, 1.0, 2.0, 4.0, 8.0))


class BlendQuery(NamedTuple):
    """What is known of some histories before any item is scored."""

    network: Any
    """The network's query."""
    linear: Tensor | None
    """[batch, n_items] float: the linear model's part of the scores; None if it has no weight."""


class Blend(LearnedModel):
    """The ``network``'s scores, plus ``weight`` times the logarithm of a linear model's.

    A network that is trained with a softmax scores by logarithms of probabilities, and the linear
    model by estimates of probabilities; the logarithm makes them alike. The network is trained
    alone. Then several weights are tried on validation: the result is two models, each trained
    without the other.
    """

    weight: Tensor
    """[] float: 0 while the network is trained."""

    def __init__(self, network: LearnedModel, *, embeddings: str, blend: str):
        """``embeddings``: the linear model from whose weights, factorized, the item embeddings
        start; ``blend``: the one with a part in the scores. Both are keys of ``LINEAR``; another
        value is none."""
        super().__init__()
        self.network = network
        self.n_items = network.n_items
        self.max_length = network.max_length
        self.memory = network.memory
        self.window = network.window
        self.embeddings = embeddings
        self.blend = blend
        if blend in LINEAR:
            self.add_module(blend, LINEAR[blend](network.n_items))
            self.variants = VARIANTS
        self.register_buffer("weight", torch.zeros(()))

    @property
    def linear(self) -> LocalLinear | None:
        """The linear model with a part in the scores. A state has it by the name of its kind."""
        found = self._modules.get(self.blend)
        return found if isinstance(found, LocalLinear) else None

    def cost(self, pairs: float) -> Cost | None:
        """That of SLIST's solution, if there is one: see ``Counted.cost``."""
        if "slist" not in (self.embeddings, self.blend):
            return None
        return SLIST(self.n_items).cost_of(pairs, 1)

    def count(self, items: Tensor, users: Tensor) -> None:
        start = self.linear
        if start is not None:
            self._solve(start, items, users)
        if self.embeddings not in LINEAR:
            return
        if self.embeddings != self.blend or start is None:
            start = LINEAR[self.embeddings](self.n_items).to(items.device)
            self._solve(start, items, users)
        table = self.items().data
        vectors = factors(start, table.shape[1])
        # Items without neighbours, whose vectors are 0, keep their random embeddings. This comes
        # last: a count that was stopped is repeated.
        table += vectors * (START / vectors.std().clamp(min=1e-12))

    def _solve(self, linear: LocalLinear, items: Tensor, users: Tensor) -> None:
        linear.progress_bar = self.progress_bar
        linear.count(items, users, [CHOSEN])
        linear.use(**CHOSEN)
        linear.forget_variants()

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
        linear: Tensor | None = None
        if self.linear is not None and self.weight > 0:
            # In place: with a large catalogue this is the largest tensor of a ranking.
            linear = self.linear.queries(histories).clamp_(min=0)
            linear.add_(FLOOR).log_().mul_(self.weight)
        return BlendQuery(self.network.queries(histories), linear)

    def scores(self, queries: BlendQuery, first: int, last: int) -> Tensor:
        scores = self.network.scores(queries.network, first, last)
        return scores if queries.linear is None else scores.add_(queries.linear[:, first:last])


def factors(linear: SparseLinear, width: int) -> Tensor:
    """Vectors whose products are nearest to the model's weights: [n_items, width] float.

    The weights are made symmetric. The vectors are their eigenvectors with the largest eigenvalues,
    times the roots of these, by subspace iteration (Halko et al. 2011,
    https://arxiv.org/abs/0909.4061, algorithm 4.4). Columns are 0 where an eigenvalue is negative,
    or where there are fewer items than ``width``.
    """
    n = linear.n_items
    order = linear.columns.argsort(stable=True)
    rows = torch.repeat_interleave(torch.arange(n, device=order.device), linear.offsets.diff())
    counts = torch.bincount(linear.columns, minlength=n)
    forth = (linear.columns, linear.offsets[:-1], linear.weights)
    back = (rows[order], counts.cumsum(0) - counts, linear.weights[order])

    def product(x: Tensor) -> Tensor:
        """The weights, made symmetric, times ``x`` [n_items, k]."""
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


def blended(network: LearnedModel, given: Mapping[str, Any]) -> LearnedModel:
    """The network, or a ``Blend`` of it if the settings ``embeddings`` or ``blend`` ask for one."""
    embeddings, blend = (str(given.get(name)) for name in ("embeddings", "blend"))
    asked = embeddings in LINEAR or blend in LINEAR
    return Blend(network, embeddings=embeddings, blend=blend) if asked else network
