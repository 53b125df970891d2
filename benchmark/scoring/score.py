"""The ranks and metrics of both parts of a split, from the files of another library."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.measures.metrics import means
from benchmark.scoring import lists, matrix, stated, tables
from benchmark.scoring.queries import Queries, Ranked, ScoreError
from benchmark.training.evaluation import evaluated, sample
from benchmark.training.lists import list_table
from benchmark.training.ranks import rank_table
from datasets.sequences import Sequences
from datasets.splitting.targets import Split, Targets


@dataclass(frozen=True)
class Scored:
    """The result of one part, from its file."""

    metrics: Mapping[str, float]
    """Such as {"ndcg@10": 0.17}."""
    one_target: bool
    """Whether each query has one target, so that hit and precision follow from recall."""
    ranks: pd.DataFrame
    """The table of ``training.ranks``."""
    lists: pd.DataFrame | None
    """The table of ``training.lists``, of test; None: the file states the targets' ranks alone."""
    until: int | None
    """The last rank that is known of every query; None: all ranks are."""
    remarks: list[str]


def score(
    paths: Mapping[str, Path],
    sequences: Sequences,
    split: Split,
    history: str,
    evaluate_users: int = 0,
) -> dict[str, Scored]:
    """The results by part. ``paths`` are those of the files, by part (valid, test).

    ``history`` and ``evaluate_users`` are the settings of these names. Raises UserError if
    nobody would be evaluated, or if a file cannot be scored.
    """
    evaluated(history, sequences, split, evaluate_users)
    parts = {"valid": split.valid, "test": split.test}
    return {
        part: _score(path, sequences, split, part, parts[part], history, evaluate_users)
        for part, path in paths.items()
    }


def ranks_of(queries: Queries) -> Ranked:
    """The ranks of the targets from the file, whose name and columns show which kind it is.

    Raises ScoreError if it is of no kind, or if it contradicts itself or the data.
    """
    if queries.path.suffix == ".npz":
        return matrix.ranks_of(queries)
    names = tables.columns(queries.path)
    if "items" in names or "item" in names:
        return lists.ranks_of(queries, names)
    if "rank" in names:
        return stated.ranks_of(queries, names)
    raise ScoreError(
        f"{queries.path}: columns are missing; there are: {', '.join(names)}; needed are "
        f"{tables.LAYOUTS}"
    )


def _score(
    path: Path,
    sequences: Sequences,
    split: Split,
    part: str,
    targets: Targets,
    history: str,
    evaluate_users: int,
) -> Scored:
    kept = sample(sequences, targets, evaluate_users)
    if history == "novel":
        kept &= ~targets.repeated(sequences.items)
    # Queries of the file are numbered with all targets.
    found = ranks_of(Queries(path, sequences, targets, kept, masked=history != "ranked"))
    table = None
    if found.best is not None and part == "test":
        best = found.best[np.unique(targets.queries[kept])]
        table = list_table(sequences, split, targets.chosen(kept), best)
    targets = targets.chosen(kept)
    ranks = found.ranks[kept]
    return Scored(
        metrics=means(ranks, targets.queries),
        one_target=targets.one_for_each_query,
        ranks=rank_table(sequences, split, targets, ranks),
        lists=table,
        until=found.until,
        remarks=found.remarks,
    )
