"""``split: temporal``: two points in time, the same for all users, and the targets after each."""

import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np

from datasets import ties
from datasets.checking import intervals
from datasets.checking.checked import build, mapping
from datasets.errors import DataError, quoted
from datasets.sequences import Sequences
from datasets.spans import spans
from datasets.splitting import baskets
from datasets.splitting.targets import Split, Targets

# Values of ``target:``, and what the name of the split, which is part of the protocol, says.
TARGETS = {
    "first": "",
    "last": ", target: last",
    "random": ", target: random (seed {})",
    "successive": ", target: every interaction",
}
KEEP = "keep"
DROP = "drop"
COLD = {
    "cold_users": ", users without training dropped",
    "cold_items": ", targets without training dropped",
}
"""Keys whose values are KEEP and DROP, and what the name of the split says of DROP."""


@dataclass(frozen=True)
class Temporal:
    """Content of ``split: {temporal: ...}``."""

    valid: float = 0.8
    """The point where training ends: the share of interactions before it if it is between 0 and 1,
    else seconds since 1970."""
    test: float = 0.9
    """The point where validation ends, in the same form."""
    target: str = "first"
    """Which interactions of a user in a period are targets: a key of TARGETS."""
    seed: int | None = None
    """Of target "random"."""
    cold_users: str = KEEP
    """Whether users without training interactions have targets."""
    cold_items: str = KEEP
    """Whether items without training interactions are targets. They are candidates all the same."""

    @property
    def words(self) -> str:
        """What the name of the split says beside its points in time; "" by default."""
        return TARGETS[self.target].format(self.seed) + "".join(COLD[key] for key in self.dropped)

    @property
    def dropped(self) -> list[str]:
        """The keys of COLD that say DROP."""
        values = asdict(self)
        return [key for key in COLD if values[key] == DROP]

    def as_dict(self) -> dict[str, Any]:
        """Content of ``temporal:`` from which ``read`` gives this; points in time are dates."""
        default = asdict(Temporal())
        content = {k: v for k, v in asdict(self).items() if v != default[k]}
        for key in ("valid", "test"):
            if key in content and not _is_share(content[key]):
                content[key] = _utc(content[key])
        return content

    def points(self, times: np.ndarray) -> tuple[float, float]:
        """The two points in time, as seconds since 1970, for interactions at ``times`` [n].

        The share of a point is exact without ties. With ties at the point it is smaller.
        """
        first = _seconds(self.valid, times)
        second = _seconds(self.test, times)
        if first > second:
            raise DataError(
                f"split: temporal: valid is {_utc(first)} and test is {_utc(second)}: give points "
                "in this order"
            )
        return first, second


def read(content: object) -> Temporal:
    """The split at the key ``temporal:``. Raises ValueError for what makes no sense."""
    parts = dict(mapping({} if content is None else content, "split.temporal"))
    for key in ("valid", "test"):
        if key in parts:
            parts[key] = _point(parts[key], key)
    found = build(Temporal, parts, "split.temporal")
    if found.target not in TARGETS:
        known = ", ".join(TARGETS)
        raise ValueError(f"target should be one of {known}, not {quoted(found.target)}")
    for key in COLD:
        if key in parts and parts[key] not in (KEEP, DROP):
            raise ValueError(f"{key} should be {KEEP} or {DROP}, not {quoted(parts[key])}")
    if (found.target == "random") != (found.seed is not None):
        raise ValueError(
            "target: random needs a seed, such as seed: 1, and no other target has one"
        )
    if _is_share(found.valid) == _is_share(found.test) and found.valid >= found.test:
        raise ValueError(
            f"split.temporal: valid should be before test, not {quoted(parts.get('valid', 0.8))} "
            f"and {quoted(parts.get('test', 0.9))}"
        )
    return found


def _point(value: object, key: str) -> float:
    seconds = intervals.value_of(value, dated=True, end_of_day=False)
    number = isinstance(value, int | float) or (isinstance(value, str) and "-" not in value[1:])
    if math.isnan(seconds) or (number and not _is_share(seconds)):
        raise ValueError(
            f"{key} in split.temporal should be a share between 0 and 1, or a date such as "
            f"2000-12-31, not {quoted(value)}"
        )
    return seconds


def _seconds(point: float, times: np.ndarray) -> float:
    if not _is_share(point):
        return point
    # The decimals as they are written: 0.7 as a float times 10 is below 7.
    index = int(len(times) * Fraction(str(point)))
    return float(np.partition(times, index)[index])


def _is_share(point: float) -> bool:
    return 0 < point < 1


