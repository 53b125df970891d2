"""Log many SYNTHETIC trials to a tracking server, to time a report on them.

    python -m bench.many_runs sqlite:////tmp/many/mlflow.db
    time python -m benchmark.report --experiment many --tracking-uri sqlite:////tmp/many/mlflow.db

By default, 1,000 trials of 100 epochs: 333 combinations of settings with three seeds each, and one
with a single seed. Every run has all that a trial logs, including the ranks of 6,000 users.
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
    """A ranks table with random ranks."""
    users = np.arange(USERS)
    columns = {
        "user": users.astype(str),
        "item": users.astype(str),
        "rank": (1 + rng.exponential(60, USERS)).astype(np.int64),
        "query": users,
        "history": users % 300,
        "popularity": users % 1000,
        "repeated": users % 9 == 0,
    }
    return pd.DataFrame(columns)


def log(
    client: MlflowClient, experiment_id: str, settings: Settings, table: Path, epochs: int
) -> None:
    """Log one trial. ``table`` is the Parquet file of its ranks; its metrics follow from them."""
    content = pd.read_parquet(table)
    result = means(content["rank"].to_numpy(), content["query"].to_numpy())
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
    run_name = f"{settings.model} seed={settings.seed}"
    run = client.create_run(experiment_id, run_name=run_name).info.run_id
    of_epoch = {schema.metric_key("valid", name): value for name, value in result.items()}
    of_epoch |= {"train/loss": 5.0, "train_seconds": 30.0, "valid_seconds": 1.0}
    of_epoch |= {"sequences_per_second": 700.0}
    curve = [
        Metric(name, value * epoch / epochs, epoch, epoch)
        for epoch in range(1, epochs + 1)
        for name, value in of_epoch.items()
    ]
    for first in range(0, len(curve), 900):  # MLflow accepts 1,000 metrics per call
        client.log_batch(run, metrics=curve[first : first + 900])
    final = {"best_epoch": epochs - 1, "last_epoch": epochs, "trial_seconds": 3100.0}
    final |= {"parameters": 312_000, "peak_memory_mb": 600}
    for part in ("best_valid", "test"):
        final |= {schema.metric_key(part, name): value for name, value in result.items()}
    client.log_batch(
        run,
        metrics=[Metric(name, value, epochs, epochs) for name, value in final.items()],
        params=[Param(name, str(value)) for name, value in settings.as_dict().items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    client.log_artifact(run, table, "ranks")
    client.set_terminated(run)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tracking_uri", help="tracking server; it must not have an experiment called many"
    )
    parser.add_argument(
        "--runs", type=int, default=1000, help="number of trials; default: %(default)s"
    )
    parser.add_argument(
        "--epochs", type=int, default=100, help="epochs of each trial; default: %(default)s"
    )
    args = parser.parse_args()
    client = MlflowClient(args.tracking_uri)
    rng = np.random.default_rng(0)
    experiment_id = client.create_experiment("many")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "test.parquet")
        for number in tqdm(range(args.runs)):
            if number % 3 == 0:  # three trials differ only in the seed
                model = MODELS[rng.integers(3)]
                learning_rate = 10 ** rng.uniform(-4, -2)
                dropout = rng.uniform(0, 0.5)
            ranks(rng).to_parquet(table)
            settings = Settings.of(
                dataset="many",
                model=model,
                learning_rate=float(learning_rate),
                dropout=float(dropout),
                seed=number % 3,
                epochs=args.epochs,
            )
            log(client, experiment_id, settings, table, args.epochs)


if __name__ == "__main__":
    main()
