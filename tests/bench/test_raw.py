"""Synthetic raw ratings: they look like real ones, and the filters leave the published shape."""

import re

import numpy as np
import pytest

from bench import amazon_shape, raw_ids, raw_ratings
from datasets import prepare
from datasets.source import RawFile
from datasets.specs import spec

ROWS = 2_400_000  # little more than the smallest file


def _strings(text):
    return np.ascontiguousarray(text).view(f"S{text.shape[1]}").ravel().astype(str)


@pytest.mark.process
def test_the_filters_leave_the_published_shape(tmp_path, capsys):
    raw_ratings.write(tmp_path / "Books.csv", ROWS, seed=1)
    books = spec.read("amazon-books")
    origin = next(s for s in books.sources if s.reader == "amazon-2018")
    sequences = prepare.prepare(books, RawFile(origin, tmp_path / "Books.csv"))
    assert f"{ROWS:,} rows read" in capsys.readouterr().out
    items, offsets = amazon_shape.amazon_shape(seed=1)
    walks = np.split(_strings(raw_ids.item_text(items)), offsets[1:-1])
    users = _strings(raw_ids.user_text(np.arange(len(walks))))
    found = np.split(sequences.item_ids[sequences.items], sequences.offsets[1:-1])
    assert (sequences.user_ids == np.sort(users)).all()
    for walk, user in zip(found, np.argsort(users), strict=True):
        assert (walk == walks[user]).all()


def test_a_seed_gives_the_same_file_and_another_seed_another():
    first, again, other = (
        raw_ratings.lines(next(raw_ratings.ratings(ROWS, seed)), atomic=True) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first.count(b"\n") == other.count(b"\n") == raw_ratings.BLOCK


def test_rows_look_like_those_of_the_published_file():
    line = re.compile(rb"(\d{9}[\dX]|B0[A-Z\d]{8}),A[A-Z\d]{9,20},[1-5]\.0,\d{9,10}")
    block = raw_ratings.Background(ROWS).take(0, 10_000, np.random.default_rng(1))
    rows = raw_ratings.lines(block, atomic=False).splitlines()
    assert all(line.fullmatch(row) for row in rows)


def test_the_core_is_peeled_in_eight_rounds():
    blocks = list(raw_ratings.ratings(ROWS, seed=1))
    users, items, ratings, days = (np.concatenate(c) for c in zip(*blocks, strict=True))
    rows = np.flatnonzero((ratings >= 3) & (days >= raw_ratings.RECENT_DAY))
    rounds = 0
    while (few := np.minimum(*(np.bincount(c[rows])[c[rows]] for c in (users, items))) < 10).any():
        rows = rows[~few]
        rounds += 1
    assert (rounds, len(rows)) == (8, amazon_shape.INTERACTIONS)


def test_ids_are_different():
    numbers = np.arange(200_000)
    for text in (raw_ids.user_text(numbers), raw_ids.item_text(numbers)):
        assert len(set(_strings(text))) == len(numbers)


def test_fewer_rows_than_the_core_needs_are_refused():
    with pytest.raises(ValueError, match="at least 2,362,588"):
        next(raw_ratings.ratings(1_000_000, seed=1))
