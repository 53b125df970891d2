"""How fast a served model answers, beside a plain torch loop over the same model.

python -m bench.serving                          # a synthetic catalogue of Amazon-Books' size
python -m bench.serving --items 200 --users 3000 --requests 200

A model of the default size with random weights, on SYNTHETIC histories: speed does not depend on
what was learned. It is exported as benchmark.promote does, served by `mlflow models serve`, asked
over HTTP, and fills a parquet file by benchmark.recommend. What it answers has to be the top 10 of
the evaluation's ranking.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests
import torch
from tabulate import tabulate

import models
from benchmark.settings import Settings
from benchmark.training import checkpoint
from models.ranking import rank

K = 10
BATCH = 512
LOOP = 10_000  # users: it is slow


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=31_094, help="default: %(default)s")
    parser.add_argument("--users", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--clients", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--port", type=int, default=5098)
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
        with Server(args.port) as where:
            check(where, model, ids, offsets, items)
            for clients in (1, args.clients):
                found = over_http(where, ids, offsets, items, args.requests, clients)
                rows.append(row(f"HTTP, {clients} clients", found, one))
    print(tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True))


def make_model(n_items: int) -> tuple[torch.nn.Module, list[str]]:
    """The default BERT4Rec, exported to ./model."""
    from mlflow.models import Model

    from benchmark.tracking.registry.export import export

    settings, ids = Settings(), [f"{n:010}" for n in range(n_items)]
    torch.manual_seed(0)
    model = models.build(settings.model, n_items, vars(settings)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    checkpoint.save(Path("weights.safetensors"), model.state_dict(), {})
    export(Path("model"), Model(), settings, Path("weights.safetensors"), ids)
    return model, ids


def make_histories(users: int, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """As long as Amazon-Books', 30 on average; user u has ``items[offsets[u]:offsets[u + 1]]``."""
    chance = np.random.default_rng(0)
    lengths = 10 + chance.geometric(1 / 20, users)
    return np.concatenate([[0], lengths.cumsum()]), chance.integers(0, n_items, lengths.sum())


def plain_loop(model, offsets: np.ndarray, items: np.ndarray, batch: int = BATCH) -> dict:
    """What anybody would write: pad, score the catalogue, topk."""
    taken = []
    with torch.inference_mode():
        for first in range(0, len(offsets) - 1, batch):
            started = time.perf_counter()
            edges = offsets[first : first + batch + 1]
            padded = torch.full((len(edges) - 1, model.max_length), model.n_items)
            for row, (start, end) in enumerate(pairwise(edges)):
                past = torch.from_numpy(items[max(start, end - model.max_length) : end])
                padded[row, model.max_length - len(past) :] = past
            scores = model.scores(model.queries(padded), 0, model.n_items)
            scores.topk(K)
            taken.append(time.perf_counter() - started)
    usual = len(taken) * float(np.median(taken))  # other processes disturb a few
    return {"users": len(offsets) - 1, "seconds": usual, "latencies": taken}


def recommend(ids: list[str], offsets: np.ndarray, items: np.ndarray) -> dict:
    """The real command, by its own clock from the first batch on; and its memory."""
    values = pa.array(ids).take(pa.array(items))
    table = pa.table({"history": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)})
    pq.write_table(table, "h.parquet", row_group_size=16_384)
    words = [sys.executable, "-m", "benchmark.recommend", "--model", "model"]
    words += ["--histories", "h.parquet", "--output", "o.parquet"]
    root = Path(__file__).parents[1]
    pq.write_table(table[:1], "one.parquet")
    seconds = []
    for file in ("one.parquet", "h.parquet"):  # the first one loads, and does nothing else
        words[words.index("--histories") + 1] = file
        started = time.perf_counter()
        subprocess.run(words, check=True, env=os.environ | {"PYTHONPATH": str(root)})
        seconds.append(time.perf_counter() - started)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{file}: {seconds[-1]:.1f} s, peak memory of all so far {peak:.0f} MB", flush=True)
    return {"users": len(offsets) - 1, "seconds": seconds[1] - seconds[0]}


class Server:
    """`mlflow models serve` on ./model."""

    def __init__(self, port: int):
        self.where = f"http://127.0.0.1:{port}"
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
                requests.get(f"{self.where}/ping", timeout=1)
                return self.where
            except requests.RequestException:
                if self.process.poll() is not None:
                    sys.exit("Error: the server has ended")
                time.sleep(0.2)

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(30)


def ask(session, where: str, histories: list[list[str]]) -> tuple[list[list[str]], float]:
    """The answer, and its seconds."""
    started = time.perf_counter()
    body = {"dataframe_records": [{"history": history} for history in histories]}
    done = session.post(f"{where}/invocations", json=body, timeout=120)
    done.raise_for_status()
    answer = [row["items"] for row in done.json()["predictions"]]
    return answer, time.perf_counter() - started


def raw(ids: list[str], offsets: np.ndarray, items: np.ndarray, users: range) -> list[list[str]]:
    return [[ids[i] for i in items[offsets[u] : offsets[u + 1]]] for u in users]


def check(where: str, model, ids: list[str], offsets: np.ndarray, items: np.ndarray) -> None:
    """Each of the ten has to have the rank, in the evaluation, of its place: but for neighbours
    whose scores differ by less than a rounding."""
    answers, _ = ask(requests, where, raw(ids, offsets, items, range(100)))
    codes, differ = {item: code for code, item in enumerate(ids)}, 0
    for user, answer in enumerate(answers):
        past = torch.from_numpy(items[offsets[user] : offsets[user + 1]][-model.max_length :])
        with torch.inference_mode():
            query = model.queries(past[None])
            ranks = [int(rank(model, query, torch.tensor([codes[item]]))) for item in answer]
        assert sorted(ranks) == list(range(1, K + 1)), f"user {user}: ranks {ranks}"
        differ += ranks != sorted(ranks)
    assert differ <= 1, f"{differ} of 100 users have another order"
    print("the top 10 of 100 users are those of the evaluation", flush=True)


def over_http(where: str, ids, offsets, items, n: int, clients: int) -> dict:
    histories = raw(ids, offsets, items, range(n))
    with requests.Session() as session, ThreadPoolExecutor(clients) as pool:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=clients))
        list(pool.map(lambda history: ask(session, where, [history]), histories[:clients]))
        started = time.perf_counter()
        taken = list(pool.map(lambda history: ask(session, where, [history])[1], histories))
        return {"users": n, "seconds": time.perf_counter() - started, "latencies": taken}


def row(what: str, found: dict, beside: dict) -> dict:
    """A line of the table; the ratio is that of the seconds for a user to those of ``beside``."""
    each = found["seconds"] / found["users"]
    cells = {"what": what, "users per second": f"{1 / each:,.0f}"}
    cells["ratio to the loop"] = f"{each * beside['users'] / beside['seconds']:.2f}"
    for p in (50, 99):
        known = "one" in what or "HTTP" in what
        cells[f"p{p} ms"] = f"{1000 * np.percentile(found['latencies'], p):.1f}" if known else ""
    return cells


if __name__ == "__main__":
    main()
