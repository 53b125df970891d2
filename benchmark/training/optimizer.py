"""How weights follow from gradients: Adam, Muon for the encoder's matrices, rows of large tables,
and the step size."""

import math

import torch
from torch import Tensor, nn

from benchmark.settings import Settings


class Optimizers:
    """The optimizers of a model, used as one.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) moves a matrix in all its
    directions alike; it is for matrices between hidden layers. Embeddings, biases and norms are
    Adam's, but for tables of which a step touches few rows.
    """

    def __init__(self, model: nn.Module, settings: Settings, steps_per_epoch: int):
        self.settings, self.steps = settings, settings.epochs * steps_per_epoch
        matrices = {
            id(layer.weight)
            for layer in model.modules()
            if isinstance(layer, nn.Linear) and settings.muon_ratio
        }
        parameters = list(model.parameters())
        rate, tables = settings.learning_rate, row_tables(model)
        adam = [p for p in parameters if id(p) not in matrices and p not in tables]
        self.all = [torch.optim.Adam(adam, lr=rate, fused=True)] if adam else []
        self.rates = [rate]
        if matrices:
            self.all.append(Muon([p for p in parameters if id(p) in matrices]))
            self.rates.append(rate * settings.muon_ratio)
        if tables:
            self.all.append(RowAdam(list(tables)))
            self.rates.append(rate)

    def step(self, number: int) -> None:
        """Step ``number``, from 1, with the gradients that the parameters have."""
        for optimizer, rate in zip(self.all, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * self.share(number)
            optimizer.step()

    def share(self, number: int) -> float:
        """Of the full step size: it rises for ``warmup_steps``, and may fall to 0 at the end."""
        rise = min(1.0, number / max(1, self.settings.warmup_steps))
        if self.settings.schedule == "constant":
            return rise
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, number / self.steps)))

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        return {
            f"{i}.{index}.{name}": value
            for i, optimizer in enumerate(self.all)
            for index, slots in optimizer.state_dict()["state"].items()
            for name, value in slots.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        for i, optimizer in enumerate(self.all):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                which, index, name = key.split(".")
                if int(which) == i:
                    slots.setdefault(int(index), {})[name] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": slots, "param_groups": groups})


def row_tables(model: nn.Module) -> dict[nn.Parameter, None]:
    """The embedding tables whose gradients hold only the rows that were looked up."""
    found = (m for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse)
    return {module.weight: None for module in found}  # an ordered set


class RowAdam(torch.optim.Optimizer):
    """Adam for a table of which a step touches few rows, at the cost of these rows.

    It has no first moment (beta1 is 0), so that a row without a gradient does not move; and its
    second moment is one number for a row, the mean over its values, which fades by the number of
    steps that passed. So the result is that of a step for all rows. (One moment for a row is usual
    for tables of this size: FBGEMM's partial row-wise Adam, DLRM's row-wise Adagrad.)
    """

    BETA2, EPSILON = 0.999, 1e-8

    def __init__(self, parameters: list[nn.Parameter]):
        super().__init__(parameters, {"lr": 0.0})

    @torch.no_grad()
    def step(self) -> None:
        (group,) = self.param_groups
        for table in group["params"]:
            state = self.state[table]
            if not state:
                state["step"] = torch.zeros(())
                state["square"], state["at"] = table.new_zeros(2, len(table)).unbind()
            state["step"] += 1
            step, gradient = state["step"].item(), table.grad.coalesce()
            rows, slopes = gradient.indices()[0], gradient.values()  # [n], [n, hidden]
            faded = state["square"][rows] * self.BETA2 ** (step - state["at"][rows])
            square = faded + (1 - self.BETA2) * slopes.square().mean(1)
            state["square"][rows], state["at"][rows] = square, step
            length = (square / (1 - self.BETA2**step)).sqrt() + self.EPSILON
            table.index_add_(0, rows, slopes / length[:, None], alpha=-group["lr"])


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon's rule, for all matrices of one shape at a time.

    torch's own takes one matrix after the other: for a dozen small ones that is 300 operations.
    """

    MOMENTUM = 0.95
    ITERATION = (3.4445, -4.7750, 2.0315)  # Newton-Schulz, towards the nearest orthogonal matrix

    def __init__(self, parameters: list[nn.Parameter]):
        super().__init__(parameters, {"lr": 0.0})

    @torch.no_grad()
    def step(self) -> None:
        (group,) = self.param_groups
        by_shape: dict[torch.Size, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            by_shape.setdefault(parameter.shape, []).append(parameter)
        for (rows, columns), parameters in by_shape.items():
            moved = torch.stack([self._momentum(p) for p in parameters])  # [n, rows, columns]
            direction = self._orthogonal(moved)
            scale = -group["lr"] * max(1.0, rows / columns) ** 0.5
            torch._foreach_add_(parameters, list(direction.unbind()), alpha=scale)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - self.MOMENTUM)
        return parameter.grad.lerp(state["momentum"], self.MOMENTUM)

    def _orthogonal(self, x: Tensor) -> Tensor:
        a, b, c = self.ITERATION
        tall = x.shape[1] > x.shape[2]
        x = x.mT if tall else x
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        for _ in range(5):
            square = x @ x.mT
            x = a * x + (b * square + c * square @ square) @ x
        return x.mT if tall else x
