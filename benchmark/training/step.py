"""One step of training: it moves the weights of a model, and their running mean, by a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from benchmark.training import workers
from benchmark.training.averaging import RunningMean
from benchmark.training.graphs import Graphs
from benchmark.training.optimizer import Optimizers, row_tables
from models.model import Examples, Histories, LearnedModel, Model

if TYPE_CHECKING:
    from benchmark.settings.settings import Settings


class Step:
    """The steps of a trial so far, and what they change."""

    def __init__(self, model: Model, settings: Settings, per_epoch: int, device: torch.device):
        """``per_epoch`` is the number of steps of an epoch; the model is on the ``device``."""
        self.model = model
        self.device = device
        self.bf16 = settings.precision == "bf16"
        self.averaging = RunningMean(model, settings.ema_decay)
        # Its forward pass is the model's; its backward pass adds up the processes' gradients.
        self.shared: torch.nn.Module = model
        if workers.size() > 1 and isinstance(model, LearnedModel):
            self.shared = DistributedDataParallel(model, broadcast_buffers=False)
        self.optimizers = Optimizers(model, settings, per_epoch)
        self.graphs: Graphs | None = None
        if device.type == "cuda" and workers.size() == 1 and not row_tables(model):
            self.graphs = Graphs()
        self.number = 0

    def run(self, batch: Histories, masking: torch.Generator, *, fallen: bool) -> Tensor:
        """Train on a batch of sequences; this process's part of the mean loss, [].

        ``masking`` draws the examples; ``fallen``: whether the learning rate has fallen.
        """
        assert isinstance(self.model, LearnedModel)
        self.number += 1
        self.optimizers.begin_step(self.number, fallen=fallen)
        examples = self.model.examples(batch, masking)
        loss = self.graphs.run(self._update, examples) if self.graphs else self._update(examples)
        self.averaging.after_step(self.number)
        return loss

    def _update(self, examples: Examples) -> Tensor:
        """Move the weights by the gradients of the examples; the loss as of ``run``."""
        examples, share = workers.share(examples)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            loss: Tensor = self.shared(*examples) * share
        self.optimizers.zero_grad()
        loss.backward()
        self.averaging.before_step()
        self.optimizers.step()
        return loss.detach() / workers.size()
