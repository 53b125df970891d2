"""The training loop: it yields an epoch at a time to whoever watches, and knows no MLflow.

trainer = Trainer(settings, sequences, split)
for epoch in trainer.epochs():
    print(epoch.number, epoch.train_loss, epoch.valid["ndcg@10"])
ranks = trainer.final_ranks()
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

import models
from benchmark.errors import UserError
from benchmark.metrics import SELECTION_METRIC, means
from benchmark.training import workers
from benchmark.training.averaging import RunningMean
from benchmark.training.batches import TrainingBatches
from benchmark.training.evaluation import rank_targets
from benchmark.training.memory import out_of_memory, return_free_memory
from benchmark.training.optimizer import Optimizers
from models.batches import within

if TYPE_CHECKING:
    from benchmark.settings import Settings
    from datasets.sequences import Sequences, Split, Targets

STEPS_PER_TRIM = 128
COUNTS = ("epoch", "batch", "steps", "best_epoch", "best_valid", "seconds", "epoch_seconds")


class TrainingError(UserError):
    """Training cannot go on. The message says why, and what to try."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data, and the evaluation after it, gave."""

    number: int
    """From 1."""
    train_loss: float | None
    """Mean over batches, nats per target; None for a model that is counted."""
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
        name = f"cuda:{workers.local_rank()}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"device {name!r} cannot be used here: {reason}") from None
    return device


