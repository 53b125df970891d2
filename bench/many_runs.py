"""A tracking server full of trials, to time a report on: their figures are SYNTHETIC.

python bench/many_runs.py sqlite:////tmp/many/mlflow.db
time python -m benchmark.report --experiment many --tracking-uri sqlite:////tmp/many/mlflow.db

A thousand trials of a hundred epochs, 333 points with three seeds and one more: each with all that
a trial logs, and with ranks of 6,000 users.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from tqdm import tqdm

from benchmark.metrics import means
from benchmark.settings import Settings
from benchmark.tracking import schema

USERS = 6_000
MODELS = ("BERT4Rec", "SASRec", "GRU4Rec")


def ranks(rng: np.random.Generator) -> pd.DataFrame:
    users = np.arange(USERS)
    found = {"user": users.astype(str), "item": users.astype(str)}
    found |= {"rank": (1 + rng.exponential(60, USERS)).astype(np.int64)}
    found |= {"history": users % 300, "popularity": users % 1000, "repeated": users % 9 == 0}
    return pd.DataFrame(found)


def log(client: MlflowClient, where: str, settings: Settings, table: Path, epochs: int) -> None:
    result = means(pd.read_parquet(table)["rank"].to_numpy())
    tags = {
        schema.DATA_DIGEST: "0" * 16,
        schema.PROTOCOL: "leave-one-out; every item a candidate; history not masked",
        schema.COMMAND: settings.command(),
        schema.GIT_COMMIT: "0" * 40,
        schema.HOST: "nowhere",
        schema.DEVICE: "none",
        schema.DATASET_TITLE: "Many (synthetic)",
        schema.SYNTHETIC: "true",
        schema.MODEL_LINK: "https://example.org",
    }
    run = client.create_run(where, run_name=f"{settings.model} seed={settings.seed}").info.run_id
    figures = {schema.metric_key("valid", name): value for name, value in result.items()}
    figures |= {"train/loss": 5.0, "train_seconds": 30.0, "valid_seconds": 1.0}
    figures |= {"sequences_per_second": 700.0}
    curve = [
        Metric(name, value * epoch / epochs, epoch, epoch)
        for epoch in range(1, epochs + 1)
        for name, value in figures.items()
    ]
    for first in range(0, len(curve), 900):  # the store takes a thousand at a time
        client.log_batch(run, metrics=curve[first : first + 900])
    end = {"best_epoch": epochs - 1, "last_epoch": epochs, "trial_seconds": 3100.0}
    end |= {"parameters": 312_000, "peak_memory_mb": 600}
    end |= {schema.metric_key(p, n): v for p in ("best_valid", "test") for n, v in result.items()}
    client.log_batch(
        run,
        metrics=[Metric(name, value, epochs, epochs) for name, value in end.items()],
        params=[Param(name, str(value)) for name, value in settings.as_dict().items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    client.log_artifact(run, table, "ranks")
    client.set_terminated(run)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tracking_uri")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=100)
    args = parser.parse_args()
    client, rng = MlflowClient(args.tracking_uri), np.random.default_rng(0)
    where = client.create_experiment("many")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "test.parquet")
        for number in tqdm(range(args.runs)):
            if number % 3 == 0:
                model = MODELS[rng.integers(3)]
                rate, dropout = 10 ** rng.uniform(-4, -2), rng.uniform(0, 0.5)
            ranks(rng).to_parquet(table)
            settings = Settings.of(
                dataset="many",
                model=model,
                learning_rate=float(rate),
                dropout=float(dropout),
                seed=number % 3,
                epochs=args.epochs,
            )
            log(client, where, settings, table, args.epochs)


if __name__ == "__main__":
    main()
