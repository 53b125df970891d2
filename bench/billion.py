"""Write SYNTHETIC interactions in parts, as many as it takes to exceed the memory of a machine.

    python -m bench.billion FOLDER --rows 1000000000
    python -m datasets.prepare FOLDER/billion.yaml --data-dir FOLDER
    python -m bench.billion FOLDER --train 0.01      # an epoch over a hundredth of the users

Parts are Parquet files of 50 million rows, as Spark writes them, with the columns user, item and
timestamp (whole numbers, seconds), in order of time. For each million rows there are 10,000 users,
1,000 items, and 13,000 users with one or two rows, which the 5-core removes. Popularity and
activity are skewed. All interactions are invented: metrics on these data mean nothing.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.measures.metrics import means
from benchmark.settings.settings import Settings
from benchmark.training.trainer import Trainer
from datasets.prepare import load
from datasets.sequences import Sequences
from datasets.spans import spans

PART = 50_000_000  # rows
BLOCK = 1_000_000  # rows that are drawn at a time
USERS_PER_ROW = 1 / 100
ITEMS_PER_ROW = 1 / 1_000
PASSING = 0.02  # share of rows of users who have one or two
FIRST_TIME = 1_400_000_000  # seconds since 1970
ROWS_PER_SECOND = 8
FIRST_USER = 10_000_000
PRIME = 1_000_003  # spreads popular users and items over the ids

DESCRIPTION = """\
title: Synthetic interactions, {rows:,} rows
sources:
  - files: ["billion-*.parquet"]
    reader: parquet
    columns: {{user: user, item: item, timestamp: timestamp}}
    timestamp_unit: s
filters: {{k_core: 5}}
"""


def blocks(rows: int, seed: int) -> Iterator[pa.Table]:
    """Yield the rows in order of time, BLOCK at a time. Equal arguments give equal rows."""
    n_users = max(10, int(rows * USERS_PER_ROW))
    n_items = max(10, int(rows * ITEMS_PER_ROW))
    for number, start in enumerate(range(0, rows, BLOCK)):
        rng = np.random.default_rng([seed, number])
        n = min(BLOCK, rows - start)
        users = (n_users * rng.random(n) ** 1.5).astype(np.int64) * PRIME % n_users
        items = (n_items * rng.random(n) ** 3).astype(np.int64) * PRIME % n_items
        passing = np.flatnonzero(rng.random(n) < PASSING)
        users[passing] = n_users + (start + passing) * 2 // 3
        yield pa.table(
            {
                "user": (FIRST_USER + users).astype(np.int64),
                "item": items.astype(np.int32),
                "timestamp": FIRST_TIME + np.arange(start, start + n) // ROWS_PER_SECOND,
            }
        )


def write(folder: Path, rows: int, seed: int, part: int = PART) -> None:
    """Write the parts, of ``part`` rows each, and their description into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = blocks(rows, seed)
    for number in range(-(-rows // part)):
        path = folder / f"billion-{number:02}.parquet"
        schema = pa.schema([("user", pa.int64()), ("item", pa.int32()), ("timestamp", pa.int64())])
        with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as out:
            for _ in range(part // BLOCK):
                if (block := next(drawn, None)) is not None:
                    out.write_table(block)
    (folder / "billion.yaml").write_text(DESCRIPTION.format(rows=rows))


def train(folder: Path, share: float, evaluate_users: int) -> None:
    """Train SASRec for an epoch on a share of the users, with all items, and rank. Printed are
    the seconds and the peak memory of each step."""
    started = time.perf_counter()
    found, sequences = load(str(folder / "billion.yaml"), folder)
    show("loaded, mapped", started, f"{sequences.n_interactions:,} interactions")
    started = time.perf_counter()
    chosen = np.argsort(sequences.user_ids.hashes())[: int(share * sequences.n_users)]
    some = of_users(sequences, np.sort(chosen))
    show("sampled", started, f"{some.n_users:,} users, {some.n_interactions:,} interactions")
    settings = Settings.of(
        model="SASRec",
        epochs=1,
        batch_size=128,
        embeddings="random",
        blend="none",  # SLIST counts for minutes, here on meaningless data
        evaluate_users=evaluate_users,
    )
    trainer = Trainer(settings, some, found.split_of(some))
    started = time.perf_counter()
    trainer.train_epoch()
    show("one epoch", started, f"{len(trainer.batches):,} steps, {some.n_items:,} items")
    started = time.perf_counter()
    trainer.step.averaging.catch_up()
    ranks = trainer.ranks(trainer.split.test)
    metrics = means(ranks, trainer.split.test.queries)
    show("ranked", started, f"{len(ranks):,} users, test ndcg@10 {metrics['ndcg@10']:.4f}")


def of_users(sequences: Sequences, users: np.ndarray) -> Sequences:
    """The sequences of some users, [n] int64, with the items of all."""
    starts = sequences.offsets[users]
    ends = sequences.offsets[users + 1]
    at = spans(starts, ends)
    return Sequences(
        items=sequences.items[at],
        offsets=np.concatenate([[0], np.cumsum(ends - starts)]),
        user_ids=sequences.user_ids.chosen(users),
        item_ids=sequences.item_ids,
    )


def show(step: str, started: float, what: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    cpu = time.process_time()
    seconds = time.perf_counter() - started
    print(f"{step}: {what}; {seconds:.0f} s; {cpu:.0f} CPU s and {peak:.1f} GB so far", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder for the parts and billion.yaml")
    parser.add_argument("--rows", type=int, default=1_000_000_000, help="default: %(default)s")
    parser.add_argument("--part", type=int, default=PART, help="rows of a part, whole millions")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--train", type=float, metavar="SHARE", help="share of the users")
    parser.add_argument("--evaluate-users", type=int, default=1_000, help="default: %(default)s")
    args = parser.parse_args()
    if args.train:
        train(args.folder, args.train, args.evaluate_users)
        return
    write(args.folder, args.rows, args.seed, args.part)
    size = sum(path.stat().st_size for path in args.folder.glob("billion-*.parquet"))
    print(f"{args.folder}: {args.rows:,} rows of synthetic interactions, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
