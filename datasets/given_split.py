"""The split that the data's files give: training, validation and test are files of their own."""

import numpy as np

from datasets import parts, ties
from datasets.errors import DataError
from datasets.sequences import Sequences, Split, Targets

NAME = "given by files (history: {})"
ROWS = "the user's rows before the target"
COLUMN = "a column of the files"


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
        name=NAME.format(COLUMN if other_histories else ROWS),
        train_starts=starts,
        train_ends=starts + trained,
        valid=_targets(sequences, users, parts.VALID),
        test=_targets(sequences, users, parts.TEST),
        not_evaluated="have no row with a history in the file for test: not evaluated",
    )


def _targets(sequences: Sequences, users: np.ndarray, part: int) -> Targets:
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
