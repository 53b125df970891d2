"""Writes SYNTHETIC ratings of the size and shape of Amazon-Books' raw file, to time reading it.

    python -m bench.raw_ratings Books.csv                   # 51,311,621 rows, as many as published
    python -m bench.raw_ratings small.inter --rows 5000000 --seed 2

Rows are ``item,user,rating,timestamp`` without a header, as in the ratings-only Books.csv of the
Amazon review data v2 (McAuley lab); a file called *.inter has them as RecBole's atomic files do.
There are about 15.4 million users and 2.9 million items, popularity is skewed, most users have one
or two ratings, times are whole days. Nobody rated anything: quality on these data says nothing.

The filters of datasets/amazon-books.yaml leave the sequences of bench/amazon_shape.py, thus the
published shape, whatever the number of rows: only what surrounds them grows. That is

- the past: rows that are too old or rated too low, of all users and items;
- layers of recent, well-rated rows that are in no 10-core. A member of one layer (users and items
  take turns) has at most 9 rows with the next layer and the core, so it goes when the layer before
  it has gone, at the latest: the k-core takes eight rounds.

Rows are made and written in blocks: memory does not grow with their number.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import amazon_shape, raw_ids

ROWS = 51_311_621
BLOCK = 1 << 18  # rows
USERS_PER_ROW = 15_362_619 / ROWS
ITEMS_PER_ROW = 2_930_451 / ROWS

DAY = 86_400  # seconds
FIRST_DAY = 9_636  # since 1970: 20 May 1996
RECENT_DAY = -(-1_490_000_000 // DAY)  # the first whole day that the filter keeps
LAST_DAY = 17_806  # 2 October 2018
RISE = 6  # days are drawn as u ** (1 / RISE): three in four of the old ones since 2013

RATINGS = np.array([0.05, 0.04, 0.09, 0.19, 0.63])  # shares of 1 to 5
LOW = 3  # ratings below it are filtered away
RECENT_LOW = 0.02  # share of the past that is recent, but rated low

RECENT = 0.13  # share of the layers among the rows around the core
LAYERS = 8
SHRINK = 3  # a layer has so many times fewer rows than the one before it
TO_CORE = 0.2  # probability that a row of a layer leads to the core, and not to the next layer
# Rows that members of a layer have with what comes after it: never 10, or they might stay.
DEGREES = np.array([1, 9, 2, 9, 1, 9, 3, 9, 1, 9])


class Ratings(NamedTuple):
    """Of n rows."""

    users: np.ndarray  # [n] int64
    items: np.ndarray  # [n] int64
    ratings: np.ndarray  # [n] int64, 1 to 5
    days: np.ndarray  # [n] int64, since 1970


@dataclass(frozen=True)
class Skew:
    """Popularity ~ 1 / (rank + shift) ** exponent, in closed form: no table of all ranks."""

    exponent: float
    shift: float

    def rank(self, shares: np.ndarray, n: np.ndarray | int) -> np.ndarray:
        """[m] int64, 0 .. n - 1: up to which rank the popularities sum to that share of all."""
        power = 1 - self.exponent
        low, high = self.shift**power, (n + self.shift) ** power
        ranks = (low + shares * (high - low)) ** (1 / power) - self.shift
        return np.clip(ranks.astype(np.int64), 0, np.asarray(n) - 1)


BUSY = Skew(exponent=0.7, shift=50)  # users: the busiest have thousands of rows
POPULAR = Skew(exponent=0.9, shift=50)  # items: the most popular have tens of thousands


class Core:
    """The rows that the filters leave, oldest first within each user, in no other order: by their
    place in the user's sequence. Rows of one day keep this order when they are read."""

    def __init__(self, seed: int):
        items, offsets = amazon_shape.amazon_shape(seed)
        rng = np.random.default_rng([seed, 0])
        users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        days = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(items))
        days = days[np.lexsort((days, users))]
        order = np.argsort(np.arange(len(items)) - offsets[users], kind="stable")
        good = RATINGS[LOW - 1 :] / RATINGS[LOW - 1 :].sum()
        ratings = rng.choice(np.arange(LOW, 6), size=len(items), p=good)
        self.rows = Ratings(users[order], items[order], ratings[order], days[order])


