"""`benchmark.card --sequential`: what a model loses when its histories are shuffled."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmark.measures.metrics import means
from benchmark.sequential import measure, shuffled
from benchmark.settings.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from datasets.specs import spec
from datasets.splitting.splits import leave_one_out
from datasets.splitting.temporal import Temporal, temporal
from tests.conftest import card_of


def unordered(sequences):
    """The same interactions of each user, in random order."""
    users = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
    chance = np.random.default_rng(0).random(len(users))
    return replace(sequences, items=sequences.items[np.lexsort((chance, users))])


def trainer(sequences, split=None, **given) -> Trainer:
    settings = Settings.of(dataset="demo", **{"model": "Markov"} | given)
    return Trainer(settings, sequences, split or leave_one_out(sequences))


def test_order_matters_where_it_was_made_to_and_not_where_it_was_shuffled(here):
    _, sequences = load("demo")
    found = measure(trainer(sequences))
    assert found.in_order > 0.3
    assert found.shuffled < 0.5 * found.in_order
    assert found.low > 0.1
    difference = found.in_order - found.shuffled
    assert found.low < difference < found.high

    other = measure(trainer(unordered(sequences)))
    assert other.low < 0 < other.high
    assert abs(other.in_order - other.shuffled) < 0.01


def test_the_first_number_is_that_of_the_trial_and_a_model_without_order_loses_nothing(here):
    _, sequences = load("demo")
    for by in (None, Temporal(4, 8, "successive")):
        split = by and temporal(sequences, by=by)
        for model in ("Markov", "Popularity"):
            one = trainer(sequences, split, model=model)
            found = measure(one)
            ranks = one.final_ranks()["test"]
            assert found.in_order == means(ranks, one.split.test.queries)["ndcg@10"]
            if model == "Popularity":
                assert found.shuffled == found.in_order
                assert (found.low, found.high) == (0, 0)


@pytest.mark.parametrize("by", [None, "successive", "baskets"])
def test_each_history_has_the_same_items_and_the_targets_stay(here, by):
    _, sequences = load("demo")
    if by == "baskets":  # three times, one after the other
        sequences = replace(sequences, timestamps=np.floor(sequences.timestamps / 4))
    split = (
        temporal(sequences, by == "baskets", Temporal(1, 2, "successive"))
        if by
        else leave_one_out(sequences)
    )
    targets = split.test
    items, baskets, moved = shuffled(sequences, targets, np.random.default_rng(1))
    assert moved.positions.tolist() == targets.positions.tolist()
    assert moved.queries.tolist() == targets.queries.tolist()
    assert items[: len(sequences.items)].tolist() == sequences.items.tolist()
    changed = 0
    histories = zip(targets.starts, targets.ends, moved.starts, moved.ends, strict=True)
    for start, end, new_start, new_end in list(histories)[:500]:
        was = sequences.items[start:end].tolist()
        now = items[new_start:new_end].tolist()
        assert Counter(now) == Counter(was)
        changed += now != was
        assert baskets[new_start:new_end].tolist() == sequences.baskets[start:end].tolist()
    assert changed > 300


def test_the_command_prints_the_card_and_the_loss(run_verb, here):
    content = yaml.safe_load((spec.SPECS_FOLDER / "demo.yaml").read_text())
    content["synthetic"] |= {"users": 300, "items": 50}
    Path("small.yaml").write_text(yaml.safe_dump(content))
    plain = run_verb("card", "small.yaml")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert plain.stdout.endswith(card_of(*load("small.yaml")).render())
    done = run_verb("card", "small.yaml", "--sequential")
    assert done.returncode == 0, done.stderr
    found = measure(trainer(load("small.yaml")[1]))
    assert done.stdout.endswith(f"\n**Sequential:** Markov: {found}\n")
    pattern = (
        r"test ndcg@10 is 0\.\d{4} on histories in their order, and 0\.\d{4} on the same "
        r"histories in random order: a loss of 0\.\d{4} \(\d\d\.\d%\), 95% interval "
        r"0\.\d{4} to 0\.\d{4} over users"
    )
    assert re.fullmatch(pattern, str(found))


def test_wrong_use_is_one_line(run_verb, here):
    for options, message in (
        (["nowhere"], "no data set is called 'nowhere'"),
        (["demo", "--model", "SASRec"], "--model belongs to --sequential"),
        (["demo", "--sequential", "--layers", "2"], "layers"),
        (["ml-1m", "--data-dir", "nowhere"], "the data folder does not exist"),
    ):
        done = run_verb("card", *options)
        assert done.returncode in (1, 2)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("Error: ")
        assert message in last
