"""How weights follow from gradients: Adam, Muon for the encoder's matrices, and the step size."""

import math

import torch
from torch import Tensor, nn

from benchmark.settings import Settings


class Optimizers:
    """The optimizers of a model, used as one.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) moves a matrix in all its
    directions alike; it is for matrices between hidden layers. Embeddings, biases and norms are
    Adam's.
    """

    def __init__(self, model: nn.Module, settings: Settings, steps_per_epoch: int):
        self.settings, self.steps = settings, settings.epochs * steps_per_epoch
        matrices = {
            id(layer.weight)
            for layer in model.modules()
            if isinstance(layer, nn.Linear) and settings.muon_ratio
        }
        parameters = list(model.parameters())
        rate = settings.learning_rate
        adam = [p for p in parameters if id(p) not in matrices]
        self.all = [torch.optim.Adam(adam, lr=rate, fused=True)] if adam else []
        self.rates = [rate]
        if matrices:
            self.all.append(Muon([p for p in parameters if id(p) in matrices]))
            self.rates.append(rate * settings.muon_ratio)

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
