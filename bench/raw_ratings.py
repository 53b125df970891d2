"""Write SYNTHETIC ratings of the size of Amazon-Books' raw file, to time its preparation.

    python -m bench.raw_ratings Books.csv                   # 51,311,621 rows, as published
    python -m bench.raw_ratings small.inter --rows 5000000 --seed 2

A row is item,user,rating,timestamp. There is no header line, as in the ratings-only Books.csv of
the Amazon review data v2 (McAuley lab). A file called *.inter is written as an atomic file of
RecBole instead. With the default number of rows there are about 15.4 million users and 2.9 million
items. Popularity is skewed, most users have one or two ratings, and times are whole days. All
ratings are invented: metrics on these data mean nothing.

The rows consist of a core and a background. The core holds the sequences of bench/amazon_shape.py.
The filters of datasets/amazon-books.yaml keep exactly the core, and so leave the published number
of users, items and interactions. The background grows with the number of rows. It has two parts:

- The past: rows of all users and items that are too old, or have too low a rating.
- The layers: recent rows with good ratings, which only the k-core removes. Layers of users and
  layers of items alternate. A member of a layer has at most 9 rows that connect it to the next
  layer or to the core. Without the rows of the layer before it, it has too few for the 10-core. The
  k-core therefore removes one layer after the other, in eight rounds.

Rows are generated and written in blocks: the memory does not grow with their number.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import amazon_shape, raw_ids

ROWS = 51_311_621
BLOCK = 1 << 18  # rows that are generated and written at a time
USERS_PER_ROW = 15_362_619 / ROWS
ITEMS_PER_ROW = 2_930_451 / ROWS

DAY = 86_400  # seconds
# Days are counted from 1 January 1970.
FIRST_DAY = 9_636  # 20 May 1996
RECENT_DAY = -(-1_490_000_000 // DAY)  # the first whole day that the filter of times keeps
LAST_DAY = 17_806  # 2 October 2018
# Days of the past are distributed as u ** (1 / RISE), u uniform: three of four are since 2013.
RISE = 6

RATINGS = np.array([0.05, 0.04, 0.09, 0.19, 0.63])  # shares of the ratings 1 to 5
LOW = 3  # lowest rating that the filter of ratings keeps
RECENT_LOW = 0.02  # share of the past that is recent, with a rating below LOW

RECENT = 0.13  # share of the background that belongs to the layers
LAYERS = 8
SHRINK = 3  # ratio of the rows of a layer to the rows of the next layer
TO_CORE = 0.2  # probability that a row connects a member to the core instead of the next layer
# Number of rows that connect each member to the next layer or the core; members take these numbers
# in turn. All are below 10: otherwise a member could stay in the 10-core.
DEGREES = np.array([1, 9, 2, 9, 1, 9, 3, 9, 1, 9])


class Ratings(NamedTuple):
    """The columns of n rows. Users and items are numbers; raw_ids turns them into ids."""

    users: np.ndarray  # [n] int64
    items: np.ndarray  # [n] int64
    ratings: np.ndarray  # [n] int64, 1 to 5
    days: np.ndarray  # [n] int64, days since 1970


@dataclass(frozen=True)
class Skew:
    """Popularity of the numbers 0 .. n - 1, most popular first: 1 / (number + shift) ** exponent.

    The cumulative popularity is inverted in closed form (the sum is taken as an integral), so that
    no table of all numbers is needed.
    """

    exponent: float
    shift: float

    def numbers(self, shares: np.ndarray, n: np.ndarray | int) -> np.ndarray:
        """The numbers up to which the popularities sum to ``shares`` of their total.

        ``shares`` is [m], between 0 and 1; uniform random shares draw numbers by popularity. ``n``
        may differ between them, [m]. Returns [m] int64.
        """
        power = 1 - self.exponent
        low = self.shift**power
        high = (n + self.shift) ** power
        numbers = (low + shares * (high - low)) ** (1 / power) - self.shift
        return np.clip(numbers.astype(np.int64), 0, np.asarray(n) - 1)


BUSY = Skew(exponent=0.7, shift=50)  # users: the most active have thousands of rows
POPULAR = Skew(exponent=0.9, shift=50)  # items: the most popular have tens of thousands of rows


class Core:
    """The rows that the filters keep: first the oldest row of every user, then the second, etc.

    The rows of a user are therefore in order of time. Preparation sorts by time and keeps the order
    of the file within a day, so that it restores the sequences of amazon_shape.
    """

    def __init__(self, seed: int):
        items, offsets = amazon_shape.amazon_shape(seed)
        rng = np.random.default_rng([seed, 0])
        users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        days = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(items))
        days = days[np.lexsort((days, users))]
        order = np.argsort(np.arange(len(items)) - offsets[users], kind="stable")  # by position
        good = RATINGS[LOW - 1 :] / RATINGS[LOW - 1 :].sum()
        ratings = rng.choice(np.arange(LOW, 6), size=len(items), p=good)
        self.rows = Ratings(users[order], items[order], ratings[order], days[order])


class Background:
    """The rows that the filters remove: the layers and the past. ``rows`` is their number."""

    def __init__(self, rows: int):
        self.rows = rows
        self.n_users = amazon_shape.USERS + int(rows * USERS_PER_ROW)
        self.n_items = amazon_shape.ITEMS + int(rows * ITEMS_PER_ROW)
        shares = 1.0 / SHRINK ** np.arange(LAYERS)
        layer_rows = (RECENT * rows * shares / shares.sum()).astype(np.int64)
        # Before shuffling, the rows of layer 0 come first, then those of the other layers, then the
        # past. Layer k ends at row ends[k].
        self.ends = np.cumsum(layer_rows)  # [LAYERS]
        # A group of len(DEGREES) members has sum(DEGREES) rows; row r belongs to member owner[r].
        self.owner = np.repeat(np.arange(len(DEGREES)), DEGREES)
        sizes = -(-layer_rows // len(self.owner)) * len(DEGREES)
        # Members of each layer. After the last layer only the core follows: 0 members.
        self.sizes = np.append(sizes, 0)
        # Members of layers 0, 2, ... are users, and those of layers 1, 3, ... are items. Their
        # numbers follow those of the core's users and items. firsts[k] is the first of layer k.
        self.firsts = np.zeros(LAYERS + 1, np.int64)
        for parity, n_core in enumerate((amazon_shape.USERS, amazon_shape.ITEMS)):
            of_kind = self.sizes[parity::2]
            self.firsts[parity::2] = n_core + np.cumsum(of_kind) - of_kind

    def take(self, start: int, stop: int, rng: np.random.Generator) -> Ratings:
        """Rows start .. stop - 1 of the shuffled background."""
        # A permutation of 0 .. rows - 1, provided that rows is no multiple of the prime.
        positions = np.arange(start, stop) * 1_000_003 % self.rows
        recent = positions < self.ends[-1]
        block = self._past(positions, rng)
        users, items = self._recent(positions[recent], rng)
        block.users[recent] = users
        block.items[recent] = items
        block.ratings[recent] = np.maximum(block.ratings[recent], LOW)
        block.days[recent] = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(users))
        return block

    def _past(self, positions: np.ndarray, rng: np.random.Generator) -> Ratings:
        """Rows of the past, for ``positions`` in the background before shuffling.

        Users follow from the positions instead of chance, so that nearly every user has a row.
        """
        n = len(positions)
        ratings = 1 + np.searchsorted(np.cumsum(RATINGS)[:-1], rng.random(n), side="right")
        days = FIRST_DAY + (rng.random(n) ** (1 / RISE) * (RECENT_DAY - FIRST_DAY)).astype(np.int64)
        low = np.flatnonzero(rng.random(n) < RECENT_LOW)
        ratings[low] = rng.integers(1, LOW, size=len(low))
        days[low] = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(low))
        return Ratings(
            users=BUSY.numbers((positions + 0.5) / self.rows, self.n_users),
            items=POPULAR.numbers(rng.random(n), self.n_items),
            ratings=ratings,
            days=days,
        )

    def _recent(
        self, positions: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Users and items of the layers' rows, for ``positions`` before shuffling.

        Each row connects a member of its layer to a member of the next layer or of the core, which
        is drawn by popularity.
        """
        layers = np.searchsorted(self.ends, positions, side="right")
        rows = positions - np.append(0, self.ends)[layers]
        group, row = np.divmod(rows, len(self.owner))
        members = self.firsts[layers] + group * len(DEGREES) + self.owner[row]
        of_user = layers % 2 == 0
        n_core = np.where(of_user, amazon_shape.ITEMS, amazon_shape.USERS)
        to_core = (rng.random(len(positions)) < TO_CORE) | (layers == LAYERS - 1)
        sizes = np.where(to_core, n_core, self.sizes[layers + 1])
        firsts = np.where(to_core, 0, self.firsts[layers + 1])
        others = firsts + POPULAR.numbers(rng.random(len(positions)), sizes)
        return np.where(of_user, members, others), np.where(of_user, others, members)


