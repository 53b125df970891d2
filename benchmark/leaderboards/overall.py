"""What many data sets say together: mean ranks, wins, ratios, and whether models differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from benchmark.errors import UserError
from benchmark.leaderboards.board import Board, Column, Entry
from benchmark.reporting.comparison import EQUAL
from benchmark.reporting.difference import LEVEL
from benchmark.reporting.mean_ranks import critical_difference, friedman, mean_ranks, nemenyi
from benchmark.reporting.statistics import wilcoxon
from benchmark.reporting.words import few

LEAST = 2  # models and data sets that are compared
LEAST_SECONDS = 1e-3  # of a trial
MOST = 3  # names in a reason


@dataclass(frozen=True)
class Place:
    """How one model stands over the data sets that are compared."""

    entry: Entry
    mean_rank: float
    """Over the data sets; 1 is best, equals share a rank."""
    wins: int
    """Data sets on which no other model is better."""
    ratio: float | None
    """Geometric mean over the data sets of its metric divided by the baseline's; None if one of
    them is 0."""
    p: float | None
    """That its mean rank differs from the first place's (Nemenyi's test of all pairs; of two models
    Wilcoxon's signed ranks over the data sets); None of the first."""
    level: bool
    """Whether the first place is not significantly better: p is not below .05."""


@dataclass(frozen=True)
class Overall:
    """The comparison over data sets: of all models and all data sets that have each other's cell.

    Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006.
    """

    columns: tuple[Column, ...]
    places: tuple[Place, ...]
    """The best mean rank first."""
    baseline: Entry | None
    friedman: float | None
    """p of Friedman's test that all models rank alike; None for fewer than 3 models or 2 data
    sets."""
    critical_difference: float | None
    """Nemenyi's, of two mean ranks at p = .05; None as ``friedman``."""
    models_left_out: dict[Entry, str]
    """Each with the reason."""
    columns_left_out: dict[str, str]
    """The title of each, with the reason."""


def overall(board: Board, baseline: str = "") -> Overall | None:
    """Compare the models of a board over its data sets.

    ``baseline`` is the name of a row; empty: the best counted model. Synthetic data sets count only
    if there are no others, and published figures never. As long as a model has no result on a data
    set, whichever of all lacks the largest share of its results is left out: of equals a model, and
    of these the last; of two data sets none. If no two models are left, the two data sets with most
    models in common are compared. None if no two data sets have results of the same two models.
    Raises UserError for a baseline that is not compared.
    """
    block = _complete(board)
    rows = [entry.name for entry in board.entries]
    if baseline and baseline.lower() not in map(str.lower, rows):
        raise UserError(f"no row is called {baseline!r}; there are: {', '.join(rows)}")
    if min(len(block.entries), len(block.columns)) < LEAST:
        return None
    values = np.array([[c.value(e, board.metric) for c in block.columns] for e in block.entries])
    ranks = mean_ranks(values)  # of [models, data sets]
    # Of equal mean ranks, the model with the higher geometric mean comes first.
    order = np.lexsort((-np.log(values.clip(EQUAL)).mean(axis=1), ranks.round(9)))
    values, ranks = values[order], ranks[order]
    entries = [block.entries[i] for i in order]
    against = _baseline(entries, baseline)
    models, datasets = values.shape
    several = models > 2
    p = nemenyi(ranks, datasets) if several else np.append(1.0, wilcoxon(values[:1] - values[1:]))
    wins = (values >= values.max(axis=0) - EQUAL).sum(axis=1)
    return Overall(
        columns=tuple(block.columns),
        places=tuple(
            Place(
                entry=entry,
                mean_rank=float(ranks[i]),
                wins=int(wins[i]),
                ratio=_ratio(values[i], values[against]),
                p=float(p[i]) if i else None,
                level=bool(p[i] >= LEVEL) if i else True,
            )
            for i, entry in enumerate(entries)
        ),
        baseline=entries[against],
        friedman=friedman(values) if several else None,
        critical_difference=critical_difference(models, datasets) if several else None,
        models_left_out=block.models_left_out,
        columns_left_out=block.columns_left_out,
    )


