"""The training loop: it yields an epoch at a time to whoever watches, and knows no MLflow.

trainer = Trainer(settings, sequences, split)
for epoch in trainer.epochs():
    print(epoch.number, epoch.train_loss, epoch.valid["ndcg@10"])
ranks = trainer.final_ranks()
"""

from __future__ import annotations

import copy
import ctypes
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

import models
from benchmark.batches import TrainingBatches
from benchmark.evaluation import rank_targets
from benchmark.metrics import means

if TYPE_CHECKING:
    from benchmark.settings import Settings
    from datasets.sequences import Sequences, Split

SELECTION_METRIC = "ndcg@10"
STEPS_PER_TRIM = 16


class TrainingError(RuntimeError):
    """Training cannot go on. The message says why, and what to try."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data, and the evaluation after it, gave."""

    number: int
    """From 1."""
    train_loss: float
    """Mean over batches, nats per masked item."""
    valid: dict[str, float]
    """Metrics at 10 on the validation targets."""
    improved: bool
    """Better ndcg@10 than in every epoch before."""
    train_seconds: float
    valid_seconds: float
    sequences_per_second: float
    """Training windows per second of training."""


def resolve_device(name: str) -> torch.device:
    """Raises TrainingError for a device that this machine does not have."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"device {name!r} cannot be used here: {reason}") from None
    return device


def return_free_memory() -> None:
    """Hand freed memory back to the system, where the C library is glibc.

    Batches differ in shape, and glibc keeps the holes that they leave: on ml-1m the process grew by
    10 MB a step within an epoch, and for ever. A fixed mmap threshold would end that too, at twice
    the time per step.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


class Trainer:
    """One trial in progress. All that changes while it trains is in ``state``."""

    def __init__(
        self,
        settings: Settings,
        sequences: Sequences,
        split: Split,
        progress: Callable[..., Iterable] = lambda batches, **_: batches,
    ):
        """``progress`` wraps the batches of an epoch, as tqdm does."""
        self.settings, self.split, self.progress = settings, split, progress
        self.device = resolve_device(settings.device)
        torch.manual_seed(settings.seed)
        self.model = models.build(settings.model, sequences.n_items, asdict(settings))
        self.model.to(self.device)
        self.averaged = copy.deepcopy(self.model)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=True
        )
        self.shuffling = torch.Generator().manual_seed(settings.seed)
        self.masking = torch.Generator(self.device).manual_seed(settings.seed)
        self.items = torch.from_numpy(sequences.items.astype(np.int64)).to(self.device)
        self.batches = TrainingBatches(
            self.items,
            split.train_starts,
            split.train_ends,
            max_length=settings.max_length,
            batch_size=settings.batch_size,
            pad=sequences.n_items,
        )
        self.epoch = 0
        self.steps = 0
        self.best_epoch = 0
        self.best_valid = {SELECTION_METRIC: -1.0}
        self.best_weights = {}
        self.seconds = 0.0  # of training and evaluation, over all sessions of a resumed trial

    @property
    def finished(self) -> bool:
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.settings.epochs or waited >= self.settings.patience

    def epochs(self) -> Iterator[Epoch]:
        """Train until the last epoch, or until ``patience`` epochs have brought no better ndcg."""
        while not self.finished:
            started = time.perf_counter()
            loss = self._train_epoch()
            trained = time.perf_counter()
            valid = means(rank_targets(self.averaged, self.items, self.split.valid))
            evaluated = time.perf_counter()
            self.epoch += 1
            self.seconds += evaluated - started
            improved = valid[SELECTION_METRIC] > self.best_valid[SELECTION_METRIC]
            if improved:
                self.best_epoch, self.best_valid = self.epoch, valid
                self.best_weights = {k: v.clone() for k, v in self.averaged.state_dict().items()}
            yield Epoch(
                number=self.epoch,
                train_loss=loss,
                valid=valid,
                improved=improved,
                train_seconds=trained - started,
                valid_seconds=evaluated - trained,
                sequences_per_second=self.batches.n_windows / (trained - started),
            )

    def _train_epoch(self) -> float:
        self.model.train()
        total = torch.zeros((), device=self.device)
        bf16 = self.settings.precision == "bf16"
        batches = self.batches.shuffled(self.shuffling)
        for batch in self.progress(batches, total=len(self.batches), epoch=self.epoch + 1):
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
                loss = self.model.loss(batch, self.masking)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            self.steps += 1
            self._average()
            if self.steps % STEPS_PER_TRIM == 0:
                return_free_memory()
            total += loss.detach()
        mean = float(total) / len(self.batches)
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is {mean} in epoch {self.epoch + 1} with learning_rate "
                f"{self.settings.learning_rate}: try a smaller one"
            )
        return mean

    def _average(self) -> None:
        """Move the averaged weights towards the model's.

        The weights of a constant learning rate jitter about their mean, and so would the choice of
        the best epoch (Polyak and Juditsky 1992). The mean is over about the last tenth of all
        steps until ``ema_decay`` bounds it, so that it does not lag behind a young model.
        """
        decay = min(self.settings.ema_decay, (1 + self.steps) / (10 + self.steps))
        average = get_ema_multi_avg_fn(decay)
        average(list(self.averaged.parameters()), list(self.model.parameters()), None)

    def final_ranks(self) -> dict[str, np.ndarray]:
        """Ranks of the best epoch's model: {"valid": [n] int64, "test": [n] int64}."""
        started = time.perf_counter()
        self.averaged.load_state_dict(self.best_weights)
        ranks = {
            "valid": rank_targets(self.averaged, self.items, self.split.valid),
            "test": rank_targets(self.averaged, self.items, self.split.test),
        }
        self.seconds += time.perf_counter() - started
        return ranks

    def state(self) -> tuple[dict[str, torch.Tensor], dict]:
        """All that a trial needs to go on as if it had not stopped: tensors, and JSON values."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best_weights.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in slots.items()}
        tensors |= {
            "rng.torch": torch.get_rng_state(),
            "rng.shuffling": self.shuffling.get_state(),
            "rng.masking": self.masking.get_state(),
        }
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        return tensors, {
            "epoch": self.epoch,
            "steps": self.steps,
            "best_epoch": self.best_epoch,
            "best_valid": self.best_valid,
            "seconds": self.seconds,
        }

    def restore(self, tensors: dict[str, torch.Tensor], values: dict) -> None:
        """Go on from a ``state``; the tensors may come from another device.

        Raises TrainingError if they belong to another model or another version of this suite.
        """
        try:
            self._restore(tensors, values)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"the checkpoint does not fit this trial: {reason}") from None

    def _restore(self, tensors: dict[str, torch.Tensor], values: dict) -> None:
        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.averaged.load_state_dict(part("averaged."))
        self.best_weights = {k: v.to(self.device) for k, v in part("best.").items()}
        slots: dict[int, dict] = {}
        for key, value in part("optimizer.").items():
            index, slot = key.split(".")
            slots.setdefault(int(index), {})[slot] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["rng.torch"])
        self.shuffling.set_state(tensors["rng.shuffling"])
        if self.device.type == "cuda" and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"], self.device)
        if tensors["rng.masking"].shape == self.masking.get_state().shape:
            self.masking.set_state(tensors["rng.masking"])  # else: resumed on another device
        for name in ("epoch", "steps", "best_epoch", "best_valid", "seconds"):
            setattr(self, name, values[name])
