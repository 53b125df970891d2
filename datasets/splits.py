"""Splits of sequences into training, validation and test: by user, by time, or as files give it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from datasets import parts, ties
from datasets.errors import DataError
from datasets.sequences import Sequences, Split, Targets

GIVEN_NAME = "given by files (history: {})"
ROWS = "the user's rows before the target"
COLUMN = "a column of the files"


def leave_one_out(sequences: Sequences, baskets: bool = False) -> Split:
    """Split off each user's last item for test, and the one before it for validation.

    The validation item is part of the history when the test item is predicted. All items of users
    with fewer than three items are for training; these users are not evaluated.

    With ``baskets``, the same holds for baskets in place of items: all interactions of a user at
    one time. Every distinct item of a basket is a target, and its history ends before the basket.

    Raises DataError if no user has three items (or baskets), and for baskets without timestamps.
    """
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    numbers = _baskets(sequences) if baskets else None
    test_at = _begin(ends - 1, numbers)
    valid_at = _begin(np.maximum(test_at - 1, starts), numbers)
    evaluated = starts < valid_at
    several = "interactions at three times" if baskets else "three interactions"
    if not evaluated.any():
        raise DataError(f"no user has {several} or more: nobody to evaluate")
    fewer = "interactions at fewer than three times" if baskets else "fewer than three interactions"
    users = np.flatnonzero(evaluated)
    return Split(
        name="leave-one-out",
        train_starts=starts,
        train_ends=np.where(evaluated, valid_at, ends),
        valid=_targets(sequences, users, valid_at[users], numbers),
        test=_targets(sequences, users, test_at[users], numbers),
        not_evaluated=f"have {fewer}: used for training, not evaluated",
    )


def _baskets(sequences: Sequences) -> np.ndarray:
    """``Sequences.baskets``. Raises DataError without timestamps."""
    if sequences.timestamps is None:
        raise DataError(
            "targets: last-tied needs timestamps, and these data have none: use a file and a "
            "reader with timestamps, or targets: last"
        )
    return sequences.baskets


def _begin(positions: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    """Where the baskets of interactions begin. ``numbers`` are those of the baskets; None: each
    interaction is a basket of its own."""
    return positions if numbers is None else np.searchsorted(numbers, numbers[positions])


def _targets(
    sequences: Sequences, users: np.ndarray, at: np.ndarray, numbers: np.ndarray | None
) -> Targets:
    """The items at ``at``, or every distinct item of the baskets that begin there.

    ``users`` and ``at`` are [n] int64; ``numbers`` are those of ``_begin``.
    """
    if numbers is None:
        return Targets.next_items(users, sequences.offsets[users], at)
    positions = np.flatnonzero(np.isin(numbers, numbers[at]))
    pairs = numbers[positions] * sequences.n_items + sequences.items[positions]
    positions = positions[np.sort(np.unique(pairs, return_index=True)[1])]
    owners = np.searchsorted(sequences.offsets, positions, side="right") - 1
    starts = sequences.offsets[owners]
    return Targets(owners, starts, _begin(positions, numbers), positions)


def temporal(sequences: Sequences, baskets: bool = False) -> Split:
    """Split at two points in time, the same for all users.

    Interactions before the first point (80% of all) are for training, those between the points
    (10%) for validation, the rest for test. Interactions at the same time are never separated: with
    ties, training gets fewer than 80%.

    A target is a user's first interaction from its point in time on (for validation: and before
    the second point). With ``baskets``, so is every distinct item at the time of this interaction.
    The history is everything before it. Users without a history or without a target are not
    evaluated. Every training interaction is therefore earlier than every target.

    Raises DataError if there are no timestamps, if they are not in seconds, and if nobody is
    evaluated.
    """
    times = sequences.timestamps
    if times is None:
        raise DataError(
            "split: temporal needs timestamps, and these data have none: use a file and a reader "
            "with timestamps, or split: leave-one-out"
        )
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    positions = [len(times) * 8 // 10, len(times) * 9 // 10]
    first, second = np.partition(times, positions)[positions]
    valid_at = _first_since(first, times, sequences.offsets)
    test_at = _first_since(second, times, sequences.offsets)
    valid = np.flatnonzero((starts < valid_at) & (valid_at < test_at))
    test = np.flatnonzero((starts < test_at) & (test_at < ends))
    numbers = _baskets(sequences) if baskets else None
    train_until = _utc(first)
    test_since = _utc(second)
    for users, part, until, since in (
        (valid, "validation", train_until, f"between then and {test_since}"),
        (test, "test", test_since, "from then on"),
    ):
        if not len(users):
            raise DataError(
                f"split: temporal has nobody to evaluate in {part}: no user has interactions both "
                f"before {until} and {since}; use data of a longer period, or split: leave-one-out"
            )
    return Split(
        name=f"temporal (training before {train_until}, test from {test_since})",
        train_starts=starts,
        train_ends=valid_at,
        valid=_targets(sequences, valid, valid_at[valid], numbers),
        test=_targets(sequences, test, test_at[test], numbers),
        not_evaluated=(
            f"have no interaction before {test_since}, or none from then on: those before "
            f"{train_until} are used for training, not evaluated"
        ),
    )


def _first_since(time: float, times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Position of each user's first interaction at ``time`` or later; the end of the user's
    interactions if there is none: [n_users] int64."""
    starts = offsets[:-1]
    ends = offsets[1:]
    before = np.concatenate([[0], np.cumsum(times < time)])  # [n_interactions + 1]
    return starts + before[ends] - before[starts]