@dataclass
class _Block:
    """Models and data sets that have each other's result, and why the others are left out."""

    entries: list[Entry]
    columns: list[Column]
    models_left_out: dict[Entry, str] = field(default_factory=dict)
    columns_left_out: dict[str, str] = field(default_factory=dict)

    def copied(self) -> _Block:
        """A block that can lose parts while this one keeps them."""
        return _Block(
            list(self.entries),
            list(self.columns),
            dict(self.models_left_out),
            dict(self.columns_left_out),
        )

    def leave_model(self, at: int, why: str) -> None:
        self.models_left_out[self.entries.pop(at)] = why

    def leave_column(self, at: int, why: str) -> None:
        self.columns_left_out[self.columns.pop(at).title] = why


def _complete(board: Board) -> _Block:
    """The block that is left when no result is missing."""
    block = _Block(list(board.entries), list(board.columns))
    for at in reversed(range(len(block.entries))):
        if block.entries[at].kind == "published":
            block.leave_model(at, "published figures")
    best = [column.best(board.metric) for column in board.columns]
    real = any(
        value is not None and not c.synthetic for value, c in zip(best, board.columns, strict=True)
    )
    for at in reversed(range(len(best))):
        column = block.columns[at]
        if best[at] is None:
            block.leave_column(at, column.unavailable or "no results")
        elif real and column.synthetic:
            block.leave_column(at, "synthetic data")
    missing = np.array(
        [[c.value(e, board.metric) is None for c in block.columns] for e in block.entries],
        dtype=bool,
    ).reshape(len(block.entries), len(block.columns))
    common = (~missing).T.astype(int) @ ~missing  # models, by pair of data sets
    np.fill_diagonal(common, 0)
    found = _without_gaps(block.copied(), missing)
    if len(found.entries) >= LEAST or not (common >= LEAST).any():
        return found
    pair = sorted(map(int, np.unravel_index(common.argmax(), common.shape)))
    for at in reversed(range(len(block.columns))):
        if at not in pair:
            block.leave_column(at, "too few models in common with the others")
    return _without_gaps(block, missing[:, pair])


def _without_gaps(block: _Block, missing: np.ndarray) -> _Block:
    """The block without the models and the data sets that lack most; two data sets are kept.

    ``missing`` [models, data sets]: whether there is no result.
    """
    while missing.any():
        of_models, of_columns = missing.mean(axis=1), missing.mean(axis=0)
        if of_models.max() >= of_columns.max() or len(block.columns) <= LEAST:
            at = int(np.flatnonzero(of_models == of_models.max())[-1])
            lacks = [block.columns[i].title for i in np.flatnonzero(missing[at])]
            block.leave_model(at, f"no result on {few(lacks, MOST, ', '.join)}")
            missing = np.delete(missing, at, axis=0)
        else:
            at = int(np.flatnonzero(of_columns == of_columns.max())[-1])
            lacks = [block.entries[i].name for i in np.flatnonzero(missing[:, at])]
            block.leave_column(at, f"no result of {few(lacks, MOST, ', '.join)}")
            missing = np.delete(missing, at, axis=1)
    return block


def _baseline(entries: list[Entry], name: str) -> int:
    """Where the baseline stands among the entries, which are in the order of their mean ranks."""
    if not name:
        return next((i for i, entry in enumerate(entries) if entry.kind == "counted"), 0)
    found = [i for i, entry in enumerate(entries) if entry.name.lower() == name.lower()]
    if not found:
        names = ", ".join(entry.name for entry in entries)
        raise UserError(f"baseline {name!r} is not compared over the data sets; there are: {names}")
    return found[0]


def _ratio(values: np.ndarray, baseline: np.ndarray) -> float | None:
    """The geometric mean of the quotients; None if a value is 0."""
    if not (values.all() and baseline.all()):
        return None
    return float(np.exp(np.mean(np.log(values) - np.log(baseline))))


def cost(found: Overall, entry: Entry, name: str) -> float | None:
    """The geometric mean of a cost of the cells, such as seconds, over the data sets that are
    compared; None if one of them is not known or 0. (Counted models may take no measurable time:
    that is not 0.)
    """
    values = [getattr(column.cells[entry], name) for column in found.columns]
    if name == "seconds":
        values = [value if value is None else max(value, LEAST_SECONDS) for value in values]
    return float(np.exp(np.mean(np.log(values)))) if all(values) else None


def ordered(board: Board, found: Overall | None) -> list[Entry]:
    """All rows. The models that are compared come first, by mean rank; the others follow, by their
    number of results, the largest first."""
    compared = [place.entry for place in found.places] if found else []
    results = Counter(entry for _, entry, _ in board.results())
    others = [entry for entry in board.entries if entry not in set(compared)]
    return compared + sorted(others, key=lambda entry: -results[entry])
