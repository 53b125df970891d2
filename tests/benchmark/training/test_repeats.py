"""Targets that their users had before: what an evaluation makes of them, and that nothing leaks."""

import gc
from functools import cache

import numpy as np
import pytest
import torch

import models
from bench.chance import ERRORS, drawn, measured
from benchmark.errors import UserError
from benchmark.settings.settings import Settings
from benchmark.training import evaluation
from benchmark.training.evaluation import rank_targets
from benchmark.training.trainer import Trainer
from datasets.ids import Ids
from datasets.sequences import Sequences
from datasets.splitting.splits import leave_one_out, temporal
from datasets.splitting.targets import Split
from models.batches import Interactions
from models.ranking import MISS

TINY = {"hidden_size": 8, "inner_size": 8, "layers": 1, "heads": 1, "max_length": 12}
SPLITS = {"leave-one-out": leave_one_out, "temporal": temporal}


@pytest.fixture(autouse=True)
def few_objects():
    """A trial first collects garbage: that is quick without all that is loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


def of_users(*histories: str) -> Sequences:
    items = np.concatenate([np.frombuffer(h.encode(), np.uint8) - ord("a") for h in histories])
    return Sequences(
        items=items.astype(np.int32),
        offsets=np.cumsum([0, *map(len, histories)]),
        user_ids=Ids.of(np.arange(len(histories)).astype(str)),
        item_ids=Ids.of(np.arange(items.max() + 1).astype(str)),
    )


def trained(model: str, sequences: Sequences, split, **changes) -> Trainer:
    """A small model after a few steps that are large enough to learn that people come back."""
    given = (
        {"epochs": 3, "learning_rate": 0.1, "batch_size": 100, "ema_decay": 0.0} | TINY | changes
    )
    has = Settings.of(model=model).has
    own = {name: value for name, value in given.items() if has(name)}
    trainer = Trainer(Settings.of(model=model, **own), sequences, split)
    for _ in trainer.epochs():
        pass
    return trainer


def test_a_target_repeats_if_its_own_history_has_it():
    sequences = of_users("abcab", "abcd", "ddabcd")
    split = leave_one_out(sequences)
    assert split.valid.repeated(sequences.items).tolist() == [True, False, False]
    assert split.test.repeated(sequences.items).tolist() == [True, False, True]
    assert evaluation.repeated(sequences, split) == (1, 2)


def test_the_protocol_says_what_becomes_of_repeated_targets_where_there_are_any():
    def histories(*users: str) -> list[str]:
        sequences = of_users(*users)
        split = leave_one_out(sequences)
        found = [
            evaluation.protocol(history, sequences, split)
            for history in ("ranked", "masked", "novel")
        ]
        assert {text.replace(text.split("; ")[2], "H") for text in found} == {
            "leave-one-out; every item a candidate; H; ties rank last; best valid ndcg@10"
        }
        return [text.split("; ")[2] for text in found]

    plain = ["history not masked", "history masked", "history masked"]
    assert histories("abcd", "dcba", "aabc") == plain
    assert histories("abcab", "abcd", "ddabcd") == [
        "history not masked",
        "history masked, repeated targets are misses",
        "history masked, repeated targets left out (1 of validation, 2 of test)",
    ]


def test_repeated_targets_are_misses_if_masked_and_left_out_if_novel():
    sequences = of_users("abcab", "abcd", "ddabcd")
    split = leave_one_out(sequences)
    masked = trained("RepeatLast", sequences, split, history="masked").result().ranks
    assert masked["valid"]["rank"].tolist() == [MISS, 2, 1]
    assert masked["test"]["rank"].tolist() == [MISS, 1, MISS]
    assert masked["test"]["repeated"].tolist() == [True, False, True]
    novel = trained("RepeatLast", sequences, split, history="novel").result()
    assert novel.ranks["valid"]["user"].tolist() == ["1", "2"]
    assert novel.ranks["test"]["user"].tolist() == ["1"]
    assert novel.metrics["test"]["recall@10"] == 1


def test_history_novel_needs_a_target_that_does_not_repeat():
    sequences = drawn(20, 40, repeats=True)
    for split in (leave_one_out(sequences), temporal(sequences)):
        with pytest.raises(UserError, match="history novel leaves nobody to evaluate in valid"):
            trained("Popularity", sequences, split, history="novel")


@cache
def returning(model: str, split: str) -> tuple[Trainer, Split]:
    """A model of users who come back, and targets that have nothing to do with that."""
    sequences = drawn(1000, 40, trained=8)
    parts = SPLITS[split](sequences)
    return trained(model, sequences, parts), parts


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("model", models.MODELS)
def test_no_model_is_above_chance_on_targets_that_are_drawn_anew(model, split):
    """With a repeated target as the only candidate of its history, most are 7 errors above."""
    trainer, parts = returning(model, split)
    for history in ("ranked", "masked", "novel"):
        for found in measured(trainer, parts, history):
            errors = found.chance.errors_above(found.value)
            # Equal scores rank last, so that a model that counts may be below chance.
            assert errors < ERRORS, (history, found)
            assert errors > -ERRORS or not models.learns(model), (history, found)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("model", models.MODELS)
def test_no_model_has_a_hit_if_masked_where_every_target_repeats(model, split):
    trainer, _ = returning(model, split)
    sequences = drawn(200, 40, repeats=True, trained=8)
    parts = SPLITS[split](sequences)
    items = torch.from_numpy(sequences.items.astype(np.int64))
    interactions = Interactions.without_times(items)
    for targets in (parts.valid, parts.test):
        assert (rank_targets(trainer.averaged, interactions, targets, "masked") == MISS).all()
