"""The training loop: it yields one epoch at a time, and knows no MLflow.

trainer = Trainer(settings, sequences, split)
for epoch in trainer.epochs():
    print(epoch.number, epoch.train_loss, epoch.valid["ndcg@10"])
result = trainer.result()
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import models
from benchmark.errors import UserError
from benchmark.measures.metrics import K, means
from benchmark.training import workers
from benchmark.training.batches import TrainingBatches, check_countable, check_learnable
from benchmark.training.course import Course
from benchmark.training.defaults import decided
from benchmark.training.device import resolve_device
from benchmark.training.energy import Meter
from benchmark.training.evaluation import evaluated, rank_and_list, rank_targets
from benchmark.training.lists import list_table
from benchmark.training.memory import out_of_memory, peak_memory, reset_peak
from benchmark.training.randomness import Randomness
from benchmark.training.ranks import rank_table
from benchmark.training.results import Epoch, Result
from benchmark.training.step import Step
from datasets.coding.memory import return_freed
from models.batches import Interactions, within
from models.counted import Counted
from models.model import LearnedModel, Model
from models.progress import Bar, no_bar
from models.ranking import ScoresError

if TYPE_CHECKING:
    from benchmark.settings.settings import Settings
    from benchmark.training.checkpoint import State
    from datasets.sequences import Sequences
    from datasets.splitting.targets import Split, Targets

STEPS_PER_TRIM = 128


class TrainingError(UserError):
    """Training cannot continue. The message says why, and what to try."""


class Trainer:
    """One trial in progress. ``training.state`` saves and restores all that changes in it."""

    def __init__(
        self, settings: Settings, sequences: Sequences, split: Split, bar: Bar | None = None
    ):
        """``bar`` wraps the training steps and the batches of a ranking, as tqdm does. It may end
        the loop with an exception between two steps: the trial can be resumed from there.

        Raises TrainingError if the settings do not go together, DeviceError if this machine does
        not have the device, and UserError if there is nothing to learn or nobody to evaluate.
        """
        settings = decided(settings, sequences, split)
        self.settings = settings
        self.sequences = sequences
        self.split = evaluated(settings.history, sequences, split, settings.evaluate_users)
        self.one_target = all(
            targets.one_for_each_query for targets in (self.split.valid, self.split.test)
        )
        self.bar: Bar = bar or no_bar
        workers.join()
        self.device = resolve_device(settings.device)
        reset_peak(self.device)
        torch.manual_seed(settings.seed)
        self.model = self._built()
        self.learns = isinstance(self.model, LearnedModel)
        check_learnable(split) if self.learns else check_countable(split)
        window = self.model.window if isinstance(self.model, LearnedModel) else settings.max_length
        self.randomness = Randomness(settings.seed, self.device)
        self.interactions = Interactions(
            torch.from_numpy(sequences.items).to(self.device),  # not copied on a CPU
            torch.from_numpy(sequences.baskets).to(self.device),
        )
        self.batches = TrainingBatches(
            self.interactions,
            split.train_starts,
            split.train_ends,
            max_length=window,
            batch_size=settings.batch_size,
            pad=sequences.n_items,
            kind=settings.windows,
            memory=self.model.memory,
        )
        self.step = Step(self.model, settings, len(self.batches), self.device)
        self.averaged = self.step.averaging.model
        self.counted = False  # whether the model has counted the training interactions
        self.course = Course(
            learns=self.learns,
            variants=len(self.model.variants),
            limit=settings.epochs,
            patience=settings.patience,
            falls=settings.schedule == "plateau",
        )
        self.begin_epoch()
        self.best_weights: dict[str, Tensor] = {}
        self.seconds = 0.0  # of training and evaluation, over all sessions of a resumed trial
        self.energy = Meter(self.device)

    def _built(self) -> Model:
        """The model, with random weights."""
        try:
            settings = self.settings
            model = models.build(settings.model, self.sequences.n_items, settings.values())
            return model.to(self.device)
        except ValueError as error:
            raise TrainingError(str(error)) from None
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory on {self.device}: the model does not fit: try a smaller one"
            ) from None

    def begin_epoch(self) -> None:
        self.batch = 0  # the number of complete batches in this epoch
        self.epoch_seconds = 0.0  # that these batches took
        self.loss_sum = torch.zeros((), device=self.device)

    def epochs(self) -> Iterator[Epoch]:
        """Train and evaluate, one epoch after the other, until the course is finished."""
        while not self.course.finished:
            loss: float | None = None
            variant: Mapping[str, float] = {}
            with self._enough_memory():
                if self.course.variant is None:
                    loss = self.train_epoch()
                else:
                    variant = self.try_variant(self.course.variant)
            started = time.perf_counter()
            self.step.averaging.catch_up()
            valid = means(self.ranks(self.split.valid), self.split.valid.queries)
            train_seconds = self.epoch_seconds
            valid_seconds = time.perf_counter() - started
            self.begin_epoch()
            self.seconds += train_seconds + valid_seconds
            improved = self.course.add(valid, variant)
            if improved:
                self.best_weights = {k: v.clone() for k, v in self.averaged.state_dict().items()}
            yield Epoch(
                number=self.course.epoch,
                train_loss=loss,
                variant=variant,
                valid=valid,
                part="tried" if self.learns and loss is None else "valid",
                one_target=self.one_target,
                improved=improved,
                train_seconds=train_seconds,
                valid_seconds=valid_seconds,
                sequences_per_second=self.batches.n_windows / train_seconds,
            )

    @contextmanager
    def _sound_scores(self) -> Iterator[None]:
        try:
            yield
        except ScoresError as error:
            raise TrainingError(f"{self.settings.model_name}: {error}") from None
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise TrainingError(
                f"out of memory on {self.device} while one user was ranked: try a smaller model"
            ) from None

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            where = f"out of memory on {self.device} in epoch {self.course.epoch + 1}"
            if self.counted and self.learns:
                mend = f" with batch_size {self.settings.batch_size}: try a smaller one"
            elif self.learns:
                mend = ": the linear model beside the network: try embeddings=random, blend=none"
            else:
                mend = f": {self.settings.model_name} needs more than there is for so many items"
            raise TrainingError(where + mend) from None

    def try_variant(self, number: int) -> Mapping[str, float]:
        """An epoch without training: a variant of the best model, by number from 0.

        A counted model counts in the first one here.
        """
        started = time.perf_counter()
        if self.learns:
            self.averaged.load_state_dict(self.best_weights)
        elif not self.counted:
            self._count(self.averaged)
        variant = self.averaged.variants[number]
        self.averaged.use(**variant)
        self.epoch_seconds = time.perf_counter() - started
        return variant

    def _count(self, model: Model) -> None:
        # Others need no indices of all interactions, which may not fit into memory.
        if type(model).count is not Model.count:
            starts = self.split.train_starts
            users, place = within(self.split.train_ends - starts)
            index = torch.from_numpy(starts[users] + place).to(self.device)
            items = self.interactions.items[index].long()
            model.progress_bar = self.bar
            model.count(items, torch.from_numpy(users).to(self.device))
        self.counted = True

    def train_epoch(self) -> float:
        """Train for one epoch, or for the rest of an interrupted one; the mean loss of its batches.

        Raises TrainingError if the loss is not finite.
        """
        started = time.perf_counter()
        if not self.counted:
            self._count(self.model)
            self.averaged.load_state_dict(self.model.state_dict())
        self.model.train()
        self.randomness.begin(self.course.epoch, resumes=self.batch > 0)
        batches = islice(self.batches.shuffled(self.randomness.shuffling), self.batch, None)
        before = self.epoch_seconds
        fallen = self.course.fallen > 0
        for batch in self.bar(
            batches,
            initial=self.batch,
            total=len(self.batches),
            desc=f"epoch {self.course.epoch + 1}",
        ):
            self.loss_sum += self.step.run(batch, self.randomness.masking, fallen=fallen)
            self.batch += 1
            self.epoch_seconds = before + time.perf_counter() - started
            if self.step.number % STEPS_PER_TRIM == 0:
                return_freed()
                self._mean_loss()
        return self._mean_loss()

    def _mean_loss(self) -> float:
        """Of the epoch so far. Raises TrainingError if it is not finite."""
        mean = float(workers.total(self.loss_sum.clone())) / self.batch
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss is {mean} in epoch {self.course.epoch + 1} with learning_rate "
                f"{self.settings.learning_rate}: try a smaller one"
            )
        return mean

    def finish(self) -> None:
        """Train to the end and rank, in a process whose results nobody reads."""
        for _ in self.epochs():
            pass
        self.final_ranks()

    def final_ranks(self) -> dict[str, np.ndarray]:
        """The ranks of the best epoch's model: {"valid": [n] int64, "test": [n] int64}."""
        return self._final()[0]

    def _final(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """``final_ranks``, and the ``K`` best items of each test query: [n_queries, K] int64."""
        started = time.perf_counter()
        if isinstance(self.averaged, Counted):
            self.averaged.forget_variants()
        self.averaged.load_state_dict(self.best_weights)
        valid = self.ranks(self.split.valid)
        with self._sound_scores():
            test, lists = rank_and_list(
                self.averaged,
                self.interactions,
                self.split.test,
                self.settings.history,
                self.bar,
                k=K,
            )
        self.seconds += time.perf_counter() - started
        return {"valid": valid, "test": test}, lists

    def ranks(self, targets: Targets) -> np.ndarray:
        """The ranks of ``targets``, [n] int64, by the running mean of the weights.

        Raises TrainingError for scores that no model may give.
        """
        with self._sound_scores():
            return rank_targets(
                self.averaged, self.interactions, targets, self.settings.history, self.bar
            )

    def result(self) -> Result:
        """Evaluate the best epoch's model on test, once."""
        ranks, lists = self._final()
        targets = {"valid": self.split.valid, "test": self.split.test}
        metrics = {
            "best_valid": means(ranks["valid"], targets["valid"].queries),
            "test": means(ranks["test"], targets["test"].queries),
        }
        tables = {
            part: rank_table(self.sequences, self.split, targets[part], ranks[part])
            for part in targets
        }
        best_items = list_table(self.sequences, self.split, targets["test"], lists)
        return self._result(metrics, tables, {"test": best_items})

    def pruned_result(self) -> Result:
        """The result of a trial that is stopped here, without an evaluation on test."""
        return self._result({"best_valid": self.course.best_valid}, {}, {})

    def _result(
        self,
        metrics: Mapping[str, Mapping[str, float]],
        ranks: dict[str, Any],
        lists: dict[str, Any],
    ) -> Result:
        course = self.course
        return Result(
            metrics=metrics,
            one_target=self.one_target,
            best_epoch=course.best_epoch,
            last_epoch=course.trained or course.epoch,
            variant=course.best_variant,
            seconds=self.seconds,
            parameters=sum(p.numel() for p in self.model.parameters()),
            peak_memory_mb=peak_memory(self.device),
            ranks=ranks,
            lists=lists,
            energy_kwh=self.energy.kwh,
            energy_source=self.energy.source,
        )

    def best_state(self) -> State:
        """The weights of the best epoch, and what it reached on validation."""
        return self.best_weights, {"epoch": self.course.best_epoch, "valid": self.course.best_valid}