def _utc(seconds: float) -> str:
    try:
        return f"{(datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()}Z"
    except OverflowError:  # milliseconds are past the year 9999
        raise DataError(
            f"split: temporal needs timestamps in seconds since 1970, not {seconds:.15g}: "
            "convert them in the file, or use a reader that does"
        ) from None


def given_split(sequences: Sequences) -> Split:
    """Every row of the files for validation and test is a target.

    Its history is everything that the user has before it: the rows for training, then those for
    validation, then earlier ones of the same file. Where the files give another history, it is
    that one. Targets without a history are not evaluated; they are part of later histories.

    Raises DataError if no target of a file has a history.
    """
    assert sequences.parts is not None
    starts = sequences.offsets[:-1]
    users = ties.users_of(sequences.offsets)
    trained = np.bincount(users[sequences.parts == parts.TRAIN], minlength=sequences.n_users)
    other_histories = sequences.histories is not None and len(sequences.histories) > 0
    return Split(
        name=GIVEN_NAME.format(COLUMN if other_histories else ROWS),
        train_starts=starts,
        train_ends=starts + trained,
        valid=_rows_of(sequences, users, parts.VALID),
        test=_rows_of(sequences, users, parts.TEST),
        not_evaluated="have no row with a history in the file for test: not evaluated",
    )


def _rows_of(sequences: Sequences, users: np.ndarray, part: int) -> Targets:
    """The targets of one part; ``users`` are those of ``ties.users_of``."""
    assert sequences.parts is not None
    at, starts, ends = parts.targets(sequences.offsets, sequences.parts, sequences.histories)
    kept = (starts < ends) & (sequences.parts[at] == part)
    if not kept.any():
        raise DataError(
            f"split: nobody to evaluate in {parts.PARTS[part]}: no row of this file has a history, "
            "which is what its user has before it, or its column history"
        )
    return Targets(users[at[kept]], starts[kept], ends[kept], at[kept])


@dataclass(frozen=True)
class SplitRule:
    """A way to split sequences into training, validation and test."""

    split: Callable[[Sequences], Split]
    on_card: str
    """Its name on RecBole's data set card."""
    baskets: Callable[[Sequences], Split] | None = None
    """The same with whole baskets as targets, if there is such a split."""


# The keys are the values of ``split:`` in a data set's YAML file.
SPLITS = {
    "leave-one-out": SplitRule(
        leave_one_out, "leave one out split data set", partial(leave_one_out, baskets=True)
    ),
    "temporal": SplitRule(
        temporal, "data set split at two points in time", partial(temporal, baskets=True)
    ),
}


GIVEN = "files"
"""Value of ``Spec.split`` where ``split:`` of the YAML file names a file for each part."""
RULES = SPLITS | {GIVEN: SplitRule(given_split, "split given by files")}