def ratings(rows: int, seed: int) -> Iterator[Ratings]:
    """Yield all ``rows`` rows in blocks, core and background mixed.

    The same rows and seed give the same blocks. Raises ValueError if there are too few rows.
    """
    n_core = amazon_shape.INTERACTIONS
    if rows < 2 * n_core:
        raise ValueError(f"{rows:,} rows are too few: choose at least {2 * n_core:,}")
    core = Core(seed).rows
    background = Background(rows - n_core)
    for number, start in enumerate(range(0, rows, BLOCK)):
        stop = min(start + BLOCK, rows)
        # The core's rows are distributed evenly over the blocks; the background fills the rest.
        first = start * n_core // rows
        last = stop * n_core // rows
        rng = np.random.default_rng([seed, 1, number])
        block = background.take(start - first, stop - last, rng)
        positions = np.sort(rng.choice(stop - start, size=last - first, replace=False))
        # np.insert takes positions in the array before the insertion.
        before = positions - np.arange(len(positions))
        yield Ratings(
            *(np.insert(b, before, c[first:last]) for b, c in zip(block, core, strict=True))
        )


def _table(texts: list[str], width: int) -> np.ndarray:
    """[n, width] uint8: the ASCII codes of the texts; 0 stands for no character."""
    return np.array(texts, f"S{width}").view(np.uint8).reshape(-1, width)


