"""Measure time and memory of a trial as the number of items grows. Linux only.

    python -m bench.catalogue --items 30000,700000,5000000

For each number of items, the script writes synthetic interactions and trains on them with
benchmark.train. All data sets have the same number of users and interactions, so that an epoch has
the same number of steps and the same users are evaluated. The data and the MLflow runs are kept in
the folder given by --folder.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from mlflow import MlflowClient
from tabulate import tabulate

from models.ranking import USERS_PER_CHUNK

ROOT = Path(__file__).parents[1]
USERS = 4_096
INTERACTIONS = 6_144_000
COLUMNS = {"user": "user", "item": "item", "timestamp": "time"}


def write_dataset(n_items: int, folder: Path) -> str:
    """Write interactions in which every item occurs, and the YAML file that describes them.

    Every item occurs once; all other interactions are drawn by a skewed popularity. Returns the
    name of the YAML file in ``folder``.
    """
    rng = np.random.default_rng(1)
    popularity = np.cumsum(1 / (np.arange(n_items) + 100) ** 0.8)
    drawn = np.searchsorted(popularity, rng.random(INTERACTIONS - n_items) * popularity[-1])
    items = rng.permutation(np.concatenate([np.arange(n_items), drawn.clip(max=n_items - 1)]))
    users = np.repeat(np.arange(USERS), INTERACTIONS // USERS)
    name = f"synthetic-{n_items}"
    table = pd.DataFrame({"user": users, "item": items, "time": np.arange(INTERACTIONS)})
    table.to_parquet(folder / f"{name}.parquet")
    source = {"file": f"{name}.parquet", "reader": "parquet", "columns": COLUMNS}
    content = {"title": f"{n_items:,} items (synthetic)", "sources": [source]}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return f"{name}.yaml"


def trial(name: str, folder: Path, settings: list[str]) -> float:
    """Train on the data set for one epoch; the peak memory of the process, in GB."""
    words = ["-m", "benchmark.train", "--dataset", name, "--data-dir", ".", "--epochs", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, *words, *settings], cwd=folder, env=environment)
    # wait4, because subprocess does not report the memory of one child.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(
            f"Error: training on {name} failed with exit status {process.returncode}; its messages "
            "are above"
        )
    return usage.ru_maxrss * 1024 / 1e9


def row(n_items: int, peak: float, folder: Path) -> dict[str, str]:
    """Row of the printed table, from the newest run of this data set. ``peak`` is in GB."""
    client = MlflowClient(f"sqlite:///{folder.resolve()}/mlflow.db")
    experiment = client.get_experiment_by_name(f"synthetic-{n_items}")
    run = client.search_runs([experiment.experiment_id], max_results=1)[0]
    metrics = run.data.metrics
    batch_size = int(run.data.params["batch_size"])
    windows = metrics["train_seconds"] * metrics["sequences_per_second"]
    return {
        "items": f"{n_items:,}",
        "ms a step": f"{1000 * metrics['train_seconds'] * batch_size / windows:.0f}",
        f"s to rank {USERS_PER_CHUNK} users": (
            f"{metrics['valid_seconds'] * USERS_PER_CHUNK / USERS:.2f}"
        ),
        "s in all": f"{metrics['trial_seconds']:.0f}",
        "peak GB": f"{peak:.2f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--items",
        default="30000,700000,5000000",
        help="numbers of items, separated by commas; default: %(default)s",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("catalogue"),
        help="folder for the data and the runs; default: %(default)s",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        help="options of benchmark.train for all trials, for example: -- --batch-size 64",
    )
    args = parser.parse_args()
    args.folder.mkdir(exist_ok=True)
    rows = []
    for n_items in map(int, args.items.split(",")):
        peak = trial(write_dataset(n_items, args.folder), args.folder, args.settings)
        rows.append(row(n_items, peak, args.folder))
    print(f"{INTERACTIONS:,} synthetic interactions of {USERS:,} users, one epoch")
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
