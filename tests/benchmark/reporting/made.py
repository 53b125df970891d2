"""Reports on trials that no store holds, for tests of what a format shows of them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmark.reporting.comparison import compare
from benchmark.reporting.content import Content, Dataset
from benchmark.reporting.leaderboard import leaderboard
from benchmark.reporting.ranking import order
from benchmark.reporting.section import Section
from benchmark.reporting.sections import sections
from benchmark.tracking.reading.record import Record
from tests.conftest import one_each

USERS = 300


def trial(model: str, quality: float = 1.0, seed: int = 1, **params) -> Record:
    """A finished trial. Its ranks follow from the quality (1 is better than 2) and the seed."""
    found = one_each(ranks(quality, seed))
    return Record(
        run_id=f"{quality} {seed} {model} {params}",
        name=f"{model} {seed}",
        artifact_uri="",
        status="FINISHED",
        started=seed,
        params={"model": model, "seed": seed, "learning_rate": 0.001} | params,
        valid=found,
        test=found,
        best_epoch=2,
        last_epoch=3,
        metrics={"parameters": 123456.0, "peak_memory_mb": 600.0, "sequences_per_second": 7.0},
        seconds=1357.6,
        tags={"data_digest": "d1", "protocol": "leave-one-out; every item a candidate"},
        statistics={},
    )


def ended(status: str, reason: str = "", **tags: str) -> Record:
    """A trial without a result."""
    found = replace(trial("Ended"), status=status, valid=None, test=None)
    return replace(found, tags=found.tags | tags | ({"failure": reason} if reason else {}))


def ranks(quality: float, seed: int) -> np.ndarray:
    """[users] int64."""
    of_users = np.random.default_rng(0).exponential(20, USERS)
    noise = np.random.default_rng(seed).normal(size=USERS)
    return (1 + quality * of_users * np.exp(noise / 4)).astype(np.int64)


def content(*trials: Record, verdict: tuple[str, ...] = (), compared: bool = True) -> Content:
    ranking = order(list(trials), "ndcg@10")
    tables = {record.run_id: _table(record) for record in ranking.records} if compared else {}
    comparison = compare(ranking, tables, "ndcg@10", "t")
    return Content(
        experiments=("e",),
        dataset=Dataset("Demo", None),
        ranking=ranking,
        comparison=comparison,
        leaderboard=leaderboard(ranking, comparison),
        beside=None,
        verdict=list(verdict),
        sections=sections(ranking, comparison, None, Section("Examples"), [10]),
        charts=[],
    )


def _table(record: Record) -> pd.DataFrame:
    """Its ranks, as they are read from a run."""
    quality, seed, _ = record.run_id.split(" ", 2)
    users = np.arange(USERS)
    found = ranks(float(quality), int(seed))
    return pd.DataFrame({"user": users, "item": users, "rank": found, "query": users})
