"""The model under test, the tiny SYNTHETIC data, and what the checks share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

import models
from benchmark.settings.declaration import Value
from benchmark.settings.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out
from models.model import Histories, LearnedModel, Model
from models.progress import Bar

N_ITEMS = 23
N_USERS = 60
LONGEST = 12  # columns of the histories that are tried
STEPS = 150  # of training, on random sequences
ROUNDING = 1e-3  # of the largest score: floats are added up in another order


class Broken(Exception):
    """A model violates the contract. The message says how."""


@dataclass(frozen=True)
class Subject:
    """The model under test."""

    name: str
    given: dict[str, Value]
    """Its settings, where they are not the defaults."""

    @cached_property
    def settings(self) -> Settings:
        """Those of a short trial of the model alone. Raises ValueError as ``Settings.of``."""
        wanted: dict[str, Value] = {
            **{"epochs": 2, "batch_size": 16, "warmup_steps": 1, "device": "cpu", "dropout": 0.1},
            **{"windows": "tiled", "patience": 3, "repeats": "learned"},
            **{"embeddings": "random", "blend": "none"},
        }
        plain = Settings.of(model=self.name)
        return Settings.of(
            model=self.name, **{k: v for k, v in wanted.items() if plain.has(k)} | self.given
        )

    @cached_property
    def sequences(self) -> Sequences:
        """Users whose next item mostly follows from the last one; some interactions are tied."""
        random = np.random.default_rng(1)
        lengths = random.integers(3, 2 * LONGEST, N_USERS)
        items = random.integers(N_ITEMS, size=int(lengths.sum()))
        for place in range(1, len(items)):
            if random.random() < 0.8:
                items[place] = (items[place - 1] + 1) % N_ITEMS
        return Sequences(
            items=items.astype(np.int32),
            offsets=np.concatenate([[0], lengths.cumsum()]),
            user_ids=Ids.of(np.arange(N_USERS).astype(str)),
            item_ids=Ids.of(np.arange(N_ITEMS).astype(str)),
            timestamps=np.arange(len(items)) // 2 * 1.0,
        )

    def trainer(self, bar: Bar | None = None) -> Trainer:
        """A new trial."""
        return Trainer(self.settings, self.sequences, leave_one_out(self.sequences), bar)

    @cached_property
    def trained(self) -> Trainer:
        """A trial that has been trained to its end, with its best weights in ``averaged``."""
        trainer = self.trainer()
        run(trainer)
        return trainer

    def build(self) -> Model:
        """A new model with random weights, the same ones at each call."""
        torch.manual_seed(1)
        return models.build(self.name, N_ITEMS, self.settings.values())

    def learned(self) -> LearnedModel:
        model = self.build()
        assert isinstance(model, LearnedModel), "CHECKS has this for learned models alone"
        return model

    def histories(self, length: int) -> Histories:
        """[batch, length]: histories of all lengths from 0 on, and several of the full one."""
        generator = torch.Generator().manual_seed(2)
        lengths = torch.tensor([*range(length + 1), length, length])
        return padded(lengths, length, generator)

    @cached_property
    def fitted(self) -> Model:
        """A model after steps on random sequences, or counted; in evaluation mode."""
        model = self.build()
        if isinstance(model, LearnedModel):
            generator = torch.Generator().manual_seed(4)
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            for _ in range(STEPS):
                optimizer.zero_grad()
                model(*model.examples(training(model, generator), generator)).backward()
                optimizer.step()
        items = torch.from_numpy(self.sequences.items.astype(np.int64))
        model.count(items, torch.arange(N_USERS).repeat_interleave(self.lengths))
        for variant in model.variants[:1]:
            model.use(**variant)
        return model.eval()

    @property
    def lengths(self) -> Tensor:
        """The number of interactions of each user, [N_USERS] int64."""
        return torch.from_numpy(self.sequences.offsets).diff()

    def scores(self, histories: Histories) -> Tensor:
        """The fitted model's scores of all items, [batch, N_ITEMS]."""
        with torch.inference_mode():
            return self.fitted.scores(self.fitted.queries(histories), 0, N_ITEMS)

    @property
    def longest(self) -> int:
        """The columns of the longest histories that are tried: no more than the model reads."""
        return min(LONGEST, self.fitted.max_length + self.fitted.memory)


def padded(lengths: Tensor, columns: int, generator: torch.Generator) -> Histories:
    """Histories of these lengths, of random items: [batch, columns]."""
    items = torch.randint(N_ITEMS, (len(lengths), columns), generator=generator)
    place = torch.arange(columns)
    items = items.masked_fill(place < columns - lengths[:, None], N_ITEMS)
    return Histories(items, (place // 2).expand_as(items))


def run(trainer: Trainer) -> None:
    """Train to the end; ``averaged`` then has the best weights, in evaluation mode."""
    for _ in trainer.epochs():
        pass
    trainer.averaged.load_state_dict(trainer.best_weights)
    trainer.averaged.eval()


def check_tensor(
    what: str, found: object, shape: tuple[int | None, ...], *, floating: bool
) -> None:
    """Raises Broken unless it is a tensor of the shape, None for any, and of the type."""
    if not isinstance(found, Tensor):
        raise Broken(f"{what} should be a tensor, not {type(found).__name__}")
    if len(found.shape) != len(shape) or any(
        size is not None and size != have for size, have in zip(shape, found.shape, strict=True)
    ):
        wanted = ", ".join("k" if size is None else str(size) for size in shape)
        raise Broken(f"{what} has shape {list(found.shape)}: it should be [{wanted}]")
    if found.is_floating_point() if not floating else not found.is_floating_point():
        raise Broken(f"{what} is {found.dtype}: it should be {'float' if floating else 'int64'}")


def check_same(found: Tensor, expected: Tensor, what: str) -> None:
    """Raises Broken unless they are the same scores, but for rounding."""
    by = float((found - expected).abs().max())
    if by > ROUNDING * float(expected.abs().max()):
        raise Broken(f"{what}, by up to {by:.2g}")


def training(model: LearnedModel, generator: torch.Generator | None = None) -> Histories:
    """Random training sequences [16, columns]; the first has one item, the second two."""
    generator = generator or torch.Generator().manual_seed(5)
    columns = min(LONGEST, model.window + model.memory)
    lengths = torch.full((16,), columns)
    lengths[:2] = torch.tensor([1, min(2, columns)])
    return padded(lengths, columns, generator)
