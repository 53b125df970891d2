"""The one exception a user of this package has to know, and how its message quotes the input."""

LONGEST_QUOTE = 200  # characters


class DataError(Exception):
    """The data cannot be used as they are; the message says what, where, and what to do."""


def quoted(value: object) -> str:
    """The value as Python writes it, on one line, of at most 200 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}..."
