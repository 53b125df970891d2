"""The optimizers: Adam, Muon for the encoder's matrices, row-wise Adam for large tables; and the
learning-rate schedule."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from benchmark.settings.settings import Settings

FALLEN = 0.25  # share of the learning rate after it fell


class Optimizers:
    """The optimizers of a model, used as one.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) moves a matrix equally far in all
    its directions; it trains the weights of all linear layers. Adam trains embeddings, biases and
    norms, and ``RowAdam`` those embedding tables of which a step touches few rows.
    """

    def __init__(self, model: nn.Module, settings: Settings, steps_per_epoch: int):
        self.settings = settings
        self.steps = settings.epochs * steps_per_epoch
        matrices = {
            id(layer.weight)
            for layer in model.modules()
            if isinstance(layer, nn.Linear) and settings.muon_ratio
        }
        parameters = list(model.parameters())
        rate = settings.learning_rate
        tables = row_tables(model)
        adam = [p for p in parameters if id(p) not in matrices and p not in tables]
        self.all: list[torch.optim.Optimizer] = []
        self.rates: list[float] = []
        if adam:
            # In a CUDA graph the number of the step and the learning rate are on the device.
            graph = adam[0].is_cuda
            self.all.append(torch.optim.Adam(adam, lr=rate, fused=True, capturable=graph))
            self.rates.append(rate)
        if matrices:
            self.all.append(Muon([p for p in parameters if id(p) in matrices]))
            self.rates.append(rate * settings.muon_ratio)
        if tables:
            self.all.append(RowAdam(list(tables)))
            self.rates.append(rate)

        for optimizer in self.all:
            (group,) = optimizer.param_groups
            device = group["params"][0].device
            if device.type == "cuda":
                group["lr"] = torch.zeros((), device=device)

    def begin_step(self, number: int, fallen: bool = False) -> None:
        """Set the learning rates of step ``number``, from 1; ``fallen`` as of ``schedule``."""
        for optimizer, rate in zip(self.all, self.rates, strict=True):
            (group,) = optimizer.param_groups
            now = rate * self.schedule(number, fallen)
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(now)
            else:
                group["lr"] = now

    def step(self) -> None:
        """Move the parameters by their gradients."""
        for optimizer in self.all:
            optimizer.step()

    def schedule(self, number: int, fallen: bool = False) -> float:
        """The share of the full learning rate at step ``number``, from 0 to 1.

        Warm-up: it rises linearly for ``warmup_steps``. With schedule "cosine" it falls to 0 at the
        last step of the last epoch that there can be; ``fallen``: it is a quarter.
        """
        rise = min(1.0, number / max(1, self.settings.warmup_steps))
        if self.settings.schedule != "cosine":
            return rise * FALLEN if fallen else rise
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, number / self.steps)))

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """By name "OPTIMIZER.PARAMETER.SLOT", where the first two are numbers."""
        return {
            f"{i}.{index}.{name}": value
            for i, optimizer in enumerate(self.all)
            for index, slots in optimizer.state_dict()["state"].items()
            for name, value in slots.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Raises ValueError if the state is another model's."""
        for i, optimizer in enumerate(self.all):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                which, index, name = key.split(".")
                if int(which) == i:
                    slots.setdefault(int(index), {})[name] = value
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": slots, "param_groups": groups})


def row_tables(model: nn.Module) -> dict[nn.Parameter, None]:
    """The embedding tables whose gradients are sparse: only rows that were looked up.

    A dict without values, as an ordered set.
    """
    found = (m for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse)
    return {cast(nn.Parameter, module.weight): None for module in found}


class RowAdam(torch.optim.Optimizer):
    """Adam for a table of which a step touches few rows; a step costs what these rows cost.

    There is no first moment (beta1 is 0), so a row without a gradient does not move. The second
    moment is one number for each row, the mean over its values; it decays by the number of steps
    since the row's last gradient. The result is that of a step over all rows. One moment for each
    row is usual for tables of this size: FBGEMM's partial row-wise Adam, DLRM's row-wise Adagrad.
    """

    BETA2 = 0.999
    EPSILON = 1e-8

    def __init__(self, parameters: list[nn.Parameter]):
        super().__init__(parameters, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch allows more
        (group,) = self.param_groups
        for table in group["params"]:
            state = self.state[table]
            if not state:
                state["step"] = torch.zeros(())
                state["square"] = table.new_zeros(len(table))  # the second moment
                state["at"] = table.new_zeros(len(table))  # the step of the last gradient
            state["step"] += 1
            step = state["step"].item()
            gradient = table.grad.coalesce()
            rows = gradient.indices()[0]  # [n]
            slopes = gradient.values()  # [n, hidden]
            faded = state["square"][rows] * self.BETA2 ** (step - state["at"][rows])
            square = faded + (1 - self.BETA2) * slopes.square().mean(1)
            state["square"][rows] = square
            state["at"][rows] = step
            length = (square / (1 - self.BETA2**step)).sqrt() + self.EPSILON
            table.index_add_(0, rows, slopes / length[:, None] * -group["lr"])


class Muon(torch.optim.Optimizer):
    """The rule of torch.optim.Muon, for all matrices of one shape at a time.

    torch's own optimizer takes one matrix after the other: 300 operations for a dozen small ones.
    """

    MOMENTUM = 0.95
    ITERATION = (3.4445, -4.7750, 2.0315)  # Newton-Schulz: towards the nearest orthogonal matrix

    def __init__(self, parameters: list[nn.Parameter]):
        super().__init__(parameters, {"lr": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch allows more
        (group,) = self.param_groups
        by_shape: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for parameter in group["params"]:
            by_shape.setdefault(tuple(sorted(parameter.shape)), []).append(parameter)
        for (rows, columns), parameters in by_shape.items():
            # Tall matrices lie on their side, among the wide ones of their size.
            tall = [len(parameter) > rows for parameter in parameters]
            moved = self._with_momentum(parameters)
            wide = [x.mT if turned else x for x, turned in zip(moved, tall, strict=True)]
            directions = self._orthogonal(torch.stack(wide)).unbind()  # each [rows, columns]
            moves = [x.mT if turned else x for x, turned in zip(directions, tall, strict=True)]
            larger = (columns / rows) ** 0.5
            scales = [-group["lr"] * (larger if turned else 1.0) for turned in tall]
            torch._foreach_add_(list(parameters), torch._foreach_mul(moves, scales))

    def _with_momentum(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        """The gradients with Nesterov's momentum."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - self.MOMENTUM)
        return list(torch._foreach_lerp(gradients, momenta, self.MOMENTUM))

    def _orthogonal(self, x: Tensor) -> Tensor:
        """The nearest orthogonal matrices, roughly: [n, rows, columns], at least as many columns as
        rows -> the same."""
        a, b, c = self.ITERATION
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        for _ in range(5):
            square = x @ x.mT  # [n, rows, rows]
            polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
            x = torch.baddbmm(x, polynomial, x, beta=a)
        return x
