"""Splits of real data, exported to files as others publish them, give the ranks of the split made
here: for counted models and for learned ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.settings.settings import Settings
from benchmark.training.ranks import rank_table
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from datasets.specs import spec
from models import MODELS, learns

COUNTED = [name for name in MODELS if not learns(name)]
# The other models choose values on validation, and a file of a whole period has more validation
# targets. They also use equal times, which a column of histories does not hold.
CHOOSE_NOTHING = [name for name in COUNTED if len(MODELS[name].variants) == 1]
SHORT = {
    "hidden_size": 16,
    "inner_size": 16,
    "layers": 1,
    "heads": 1,
    "epochs": 1,
    "max_length": 20,
    "blend": "none",  # its weight would be chosen on validation, of which files may have more
}
PARTS = ("train", "valid", "test")


def ranks(name: str, sequences, split) -> dict[str, pd.DataFrame]:
    """The ranks of the targets of each part, by user and item."""
    short = SHORT if learns(name) else {}
    trainer = Trainer(Settings.of(model=name, dataset="ml-100k", **short), sequences, split)
    list(trainer.epochs())
    found = trainer.final_ranks()
    targets = {"valid": split.valid, "test": split.test}
    tables = {p: rank_table(sequences, split, targets[p], found[p]) for p in targets}
    # The neighbours of a target, which "tied" is about, need not be in the files.
    return {
        part: table.drop(columns=["query", "tied"]).set_index(["user", "item"])
        for part, table in tables.items()
    }


def exported(sequences, rows: dict[str, np.ndarray], told: dict[str, np.ndarray]) -> str:
    """A YAML file, and the files of a split with the rows at these positions.

    ``told`` are the rows whose history is in a column history; none: there is no such column.
    """
    users = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
    ids = sequences.item_ids[sequences.items]
    columns = {"user": "u", "item": "i", "timestamp": "t"}
    Path("data").mkdir(exist_ok=True)
    for part, at in rows.items():
        content = {"u": sequences.user_ids[users[at]], "i": ids[at], "t": sequences.timestamps[at]}
        if told:
            columns["history"] = "h"
            starts = np.where(np.isin(at, told[part]), sequences.offsets[users[at]], at)
            spans = zip(starts, at, strict=True)
            content["h"] = [" ".join(ids[start:end]) for start, end in spans]
        pd.DataFrame(content).to_csv(f"data/{part}.csv.gz", index=False)
    description = {
        "title": "Mine",
        "sources": [{"reader": "csv", "columns": columns}],
        "split": {part: f"{part}.csv.gz" for part in PARTS},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(description))
    return "mine.yaml"


def by_period(sequences) -> dict[str, np.ndarray]:
    """The positions of all rows of each period of ``split: temporal``."""
    times = sequences.timestamps
    points = [len(times) * 8 // 10, len(times) * 9 // 10]
    period = np.searchsorted(np.partition(times, points)[points], times, side="right")
    return {part: np.flatnonzero(period == n) for n, part in enumerate(PARTS)}


def by_target(sequences, split, training: np.ndarray) -> dict[str, np.ndarray]:
    """The training rows and those of the targets alone. Items that are then in no row get one: they
    are candidates."""
    rows = {"train": training, "valid": split.valid.positions, "test": split.test.positions}
    known = np.isin(sequences.items, sequences.items[np.concatenate(list(rows.values()))])
    others = np.flatnonzero(~known)
    return rows | {"test": np.sort(np.concatenate([rows["test"], others]))}


@pytest.mark.parametrize("name", ["leave-one-out", "temporal"])
def test_a_split_in_files_has_the_ranks_of_the_split_made_here(here, shared_data, name):
    content = spec.read("ml-100k").as_dict()
    content["filters"]["timestamp"] = {"max": "1997-10-31"}  # six weeks: 175 users, 468 items
    Path("weeks.yaml").write_text(yaml.safe_dump(content))
    read, sequences = load("weeks.yaml", shared_data)
    split = replace(read, split=name).split_of(sequences)
    if name == "temporal":
        whole = by_period(sequences)
    else:
        held_out = np.concatenate([split.valid.positions, split.test.positions])
        whole = {
            "train": np.setdiff1d(np.arange(len(sequences.items)), held_out),
            "valid": split.valid.positions,
            "test": split.test.positions,
        }
    targets = by_target(sequences, split, whole["train"])
    told = targets | {"test": split.test.positions}
    models = [*(CHOOSE_NOTHING if name == "temporal" else COUNTED), "SASRec"]
    expected = {model: ranks(model, sequences, split) for model in models}
    for rows, histories in ((whole, {}), (whole, whole), (targets, told)):
        described, of_files = load(exported(sequences, rows, histories))
        file_split = described.split_of(of_files)
        assert of_files.n_items == sequences.n_items
        other = name == "temporal" and rows is targets  # histories that no rows are like
        assert (len(of_files.items) > of_files.n_interactions) == other
        assert ("a column of the files" in file_split.name) == other
        more = name == "temporal" and rows is whole
        for model in models:
            found = ranks(model, of_files, file_split)
            for part, table in expected[model].items():
                pd.testing.assert_frame_equal(found[part].loc[table.index], table)
                assert len(found[part]) == len(table) or more
