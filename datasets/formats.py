"""The formats in which the field publishes interactions."""

from dataclasses import dataclass

FIELDS = ("user", "item", "rating", "timestamp")
NUMBERS = ("rating", "timestamp")
# Arrays of ids take four bytes a character for each id, as many as the longest one has.
LONGEST_ID = 256
LATEST = 1e11  # seconds since 1970: in the year 5138, and as milliseconds in 1973


@dataclass(frozen=True)
class Format:
    """How the rows of a text file are laid out: by ``columns``, or by a header line."""

    separator: str
    columns: tuple[str, ...] = ()
    """Names of the fields, in order, in a file without a header line; ``_`` is not read."""
    header: tuple[str, ...] = ()
    """What user, item, rating and timestamp are called in the header line."""
    optional: tuple[str, ...] = ()
    """Those of our names that the header line need not have."""
    ticks_per_second: int = 1


FORMATS = {
    # RecBole's atomic files: a header of name:type, tab-separated.
    "recbole": Format(
        "\t", header=("user_id", "item_id", "rating", "timestamp"), optional=("rating",)
    ),
    "amazon-2014": Format(",", columns=("user", "item", "rating", "timestamp")),
    "amazon-2018": Format(",", columns=("item", "user", "rating", "timestamp")),
    "amazon-2023": Format(
        ",", header=("user_id", "parent_asin", "rating", "timestamp"), ticks_per_second=1000
    ),
    # ml-1m and ml-10m: user::item::rating::timestamp, which to a one-character parser is seven
    # fields of which every second one is empty (a parser of long separators is ten times slower).
    "movielens-dat": Format(":", columns=("user", "_", "item", "_", "rating", "_", "timestamp")),
    "movielens-100k": Format("\t", columns=("user", "item", "rating", "timestamp")),
    "movielens-csv": Format(",", header=("userId", "movieId", "rating", "timestamp")),
    # BERT4Rec's and SASRec's own files: one "user item" per line, oldest first.
    "user-item-text": Format(" ", columns=("user", "item")),
}
