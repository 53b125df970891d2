"""The running mean of a model's weights, which is what is evaluated."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmark.training.optimizer import row_tables

ROWS_AT_ONCE = 1 << 18  # when the whole of a table is brought up to date


class RunningMean:
    """Weights jitter about their mean, and so would the choice of the best epoch (Polyak and
    Juditsky 1992). The mean is over about the last tenth of all steps until ``decay`` bounds it, so
    that it does not lag behind a young model.

    Of a table that is trained by rows, those that a step does not change are left for later: the
    weights did not change meanwhile, and so the mean came nearer to them by the product of all
    decays since, which ``clock`` is the logarithm of.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.model = copy.deepcopy(model)
        self.decay, self.clock = decay, torch.zeros((), dtype=torch.float64)
        tables = row_tables(model)
        pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))
        self.dense = [(mean, weight) for mean, weight in pairs if weight not in tables]
        self.rows = [
            (mean, weight, weight.new_zeros(len(weight), dtype=torch.float64))
            for mean, weight in pairs
            if weight in tables
        ]

    def before_step(self) -> None:
        """Bring up to date, with the weights that they still have, the rows that will change."""
        for mean, weight, until in self.rows:
            weight.grad = weight.grad.coalesce()  # once, for the optimizer too
            self._move(mean, weight, until, weight.grad.indices()[0])

    def after_step(self, number: int) -> None:
        """Move towards the weights after step ``number``, from 1."""
        decay = min(self.decay, (1 + number) / (10 + number))
        self.clock += math.log(max(decay, 1e-30))
        means, weights = zip(*self.dense, strict=True)
        get_ema_multi_avg_fn(decay)(list(means), list(weights), None)
        for mean, weight, until in self.rows:
            self._move(mean, weight, until, weight.grad.indices()[0])

    def catch_up(self) -> None:
        """Bring all rows up to date."""
        for mean, weight, until in self.rows:
            for rows in torch.arange(len(weight), device=weight.device).split(ROWS_AT_ONCE):
                self._move(mean, weight, until, rows)

    @torch.no_grad()
    def _move(self, mean: Tensor, weight: Tensor, until: Tensor, rows: Tensor) -> None:
        share = (self.clock - until[rows]).exp().to(mean.dtype)[:, None]
        mean[rows] = torch.lerp(weight[rows], mean[rows], share)
        until[rows] = self.clock

    def state(self) -> dict[str, Tensor]:
        clocks = {f"until.{i}": until for i, (_, _, until) in enumerate(self.rows)}
        return {"clock": self.clock, **clocks}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.clock = state["clock"].clone()
        for i, (_, _, until) in enumerate(self.rows):
            until.copy_(state[f"until.{i}"])
