"""The formats in which interactions come: those the field publishes, and files of one's own."""

from dataclasses import dataclass, field

from datasets.errors import quoted

FIELDS = ("user", "item", "rating", "timestamp")
NUMBERS = ("rating", "timestamp")
# Arrays of ids take four bytes a character for each id, as many as the longest one has.
LONGEST_ID = 256
LATEST = 1e11  # seconds since 1970: in the year 5138, and as milliseconds in 1973
TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000}


@dataclass(frozen=True)
class Format:
    """How interactions are laid out in a file: by ``columns``, or by a ``header`` line."""

    separator: str = ","
    columns: tuple[str, ...] = ()
    """Names of the fields, in order, in a file without a header line; ``_`` is not read."""
    header: dict[str, str] = field(default_factory=dict)
    """What our fields are called in the header line (or the schema), those that are read."""
    optional: tuple[str, ...] = ()
    """Those of our names that the header line need not have."""
    ticks_per_second: int = 1
    quotes: bool = False
    """Whether a field may stand in double quotes, and then hold the separator (RFC 4180)."""
    columnar: bool = False
    """Whether it is a Parquet file, and no text."""


FORMATS = {
    # RecBole's atomic files: a header of name:type, tab-separated.
    "recbole": Format(
        "\t",
        header=dict(zip(FIELDS, ("user_id", "item_id", "rating", "timestamp"), strict=True)),
        optional=("rating",),
    ),
    "amazon-2014": Format(columns=("user", "item", "rating", "timestamp")),
    "amazon-2018": Format(columns=("item", "user", "rating", "timestamp")),
    "amazon-2023": Format(
        header=dict(zip(FIELDS, ("user_id", "parent_asin", "rating", "timestamp"), strict=True)),
        ticks_per_second=TICKS["ms"],
    ),
    # ml-1m and ml-10m: user::item::rating::timestamp, which to a one-character parser is seven
    # fields of which every second one is empty (a parser of long separators is ten times slower).
    "movielens-dat": Format(":", columns=("user", "_", "item", "_", "rating", "_", "timestamp")),
    "movielens-100k": Format("\t", columns=("user", "item", "rating", "timestamp")),
    "movielens-csv": Format(
        header=dict(zip(FIELDS, ("userId", "movieId", "rating", "timestamp"), strict=True))
    ),
    # BERT4Rec's and SASRec's own files: one "user item" per line, oldest first.
    "user-item-text": Format(" ", columns=("user", "item")),
}
OWN = ("csv", "parquet")
READERS = (*FORMATS, *OWN)


def layout(
    reader: str,
    columns: dict[str, str] | None = None,
    separator: str | None = None,
    timestamp_unit: str | None = None,
) -> Format:
    """The format that a reader of READERS takes; of one's own files the rest says more.

    Raises ValueError for what does not go together.
    """
    if reader in FORMATS:
        if columns or separator or timestamp_unit:
            raise ValueError(
                f"columns, separator and timestamp_unit are for the readers {' and '.join(OWN)}: "
                f"{reader} has its own"
            )
        return FORMATS[reader]
    if reader not in OWN:
        raise ValueError(f"reader {quoted(reader)} is none of {', '.join(READERS)}")
    named = isinstance(columns, dict) and all(isinstance(n, str) and n for n in columns.values())
    if not named or not {"user", "item"} <= set(columns) <= set(FIELDS):
        raise ValueError(
            f"the reader {reader} needs columns, such as {{user: customer, item: product, "
            f"timestamp: bought_at}}, not {quoted(columns)}"
        )
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"columns names one column twice: {quoted(columns)}")
    if separator is not None and (reader != "csv" or len(separator) != 1 or separator in '"\r\n'):
        raise ValueError(f"separator {quoted(separator)} should be one character of a csv file")
    if timestamp_unit is not None and timestamp_unit not in TICKS:
        raise ValueError(f"timestamp_unit {quoted(timestamp_unit)} is none of {', '.join(TICKS)}")
    return Format(
        separator=separator or ",",
        header=columns,
        ticks_per_second=TICKS[timestamp_unit or "s"],
        quotes=reader == "csv",
        columnar=reader == "parquet",
    )
