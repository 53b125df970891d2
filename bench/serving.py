"""Measure how fast a model recommends: a plain torch loop, benchmark.recommend, and HTTP.

    python -m bench.serving                          # as many items as Amazon-Books
    python -m bench.serving --items 200 --users 3000 --requests 200

The model is the default BERT4Rec with random weights, and the histories are SYNTHETIC: the speed
does not depend on the values of the weights. The script exports the model as benchmark.promote
does. It then runs benchmark.recommend on a Parquet file of histories, and sends requests to
`mlflow models serve`. It checks that the answers are the top 10 items of the evaluation's ranking.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests
import torch
from tabulate import tabulate

import models
from benchmark.settings.settings import Settings
from benchmark.training import checkpoint
from models.model import Histories
from models.networks.bert4rec import BERT4Rec
from models.ranking import rank

K = 10  # items per answer
BATCH = 512  # users per batch of the plain loop
LOOP = 10_000  # users that the plain loop is timed on: it is slow


@dataclass
class Timing:
    """Time to recommend for a number of users."""

    users: int
    seconds: float  # in all
    latencies: list[float] = field(default_factory=list)
    """Seconds of each batch or request; empty if unknown."""

    @property
    def seconds_per_user(self) -> float:
        return self.seconds / self.users


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--items", type=int, default=31_094, help="number of items; default: %(default)s"
    )
    parser.add_argument(
        "--users",
        type=int,
        default=100_000,
        help="users for benchmark.recommend; default: %(default)s",
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=500,
        help="HTTP requests, with one user each; default: %(default)s",
    )
    parser.add_argument(
        "--clients",
        type=int,
        default=16,
        help="clients that send requests at the same time; default: %(default)s",
    )
    parser.add_argument(
        "--port", type=int, default=5098, help="port of the server; default: %(default)s"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        model, ids = make_model(args.items)
        offsets, items = make_histories(args.users, args.items)
        loop = plain_loop(model, offsets[: LOOP + 1], items)
        rows = [row("plain torch loop, batches of 512", loop, loop)]
        rows.append(row("benchmark.recommend", recommend(ids, offsets, items), loop))
        one = plain_loop(model, offsets[: args.requests + 1], items, batch=1)
        rows.append(row("plain torch loop, one user at a time", one, one))
        with Server(args.port) as url:
            check(url, model, ids, offsets, items)
            for clients in (1, args.clients):
                timing = over_http(url, ids, offsets, items, args.requests, clients)
                rows.append(row(f"HTTP, {clients} clients", timing, one))
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))


def make_model(n_items: int) -> tuple[BERT4Rec, list[str]]:
    """Export the default BERT4Rec, with random weights, to ./model. Returns it and the item ids."""
    # Imported here, because MLflow loads slowly and `--help` does not need it.
    from mlflow.models import Model

    from benchmark.tracking.registry.export import export

    settings = Settings(repeats="learned")
    ids = [f"{n:010}" for n in range(n_items)]
    torch.manual_seed(0)
    model = models.build(settings.model, n_items, vars(settings)).eval()
    assert isinstance(model, BERT4Rec)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    checkpoint.save(Path("weights.safetensors"), model.state_dict(), {})
    export(Path("model"), Model(), settings, Path("weights.safetensors"), ids)
    return model, ids


def make_histories(users: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """(offsets, items) of random histories, with 30 items on average as in Amazon-Books.

    User u has the items ``items[offsets[u]:offsets[u + 1]]``.
    """
    rng = np.random.default_rng(0)
    lengths = 10 + rng.geometric(1 / 20, users)
    return np.concatenate([[0], lengths.cumsum()]), rng.integers(0, n_items, lengths.sum())


def plain_loop(
    model: BERT4Rec, offsets: np.ndarray, items: np.ndarray, batch: int = BATCH
) -> Timing:
    """Time the obvious implementation: pad the histories, score all items, take the top K."""
    latencies = []
    with torch.inference_mode():
        for first in range(0, len(offsets) - 1, batch):
            started = time.perf_counter()
            edges = offsets[first : first + batch + 1]
            # [batch, length], padded on the left with the code n_items
            padded = torch.full((len(edges) - 1, model.max_length), model.n_items)
            for row, (start, end) in enumerate(pairwise(edges)):
                past = torch.from_numpy(items[max(start, end - model.max_length) : end])
                padded[row, model.max_length - len(past) :] = past
            scores = model.scores(model.queries(Histories.without_times(padded)), 0, model.n_items)
            scores.topk(K)
            latencies.append(time.perf_counter() - started)
    # The median, because other processes slow some of the batches.
    return Timing(len(offsets) - 1, len(latencies) * float(np.median(latencies)), latencies)


def recommend(ids: list[str], offsets: np.ndarray, items: np.ndarray) -> Timing:
    """Time benchmark.recommend, without its start, and print its memory.

    The command runs twice: for one user, which measures the start, and for all users.
    """
    values = pa.array(ids).take(pa.array(items))
    table = pa.table({"history": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)})
    pq.write_table(table, "h.parquet", row_group_size=16_384)
    words = [sys.executable, "-m", "benchmark.recommend", "--model", "model"]
    words += ["--histories", "h.parquet", "--output", "o.parquet"]
    root = Path(__file__).parents[1]
    pq.write_table(table[:1], "one.parquet")
    seconds = []
    for file in ("one.parquet", "h.parquet"):
        words[words.index("--histories") + 1] = file
        started = time.perf_counter()
        subprocess.run(words, check=True, env=os.environ | {"PYTHONPATH": str(root)})
        seconds.append(time.perf_counter() - started)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{file}: {seconds[-1]:.1f} s, peak memory so far {peak:.0f} MB", flush=True)
    return Timing(len(offsets) - 1, seconds[1] - seconds[0])


class Server:
    """`mlflow models serve` for ./model. The context manager gives the URL of the server."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "model"]
        words += ["--env-manager", "local", "--port", str(port)]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.process = subprocess.Popen(
            words,
            env=os.environ | {"PATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> str:
        while True:
            try:
                requests.get(f"{self.url}/ping", timeout=1)
                return self.url
            except requests.RequestException:
                if self.process.poll() is not None:
                    sys.exit(
                        f"Error: mlflow models serve exited with status {self.process.returncode} "
                        f"before it answered at {self.url}: choose another port with --port"
                    )
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def ask(
    session: requests.Session, url: str, histories: list[list[str]]
) -> tuple[list[list[str]], float]:
    """Send one request; the recommended items of each history, and the latency in seconds."""
    started = time.perf_counter()
    body = {"dataframe_records": [{"history": history} for history in histories]}
    response = session.post(f"{url}/invocations", json=body, timeout=120)
    response.raise_for_status()
    answer = [row["items"] for row in response.json()["predictions"]]
    return answer, time.perf_counter() - started


def histories_of(
    users: range, ids: list[str], offsets: np.ndarray, items: np.ndarray
) -> list[list[str]]:
    """The histories of these users, as item ids."""
    return [[ids[i] for i in items[offsets[u] : offsets[u + 1]]] for u in users]


def check(
    url: str, model: BERT4Rec, ids: list[str], offsets: np.ndarray, items: np.ndarray
) -> None:
    """Check that the K items of an answer have the ranks 1 to K in the evaluation.

    One user may have two items in another order: their scores may differ by a rounding error.
    """
    with requests.Session() as session:
        answers, _ = ask(session, url, histories_of(range(100), ids, offsets, items))
    codes = {item: code for code, item in enumerate(ids)}
    differ = 0
    for user, answer in enumerate(answers):
        past = torch.from_numpy(items[offsets[user] : offsets[user + 1]][-model.max_length :])
        with torch.inference_mode():
            query = model.queries(Histories.without_times(past[None]))
            ranks = [int(rank(model, query, torch.tensor([codes[item]]))) for item in answer]
        assert sorted(ranks) == list(range(1, K + 1)), f"user {user}: the ranks are {ranks}"
        differ += ranks != sorted(ranks)
    assert differ <= 1, f"{differ} of 100 users have items in another order"
    print("the top 10 items of 100 users are those of the evaluation", flush=True)


def over_http(
    url: str, ids: list[str], offsets: np.ndarray, items: np.ndarray, n: int, clients: int
) -> Timing:
    """Time ``n`` requests, each for one user; ``clients`` of them are open at any time."""
    histories = histories_of(range(n), ids, offsets, items)
    with requests.Session() as session, ThreadPoolExecutor(clients) as pool:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=clients))

        def latency(history: list[str]) -> float:
            return ask(session, url, [history])[1]

        list(pool.map(latency, histories[:clients]))  # opens the connections
        started = time.perf_counter()
        latencies = list(pool.map(latency, histories))
        return Timing(n, time.perf_counter() - started, latencies)


def row(what: str, timing: Timing, loop: Timing) -> dict[str, str]:
    """Row of the printed table. The ratio is of seconds per user, to those of ``loop``.

    Latencies are shown where each is that of one user.
    """
    cells = {
        "what": what,
        "users per second": f"{timing.users / timing.seconds:,.0f}",
        "ratio to the loop": f"{timing.seconds_per_user / loop.seconds_per_user:.2f}",
    }
    for p in (50, 99):
        of_users = len(timing.latencies) == timing.users
        cells[f"p{p} ms"] = f"{1000 * np.percentile(timing.latencies, p):.1f}" if of_users else ""
    return cells


if __name__ == "__main__":
    main()
