"""Splits of sequences into training, validation and test: by user, by time, or as files give it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from datasets import parts, ties
from datasets.errors import DataError
from datasets.sequences import Sequences
from datasets.splitting import baskets
from datasets.splitting.targets import Split, Targets
from datasets.splitting.temporal import Temporal, temporal

GIVEN_NAME = "given by files (history: {})"
ROWS = "the user's rows before the target"
COLUMN = "a column of the files"


def leave_one_out(sequences: Sequences, whole_baskets: bool = False) -> Split:
    """Split off each user's last item for test, and the one before it for validation.

    The validation item is part of the history when the test item is predicted. All items of users
    with fewer than three items are for training; these users are not evaluated.

    With ``whole_baskets``, the same holds for baskets in place of items: all interactions of a
    user at one time. Every distinct item of a basket is a target, and its history ends before the
    basket.

    Raises DataError if no user has three items (or baskets), and for baskets without timestamps.
    """
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    numbers = baskets.numbers_of(sequences) if whole_baskets else None
    test_at = baskets.begin(ends - 1, numbers)
    valid_at = baskets.begin(np.maximum(test_at - 1, starts), numbers)
    evaluated = starts < valid_at
    several = "interactions at three times" if whole_baskets else "three interactions"
    if not evaluated.any():
        raise DataError(f"no user has {several} or more: nobody to evaluate")
    fewer = (
        "interactions at fewer than three times"
        if whole_baskets
        else "fewer than three interactions"
    )
    users = np.flatnonzero(evaluated)
    return Split(
        name="leave-one-out",
        train_starts=starts,
        train_ends=np.where(evaluated, valid_at, ends),
        valid=baskets.targets(sequences, users, valid_at[users], numbers),
        test=baskets.targets(sequences, users, test_at[users], numbers),
        not_evaluated=f"have {fewer}: used for training, not evaluated",
    )


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


LEAVE_ONE_OUT = "leave-one-out"
TEMPORAL = "temporal"
GIVEN = "files"
"""Value of ``Spec.split`` where ``split:`` of the YAML file names a file for each part."""


def rule_of(split: str, by: Temporal) -> SplitRule:
    """The way to split of that name, a key of RULES; ``by`` says how a temporal split is made."""
    if split != TEMPORAL:
        return RULES[split]
    return SplitRule(
        partial(temporal, by=by),
        f"data set split at two points in time{by.words}",
        partial(temporal, whole_baskets=True, by=by),
    )


# The keys are the values of ``split:`` in a data set's YAML file.
SPLITS = {
    LEAVE_ONE_OUT: SplitRule(
        leave_one_out, "leave one out split data set", partial(leave_one_out, whole_baskets=True)
    ),
    TEMPORAL: rule_of(TEMPORAL, Temporal()),
}
RULES = SPLITS | {GIVEN: SplitRule(given_split, "split given by files")}
