"""The running mean of a model's weights, which is evaluated in place of the weights."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmark.training.optimizer import row_tables
from models.model import Model

ROWS_AT_ONCE = 1 << 18  # of a table, when all rows are brought up to date


class RunningMean:
    """An exponential moving average of the weights (Polyak and Juditsky 1992).

    Weights jitter about their mean, and the choice of the best epoch would jitter with them. Early
    in training the mean covers about the last tenth of the steps so far, so that it does not lag
    behind; later it covers the window that ``decay`` gives.

    A table that is trained by rows is averaged by rows, each before the next step that changes it.
    Its weights did not change meanwhile, so the mean approaches them by the product of all decays
    since. ``clock`` is the logarithm of the product of all decays.
    """

    def __init__(self, model: Model, decay: float):
        self.model = copy.deepcopy(model)
        self.decay = decay
        self.clock = torch.zeros((), dtype=torch.float64)
        tables = row_tables(model)
        pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))
        self.dense = [(mean, weight) for mean, weight in pairs if weight not in tables]
        self.rows = [
            (mean, weight, weight.new_zeros(len(weight), dtype=torch.float64))
            for mean, weight in pairs
            if weight in tables
        ]

    def before_step(self) -> None:
        """Bring the rows that the step will change up to date, with the weights they still have."""
        for mean, weight, until in self.rows:
            assert weight.grad is not None
            weight.grad = weight.grad.coalesce()  # once, for the optimizer too
            self._move(mean, weight, until, weight.grad.indices()[0])

    def after_step(self, number: int) -> None:
        """Move the mean towards the weights after step ``number``, from 1; rows follow later."""
        decay = min(self.decay, (1 + number) / (10 + number))
        self.clock += math.log(max(decay, 1e-30))
        means, weights = zip(*self.dense, strict=True)
        get_ema_multi_avg_fn(decay)(list(means), list(weights), None)

    def catch_up(self) -> None:
        """Bring all rows up to date."""
        for mean, weight, until in self.rows:
            for rows in torch.arange(len(weight), device=weight.device).split(ROWS_AT_ONCE):
                self._move(mean, weight, until, rows)

    @torch.no_grad()
    def _move(self, mean: nn.Parameter, weight: nn.Parameter, until: Tensor, rows: Tensor) -> None:
        """``until`` [rows of the table]: the clock when each row was last brought up to date."""
        share = (self.clock - until[rows]).exp().to(mean.dtype)[:, None]
        mean[rows] = torch.lerp(weight[rows], mean[rows], share)
        until[rows] = self.clock

    def state(self) -> dict[str, Tensor]:
        clocks = {f"until.{i}": until for i, (_, _, until) in enumerate(self.rows)}
        return {"clock": self.clock, **clocks}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Raises KeyError or RuntimeError if the state is another model's."""
        self.clock = state["clock"].clone()
        for i, (_, _, until) in enumerate(self.rows):
            until.copy_(state[f"until.{i}"])