class Background:
    """The ``rows`` rows around the core: row 0 and so on, each with a place of its own."""

    def __init__(self, rows: int):
        self.rows = rows
        self.n_users = amazon_shape.USERS + int(rows * USERS_PER_ROW)
        self.n_items = amazon_shape.ITEMS + int(rows * ITEMS_PER_ROW)
        shares = 1.0 / SHRINK ** np.arange(LAYERS)
        layer_rows = (RECENT * rows * shares / shares.sum()).astype(np.int64)
        self.ends = np.cumsum(layer_rows)  # [LAYERS]: recent rows come first
        self.owner = np.repeat(np.arange(len(DEGREES)), DEGREES)  # of each row, for len(DEGREES)
        sizes = -(-layer_rows // len(self.owner)) * len(DEGREES)  # members of each layer
        # Layers 0, 2, ... are users, numbered behind those of the core; 1, 3, ... are items.
        self.sizes = np.append(sizes, 0)  # nothing but the core comes after the last one
        self.firsts = np.zeros(LAYERS + 1, np.int64)
        for kind, core in enumerate((amazon_shape.USERS, amazon_shape.ITEMS)):
            ours = self.sizes[kind::2]
            self.firsts[kind::2] = core + np.cumsum(ours) - ours

    def take(self, start: int, stop: int, rng: np.random.Generator) -> Ratings:
        """Rows start .. stop - 1, which are spread over the recent and the past."""
        # One to one on 0 .. rows - 1 as long as the prime does not divide their number.
        places = np.arange(start, stop) * 1_000_003 % self.rows
        recent = places < self.ends[-1]
        past = self._past(places, rng)
        users, items = self._recent(places[recent], rng)
        past.users[recent], past.items[recent] = users, items
        past.ratings[recent] = np.maximum(past.ratings[recent], LOW)
        past.days[recent] = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(users))
        return past

    def _past(self, places: np.ndarray, rng: np.random.Generator) -> Ratings:
        """Every user has a share of the places, so that hardly any is without rows."""
        n = len(places)
        ratings = 1 + np.searchsorted(np.cumsum(RATINGS)[:-1], rng.random(n), side="right")
        days = FIRST_DAY + (rng.random(n) ** (1 / RISE) * (RECENT_DAY - FIRST_DAY)).astype(np.int64)
        low = np.flatnonzero(rng.random(n) < RECENT_LOW)
        ratings[low] = rng.integers(1, LOW, size=len(low))
        days[low] = rng.integers(RECENT_DAY, LAST_DAY + 1, size=len(low))
        return Ratings(
            users=BUSY.rank((places + 0.5) / self.rows, self.n_users),
            items=POPULAR.rank(rng.random(n), self.n_items),
            ratings=ratings,
            days=days,
        )

    def _recent(
        self, places: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(users, items): of the member that the row belongs to, and of what it leads to."""
        layers = np.searchsorted(self.ends, places, side="right")
        rows = places - np.append(0, self.ends)[layers]
        turn, row = np.divmod(rows, len(self.owner))
        members = self.firsts[layers] + turn * len(DEGREES) + self.owner[row]
        of_user = layers % 2 == 0
        core = np.where(of_user, amazon_shape.ITEMS, amazon_shape.USERS)
        to_core = (rng.random(len(places)) < TO_CORE) | (layers == LAYERS - 1)
        sizes = np.where(to_core, core, self.sizes[layers + 1])
        firsts = np.where(to_core, 0, self.firsts[layers + 1])
        others = firsts + POPULAR.rank(rng.random(len(places)), sizes)
        return np.where(of_user, members, others), np.where(of_user, others, members)


def ratings(rows: int, seed: int) -> Iterator[Ratings]:
    """Yield blocks of shuffled rows. The same rows and seed give the same blocks."""
    n_core = amazon_shape.INTERACTIONS
    if rows < 2 * n_core:
        raise ValueError(f"the core has {n_core:,} rows: take at least {2 * n_core:,}")
    core = Core(seed).rows
    background = Background(rows - n_core)
    for number, start in enumerate(range(0, rows, BLOCK)):
        stop = min(start + BLOCK, rows)
        # Of the core as many rows as its share, then what is left of the block.
        first, last = start * n_core // rows, stop * n_core // rows
        rng = np.random.default_rng([seed, 1, number])
        block = background.take(start - first, stop - last, rng)
        among = np.sort(rng.choice(stop - start, size=last - first, replace=False))
        places = among - np.arange(len(among))  # np.insert counts in what is there before
        yield Ratings(
            *(np.insert(b, places, c[first:last]) for b, c in zip(block, core, strict=True))
        )


def _table(texts: list[str], width: int) -> np.ndarray:
    """[n, width] uint8: ASCII codes, with 0 for no character."""
    return np.array(texts, f"S{width}").view(np.uint8).reshape(-1, width)


RATING_TEXT = _table([f"{rating}.0" for rating in range(6)], width=3)
DAY_TEXT = _table([f"{day * DAY}\n" for day in range(LAST_DAY + 1)], width=11)
ATOMIC_HEADER = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def lines(block: Ratings, atomic: bool) -> bytes:
    """The block's rows as they stand in the file: in RecBole's atomic file, or in Books.csv."""
    separator = np.full((len(block.users), 1), ord("\t" if atomic else ","), np.uint8)
    ids = [raw_ids.item_text(block.items), raw_ids.user_text(block.users)]
    first, second = reversed(ids) if atomic else ids
    values = [RATING_TEXT[block.ratings], separator, DAY_TEXT[block.days]]
    text = np.concatenate([first, separator, second, separator, *values], axis=1)
    return text[text != 0].tobytes()


def write(path: str | Path, rows: int, seed: int) -> None:
    atomic = Path(path).suffix == ".inter"
    with open(path, "wb") as out:
        out.write(ATOMIC_HEADER if atomic else b"")
        for block in ratings(rows, seed):
            out.write(lines(block, atomic))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", help="*.inter: an atomic file; else like Books.csv")
    parser.add_argument("--rows", type=int, default=ROWS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        write(args.file, args.rows, args.seed)
    except ValueError as error:
        parser.error(str(error))
    size = Path(args.file).stat().st_size
    print(f"{args.file}: {args.rows:,} rows of synthetic ratings, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