def temporal(
    sequences: Sequences, whole_baskets: bool = False, by: Temporal | None = None
) -> Split:
    """Split at two points in time, the same for all users.

    Interactions before the first point (by default 80% of all) are for training, those between the
    points (10%) for validation, the rest for test. Interactions at the same time are never
    separated: with ties, training gets fewer than 80%.

    A target is a user's first interaction from its point in time on (for validation: and before
    the second point), or what ``by.target`` says in its place. With ``whole_baskets``, so is every
    distinct item at the time of this interaction. The history is everything before it. Targets
    without a history are not evaluated. Every training interaction is earlier than every target.

    Raises DataError if there are no timestamps, if they are not in seconds, and if nobody is
    evaluated.
    """
    by = by or Temporal()
    times = sequences.timestamps
    if times is None:
        raise DataError(
            "split: temporal needs timestamps, and these data have none: use a file and a reader "
            "with timestamps, or split: leave-one-out"
        )
    first, second = by.points(times)
    starts = sequences.offsets[:-1]
    ends = sequences.offsets[1:]
    valid_at = _first_since(first, times, sequences.offsets)
    test_at = _first_since(second, times, sequences.offsets)
    may_be_target = _may_be_target(sequences, starts, valid_at, by)  # [n_interactions]
    numbers = baskets.numbers_of(sequences) if whole_baskets else None
    rng = np.random.default_rng(by.seed or 0)

    def targets_between(begins: np.ndarray, ends: np.ndarray) -> Targets:
        draws = rng.random(len(begins))  # one for each user, whatever the targets of others
        at = spans(begins, ends)
        at = at[may_be_target[at]]
        users = np.searchsorted(sequences.offsets, at, side="right") - 1
        chosen = _chosen(users, by.target, draws)
        at = at[chosen]
        users = users[chosen]
        known = starts[users] < baskets.begin(at, numbers)
        found = baskets.targets(sequences, users[known], at[known], numbers)
        return found.chosen(may_be_target[found.positions])

    valid = targets_between(valid_at, test_at)
    test = targets_between(test_at, ends)
    train_until = _utc(first)
    test_since = _utc(second)
    if not len(valid.users):
        raise _nobody(by, "validation", train_until, f"between then and {test_since}")
    if not len(test.users):
        raise _nobody(by, "test", test_since, "from then on")
    return Split(
        name=f"temporal (training before {train_until}, test from {test_since}){by.words}",
        train_starts=starts,
        train_ends=valid_at,
        valid=valid,
        test=test,
        not_evaluated=(
            f"{_without_target(by, test_since)}: those before {train_until} are used for "
            "training, not evaluated"
        ),
    )


def _nobody(by: Temporal, part: str, until: str, since: str) -> DataError:
    """The error for a part without targets, whose period begins at ``until``."""
    dropped = " and ".join(f"{key}: {DROP}" for key in by.dropped)
    others = f" that {dropped} keeps" if dropped else ""
    return DataError(
        f"split: temporal has nobody to evaluate in {part}: no user has interactions both before "
        f"{until} and {since}{others}; use data of a longer period, or split: leave-one-out"
    )


def _without_target(by: Temporal, test_since: str) -> str:
    """Why the other users have no test target."""
    if by.words:
        return f"have no interaction from {test_since} on that is a target and has a history"
    return f"have no interaction before {test_since}, or none from then on"


def _may_be_target(
    sequences: Sequences, starts: np.ndarray, train_ends: np.ndarray, by: Temporal
) -> np.ndarray:
    """Whether an interaction may be a target, [n_interactions] bool: ``cold_users`` and
    ``cold_items`` may forbid it."""
    kept = np.ones(sequences.n_interactions, dtype=bool)
    if by.cold_users == DROP:
        kept &= (starts < train_ends)[ties.users_of(sequences.offsets)]
    if by.cold_items == DROP:
        trained = np.zeros(sequences.n_items, dtype=bool)
        trained[sequences.items[spans(starts, train_ends)]] = True
        kept &= trained[sequences.items]
    return kept


def _chosen(users: np.ndarray, target: str, draws: np.ndarray) -> np.ndarray:
    """Indices of the targets among the interactions of a period: [n] int64.

    ``users`` [m] int64 are those of the interactions, in ascending order; ``draws`` [n_users] are
    from [0, 1).
    """
    if target == "successive":
        return np.arange(len(users))
    _, begins, counts = np.unique(users, return_index=True, return_counts=True)
    if target == "first":
        return begins
    if target == "last":
        return begins + counts - 1
    return begins + (draws[users[begins]] * counts).astype(np.int64)


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
