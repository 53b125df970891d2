"""Write many SYNTHETIC trials into a tracking database, to time a report on them.

    python -m bench.many_runs sqlite:////tmp/many/mlflow.db
    time python -m benchmark.report --experiment many --tracking-uri sqlite:////tmp/many/mlflow.db

By default, 1,000 trials of 100 epochs: 333 combinations of settings with three seeds each, and one
with a single seed. Every run has all that a trial logs, including the ranks of 6,000 users. The
rows go straight into the tables of MLflow: its client would take half a second for each trial.
"""

import argparse
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy
from mlflow.store.tracking.dbmodels import models
from tqdm import tqdm

from benchmark.measures.metrics import means
from benchmark.settings.settings import Settings
from benchmark.tracking import schema, server

USERS = 6_000
NAMES = ("BERT4Rec", "SASRec", "GRU4Rec")
TAGS = {
    schema.DATA_DIGEST: "0" * 16,
    schema.PROTOCOL: "leave-one-out; every item a candidate; history not masked",
    schema.GIT_COMMIT: "0" * 40,
    schema.HOST: "nowhere",
    schema.DEVICE: "none",
    schema.DATASET_TITLE: "Many (synthetic)",
    schema.SYNTHETIC: "true",
    schema.MODEL_LINK: "https://example.org",
}
FIRST_STARTED = 1_700_000_000_000  # milliseconds since 1970
SECONDS = 3_100.0  # of a trial
PER_TRANSACTION = 100  # trials

Rows = dict[str, list[dict[str, Any]]]
"""Rows to insert, by the name of their table."""


def ranks(settings: Settings, rng: np.random.Generator) -> pa.Table:
    """A ranks table with random ranks, which are best near a learning rate of 0.001."""
    users = np.arange(USERS)
    ids = pa.array(users.astype(str))
    dropout = float(settings.as_dict()["dropout"])
    learning_rate = float(settings.as_dict()["learning_rate"])
    scale = 40 * (1 + (math.log10(learning_rate) + 3) ** 2 + 2 * (dropout - 0.2) ** 2)
    columns = {
        "user": ids,
        "item": ids,
        "rank": 1 + rng.exponential(scale, USERS).astype(np.int64),
        "query": users,
        "history": users % 300,
        "popularity": users % 1000,
        "repeated": users % 9 == 0,
    }
    return pa.table(columns)


def trial(number: int, settings: Settings, table: pa.Table, epochs: int, folder: Path) -> Rows:
    """The rows of one trial, whose metrics follow from its ranks. Its artifacts are written."""
    run = uuid.uuid4().hex
    artifacts = folder / run / "artifacts"
    path = artifacts / schema.RANKS.format(part="test")
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    name = f"{settings.model} seed={settings.seed}"
    result = means(table["rank"].to_numpy(), table["query"].to_numpy())
    of_epoch = {schema.metric_key("valid", name): value for name, value in result.items()}
    of_epoch |= {"train/loss": 5.0, "train_seconds": 30.0, "valid_seconds": 1.0}
    of_epoch |= {"sequences_per_second": 700.0}
    curves: list[dict[str, Any]] = [
        {"key": key, "value": value * epoch / epochs, "step": epoch}
        for epoch in range(1, epochs + 1)
        for key, value in of_epoch.items()
    ]
    final: dict[str, float] = {"best_epoch": epochs - 1, "last_epoch": epochs}
    final |= {"trial_seconds": SECONDS, "parameters": 312_000, "peak_memory_mb": 600}
    for part in ("best_valid", "test"):
        final |= {schema.metric_key(part, name): value for name, value in result.items()}
    once = [{"key": key, "value": value, "step": epochs} for key, value in final.items()]
    started = FIRST_STARTED + int(number * SECONDS * 1000)
    tags = TAGS | {schema.COMMAND: settings.command(), "mlflow.runName": name}
    return {
        "runs": [
            {
                "run_uuid": run,
                "name": name,
                "user_id": "unknown",
                "source_type": "UNKNOWN",
                "status": "FINISHED",
                "start_time": started,
                "end_time": started + int(SECONDS * 1000),
                "artifact_uri": str(artifacts),
            }
        ],
        "params": [_of(run, k, str(v)) for k, v in settings.as_dict().items()],
        "tags": [_of(run, key, value) for key, value in tags.items()],
        "metrics": [
            {**point, "run_uuid": run, "timestamp": started + point["step"]}
            for point in [*curves, *once]
        ],
        "latest_metrics": [
            {**point, "run_uuid": run, "timestamp": started + epochs}
            for point in [*curves[-len(of_epoch) :], *once]
        ],
    }


def _of(run: str, key: str, value: str) -> dict[str, str]:
    return {"run_uuid": run, "key": key, "value": value}


def insert(engine: sqlalchemy.Engine, experiment_id: str, trials: list[Rows]) -> None:
    """Insert the trials in one transaction."""
    with engine.begin() as connection:
        for name in trials[0]:
            rows = [row for found in trials for row in found[name]]
            if name == "runs":
                rows = [row | {"experiment_id": int(experiment_id)} for row in rows]
            connection.execute(sqlalchemy.insert(models.Base.metadata.tables[name]), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tracking_uri", help="database, which gains the trials in experiment many")
    parser.add_argument(
        "--runs", type=int, default=1000, help="number of trials; default: %(default)s"
    )
    parser.add_argument(
        "--epochs", type=int, default=100, help="epochs of each trial; default: %(default)s"
    )
    args = parser.parse_args()
    if "://" not in args.tracking_uri or min(args.runs, args.epochs) < 1:
        parser.error("a database such as sqlite:///many.db, and at least one run of one epoch")
    client = server.connect(args.tracking_uri)  # which makes the tables
    experiment_id = server.experiment_id(client, "many")
    folder = Path(client.get_experiment(experiment_id).artifact_location)
    engine = sqlalchemy.create_engine(args.tracking_uri)
    rng = np.random.default_rng(0)
    trials: list[Rows] = []
    for number in tqdm(range(args.runs)):
        if number % 3 == 0:  # three trials differ only in the seed
            model = NAMES[rng.integers(3)]
            learning_rate = 10 ** rng.uniform(-4, -2)
            dropout = rng.uniform(0, 0.5)
        settings = Settings.of(
            dataset="many",
            model=model,
            learning_rate=float(learning_rate),
            dropout=float(dropout),
            seed=number % 3,
            epochs=args.epochs,
        )
        trials.append(trial(number, settings, ranks(settings, rng), args.epochs, folder))
        if len(trials) == PER_TRANSACTION or number == args.runs - 1:
            insert(engine, experiment_id, trials)
            trials = []


if __name__ == "__main__":
    main()
