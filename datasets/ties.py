"""Interactions of one user at the same time: their order, and what that order predicts."""

import numpy as np
import pandas as pd

NO_TIMES = (
    "ties: random needs timestamps, and these data have none: their only order is that of the "
    "file; remove ties: random"
)
CUT_OFF = 10
LARGEST_SAMPLE = 300_000  # interactions that successors are counted on: a second, whatever the data


def random_keys(
    user_codes: np.ndarray,
    user_ids: pd.Index,
    item_codes: np.ndarray,
    item_ids: pd.Index,
    times: np.ndarray,
) -> np.ndarray:
    """[n] uint64 to sort equal times by: a hash of user, item, time and occurrence.

    The order of the rows does not change it, nor do interactions at other times or of other users.
    The occurrence counts equal rows, which would otherwise always be neighbours.
    """
    rows = pd.DataFrame(
        {
            "user": pd.Categorical.from_codes(user_codes, user_ids.astype(object)),
            "item": pd.Categorical.from_codes(item_codes, item_ids.astype(object)),
            "time": times + 0.0,  # -0.0 is 0.0
        }
    )
    codes = pd.DataFrame({"user": user_codes, "item": item_codes, "time": times})
    rows["occurrence"] = codes.groupby(["user", "item", "time"], sort=False).cumcount()
    return pd.util.hash_pandas_object(rows, index=False).to_numpy(np.uint64)


def users_of(offsets: np.ndarray) -> np.ndarray:
    """The user of each interaction, [n_interactions] int64."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def tied_with_next(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Whether the same user's next interaction has the same time, [n_interactions] bool."""
    tied = np.append(times[1:] == times[:-1], False)
    tied[offsets[1:] - 1] = False
    return tied


def copies(items: np.ndarray, offsets: np.ndarray, times: np.ndarray) -> int:
    """The number of interactions that equal an earlier one in user, item and time."""
    tied = tied_with_next(times, offsets)
    tied[1:] |= tied[:-1]  # the last one of each time, too
    users = users_of(offsets)[tied]
    times = times[tied]
    order = np.lexsort((items[tied], times, users))
    columns = (users[order], times[order], items[tied][order])
    return int(np.all([column[1:] == column[:-1] for column in columns], axis=0).sum())


def steps(items: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Of tied neighbours with different items: those whose items are in the order of their codes,
    which is that of their ids, and all: [2] int64. ``tied`` is that of ``tied_with_next``."""
    first = np.flatnonzero(tied)
    signs = np.sign(items[first + 1].astype(np.int64) - items[first])
    return np.array([np.count_nonzero(signs > 0), np.count_nonzero(signs)])


def successor_hits(
    items: np.ndarray, offsets: np.ndarray, times: np.ndarray
) -> dict[str, int | float]:
    """How well an item predicts the next one at the same time, in this order and in random order.

    ``successors_in_order`` and ``successors_in_random_order`` are the shares of such next items
    that are among the ten most frequent successors of the item before them; they are about equal
    if this order is arbitrary. Successors are counted on every second user; the others have the
    ``successors_asked`` next items that the shares are of. Empty if there is nothing to ask for.
    """
    step = -(-int(offsets[-1]) // LARGEST_SAMPLE)
    starts = offsets[:-1:step]
    lengths = np.diff(offsets)[::step]
    users = np.repeat(np.arange(len(starts)), lengths)
    chosen = np.arange(len(users)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    items = items[chosen].astype(np.int64)
    times = times[chosen]
    follows = users[1:] == users[:-1]
    asked = follows & (times[1:] == times[:-1]) & (users[1:] % 2 == 1)
    counted = follows & (users[1:] % 2 == 0)
    if not asked.any() or not counted.any():
        return {}
    changes = (np.diff(times, prepend=times[:1]) != 0) | (np.diff(users, prepend=users[:1]) != 0)
    runs = np.cumsum(changes)  # of one user at one time; times may go back between two files
    shuffled = np.lexsort((np.random.default_rng(0).random(len(items)), runs))
    return {
        "successors_asked": int(asked.sum()),
        "successors_in_order": _hits(items, counted, asked),
        "successors_in_random_order": _hits(items[shuffled], counted, asked),
    }


def _hits(items: np.ndarray, counted: np.ndarray, asked: np.ndarray) -> float:
    """``counted`` and ``asked`` are [n - 1] bool: pairs of an item and the next one."""
    pairs = items[:-1] * (items.max() + 1) + items[1:]
    entries, counts = np.unique(pairs[counted], return_counts=True)  # [m] each
    rows = entries // (items.max() + 1)
    order = np.lexsort((-counts, rows))
    rows = rows[order]
    counts = counts[order]
    begins = (np.diff(rows, prepend=-1) != 0) | (np.diff(counts, prepend=0) != 0)
    begin = np.flatnonzero(begins)  # of each run of equal counts in one row
    middle = (begin + np.append(begin[1:], len(rows)) - 1) / 2
    ranks = np.empty(len(rows))
    ranks[order] = middle[np.cumsum(begins) - 1] - np.searchsorted(rows, rows) + 1
    wanted = pairs[asked]
    place = np.searchsorted(entries, wanted).clip(max=len(entries) - 1)
    hits = (entries[place] == wanted) & (ranks[place] <= CUT_OFF)
    return float(hits.mean())
