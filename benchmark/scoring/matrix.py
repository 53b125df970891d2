"""Ranks of targets from the scores of all items, in an .npz file.

The arrays are ``items`` [n_items], raw ids; and ``users`` [n], raw ids (or ``queries``, numbers),
with ``scores`` [n, n_items]. Several chunks are users_0 and scores_0, users_1 and scores_1, ...
Scores are read block after block, however large an array is.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
import pyarrow as pa
import torch
from numpy.lib import format as npy
from torch import Tensor

from benchmark.measures.metrics import K
from benchmark.scoring.queries import Queries, Ranked, ScoreError, as_text, not_evaluated
from models.batches import pairs, within
from models.ranking import MISS, TopItems, rank

SCORES_PER_BLOCK = 1 << 23
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What a damaged or foreign archive raises."""


@dataclass(frozen=True)
class Given:
    """Scores that are known, in place of a model's; see ``models.ranking.Scoring``."""

    n_items: int

    def scores(self, queries: Tensor, first: int, last: int) -> Tensor:
        """``queries`` are the scores of all items, [batch, n_items]."""
        return queries[:, first:last].clone()


def ranks_of(queries: Queries) -> Ranked:
    """The rank of each target among all items, by ``models.ranking.rank``.

    An item without a score ranks behind all items that have one. Raises ScoreError if the file is
    none of this layout, or contradicts the data.
    """
    with _reading(queries):
        archive = zipfile.ZipFile(queries.path)
    with archive:
        return _ranks(queries, archive)


@contextmanager
def _reading(queries: Queries) -> Iterator[None]:
    """Raises ScoreError if the archive cannot be read."""
    try:
        yield
    except ScoreError:
        raise
    except UNREADABLE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ScoreError(
            f"{queries.path}: cannot be read as an .npz file: {' '.join(str(reason).split())}"
        ) from None


def _ranks(queries: Queries, archive: zipfile.ZipFile) -> Ranked:
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    chunks = sorted(name for name in names if re.fullmatch(r"scores(_\d+)?", name))
    if "items" not in names or not chunks:
        raise ScoreError(
            f"{queries.path}: it should have the arrays items, users and scores, has "
            f"{', '.join(sorted(names)) or 'none'}"
        )
    items = queries.item_codes(_ids(queries, archive, "items"))
    if len(np.unique(items)) < len(items):
        raise ScoreError(f"{queries.path}: an item stands twice in items")
    ranks = np.zeros(len(queries.target_items), dtype=np.int64)
    best = np.full((queries.n, min(K, queries.n_items)), -1)
    answered = np.zeros(queries.n, dtype=bool)
    others = 0
    for name in chunks:
        number = name.removeprefix("scores")
        rows = _rows(queries, archive, names, number)
        others += int((rows < 0).sum())
        for of, scores in _blocks(queries, archive, name, rows, len(items)):
            if answered[of].any() or len(np.unique(of)) < len(of):
                raise ScoreError(f"{queries.path}: a user stands there twice")
            answered[of] = True
            _rank_block(queries, items, of, scores, ranks, best)
    if not answered.any():
        raise ScoreError(f"{queries.path}: no row is of a user with a target in this part")
    remarks = not_evaluated(others) + queries.missing(answered)
    if lacking := queries.n_items - len(items):
        remarks.append(f"{lacking:,} items have no score: they rank behind all others")
    return Ranked(np.where(ranks == 0, MISS, ranks), None, remarks, best)


def _rows(queries: Queries, archive: zipfile.ZipFile, names: set[str], number: str) -> np.ndarray:
    """The query of each row of a chunk, [n] int64; -1: the user is not evaluated."""
    if f"queries{number}" in names:
        ids = _ids(queries, archive, f"queries{number}")
        try:
            return queries.of_numbers(ids.cast(pa.int64()))
        except pa.ArrowInvalid as error:
            raise ScoreError(
                f"{queries.path}: queries{number} should be whole numbers: {error}"
            ) from None
    if f"users{number}" not in names:
        raise ScoreError(f"{queries.path}: there is no array users{number} for scores{number}")
    return queries.of_users(_ids(queries, archive, f"users{number}"))


def _ids(queries: Queries, archive: zipfile.ZipFile, name: str) -> pa.Array:
    with _reading(queries), archive.open(f"{name}.npy") as file:
        try:
            return as_text(npy.read_array(file, allow_pickle=False))
        except ValueError as error:
            raise ScoreError(
                f"{queries.path}: {name} should be an array of text or whole numbers, such as "
                f"np.array(ids, dtype=str): {error}"
            ) from None


def _blocks(
    queries: Queries, archive: zipfile.ZipFile, name: str, rows: np.ndarray, n_columns: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(queries [n], scores [n, n_columns]) of evaluated rows, in blocks."""
    with _reading(queries), archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read(file)
        if shape != (len(rows), n_columns) or dtype.kind != "f" or by_columns:
            order = " in Fortran order: save np.ascontiguousarray of it" if by_columns else ""
            raise ScoreError(
                f"{queries.path}: {name} should be floats of shape ({len(rows)}, {n_columns}), "
                f"users times items; it has type {dtype} and shape {shape}{order}"
            )
        at_once = max(1, SCORES_PER_BLOCK // queries.n_items)
        for first in range(0, len(rows), at_once):
            of = rows[first : first + at_once]
            size = prod((len(of), n_columns)) * dtype.itemsize
            scores = np.frombuffer(file.read(size), dtype).reshape(len(of), n_columns)
            if np.isnan(scores).any():
                raise ScoreError(f"{queries.path}: {name} has scores that are not numbers (NaN)")
            yield of[of >= 0], scores[of >= 0]


def _rank_block(
    queries: Queries,
    items: np.ndarray,
    of: np.ndarray,
    scores: np.ndarray,
    ranks: np.ndarray,
    best: np.ndarray,
) -> None:
    """Set the ranks of the targets, and the best items, of the queries ``of`` [n]."""
    kind = torch.float64 if scores.dtype.itemsize > 4 else torch.float32
    known = torch.full((len(of), queries.n_items), -torch.inf, dtype=kind)
    known[:, torch.from_numpy(items)] = torch.from_numpy(scores.astype(np.float64)).to(kind)
    targets = queries.targets
    counts = np.diff(queries.first, append=len(queries.target_items))
    row, place = within(counts[of])
    at = queries.first[of][row] + place  # [n targets]
    seen = None
    if queries.masked:
        starts = targets.starts[queries.first][of]
        ends = targets.ends[queries.first][of]
        seen = pairs(torch.from_numpy(queries.sequences.items), starts, ends)
    wanted = torch.from_numpy(queries.target_items[at])
    found = TopItems(best.shape[1])
    given = Given(queries.n_items)
    ranks[at] = rank(given, known, wanted, seen, torch.from_numpy(row), found).numpy()
    best[of] = found.items.numpy()