RATING_TEXT = _table([f"{rating}.0" for rating in range(6)], width=3)
DAY_TEXT = _table([f"{day * DAY}\n" for day in range(LAST_DAY + 1)], width=11)
ATOMIC_HEADER = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def lines(block: Ratings, atomic: bool) -> bytes:
    """The text of the rows: as in an atomic file of RecBole, or as in Books.csv."""
    separator = np.full((len(block.users), 1), ord("\t" if atomic else ","), np.uint8)
    items = raw_ids.item_text(block.items)
    users = raw_ids.user_text(block.users)
    first, second = (users, items) if atomic else (items, users)
    values = [RATING_TEXT[block.ratings], separator, DAY_TEXT[block.days]]
    text = np.concatenate([first, separator, second, separator, *values], axis=1)
    return text[text != 0].tobytes()


def write(path: str | Path, rows: int, seed: int) -> None:
    """Write the file. Raises ValueError if there are too few rows."""
    atomic = Path(path).suffix == ".inter"
    with open(path, "wb") as out:
        out.write(ATOMIC_HEADER if atomic else b"")
        for block in ratings(rows, seed):
            out.write(lines(block, atomic))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "file", help="file to write: *.inter as an atomic file of RecBole, others as Books.csv"
    )
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="number of rows; default: %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of all rows; default: %(default)s"
    )
    args = parser.parse_args()
    try:
        write(args.file, args.rows, args.seed)
    except ValueError as error:
        parser.error(str(error))
    size = Path(args.file).stat().st_size
    print(f"{args.file}: {args.rows:,} rows of synthetic ratings, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
