"""The part of each interaction, for a split that is given by files, and what to know of it."""

from collections.abc import Mapping

import numpy as np

from datasets import ties

TRAIN, VALID, TEST = range(3)
PARTS = ("train", "valid", "test")
"""Names of the parts in a data set's YAML file, by their codes."""


def checks(
    items: np.ndarray,
    n_items: int,
    offsets: np.ndarray,
    parts: np.ndarray,
    times: np.ndarray | None,
    histories: np.ndarray | None,
) -> dict[str, int]:
    """What the files have that a split made here cannot have; the arguments are ``Sequences``'.

    ``rows_in_two_files`` equal a row of another file in user, item and, if known, time.
    ``targets_before_history`` are earlier than an interaction of their history.
    ``histories_of_files`` are the targets whose history in the files is not the user's rows before
    them. Targets are the rows of the files for validation and test.
    """
    items = items[: offsets[-1]]
    users = ties.users_of(offsets)
    trained = parts == TRAIN
    known_users = int(np.count_nonzero(np.bincount(users[trained])))
    known_items = np.zeros(n_items, dtype=bool)
    known_items[items[trained]] = True
    moments = None if times is None else np.unique(times, return_inverse=True)[1]  # [n], ranks
    found = {
        "rows_in_two_files": _in_two(users * n_items + items, parts, moments),
        "users_without_training": len(offsets) - 1 - known_users,
        "items_without_training": int(n_items - known_items.sum()),
        "targets_without_training": int((~known_items[items[~trained]]).sum()),
    }
    at, starts, ends = targets(offsets, parts, histories)
    found["targets_without_history"] = int((starts == ends).sum())
    if moments is not None:
        known = (starts < ends) & (ends <= at)  # histories whose interactions are rows
        latest = _latest_until(users, moments)[at[known] - 1]
        found["targets_before_history"] = int((latest > moments[at[known]]).sum())
    if histories is not None:
        found["histories_of_files"] = len(histories)
    return found


def targets(
    offsets: np.ndarray, parts: np.ndarray, histories: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of the rows for validation and test, and where their histories start and end in
    ``Sequences.items``: three arrays [n] int64."""
    at = np.flatnonzero(parts != TRAIN)
    starts = offsets[ties.users_of(offsets)[at]]
    ends = at.copy()
    if histories is not None and len(histories):
        rows = np.searchsorted(at, histories[:, 0])
        starts[rows] = histories[:, 1]
        ends[rows] = histories[:, 2]
    return at, starts, ends


def _in_two(pairs: np.ndarray, parts: np.ndarray, moments: np.ndarray | None) -> int:
    """The number of rows that equal a row of an earlier part; ``pairs`` of user and item."""
    columns = [pairs] if moments is None else [pairs, moments]
    order = np.lexsort((parts, *columns))
    equal = np.all([column[order][1:] == column[order][:-1] for column in columns], axis=0)
    return int((equal & (parts[order][1:] != parts[order][:-1])).sum())


def _latest_until(users: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The latest moment of each row's user up to that row: [n] int64."""
    above = int(moments.max()) + 1
    latest: np.ndarray = np.maximum.accumulate(users * above + moments) - users * above
    return latest


def sentence(numbers: Mapping[str, int | float]) -> str:
    """What the files have, for the terminal and the card."""
    found = [f"{numbers['rows_in_two_files']:,} rows in two of the files"]
    if "targets_before_history" in numbers:
        found.append(f"{numbers['targets_before_history']:,} targets earlier than their history")
    if "histories_of_files" in numbers:
        found.append(
            f"{numbers['histories_of_files']:,} targets whose history in the files is not the "
            "user's rows before them: the history of the files is used"
        )
    found += [
        f"{numbers['targets_without_history']:,} targets without a history: not evaluated",
        f"{numbers['users_without_training']:,} users without training",
        f"{numbers['items_without_training']:,} items without training, with "
        f"{numbers['targets_without_training']:,} targets: candidates like all others",
    ]
    return "; ".join(found)


def warnings(numbers: Mapping[str, int | float]) -> list[str]:
    """What makes results on this split too high; sentences without a full stop."""
    found = []
    if (rows := numbers.get("rows_in_two_files")) and "tied_neighbours" in numbers:
        found.append(
            f"{rows:,} rows stand in two of the files: a target that was trained on, or that "
            "stands in its own history, is easy; remove them from one file"
        )
    elif rows:
        found.append(
            f"{rows:,} rows have the user and the item of a row in another file: they repeat, or "
            "are copies that give targets away; without times nothing tells which"
        )
    if numbers.get("targets_before_history"):
        found.append(
            f"{numbers['targets_before_history']:,} targets are earlier than an interaction of "
            "their history: the model sees what the user did later"
        )
    return found