class Trainer:
    """One trial in progress. All that changes while it trains is in ``state``."""

    def __init__(
        self,
        settings: Settings,
        sequences: Sequences,
        split: Split,
        progress: Callable[..., Iterable] | None = None,
    ):
        """``progress`` wraps what goes on in steps, as tqdm does. Between two of them the trial may
        be left: its ``state`` leads on from there."""
        self.settings, self.split = settings, split
        self.progress = progress or (lambda batches, **_: batches)
        self.device = resolve_device(settings.device)
        workers.join()
        torch.manual_seed(settings.seed)
        try:
            self.model = models.build(settings.model, sequences.n_items, asdict(settings))
        except ValueError as error:
            raise TrainingError(str(error)) from None
        self.learns = models.learns(settings.model)
        self.last_epoch = settings.epochs if self.learns else 1
        self.model.to(self.device)
        self.averaging = RunningMean(self.model, settings.ema_decay)
        self.averaged = self.averaging.model
        # Its forward pass is ``model``'s, and its backward pass adds up all processes' gradients.
        self.trained = self.model
        if workers.size() > 1 and self.learns:
            self.trained = DistributedDataParallel(self.model, broadcast_buffers=False)
        self.shuffling = torch.Generator()
        self.masking = torch.Generator()
        self.items = torch.from_numpy(sequences.items.astype(np.int64)).to(self.device)
        self.batches = TrainingBatches(
            self.items,
            split.train_starts,
            split.train_ends,
            max_length=getattr(self.model, "window", settings.max_length),
            batch_size=settings.batch_size,
            pad=sequences.n_items,
            kind=settings.windows,
        )
        self.optimizers = Optimizers(self.model, settings, len(self.batches))
        self.epoch = 0  # so many are complete
        self.steps = 0
        self.begin_epoch()
        self.cut_off: dict[str, Tensor] = {}  # where random generators stood in that epoch
        self.best_epoch = 0
        self.best_valid = {SELECTION_METRIC: -1.0}
        self.best_weights = {}
        self.seconds = 0.0  # of training and evaluation, over all sessions of a resumed trial

    def begin_epoch(self) -> None:
        self.batch = 0  # so many of the epoch are done, in so many seconds
        self.epoch_seconds = 0.0
        self.loss_sum = torch.zeros((), device=self.device)

    @property
    def finished(self) -> bool:
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.last_epoch or waited >= self.settings.patience

    def epochs(self) -> Iterator[Epoch]:
        """Train until the last epoch, or until ``patience`` epochs have brought no better ndcg."""
        while not self.finished:
            with self._enough_memory():
                loss = self.train_epoch() if self.learns else self.count()
            started = time.perf_counter()
            self.averaging.catch_up()
            valid = means(self.ranks(self.split.valid))
            train_seconds, valid_seconds = self.epoch_seconds, time.perf_counter() - started
            self.begin_epoch()
            self.epoch += 1
            self.seconds += train_seconds + valid_seconds
            improved = valid[SELECTION_METRIC] > self.best_valid[SELECTION_METRIC]
            if improved:
                self.best_epoch, self.best_valid = self.epoch, valid
                self.best_weights = {k: v.clone() for k, v in self.averaged.state_dict().items()}
            yield Epoch(
                number=self.epoch,
                train_loss=loss,
                valid=valid,
                improved=improved,
                train_seconds=train_seconds,
                valid_seconds=valid_seconds,
                sequences_per_second=self.batches.n_windows / train_seconds,
            )

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory on {self.device} in epoch {self.epoch + 1} with batch_size "
                f"{self.settings.batch_size}: try a smaller one"
            ) from None

    def count(self) -> None:
        """What an epoch is to a model that has nothing to learn."""
        started = time.perf_counter()
        starts, ends = self.split.train_starts, self.split.train_ends
        users, place = within(ends - starts)
        index = torch.from_numpy(starts[users] + place).to(self.device)
        self.model.count(self.items[index], torch.from_numpy(users).to(self.device))
        self.averaged.load_state_dict(self.model.state_dict())
        self.epoch_seconds = time.perf_counter() - started

    def train_epoch(self) -> float:
        """Or the rest of one that was cut off; the mean loss of all its batches."""
        self.model.train()
        self._seed()
        batches = islice(self.batches.shuffled(self.shuffling), self.batch, None)
        started, before = time.perf_counter(), self.epoch_seconds
        for batch in self.progress(
            batches, initial=self.batch, total=len(self.batches), desc=f"epoch {self.epoch + 1}"
        ):
            self.loss_sum += self._step(batch)
            self.batch += 1
            self.epoch_seconds = before + time.perf_counter() - started
            if self.steps % STEPS_PER_TRIM == 0:
                return_free_memory()
                self._check_loss()
        return self._check_loss()

    def _check_loss(self) -> float:
        mean = float(workers.total(self.loss_sum.clone())) / self.batch
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is {mean} in epoch {self.epoch + 1} with learning_rate "
                f"{self.settings.learning_rate}: try a smaller one"
            )
        return mean

    def _seed(self) -> None:
        """An epoch's random numbers follow from the seed and its number; only of one that was cut
        off is there a state to go on from.

        All processes shuffle and mask alike; each has its own dropout.
        """
        seeds = np.random.SeedSequence([self.settings.seed, self.epoch]).spawn(3)
        shuffling, masking, dropout = (int(s.generate_state(1, np.uint64)[0]) for s in seeds)
        self.shuffling.manual_seed(shuffling)
        self.masking.manual_seed(masking)
        torch.manual_seed((dropout + workers.rank()) % 2**64)
        if self.batch and self.cut_off:
            self.masking.set_state(self.cut_off["masking"])
            torch.set_rng_state(self.cut_off["cpu"])
            if "device" in self.cut_off:
                torch.cuda.set_rng_state(self.cut_off["device"], self.device)
            self.cut_off = {}

    def _step(self, batch: Tensor) -> Tensor:
        """Train on [batch, length] int64; this process's part of the mean loss."""
        self.steps += 1
        examples, share = self._share(self.model.examples(batch, self.masking))
        bf16 = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = self.trained(*examples) * share
        self.optimizers.zero_grad()
        loss.backward()
        self.averaging.before_step()
        self.optimizers.step(self.steps)
        self.averaging.after_step(self.steps)
        return loss.detach() / workers.size()

    def _share(self, examples: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor | float]:
        """This process's rows of a batch, and what its loss counts in the mean of all losses.

        That mean has to be over the batch's targets, of which no two processes have as many.
        """
        if workers.size() == 1:
            return examples, 1.0
        batch = len(examples.targets)
        idle = workers.rank() >= batch  # but it takes part: with a row that counts for nothing
        rows = slice(0, 1) if idle else slice(workers.rank(), None, workers.size())
        # A tensor of one dimension is the same for all rows.
        mine = type(examples)(*(part[rows] if part.dim() > 1 else part for part in examples))
        wanted = (mine.targets >= 0).sum() * (not idle)
        return mine, wanted * workers.size() / (examples.targets >= 0).sum()

    def finish(self) -> None:
        """Train to the end and rank, for a process that nobody watches."""
        for _ in self.epochs():
            pass
        self.final_ranks()

    def final_ranks(self) -> dict[str, np.ndarray]:
        """Ranks of the best epoch's model: {"valid": [n] int64, "test": [n] int64}."""
        started = time.perf_counter()
        self.averaged.load_state_dict(self.best_weights)
        ranks = {
            "valid": self.ranks(self.split.valid),
            "test": self.ranks(self.split.test),
        }
        self.seconds += time.perf_counter() - started
        return ranks

    def ranks(self, targets: Targets) -> np.ndarray:
        return rank_targets(
            self.averaged, self.items, targets, self.settings.history, self.progress
        )

    def state(self) -> tuple[dict[str, Tensor], dict]:
        """All that a trial needs to go on as if it had not stopped: tensors, and JSON values."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best_weights.items()}
        tensors |= {f"averaging.{k}": v for k, v in self.averaging.state().items()}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizers.state().items()}
        tensors["loss_sum"] = self.loss_sum
        tensors |= {"random.masking": self.masking.get_state(), "random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["random.device"] = torch.cuda.get_rng_state(self.device)
        return tensors, {name: getattr(self, name) for name in COUNTS}

    def restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        """Go on from a ``state``; the tensors may come from another device.

        Raises TrainingError if they belong to another model or another version of this suite.
        """
        try:
            self._restore(tensors, values)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"the checkpoint does not fit this trial: {reason}") from None

    def _restore(self, tensors: dict[str, Tensor], values: dict) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.averaged.load_state_dict(part("averaged."))
        self.best_weights = {k: v.to(self.device) for k, v in part("best.").items()}
        self.averaging.restore(part("averaging."))
        self.optimizers.restore(part("optimizer."))
        self.loss_sum = tensors["loss_sum"].to(self.device)
        self.cut_off = part("random.")
        for name in COUNTS:
            setattr(self, name, values[name])
